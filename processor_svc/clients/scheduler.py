"""The scheduler as a source of work and as the queue of tasks."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, timedelta
from functools import cache
from typing import Final

from google.protobuf import json_format, struct_pb2

from processor_svc.domain import (
    Action,
    End,
    Failed,
    Job,
    Json,
    Lane,
    Lease,
    NotifyAction,
    Succeeded,
    Task,
    TaskAction,
    TaskNotFound,
    TaskState,
    WorkEvent,
)
from tocsin.api.scheduler.v1 import alarm_pb2, dispatch_service_pb2, dispatch_service_pb2_grpc, firing_service_pb2
from tocsin.errors import NotFound, Unavailable
from tocsin.mesh.client import Mesh

SCHEDULER: Final = "scheduler_svc"
_MAX_BATCH: Final = 500
_LANES: Final = {int(lane): lane for lane in Lane}
_NOTHING: Final[Mapping[str, Json]] = {}
_STATES: Final = {
    firing_service_pb2.Firing.PENDING: TaskState.QUEUED,
    firing_service_pb2.Firing.RETRYING: TaskState.RETRYING,
    firing_service_pb2.Firing.SUCCEEDED: TaskState.SUCCEEDED,
    firing_service_pb2.Firing.DEAD: TaskState.FAILED,
}


class SchedulerQueue:
    """Tasks as firings that are due now. Tenant and rights come from the user's token, which travels along."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._dispatch = dispatch_service_pb2_grpc.DispatchServiceStub(mesh.channel(SCHEDULER))

    async def enqueue(self, *, handler: str, arguments: Mapping[str, Json], request_id: str) -> Task:
        """Makes a task durable and due now; the same ``request_id`` gives the same task."""
        action = alarm_pb2.Action(task=alarm_pb2.Task(handler=handler, input=_to_struct(arguments)))
        request = dispatch_service_pb2.EnqueueRequest(action=action, request_id=request_id)
        return _to_task(await self._dispatch.Enqueue(request), action)

    async def get_task(self, *, task_id: str) -> Task:
        """Reads a task.

        Raises:
            TaskNotFound: the tenant has no such task.
        """
        try:
            enqueued = await self._dispatch.GetEnqueued(dispatch_service_pb2.GetEnqueuedRequest(name=f"firings/{task_id}"))
        except NotFound:
            raise TaskNotFound from None
        return _to_task(enqueued.firing, enqueued.action)

    async def list_tasks(self, *, page_size: int, page_token: str) -> tuple[Sequence[Task], str]:
        """A page of tasks, the newest first, and the token of the next page."""
        request = dispatch_service_pb2.ListEnqueuedRequest(page_size=page_size, page_token=page_token)
        page = await self._dispatch.ListEnqueued(request)
        return [_to_task(each.firing, each.action) for each in page.firings], page.next_page_token


class SchedulerWork:
    """Opens Work streams to schedulers."""

    def __init__(self, *, mesh: Mesh, worker: str, reserve: int) -> None:
        """Prepares.

        Args:
            mesh: the way to other services.
            worker: the identity of this start of the process.
            reserve: so many critical jobs are taken beyond what is granted.
        """
        self._mesh = mesh
        self._hello = dispatch_service_pb2.WorkRequest.Hello(worker=worker, reserve=reserve)

    async def endpoints(self) -> Sequence[str]:
        """Address of every scheduler replica."""
        return await self._mesh.endpoints(SCHEDULER)

    def connected(self, endpoint: str) -> bool:
        """Whether the connection to that scheduler stands; asks for one if not."""
        return self._mesh.channel(SCHEDULER, endpoint=endpoint).stands()

    async def open(self, endpoint: str) -> "Session":
        """Opens a Work stream."""
        stub = dispatch_service_pb2_grpc.DispatchServiceStub(self._mesh.channel(SCHEDULER, endpoint=endpoint))
        return Session(stub=stub, hello=self._hello)


