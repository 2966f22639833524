"""Which instants a trigger means: pure, and the only place that knows calendars.

The truth of a calendar alarm is wall time, zone and rule; an instant is computed from them. A `Trigger` is what is stored, `rule_of` makes
the `Rule` that walks its due times. A new kind of trigger is a new spec in `trigger`, a new rule in `rules`, and a case in `rule_of`.
"""

from typing import Final

from tocsin.recurrence.calendars import calendar_cover
from tocsin.recurrence.checks import checked_due, normalized, rule_field
from tocsin.recurrence.describe import describe
from tocsin.recurrence.errors import BadRule, TooCostly, UnknownZone, within
from tocsin.recurrence.ical.reduction import joined, reduced
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
from tocsin.recurrence.making import cover_of
from tocsin.recurrence.offline import Shown, previewed, shown_of, spec_of
from tocsin.recurrence.offsets import Offsets, offsets, zone
from tocsin.recurrence.patterns import local_text
from tocsin.recurrence.rule import Rule
from tocsin.recurrence.rules import Compiled, anchor_of, begins_after, compiled, first_due, is_own, rule_of
from tocsin.recurrence.specs import (
    END_OF_TIME,
    At,
    AtLocal,
    CalendarText,
    CalendarUse,
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
    OnCalendar,
    Overlap,
    Overlapping,
    Recurrence,
    Spec,
    Threshold,
    TimeWindow,
)
from tocsin.recurrence.steps import MOST_STEPS, spent
from tocsin.recurrence.trigger import Trigger, decode_calendar, encode_calendar
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
    "CalendarText",
    "CalendarUse",
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
    "OnCalendar",
    "Overlap",
    "Overlapping",
    "Recurrence",
    "Rule",
    "Shown",
    "Spec",
    "Threshold",
    "TimeWindow",
    "TooCostly",
    "Trigger",
    "Turn",
    "Turns",
    "UnknownZone",
    "UntilTime",
    "Windows",
    "anchor_of",
    "begins_after",
    "calendar_cover",
    "checked_due",
    "common",
    "compiled",
    "cover_of",
    "decode_calendar",
    "describe",
    "encode_calendar",
    "first_due",
    "is_own",
    "joined",
    "local_text",
    "merged",
    "normalized",
    "offsets",
    "previewed",
    "reduced",
    "rule_field",
    "rule_of",
    "shown_of",
    "spec_of",
    "spent",
    "united",
    "weekly",
    "within",
    "without",
    "zone",
]
