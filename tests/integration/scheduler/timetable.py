"""Alarms with a history: made, changed and fired on a clock that the test moves, without the engine's own loops."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from scheduler_svc.domain import Alarm, Firing
from scheduler_svc.ports import AlarmHead, Moved, NewAlarm
from scheduler_svc.service import Alarms, Audits, Backfills, CalendarRefresher, Calendars, Caller, Draft
from scheduler_svc.service.alarms import Place
from scheduler_svc.service.audit import AuditFinding, Summary
from scheduler_svc.service.checks import ActionChecks
from scheduler_svc.store import SqlAuditStore, SqlCalendarStore, SqlIncidentAuditStore
from tests.integration.scheduler.quotas import fire_quotas
from tests.integration.scheduler.stores import ACTION, NOW, OWNER, Stores
from tocsin.errors import TocsinError
from tocsin.recurrence import Trigger
from tocsin.testing.clock import FakeClock

T1 = Caller(tenant="t1")


class NoHints:
    """Hears no hint: whoever fires looks into the store."""

    async def scheduled(self, alarm: Alarm) -> None:
        """See `scheduler_svc.ports.Hints`."""

    async def scheduled_all(self, alarms: Sequence[Alarm]) -> None:
        """See `scheduler_svc.ports.Hints`."""

    async def removed(self, alarm: Alarm) -> None:
        """See `scheduler_svc.ports.Hints`."""

    async def removed_all(self, tenant: str, alarms: Sequence[AlarmHead]) -> None:
        """See `scheduler_svc.ports.Hints`."""

    async def moved_all(self, tenant: str, alarms: Sequence[Moved]) -> None:
        """See `scheduler_svc.ports.Hints`."""

    async def cancelled(self, firing: Firing) -> None:
        raise AssertionError(firing)

    async def enqueued(self, firing: Firing) -> None:
        """See `scheduler_svc.ports.Hints`."""

    async def caused(self, firings: Sequence[Firing], moved: Sequence[Moved]) -> None:
        """See `scheduler_svc.ports.Hints`."""


class Timetable:
    """The use cases on a store, and who fires alarms when the test says so."""

    def __init__(self, stores: Stores, clock: FakeClock, *, ledger_days: float = 0, fires: Mapping[str, int] | None = None) -> None:
        self.stores = stores
        self.clock = clock
        self._checks = ActionChecks(kinds={}, clock=clock)
        calendars = SqlCalendarStore(stores.database)
        self.refresher = CalendarRefresher(store=calendars, hints=NoHints(), clock=clock)
        self.calendars = Calendars(store=calendars, refresher=self.refresher, clock=clock)
        self.alarms = self._alarms()
        audited = SqlIncidentAuditStore(stores.database)
        self.audits = Audits(store=SqlAuditStore(stores.database), incidents=audited, clock=clock, ledger_days=ledger_days, incident_days=0)

        self.backfills = Backfills(
            alarms=stores.alarms,
            enqueue=self._enqueue,
            shards=self,
            hints=NoHints(),
            fires=fire_quotas(stores.database, clock, fires),
            clock=clock,
            ledger_days=ledger_days,
        )

    owner = OWNER

    @property
    def held(self) -> Mapping[int, int]:
        """See `scheduler_svc.ports.Shards`."""
        return self.stores.held

    async def _enqueue(self, batch: Sequence[Firing]) -> Sequence[Firing | TocsinError]:
        return await self.stores.ledger.enqueue(batch, owner=OWNER, held=self.stores.held)

    async def _create(self, new: NewAlarm) -> Alarm:
        made = (await self.stores.alarms.create([new]))[0]
        assert not isinstance(made, TocsinError), made
        return made

    def with_places(self, places: Callable[[str], Awaitable[Place]]) -> Alarms:
        """The use cases, with offsets for what may be spread."""
        return self._alarms(places)

    def _alarms(self, places: Callable[[str], Awaitable[Place]] | None = None) -> Alarms:
        return Alarms(
            store=self.stores.alarms,
            create=self._create,
            hints=NoHints(),
            clock=self.clock,
            offset_chooser=places,
            checks=self._checks,
            calendars=self.calendars,
        )

    async def make(self, trigger: Trigger) -> Alarm:
        """A new alarm."""
        return await self.alarms.create(T1, Draft(trigger=trigger, action=ACTION))

    async def change(self, alarm: str, trigger: Trigger) -> Alarm:
        """Another trigger for an alarm."""
        merge: Callable[[Alarm], Draft] = lambda _: Draft(trigger=trigger, action=ACTION)  # noqa: E731  typed, for the parameter
        return await self.alarms.update(T1, alarm, etag="", merge=merge)

    async def fire(self) -> None:
        """Lets everything go that is due."""
        now = self.clock.micros()
        while due := await self.stores.due.due(self.stores.held, after=(-1, ""), until=now, most=1000):
            await self.stores.fire(*((pending.id, pending.due) for pending in due), now=now)

    async def pass_time(self, seconds: float) -> None:
        """Moves on, then lets everything go that is due: due times in between are late."""
        await self.clock.advance(seconds)
        await self.fire()

    async def audit(self, *, start: int = NOW - 1, end: int | None = None, alarm: str = "") -> tuple[list[AuditFinding], Summary]:
        """The findings and the summary."""
        told = [item async for item in self.audits.audit(T1, start=start, end=end, alarm=alarm)]
        *findings, summary = told
        assert isinstance(summary, Summary)
        return [finding for finding in findings if isinstance(finding, AuditFinding)], replace(summary)
