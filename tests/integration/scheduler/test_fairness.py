"""One tenant's flood does not hold up another's alarms: counted by order, on each database."""

from collections.abc import AsyncIterator

import pytest

from scheduler_svc.domain import Alarm, Priority
from scheduler_svc.engine import EngineOptions
from scheduler_svc.engine.loader import LoadBounds, Loader
from scheduler_svc.engine.timeline import Timeline
from tests.integration.scheduler.replica import Processor, Replica, pass_time
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm
from tocsin.recurrence import At, Trigger
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

SHARDS = range(256)
FLOOD = 2_000


def at(due: int, tenant: str, **fields: object) -> Alarm:
    """An alarm that fires once."""
    return alarm(due=due, tenant=tenant, trigger=Trigger(spec=At(due)), **fields)


@pytest.fixture
async def replica(stores: Stores, clock: FakeClock) -> AsyncIterator[Replica]:
    """A scheduler that lets a hundred alarms go at a time; not started yet."""
    await stores.shards.release(OWNER)
    made = Replica(stores, clock, engine=EngineOptions(batch_size=100))
    yield made
    await made.stop()


async def test_a_flood_at_one_instant_leaves_its_share_of_each_batch(stores: Stores, replica: Replica, clock: FakeClock) -> None:
    """2,000 alarms of one tenant and 20 of another at the same instant, made later: all 20 are among the first hundred."""
    due = NOW + SECOND
    await stores.add(*(at(due, "flood") for _ in range(FLOOD)))
    await stores.add(*(at(due, "quiet") for _ in range(20)))
    processor = Processor(await replica.start(), credit=10_000)
    await eventually(lambda: len(replica.engine.timeline) == FLOOD + 20)
    await pass_time(clock, 2, lambda: len(processor.got) == FLOOD + 20)
    order = [queued.tenant for queued, _ in processor.got]
    assert order.index("quiet") < 100
    assert max(place for place, tenant in enumerate(order) if tenant == "quiet") < 100


async def test_urgent_alarms_of_a_flooding_tenant_share_as_well(stores: Stores, replica: Replica, clock: FakeClock) -> None:
    """A tenant that calls everything critical takes turns with the critical alarms of others."""
    due = NOW + SECOND
    await stores.add(*(at(due, "flood", priority=Priority.CRITICAL) for _ in range(500)))
    await stores.add(*(at(due, "quiet", priority=Priority.CRITICAL) for _ in range(5)))
    await stores.add(at(due, "calm"))
    processor = Processor(await replica.start(), credit=10_000)
    await eventually(lambda: len(replica.engine.timeline) == 506)
    await pass_time(clock, 2, lambda: len(processor.got) == 506)
    order = [queued.tenant for queued, _ in processor.got]
    assert max(place for place, tenant in enumerate(order) if tenant == "quiet") < 100


@pytest.mark.parametrize("flood_due", [NOW + 3 * SECOND, NOW - 3 * SECOND])
async def test_a_full_index_still_takes_in_the_others(stores: Stores, flood_due: int) -> None:
    """One tenant's alarms fill the index to its limit. Those of the others that are due later are loaded all the same."""
    await stores.add(*(at(flood_due, "flood") for _ in range(FLOOD)))
    others = [at(NOW + number * SECOND, f"quiet-{number}") for number in range(4, 24)]
    await stores.add(*others)
    timeline = Timeline()
    loader = Loader(
        store=stores.due,
        timeline=timeline,
        take=lambda pending: timeline.insert(pending.id, pending.due, pending.priority - 1, pending.tenant),
        bounds=LoadBounds(horizon=60 * SECOND, near=2 * SECOND, limit=1_000),
    )
    assert await loader.load(SHARDS, NOW) == min(NOW, flood_due)
    now = NOW + SECOND if flood_due > NOW else NOW
    await loader.load(SHARDS, now)
    assert all(other.id in timeline for other in others)
    assert len(timeline) <= FLOOD + len(others)


async def test_a_lost_hint_is_found_behind_anothers_backlog(stores: Stores) -> None:
    """The loader looks past the overdue alarms of a tenant with a backlog for those of others that nobody told of."""
    timeline = Timeline()
    loader = Loader(
        store=stores.due,
        timeline=timeline,
        take=lambda pending: timeline.insert(pending.id, pending.due, pending.priority - 1, pending.tenant),
        bounds=LoadBounds(horizon=60 * SECOND, near=2 * SECOND, limit=100_000),
    )
    await stores.add(*(at(NOW - SECOND, "flood") for _ in range(FLOOD)))
    await loader.load(SHARDS, NOW)
    lost = at(NOW + SECOND, "quiet")
    await stores.add(lost)
    assert lost.id not in timeline
    await loader.load(SHARDS, NOW + 6 * SECOND)
    assert lost.id in timeline
