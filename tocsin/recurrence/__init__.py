"""Which instants a trigger means: pure, and the only place that knows calendars.

The truth of a calendar alarm is wall time, zone and rule; an instant is computed from them. A `Trigger` is what is stored, `rule_of` makes
the `Rule` that walks its due times. A new kind of trigger is a new spec in `trigger`, a new rule in `rules`, and a case in `rule_of`.
"""

from typing import Final

from tocsin.recurrence.checks import checked_due, normalized
from tocsin.recurrence.describe import describe
from tocsin.recurrence.errors import BadRule, TooCostly, UnknownZone
from tocsin.recurrence.intervals import (
    Cover,
    Elapsed,
    FixedIntervals,
    Interval,
    Intervals,
    Length,
    Nominal,
    UntilTime,
    Windows,
    common,
    merged,
    united,
    weekly,
    without,
)
from tocsin.recurrence.offsets import Offsets, offsets, zone
from tocsin.recurrence.patterns import local_text
from tocsin.recurrence.rule import Rule
from tocsin.recurrence.rules import Compiled, anchor_of, compiled, first_due, rule_of
from tocsin.recurrence.specs import (
    END_OF_TIME,
    At,
    AtLocal,
    CatchUp,
    CatchUpMode,
    Comparison,
    Cron,
    Daily,
    DstPolicy,
    Event,
    Every,
    Gap,
    Heartbeat,
    Label,
    Micros,
    Occurrence,
    Overlap,
    Overlapping,
    Recurrence,
    Spec,
    Threshold,
)
from tocsin.recurrence.steps import MOST_STEPS, spent
from tocsin.recurrence.trigger import Trigger
from tocsin.recurrence.turns import Turn, Turns
from tocsin.zones import TZDATA_VERSION

RULES_VERSION: Final = f"{TZDATA_VERSION}-r2"
"""What due times are computed with: the time-zone database, and the revision of our reading of rules. In order of time."""

__all__ = [
    "END_OF_TIME",
    "MOST_STEPS",
    "RULES_VERSION",
    "TZDATA_VERSION",
    "At",
    "AtLocal",
    "BadRule",
    "CatchUp",
    "CatchUpMode",
    "Comparison",
    "Compiled",
    "Cover",
    "Cron",
    "Daily",
    "DstPolicy",
    "Elapsed",
    "Event",
    "Every",
    "FixedIntervals",
    "Gap",
    "Heartbeat",
    "Interval",
    "Intervals",
    "Label",
    "Length",
    "Micros",
    "Nominal",
    "Occurrence",
    "Offsets",
    "Overlap",
    "Overlapping",
    "Recurrence",
    "Rule",
    "Spec",
    "Threshold",
    "TooCostly",
    "Trigger",
    "Turn",
    "Turns",
    "UnknownZone",
    "UntilTime",
    "Windows",
    "anchor_of",
    "checked_due",
    "common",
    "compiled",
    "describe",
    "first_due",
    "local_text",
    "merged",
    "normalized",
    "offsets",
    "rule_of",
    "spent",
    "united",
    "weekly",
    "without",
    "zone",
]
