"""Use cases: tasks on demand, records, and handlers run on records."""

from collections.abc import Mapping, Sequence

from processor_svc.domain import HandlerNotFound, Json, Record, Task
from processor_svc.ports import RecordStore, TaskChecks, TaskQueue
from tocsin.clock import Clock
from tocsin.errors import AlreadyExists, FailedPrecondition, FieldViolation, InvalidInput, NotFound, ResourceExhausted

DEFAULT_RECORD_HANDLER = "uppercase"

_JUDGED = (InvalidInput, NotFound, AlreadyExists, FailedPrecondition, ResourceExhausted)
"""Errors of a request. A request that is a repetition gets the answer of the first one instead."""


class TaskService:
    """Tasks: submitted here, kept in the scheduler's ledger."""

    def __init__(self, *, queue: TaskQueue, checks: TaskChecks) -> None:
        self._queue = queue
        self._checks = checks

    async def submit(self, *, handler: str, arguments: Mapping[str, Json], request_id: str) -> Task:
        """Checks the input and queues a task.

        Raises:
            HandlerNotFound: there is no such handler.
            InvalidInput: the input does not fit the handler.
        """
        try:
            await self._validate(handler, arguments)
            return await self._queue.enqueue(handler=handler, arguments=arguments, request_id=request_id)
        except _JUDGED:
            known = await self.requested(handler=handler, request_id=request_id)
            if known is None or known.input != arguments:
                raise
            return known

    async def _validate(self, handler: str, arguments: Mapping[str, Json]) -> None:
        problems = await self._checks.problems(handler=handler, arguments=arguments)
        unknown = [problem for problem in problems if problem.field == "handler"]
        refused = unknown or [problem for problem in problems if not problem.tentative]
        if refused:
            words = "; ".join(f"{problem.field}: {problem.reason}" for problem in refused)
            raise (HandlerNotFound if unknown else InvalidInput)(words, violations=[FieldViolation(*problem[:2]) for problem in refused])

    async def requested(self, *, handler: str, request_id: str) -> Task | None:
        """The task that an earlier request with this id has created; None if there is none, or it ran another handler."""
        known = await self._queue.find_task(request_id=request_id) if request_id else None
        return known if known is not None and known.handler == handler else None

    async def get(self, *, task_id: str) -> Task:
        """Reads a task.

        Raises:
            TaskNotFound: the tenant has no such task.
        """
        return await self._queue.get_task(task_id=task_id)

    async def page(self, *, page_size: int, page_token: str) -> tuple[Sequence[Task], str]:
        """A page of tasks, the newest first, and the token of the next page."""
        return await self._queue.list_tasks(page_size=page_size, page_token=page_token)


class RecordService:
    """Records of a tenant."""

    def __init__(self, *, store: RecordStore, tasks: TaskService, clock: Clock) -> None:
        self._store = store
        self._tasks = tasks
        self._clock = clock

    async def set(self, *, tenant: str, key: str, value: str) -> Record:
        """Stores a value; the answer means that it is committed."""
        return await self._store.set_record(tenant=tenant, key=key, value=value, now=self._clock.now())

    async def get(self, *, tenant: str, key: str) -> Record:
        """Reads a record.

        Raises:
            RecordNotFound: the tenant has none under ``key``.
        """
        return await self._store.get_record(tenant=tenant, key=key)

    async def page(self, *, tenant: str, after: str, limit: int) -> Sequence[Record]:
        """At most ``limit`` records whose keys follow ``after``, by key."""
        return await self._store.list_records(tenant=tenant, after=after, limit=limit)

    async def delete(self, *, tenant: str, key: str) -> None:
        """Removes a record.

        Raises:
            RecordNotFound: the tenant has none under ``key``.
        """
        await self._store.delete_record(tenant=tenant, key=key)

    async def run(self, *, tenant: str, key: str, handler: str, request_id: str) -> Task:
        """Queues a task on the value that the record has now.

        Raises:
            RecordNotFound: the tenant has none under ``key``.
            HandlerNotFound: there is no such handler.
        """
        chosen = handler or DEFAULT_RECORD_HANDLER
        try:
            record = await self._store.get_record(tenant=tenant, key=key)
            return await self._tasks.submit(handler=chosen, arguments={"text": record.value}, request_id=request_id)
        except _JUDGED:  # a repeated request: the record may have changed or gone since
            known = await self._tasks.requested(handler=chosen, request_id=request_id)
            if known is None:
                raise
            return known
