"""A tenant that is suspended: nothing goes out for it, nothing of it is lost, and nobody else notices; on each database."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from scheduler_svc.dispatch import DispatchOptions
from scheduler_svc.domain import TENANT_SUSPENDED, Alarm, AlarmState, Failed, FiringState, Outcome, Succeeded
from scheduler_svc.engine import EngineOptions
from scheduler_svc.service.suspensions import Suspensions
from scheduler_svc.store.suspensions import SqlSuspensions
from tests.integration.scheduler.outside import waiting
from tests.integration.scheduler.replica import Processor, Replica, pass_time
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm, firing
from tocsin.recurrence import At, CatchUp, CatchUpMode, Every, Heartbeat, Overlapping, Trigger
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

BOTH = ("t1", "t2")


class Told:
    """Takes hints to the engine of a replica."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    async def scheduled_all(self, alarms: Sequence[Alarm]) -> None:
        """As `HintPublisher` does for its own shards."""
        for each in alarms:
            if each.due is not None:
                self._replica.hint(each.id, each.due, int(each.priority))


class Node:
    """A replica, and what follows the book of tenants in it."""

    def __init__(self, stores: Stores, replica: Replica) -> None:
        self.replica = replica
        self.suspensions = Suspensions(
            store=SqlSuspensions(stores.database),
            hints=Told(replica),  # pyright: ignore[reportArgumentType]  it uses no other
            stops=(replica.engine, replica.dispatcher),
            clock=replica.clock,
        )

    def stop_tenants(self, *tenants: str) -> None:
        """The book says so now."""
        self.suspensions.follow(frozenset(tenants))

    async def stop(self) -> None:
        """Ends cleanly."""
        await self.suspensions.stop()
        await self.replica.stop()

    async def crash(self) -> None:
        """Ends as by SIGKILL."""
        await self.suspensions.stop()
        await self.replica.crash()


Start = Callable[..., Awaitable[Node]]


@pytest.fixture
async def start(stores: Stores, clock: FakeClock) -> AsyncIterator[Start]:
    """Starts replicas on the stores with these tenants stopped, and stops them in the end."""
    await stores.shards.release(OWNER)
    nodes: list[Node] = []

    async def begin(*stopped: str, **options: object) -> Node:
        node = Node(stores, Replica(stores, clock, **options))  # pyright: ignore[reportArgumentType]  passed on
        nodes.append(node)
        node.stop_tenants(*stopped)
        await node.replica.start()
        await node.suspensions.start()
        return node

    yield begin
    for node in nodes:
        await node.stop()


def every(seconds: int, *, tenant: str = "t1", **fields: object) -> Alarm:
    """An alarm whose first due time is one interval from now."""
    trigger = Trigger(spec=Every(seconds * SECOND), **fields)  # pyright: ignore[reportArgumentType]  passed on
    return alarm(tenant=tenant, due=NOW + seconds * SECOND, anchor=NOW + seconds * SECOND, trigger=trigger)


async def count(stores: Stores, tenant: str, *states: FiringState) -> int:
    """Rows of a tenant in these states; all unless given."""
    return sum(not states or row.state in states for row in await stores.all_firings(tenant))


