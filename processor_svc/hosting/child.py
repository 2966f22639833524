"""The child process: loads one package and runs its handlers. Started as ``python -m processor_svc.hosting.child FD NAME VALUE``.

It ends with its parent: the thread that reads the socket exits the process when the other end closes, whatever the handlers do.
"""

import asyncio
import contextlib
import os
import socket
import sys
import threading
import time
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final

from processor_svc.domain import JobFailed, JobResult, JobSucceeded, TaskFailed
from processor_svc.hosting.frames import HEAD, frame, length, message
from processor_svc.registry import ENTRY_POINT_GROUP, Handler, Registry, TaskContext, handlers_of
from processor_svc.results import bounded_result, error_text, result_of
from tocsin.errors import InvalidInput

_MOST_WORDS: Final = 500
_PAUSE_SECONDS: Final = 0.1
_READILY_KILLED: Final = "500"


def main() -> None:
    """Loads the package, sends its catalogue, and serves until the parent is gone."""
    _prefer_to_be_killed()
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


def _prefer_to_be_killed() -> None:
    """Makes the kernel kill this process before the processor when memory runs out (proc(5), oom_score_adj)."""
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
    """Runs handlers for the parent."""

    def __init__(self, link: socket.socket, registry: Registry) -> None:
        self._link = link
        self._registry = registry
        self._running: dict[int, asyncio.Task[None]] = {}
        self._cancelled: set[int] = set()
        self._sending = threading.Lock()
        self._reported: dict[int, float] = {}

    async def serve(self, catalogue: list[dict[str, Any]]) -> None:
        """Never returns."""
        self._send({"loaded": catalogue})
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop,), daemon=True, name="parent").start()
        await asyncio.Event().wait()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while True:
                request = message(self._exactly(length(self._exactly(HEAD.size))))
                if "cancel" in request:
                    self._cancelled.add(int(request["cancel"]))  # here: a synchronous handler keeps the loop
                loop.call_soon_threadsafe(self._receive, request)
        finally:
            os._exit(0)  # the parent is gone, or sent an invalid frame

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._link.recv(min(size - len(parts), 65536))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _receive(self, request: dict[str, Any]) -> None:
        number = int(request.get("id", 0))
        if "run" in request:
            task = asyncio.get_running_loop().create_task(self._run(number, request["run"]))
            self._running[number] = task
            task.add_done_callback(lambda _: self._forget(number))
        elif "check" in request:
            self._send({"id": number, "violations": self._check(request["check"])})
        elif "cancel" in request and (running := self._running.get(int(request["cancel"]))) is not None:
            running.cancel()

    def _forget(self, number: int) -> None:
        self._running.pop(number, None)
        self._reported.pop(number, None)
        self._cancelled.discard(number)

    def _report(self, number: int, fraction: float, words: str) -> None:
        """Sends a report of progress, not more than so many a second."""
        now = time.monotonic()
        if now - self._reported.get(number, -_PAUSE_SECONDS) >= _PAUSE_SECONDS or fraction >= 1.0:
            self._reported[number] = now
            self._send({"id": number, "progress": [fraction, words]})

    def _check(self, asked: dict[str, Any]) -> list[tuple[str, str]]:
        try:
            self._registry.get(asked["handler"]).parse(asked["input"])
        except InvalidInput as error:
            return [(each.field, each.description) for each in error.violations]
        except BaseException as error:  # noqa: BLE001  types of parameters are foreign code
            return [("input", f"cannot be checked: {error_text(error)}")]
        return []

    async def _run(self, number: int, asked: dict[str, Any]) -> None:
        """Runs a handler; an exception becomes its result."""
        end: JobResult
        try:
            end = await self._attempt(self._registry.get(asked["handler"]), asked, number)
        except TaskFailed as error:
            end = JobFailed(reason=error.error_reason, message=error.message, retryable=error.retryable, retry_after=error.retry_after)
        except asyncio.CancelledError:
            end = JobFailed(reason="HANDLER_FAILED", message=f"{asked['handler']} cancelled itself", retryable=True)
        except BaseException as error:  # noqa: BLE001  a handler is foreign code: SystemExit ends only this attempt
            end = JobFailed(reason="HANDLER_FAILED", message=error_text(error), retryable=True)
        self._send({"id": number, **_encoded(bounded_result(end))})

    async def _attempt(self, handler: Handler, asked: dict[str, Any], number: int) -> JobResult:
        try:
            arguments = handler.parse(asked["input"])
        except InvalidInput as error:
            return JobFailed(reason="INPUT_INVALID", message=error.message, retryable=False)
        if handler.context_parameter:
            arguments[handler.context_parameter] = TaskContext(
                **asked["context"], on_progress=partial(self._report, number), is_cancelled=lambda: number in self._cancelled
            )
        output = handler.function(**arguments)
        return result_of(await output if handler.is_async else output)

    def _send(self, words: dict[str, Any]) -> None:
        with self._sending:  # a handler may report from a thread of its own
            self._link.sendall(frame(words))


def _encoded(end: JobResult) -> dict[str, Any]:
    if isinstance(end, JobSucceeded):
        return {"output": end.output}
    if isinstance(end, JobFailed):
        return {"failed": {"reason": end.reason, "message": end.message, "retryable": end.retryable, "retry_after": end.retry_after}}
    return {"failed": {"reason": "HANDLER_FAILED", "message": end.message, "retryable": True, "retry_after": end.retry_after}}


if __name__ == "__main__":
    main()
