"""Replicas that share the shards, under a clock that the test moves, on each database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from scheduler_svc.domain import Alarm, FiringState, Succeeded
from tests.integration.scheduler.replica import Processor, Replica, pass_time
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm
from tocsin.recurrence import At, Trigger
from tocsin.redis import EventBus, Redis
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

Start = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def start(stores: Stores, clock: FakeClock) -> AsyncIterator[Start]:
    """Starts replicas on the stores, which hear each other at once, and stops them in the end."""
    await stores.shards.release(OWNER)
    replicas: list[Replica] = []
    together = EventBus(redis=Redis(url=None, clock=clock), clock=clock)

    async def begin(name: str, *, outage: bool = False) -> Replica:
        replica = Replica(stores, clock, name=name, events=None if outage else together)
        replicas.append(replica)
        return await replica.start()

    yield begin
    for replica in replicas:
        await replica.stop()


def shares(*replicas: Replica) -> list[int]:
    """How many shards each works on."""
    return [len(replica.ownership.held) for replica in replicas]


def disjoint(*replicas: Replica) -> bool:
    """Whether no shard is with two of them."""
    owned = [shard for replica in replicas for shard in replica.ownership.held]
    return len(owned) == len(set(owned))


def due_every(seconds: float, count: int) -> list[Alarm]:
    """Alarms one after the other."""
    dues = [NOW + round((1 + number * seconds) * SECOND) for number in range(count)]
    return [alarm(due=due, trigger=Trigger(spec=At(due))) for due in dues]


async def steadily(stores: Stores, clock: FakeClock, seconds: float, condition: Callable[[], object]) -> None:
    """Like `pass_time`, giving the database time to answer: a lease must not end only because the clock is faster than the disk."""
    while seconds > 0:
        await clock.advance(min(0.5, seconds))
        seconds -= 0.5
        for _ in range(4):  # a turn is up to four transactions; those of SQLite stand in one queue
            await stores.shards.give_back("", ())
    await pass_time(clock, 0, condition)


async def all_done(stores: Stores, count: int) -> bool:
    """Whether so many firings have succeeded."""
    rows = await stores.all_firings()
    return len(rows) == count and all(row.state is FiringState.SUCCEEDED for row in rows)


@pytest.mark.parametrize("outage", [False, True])
async def test_shards_are_shared_as_replicas_come_and_go(stores: Stores, start: Start, clock: FakeClock, *, outage: bool) -> None:
    """Fairly, within a second or two, with hints or without; whoever was first keeps the odd ones."""
    a = await start("a", outage=outage)
    assert shares(a) == [256]
    b = await start("b", outage=outage)
    await steadily(stores, clock, 1, lambda: shares(a, b) == [128, 128])
    c = await start("c", outage=outage)
    await steadily(stores, clock, 1, lambda: shares(a, b, c) == [86, 85, 85])
    assert disjoint(a, b, c)
    before = dict(b.ownership.held)
    await steadily(stores, clock, 30, lambda: shares(a, b, c) == [86, 85, 85])
    assert b.ownership.held == before  # and there they stay
    assert [each.keeper.replicas for each in (a, b, c)] == [3, 3, 3]
    await a.stop()
    await steadily(stores, clock, 1, lambda: shares(b, c) == [128, 128])
    assert disjoint(b, c)


async def test_a_hint_brings_the_shards_at_once(stores: Stores, start: Start, clock: FakeClock) -> None:
    """No time needs to pass but that of the hand-over."""
    a = await start("a")
    b = await start("b")
    await steadily(stores, clock, 0, lambda: shares(a, b) == [128, 128])
    assert clock.micros() - NOW < SECOND


async def test_no_alarm_is_lost_or_doubled_while_shards_move(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Replicas come and go while alarms are due; each goes to a processor exactly once."""
    made = due_every(0.02, 600)
    await stores.add(*made)
    replicas = [await start("a")]
    processors = [Processor(replicas[0])]
    for name in ("b", "c", "d"):
        await steadily(stores, clock, 2, lambda: True)
        replicas.append(await start(name))
        processors.append(Processor(replicas[-1]))
    await steadily(stores, clock, 2, lambda: shares(*replicas) == [64] * 4)
    # As the service does: what processors have in hand is settled before the shards go.
    replicas[1].dispatcher.drain()
    await steadily(stores, clock, 0, lambda: len(replicas[1].dispatcher.leases) == 0)
    await replicas[1].stop()
    await steadily(stores, clock, 6, lambda: all_done(stores, 600))
    got = [queued.alarm for processor in processors for queued, _ in processor.got]
    assert sorted(got) == sorted(one.id for one in made)
    assert all(processor.got for processor in processors)


