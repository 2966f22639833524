"""Overlap QUEUE: the firings of one alarm go one after the other, in order of due time, whatever happens."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import pytest

from scheduler_svc.domain import SERIAL, End, Failed, Firing, FiringState, Lease, Origin, QueuedFiring, Released, RetryPolicy, Succeeded
from tests.integration.scheduler.replica import Processor, Replica, pass_time
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, firing
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

Start = Callable[..., Awaitable[Replica]]
FAILED = Failed(reason="BROKEN", message="it broke")
FATAL = Failed(reason="BROKEN", message="it broke", retryable=False)
SILENT: Callable[[QueuedFiring], End | None] = lambda _: None  # noqa: E731  a name for what a processor does


async def queue(stores: Stores, count: int, *, alarm: str = "a1", **fields: object) -> list[Firing]:
    """Puts firings that wait for one another into the ledger, the last one first."""
    made = [
        firing(alarm=alarm, flags=SERIAL, origin=Origin.BACKFILL, due=NOW + number, shard=7, **fields) for number in reversed(range(count))
    ]
    await stores.ledger.enqueue(made, owner=OWNER, held=await stores.shards.renew(OWNER, lease=10 * SECOND))
    return made[::-1]


def ids(firings: Sequence[Firing]) -> list[str]:
    """Their ids."""
    return [one.id for one in firings]


def got(processor: Processor) -> list[str]:
    """The firings that a processor was given, in order."""
    return [queued.id for queued, _ in processor.got]


async def states(stores: Stores) -> list[FiringState]:
    """The states of the ledger, in order of due time."""
    return [row.state for row in await stores.all_firings()]


async def test_the_next_one_goes_when_the_one_before_has_ended(stores: Stores, start: Start) -> None:
    """Also when later ones are told of first; firings of other alarms do not wait."""
    first, second, third = await queue(stores, 3)
    (other,) = await queue(stores, 1, alarm="a2")
    replica = await start()
    processor = Processor(replica, answer=SILENT)
    replica.dispatcher.offer([QueuedFiring.of(third), QueuedFiring.of(other), QueuedFiring.of(second), QueuedFiring.of(first)])
    await processor.delivery(2)
    assert set(got(processor)) == {first.id, other.id}
    for number, one in enumerate((first, second), 3):
        queued, token = next(delivery for delivery in processor.got if delivery[0].id == one.id)
        replica.dispatcher.offer([QueuedFiring.of(third)])
        await processor.report(queued.id, token, Succeeded())
        await processor.delivery(number)
    assert got(processor)[2:] == [second.id, third.id]


async def test_a_retry_keeps_the_next_one_waiting_and_death_lets_it_go(stores: Stores, start: Start, clock: FakeClock) -> None:
    """However long the wait is: the order is that of due times."""
    first, second = await queue(stores, 2, retry=RetryPolicy(max_attempts=2, initial_backoff=20 * SECOND).encode())
    replica = await start()
    processor = Processor(replica, answer=lambda queued: FAILED if queued.id == first.id else Succeeded())
    await processor.delivery()
    await eventually(lambda: replica.dispatcher.backlog.later == 1)
    replica.dispatcher.offer([QueuedFiring.of(second)])
    await pass_time(clock, 9, lambda: True)
    assert got(processor) == [first.id]
    await pass_time(clock, 11, lambda: len(processor.got) == 3)
    assert got(processor) == [first.id, first.id, second.id]
    await eventually(lambda: _are(stores, FiringState.DEAD, FiringState.SUCCEEDED))


async def _are(stores: Stores, *wanted: FiringState) -> bool:
    return await states(stores) == list(wanted)


@pytest.mark.parametrize("horizon", [SECOND, 3600 * SECOND])
async def test_after_a_restart_the_next_one_still_waits_for_a_retry(stores: Stores, start: Start, clock: FakeClock, horizon: int) -> None:
    """The one whose turn it is waits in memory, or in the store alone when its next attempt is far."""
    first, second = await queue(stores, 2)
    before = await start()
    processor = Processor(before, answer=SILENT)
    queued, token = await processor.delivery()
    await processor.report(queued.id, token, Released(message="not now", wait=30 * SECOND))
    await eventually(lambda: Lease(queued.id, token) in processor.confirmed)
    await before.crash()
    after = await start(retry_horizon=horizon)
    again = Processor(after)
    after.dispatcher.offer([QueuedFiring.of(second)])
    await pass_time(clock, 10, lambda: True)
    assert again.got == []
    await pass_time(clock, 25, lambda: len(again.got) == 2)
    assert got(again) == [first.id, second.id]


async def test_a_crash_between_the_result_and_the_next_one_loses_nothing(stores: Stores, start: Start) -> None:
    """The result is committed and nobody hears of it: whoever owns the shard next goes on with the second one."""
    first, second = await queue(stores, 2)
    before = await start()
    processor = Processor(before, answer=SILENT)
    queued, token = await processor.delivery()
    before.mortals[1].dies_after = "record"
    await processor.report(queued.id, token, Succeeded())
    await eventually(lambda: before.mortals[1].dead)
    await before.crash()
    assert got(processor) == [first.id]
    again = Processor(await start())
    await again.delivery()
    assert got(again) == [second.id]


async def test_queues_longer_than_memory_drain_in_order(stores: Stores, start: Start) -> None:
    """With full queues the ledger is the queue."""
    queues = [await queue(stores, 30, alarm=f"a{number}") for number in range(8)]
    others = [firing() for _ in range(60)]
    await stores.ledger.enqueue(others, owner=OWNER, held=await stores.shards.renew(OWNER, lease=10 * SECOND))
    replica = await start(queue_limit=10)
    processor = Processor(replica, credit=7)
    await eventually(lambda: len(processor.got) == 300)
    order = got(processor)
    for one in queues:
        assert [identity for identity in order if identity in set(ids(one))] == ids(one)
    assert len(set(order)) == 300


async def test_the_late_success_of_one_that_is_far_lets_the_next_one_go(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Its retry waits in the store alone when an old delivery turns out to have succeeded."""
    first, second = await queue(stores, 2)
    replica = await start(retry_horizon=SECOND, lease_seconds=2)
    old = Processor(replica, credit=1, answer=SILENT)
    queued, token = await old.delivery()
    new = Processor(replica, credit=9, answer=lambda one: Released(message="m", wait=3600 * SECOND) if one.id == first.id else None)
    await pass_time(clock, 3, lambda: len(new.got) == 1)
    await eventually(lambda: _are(stores, FiringState.RETRYING, FiringState.PENDING))
    await old.report(queued.id, token, Succeeded(), credit=0)
    await pass_time(clock, 1, lambda: len(new.got) == 2)
    assert got(new)[1] == second.id


