"""Fires a minute that a tenant may have, on each database."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import time

import pytest

from scheduler_svc.domain import FIRE_QUOTA, Alarm, AlarmState, FiringState, Outcome
from scheduler_svc.domain.fire_quotas import FIRES_PER_MINUTE
from scheduler_svc.service.fire_quotas import FireQuotas, WaitingAlarms
from scheduler_svc.store import SqlFireQuotas
from tests.integration.scheduler.outside import Outside, above, event, on, reading
from tests.integration.scheduler.quotas import fire_quotas
from tests.integration.scheduler.replica import Replica, pass_time
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm
from tests.integration.scheduler.test_suspension import Told
from tests.integration.scheduler.timetable import T1, Timetable
from tocsin.alerts import AlertKind
from tocsin.errors import QuotaExceeded
from tocsin.recurrence import At, Daily, Trigger
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.clock import FakeClock

DAY = 24 * 3600 * SECOND


class Bounded:
    """A replica whose tenants have quotas."""

    def __init__(self, stores: Stores, clock: FakeClock, fires: FireQuotas) -> None:
        self.replica = Replica(stores, clock, fires=fires)
        self.waiting = WaitingAlarms(
            store=SqlFireQuotas(stores.database),
            quotas=fires,
            shards=self.replica.ownership,
            hints=Told(self.replica),  # pyright: ignore[reportArgumentType]  it uses no other
            clock=clock,
        )

    async def stop(self) -> None:
        """Ends."""
        await self.waiting.stop()
        await self.replica.stop()


Start = Callable[..., Awaitable[Bounded]]


@pytest.fixture
async def start(stores: Stores, clock: FakeClock) -> AsyncIterator[Start]:
    """Starts a replica on the stores with these quotas, and stops it in the end."""
    await stores.shards.release(OWNER)
    begun: list[Bounded] = []

    async def begin(alerts: RecordedAlerts | None = None, **most: int) -> Bounded:
        node = Bounded(stores, clock, fire_quotas(stores.database, clock, most, alerts=alerts))
        begun.append(node)
        await node.replica.start()
        await node.waiting.start()
        return node

    yield begin
    for node in begun:
        await node.stop()


async def fired(stores: Stores, tenant: str, number: int) -> bool:
    """Whether so many have fired."""
    return sum(row.fired is not None for row in await stores.all_firings(tenant)) == number


def once(tenant: str = "t1", *, at: int = 1) -> Alarm:
    """An alarm that is due once, so many seconds from now."""
    due = NOW + at * SECOND
    return alarm(tenant=tenant, due=due, trigger=Trigger(spec=At(due)))


async def test_what_is_too_much_waits_for_the_next_minutes(stores: Stores, start: Start, clock: FakeClock) -> None:
    """So many a minute fire, the others wait paused and say why; another tenant notices nothing; each has its row in the end."""
    mine = [once() for _ in range(7)]
    await stores.add(*mine, *(once("t2") for _ in range(7)))
    alerts = RecordedAlerts()
    await start(alerts, t1=3)
    await pass_time(clock, 5, lambda: fired(stores, "t2", 7))
    assert await fired(stores, "t1", 3)
    states = Counter([(found.state, found.pause_reason) for found in [await stores.alarms.get("t1", each.id) for each in mine]])
    assert states == {(AlarmState.COMPLETED, ""): 3, (AlarmState.PAUSED, FIRE_QUOTA): 4}
    assert [(each.kind, each.tenant, each.place) for each in alerts.all] == [(AlertKind.QUOTA_REACHED, "t1", FIRES_PER_MINUTE)]
    await pass_time(clock, 70, lambda: fired(stores, "t1", 6), step=5)
    await pass_time(clock, 70, lambda: fired(stores, "t1", 7), step=5)
    rows = await stores.all_firings("t1")
    assert Counter(row.reason == FIRE_QUOTA for row in rows) == {False: 3, True: 4}
    assert all(row.outcome is Outcome.LATE for row in rows if row.reason == FIRE_QUOTA)


async def test_events_fire_within_the_quota(stores: Stores, clock: FakeClock) -> None:
    """Of those that wait for an event so many fire as may, in one event or in several; the others have a row that says so."""
    await stores.add(*(on("a.b") for _ in range(5)), *(on("a.b", tenant="t2") for _ in range(5)))
    outside = Outside(stores, quotas=fire_quotas(stores.database, clock, {"t1": 7}))
    for number in range(2):
        await outside.publish(event(id=f"e{number}"), event(id=f"e{number}", tenant="t2"))
    rows = await stores.all_firings("t1")
    assert Counter((row.outcome, row.reason, row.state) for row in rows) == {
        (Outcome.FIRED, "", FiringState.PENDING): 7,
        (Outcome.SKIPPED, FIRE_QUOTA, FiringState.CLOSED): 3,
    }
    assert await fired(stores, "t2", 10)
    assert len({firing.id for firing in outside.offered if firing.state is FiringState.PENDING}) == 17


async def test_an_event_that_came_before_costs_nothing(stores: Stores, clock: FakeClock) -> None:
    """A client that repeats its event does not use up its quota."""
    await stores.add(on("a.b"))
    quotas = fire_quotas(stores.database, clock, {"t1": 2})
    outside = Outside(stores, quotas=quotas)
    for _ in range(5):
        await outside.publish(event(id="same"))
    await outside.publish(event(id="other"))
    assert await fired(stores, "t1", 2)


async def test_a_bell_rings(stores: Stores, clock: FakeClock) -> None:
    """What is raised because something that is watched went wrong does not count, and is not held back."""
    await stores.add(*(above(10) for _ in range(4)))
    outside = Outside(stores, quotas=fire_quotas(stores.database, clock, {"t1": 1}))
    await outside.record(reading(11))
    assert await fired(stores, "t1", 4)


async def test_whoever_asks_for_too_much_is_told(stores: Stores, clock: FakeClock) -> None:
    """A backfill stops where the quota ends, and says where; with nothing left it is refused until the next minute."""
    table = Timetable(stores, clock, fires={"t1": 4})
    daily = await table.make(Trigger(spec=Daily(time(9)), time_zone="Europe/Paris"))
    start = NOW - 10 * DAY
    first = await table.backfills.backfill(T1, daily.id, start=start, end=None, limit=0)
    assert (first.fired, first.next) == (4, NOW - 6 * DAY + 8 * 3600 * SECOND)
    with pytest.raises(QuotaExceeded) as refused:
        await table.backfills.backfill(T1, daily.id, start=start, end=None, limit=0)
    assert refused.value.metadata == {"quota": "fires_per_minute", "limit": "4", "used": "4"}
    assert 0 < (refused.value.retry_after or 0) <= 60


async def test_replicas_together_keep_the_quota(stores: Stores, clock: FakeClock) -> None:
    """However much each of them sets aside, and whatever one that is gone has set aside."""
    replicas = [fire_quotas(stores.database, clock, {"t1": 150}) for _ in range(3)]
    granted = 0
    for number in range(100):
        allowance = await replicas[number % 3].set_aside({"t1": 2})
        granted += allowance.granted["t1"]
    assert granted == 150
    assert await replicas[0].used("t1") == 150
    await clock.advance(60)
    assert (await replicas[0].set_aside({"t1": 2})).granted == {"t1": 2}
