"""One start of scheduler_svc: the parts of its wiring on a simulated database, clock and network."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.dispatch import Dispatcher, DispatchOptions
from scheduler_svc.domain import Alarm, Firing, FiringState
from scheduler_svc.domain.incident_words import IncidentTally
from scheduler_svc.engine import Engine, EngineOptions
from scheduler_svc.engine.outages import Finisher, Outages
from scheduler_svc.hints import ChangeNotifier, HintPublisher
from scheduler_svc.ports import Fired, NewAlarm
from scheduler_svc.ports import Replica as Member
from scheduler_svc.service import Alarms, CalendarRefresher, Calendars, Firings, Imports
from scheduler_svc.service.checks import ActionChecks
from scheduler_svc.service.housekeeping import Housekeeper, HousekeepingOptions
from scheduler_svc.service.ping_keys import PingLimit
from scheduler_svc.service.signals import Intake, Triggers
from scheduler_svc.shards import Ownership, ShardKeeper
from scheduler_svc.store import (
    SqlAlarmStore,
    SqlCalendarStore,
    SqlDueStore,
    SqlHousekeepingStore,
    SqlImportStore,
    SqlLedger,
    SqlOutages,
    SqlShardStore,
    SqlSignalStore,
)
from scheduler_svc.triggers import EventAnswer, Measured, PingAnswer, Pinged, Published, ReadingAnswer
from scheduler_svc.wiring.answers import Answers
from tests.integration.scheduler.quotas import fire_quotas
from tests.simulation.loop import Process
from tests.simulation.machine import SimBus, SimClock
from tests.simulation.storage import Locks, SimDatabase, Storage
from tocsin.database import GroupCommit
from tocsin.errors import TocsinError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaOptions:
    """Settings that all replicas share."""

    engine: EngineOptions
    dispatch: DispatchOptions
    housekeeping: HousekeepingOptions
    lease_seconds: float
    outage_seconds: float


class Component(Protocol):
    """What is started and stopped."""

    async def start(self) -> None:
        """Begins."""
        ...

    async def stop(self) -> None:
        """Ends."""
        ...


class Sight:
    """What metrics would see."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts

    def fired(self, fired: Fired, *, now: int, seconds: float) -> None:
        """See `scheduler_svc.ports.Observer`."""
        self._counts["fired"] += len(fired.queued_firings)

    def recorded(self, states: Mapping[FiringState, int], *, seconds: float) -> None:
        """See `scheduler_svc.ports.Observer`."""

    def lost(self, count: int) -> None:
        """See `scheduler_svc.ports.Observer`."""
        self._counts["lost deliveries"] += count

    def counted(self, alarms: Mapping[str, int]) -> None:
        """See `scheduler_svc.service.housekeeping.CountSink`."""

    def incidents_counted(self, incidents: Mapping[str, int]) -> None:
        """See `scheduler_svc.service.housekeeping.CountSink`."""

    def happened(self, tally: IncidentTally) -> None:
        """See `scheduler_svc.ports.metrics.IncidentObserver`."""


class SimLiveness:
    """See `scheduler_svc.shards.Liveness`."""

    def __init__(self, locks: Locks, process: Process, key: int) -> None:
        self._locks = locks
        self._process = process
        self._key = key

    async def beat(self) -> int | None:
        """See `scheduler_svc.shards.Liveness`."""
        self._locks.holders[self._key] = self._process
        return self._key


class SimShardStore(SqlShardStore):
    """SQLite has no such locks; what PostgreSQL would say of them is known here."""

    def __init__(self, database: SimDatabase, *, clock: SimClock, locks: Locks) -> None:
        super().__init__(database, clock=clock)
        self._locks = locks

    async def replicas(self) -> list[Member]:
        """See `scheduler_svc.ports.ShardStore`."""
        return [member._replace(gone=self._free(member.owner)) for member in await super().replicas()]

    def _free(self, owner: str) -> bool:
        return all(holder.name != owner for holder in self._locks.holders.values())