async def test_a_shard_waits_for_what_is_on_its_way(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Quiet shards go first; one whose firing is with a processor goes when the result has come."""
    a = await start("a")
    made = [alarm() for _ in range(2000)]
    await stores.add(*made)
    busy = Processor(a, credit=5000, answer=lambda _: None)
    await steadily(stores, clock, 1, lambda: len(busy.got) == 2000)
    assert len(a.dispatcher.leases.shards()) > 250
    b = await start("b")
    other = Processor(b, credit=5000)
    await clock.advance(0.5)
    await eventually(lambda: shares(a) == [128])
    for queued, token in list(busy.got):
        await busy.report(queued.id, token, Succeeded())
    await steadily(stores, clock, 0.2, lambda: shares(a, b) == [128, 128])
    assert await all_done(stores, 2000)
    assert other.got == []


async def test_a_shard_does_not_wait_for_ever(stores: Stores, start: Start, clock: FakeClock) -> None:
    """What takes long is delivered again by the new owner, with the same id, and a result of the old one still counts."""
    a = await start("a")
    made = [alarm() for _ in range(2000)]
    await stores.add(*made)
    slow = Processor(a, credit=5000, answer=lambda _: None)
    await steadily(stores, clock, 1, lambda: len(slow.got) == 2000)
    b = await start("b")
    again = Processor(b, credit=5000, answer=lambda _: None)
    await steadily(stores, clock, 3, lambda: shares(a, b) == [128, 128])
    await eventually(lambda: len(again.got) > 900)
    old = {queued.id for queued, _ in slow.got}
    assert {queued.id for queued, _ in again.got} < old
    for queued, token in list(slow.got):
        await slow.report(queued.id, token, Succeeded())
    await eventually(lambda: all_done(stores, 2000))


async def test_two_survivors_share_what_a_dead_one_had(stores: Stores, start: Start, clock: FakeClock) -> None:
    """When its lease is over and not before, within two leases; what came due meanwhile is fired late and once."""
    a, b, c = [await start(name) for name in ("a", "b", "c")]
    await steadily(stores, clock, 1, lambda: shares(a, b, c) == [86, 85, 85])
    made = due_every(0.1, 200)
    await stores.add(*made)
    processors = [Processor(each) for each in (a, b)]
    await steadily(stores, clock, 2, lambda: True)
    await c.crash()
    await steadily(stores, clock, 5, lambda: shares(a, b) == [86, 85])
    await steadily(stores, clock, 9, lambda: shares(a, b) == [128, 128])
    await steadily(stores, clock, 10, lambda: all_done(stores, 200))
    assert sorted(queued.alarm for each in processors for queued, _ in each.got) == sorted(one.id for one in made)


async def test_after_a_pause_of_the_database_everybody_has_what_he_had(stores: Stores, start: Start, clock: FakeClock) -> None:
    """All leases are over by then; nobody takes another's shards before that one could renew."""
    a, b, c = [await start(name) for name in ("a", "b", "c")]
    await steadily(stores, clock, 1, lambda: shares(a, b, c) == [86, 85, 85])
    before = [dict(each.ownership.held) for each in (a, b, c)]
    for each in (a, b, c):
        each.mortals[2].dead = True
    await steadily(stores, clock, 25, lambda: shares(a, b, c) == [0, 0, 0])
    assert "shards" in a.keeper.failing
    for each in (a, b, c):
        each.mortals[2].dead = False
    await steadily(stores, clock, 3, lambda: shares(a, b, c) == [86, 85, 85])
    await steadily(stores, clock, 10, lambda: True)
    assert [dict(each.ownership.held) for each in (a, b, c)] == before
    assert a.keeper.failing == {}


async def test_one_that_cannot_reach_the_database_comes_back_to_a_fair_share(stores: Stores, start: Start, clock: FakeClock) -> None:
    """It stops by itself before the others take over; then it takes part again under new epochs."""
    a, b = [await start(name) for name in ("a", "b")]
    await steadily(stores, clock, 1, lambda: shares(a, b) == [128, 128])
    b.mortals[2].dead = True
    await steadily(stores, clock, 9, lambda: shares(b) == [0])
    assert shares(a) == [128]
    await steadily(stores, clock, 3, lambda: shares(a) == [256])
    b.mortals[2].dead = False
    await steadily(stores, clock, 3, lambda: shares(a, b) == [128, 128])
    assert disjoint(a, b)
    assert min(b.ownership.held.values()) >= 2


async def test_a_stop_that_cannot_give_back_is_still_a_stop(stores: Stores, start: Start, clock: FakeClock) -> None:
    """The leases end by themselves."""
    a, b = [await start(name) for name in ("a", "b")]
    await steadily(stores, clock, 1, lambda: shares(a, b) == [128, 128])
    a.mortals[2].dead = True
    await asyncio.wait_for(a.keeper.stop(), 60)
    assert shares(a, b) == [0, 128]
    await steadily(stores, clock, 13, lambda: shares(b) == [256])
