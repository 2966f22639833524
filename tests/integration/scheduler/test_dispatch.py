"""DispatchService and FiringService over the real mesh."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.scheduler.support import Outcome, Rig, State, Worker, noop
from tocsin import errors
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, dispatch_service_pb2, dispatch_service_pb2_grpc, firing_service_pb2
from tocsin.testing.waiting import eventually

REQUEST = "6d6a5f0e-8f7b-4a2e-9b63-0d6f3f1f2c11"
Failure = dispatch_service_pb2.Result.Failure


async def _enqueue(rig: Rig, *, tenant: str = "t1", **fields: Any) -> firing_service_pb2.Firing:
    with rig.user(tenant):
        values: dict[str, Any] = {"action": noop(), **fields}
        return await rig.dispatch.Enqueue(dispatch_service_pb2.EnqueueRequest(**values))


async def test_an_alarm_is_let_go_worked_on_and_confirmed(rig: Rig) -> None:
    """From the create to the committed result: one job, one ledger row, one confirmation."""
    worker = Worker(rig, credit=10)
    alarm = await rig.create(action=noop(text="hello"))
    job = await worker.job()
    assert (job.alarm, job.tenant, job.attempt, job.action) == (alarm.name, "t1", 1, noop(text="hello"))
    assert job.due_time == alarm.next_fire_time
    worker.end(job, output={"answer": 42})
    await worker.confirmation(job)
    (firing,) = await rig.normalized(alarm.name, State.SUCCEEDED)
    assert (firing.outcome, firing.attempts, firing.result["answer"]) == (Outcome.FIRED, 1, 42)
    assert (await rig.get(alarm.name)).state == 3
    await worker.close()
    assert len(worker.jobs) == 1


async def test_the_trace_of_the_request_goes_on_to_the_job(rig: Rig) -> None:
    """The alarm keeps the traceparent of its create; the job and the ledger show it."""
    worker = Worker(rig, credit=1)
    alarm = await rig.create()
    job = await worker.job()
    (firing,) = await rig.normalized(alarm.name, State.PENDING)
    assert job.traceparent.split("-")[1] == firing.trace_id != ""
    await worker.drop()


async def test_an_adhoc_task_is_let_go_at_once(rig: Rig) -> None:
    """With its priority and action; it is found among the enqueued ones of its tenant alone."""
    worker = Worker(rig, credit=1)
    firing = await _enqueue(rig, action=noop(n=1), priority=alarm_pb2.CRITICAL)
    job = await worker.job()
    assert (f"firings/{job.lease.firing}", job.alarm, job.priority) == (firing.name, "", alarm_pb2.CRITICAL)
    worker.end(job)
    await worker.confirmation(job)
    with rig.user():
        found = await rig.dispatch.GetEnqueued(dispatch_service_pb2.GetEnqueuedRequest(name=firing.name))
        listed = await rig.dispatch.ListEnqueued(dispatch_service_pb2.ListEnqueuedRequest())
    assert (found.action, found.firing.state) == (noop(n=1), State.SUCCEEDED)
    assert [one.firing.name for one in listed.firings] == [firing.name]
    with rig.user("t2"), pytest.raises(errors.NotFound):
        await rig.dispatch.GetEnqueued(dispatch_service_pb2.GetEnqueuedRequest(name=firing.name))
    await worker.close()


async def test_a_firing_of_an_alarm_is_no_enqueued_one(rig: Rig) -> None:
    """It has its own way to be read."""
    alarm = await rig.create()
    (firing,) = await rig.normalized(alarm.name, State.PENDING)
    with rig.user(), pytest.raises(errors.NotFound):
        await rig.dispatch.GetEnqueued(dispatch_service_pb2.GetEnqueuedRequest(name=firing.name))


async def test_an_enqueue_is_done_once(rig: Rig) -> None:
    """The same id and content is the same firing, also when they come together; other content is refused."""
    firings = await asyncio.gather(*(_enqueue(rig, request_id=REQUEST) for _ in range(5)))
    assert len({firing.name for firing in firings}) == 1
    with pytest.raises(errors.AlreadyExists):
        await _enqueue(rig, request_id=REQUEST, action=noop(n=2))
    assert (await _enqueue(rig, request_id=REQUEST, tenant="t2")).name != firings[0].name
    assert len(await rig.ledger()) == 1


async def test_pages_of_enqueued_firings_find_each_once(rig: Rig) -> None:
    """The newest first."""
    names = [(await _enqueue(rig)).name for _ in range(5)]
    found: list[str] = []
    token = ""
    with rig.user():
        while True:
            page = await rig.dispatch.ListEnqueued(dispatch_service_pb2.ListEnqueuedRequest(page_size=2, page_token=token))
            found += [one.firing.name for one in page.firings]
            token = page.next_page_token
            if not token:
                break
    assert found == names[::-1]


async def test_a_dead_firing_is_listed_and_replayed(rig: Rig) -> None:
    """It goes once more with fresh attempts, and its outcome is what it was."""
    worker = Worker(rig, credit=9)
    firing = await _enqueue(rig)
    first = await worker.job()
    worker.end(first, failure=Failure(reason="BROKEN", message="no", retryable=False))
    await worker.confirmation(first)
    (dead,) = await rig.ledger('state="DEAD" AND outcome="FAILED"')
    assert (dead.name, dead.reason, dead.error, dead.attempts) == (firing.name, "BROKEN", "BROKEN: no", 1)
    with rig.user():
        replay = firing_service_pb2.ReplayFiringRequest(name=firing.name)
        assert (await rig.firings.ReplayFiring(replay)).state == State.PENDING
        assert (await rig.firings.ReplayFiring(replay)).state == State.PENDING
        second = await worker.job(2)
        assert (second.attempt, second.action) == (1, noop())
        assert second.lease.token > first.lease.token
        worker.end(second)
        await worker.confirmation(second)
        with pytest.raises(errors.FailedPrecondition) as refused:
            await rig.firings.ReplayFiring(replay)
    assert refused.value.error_reason == "FIRING_NOT_DEAD"
    with rig.user("t2"), pytest.raises(errors.NotFound):
        await rig.firings.ReplayFiring(replay)
    await worker.close()


async def test_a_stream_that_breaks_gives_its_work_to_another(rig: Rig) -> None:
    """At once: the lease is not waited for."""
    first = Worker(rig, worker="first", credit=1)
    await _enqueue(rig)
    job = await first.job()
    second = Worker(rig, worker="second", credit=1)
    await first.drop()
    again = await second.job()
    assert (again.lease.firing, again.attempt) == (job.lease.firing, 1)
    assert again.lease.token > job.lease.token
    await second.drop()


async def test_jobs_never_exceed_the_credit(rig: Rig) -> None:
    """The third job comes when it is asked for."""
    worker = Worker(rig, credit=2)
    for _ in range(5):
        await _enqueue(rig)
    await worker.job(2)
    worker.end(worker.jobs[0])
    await worker.confirmation(worker.jobs[0])
    assert len(worker.jobs) == 2
    worker.say(credit=1)
    await worker.job(3)
    assert len(worker.jobs) == 3
    await worker.drop()


async def test_an_output_that_is_too_large_is_noted_not_kept(rig: Rig) -> None:
    """The work is done all the same."""
    worker = Worker(rig, credit=1)
    firing = await _enqueue(rig)
    job = await worker.job()
    worker.end(job, output={"text": "x" * 20_000})
    await worker.confirmation(job)
    with rig.user():
        done = await rig.firings.GetFiring(firing_service_pb2.GetFiringRequest(name=firing.name))
    assert (done.state, done.result["truncated"]) == (State.SUCCEEDED, True)
    await worker.close()


@pytest.mark.parametrize("first", [{"credit": 1}, {"extend": dispatch_service_pb2.WorkRequest.Extend()}])
async def test_a_stream_begins_with_a_hello(rig: Rig, first: dict[str, Any]) -> None:
    """Anything else is an error of its own."""

    async def requests() -> AsyncIterator[dispatch_service_pb2.WorkRequest]:
        yield dispatch_service_pb2.WorkRequest(**first)

    with pytest.raises(errors.InvalidInput):
        async for _ in rig.dispatch.Work(requests()):
            pass


async def test_a_second_hello_ends_the_stream(rig: Rig) -> None:
    """With an error; what it worked on goes back."""
    worker = Worker(rig, credit=1)
    await _enqueue(rig)
    await worker.job()
    worker.say(hello=dispatch_service_pb2.WorkRequest.Hello(worker="again"))
    await eventually(lambda: worker.error is not None)
    assert isinstance(worker.error, errors.InvalidInput)
    other = Worker(rig, credit=1)
    await other.job()
    await other.drop()


async def test_only_a_processor_gets_work(rig: Rig) -> None:
    """The certificate decides."""
    mailer: Any = rig.mesh("mailer_svc").channel("scheduler_svc")
    stub: Any = dispatch_service_pb2_grpc.DispatchServiceStub(mailer)

    async def requests() -> AsyncIterator[dispatch_service_pb2.WorkRequest]:
        yield dispatch_service_pb2.WorkRequest(hello=dispatch_service_pb2.WorkRequest.Hello(worker="w"))

    with pytest.raises(errors.PermissionDenied):
        async for _ in stub.Work(requests()):
            pass


async def test_an_enqueue_needs_the_users_token(rig: Rig) -> None:
    """A processor alone has no tenant."""
    with pytest.raises(errors.Unauthenticated):
        await rig.dispatch.Enqueue(dispatch_service_pb2.EnqueueRequest(action=noop()))


@asynccontextmanager
async def _watch(rig: Rig, tenant: str = "t1", **fields: Any) -> AsyncGenerator[list[firing_service_pb2.WatchFiringsResponse]]:
    """The changes that a watch has seen so far."""
    seen: list[firing_service_pb2.WatchFiringsResponse] = []
    with rig.user(tenant):
        call = rig.firings.WatchFirings(firing_service_pb2.WatchFiringsRequest(**fields))

        async def read() -> None:
            async for response in call:
                seen[len(seen) :] = [response]

        task = asyncio.create_task(read())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _first_token(rig: Rig) -> str:
    """A resume token from before everything: that of the first change, whose firing is left alone from then on."""
    async with _watch(rig) as seen:

        async def there() -> bool:
            if not seen:
                await _enqueue(rig, tenant="t1")  # again and again: a watch begins when it is served, not when it is asked for
            return bool(seen)

        await eventually(there)
        return seen[0].resume_token


async def test_a_watch_sees_every_change_of_its_tenant(rig: Rig) -> None:
    """From a resume token on, then live; another tenant's are not among them."""
    token = await _first_token(rig)
    before, foreign = await _enqueue(rig), await _enqueue(rig, tenant="t2")
    async with _watch(rig, resume_token=token) as seen:
        await eventually(lambda: before.name in {change.firing.name for change in seen})
        live = await _enqueue(rig)
        await eventually(lambda: live.name in {change.firing.name for change in seen})
        worker = Worker(rig, credit=1000)
        await eventually(lambda: live.name.endswith(tuple(job.lease.firing for job in worker.jobs) or ("-",)))
        for job in worker.jobs:
            worker.end(job)
        states: dict[str, int] = {}
        await eventually(lambda: _last_states(seen, states).get(live.name) == State.SUCCEEDED)
        assert _last_states(seen, states)[before.name] == State.SUCCEEDED
        assert foreign.name not in states
    await worker.close()