class Replica:
    """What `scheduler_svc.wiring` puts together, without servers."""

    def __init__(
        self,
        *,
        name: str,
        process: Process,
        storage: Storage,
        bus: SimBus,
        clock: SimClock,
        options: ReplicaOptions,
        draw: random.Random,
    ) -> None:
        self.name = name
        self.process = process
        self.clock = clock
        database = SimDatabase(storage)
        alarm_store, ledger = SqlAlarmStore(database), SqlLedger(database)
        self.ownership = ownership = Ownership(owner=name, clock=clock)
        sight = Sight(storage.counts)
        notifier = ChangeNotifier(events=bus)
        self.dispatcher = Dispatcher(
            ledger=ledger, shards=ownership, changes=notifier, observer=sight, clock=clock, options=options.dispatch, draw=draw
        )
        outages = Outages(store=SqlOutages(database), clock=clock, outage_seconds=options.outage_seconds)
        self.engine = Engine(
            store=SqlDueStore(database),
            shards=ownership,
            sink=self.dispatcher,
            changes=notifier,
            observer=sight,
            clock=clock,
            options=options.engine,
            outage=outages.outage,
        )
        publisher = HintPublisher(
            events=bus,
            shards=ownership,
            schedules=self.engine,
            sink=self.dispatcher,
            notifier=notifier,
            clock=clock,
            horizon=options.engine.horizon,
        )
        self.keeper = ShardKeeper(
            store=SimShardStore(database, clock=storage.clock, locks=storage.locks),
            ownership=ownership,
            listeners=(self.engine, self.dispatcher),
            busy=self.dispatcher.leases.shards,
            events=bus,
            liveness=SimLiveness(storage.locks, process, storage.loop.count()),
            clock=clock,
            lease_seconds=options.lease_seconds,
            address=name,
            alone=False,
        )
        housekeeper = Housekeeper(store=SqlHousekeepingStore(database), sink=sight, clock=clock, options=options.housekeeping)

        async def enqueue_all(batch: Sequence[Firing]) -> Sequence[Firing | TocsinError]:
            return await ledger.enqueue(batch, owner=ownership.owner, held=ownership.held)

        creates = GroupCommit[NewAlarm, Alarm](flush=alarm_store.create, max_batch=50)
        enqueues = GroupCommit[Firing, Firing](flush=enqueue_all, max_batch=50)
        checks = ActionChecks(kinds={}, clock=clock)
        calendar_store = SqlCalendarStore(database)
        calendars = Calendars(
            store=calendar_store, refresher=CalendarRefresher(store=calendar_store, hints=publisher, clock=clock), clock=clock
        )
        self.alarms = Alarms(store=alarm_store, create=creates.submit, hints=publisher, clock=clock, checks=checks, calendars=calendars)
        fires = fire_quotas(database, clock)
        self.firings = Firings(
            ledger=ledger,
            alarms=alarm_store,
            enqueue=enqueues.submit,
            shards=ownership,
            hints=publisher,
            follow=notifier.follow,
            fires=fires,
            clock=clock,
        )
        self.imports = Imports(store=SqlImportStore(database), hints=publisher, checks=checks, clock=clock)
        signals = SqlSignalStore(database)
        intake = Intake(store=signals, shards=ownership, hints=publisher, clock=clock, fires=fires)
        events = GroupCommit[Published, EventAnswer](flush=intake.events)
        readings = GroupCommit[Measured, ReadingAnswer](flush=intake.readings)
        pings = GroupCommit[Pinged, PingAnswer](flush=intake.pings)
        self.triggers = Triggers(
            store=signals,
            publish=events.submit,
            record=readings.submit,
            ping=pings.submit,
            limit=PingLimit(per_minute=0, clock=clock),
            clock=clock,
        )
        self.answers = Answers(database, ownership, publisher, notifier, sight, clock, SchedulerSettings.model_validate({}))
        listening = (events, readings, pings, Finisher(events=signals, finish=intake.finish, clock=clock), outages)
        firing = (self.dispatcher, self.engine, publisher, self.keeper, housekeeper, *self.answers.parts)
        self._parts: Iterable[Component] = (creates, enqueues, *listening, *firing)
        self.ready = False

    async def start(self) -> None:
        """Starts every part; one that cannot start is tried again, as a process is."""
        for part in self._parts:
            while True:
                try:
                    await part.start()
                    break
                except TocsinError:
                    await self.clock.sleep(1.0)
        self.ready = True

    async def stop(self) -> None:
        """Stops every part, the last one first, as `tocsin.lifecycle.App` does."""
        self.ready = False
        self.dispatcher.drain()
        await self.clock.sleep(0.5)
        for part in reversed(tuple(self._parts)):
            await part.stop()
