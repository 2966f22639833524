"""A processor between a real scheduler and a real mailer, all in this process, over mTLS."""

import asyncio
import uuid
from contextlib import suppress

import pytest

from tests.integration.processor.support import SCOPES, Neighbours
from tocsin.api.mailer.v1 import inbox_service_pb2, inbox_service_pb2_grpc
from tocsin.api.processor.v1 import record_service_pb2, record_service_pb2_grpc, task_service_pb2, task_service_pb2_grpc
from tocsin.api.scheduler.v1 import firing_service_pb2
from tocsin.errors import InvalidInput, NotFound, PermissionDenied, TocsinError
from tocsin.mesh.context import acting_as
from tocsin.testing.waiting import eventually


async def test_a_mailer_that_comes_late_costs_no_attempt(neighbours: Neighbours) -> None:
    """While no mailer is there the firing waits and says why; then the mail arrives, once, at the first attempt."""
    await neighbours.start("scheduler_svc", "processor_svc")
    alarm = await neighbours.alarm("patience")

    async def waits() -> bool:
        found = await neighbours.firing(alarm)
        return found is not None and found.state == firing_service_pb2.Firing.RETRYING and "mailer_svc" in found.error

    await eventually(waits)
    await neighbours.start("mailer_svc")

    async def done() -> bool:
        found = await neighbours.firing(alarm)
        return found is not None and found.state == firing_service_pb2.Firing.SUCCEEDED

    await eventually(done)
    found = await neighbours.firing(alarm)
    assert found is not None
    assert found.attempts == 1
    assert await neighbours.subjects() == ["patience"]


async def test_firings_wait_for_a_processor(neighbours: Neighbours) -> None:
    """An alarm that is due while no processor is there goes out as soon as one comes."""
    await neighbours.start("scheduler_svc", "mailer_svc")
    alarm = await neighbours.alarm("alone")

    async def pending() -> bool:
        found = await neighbours.firing(alarm)
        return found is not None and found.state == firing_service_pb2.Firing.PENDING

    await eventually(pending)
    await neighbours.start("processor_svc")
    await eventually(lambda: _has(neighbours, "alone"))


async def _has(neighbours: Neighbours, subject: str) -> bool:
    return await neighbours.subjects() == [subject]


async def test_stopping_each_service_while_mail_flows_loses_and_doubles_nothing(neighbours: Neighbours) -> None:
    """A rolling restart of all three under a stream of alarms: every mail arrives once."""
    await neighbours.start("scheduler_svc", "mailer_svc", "processor_svc")
    wanted: list[str] = []

    async def ring() -> None:
        while True:
            subject = f"rolling {len(wanted)}"
            with suppress(TocsinError):  # the scheduler is away for a moment; only what it took counts
                await neighbours.alarm(subject)
                wanted.append(subject)
            await asyncio.sleep(0.02)

    ringing = asyncio.create_task(ring())
    for service in ("processor_svc", "mailer_svc", "scheduler_svc"):
        await eventually(lambda: len(wanted) >= 5)
        await neighbours.stop(service)
        await neighbours.start(service)
    ringing.cancel()
    with suppress(asyncio.CancelledError):
        await ringing

    async def all_there() -> bool:
        page = await neighbours.stub(inbox_service_pb2_grpc.InboxServiceStub, "mailer_svc").ListMessages(
            inbox_service_pb2.ListMessagesRequest(page_size=1000)
        )
        found = [message.subject for message in page.messages]
        assert len(found) == len(set(found))
        return set(wanted) <= set(found)

    assert wanted
    await eventually(all_there)


