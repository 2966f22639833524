"""The client of the scheduler's task queue."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Final

from processor_svc.clients.wire import from_struct, to_struct
from processor_svc.domain import Json, Task, TaskNotFound, TaskState
from tocsin.api.scheduler.v1 import alarm_pb2, dispatch_service_pb2, dispatch_service_pb2_grpc, firing_service_pb2
from tocsin.errors import NotFound
from tocsin.mesh.client import Mesh

SCHEDULER: Final = "scheduler_svc"
CANCELLED: Final = "CANCELLED"
_STATES: Final = {
    firing_service_pb2.Firing.PENDING: TaskState.QUEUED,
    firing_service_pb2.Firing.RETRYING: TaskState.RETRYING,
    firing_service_pb2.Firing.SUCCEEDED: TaskState.SUCCEEDED,
    firing_service_pb2.Firing.DEAD: TaskState.FAILED,
}


class SchedulerQueue:
    """Tasks are firings that are due now. The user's token, which is forwarded, gives tenant and rights."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._dispatch = dispatch_service_pb2_grpc.DispatchServiceStub(mesh.channel(SCHEDULER))

    async def enqueue(self, *, handler: str, arguments: Mapping[str, Json], request_id: str) -> Task:
        """Stores a task that is due now; the same ``request_id`` gives the same task."""
        action = alarm_pb2.Action(task=alarm_pb2.Task(handler=handler, input=to_struct(arguments)))
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

    async def cancel_task(self, *, task_id: str) -> Task:
        """Cancels a task; one that is over stays as it is.

        Raises:
            TaskNotFound: the tenant has no such task.
        """
        try:
            enqueued = await self._dispatch.CancelEnqueued(dispatch_service_pb2.CancelEnqueuedRequest(name=f"firings/{task_id}"))
        except NotFound:
            raise TaskNotFound from None
        return _to_task(enqueued.firing, enqueued.action)

    async def find_task(self, *, request_id: str) -> Task | None:
        """The task that an earlier request with this id has created; None if there is none."""
        try:
            enqueued = await self._dispatch.GetEnqueued(dispatch_service_pb2.GetEnqueuedRequest(request_id=request_id))
        except NotFound:
            return None
        return _to_task(enqueued.firing, enqueued.action)

    async def list_tasks(self, *, page_size: int, page_token: str) -> tuple[Sequence[Task], str]:
        """A page of tasks, newest first, and the token of the next page."""
        request = dispatch_service_pb2.ListEnqueuedRequest(page_size=page_size, page_token=page_token)
        page = await self._dispatch.ListEnqueued(request)
        return [_to_task(each.firing, each.action) for each in page.firings], page.next_page_token


def _to_task(firing: firing_service_pb2.Firing, action: alarm_pb2.Action) -> Task:
    state = _STATES.get(firing.state, TaskState.QUEUED)
    if state is TaskState.FAILED and firing.reason == CANCELLED:
        state = TaskState.CANCELLED
    return Task(
        id=firing.name.removeprefix("firings/"),
        handler=action.task.handler,
        input=from_struct(action.task.input),
        state=state,
        result=from_struct(firing.result) if state is TaskState.SUCCEEDED else None,
        error=firing.error,
        attempts=firing.attempts,
        create_time=firing.due_time.ToDatetime(tzinfo=UTC) if firing.HasField("due_time") else None,
        complete_time=firing.complete_time.ToDatetime(tzinfo=UTC) if firing.HasField("complete_time") else None,
    )
