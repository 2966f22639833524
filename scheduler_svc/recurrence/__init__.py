"""Which instants a trigger means: pure, and the only place that knows calendars.

The truth of a calendar alarm is wall time, zone and rule; an instant is computed from them. A `Trigger` is what is stored, `rule_of` makes
the `Rule` that walks its due times. A new kind of trigger is a new spec in `trigger`, a new rule in `rules`, and a case in `rule_of`.
"""

from scheduler_svc.recurrence.rules import Compiled, Rule, anchor_of, compiled, first_due, rule_of
from scheduler_svc.recurrence.trigger import (
    END_OF_TIME,
    At,
    CatchUp,
    CatchUpMode,
    Daily,
    DstPolicy,
    Every,
    Gap,
    Label,
    Micros,
    Occurrence,
    Overlap,
    Spec,
    Trigger,
)
from scheduler_svc.recurrence.zones import TZDATA_VERSION, UnknownZone, zone

__all__ = [
    "END_OF_TIME",
    "TZDATA_VERSION",
    "At",
    "CatchUp",
    "CatchUpMode",
    "Compiled",
    "Daily",
    "DstPolicy",
    "Every",
    "Gap",
    "Label",
    "Micros",
    "Occurrence",
    "Overlap",
    "Rule",
    "Spec",
    "Trigger",
    "UnknownZone",
    "anchor_of",
    "compiled",
    "first_due",
    "rule_of",
    "zone",
]
