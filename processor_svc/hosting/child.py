"""The child: loads one package of handlers and runs what it is told. Started as ``python -m processor_svc.hosting.child FD NAME VALUE``.

It ends with its parent: the thread that reads the socket ends the process when the other end is gone, whatever the handlers do.
"""

import asyncio
import contextlib
import os
import socket
import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final

from processor_svc.domain import JobFailed, JobResult, JobSucceeded, TaskFailed
from processor_svc.hosting.frames import HEAD, frame, length, message
from processor_svc.registry import ENTRY_POINT_GROUP, Handler, Registry, TaskContext, handlers_of
from processor_svc.results import bounded_result, error_text, result_of
from tocsin.errors import InvalidInput

_MOST_WORDS: Final = 500
_READILY_KILLED: Final = "500"


def main() -> None:
    """Loads the package, says what is in it, and serves until the parent is gone."""
    _be_killed_first()
    descriptor, name, value = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    os.set_inheritable(descriptor, False)
    link = socket.socket(fileno=descriptor)
    try:
        registry = Registry(handlers_of(EntryPoint(name, value, ENTRY_POINT_GROUP).load()))
        catalogue = [_described(handler) for handler in registry]
    except BaseException as error:  # noqa: BLE001  the import of a foreign package may raise anything, SystemExit among it
        link.sendall(frame({"broken": error_text(error)[:_MOST_WORDS]}))
        os._exit(1)
    with asyncio.Runner() as runner:
        runner.run(_HandlerServer(link, registry).serve(catalogue))


def _be_killed_first() -> None:
    """When memory runs out, this process is the one to go, and not the processor (proc(5), oom_score_adj)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_READILY_KILLED)


def _described(handler: Handler) -> dict[str, Any]:
    return {
        "name": handler.name,
        "description": handler.description,
        "timeout_seconds": handler.timeout_seconds,
        "is_async": handler.is_async,
        "input_schema": handler.input_schema,
    }


class _HandlerServer:
    """Runs what the parent says."""

    def __init__(self, link: socket.socket, registry: Registry) -> None:
        self._link = link
        self._registry = registry
        self._running: dict[int, asyncio.Task[None]] = {}

    async def serve(self, catalogue: list[dict[str, Any]]) -> None:
        """Never returns."""
        self._say({"loaded": catalogue})
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop,), daemon=True, name="parent").start()
        await asyncio.Event().wait()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while True:
                body = self._exactly(length(self._exactly(HEAD.size)))
                loop.call_soon_threadsafe(self._hear, message(body))
        finally:
            os._exit(0)  # the parent is gone, or speaks nonsense

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._link.recv(min(size - len(parts), 65536))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _hear(self, told_us: dict[str, Any]) -> None:
        number = int(told_us.get("id", 0))
        if "run" in told_us:
            task = asyncio.get_running_loop().create_task(self._run(number, told_us["run"]))
            self._running[number] = task
            task.add_done_callback(lambda _: self._running.pop(number, None))
        elif "check" in told_us:
            self._say({"id": number, "violations": self._check(told_us["check"])})
        elif "cancel" in told_us and (running := self._running.get(int(told_us["cancel"]))) is not None:
            running.cancel()

    def _check(self, asked: dict[str, Any]) -> list[tuple[str, str]]:
        try:
            self._registry.get(asked["handler"]).parse(asked["input"])
        except InvalidInput as error:
            return [(each.field, each.description) for each in error.violations]
        except BaseException as error:  # noqa: BLE001  types of parameters are foreign code
            return [("input", f"cannot be checked: {error_text(error)}")]
        return []

    async def _run(self, number: int, asked: dict[str, Any]) -> None:
        """Runs a handler. Whatever it raises is how it ended."""
        end: JobResult
        try:
            end = await self._attempt(self._registry.get(asked["handler"]), asked)
        except TaskFailed as error:
            end = JobFailed(reason=error.error_reason, message=error.message, retryable=error.retryable, retry_after=error.retry_after)
        except asyncio.CancelledError:
            end = JobFailed(reason="HANDLER_FAILED", message=f"{asked['handler']} cancelled itself", retryable=True)
        except BaseException as error:  # noqa: BLE001  a handler is foreign code: SystemExit and the like end nothing but this attempt
            end = JobFailed(reason="HANDLER_FAILED", message=error_text(error), retryable=True)
        self._say({"id": number, **_said(bounded_result(end))})

    async def _attempt(self, handler: Handler, asked: dict[str, Any]) -> JobResult:
        try:
            arguments = handler.parse(asked["input"])
        except InvalidInput as error:
            return JobFailed(reason="INPUT_INVALID", message=error.message, retryable=False)
        if handler.context_parameter:
            arguments[handler.context_parameter] = TaskContext(**asked["context"])
        output = handler.function(**arguments)
        return result_of(await output if handler.is_async else output)

    def _say(self, words: dict[str, Any]) -> None:
        self._link.sendall(frame(words))


def _said(end: JobResult) -> dict[str, Any]:
    if isinstance(end, JobSucceeded):
        return {"output": end.output}
    if isinstance(end, JobFailed):
        return {"failed": {"reason": end.reason, "message": end.message, "retryable": end.retryable, "retry_after": end.retry_after}}
    return {"failed": {"reason": "HANDLER_FAILED", "message": end.message, "retryable": True, "retry_after": end.retry_after}}


if __name__ == "__main__":
    main()