class Session:
    """One Work stream. What is said goes out in batches: everything that gathered while the last message was on its way."""

    def __init__(
        self, *, stub: "dispatch_service_pb2_grpc.DispatchServiceAsyncStub", hello: dispatch_service_pb2.WorkRequest.Hello
    ) -> None:
        self._hello = hello
        self._credit = 0
        self._ends: dict[Lease, End] = {}
        self._extensions: list[Lease] = []
        self._wake = asyncio.Event()
        self._ending = False
        self._call = stub.Work(self._requests())
        self._responses = aiter(self._call)

    def grant(self, credit: int) -> None:
        """Lets the scheduler send ``credit`` more jobs."""
        if credit:
            self._credit += credit
            self._wake.set()

    def finish(self, lease: Lease, end: End) -> None:
        """Queues the end of a job for the next batch."""
        self._ends[lease] = end
        self._wake.set()

    def extend(self, leases: Sequence[Lease]) -> None:
        """Queues a longer lease for jobs that still run."""
        self._extensions.extend(leases)
        self._wake.set()

    async def receive(self) -> WorkEvent:
        """The next event.

        Raises:
            Unavailable: the stream is broken.
        """
        try:
            response = await anext(self._responses)
        except StopAsyncIteration:
            raise Unavailable("The scheduler ended the stream.") from None
        match response.WhichOneof("kind"):
            case "jobs":
                return WorkEvent(jobs=_to_jobs(response.jobs))
            case "confirmations":
                return WorkEvent(confirmed=[Lease(lease.firing, lease.token) for lease in response.confirmations.leases])
            case "drain":
                return WorkEvent(drain=True)
            case _:  # a kind of a newer scheduler
                return WorkEvent()

    def end(self) -> None:
        """Sends what is queued and then nothing more; the scheduler confirms and ends the stream."""
        self._ending = True
        self._wake.set()

    def close(self) -> None:
        """Breaks the stream off."""
        self._call.cancel()

    async def _requests(self) -> AsyncIterator[dispatch_service_pb2.WorkRequest]:
        yield dispatch_service_pb2.WorkRequest(hello=self._hello)
        while self._ends or not self._ending:
            await self._wake.wait()
            self._wake.clear()
            ends, self._ends = list(self._ends.items()), {}
            for start in range(0, len(ends), _MAX_BATCH):
                yield _to_results(ends[start : start + _MAX_BATCH])
            if self._extensions:
                leases, self._extensions = self._extensions, []
                extend = dispatch_service_pb2.WorkRequest.Extend(leases=[_to_lease(lease) for lease in leases])
                yield dispatch_service_pb2.WorkRequest(extend=extend)
            if self._credit:
                credit, self._credit = self._credit, 0
                yield dispatch_service_pb2.WorkRequest(credit=credit)


def _to_lease(lease: Lease) -> dispatch_service_pb2.Lease:
    return dispatch_service_pb2.Lease(firing=lease.firing, token=lease.token)


def _to_results(ends: Sequence[tuple[Lease, End]]) -> dispatch_service_pb2.WorkRequest:
    """One message; what succeeded with nothing to tell is a lease in it and no more."""
    request = dispatch_service_pb2.WorkRequest()
    results = request.results
    results.SetInParent()
    add, add_done = results.results.add, results.done.add
    for lease, end in ends:
        if isinstance(end, Succeeded) and not end.output:
            done = add_done()
            done.firing, done.token = lease
        else:
            _fill_result(add(), lease, end)
    return request


def _fill_result(result: dispatch_service_pb2.Result, lease: Lease, end: End) -> None:
    result.lease.firing, result.lease.token = lease
    if isinstance(end, Succeeded):
        result.output.CopyFrom(_to_struct(end.output))
    elif isinstance(end, Failed):
        result.failure.reason, result.failure.message, result.failure.retryable = end.reason, end.message, end.retryable
        if end.retry_after is not None:
            result.failure.retry_after.FromTimedelta(timedelta(seconds=end.retry_after))
    else:
        result.released.message = end.message
        result.released.retry_after.FromTimedelta(timedelta(seconds=end.retry_after))


def _to_jobs(batch: dispatch_service_pb2.WorkResponse.Jobs) -> list[Job]:
    """The jobs of a batch; what many of them do is read once."""
    actions = [_to_action(action) for action in batch.actions]
    seconds = batch.lease_duration.ToTimedelta().total_seconds()
    return [
        Job(
            Lease(job.lease.firing, job.lease.token),
            seconds or job.lease_duration.ToTimedelta().total_seconds(),
            job.tenant,
            job.alarm,
            job.attempt,
            _LANES.get(job.priority, Lane.NORMAL),
            actions[number - 1] if (number := job.action_number) else _to_action(job.action),
            job.traceparent,
            _origin(job.origin),
            _from_struct(job.context) if job.HasField("context") else _NOTHING,
        )
        for job in batch.jobs
    ]


@cache
def _origin(number: "firing_service_pb2.Firing.Origin.ValueType") -> str:
    names = firing_service_pb2.Firing.Origin
    return names.Name(number) if number in names.values() else str(number)  # one of a newer scheduler


def _to_action(action: alarm_pb2.Action) -> Action:
    if action.HasField("task"):
        return TaskAction(handler=action.task.handler, input=_from_struct(action.task.input))
    notify = action.notify
    return NotifyAction(
        to=tuple(notify.to),
        subject=notify.subject,
        text=notify.text,
        html=notify.html,
        template=notify.template,
        variables=dict(notify.variables),
        channels=tuple(notify.channels),
    )


def _to_task(firing: firing_service_pb2.Firing, action: alarm_pb2.Action) -> Task:
    state = _STATES.get(firing.state, TaskState.QUEUED)
    return Task(
        id=firing.name.removeprefix("firings/"),
        handler=action.task.handler,
        input=_from_struct(action.task.input),
        state=state,
        result=_from_struct(firing.result) if state is TaskState.SUCCEEDED else None,
        error=firing.error,
        attempts=firing.attempts,
        create_time=firing.due_time.ToDatetime(tzinfo=UTC) if firing.HasField("due_time") else None,
        complete_time=firing.complete_time.ToDatetime(tzinfo=UTC) if firing.HasField("complete_time") else None,
    )


def _to_struct(value: Mapping[str, Json]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(value), struct_pb2.Struct()) if value else struct_pb2.Struct()


def _from_struct(struct: struct_pb2.Struct) -> dict[str, Json]:
    return json_format.MessageToDict(struct) if struct.fields else {}
