"""What a trigger can be, and the policies beside it. Instants are microseconds since the Unix epoch, UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, TypeAlias

from tocsin.clock import MINUTE, to_micros
from tocsin.errors import InvalidInput

Micros: TypeAlias = int
"""An instant, or a length of time, in microseconds."""

END_OF_TIME: Final = to_micros(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))


class Gap(StrEnum):
    """What happens to a local time that does not exist.

    SHIFT moves it to the first instant after the gap, OFFSET by the length of the gap (RFC 5545, section 3.3.5), SKIP leaves it out.
    """

    SHIFT = "SHIFT"
    SKIP = "SKIP"
    OFFSET = "OFFSET"


class Overlap(StrEnum):
    """Which instants a local time that exists twice means."""

    FIRST = "FIRST"
    BOTH = "BOTH"


class CatchUpMode(IntEnum):
    """How many due times fire that passed while nothing could."""

    DEFAULT = 0
    LATEST = 1
    ALL = 2
    NONE = 3


class Overlapping(IntEnum):
    """What happens at a due time while the firing before still runs; DEFAULT means ALLOW."""

    DEFAULT = 0
    ALLOW = 1
    SKIP = 2
    QUEUE = 3
    CANCEL_OTHER = 4


class Comparison(IntEnum):
    """How a reading compares with the value when it is beyond."""

    GREATER_THAN = 1
    GREATER_OR_EQUAL = 2
    LESS_THAN = 3
    LESS_OR_EQUAL = 4


class Label(StrEnum):
    """What became of an occurrence: of SKIPPED, EXCLUDED and SWALLOWED it is only told, they do not fire."""

    PLAIN = "PLAIN"
    SHIFTED = "SHIFTED"
    SKIPPED = "SKIPPED"
    REPEATED = "REPEATED"
    EXCLUDED = "EXCLUDED"
    SWALLOWED = "SWALLOWED"

    @property
    def fires(self) -> bool:
        """Whether an occurrence of this label is a due time."""
        return self in (Label.PLAIN, Label.SHIFTED, Label.REPEATED)


class Occurrence(NamedTuple):
    """One due time, and the local time that the rule means by it, in seconds since 1970-01-01T00:00; None for a rule of instants."""

    due: Micros
    label: Label = Label.PLAIN
    wall: int | None = None


@dataclass(frozen=True, slots=True)
class At:
    """Once, at an instant."""

    instant: Micros


@dataclass(frozen=True, slots=True)
class AtLocal:
    """Once, at a local time in the trigger's zone, whatever instant that is: "2027-01-15T09:00:00"."""

    text: str

    @property
    def wall(self) -> int:
        """The wall time.

        Raises:
            InvalidInput: there is no such date or time.
        """
        try:
            return (datetime.fromisoformat(self.text) - datetime(1970, 1, 1)) // timedelta(seconds=1)  # noqa: DTZ001  without a zone
        except ValueError:
            raise InvalidInput.at("trigger.atLocal", f"{self.text!r} does not exist") from None


@dataclass(frozen=True, slots=True)
class Daily:
    """At a time of day in the trigger's zone, every day or once."""

    time: time
    recurring: bool = True


@dataclass(frozen=True, slots=True)
class Every:
    """At a fixed interval, at least a second, from the anchor."""

    interval: Micros


@dataclass(frozen=True, slots=True)
class Cron:
    """At the local times of cron expressions, a line each."""

    expression: str


@dataclass(frozen=True, slots=True)
class OnCalendar:
    """At the local times of a calendar expression of systemd."""

    expression: str


@dataclass(frozen=True, slots=True)
class Recurrence:
    """At the local times of the lines of an iCalendar recurrence, or of whole events (RFC 5545)."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """Stretches of time that begin by a rule.

    Attributes:
        spec: when they begin.
        length: how long each lasts; 0: to ``until``, or by the rule: the minute or second that a pattern names, the length of an event.
        until: the time of day at which each ends, in seconds since midnight; None: by the length.
        time_zone: zone of its local times; empty: that of the trigger.
    """

    spec: "Cron | OnCalendar | Recurrence"
    length: Micros = 0
    until: int | None = None
    time_zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarText:
    """What a shared calendar says.

    Attributes:
        time_zone: zone of its local times; empty: that of the trigger.
        dates: dates "2026-12-25", local times, instants, or ranges of two "2026-12-24/2026-12-26"; both dates of a range belong to it.
        windows: stretches by rules; their fields are optional, and their zone is that of the calendar unless they name one.
    """

    time_zone: str = ""
    dates: tuple[str, ...] = ()
    windows: tuple[TimeWindow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarUse:
    """A shared calendar in a trigger, with a copy of what it says.

    Attributes:
        id: of the calendar.
        version: of what it says.
        only: whether due times outside of it are left out; otherwise those within.
        says: what it says.
    """

    id: str
    version: int = 0
    only: bool = False
    says: CalendarText = CalendarText()


@dataclass(frozen=True, slots=True)
class Event:
    """Whenever an event of the topic comes that meets the filter."""

    topic: str
    filter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """When a metric has been beyond a value for ``for_duration``; it resolves when it comes back behind it by ``hysteresis``."""

    metric: str
    comparison: Comparison
    value: float
    for_duration: Micros = 0
    hysteresis: float = 0.0
    notify_resolved: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """When a ping is late: by more than ``grace`` after it is expected, that is ``every`` after the one before, or by ``schedule``.

    Without a grace it is 60 s; without a key one is made. A job that has said that it began must end within the grace. ``slug`` names
    it in addresses.
    """

    every: Micros = 0
    grace: Micros | None = None
    key: str = ""
    notify_resolved: bool = True
    schedule: "Cron | OnCalendar | Recurrence | None" = None
    slug: str = ""

    @property
    def tolerance(self) -> Micros:
        """By how much a ping may be late."""
        return MINUTE if self.grace is None else self.grace


Spec: TypeAlias = At | AtLocal | Daily | Every | Cron | OnCalendar | Recurrence | Event | Threshold | Heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class DstPolicy:
    """What a change of the clocks does to a local time; None means what `rule_of` says for the kind of rule."""

    gap: Gap | None = None
    overlap: Overlap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """What happens with due times that passed while nothing could fire. ``limit`` 0 means 100; ``window`` None means any age."""

    mode: CatchUpMode = CatchUpMode.DEFAULT
    limit: int = 0
    window: Micros | None = None

    @property
    def most(self) -> int:
        """How many missed due times fire with ALL."""
        return self.limit or 100
