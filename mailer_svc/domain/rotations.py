"""Rotations: who takes turns, and what overrides them.

Local times are seconds since 1970-01-01T00:00 of the rotation's own clock, instants microseconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import chain
from typing import Annotated, Final

import msgspec

from mailer_svc.domain.weeks import DAY_MINUTES, WeeklyWindow
from tocsin.stored import NOT_READABLE

MAX_LAYERS: Final = 20
MAX_PARTICIPANTS: Final = 100
MAX_TOGETHER: Final = 20
MAX_WINDOWS: Final = 50
MAX_SHIFTS: Final = 2000
HOUR_SECONDS: Final = 3600
_LAST_WALL: Final = 253_000_000_000  # in the year 9987


class TurnUnit(IntEnum):
    """Unit of a turn's length; the numbers are those of the contract."""

    HOURS = 1
    DAYS = 2
    WEEKS = 3

    @property
    def hours(self) -> int:
        """Hours of local time in one."""
        return {TurnUnit.HOURS: 1, TurnUnit.DAYS: 24, TurnUnit.WEEKS: 168}[self]


LONGEST: Final = {TurnUnit.HOURS: 8784, TurnUnit.DAYS: 366, TurnUnit.WEEKS: 52}
"""Units that a turn has at most."""

_Wall = Annotated[int, msgspec.Meta(ge=-_LAST_WALL, le=_LAST_WALL)]
_Together = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_TOGETHER)]


class RotationShift(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is on call in the occurrences of an event.

    Attributes:
        people: ids of recipients.
        event: when: VEVENTs, with X-WR-TIMEZONE in a VCALENDAR if that is not the rotation's zone.
        level: where shifts of several levels overlap, those of the greatest hold.
    """

    people: _Together
    event: str
    level: int = 0


class RotationLayer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """People who take turns, whose lengths are those of local time; or, without participants, shifts.

    Attributes:
        display_name: for people.
        participants: ids of recipients whose turn it is together, in the order of turns; the first one begins.
        unit: of a turn's length.
        count: units in a turn.
        hand_over: minutes after midnight at which turns change.
        weekday: on which turns of weeks change, 1 (Monday) to 7 (Sunday); 0 for other units.
        start: local time at which the first turn begins.
        end: local time at which the layer ends; None: never.
        hours: of the week in which it holds; none: always.
        shifts: who is on call when, instead of participants.
        calendar_url: where the shifts come from; empty: they were given.
        ics: the text of a calendar that they are to be made of; never stored.
        unmatched: events of the calendar that are nobody's shift, for people.
    """

    display_name: str = ""
    participants: Annotated[tuple[_Together, ...], msgspec.Meta(max_length=MAX_PARTICIPANTS)] = ()
    unit: TurnUnit = TurnUnit.DAYS
    count: Annotated[int, msgspec.Meta(ge=1, le=8784)] = 1
    hand_over: Annotated[int, msgspec.Meta(ge=0, lt=DAY_MINUTES)] = 0
    weekday: Annotated[int, msgspec.Meta(ge=0, le=7)] = 0
    start: _Wall = 0
    end: _Wall | None = None
    hours: Annotated[tuple[WeeklyWindow, ...], msgspec.Meta(max_length=MAX_WINDOWS)] = ()
    shifts: Annotated[tuple[RotationShift, ...], msgspec.Meta(max_length=MAX_SHIFTS)] = ()
    calendar_url: str = ""
    ics: str = ""
    unmatched: tuple[str, ...] = ()

    @property
    def by_calendar(self) -> bool:
        """Whether it has shifts instead of turns."""
        return not self.participants

    @property
    def turn_seconds(self) -> int:
        """Length of a turn."""
        return self.count * self.unit.hours * HOUR_SECONDS


class RotationPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client says of a rotation; a later layer overrides the earlier ones where it covers (as at PagerDuty).

    Attributes:
        display_name: for people.
        time_zone: of local times, an IANA name.
        layers: who takes turns.
        owner: who is told of gaps: "recipients/{id}" or "groups/{id}"; empty: nobody.
    """

    display_name: str = ""
    time_zone: str
    layers: Annotated[tuple[RotationLayer, ...], msgspec.Meta(min_length=1, max_length=MAX_LAYERS)]
    owner: str = ""

    @property
    def people(self) -> frozenset[str]:
        """Ids of all participants."""
        turns = (together for layer in self.layers for together in layer.participants)
        shifts = (shift.people for layer in self.layers for shift in layer.shifts)
        return frozenset(one for together in chain(turns, shifts) for one in together)

    @property
    def calendar_urls(self) -> frozenset[str]:
        """Calendars that its shifts come from."""
        return frozenset(layer.calendar_url for layer in self.layers if layer.calendar_url)


@dataclass(frozen=True, slots=True)
class CalendarReading:
    """How reading a calendar went: when it was read last (None: never), and why it cannot be read now (empty: it can)."""

    read: int | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A rotation as it is.

    Attributes:
        tenant: whose.
        id: the client's own, or a made one.
        plan: what it says; None: this version cannot read it, or it was removed.
        revision: grows by one with each change, also over removals.
        created: when it was made, or made again.
        updated: when it changed last; of a past revision: since when it was in force.
        calendars: how its calendars stand, by their URLs.
    """

    tenant: str
    id: str
    plan: RotationPlan | None
    revision: int = 1
    created: int = 0
    updated: int = 0
    calendars: Mapping[str, CalendarReading] = field(default_factory=dict[str, CalendarReading])


class OverrideKind(IntEnum):
    """What an override does; the numbers are those of the contract."""

    ADD = 1
    REMOVE = 2
    REPLACE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationOverride:
    """Somebody else for a time.

    Attributes:
        id: a made one.
        kind: what it does.
        recipients: ids of whom it adds, removes or puts in place of all.
        start: when it begins.
        end: when it ends.
        comment: why.
        author: who made it, "users/{id}" or "apiKeys/{id}".
        created: when it was made: it holds from then on.
        deleted: when it was taken back: it held until then; None: it was not.
    """

    id: str
    kind: OverrideKind
    recipients: tuple[str, ...]
    start: int
    end: int
    comment: str = ""
    author: str = ""
    created: int = 0
    deleted: int | None = None

    @property
    def begins(self) -> int:
        """From when on it holds."""
        return max(self.start, self.created)

    @property
    def ends(self) -> int:
        """Until when it holds."""
        return self.end if self.deleted is None else min(self.end, self.deleted)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationRevision:
    """What a rotation was from ``since`` to before ``until`` (None: it is still); without a plan it was removed, or cannot be read."""

    revision: int
    since: int
    until: int | None
    plan: RotationPlan | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationHistory:
    """What was in force in a stretch of time: revisions in order, and overrides in the order of their creation."""

    rotation: str
    revisions: tuple[RotationRevision, ...]
    overrides: tuple[RotationOverride, ...]


_DECODER: Final = msgspec.json.Decoder(RotationPlan)


def decoded_plan(document: str) -> RotationPlan:
    """The plan of a stored document.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _DECODER.decode(document)


def plan_name(document: str) -> str:
    """The display name of a stored document; empty where nobody can read it."""
    try:
        return decoded_plan(document).display_name
    except NOT_READABLE:
        return ""


def encoded_plan(plan: RotationPlan) -> str:
    """The document to store."""
    return msgspec.json.encode(plan).decode()
