"""Alarms, one by one and many at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from scheduler_svc.domain import Alarm, AlarmState, Draft, Priority
from scheduler_svc.triggers import Signal
from tocsin.errors import TocsinError
from tocsin.listing import Condition
from tocsin.recurrence import Micros, Trigger


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
    """The alarm that a line of an import wants; its attributes are those of the `Alarm`, which is made when somebody asks for all of it.

    Attributes:
        line: number of the line.
        birth: what the alarms of a batch share.
        draft: what the line says.
        rule: the alarm's trigger as it is stored.
        refusal: why it cannot be made, and so has no due time; one that is there already may be the same all the same.
    """

    line: int
    birth: "Birth"
    draft: Draft
    id: str
    shard: int
    state: AlarmState
    pause_reason: str
    due: Micros | None
    anchor: Micros
    trigger: Trigger
    rule: str
    signal: Signal | None = None
    refusal: TocsinError | None = None

    @property
    def tenant(self) -> str:
        """Whose alarm it is."""
        return self.birth.tenant

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.draft.labels

    @property
    def priority(self) -> Priority:
        """Which lane its firings travel in."""
        return self.draft.priority

    @property
    def alarm(self) -> Alarm:
        """The alarm as it is made if nobody has its key."""
        draft, now = self.draft, self.birth.now
        return Alarm(
            id=self.id,
            tenant=self.birth.tenant,
            shard=self.shard,
            display_name=draft.display_name,
            labels=draft.labels,
            priority=draft.priority,
            trigger=self.trigger,
            anchor=self.anchor,
            action=draft.action,
            retry=draft.retry,
            state=self.state,
            due=self.due,
            created=now,
            updated=now,
            traceparent=self.birth.traceparent,
            key=draft.key,
            auto_pause_after=draft.auto_pause_after,
            pause_reason=self.pause_reason,
            rule_since=now,
            signal=self.signal,
        )


class Birth(NamedTuple):
    """What the alarms of a batch have in common: whose they are, the trace of the request that makes them, and when."""

    tenant: str
    traceparent: str
    now: Micros


Scheduled: TypeAlias = Alarm | Candidate
"""What is known of an alarm that fires, by the same names."""


class Put(NamedTuple):
    """What became of a candidate: the alarm after it, None when it was there and is the same; and whether it was made."""

    alarm: Scheduled | None
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


class TemplateUses(Protocol):
    """Finds alarms by the template that they use."""

    async def naming(self, tenant: str, name: str, *, after: str, size: int) -> Sequence[tuple[str, bytes]]:
        """Ids and actions of alarms that still may fire and in whose notify action ``name`` stands anywhere; ids above ``after``."""
        ...
