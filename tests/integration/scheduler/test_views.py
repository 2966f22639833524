"""What the scheduler shows of itself, over its RPCs."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import Executable, create_engine, delete, insert
from ulid import ULID

from scheduler_svc.engine.timeline import Timeline
from scheduler_svc.status import ranges
from scheduler_svc.store.tables import firings, replans
from tests.integration.scheduler.stores import NOW, SECOND
from tests.integration.scheduler.support import LATEST, Rig, State, Worker, at
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, firing_service_pb2, scheduler_service_pb2, scheduler_service_pb2_grpc
from tocsin.errors import InvalidInput, NotFound, PermissionDenied
from tocsin.recurrence import TZDATA_VERSION
from tocsin.telemetry import carry, new_traceparent, trace_id_of, uncarry
from tocsin.testing.waiting import eventually


def scheduler(rig: Rig) -> Any:
    """The stub of SchedulerService."""
    channel: Any = rig.mesh("gateway").channel("scheduler_svc")
    return scheduler_service_pb2_grpc.SchedulerServiceStub(channel)


async def stats(rig: Rig) -> scheduler_service_pb2.SchedulerStats:
    """The numbers, as an operator sees them."""
    with rig.user(scopes=["mesh:read"]):
        return await scheduler(rig).GetSchedulerStats(scheduler_service_pb2.GetSchedulerStatsRequest())


async def behind(rig: Rig, statement: Executable) -> None:
    """Changes the database behind the service's back; in a thread, because the service may be writing at this moment."""

    def change() -> None:
        database = create_engine(f"sqlite:///{rig.folder / 'scheduler_svc.db'}")
        with database.begin() as connection:
            connection.execute(statement)
        database.dispose()

    await asyncio.to_thread(change)


async def test_the_numbers_are_those_of_what_happened(rig: Rig) -> None:
    """Totals, the index, queues, lateness, owners and the process: each is what was done."""
    fired = await rig.create()
    await rig.create(trigger=at(rig.soon(20.5)))
    await rig.create(trigger=at(rig.soon(20.6)))
    await rig.create(trigger=at(rig.soon(90_000)))
    await rig.normalized(fired.name, State.PENDING)
    seen = await stats(rig)
    assert dict(seen.alarms) == {"ACTIVE": 3, "PAUSED": 0, "COMPLETED": 1}
    assert seen.outcomes["FIRED"] + seen.outcomes["LATE"] == 1
    assert dict(seen.queued) == {"CRITICAL": 0, "NORMAL": 1, "BULK": 0}
    assert (seen.leased, seen.processors, seen.horizon_seconds) == (0, 0, 60.0)
    assert seen.index_alarms == sum(bucket.alarms for bucket in seen.index_spread) == 2
    assert all(17 <= bucket.second <= 20 for bucket in seen.index_spread)
    assert seen.lateness[-1].at_most_seconds == float("inf")
    assert seen.lateness[-1].fires == 1
    assert seen.oldest_overdue_seconds == 0
    (replica,) = seen.replicas
    assert (replica.owner, replica.shards, replica.shard_count, seen.free_shards) == (seen.replica, "0-255", 256, 0)
    assert seen.memory_bytes > 1_000_000
    assert seen.cpu_seconds > 0
    assert seen.start_time.seconds <= seen.time.seconds
    assert seen.tzdata_version == TZDATA_VERSION


async def test_usage_is_the_tenants_own(rig: Rig) -> None:
    """Its alarms, and no neighbour's."""
    await rig.create(trigger=at(rig.soon(90_000)))
    await rig.create(tenant="t2", trigger=at(rig.soon(90_000)))
    with rig.user(scopes=["alarms:read"]):
        found = await scheduler(rig).GetUsage(scheduler_service_pb2.GetUsageRequest())
    assert [(one.name, one.used, one.limit) for one in found.quotas] == [("alarms", 1, 0), ("fires_per_minute", 0, 0)]
    assert [one.HasField("reset_time") for one in found.quotas] == [False, True]


async def test_work_in_hand_is_shown(rig: Rig) -> None:
    """A connected processor and the firings that it works on are counted."""
    await rig.create()
    worker = Worker(rig, credit=5)
    await worker.job()
    seen = await stats(rig)
    assert (seen.processors, seen.leased, seen.queued["NORMAL"]) == (1, 1, 0)
    await worker.close()


