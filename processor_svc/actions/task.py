"""The action `task`: runs a registered handler within its timeout."""

import asyncio
from collections.abc import Coroutine, Generator, Mapping, Sequence
from functools import partial
from types import coroutine
from typing import Any, Final, cast

from google.protobuf import json_format

from processor_svc.domain import End, Failed, HandlerNotFound, Job, Json, Lane, Succeeded, TaskAction, TaskFailed
from processor_svc.pool import ThreadPool
from processor_svc.registry import Handler, Registry, TaskContext
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import FieldViolation, InvalidInput

_NONE: Final = "(none)"
_UNCHANGING: Final = (str, int, float, bool, type(None))


class TaskKind:
    """Task actions: async handlers run in the loop, others in ``threads``."""

    name = TaskAction.kind

    def __init__(self, *, registry: Registry, threads: ThreadPool) -> None:
        self._registry = registry
        self._threads = threads
        self._last: tuple[TaskAction, Mapping[str, Any]] | None = None

    def decode(self, message: alarm_pb2.Task) -> TaskAction:
        """The action; raises ValueError for an input that JSON cannot express."""
        return TaskAction(handler=message.handler, input=json_format.MessageToDict(message.input) if message.input.fields else {})

    async def check(self, action: TaskAction) -> Sequence[FieldViolation]:
        """Whether there is such a handler, and the input fits."""
        try:
            self._registry.get(action.handler).parse(action.input)
        except InvalidInput as error:
            return error.violations
        return ()

    def describe(self, action: TaskAction) -> str:
        """The handler, if there is one."""
        return action.handler if action.handler in self._registry else _NONE

    async def run(self, job: Job, action: TaskAction) -> End:
        """Runs the handler once; never raises but for cancellation."""
        try:
            handler = self._registry.get(action.handler)
            arguments = self._arguments(handler, action)
        except HandlerNotFound as error:
            return Failed(reason=error.error_reason, message=error.message, retryable=False)
        except InvalidInput as error:
            return Failed(reason="INPUT_INVALID", message=error.message, retryable=False)
        if handler.context_parameter:
            arguments[handler.context_parameter] = _context(job)
        return await self._attempt(handler, arguments, critical=job.lane is Lane.CRITICAL)

    def _arguments(self, handler: Handler, action: TaskAction) -> dict[str, Any]:
        """The input as arguments. Jobs of a herd share one action, so it is read once, unless a handler could change what it got."""
        if self._last is None or self._last[0] is not action:
            arguments = handler.parse(action.input)
            if not all(isinstance(value, _UNCHANGING) for value in arguments.values()):
                return arguments
            self._last = (action, arguments)
        return dict(self._last[1])

    async def _attempt(self, handler: Handler, arguments: dict[str, Any], *, critical: bool) -> End:
        limit = asyncio.timeout(handler.timeout_seconds)
        try:
            output = await _within(limit, self._call(handler, arguments, critical=critical))
        except asyncio.CancelledError:
            if (current := asyncio.current_task()) is None or current.cancelling():
                raise  # the processor stops
            return Failed(reason="HANDLER_FAILED", message=f"{handler.name} cancelled itself", retryable=True)
        except TaskFailed as error:
            return Failed(reason=error.error_reason, message=error.message, retryable=error.retryable, retry_after=error.retry_after)
        except Exception as error:  # noqa: BLE001 - a handler is foreign code: whatever it raises is the outcome of this attempt
            if limit.expired():
                message = f"{handler.name} took more than {handler.timeout_seconds:g} s"
                return Failed(reason="HANDLER_TIMEOUT", message=message, retryable=True)
            return Failed(reason="HANDLER_FAILED", message=f"{type(error).__name__}: {error}", retryable=True)
        return Succeeded(_as_object(output))

    async def _call(self, handler: Handler, arguments: dict[str, Any], *, critical: bool) -> Json:
        if handler.is_async:
            return await handler.function(**arguments)
        return await self._threads.run(partial(handler.function, **arguments), critical=critical)


async def _within(limit: asyncio.Timeout, work: Coroutine[Any, Any, Json]) -> Json:
    """What ``work`` returns. The limit applies from its first wait on: to arm a timer costs more than many handlers do without one."""
    try:
        first = work.send(None)
    except StopIteration as end:
        return end.value
    async with limit:
        return await _go_on(work, first)


@coroutine
def _go_on(work: Coroutine[Any, Any, Json], waits_for: Any) -> Generator[Any, Any, Json]:
    """Awaits work that has begun and waits, as ``yield from`` does with what has not (PEP 380)."""
    try:
        while True:
            try:
                value = yield waits_for
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:  # noqa: BLE001  whatever it is, it is for the work to handle
                waits_for = work.throw(error)
            else:
                waits_for = work.send(value)
    except StopIteration as end:
        return end.value


def _context(job: Job) -> TaskContext:
    return TaskContext(
        firing=job.lease.firing, tenant=job.tenant, attempt=job.attempt, alarm=job.alarm, origin=job.origin, about=job.context
    )


def _as_object(output: Json) -> Mapping[str, Json]:
    if output is None:
        return {}
    return cast("Mapping[str, Json]", output) if isinstance(output, Mapping) else {"value": output}