class Watch:
    """Answers at random, and notes what was over when something was handed out."""

    def __init__(self, queues: dict[str, list[str]], draw: random.Random) -> None:
        self._place = {identity: (alarm, number) for alarm, order in queues.items() for number, identity in enumerate(order)}
        self._queues = queues
        self._draw = draw
        self.over: set[str] = set()
        self.wrong: list[str] = []
        self.given: defaultdict[str, int] = defaultdict(int)

    def answer(self, queued: QueuedFiring) -> End | None:
        """How it ends, after it was looked whether its turn had come."""
        alarm, number = self._place[queued.id]
        self.given[queued.id] += 1
        if not self.over.issuperset(self._queues[alarm][:number]):
            self.wrong.append(queued.id)
        end = self._draw.choice([None, FAILED, FATAL, Released(), Released(wait=2 * SECOND), Succeeded(), Succeeded()])
        if end == FATAL or isinstance(end, Succeeded):
            self.over.add(queued.id)
        return end

    def finish(self, queued: QueuedFiring) -> End:
        """Ends it well."""
        self.answer(queued)
        self.over.add(queued.id)
        return Succeeded()


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_nobody_overtakes(stores: Stores, start: Start, clock: FakeClock, seed: int) -> None:
    """Processors that come and go, results that are late or lost in a crash, retries near and far, a database that fails."""
    draw = random.Random(seed)
    retry = RetryPolicy(max_attempts=100, initial_backoff=SECOND // 10).encode()
    queues = {f"a{number}": ids(await queue(stores, 6, alarm=f"a{number}", retry=retry)) for number in range(6)}
    watch, options = Watch(queues, draw), {"queue_limit": 4, "lease_seconds": 5, "lost_deliveries": 100, "retry_horizon": SECOND}
    replica = await start(**options)
    workers = [Processor(replica, credit=draw.randrange(1, 9), answer=watch.answer) for _ in range(3)]
    for turn in range(45):
        await clock.advance(draw.choice([0.01, 0.3, 2]))
        await asyncio.sleep(0.002)
        replica.mortals[1].dead = turn % 10 == 7
        if draw.random() < 0.3:
            await workers.pop(0).leave()
            workers.append(Processor(replica, credit=draw.randrange(1, 9), answer=watch.answer))
        if turn in (15, 30):
            await replica.crash()
            replica = await start(**options)
            workers = [Processor(replica, credit=3, answer=watch.answer)]
    for worker in workers:
        await worker.leave()
    Processor(replica, answer=watch.finish)

    async def finished() -> bool:
        return set(await states(stores)) <= {FiringState.SUCCEEDED, FiringState.DEAD}

    await pass_time(clock, 60, finished)
    assert watch.wrong == []
    assert len(watch.given) == 36
    assert watch.given.keys() == {identity for order in queues.values() for identity in order}
