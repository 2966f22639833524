"""Use cases: tasks on demand, records, handlers run on records, and policies on personal data."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from processor_svc.domain import ENDED, HandlerNotFound, Json, Record, StoredPolicy, Task, TaskNotFound, TaskProgress
from processor_svc.ports import PolicyStore, ProgressFeed, RecordStore, TaskChecks, TaskQueue
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import AlreadyExists, FailedPrecondition, FieldViolation, InvalidInput, NotFound, ResourceExhausted
from tocsin.pii import Measure, PiiArea, PiiGuard, PolicyBook

DEFAULT_RECORD_HANDLER = "uppercase"
SENSOR_TEST: Final = "sensor_test"

MOST_POLICIES: Final = 200
"""Policies on personal data that a tenant may have."""

_POLICY_SECONDS: Final = 2.0
_POLICY_PAGE: Final = 1000

_JUDGED = (InvalidInput, NotFound, AlreadyExists, FailedPrecondition, ResourceExhausted)
"""Errors of a request. A request that is a repetition gets the answer of the first one instead."""


class TaskService:
    """Tasks: submitted here, kept in the scheduler's ledger."""

    def __init__(self, *, queue: TaskQueue, checks: TaskChecks, guard: PiiGuard, progress: ProgressFeed) -> None:
        self._queue = queue
        self._progress = progress
        self._checks = checks
        self._guard = guard

    async def submit(self, *, tenant: str, handler: str, arguments: Mapping[str, Json], request_id: str, caller: str = "") -> Task:
        """Checks the input and queues a task; personal data in the input is treated as the tenant's policies say.

        Raises:
            HandlerNotFound: there is no such handler.
            InvalidInput: the input does not fit the handler, or a policy blocks it.
        """
        shown = arguments
        try:
            verdict = await self._guard.check(
                tenant=tenant, area=PiiArea.TASKS, subject=handler, values={"input": dict(arguments)}, caller=caller
            )
            shown = verdict.require()["input"]
            await self._validate(handler, shown)
            return await self._queue.enqueue(handler=handler, arguments=shown, request_id=request_id)
        except _JUDGED:
            known = await self.requested(handler=handler, request_id=request_id)
            if known is None or known.input not in (arguments, shown):
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

    async def cancel(self, *, task_id: str) -> Task:
        """Cancels a task; one that is over stays as it is.

        Raises:
            TaskNotFound: the tenant has no such task.
        """
        return await self._queue.cancel_task(task_id=task_id)

    async def watch(self, *, task_id: str) -> AsyncGenerator[Task | TaskProgress]:
        """The task as it is, then each change of it and each report of progress; ends with the task.

        Raises:
            TaskNotFound: the tenant has no such task.
        """
        async with self._progress.follow(task_id) as reports:
            known = await self._queue.get_task(task_id=task_id)
            yield known
            while known.state not in ENDED:
                report = await anext(reports)
                if report is not None:
                    yield report
                    continue
                task = await self._queue.get_task(task_id=task_id)
                if task != known:
                    known = task
                    yield known

    async def page(self, *, page_size: int, page_token: str) -> tuple[Sequence[Task], str]:
        """A page of tasks, the newest first, and the token of the next page."""
        return await self._queue.list_tasks(page_size=page_size, page_token=page_token)


class RecordService:
    """Records of a tenant."""

    def __init__(self, *, store: RecordStore, tasks: TaskService, clock: Clock, guard: PiiGuard) -> None:
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._guard = guard

    async def set(self, *, tenant: str, key: str, value: str, caller: str = "") -> Record:
        """Stores a value; the answer means that it is committed. Personal data in it is treated as the tenant's policies say.

        Raises:
            InvalidInput: a policy blocks it.
        """
        verdict = await self._guard.check(
            tenant=tenant, area=PiiArea.RECORDS, subject=key, values={"value": value}, identifiers={"key": key}, caller=caller
        )
        return await self._store.set_record(tenant=tenant, key=key, value=verdict.require()["value"], now=self._clock.now())

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

    async def run(self, *, tenant: str, key: str, handler: str, request_id: str, caller: str = "") -> Task:
        """Queues a task on the value that the record has now.

        Raises:
            RecordNotFound: the tenant has none under ``key``.
            HandlerNotFound: there is no such handler.
        """
        chosen = handler or DEFAULT_RECORD_HANDLER
        try:
            record = await self._store.get_record(tenant=tenant, key=key)
            return await self._tasks.submit(
                tenant=tenant, handler=chosen, arguments={"text": record.value}, request_id=request_id, caller=caller
            )
        except _JUDGED:  # a repeated request: the record may have changed or gone since
            known = await self._tasks.requested(handler=chosen, request_id=request_id)
            if known is None:
                raise
            return known