async def test_a_task_is_checked_run_and_read_back(neighbours: Neighbours) -> None:
    """Input that does not fit is refused before anything is queued; the result comes back by id, and to its tenant alone."""
    await neighbours.start("scheduler_svc", "processor_svc")
    tasks = neighbours.stub(task_service_pb2_grpc.TaskServiceStub, "processor_svc")
    for handler, arguments, field in (("nope", {}, "handler"), ("uppercase", {"txt": "x"}, "input.text")):
        request = task_service_pb2.SubmitTaskRequest(handler=handler)
        request.input.update(arguments)
        with pytest.raises(InvalidInput) as refused:
            await tasks.SubmitTask(request)
        assert field in [violation.field for violation in refused.value.violations]
    assert not (await tasks.ListTasks(task_service_pb2.ListTasksRequest())).tasks

    request = task_service_pb2.SubmitTaskRequest(handler="uppercase", request_id="6f0e7a54-3f0c-4c58-9f5c-0d8f0b1f9a11")
    request.input.update({"text": "hello"})
    task = await tasks.SubmitTask(request)
    assert (await tasks.SubmitTask(request)).name == task.name

    async def done() -> bool:
        found = await tasks.GetTask(task_service_pb2.GetTaskRequest(name=task.name))
        return bool(found.state == task_service_pb2.Task.SUCCEEDED and dict(found.result) == {"text": "HELLO"})

    await eventually(done)
    with acting_as(neighbours.mint.mint(tenant="t2", scopes=SCOPES)), pytest.raises(NotFound):
        await tasks.GetTask(task_service_pb2.GetTaskRequest(name=task.name))
    with acting_as(neighbours.mint.mint(tenant="t1", scopes=("tasks:read",))), pytest.raises(PermissionDenied):
        await tasks.SubmitTask(request)


async def test_records_go_by_tenant_and_page(neighbours: Neighbours) -> None:
    """Pages follow one another, and a token of another tenant's list is refused."""
    await neighbours.start("scheduler_svc", "processor_svc")
    records = neighbours.stub(record_service_pb2_grpc.RecordServiceStub, "processor_svc")
    for number in range(5):
        await records.SetRecord(record_service_pb2.SetRecordRequest(key=f"k{number}", value=str(number)))
    first = await records.ListRecords(record_service_pb2.ListRecordsRequest(page_size=3))
    rest = await records.ListRecords(record_service_pb2.ListRecordsRequest(page_size=3, page_token=first.next_page_token))
    assert [record.key for record in (*first.records, *rest.records)] == [f"k{number}" for number in range(5)]
    assert rest.next_page_token == ""
    with acting_as(neighbours.mint.mint(tenant="t2", scopes=SCOPES)):
        with pytest.raises(InvalidInput, match="pageToken"):
            await records.ListRecords(record_service_pb2.ListRecordsRequest(page_token=first.next_page_token))
        with pytest.raises(NotFound):
            await records.RunRecord(record_service_pb2.RunRecordRequest(key="k0"))


async def test_a_known_request_is_answered_whatever_became_of_its_record(neighbours: Neighbours) -> None:
    """Run on a record that is another one, or gone, when the request comes again: the task of the first time, and no second one."""
    await neighbours.start("scheduler_svc", "processor_svc")
    records = neighbours.stub(record_service_pb2_grpc.RecordServiceStub, "processor_svc")
    tasks = neighbours.stub(task_service_pb2_grpc.TaskServiceStub, "processor_svc")
    again = {"request_id": str(uuid.uuid4())}
    with acting_as(neighbours.mint.mint(tenant="t1", scopes=SCOPES)):
        await records.SetRecord(record_service_pb2.SetRecordRequest(key="k", value="one"))
        first = await records.RunRecord(record_service_pb2.RunRecordRequest(key="k", **again))
        await records.SetRecord(record_service_pb2.SetRecordRequest(key="k", value="two"))
        second = await records.RunRecord(record_service_pb2.RunRecordRequest(key="k", **again))
        await records.DeleteRecord(record_service_pb2.DeleteRecordRequest(key="k"))
        third = await records.RunRecord(record_service_pb2.RunRecordRequest(key="k", **again))
        assert first.task == second.task == third.task
        with pytest.raises(NotFound):
            await records.RunRecord(record_service_pb2.RunRecordRequest(key="k", request_id=str(uuid.uuid4())))
        with pytest.raises(TocsinError):
            await records.RunRecord(record_service_pb2.RunRecordRequest(key="k", handler="noop", **again))
        assert len((await tasks.ListTasks(task_service_pb2.ListTasksRequest())).tasks) == 1
