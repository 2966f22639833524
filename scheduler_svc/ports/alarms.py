"""Alarms, one by one and many at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from scheduler_svc.domain import REQUESTED, Alarm, Draft
from tocsin.errors import TocsinError
from tocsin.listing import Condition
from tocsin.recurrence import Micros


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


class AlarmHead(NamedTuple):
    """What names a version of an alarm, and where it is."""

    id: str
    version: int
    shard: int
    priority: int


class Moved(NamedTuple):
    """An alarm whose due time was moved from outside; None: it has none now."""

    alarm: str
    shard: int
    priority: int
    due: Micros | None
    tenant: str


class AlarmStore(Protocol):
    """Alarms of all tenants."""

    async def create(self, batch: Sequence[NewAlarm]) -> Sequence[Alarm | TocsinError]:
        """Stores the alarms in one transaction; a repeated request gets the alarm that the first one made."""
        ...

    async def requested(self, tenant: str, request_id: str, *, digest: str) -> Alarm | None:
        """The alarm that a request has made before; None when it has made none.

        Raises:
            RequestIdReused: the request_id was used for something else.
            RequestedAlarmDeleted: the alarm is gone.
        """
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

    async def update(self, alarm: Alarm, *, reschedule: bool, turned: bool = False) -> Alarm | None:
        """Replaces the alarm if it is still the version before; None otherwise.

        Its schedule is left alone unless ``reschedule``: then the rule that it had is kept for audits. With ``turned`` it is paused or
        resumed in the same step, as its new state says, if it is still in the other one.
        """
        ...

    async def pause(self, tenant: str, alarm_id: str, *, now: Micros, reason: str = REQUESTED) -> Alarm | None:
        """Pauses an active alarm, or one that waits for its tenant and would go on by itself; None when it was neither."""
        ...

    async def resume(self, tenant: str, alarm_id: str, *, now: Micros) -> Alarm | None:
        """Resumes a paused alarm, whose due times up to ``now`` are skipped; None when it was not paused."""
        ...

    async def delete(self, tenant: str, alarm_id: str, *, version: int | None, now: Micros) -> bool:
        """Removes the alarm, if it has that version; whether it did. Its rule is kept for audits."""
        ...

    async def heads(
        self, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int, pausable: bool = False
    ) -> tuple[Sequence[AlarmHead], str | None]:
        """A page as `page` has it, without what is in the alarms; with ``pausable`` only those that `pause` would pause."""
        ...

    async def delete_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: Micros) -> Sequence[AlarmHead]:
        """Removes those that still have their version, as `delete` does; which ones.

        Raises:
            Aborted: somebody else changes them at the same time; try again.
        """
        ...

    async def pause_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: Micros, reason: str = REQUESTED) -> Sequence[AlarmHead]:
        """Pauses those that still have their version, as `pause` does; which ones.

        Raises:
            Aborted: somebody else changes them at the same time; try again.
        """
        ...

    async def resume_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: Micros) -> Sequence[Moved]:
        """Resumes those that still have their version, as `resume` does; which ones, and when they are due.

        Raises:
            Aborted: somebody else changes them at the same time; try again.
        """
        ...


class ImportedAlarm(NamedTuple):
    """What a line of an import asks for.

    Attributes:
        line: number of the line.
        draft: what the line says.
        alarm: the alarm that it makes if nobody has its key.
        rule: the trigger of ``alarm`` as it is stored.
        refusal: why no new alarm can be made; one that is there already may be the same all the same.
    """

    line: int
    draft: Draft
    alarm: Alarm
    rule: str
    refusal: TocsinError | None = None


Imported: TypeAlias = Alarm | TocsinError | None
"""What became of an `ImportedAlarm`: its own ``alarm`` was made, another one is that which was there, changed; None: it was the same."""

Reviser: TypeAlias = Callable[[Alarm, ImportedAlarm], tuple[Alarm, bool] | None]
"""What a line makes of the alarm that has its key, and whether that gets another schedule; None when nothing changes."""


class ImportStore(Protocol):
    """Alarms by the hundred."""

    async def put(self, tenant: str, batch: Sequence[ImportedAlarm], *, revise: Reviser, now: Micros, dry: bool) -> Sequence[Imported]:
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


class TemplateUses(Protocol):
    """Finds alarms by the template that they use."""

    async def naming(self, tenant: str, name: str, *, after: str, size: int) -> Sequence[tuple[str, bytes]]:
        """Ids and actions of alarms that still may fire and in whose message to people ``name`` stands anywhere; ids above ``after``."""
        ...
