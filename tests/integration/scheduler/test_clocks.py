"""Replicas whose clock is off: late is better than early. On each database, under clocks that the test moves."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from scheduler_svc.domain import FiringState
from scheduler_svc.shards.clocks import ClockWatch
from scheduler_svc.store import SqlShardStore
from tests.integration.scheduler.replica import Processor, Replica
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm
from tests.integration.scheduler.test_shards import steadily
from tocsin.clock import SystemClock
from tocsin.mesh.health import Degraded
from tocsin.recurrence import At, Trigger
from tocsin.redis import EventBus, Redis
from tocsin.testing.clock import FakeClock, SkewedClock

Start = Callable[[str, SkewedClock], Awaitable[Replica]]


@pytest.fixture
async def start(stores: Stores, clock: FakeClock) -> AsyncIterator[Start]:
    """Starts replicas with clocks of their own on the stores, and stops them in the end."""
    await stores.shards.release(OWNER)
    replicas: list[Replica] = []
    together = EventBus(redis=Redis(url=None, clock=clock), clock=clock)

    async def begin(name: str, own: SkewedClock) -> Replica:
        replicas.append(Replica(stores, own, name=name, events=together))
        return await replicas[-1].start()

    yield begin
    for replica in replicas:
        await replica.stop()


@pytest.mark.parametrize("seconds", [90.0, -90.0, 5.1])
async def test_a_replica_that_is_off_takes_no_shards(stores: Stores, start: Start, clock: FakeClock, seconds: float) -> None:
    """The other one has them all, and health tells why."""
    off = await start("off", SkewedClock(clock, seconds))
    well = await start("well", SkewedClock(clock))
    assert (len(off.ownership.held), len(well.ownership.held)) == (0, 256)
    await steadily(stores, clock, 15, lambda: (len(off.ownership.held), len(well.ownership.held)) == (0, 256))
    assert off.keeper.clocks.offset == seconds
    with pytest.raises(Degraded, match="no alarm fires"):
        await off.keeper.clocks.check()
    await well.keeper.clocks.check()


async def test_a_clock_that_jumps_gives_the_shards_up_before_anything_rings_early(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Half the alarms are with a replica whose clock jumps ahead: the other lets all go, none before its time."""
    own = SkewedClock(clock)
    off, well = await start("off", own), await start("well", SkewedClock(clock))
    await steadily(stores, clock, 10, lambda: len(off.ownership.held) == len(well.ownership.held) == 128)
    dues = [NOW + (40 + number) * SECOND for number in range(20)]
    for due in dues:
        await stores.add(alarm(due=due, trigger=Trigger(spec=At(due))))
    processors = [Processor(off), Processor(well)]
    own.seconds = 20.0
    await steadily(stores, clock, 5, lambda: (len(off.ownership.held), len(well.ownership.held)) == (0, 256))
    assert await stores.all_firings() == []
    await steadily(stores, clock, 60, lambda: sum(len(each.got) for each in processors) == len(dues))
    rows = await stores.all_firings()
    assert {row.state for row in rows} <= {FiringState.SUCCEEDED, FiringState.PENDING}
    assert sorted(row.due for row in rows) == dues
    own.seconds = 4.0
    await steadily(stores, clock, 10, lambda: True)
    assert len(off.ownership.held) == 0  # not well yet
    own.seconds = 0.2
    await steadily(stores, clock, 10, lambda: len(off.ownership.held) == len(well.ownership.held) == 128)
    await off.keeper.clocks.check()


async def test_a_small_offset_is_told_and_changes_nothing(start: Start, clock: FakeClock) -> None:
    """From half a second on it is told in health; the shards stay."""
    replica = await start("a", SkewedClock(clock, 0.6))
    assert len(replica.ownership.held) == 256
    with pytest.raises(Degraded, match=r"0\.6 s ahead of the database's$"):
        await replica.keeper.clocks.check()


async def test_the_way_to_the_database_is_no_offset(clock: FakeClock) -> None:
    """However long an answer takes, a clock that is well is not accused; one that is off by more is."""

    class Far:
        async def time(self) -> int:
            await clock.advance(3)
            there = clock.micros()
            await clock.advance(3)
            return there

    own = SkewedClock(clock)
    watch = ClockWatch(source=Far(), clock=own)
    await watch.measure()
    assert watch.offset == 0.0
    own.seconds = 10.0
    await watch.measure()
    assert (watch.offset, watch.wrong) == (7.0, True)
    own.seconds = -10.0
    await watch.measure()
    assert watch.offset == -7.0


async def test_the_databases_own_clock_is_asked(stores: Stores) -> None:
    """Without a clock of the test, the store tells the time of the server, which is this machine's here."""
    watch = ClockWatch(source=SqlShardStore(stores.database), clock=SystemClock())
    await watch.measure()
    assert abs(watch.offset) < 0.5
