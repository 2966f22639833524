"""Hints between replicas through a real Redis, and housekeeping."""

import asyncio
from collections.abc import Iterable, Mapping

from scheduler_svc.domain import AlarmState, QueuedFiring, Succeeded
from scheduler_svc.hints import ChangeNotifier, HintPublisher, firings_topic
from scheduler_svc.ports import AlarmHead, Pending
from scheduler_svc.service.housekeeping import Housekeeper, HousekeepingOptions
from scheduler_svc.shards import Ownership
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm, firing
from tocsin.clock import SystemClock
from tocsin.recurrence import At, Trigger
from tocsin.redis import EventBus, Redis
from tocsin.testing.clock import FakeClock
from tocsin.testing.redis import RedisServer
from tocsin.testing.waiting import eventually


class _Engine:
    """Remembers its hints."""

    def __init__(self) -> None:
        self.due: dict[str, int | None] = {}

    def hint(self, pending: Pending) -> None:
        self.due[pending.id] = pending.due

    def cancel(self, alarm: str) -> None:
        self.due[alarm] = None


class _Dispatcher:
    """Remembers what it was offered."""

    def __init__(self) -> None:
        self.got: list[QueuedFiring] = []

    def offer(self, queued_firings: Iterable[QueuedFiring]) -> None:
        self.got += queued_firings

    def cancel(self, firing: str) -> None:
        raise AssertionError(firing)

    def rescan(self) -> None:
        raise AssertionError("a hint names what it is about")


class _Node:
    """One replica's hints."""

    def __init__(self, url: str | None, shards: Mapping[int, int]) -> None:
        clock = SystemClock()
        self.redis = Redis(url=url, clock=clock)
        self.events = EventBus(redis=self.redis, clock=clock)
        self.engine, self.dispatcher = _Engine(), _Dispatcher()
        ownership = Ownership(owner="x", clock=clock)
        ownership.renewed(shards, until=clock.monotonic() + 1000)
        self.publisher = HintPublisher(
            events=self.events,
            shards=ownership,
            schedules=self.engine,
            sink=self.dispatcher,
            notifier=ChangeNotifier(events=self.events),
            clock=clock,
        )

    async def start(self) -> "_Node":
        for part in (self.redis, self.events, self.publisher):
            await part.start()
        return self

    async def stop(self) -> None:
        for part in (self.publisher, self.events, self.redis):
            await part.stop()


async def test_a_hint_reaches_the_owner_of_the_shard_at_another_replica(redis_server: RedisServer) -> None:
    """A new schedule, a pause and a removal; what is ours is told here at once."""
    a = await _Node(redis_server.url, {1: 1}).start()
    b = await _Node(redis_server.url, {2: 1}).start()
    mine, theirs = alarm(shard=1), alarm(shard=2)
    await a.publisher.scheduled(mine)
    assert a.engine.due == {mine.id: NOW}

    async def arrived() -> bool:
        await a.publisher.scheduled(theirs)
        return theirs.id in b.engine.due

    await eventually(arrived)
    assert b.engine.due == {theirs.id: NOW}
    await a.publisher.scheduled(alarm(id=theirs.id, shard=2, state=AlarmState.PAUSED))
    await eventually(lambda: b.engine.due == {theirs.id: None})
    assert a.engine.due == {mine.id: NOW}
    await a.stop()
    await b.stop()


async def test_many_that_are_removed_are_told_to_their_owners(redis_server: RedisServer) -> None:
    """Ours here at once, more than one event holds to another replica."""
    a = await _Node(redis_server.url, {1: 1}).start()
    b = await _Node(redis_server.url, {2: 1}).start()
    gone = [AlarmHead(f"{number}", 1, 1 + number % 2, 2) for number in range(1200)]

    async def arrived() -> bool:
        await a.publisher.removed_all("t1", gone)
        return len(b.engine.due) == 600

    await eventually(arrived)
    assert a.engine.due == {alarm.id: None for alarm in gone if alarm.shard == 1}
    assert b.engine.due == {alarm.id: None for alarm in gone if alarm.shard == 2}
    await a.stop()
    await b.stop()


async def test_a_firing_beside_any_rule_is_offered_here_and_told_to_watchers() -> None:
    """Without Redis, too."""
    node = await _Node(None, {1: 1}).start()
    async with node.events.subscribe(firings_topic("t1")) as hints:
        one = firing(shard=1)
        await node.publisher.enqueued(one)
        assert await asyncio.wait_for(anext(hints), 60) == b""
    assert [queued.id for queued in node.dispatcher.got] == [one.id]
    await node.stop()


class _Sink:
    """Remembers the last counts."""

    def __init__(self) -> None:
        self.alarms: Mapping[str, int] = {}
        self.incidents: Mapping[str, int] = {}

    def counted(self, alarms: Mapping[str, int]) -> None:
        self.alarms = alarms

    def incidents_counted(self, incidents: Mapping[str, int]) -> None:
        self.incidents = incidents


async def test_a_round_of_housekeeping_forgets_what_is_too_old(stores: Stores, clock: FakeClock) -> None:
    """All of it, in steps; what is younger than the retention stays, and alarms are counted."""
    day = 86_400 * SECOND
    old = [firing(due=NOW - 3 * day) for _ in range(1200)]
    young = [firing(due=NOW - day) for _ in range(3)]
    await stores.ledger.enqueue([*old, *young], owner=OWNER, held=stores.held)
    await stores.ledger.record(done={one.id: Succeeded() for one in (*old, *young)}, failed_attempts=(), now=NOW)
    await stores.add(alarm(due=NOW + day, trigger=Trigger(spec=At(NOW + day))), alarm(state=AlarmState.PAUSED))
    sink = _Sink()
    options = HousekeepingOptions(interval_seconds=60, ledger_days=2, incident_days=2, request_days=1, inbound_days=1)
    keeper = Housekeeper(store=stores.housekeeping, sink=sink, clock=clock, options=options)
    await keeper.start()

    async def done() -> bool:
        await clock.advance(0.05)
        return {row.id for row in await stores.all_firings()} == {one.id for one in young}

    await eventually(done)
    await keeper.stop()
    assert sink.alarms == {"ACTIVE": 1, "PAUSED": 1, "COMPLETED": 0}
    assert sink.incidents == {"CRITICAL": 0, "ERROR": 0, "WARNING": 0, "INFO": 0}


async def test_the_ledger_is_kept_for_ever_if_so_set(stores: Stores, clock: FakeClock) -> None:
    """Zero days means no limit."""
    one = firing(due=NOW - 10**15)
    await stores.ledger.enqueue([one], owner=OWNER, held=stores.held)
    await stores.ledger.record(done={one.id: Succeeded()}, failed_attempts=(), now=NOW)
    options = HousekeepingOptions(interval_seconds=60, ledger_days=0, incident_days=0, request_days=1, inbound_days=1)
    await Housekeeper(store=stores.housekeeping, sink=_Sink(), clock=clock, options=options).round()
    assert [row.id for row in await stores.all_firings()] == [one.id]