def _last_states(seen: list[firing_service_pb2.WatchFiringsResponse], states: dict[str, int]) -> dict[str, int]:
    states.update({change.firing.name: change.firing.state for change in seen})
    return states


async def test_a_watch_of_one_alarm_sees_that_one_alone(rig: Rig) -> None:
    """Both are fired; one is seen."""
    token = await _first_token(rig)
    mine, other = await rig.create(), await rig.create()
    with rig.user():
        for alarm in (other, mine):
            await rig.alarms.FireAlarm(alarm_service_pb2.FireAlarmRequest(name=alarm.name))
    async with _watch(rig, alarm=mine.name, resume_token=token) as seen:
        await eventually(lambda: len({change.firing.name for change in seen}) == 2)
        assert {change.firing.alarm for change in seen} == {mine.name}


@pytest.mark.parametrize("token", ["nonsense", "W10"])
async def test_a_bad_resume_token_is_refused(rig: Rig, token: str) -> None:
    """With its field."""
    with rig.user(), pytest.raises(errors.InvalidInput) as refused:
        async for _ in rig.firings.WatchFirings(firing_service_pb2.WatchFiringsRequest(resume_token=token)):
            pass
    assert refused.value.violations[0].field == "resumeToken"


@pytest.mark.parametrize("filter_", ["state=OPEN", "alarm>1", 'due_time="noon"', "x=1"])
async def test_a_bad_filter_of_the_ledger_is_refused(rig: Rig, filter_: str) -> None:
    """With its position."""
    with pytest.raises(errors.InvalidInput) as refused:
        await rig.ledger(filter_)
    assert "column" in refused.value.message


async def test_a_stop_tells_the_processor_to_move_on_and_a_restart_goes_on(tmp_path: Path) -> None:
    """Nothing is lost between: what was not worked on is handed out by the next start, without waiting for a lease."""
    rig = Rig(folder=tmp_path, drain_seconds=0.5, grace_seconds=10)
    await rig.start()
    worker = Worker(rig, credit=1)
    firing = await _enqueue(rig)
    other = await _enqueue(rig)
    job = await worker.job()
    assert rig.app is not None
    stopping = asyncio.create_task(rig.app.stop())
    await eventually(lambda: worker.drained)
    worker.end(job)
    await worker.confirmation(job)
    await worker.close()
    await stopping
    await rig.stop()
    await rig.start()
    again = Worker(rig, credit=9)
    assert f"firings/{(await again.job()).lease.firing}" in {firing.name, other.name}
    assert len(again.jobs) == 1
    await again.drop()
    await rig.stop()


async def test_a_second_scheduler_on_a_sqlite_file_is_refused(rig: Rig, tmp_path: Path) -> None:
    """One process has the file; the other says so instead of fighting over it."""
    other = Rig(folder=tmp_path)
    with pytest.raises(errors.FailedPrecondition, match="Another scheduler uses this database"):
        await other.start()
