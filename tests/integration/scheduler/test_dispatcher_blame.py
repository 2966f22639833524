"""Whom the dispatcher blames and whom it chooses: the death of a processor, and kinds of action that not every processor knows."""

import asyncio

import pytest

from scheduler_svc.domain import (
    Action,
    End,
    FiringState,
    Priority,
    QueuedFiring,
    RetryPolicy,
    Succeeded,
)
from tests.integration.scheduler.dispatching import SILENT, Add, Start, all_are, all_attempted, states_of
from tests.integration.scheduler.replica import Processor, pass_time
from tests.integration.scheduler.stores import SECOND, Stores
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One kind of database: what the two do differently is tested with the stores and the engine."""
    return sqlite_url


async def test_a_firing_that_kills_its_processors_ends(stores: Stores, start: Start, add: Add, clock: FakeClock) -> None:
    """Three lost deliveries are a failed attempt; it stays suspected, so that each further one is another."""
    await add(retry=RetryPolicy(max_attempts=3, initial_backoff=SECOND).encode())
    replica = await start(lost_deliveries=3)
    deliveries = 0
    while not await all_are(stores, FiringState.DEAD):
        victim = Processor(replica, credit=1, answer=SILENT)
        await pass_time(clock, 2, lambda who=victim: bool(who.got))
        deliveries += 1
        await victim.leave()
        if deliveries >= 3:
            await eventually(lambda attempts=deliveries - 2: all_attempted(stores, attempts))
    assert deliveries == 5
    (row,) = await stores.all_firings()
    assert (row.reason, row.attempts) == ("DELIVERY_LOST", 3)


async def test_the_death_of_a_processor_is_charged_to_nobody_beside_the_cause(
    stores: Stores, start: Start, add: Add, clock: FakeClock
) -> None:
    """Two killers among three hundred, none of whom ends before the processor dies: the others succeed at their first attempt."""
    killers = {row.id for row in await add(2, retry=RetryPolicy(max_attempts=3, initial_backoff=SECOND).encode())}
    await add(300)
    replica = await start(lost_deliveries=3)
    died = 0
    current: list[Processor] = []
    while (await states_of(stores))[FiringState.SUCCEEDED] + (await states_of(stores))[FiringState.DEAD] < 302:
        dead = asyncio.Event()

        def work(queued: QueuedFiring, dead: asyncio.Event = dead) -> End | None:
            if queued.id in killers:
                dead.set()
            # A process that died in the middle of a batch has reported nothing of it.
            return None if dead.is_set() or len(current[-1].session.leased) > 2 else Succeeded()

        processor = Processor(replica, credit=400, answer=work)
        current.append(processor)
        # It lives until it is killed: whichever innocent one it worked on when it went for another reason would be charged, and rightly.
        await pass_time(clock, 0, lambda dead=dead: _dead_or_done(stores, dead))
        await processor.leave()
        died += 1
        assert died < 40
    rows = await stores.all_firings()
    assert {(row.state, row.attempts) for row in rows if row.id not in killers} == {(FiringState.SUCCEEDED, 1)}
    assert {(row.state, row.reason) for row in rows if row.id in killers} == {(FiringState.DEAD, "DELIVERY_LOST")}


async def _dead_or_done(stores: Stores, dead: asyncio.Event) -> bool:
    return dead.is_set() or not set(await states_of(stores)) & {FiringState.PENDING, FiringState.RETRYING}


async def test_a_broken_network_makes_nobody_suspect(stores: Stores, start: Start, add: Add) -> None:
    """The same start of a processor that is back did not die, however often its stream breaks."""
    await add()
    replica = await start(lost_deliveries=3)
    for _ in range(10):
        processor = Processor(replica, credit=1, answer=SILENT, worker="same")
        await processor.delivery()
        await processor.leave()
    Processor(replica, credit=1, worker="same")
    await eventually(lambda: all_are(stores, FiringState.SUCCEEDED))
    (row,) = await stores.all_firings()
    assert row.attempts == 1


async def test_a_kind_goes_to_a_processor_that_knows_it(stores: Stores, start: Start, add: Add) -> None:
    """However much credit another one has, which gets the others; critical ones as well."""
    await add(5, action=Action("webhook", b""))
    await add(5, action=Action("webhook", b""), priority=Priority.CRITICAL)
    await add(5)
    replica = await start()
    old = Processor(replica, credit=100)
    new = Processor(replica, credit=100, kinds=("notify", "task", "webhook"))
    await eventually(lambda: all_are(stores, FiringState.SUCCEEDED))
    assert {queued.action.kind for queued, _ in old.got} <= {"task"}
    assert sum(queued.action.kind == "webhook" for queued, _ in new.got) == 10
    assert not replica.dispatcher.leases


async def test_a_kind_that_nobody_knows_waits_and_then_fails(stores: Stores, start: Start, add: Add, clock: FakeClock) -> None:
    """For a minute a processor may come that knows it; it costs no attempt meanwhile, and holds up nobody."""
    (strange,) = await add(action=Action("webhook", b""))
    await add(3)
    old = Processor(await start(), credit=1)
    await eventually(lambda: _ended(stores, 3))
    await pass_time(clock, 29, lambda: True)
    assert (await stores.ledger.get("t1", strange.id)).attempts == 0
    assert "webhook" in (await stores.ledger.get("t1", strange.id)).error
    await pass_time(clock, 60, lambda: _ended(stores, 4))
    row = await stores.ledger.get("t1", strange.id)
    assert (row.state, row.reason, row.attempts) == (FiringState.DEAD, "UNSUPPORTED_ACTION", 1)
    assert {queued.action.kind for queued, _ in old.got} == {"task"}


async def test_a_processor_that_knows_it_comes_in_time(stores: Stores, start: Start, add: Add, clock: FakeClock) -> None:
    """What has waited for it runs."""
    await add(3, action=Action("webhook", b""))
    replica = await start()
    Processor(replica, credit=10)
    await pass_time(clock, 10, lambda: True)
    new = Processor(replica, credit=10, kinds=("webhook",))
    await pass_time(clock, 30, lambda: _ended(stores, 3))
    assert len(new.got) == 3
    assert await all_are(stores, FiringState.SUCCEEDED)


async def _ended(stores: Stores, count: int) -> bool:
    states = await states_of(stores)
    return states[FiringState.SUCCEEDED] + states[FiringState.DEAD] == count
