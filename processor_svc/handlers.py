"""protobuf <-> domain for the processor's RPCs; no logic."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2, json_format

from processor_svc.domain import ENDED, Record, StoredPolicy, Task, TaskState
from processor_svc.hosting import HostedHandler, Packages, PackageState
from processor_svc.registry import Handler, Registry
from processor_svc.service import PolicyKeeper, RecordService, SensorTests, TaskService
from tocsin.api.processor.v1 import (
    pii_service_pb2,
    pii_service_pb2_grpc,
    record_service_pb2,
    record_service_pb2_grpc,
    sensor_test_service_pb2,
    sensor_test_service_pb2_grpc,
    task_service_pb2,
    task_service_pb2_grpc,
)
from tocsin.listing import PageToken
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.pii import EVERY_KIND, find, redact
from tocsin.pii.wire import from_defaults, from_policy, kind_number, to_kinds, to_policy

_POLICIES: Final = "pii/policies/"
_BOOK: Final = "policy book"
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

_Context = grpc.aio.ServicerContext[Any, Any]
_STATES = {
    TaskState.QUEUED: task_service_pb2.Task.QUEUED,
    TaskState.RETRYING: task_service_pb2.Task.RETRYING,
    TaskState.SUCCEEDED: task_service_pb2.Task.SUCCEEDED,
    TaskState.FAILED: task_service_pb2.Task.FAILED,
    TaskState.CANCELLED: task_service_pb2.Task.CANCELLED,
}

_PACKAGE_STATES = {
    PackageState.LOADING: task_service_pb2.Package.LOADING,
    PackageState.READY: task_service_pb2.Package.READY,
    PackageState.FAILED: task_service_pb2.Package.FAILED,
}


class TaskHandlers(task_service_pb2_grpc.TaskServiceServicer):
    """TaskService."""

    def __init__(self, *, tasks: TaskService, registry: Registry, packages: Packages) -> None:
        self._tasks = tasks
        self._registry = registry
        self._packages = packages

    async def SubmitTask(self, request: task_service_pb2.SubmitTaskRequest, context: _Context) -> task_service_pb2.Task:
        """Queues a task."""
        who = principal()
        task = await self._tasks.submit(
            tenant=who.tenant,
            handler=request.handler,
            arguments=json_format.MessageToDict(request.input),
            request_id=request.request_id,
            caller=who.subject,
        )
        return _task(task)

    async def GetTask(self, request: task_service_pb2.GetTaskRequest, context: _Context) -> task_service_pb2.Task:
        """Reads a task."""
        return _task(await self._tasks.get(task_id=request.name.removeprefix("tasks/")))

    async def CancelTask(self, request: task_service_pb2.CancelTaskRequest, context: _Context) -> task_service_pb2.Task:
        """Cancels a task."""
        return _task(await self._tasks.cancel(task_id=request.name.removeprefix("tasks/")))

    async def WatchTask(
        self, request: task_service_pb2.WatchTaskRequest, context: _Context
    ) -> AsyncGenerator[task_service_pb2.WatchTaskResponse]:
        """Follows a task."""
        async for told in self._tasks.watch(task_id=request.name.removeprefix("tasks/")):
            if isinstance(told, Task):
                yield task_service_pb2.WatchTaskResponse(task=_task(told))
            else:
                yield task_service_pb2.WatchTaskResponse(progress=task_service_pb2.WatchTaskResponse.Progress(**told._asdict()))

    async def ListTasks(self, request: task_service_pb2.ListTasksRequest, context: _Context) -> task_service_pb2.ListTasksResponse:
        """Lists tasks."""
        tasks, next_page_token = await self._tasks.page(page_size=request.page_size, page_token=request.page_token)
        return task_service_pb2.ListTasksResponse(tasks=map(_task, tasks), next_page_token=next_page_token)

    async def ListHandlers(self, request: task_service_pb2.ListHandlersRequest, context: _Context) -> task_service_pb2.ListHandlersResponse:
        """Lists handlers."""
        response = task_service_pb2.ListHandlersResponse()
        known: list[Handler | HostedHandler] = [*self._registry, *self._packages.handlers()]
        for handler in sorted(known, key=lambda each: each.name):
            out = response.handlers.add(name=handler.name, description=handler.description)
            json_format.ParseDict(dict(handler.input_schema), out.input_schema)
        for package in self._packages:
            state = _PACKAGE_STATES[package.state]
            response.packages.add(name=package.name, module=package.value, state=state, error=package.error, handlers=package.handlers)
        return response


class RecordHandlers(record_service_pb2_grpc.RecordServiceServicer):
    """RecordService."""

    def __init__(self, *, records: RecordService) -> None:
        self._records = records

    async def SetRecord(self, request: record_service_pb2.SetRecordRequest, context: _Context) -> record_service_pb2.Record:
        """Stores a value."""
        who = principal()
        return _record(await self._records.set(tenant=who.tenant, key=request.key, value=request.value, caller=who.subject))

    async def GetRecord(self, request: record_service_pb2.GetRecordRequest, context: _Context) -> record_service_pb2.Record:
        """Reads a record."""
        return _record(await self._records.get(tenant=principal().tenant, key=request.key))

    async def ListRecords(
        self, request: record_service_pb2.ListRecordsRequest, context: _Context
    ) -> record_service_pb2.ListRecordsResponse:
        """Lists records."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Record], None]:
            return await self._records.page(tenant=tenant, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"records {tenant}", (str,))
        records, token = await list_page(request, listing, read=read, show=_record, place=lambda record: (record.key,))
        return record_service_pb2.ListRecordsResponse(records=records, next_page_token=token)

    async def DeleteRecord(self, request: record_service_pb2.DeleteRecordRequest, context: _Context) -> empty_pb2.Empty:
        """Removes a record."""
        await self._records.delete(tenant=principal().tenant, key=request.key)
        return empty_pb2.Empty()

    async def RunRecord(self, request: record_service_pb2.RunRecordRequest, context: _Context) -> record_service_pb2.RunRecordResponse:
        """Runs a handler on a record."""
        who = principal()
        task = await self._records.run(
            tenant=who.tenant, key=request.key, handler=request.handler, request_id=request.request_id, caller=who.subject
        )
        return record_service_pb2.RunRecordResponse(task_id=task.id, task=f"tasks/{task.id}")


