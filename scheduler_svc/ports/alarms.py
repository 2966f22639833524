"""Alarms, one by one and many at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from scheduler_svc.domain import Alarm
from scheduler_svc.recurrence import Micros
from tocsin.errors import TocsinError
from tocsin.listing import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlarm:
    """An alarm to be made. ``digest`` tells requests of one ``request_id`` apart; without a request_id both are empty."""

    alarm: Alarm
    request_id: str = ""
    digest: str = ""


class Page(NamedTuple):
    """A page of a list, which may hold fewer than were asked for, and what the next one begins behind; None on the last one."""

    alarms: list[Alarm]
    next: str | None


class AlarmStore(Protocol):
    """Alarms of all tenants."""

    async def create(self, batch: Sequence[NewAlarm]) -> Sequence[Alarm | TocsinError]:
        """Stores the alarms in one transaction; a repeated request gets the alarm that the first one made."""
        ...

    async def get(self, tenant: str, alarm_id: str) -> Alarm:
        """The alarm.

        Raises:
            AlarmNotFound: the tenant has none of that id.
        """
        ...

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int) -> Page:
        """The newest alarms that meet all conditions, with ids below ``before``; ``size`` at most, and fewer when they are far between."""
        ...

    async def update(self, alarm: Alarm, *, reschedule: bool) -> Alarm | None:
        """Replaces the alarm if it is still the version before; None otherwise.

        Its schedule is left alone unless ``reschedule``: then the rule that it had is kept for audits.
        """
        ...

    async def pause(self, tenant: str, alarm_id: str, *, now: Micros) -> Alarm | None:
        """Pauses an active alarm; None when it was not active."""
        ...

    async def resume(self, tenant: str, alarm_id: str, *, now: Micros) -> Alarm | None:
        """Resumes a paused alarm, whose due times up to ``now`` are skipped; None when it was not paused."""
        ...

    async def delete(self, tenant: str, alarm_id: str, *, version: int | None, now: Micros) -> bool:
        """Removes the alarm, if it has that version; whether it did. Its rule is kept for audits."""
        ...


class Candidate(NamedTuple):
    """The alarm that a line of an import wants.

    Attributes:
        line: number of the line.
        alarm: as it is made if nobody has its key; without a due time when ``refusal`` is not None.
        draft: what the line says.
        refusal: why it cannot be made; one that is there already may be the same all the same.
        rule: the alarm's trigger as it is stored.
    """

    line: int
    alarm: Alarm
    draft: Any
    refusal: TocsinError | None
    rule: str


class Put(NamedTuple):
    """What became of a candidate: the alarm after it, None when it was there and is the same; and whether it was made."""

    alarm: Alarm | None
    created: bool


Reviser: TypeAlias = Callable[[Alarm, Candidate], tuple[Alarm, bool] | None]
"""What a candidate makes of the alarm that has its key, and whether that gets another schedule; None when nothing changes."""


class ImportStore(Protocol):
    """Alarms by the hundred."""

    async def put(self, tenant: str, batch: Sequence[Candidate], *, revise: Reviser, now: Micros, dry: bool) -> Sequence[Put | TocsinError]:
        """Makes and changes alarms in one transaction, by their keys, of which none stands twice in the batch.

        A key "alarms/{id}" also means the alarm of that id that has no key.

        Args:
            tenant: whose they are.
            batch: what is wanted.
            revise: decides about those that are there.
            now: when.
            dry: only tell what would become of them.

        Raises:
            Aborted: somebody else made one of them at the same time; try again.
        """
        ...

    async def page_up(self, tenant: str, *, conditions: Sequence[Condition], after: str, size: int) -> list[Alarm]:
        """The oldest alarms that meet all conditions, with ids above ``after``."""
        ...
