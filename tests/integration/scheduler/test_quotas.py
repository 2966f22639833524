"""How many alarms a tenant may have, on each database."""

import asyncio
from typing import Any

import pytest

from scheduler_svc.domain import Alarm
from scheduler_svc.ports import ImportedAlarm, NewAlarm
from scheduler_svc.store import AlarmQuotas, SqlAlarmCounts, SqlAlarmStore, SqlImportStore
from tests.integration.scheduler.stores import NOW, Stores, alarm
from tocsin.alerts import AlertKind
from tocsin.database import ConstraintBroken
from tocsin.errors import QuotaExceeded, TocsinError
from tocsin.tenants.quotas import QuotaAlerts
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.clock import FakeClock


class Replica:
    """The stores of one scheduler; ``quota`` is of tenant t1."""

    def __init__(self, stores: Stores, clock: FakeClock, quota: int) -> None:
        self.quota = quota
        self.alerts = RecordedAlerts()
        alerts = QuotaAlerts(self.alerts)
        quotas = AlarmQuotas(lambda tenant: self.quota if tenant == "t1" else 0, now=clock.monotonic, alerts=alerts)
        self.alarms = SqlAlarmStore(stores.database, quotas)
        self.imports = SqlImportStore(stores.database, quotas)

    async def create(self, *made: Alarm, request_id: str = "") -> list[type | None]:
        """Makes alarms; the errors."""
        found = await self.alarms.create([NewAlarm(alarm=one, request_id=request_id, digest="d") for one in made])
        return [type(one) if isinstance(one, TocsinError) else None for one in found]

    async def load(self, *made: Alarm) -> list[type | None]:
        """Imports alarms; the errors."""
        nothing: Any = None
        lines = [ImportedAlarm(number, nothing, one, one.trigger.encode()) for number, one in enumerate(made, 1)]
        found = await self.imports.put("t1", lines, revise=nothing, now=NOW, dry=False)
        return [type(one) if isinstance(one, TocsinError) else None for one in found]


async def test_no_more_alarms_than_the_quota_by_any_way(stores: Stores, clock: FakeClock) -> None:
    """A batch is filled up and its rest refused; what is deleted makes room; neighbours and repeated requests cost nothing."""
    await stores.add(alarm(), alarm())  # before there was a quota
    replica = Replica(stores, clock, quota=5)
    kept = alarm()
    assert await replica.create(kept, request_id="r") == [None]
    assert await replica.create(alarm(), request_id="r") == [None]  # the same request again
    assert await replica.load(alarm(), alarm(), alarm()) == [None, None, QuotaExceeded]
    assert await replica.create(alarm(), alarm(tenant="t2")) == [QuotaExceeded, None]
    assert await replica.alarms.delete("t1", kept.id, version=None, now=NOW)
    assert await replica.create(alarm(), alarm()) == [None, QuotaExceeded]


async def test_what_is_refused_for_another_reason_takes_no_room(stores: Stores, clock: FakeClock) -> None:
    """A key that is taken; and a request that was over the quota may be made again under its own id when there is room."""
    replica = Replica(stores, clock, quota=2)
    await replica.create(alarm(key="a"))
    assert None not in await replica.create(alarm(key="a"), alarm(key="a"))
    assert await replica.create(alarm()) == [None]
    assert await replica.create(alarm(), request_id="r") == [QuotaExceeded]
    replica.quota = 3
    assert await replica.create(alarm(), request_id="r") == [None]


async def test_replicas_together_keep_the_quota(stores: Stores, clock: FakeClock) -> None:
    """However their transactions fall together: exactly as many as may be."""
    replicas = [Replica(stores, clock, quota=20) for _ in range(2)]
    found = await asyncio.gather(*(replica.create(alarm(), alarm()) for _ in range(8) for replica in replicas))
    assert [error for errors in found for error in errors].count(None) == 20


async def test_a_quota_that_was_lifted_counts_anew(stores: Stores, clock: FakeClock) -> None:
    """What was made meanwhile by another process is counted within a minute."""
    replica, other = Replica(stores, clock, quota=2), Replica(stores, clock, quota=0)
    assert await replica.create(alarm()) == [None]
    assert await other.create(alarm(), alarm()) == [None, None]
    await clock.advance(60)
    assert await replica.create(alarm()) == [QuotaExceeded]


async def test_a_quota_that_is_used_up_is_told_once(stores: Stores, clock: FakeClock) -> None:
    """At four fifths and at the end, by either way to make alarms; not for what is rolled back, and not again for what is refused."""
    replica = Replica(stores, clock, quota=5)
    kept = alarm()
    await replica.create(kept, alarm(), alarm())
    with pytest.raises(ConstraintBroken):
        await replica.create(alarm(), kept)
    assert replica.alerts.all == []
    await replica.load(alarm())
    assert [each.kind for each in replica.alerts.all] == [AlertKind.QUOTA_NEAR]
    await replica.create(alarm(), alarm())
    await replica.create(alarm())
    assert [each.kind for each in replica.alerts.all] == [AlertKind.QUOTA_NEAR, AlertKind.QUOTA_REACHED]


async def test_usage_is_shown(stores: Stores) -> None:
    """What a tenant has."""
    await stores.add(alarm(), alarm(), alarm(tenant="t2"))
    counts = SqlAlarmCounts(stores.database)
    assert [await counts.alarms(tenant) for tenant in ("t1", "t2", "t3")] == [2, 1, 0]