async def test_they_are_for_operators(rig: Rig) -> None:
    """The numbers are of all tenants, so the scope of a tenant's user is not enough."""
    with rig.user(), pytest.raises(PermissionDenied):
        await scheduler(rig).GetSchedulerStats(scheduler_service_pb2.GetSchedulerStatsRequest())


async def test_the_metrics_show_the_same(rig: Rig) -> None:
    """Prometheus sees total alarms, lengths of transactions, memory, the pool, Redis, lateness and what is overdue."""
    made = await rig.create()
    await rig.normalized(made.name, State.PENDING)
    assert rig.app is not None
    async with httpx2.AsyncClient() as client:
        text = (await client.get(rig.app.addresses()["metrics"])).text
    for name in (
        "tocsin_scheduler_alarms{",
        "tocsin_scheduler_batch_seconds_bucket{",
        "process_resident_memory_bytes ",
        'tocsin_database_connections{which="most"} ',
        "tocsin_scheduler_redis_memory_bytes 0.0",
        "tocsin_scheduler_lateness_seconds_bucket{",
        "tocsin_scheduler_overdue_seconds ",
        "tocsin_scheduler_shards_owned 256.0",
    ):
        assert f"\n{name}" in text, name


async def test_replans_are_listed_by_tenant_and_page(rig: Rig) -> None:
    """The newest come first; another tenant's are not seen."""
    row = {"replanned_at": NOW, "tzdata_before": "2026a", "tzdata_after": "2026b", "due_before": NOW + SECOND, "due_after": None}
    fresh = str(ULID.from_datetime(rig.clock.now()))[:10]  # an older id would be forgotten by the housekeeping at some moment of the test
    rows = [{**row, "id": f"{fresh}{n:016}", "tenant": "t2" if n == 3 else "t1", "alarm": f"a{n}"} for n in range(5)]
    await behind(rig, insert(replans).values(rows))
    with rig.user():
        first = await scheduler(rig).ListReplans(scheduler_service_pb2.ListReplansRequest(page_size=3))
        rest = await scheduler(rig).ListReplans(scheduler_service_pb2.ListReplansRequest(page_size=3, page_token=first.next_page_token))
    assert [told.alarm for told in (*first.replans, *rest.replans)] == ["alarms/a4", "alarms/a2", "alarms/a1", "alarms/a0"]
    assert rest.next_page_token == ""
    told = first.replans[0]
    assert (told.tzdata_before, told.tzdata_after, told.HasField("due_after")) == ("2026a", "2026b", False)


async def audited(rig: Rig, request: firing_service_pb2.AuditFiringsRequest) -> list[firing_service_pb2.AuditFiringsResponse]:
    """The messages of an audit."""
    with rig.user():
        return [message async for message in rig.firings.AuditFirings(request)]


async def test_an_audit_streams_findings_and_a_summary(rig: Rig) -> None:
    """Over the wire: a lost row is told with the alarm and the due time, and the summary comes last."""
    made = [await rig.create() for _ in range(2)]
    for one in made:
        await rig.normalized(one.name, State.PENDING)
    request = firing_service_pb2.AuditFiringsRequest()
    request.start_time.FromDatetime(rig.soon(-3600))
    (only,) = await audited(rig, request)
    assert (only.summary.alarms, only.summary.expected, only.summary.found) == (2, 2, 2)
    await behind(rig, delete(firings).where(firings.c.alarm == made[0].name.removeprefix("alarms/")))
    found, last = await audited(rig, request)
    assert (found.finding.kind, found.finding.alarm, found.finding.firing) == (1, made[0].name, "")
    assert found.finding.due_time == made[0].trigger.at
    assert (last.summary.missing, last.summary.unexpected, sum(last.summary.outcomes.values())) == (1, 0, 1)
    assert last.summary.end_time.seconds > last.summary.start_time.seconds
    request.alarm = "alarms/nobody"
    with pytest.raises(NotFound):
        await audited(rig, request)
    request.start_time.FromDatetime(rig.soon(60))
    with pytest.raises(InvalidInput, match="startTime"):
        await audited(rig, request)


