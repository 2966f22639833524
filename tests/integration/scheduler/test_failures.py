"""Alarms that pause themselves: failures in a row are counted where the results are committed."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest

from scheduler_svc.dispatch import DispatchOptions
from scheduler_svc.domain import (
    AUTO_PAUSE,
    COUNTED,
    AlarmState,
    End,
    Failed,
    FailedAttempt,
    FiringState,
    Lease,
    Origin,
    QueuedFiring,
    Succeeded,
)
from scheduler_svc.hints import ChangeNotifier, HintPublisher
from scheduler_svc.ports import Paused, Pending
from tests.integration.scheduler.replica import Processor, Replica
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm, firing
from tocsin.errors import Unavailable
from tocsin.redis import EventBus, Redis
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

FATAL = Failed(reason="BROKEN", message="it broke", retryable=False)
SILENT: Callable[[QueuedFiring], End | None] = lambda _: None  # noqa: E731  a name for what a processor does


def death(identity: str) -> FailedAttempt:
    """The end of a firing that failed for good."""
    return FailedAttempt(firing=identity, state=FiringState.DEAD, attempts=1, ready=None, reason="BROKEN", error="BROKEN: it broke")


def retry(identity: str) -> FailedAttempt:
    """A failure that is tried again."""
    return FailedAttempt(firing=identity, state=FiringState.RETRYING, attempts=1, ready=NOW + SECOND, reason="", error="BROKEN: it broke")


async def counted(stores: Stores, count: int, **fields: Any) -> tuple[str, list[str]]:
    """An alarm that pauses itself after three failures, and firings of it that are on their way."""
    made = alarm(**{"auto_pause_after": 3, "due": NOW + 60 * SECOND, **fields})
    await stores.add(made)
    ones = [firing(alarm=made.id, flags=COUNTED, origin=Origin.BACKFILL, due=NOW + number, shard=made.shard) for number in range(count)]
    await stores.ledger.enqueue(ones, owner=OWNER, held=await stores.shards.renew(OWNER, lease=10 * SECOND))
    return made.id, [one.id for one in ones]


async def standing(stores: Stores, identity: str) -> tuple[int, AlarmState, str]:
    """Failures in a row, the state, and why it is paused."""
    found = await stores.alarms.get("t1", identity)
    return found.failures, found.state, found.pause_reason


async def test_failures_in_a_row_pause_the_alarm(stores: Stores) -> None:
    """At the limit, in the transaction of the last one; its due time stays, and it is told once."""
    identity, (first, second, third, fourth) = await counted(stores, 4)
    assert await stores.ledger.record(done={}, failed_attempts=[death(first), death(second)], now=NOW) == []
    assert await standing(stores, identity) == (2, AlarmState.ACTIVE, "")
    before = await stores.alarms.get("t1", identity)
    assert await stores.ledger.record(done={}, failed_attempts=[death(third)], now=NOW + 5) == [
        Paused(identity, before.shard, before.priority)
    ]
    assert await standing(stores, identity) == (3, AlarmState.PAUSED, AUTO_PAUSE)
    after = await stores.alarms.get("t1", identity)
    assert (after.due, after.updated, after.version) == (before.due, NOW + 5, before.version + 1)
    assert await stores.ledger.record(done={}, failed_attempts=[death(fourth)], now=NOW + 6) == []
    assert await standing(stores, identity) == (4, AlarmState.PAUSED, AUTO_PAUSE)


async def test_a_success_begins_the_count_anew(stores: Stores) -> None:
    """Only what fails for good counts, and each firing once."""
    identity, (first, second, third, fourth) = await counted(stores, 4)
    await stores.ledger.record(done={}, failed_attempts=[death(first), death(second)], now=NOW)
    await stores.ledger.record(done={}, failed_attempts=[death(second), retry(third)], now=NOW)
    assert await standing(stores, identity) == (2, AlarmState.ACTIVE, "")
    await stores.ledger.record(done={third: Succeeded()}, failed_attempts=[], now=NOW)
    assert await standing(stores, identity) == (0, AlarmState.ACTIVE, "")
    await stores.ledger.record(done={first: Succeeded()}, failed_attempts=[death(fourth)], now=NOW)
    assert await standing(stores, identity) == (1, AlarmState.ACTIVE, "")


async def test_only_alarms_that_count_are_paused(stores: Stores) -> None:
    """One whose firings are not counted, one that nobody limited any more, one that is paused already, and one that is gone."""
    plain = alarm()
    await stores.add(plain)
    uncounted = firing(alarm=plain.id, origin=Origin.BACKFILL)
    await stores.ledger.enqueue([uncounted], owner=OWNER, held=stores.held)
    unlimited, (first,) = await counted(stores, 1, auto_pause_after=0)
    paused, (second,) = await counted(stores, 1, auto_pause_after=1, state=AlarmState.PAUSED)
    gone, (third,) = await counted(stores, 1, auto_pause_after=1)
    await stores.alarms.delete("t1", gone, version=None, now=NOW)
    backs = [death(identity) for identity in (uncounted.id, first, second, third)]
    assert await stores.ledger.record(done={}, failed_attempts=backs, now=NOW) == []
    assert await standing(stores, plain.id) == (0, AlarmState.ACTIVE, "")
    assert await standing(stores, unlimited) == (1, AlarmState.ACTIVE, "")
    assert await standing(stores, paused) == (1, AlarmState.PAUSED, "")


async def test_what_is_in_memory_need_not_be_looked_for(stores: Stores) -> None:
    """With the queued_firings the answer is the same."""
    identity, ids = await counted(stores, 3)
    waiting = await stores.ledger.waiting(range(256), priority=2, after=(-1, ""), until=NOW, most=10)
    queued_firings = {queued.id: queued for queued in waiting}
    assert queued_firings.keys() == set(ids)
    told = await stores.ledger.record(done={}, failed_attempts=[death(one) for one in ids], now=NOW, queued_firings=queued_firings)
    assert [one.alarm for one in told] == [identity]


@pytest.fixture
def options() -> DispatchOptions:
    """Of the dispatchers below."""
    return DispatchOptions(lease_seconds=5)


async def test_what_is_on_its_way_still_ends_when_its_alarm_has_paused(stores: Stores, clock: FakeClock, options: DispatchOptions) -> None:
    """Its result is kept; a success does not resume the alarm."""
    identity, ids = await counted(stores, 4)
    replica = await Replica(stores, clock, name=OWNER, dispatch=options, alone=True).start()
    processor = Processor(replica, answer=SILENT)
    await processor.delivery(4)
    tokens = {queued.id: token for queued, token in processor.got}
    for one in ids[:3]:
        await processor.report(one, tokens[one], FATAL)
    await eventually(lambda: _stands(stores, identity, (3, AlarmState.PAUSED, AUTO_PAUSE)))
    await processor.report(ids[3], tokens[ids[3]], Succeeded())
    await eventually(lambda: Lease(ids[3], tokens[ids[3]]) in processor.confirmed)
    assert await standing(stores, identity) == (0, AlarmState.PAUSED, AUTO_PAUSE)
    assert [row.state for row in await stores.all_firings()] == [FiringState.DEAD] * 3 + [FiringState.SUCCEEDED]
    await replica.stop()


async def _stands(stores: Stores, identity: str, wanted: tuple[int, AlarmState, str]) -> bool:
    return await standing(stores, identity) == wanted


async def test_a_crash_around_the_commit_counts_each_failure_once(stores: Stores, clock: FakeClock, options: DispatchOptions) -> None:
    """The result is committed and nobody hears of it: the count is there, and the firing does not come again."""
    identity, (only,) = await counted(stores, 1)
    replica = await Replica(stores, clock, name=OWNER, dispatch=options, alone=True).start()
    processor = Processor(replica, answer=SILENT)
    queued, token = await processor.delivery()
    replica.mortals[1].dies_after = "record"
    await processor.report(queued.id, token, FATAL)
    await eventually(lambda: replica.mortals[1].dead)
    await replica.crash()
    assert await standing(stores, identity) == (1, AlarmState.ACTIVE, "")
    again = await Replica(stores, clock, name=OWNER, dispatch=options, alone=True).start()
    late = Processor(again)
    await late.report(only, token, FATAL)
    await eventually(lambda: Lease(only, token) in late.confirmed)
    assert (await standing(stores, identity), late.got) == ((1, AlarmState.ACTIVE, ""), [])
    await again.stop()


class _Engine:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def hint(self, pending: Pending) -> None:
        """Not part of this test."""

    def cancel(self, alarm: str) -> None:
        self.cancelled.append(alarm)


class _Sink:
    """Takes nothing."""

    def offer(self, queued_firings: Iterable[QueuedFiring]) -> None:
        """Not part of this test."""

    def cancel(self, firing: str) -> None:
        raise AssertionError(firing)

    def rescan(self) -> None:
        """Likewise."""


async def test_the_engine_hears_of_a_pause(stores: Stores, clock: FakeClock) -> None:
    """Whichever replica committed the failure, the owner of the alarm's shard takes it out of its index."""
    events = EventBus(redis=Redis(url=None, clock=clock), clock=clock)
    engine, notifier = _Engine(), ChangeNotifier(events=events)
    owner = Replica(stores, clock, name=OWNER, alone=True)
    await owner.keeper.start()
    publisher = HintPublisher(events=events, shards=owner.ownership, schedules=engine, sink=_Sink(), notifier=notifier, clock=clock)
    await publisher.start()
    await clock.advance(0)  # it listens, before anything is told
    assert owner.ownership.held
    await notifier.paused([Paused("a1", 7, 2)])
    await eventually(lambda: engine.cancelled == ["a1"])
    await publisher.stop()
    with suppress(Unavailable):
        await owner.keeper.stop()