class SensorTests:
    """Tests of sensors: tasks of one handler."""

    def __init__(self, *, tasks: TaskService) -> None:
        self._tasks = tasks

    async def start(self, *, tenant: str, sensor: str, limits: Mapping[str, float], request_id: str, caller: str = "") -> Task:
        """Begins a test; ``limits`` are ``minimum``, ``maximum`` and ``max_age_seconds``, as far as there are any."""
        given = {"sensor": sensor, **limits}
        return await self._tasks.submit(tenant=tenant, handler=SENSOR_TEST, arguments=given, request_id=request_id, caller=caller)

    async def get(self, *, test_id: str) -> Task:
        """Reads a test.

        Raises:
            TaskNotFound: the tenant has no such test.
        """
        task = await self._tasks.get(task_id=test_id)
        if task.handler != SENSOR_TEST:
            raise TaskNotFound
        return task


class PolicyKeeper:
    """The policies on personal data of every tenant, and the book of them that holds in this process; a component.

    A change holds here at once, and in the other replicas and services within seconds.
    """

    def __init__(self, *, store: PolicyStore, defaults: Mapping[PiiArea, Measure], clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.defaults = defaults
        self._book = PolicyBook(defaults=defaults)
        self._background = Background(clock)

    def book(self) -> PolicyBook:
        """The policies in force."""
        return self._book

    async def start(self) -> None:
        """Reads the policies before anything is let in, and reads them again when somebody changes one."""
        if not self._background.running:
            await self.refresh()
            self._background.periodic("pii-policies", _POLICY_SECONDS, self.refresh, at_once=False, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def refresh(self) -> None:
        """Reads the policies if they have changed."""
        if await self._store.version() == self._book.version:
            return
        while True:
            found: list[StoredPolicy] = []
            place, versions = ("", ""), set[int]()
            while True:
                version, page = await self._store.every_policy(after=place, limit=_POLICY_PAGE)
                versions.add(version)
                found += page
                if len(page) < _POLICY_PAGE:
                    break
                place = page[-1].policy.tenant, page[-1].id
            if len(versions) == 1:  # otherwise somebody changed one meanwhile
                self._book = PolicyBook((each.policy for each in found), defaults=self.defaults, version=versions.pop())
                return

    async def set(self, policy: StoredPolicy) -> StoredPolicy:
        """Stores a policy, or replaces it; ``update_time`` is now.

        Raises:
            TooManyPolicies: the tenant has as many as it may have.
        """
        stored = replace(policy, update_time=self._clock.now())
        await self._store.set_policy(stored, most=MOST_POLICIES)
        await self.refresh()
        return stored

    async def get(self, *, tenant: str, id: str) -> StoredPolicy:  # noqa: A002  the word of the contract
        """Reads a policy.

        Raises:
            PolicyNotFound: the tenant has none of this id.
        """
        return await self._store.get_policy(tenant=tenant, id=id)

    async def page(self, *, tenant: str, after: str, limit: int) -> Sequence[StoredPolicy]:
        """At most ``limit`` policies whose ids follow ``after``, by id."""
        return await self._store.list_policies(tenant=tenant, after=after, limit=limit)

    async def delete(self, *, tenant: str, id: str) -> None:  # noqa: A002  as above
        """Removes a policy.

        Raises:
            PolicyNotFound: the tenant has none of this id.
        """
        await self._store.delete_policy(tenant=tenant, id=id)
        await self.refresh()

    async def version(self) -> int:
        """The version of all policies."""
        return await self._store.version()

    async def every(self, *, after: tuple[str, str]) -> tuple[int, Sequence[StoredPolicy], bool]:
        """The version, a page of the policies of all tenants behind ``after`` (tenant, id), and whether more follow."""
        version, page = await self._store.every_policy(after=after, limit=_POLICY_PAGE)
        return version, page, len(page) == _POLICY_PAGE
