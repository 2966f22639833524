"""The action `task`: runs a handler within its timeout; built-in ones in this process, those of packages in child processes."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass
from types import coroutine
from typing import Any, ClassVar, Final

from google.protobuf import json_format

from processor_svc.domain import ActionProblem, HandlerNotFound, Job, JobFailed, JobResult, Json, TaskFailed, TaskProgress
from processor_svc.hosting import Packages
from processor_svc.ports import ProgressFeed
from processor_svc.registry import Handler, Registry, TaskContext
from processor_svc.results import error_text, result_of
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import InvalidInput
from tocsin.priority import Priority

_NONE: Final = "(none)"
_UNCHANGING: Final = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAction:
    """Run a handler."""

    kind: ClassVar[str] = "task"

    handler: str
    input: Mapping[str, Json]


class TaskKind:
    """Task actions: built-in handlers run in the event loop, those of packages in child processes."""

    name = TaskAction.kind

    def __init__(self, *, registry: Registry, packages: Packages, progress: ProgressFeed) -> None:
        """Takes the handlers.

        Args:
            registry: the built-in handlers; all are async.
            packages: handlers of other packages.
            progress: takes what handlers report.
        """
        self._progress = progress
        self._registry = registry
        self._packages = packages
        self._last: tuple[TaskAction, Mapping[str, Any]] | None = None

    def decode(self, message: alarm_pb2.Task) -> TaskAction:
        """Decodes the action; raises ValueError for an input that JSON cannot express."""
        return TaskAction(handler=message.handler, input=json_format.MessageToDict(message.input) if message.input.fields else {})

    async def problems(self, *, handler: str, arguments: Mapping[str, Json]) -> Sequence[ActionProblem]:
        """What is wrong with a task that has no alarm; paths of fields start at the task."""
        return await self.validate(TaskAction(handler=handler, input=arguments))

    async def validate(self, action: TaskAction, tenant: str = "") -> Sequence[ActionProblem]:
        """Checks that the handler exists and the input matches its schema. An unknown handler may come with a package later."""
        del tenant
        if action.handler in self._registry:
            return self._check_own(action)
        known = self._packages.known(action.handler)
        if known is None:
            return [ActionProblem("handler", self._missing(action.handler), tentative=True)]
        package, handler = known
        found = await package.check(handler.name, dict(action.input))
        if found is None:
            return [ActionProblem("input", "could not be validated: the handler's process does not answer now", tentative=True)]
        return [ActionProblem(field, reason) for field, reason in found]

    def describe(self, action: TaskAction) -> str:
        """The handler; "(none)" for a name that no handler has, so that callers cannot make labels."""
        known = action.handler in self._registry or self._packages.known(action.handler) is not None
        return action.handler if known else _NONE

    async def run(self, job: Job, action: TaskAction) -> JobResult:
        """Runs the handler once."""
        if action.handler not in self._registry:
            return await self._run_foreign(job, action)
        handler = self._registry.get(action.handler)
        try:
            arguments = self._arguments(handler, action)
        except InvalidInput as error:
            return JobFailed(reason="INPUT_INVALID", message=error.message, retryable=False)
        if handler.context_parameter:
            arguments[handler.context_parameter] = TaskContext(**_context(job), on_progress=self._reporter(job))
        return await self._attempt(handler, arguments)

    def _check_own(self, action: TaskAction) -> Sequence[ActionProblem]:
        try:
            self._registry.get(action.handler).parse(action.input)
        except InvalidInput as error:
            return [ActionProblem(each.field, each.description) for each in error.violations]
        return ()

    async def _run_foreign(self, job: Job, action: TaskAction) -> JobResult:
        known = await self._packages.find(action.handler)
        if known is None:
            # A package that failed to load may load at another attempt, here or in another processor.
            failed = bool(self._packages.failed())
            reason = "HANDLER_NOT_LOADED" if failed else HandlerNotFound().error_reason
            return JobFailed(reason=reason, message=self._missing(action.handler), retryable=failed)
        package, handler = known
        what = {"handler": handler.name, "input": dict(action.input), "context": _context(job)}
        return await package.run(handler, what, critical=job.priority is Priority.CRITICAL, on_progress=self._reporter(job))

    def _reporter(self, job: Job) -> Callable[[float, str], None]:
        return lambda fraction, message: self._progress.report(job.lease.firing, TaskProgress(fraction, message))

    def _missing(self, name: str) -> str:
        names = sorted({*(each.name for each in self._registry), *(each.name for each in self._packages.handlers())})
        failed = [f"{package.name} ({package.error})" for package in self._packages.failed()]
        words = f"no handler is named {name!r}; there are: {', '.join(names)}"
        return f"{words}; packages that failed to load: {', '.join(failed)}" if failed else words

    def _arguments(self, handler: Handler, action: TaskAction) -> dict[str, Any]:
        """The input as arguments. Jobs of a batch share one action, which is parsed once, unless a handler could change its arguments."""
        if self._last is None or self._last[0] is not action:
            arguments = handler.parse(action.input)
            if not all(isinstance(value, _UNCHANGING) for value in arguments.values()):
                return arguments
            self._last = (action, arguments)
        return dict(self._last[1])

    async def _attempt(self, handler: Handler, arguments: dict[str, Any]) -> JobResult:
        limit = asyncio.timeout(handler.timeout_seconds)
        try:
            return result_of(await _within(limit, handler.function(**arguments)))
        except asyncio.CancelledError:
            if (current := asyncio.current_task()) is None or current.cancelling():
                raise  # the processor stops
            return JobFailed(reason="HANDLER_FAILED", message=f"{handler.name} cancelled itself", retryable=True)
        except TaskFailed as error:
            return JobFailed(reason=error.error_reason, message=error.message, retryable=error.retryable, retry_after=error.retry_after)
        except Exception as error:  # noqa: BLE001 - an exception of a handler is the result of this attempt
            if limit.expired():
                message = f"{handler.name} took more than {handler.timeout_seconds:g} s"
                return JobFailed(reason="HANDLER_TIMEOUT", message=message, retryable=True)
            return JobFailed(reason="HANDLER_FAILED", message=error_text(error), retryable=True)


async def _within(limit: asyncio.Timeout, work: Coroutine[Any, Any, Json]) -> Json:
    """Awaits ``work``. The limit applies from its first suspension: arming a timer costs more than many handlers that never suspend."""
    try:
        first = work.send(None)
    except StopIteration as end:
        return end.value
    async with limit:
        return await _resume(work, first)


@coroutine
def _resume(work: Coroutine[Any, Any, Json], awaited: Any) -> Generator[Any, Any, Json]:
    """Awaits a coroutine that has started and is suspended, as ``yield from`` does with a new one (PEP 380)."""
    try:
        while True:
            try:
                value = yield awaited
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:  # noqa: BLE001  every exception is for the coroutine to handle
                awaited = work.throw(error)
            else:
                awaited = work.send(value)
    except StopIteration as end:
        return end.value


def _context(job: Job) -> dict[str, Any]:
    return {
        "firing": job.lease.firing,
        "tenant": job.tenant,
        "attempt": job.attempt,
        "alarm": job.alarm,
        "origin": job.origin,
        "about": dict(job.context),
    }