async def test_a_backfill_lets_go_at_once(rig: Rig) -> None:
    """Over the wire: what was due before the alarm was made reaches a processor, and is named a backfill."""
    worker = Worker(rig, credit=50)
    trigger = at(rig.soon(90_000))
    trigger.ClearField("at")
    trigger.every.FromTimedelta(timedelta(hours=1))
    trigger.start_time.FromDatetime(rig.soon(-86_400 + 60))
    made = await rig.create(trigger=trigger)
    request = alarm_service_pb2.BackfillAlarmRequest(name=made.name, limit=20)
    request.start_time.FromDatetime(rig.soon(-86_400))
    with rig.user():
        first = await rig.alarms.BackfillAlarm(request)
        request.start_time.CopyFrom(first.next_start_time)
        rest = await rig.alarms.BackfillAlarm(request)
    assert (first.fired, rest.fired, rest.known, rest.HasField("next_start_time")) == (20, 4, 0, False)
    await worker.job(24)
    assert {job.origin for job in worker.jobs} == {firing_service_pb2.Firing.BACKFILL}
    await worker.close()


@pytest.mark.parametrize(("numbers", "text"), [([], ""), ([7], "7"), ([0, 1, 2], "0-2"), ([0, 2, 3, 9], "0,2-3,9"), (range(256), "0-255")])
def test_ranges(numbers: list[int], text: str) -> None:
    """Runs of numbers are written as ranges."""
    assert ranges(list(numbers)) == text


def test_the_spread_counts_by_second() -> None:
    """What is overdue is due in the first second; all queues count, and what was cancelled does not."""
    index = Timeline(tick=10_000)
    for number, due in enumerate((NOW - 5 * SECOND, NOW + SECOND // 2, NOW + SECOND, NOW + SECOND + 1, NOW + 9 * SECOND)):
        index.insert(str(number), due, number % 3)
    index.cancel("4")
    assert index.spread(NOW, width=SECOND) == {0: 2, 1: 2}


async def test_an_audit_beside_a_busy_engine_finds_nothing(rig: Rig) -> None:
    """While alarms fire, are made, changed and removed, no audit sees a difference: it never takes what is on its way for lost."""
    worker = Worker(rig, credit=10_000)
    request = firing_service_pb2.AuditFiringsRequest()
    request.start_time.FromDatetime(rig.soon(-60))
    for number in range(8):
        made = [await rig.create(trigger=at(rig.soon(0.02 * part), catch_up=LATEST)) for part in range(12)]
        changed = alarm_service_pb2.UpdateAlarmRequest(alarm=made[number])
        changed.alarm.etag = ""
        changed.alarm.trigger.at.FromDatetime(rig.soon(0.1))
        with rig.user():
            await rig.alarms.UpdateAlarm(changed)
            await rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=made[-1].name))
        *findings, last = await audited(rig, request)
        assert findings == []
        assert last.summary.found == last.summary.expected
    await worker.close()


async def test_each_firing_of_a_recurring_alarm_has_a_trace_of_its_own(rig: Rig) -> None:
    """It links to the request that made the alarm; what happens once stays on that request's trace."""
    worker = Worker(rig, credit=10_000)
    cause = new_traceparent(sampled=True)
    token = carry(cause)
    often = await rig.create(trigger=alarm_pb2.Trigger(cron="* * * * * *"))
    once = await rig.create(trigger=at(rig.soon(1)))
    uncarry(token)
    await eventually(lambda: len([job for job in worker.jobs if job.alarm == often.name]) >= 2)
    await eventually(lambda: any(job.alarm == once.name for job in worker.jobs))
    traces = {trace_id_of(job.traceparent) for job in worker.jobs if job.alarm == often.name}
    assert len(traces) == len([job for job in worker.jobs if job.alarm == often.name])
    assert {trace_id_of(job.cause_traceparent) for job in worker.jobs if job.alarm == often.name} == {trace_id_of(cause)}
    shown = {firing.trace_id for firing in await rig.ledger(filter=f'alarm="{often.name}"')}
    assert traces <= shown
    (single,) = [job for job in worker.jobs if job.alarm == once.name]
    assert (trace_id_of(single.traceparent), single.cause_traceparent) == (trace_id_of(cause), "")
    await worker.close()