class SensorTestHandlers(sensor_test_service_pb2_grpc.SensorTestServiceServicer):
    """SensorTestService."""

    def __init__(self, *, tests: SensorTests) -> None:
        self._tests = tests

    async def StartSensorTest(
        self, request: sensor_test_service_pb2.StartSensorTestRequest, context: _Context
    ) -> sensor_test_service_pb2.SensorTest:
        """Begins a test."""
        who = principal()
        limits = {name: float(getattr(request, name)) for name in ("minimum", "maximum") if request.HasField(name)}
        if request.max_age_seconds:
            limits["max_age_seconds"] = request.max_age_seconds
        task = await self._tests.start(
            tenant=who.tenant, sensor=request.sensor_type, limits=limits, request_id=request.request_id, caller=who.subject
        )
        return _sensor_test(task)

    async def GetSensorTest(
        self, request: sensor_test_service_pb2.GetSensorTestRequest, context: _Context
    ) -> sensor_test_service_pb2.SensorTest:
        """Reads a test."""
        return _sensor_test(await self._tests.get(test_id=request.test_id))


class PiiHandlers(pii_service_pb2_grpc.PiiServiceServicer):
    """PiiService."""

    def __init__(self, *, policies: PolicyKeeper) -> None:
        self._policies = policies

    async def SetPiiPolicy(self, request: pii_service_pb2.SetPiiPolicyRequest, context: _Context) -> pii_service_pb2.PiiPolicy:
        """Stores a policy."""
        policy = to_policy(request.policy, tenant=principal().tenant)
        stored = StoredPolicy(id=request.policy.name.removeprefix(_POLICIES), policy=policy, update_time=_NEVER)
        return _policy(await self._policies.set(stored))

    async def GetPiiPolicy(self, request: pii_service_pb2.GetPiiPolicyRequest, context: _Context) -> pii_service_pb2.PiiPolicy:
        """Reads a policy."""
        return _policy(await self._policies.get(tenant=principal().tenant, id=request.name.removeprefix(_POLICIES)))

    async def ListPiiPolicies(
        self, request: pii_service_pb2.ListPiiPoliciesRequest, context: _Context
    ) -> pii_service_pb2.ListPiiPoliciesResponse:
        """Lists policies."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[StoredPolicy], None]:
            return await self._policies.page(tenant=tenant, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"pii policies {tenant}", (str,))
        policies, token = await list_page(request, listing, read=read, show=_policy, place=lambda policy: (policy.id,))
        return pii_service_pb2.ListPiiPoliciesResponse(policies=policies, next_page_token=token)

    async def DeletePiiPolicy(self, request: pii_service_pb2.DeletePiiPolicyRequest, context: _Context) -> empty_pb2.Empty:
        """Removes a policy."""
        await self._policies.delete(tenant=principal().tenant, id=request.name.removeprefix(_POLICIES))
        return empty_pb2.Empty()

    async def ScanText(self, request: pii_service_pb2.ScanTextRequest, context: _Context) -> pii_service_pb2.ScanTextResponse:
        """Looks at a text, in a thread: it may take a tenth of a second."""
        findings = await asyncio.to_thread(find, request.text, to_kinds(request.kinds) or EVERY_KIND)
        return pii_service_pb2.ScanTextResponse(
            findings=[pii_service_pb2.PiiFinding(kind=kind_number(each.kind), start=each.start, end=each.end) for each in findings],
            redacted=redact(request.text, findings),
        )

    async def GetPolicyBook(
        self, request: pii_service_pb2.GetPolicyBookRequest, context: _Context
    ) -> pii_service_pb2.GetPolicyBookResponse:
        """Gives every policy to a service that enforces them."""
        response = pii_service_pb2.GetPolicyBookResponse(defaults=from_defaults(self._policies.defaults))
        behind = PageToken.decode(request.page_token, query=_BOOK, shape=(str, str))
        if behind is None:
            response.version = await self._policies.version()
            if response.version == request.version:
                return response
        response.version, page, more = await self._policies.every(after=behind or ("", ""))
        for each in page:
            response.policies.add(tenant=each.policy.tenant, policy=_policy(each))
        if more:
            response.next_page_token = PageToken.encode((page[-1].policy.tenant, page[-1].id), query=_BOOK)
        return response


def _policy(stored: StoredPolicy) -> pii_service_pb2.PiiPolicy:
    out = from_policy(stored.policy, name=f"{_POLICIES}{stored.id}")
    out.update_time.FromDatetime(stored.update_time)
    return out


def _record(record: Record) -> record_service_pb2.Record:
    out = record_service_pb2.Record(key=record.key, value=record.value)
    out.update_time.FromDatetime(record.update_time)
    return out


def _task(task: Task) -> task_service_pb2.Task:
    out = task_service_pb2.Task(
        name=f"tasks/{task.id}", handler=task.handler, state=_STATES[task.state], error=task.error, attempts=task.attempts
    )
    json_format.ParseDict(dict(task.input), out.input)
    if task.result is not None:
        json_format.ParseDict(dict(task.result), out.result)
    _set_time(out, "create_time", task.create_time)
    _set_time(out, "complete_time", task.complete_time)
    return out


def _sensor_test(task: Task) -> sensor_test_service_pb2.SensorTest:
    found = dict(task.result or {})
    passed, reason = found.pop("passed", False), found.pop("reason", "")
    over = task.state in ENDED
    out = sensor_test_service_pb2.SensorTest(
        test_id=task.id,
        sensor_type=str(task.input.get("sensor", "")),
        status=("passed" if passed else "failed") if over else "pending",
        reason=str(reason or task.error) if over and not passed else "",
    )
    json_format.ParseDict(found, out.result)
    return out


def _set_time(out: task_service_pb2.Task, field: str, instant: datetime | None) -> None:
    if instant is not None:
        getattr(out, field).FromDatetime(instant)
