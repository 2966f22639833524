"""The parent's side of one child process."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

from processor_svc.hosting.frames import HEAD, FrameInvalid, frame, length, message
from tocsin.telemetry import get_logger

_CANCEL_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 2.0

OnProgress = Callable[[float, str], None]
"""Takes what a handler reports: a share from 0 to 1, and a text."""

_LOOK_SECONDS: Final = 0.25
_log = get_logger(__name__)


class HandlerProcessDied(Exception):
    """The process ended while a handler ran in it.

    Attributes:
        alone: no other handler ran in it.
        late: it was killed because a handler did not end in time.
    """

    def __init__(self, words: str, *, alone: bool, late: bool) -> None:
        super().__init__(words)
        self.alone = alone
        self.late = late


class PackageNotLoaded(Exception):
    """The package did not load; the message says why."""


class HandlerTimedOut(Exception):
    """The handler did not end in time and was cancelled."""


class HandlerProcess:
    """A running child. Every request ends with an answer or with `HandlerProcessDied`."""

    def __init__(self, popen: "subprocess.Popen[bytes]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._popen = popen
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._runs: set[int] = set()
        self._progress: dict[int, OnProgress] = {}
        self._late = False
        self._reading: asyncio.Task[None] | None = None
        self.catalogue: list[dict[str, Any]] = []

    @classmethod
    async def start(cls, name: str, value: str, *, seconds: float) -> "HandlerProcess":
        """Starts a child that loads a package within ``seconds``.

        Raises:
            LoadFailed: it did not load.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            streams = await asyncio.open_unix_connection(sock=ours)  # before there is a child that a cancellation could leave behind
            # Its own session: Ctrl-C reaches only the parent, and processes that a handler starts can be killed with it.
            popen = subprocess.Popen(  # noqa: ASYNC220  starts our own module without waiting
                [sys.executable, "-m", "processor_svc.hosting.child", str(theirs.fileno()), name, value],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        process = cls(popen, *streams)
        try:
            async with asyncio.timeout(seconds):
                first = await process._read()
        except TimeoutError:
            await process.kill()
            raise PackageNotLoaded(f"it did not load within {seconds:g} s") from None
        except (OSError, EOFError, FrameInvalid):
            await process.kill()
            raise PackageNotLoaded(f"its process {process.ending} while it loaded") from None
        except asyncio.CancelledError:
            await process.kill()
            raise
        if "broken" in first:
            await process.kill()
            raise PackageNotLoaded(str(first["broken"]))
        process.catalogue = first["loaded"]
        process._reading = asyncio.create_task(process._listen(), name=f"handlers of {name}")
        return process

    @property
    def alive(self) -> bool:
        """Whether it takes requests."""
        return self._reading is not None and not self._reading.done() and not self._late

    @property
    def running(self) -> int:
        """Number of handlers that run in it."""
        return len(self._runs)

    @property
    def ending(self) -> str:
        """How it ended, as text."""
        code = self._popen.poll()
        if code is None:
            return "stopped answering"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with the code {code}"

    async def run(
        self, what: dict[str, Any], *, seconds: float, cancellable: bool, on_progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """Runs a handler; returns its answer.

        Args:
            what: the handler, its input and its context.
            seconds: its timeout.
            cancellable: whether it can be cancelled when it takes too long; otherwise the process is killed then.
            on_progress: called when the handler says how far it is.

        Raises:
            Late: it did not end in time and was cancelled.
            Died: the process ended.
        """
        number = next(self._numbers)
        self._runs.add(number)
        if on_progress is not None:
            self._progress[number] = on_progress
        answer = self._ask(number, {"run": what})
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(answer)
        except TimeoutError:
            if cancellable and await self._cancelled(number, answer, _CANCEL_SECONDS):
                raise HandlerTimedOut from None
            self._late = True
            await self.kill()
            return await answer
        except asyncio.CancelledError:
            await self._abandon(number, answer)
            raise
        finally:
            self._runs.discard(number)
            self._progress.pop(number, None)

    async def check(self, what: dict[str, Any], *, seconds: float) -> list[tuple[str, str]]:
        """What is wrong with an input, as fields and reasons.

        Raises:
            TimeoutError: it did not answer in time.
            Died: the process ended.
        """
        async with asyncio.timeout(seconds):
            answer = await self._ask(next(self._numbers), {"check": what})
        return [(str(field), str(reason)) for field, reason in answer.get("violations", ())]

    async def kill(self) -> None:
        """Kills it and its children; running handlers end with `HandlerProcessDied`."""
        await self._reap()
        self._writer.close()
        if self._reading is None:
            return
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _reap(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        while self._popen.poll() is None:  # noqa: ASYNC110  not every event loop reports the end of a child
            await asyncio.sleep(0.002)

    async def _cancelled(self, number: int, answer: "asyncio.Future[dict[str, Any]]", seconds: float) -> bool:
        """Cancels a handler; returns whether it ended in time."""
        self._write({"id": 0, "cancel": number})
        done, _ = await asyncio.wait((answer,), timeout=seconds)
        return bool(done) and not answer.cancelled() and answer.exception() is None

    async def _abandon(self, number: int, answer: "asyncio.Future[dict[str, Any]]") -> None:
        """Ends a handler whose job was cancelled: it is told, and its process killed if it does not end in time."""
        ended = False
        try:
            ended = await self._cancelled(number, answer, _GRACE_SECONDS)
        finally:
            self._waiting.pop(number, None)
            answer.cancel()
            if not ended:
                self._late = True
                await asyncio.shield(self.kill())

    def _ask(self, number: int, words: dict[str, Any]) -> "asyncio.Future[dict[str, Any]]":
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # the job may be gone: not to be logged as never retrieved
        if self.alive:
            self._write({"id": number, **words})
        else:
            self._fail()
        return answer

    def _write(self, words: dict[str, Any]) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the reader reports its end
            self._writer.write(frame(words))

    async def _listen(self) -> None:
        try:
            while True:
                answer = await self._read()
                if "progress" in answer:
                    self._tell_progress(answer)
                    continue
                waiting = self._waiting.pop(int(answer.get("id", 0)), None)
                if waiting is not None and not waiting.done():
                    self._runs.discard(int(answer["id"]))
                    waiting.set_result(answer)
        except (OSError, EOFError, FrameInvalid, ValueError, TypeError) as error:
            _log.info("handler process ended", error=f"{error}")
            await self._reap()
        finally:
            self._writer.close()
            self._fail()

    def _tell_progress(self, said: dict[str, Any]) -> None:
        on_progress = self._progress.get(int(said.get("id", 0)))
        fraction, words = said["progress"]
        if on_progress is not None:
            on_progress(float(fraction), str(words))

    async def _read(self) -> dict[str, Any]:
        """The next message; EOFError when the process has ended, even while a grandchild holds the socket open."""
        reading = asyncio.ensure_future(self._frame())
        try:
            while not reading.done():
                await asyncio.wait((reading,), timeout=_LOOK_SECONDS)
                if not reading.done() and self._popen.poll() is not None:
                    await asyncio.wait((reading,), timeout=_LOOK_SECONDS)  # what it sent before
                    if not reading.done():
                        raise EOFError
            return reading.result()
        finally:
            reading.cancel()

    async def _frame(self) -> dict[str, Any]:
        head = await self._reader.readexactly(HEAD.size)
        return message(await self._reader.readexactly(length(head)))

    def _fail(self) -> None:
        """Fails every request with the end of the process."""
        alone = len(self._runs) <= 1
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(HandlerProcessDied(f"the process of the handler {self.ending}", alone=alone, late=self._late))