async def test_what_comes_due_waits_with_its_reason(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Its alarms are paused as they come due; those of others fire; afterwards one that fires late says why."""
    mine, theirs = (every(60, tenant=tenant, count=3) for tenant in BOTH)
    await stores.add(mine, theirs)
    node = await start("t1")
    processor = Processor(node.replica)
    await pass_time(clock, 200, lambda: count_is(stores, "t2", 3), step=5)
    assert await stores.all_firings("t1") == []
    held = await stores.alarms.get("t1", mine.id)
    assert (held.state, held.pause_reason, held.due) == (AlarmState.PAUSED, TENANT_SUSPENDED, mine.due)
    node.stop_tenants()
    await pass_time(clock, 0, lambda: count_is(stores, "t1", 3, FiringState.SUCCEEDED, FiringState.CLOSED))
    rows = await stores.all_firings("t1")
    assert [(row.outcome, row.reason) for row in rows] == [(Outcome.COALESCED, "CATCH_UP_LATEST")] * 2 + [(Outcome.LATE, TENANT_SUSPENDED)]
    over = await stores.alarms.get("t1", mine.id)
    assert (over.state, over.pause_reason) == (AlarmState.COMPLETED, "")
    gone = Counter(queued.tenant for queued, _ in processor.got)
    assert gone["t1"] == 1
    assert gone["t2"] >= 1


async def count_is(stores: Stores, tenant: str, number: int, *states: FiringState) -> bool:
    """Whether there are so many rows."""
    return await count(stores, tenant, *states) == number


@pytest.mark.parametrize(
    ("catch_up", "outcomes"),
    [
        (CatchUp(mode=CatchUpMode.ALL), [(Outcome.LATE, TENANT_SUSPENDED)] * 7),
        (CatchUp(mode=CatchUpMode.ALL, limit=2), [(Outcome.SKIPPED, "CATCH_UP_LIMIT")] * 5 + [(Outcome.LATE, TENANT_SUSPENDED)] * 2),
        (CatchUp(mode=CatchUpMode.NONE), [(Outcome.SKIPPED, "CATCH_UP_NONE")] * 7),
    ],
)
async def test_each_alarm_catches_up_as_it_says(
    stores: Stores, start: Start, clock: FakeClock, catch_up: CatchUp, outcomes: list[tuple[Outcome, str]]
) -> None:
    """Every missed due time has its row, in chunks that keep the reason; then the alarm goes on as if nothing had been."""
    made = every(200, count=8, catch_up=catch_up)
    await stores.add(made)
    node = await start("t1", engine=EngineOptions(ledger_batch=3))
    Processor(node.replica)
    await clock.advance(200)
    await pass_time(clock, 0, lambda: paused(stores, made.id))
    await clock.advance(1250)
    node.stop_tenants()
    await pass_time(clock, 0, lambda: count_is(stores, "t1", 7, FiringState.SUCCEEDED, FiringState.CLOSED))
    assert [(row.outcome, row.reason) for row in await stores.all_firings()] == outcomes
    await pass_time(clock, 200, lambda: count_is(stores, "t1", 8), step=10)
    assert (await stores.all_firings())[-1].reason != TENANT_SUSPENDED


async def paused(stores: Stores, identity: str) -> bool:
    """Whether the alarm waits."""
    return (await stores.alarms.get("t1", identity)).pause_reason == TENANT_SUSPENDED


async def working(stores: Stores, identity: str) -> bool:
    """Whether the alarm does not wait any more."""
    return not await paused(stores, identity)


async def test_a_pause_that_somebody_asked_for_stays(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Whoever paused it before has to resume it."""
    made = every(60)
    await stores.add(made)
    await stores.alarms.pause("t1", made.id, now=NOW)
    node = await start("t1")
    await pass_time(clock, 120, lambda: True, step=10)
    node.stop_tenants()
    await pass_time(clock, 10, lambda: True)
    assert (await stores.alarms.get("t1", made.id)).pause_reason == "REQUESTED"


async def test_firings_wait_in_the_ledger_and_what_is_out_ends(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Suspended in the middle of a firing: its result counts; what waits, or failed, goes out again when the tenant may."""
    node = await start(dispatch=DispatchOptions(heal_seconds=2.0))
    dispatcher, owned = node.replica.dispatcher, node.replica.ownership
    await pass_time(clock, 0, lambda: len(owned.held) == 256)
    processor = Processor(node.replica, answer=lambda _: None)
    out, later = firing(), firing(ready=NOW + 5 * SECOND)
    await stores.ledger.enqueue([out, later], owner="a", held=owned.held)
    dispatcher.rescan()
    await pass_time(clock, 0, lambda: len(processor.got) == 1)
    node.stop_tenants("t1")
    await processor.report(out.id, processor.got[0][1], Succeeded())
    stopped = [firing(), firing(tenant="t2")]
    await stores.ledger.enqueue(stopped, owner="a", held=owned.held)
    dispatcher.rescan()
    await pass_time(clock, 10, lambda: len(processor.got) == 2)
    assert {each.id for each, _ in processor.got} == {out.id, stopped[1].id}

    async def counted() -> bool:
        return await count(stores, "t1", FiringState.SUCCEEDED) == 1

    await eventually(counted)
    node.stop_tenants()
    await pass_time(clock, 0, lambda: {each.id for each, _ in processor.got} == {out.id, later.id, *(each.id for each in stopped)})


async def test_a_failed_firing_goes_nowhere_meanwhile(stores: Stores, start: Start, clock: FakeClock) -> None:
    """One whose turn comes after another, too: the next attempt is made when the tenant may work again."""
    made = every(1, overlap=Overlapping.QUEUE, count=2, catch_up=CatchUp(mode=CatchUpMode.ALL))
    await stores.add(made)
    node = await start()
    processor = Processor(node.replica, answer=lambda _: None)
    await pass_time(clock, 5, lambda: len(processor.got) == 1)
    queued, token = processor.got[0]
    node.stop_tenants("t1")
    await processor.report(queued.id, token, Failed(reason="BROKEN", message="it broke"))
    await pass_time(clock, 60, lambda: count_is(stores, "t1", 1, FiringState.RETRYING), step=2)
    assert len(processor.got) == 1
    node.stop_tenants()
    await pass_time(clock, 0, lambda: len(processor.got) == 2)
    await processor.report(queued.id, processor.got[1][1], Succeeded())
    await pass_time(clock, 0, lambda: len(processor.got) == 3)


async def test_a_heartbeat_waits_anew(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Who pings could not be heard: its deadline begins when the tenant may work again."""
    made = waiting(Heartbeat(every=60 * SECOND, grace=5 * SECOND))
    await stores.add(made)
    node = await start("t1")
    Processor(node.replica)
    await pass_time(clock, 300, lambda: paused(stores, made.id), step=10)
    node.stop_tenants()
    await pass_time(clock, 0, lambda: working(stores, made.id))
    await pass_time(clock, 30, lambda: True)
    found = await stores.alarms.get("t1", made.id)
    assert (found.state, found.pause_reason, await count(stores, "t1")) == (AlarmState.ACTIVE, "", 0)
    await pass_time(clock, 60, lambda: count_is(stores, "t1", 1), step=5)


async def test_nothing_is_lost_through_kills(stores: Stores, start: Start, clock: FakeClock) -> None:
    """The scheduler dies while the tenant is suspended, and again while it catches up: one row for every due time, none twice."""
    alarms = [every(30 + number, count=6, catch_up=CatchUp(mode=CatchUpMode.ALL)) for number in range(10)]
    once = [alarm(due=NOW + number * SECOND, trigger=Trigger(spec=At(NOW + number * SECOND))) for number in range(1, 30)]
    await stores.add(*alarms, *once)
    node = await start(engine=EngineOptions(batch_size=7, ledger_batch=17))
    Processor(node.replica)
    await pass_time(clock, 20, lambda: True, step=1)
    node.stop_tenants("t1")
    await pass_time(clock, 60, lambda: some_wait(stores), step=2)
    await node.crash()
    await clock.advance(40)
    second = await start("t1", name="b", engine=EngineOptions(batch_size=7, ledger_batch=17))
    await pass_time(clock, 140, lambda: True, step=4)
    before = await count(stores, "t1")
    second.stop_tenants()
    await pass_time(clock, 0, lambda: count_is_more(stores, before))
    await second.crash()
    await clock.advance(20)
    third = await start(name="c", engine=EngineOptions(batch_size=7, ledger_batch=17))
    processor = Processor(third.replica)
    expected = {(made.id, made.anchor + number * (30 + place) * SECOND) for place, made in enumerate(alarms) for number in range(6)}
    expected |= {(made.id, made.due or 0) for made in once}
    await pass_time(clock, 60, lambda: count_is(stores, "t1", len(expected), FiringState.SUCCEEDED), step=2)
    rows = await stores.all_firings()
    assert sorted((row.alarm, row.due) for row in rows) == sorted(expected)
    assert {row.outcome for row in rows} <= {Outcome.FIRED, Outcome.LATE}
    assert TENANT_SUSPENDED in {row.reason for row in rows}
    assert processor.got
    assert await SqlSuspensions(stores.database).paused_tenant(after="") is None


async def some_wait(stores: Stores) -> bool:
    """Whether alarms wait for their tenant."""
    return await SqlSuspensions(stores.database).paused_tenant(after="") is not None


async def count_is_more(stores: Stores, number: int) -> bool:
    """Whether there are more rows."""
    return await count(stores, "t1") > number
