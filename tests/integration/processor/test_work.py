"""A processor between a real scheduler and a real mailer, all in this process, over mTLS."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mailer_svc.config import MailerSettings
from mailer_svc.wiring import build as build_mailer
from processor_svc.config import ProcessorSettings
from processor_svc.wiring import build as build_processor
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.wiring import build as build_scheduler
from tocsin.api.mailer.v1 import inbox_service_pb2, inbox_service_pb2_grpc
from tocsin.api.processor.v1 import record_service_pb2, record_service_pb2_grpc, task_service_pb2, task_service_pb2_grpc
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, alarm_service_pb2_grpc, firing_service_pb2, firing_service_pb2_grpc
from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.errors import InvalidInput, NotFound, PermissionDenied, TocsinError
from tocsin.lifecycle import App
from tocsin.mesh.context import acting_as
from tocsin.mesh.identity import ensure_pki
from tocsin.node import Node
from tocsin.testing.tokens import TokenMint
from tocsin.testing.waiting import eventually

SERVICES = ("gateway", "scheduler_svc", "processor_svc", "mailer_svc")
SCOPES = ("alarms:write", "alarms:read", "firings:read", "tasks:write", "tasks:read", "records:write", "records:read", "inbox:read")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Neighbours:
    """Three services that find one another at fixed ports, and a caller that stands where the gateway does."""

    def __init__(self, folder: Path) -> None:
        self.clock = SystemClock()
        self.mint = TokenMint(clock=self.clock)
        self.folder = folder
        self.ports = {service: free_port() for service in SERVICES[1:]}
        ensure_pki(folder=folder / "pki", services=SERVICES, trust_domain="tocsin.local", clock=self.clock)
        self.caller = Node(settings=self._settings(_CallerSettings, "gateway"), clock=self.clock, jwks=self.mint.fetch)
        self.apps: dict[str, App] = {}

    def _settings(self, kind: Any, service: str) -> Any:
        return kind(
            state_dir=self.folder,
            port=self.ports.get(service, 0),
            metrics_port=0,
            drain_seconds=0.5,
            grace_seconds=0.5,
            scheduler_target=f"127.0.0.1:{self.ports['scheduler_svc']}",
            processor_target=f"127.0.0.1:{self.ports['processor_svc']}",
            mailer_target=f"127.0.0.1:{self.ports['mailer_svc']}",
        )

    async def start(self, *services: str) -> None:
        """Starts new instances of ``services`` on the state that is there."""
        for service in services:
            kind, build = {
                "scheduler_svc": (SchedulerSettings, build_scheduler),
                "processor_svc": (ProcessorSettings, build_processor),
                "mailer_svc": (MailerSettings, build_mailer),
            }[service]
            app: App = build(self._settings(kind, service), self.clock, jwks=self.mint.fetch)
            await app.start()
            self.apps[service] = app

    async def stop(self, *services: str) -> None:
        """Drains and stops ``services``."""
        for service in services:
            await self.apps.pop(service).stop()

    def stub(self, kind: Any, service: str) -> Any:
        """A stub of the caller."""
        return kind(self.caller.mesh.channel(service))

    async def alarm(self, subject: str) -> str:
        """Makes an alarm that rings in a second, once; its resource name."""
        notify = alarm_pb2.Notify(to=["ann@example.com"], subject=subject, text="hello")
        alarm = alarm_pb2.Alarm(action=alarm_pb2.Action(notify=notify))
        alarm.trigger.every.FromSeconds(1)
        alarm.trigger.count = 1
        made = await self.stub(alarm_service_pb2_grpc.AlarmServiceStub, "scheduler_svc").CreateAlarm(
            alarm_service_pb2.CreateAlarmRequest(alarm=alarm)
        )
        return str(made.name)

    async def firing(self, alarm: str) -> firing_service_pb2.Firing | None:
        """The one firing of ``alarm``, once there is one."""
        page = await self.stub(firing_service_pb2_grpc.FiringServiceStub, "scheduler_svc").ListFirings(
            firing_service_pb2.ListFiringsRequest(filter=f'alarm="{alarm}"')
        )
        return page.firings[0] if page.firings else None

    async def subjects(self) -> list[str]:
        """The subjects in the inbox."""
        page = await self.stub(inbox_service_pb2_grpc.InboxServiceStub, "mailer_svc").ListMessages(inbox_service_pb2.ListMessagesRequest())
        return [message.subject for message in page.messages]


class _CallerSettings(ServiceSettings):
    service = "gateway"


@pytest.fixture
async def neighbours(tmp_path: Path) -> AsyncGenerator[Neighbours]:
    """Nothing runs yet; calls speak for tenant t1."""
    made = Neighbours(tmp_path)
    for component in made.caller.components:
        await component.start()
    with acting_as(made.mint.mint(tenant="t1", scopes=SCOPES)):
        yield made
        for service in list(made.apps):
            await made.stop(service)
    for component in reversed(made.caller.components):
        await component.stop()


async def test_a_mailer_that_comes_late_costs_no_attempt(neighbours: Neighbours) -> None:
    """While no mailer is there the firing waits and says why; then the mail arrives, once, at the first attempt."""
    await neighbours.start("scheduler_svc", "processor_svc")
    alarm = await neighbours.alarm("patience")

    async def waits() -> bool:
        found = await neighbours.firing(alarm)
        return found is not None and found.state == firing_service_pb2.Firing.RETRYING and "mailer_svc" in found.error

    await eventually(waits, seconds=20)
    await neighbours.start("mailer_svc")

    async def done() -> bool:
        found = await neighbours.firing(alarm)
        return found is not None and found.state == firing_service_pb2.Firing.SUCCEEDED

    await eventually(done, seconds=20)
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

    await eventually(pending, seconds=20)
    await neighbours.start("processor_svc")
    await eventually(lambda: _has(neighbours, "alone"), seconds=20)


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
    await eventually(all_there, seconds=30)


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
