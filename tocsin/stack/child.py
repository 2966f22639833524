"""One supervised process: spawned, watched, restarted with backoff, stopped."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.stack.spawning import ChildSpec, Process, Spawner

_LOG_LIMIT: Final = 10 * 1024 * 1024
_LOGS_KEPT: Final = 3
_PRIVATE: Final = 0o600
_STARTING_POLL_SECONDS: Final = 0.1
_POLL_SECONDS: Final = 1.0


class ChildState(StrEnum):
    """What the supervisor knows of a process."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "not ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Backoff:
    """Waits before restarts: none after 10 s of healthy life, for somebody waits for the service; then 0.1 s, doubled up to 5 s."""

    FIRST: Final = 0.1
    LONGEST: Final = 5.0
    HEALTHY_LIFE: Final = 10.0

    def __init__(self) -> None:
        self._next = self.FIRST

    def after(self, healthy_seconds: float) -> float:
        """Seconds to wait after a life of which so much was healthy."""
        if healthy_seconds >= self.HEALTHY_LIFE:
            self._next = self.FIRST
            return 0.0
        wait, self._next = self._next, min(self.LONGEST, self._next * 2)
        return wait


class Child:
    """Keeps one process alive between `start` and `stop`.

    ``on_change`` is called after every change of ``state``, ``pid`` or ``restarts``. ``last_exit`` is the exit code of the last life,
    negative for a signal; ``was_healthy`` says whether any life ever took work.
    """

    def __init__(
        self,
        *,
        spec: ChildSpec,
        spawner: Spawner,
        is_ready: Callable[[], Awaitable[bool]],
        clock: Clock,
        on_change: Callable[["Child"], None],
    ) -> None:
        """Prepares; nothing runs.

        Args:
            spec: what to run.
            spawner: starts it.
            is_ready: asks the running process whether it takes work.
            clock: for waits and lifetimes.
            on_change: told of every change.
        """
        self.spec = spec
        self.state = ChildState.STOPPED
        self.pid: int | None = None
        self.restarts = 0
        self.last_exit: int | None = None
        self.was_healthy = False
        self._spawner = spawner
        self._is_ready = is_ready
        self._clock = clock
        self._on_change = on_change
        self._backoff = Backoff()
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._keeping = Background(clock)
        self._watching = Background(clock)
        self._ended = asyncio.Event()
        self._healthy_since: float | None = None
        self._log_start = 0

    async def start(self) -> None:
        """Begins to keep the process alive; returns before it is ready."""
        if not self._keeping.running:
            self._stopping.clear()
            self._ended.clear()
            self._keeping.supervised(f"child-{self.spec.name}", self._keep_alive)

    async def stop(self, *, grace: float) -> None:
        """Ends the process: SIGTERM, and SIGKILL after ``grace`` seconds."""
        if not self._keeping.running:
            return
        self._stopping.set()
        if self._process is not None:
            self._change(ChildState.STOPPING, self.pid)
            self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await self._ended.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._ended.wait()
        await self._keeping.stop()

    def kill(self) -> None:
        """Ends the process at once, without a restart."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def output(self) -> str:
        """What the current or last life wrote, at most its last 4,000 characters."""
        try:
            with self.spec.log.open("rb") as file:
                file.seek(max(self._log_start, file.seek(0, os.SEEK_END) - 4000))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    async def _keep_alive(self) -> None:
        while self._process is not None or not self._stopping.is_set():
            healthy_seconds = await self._live()
            if self._stopping.is_set():
                break
            self._change(ChildState.RESTARTING, None)
            await self._pause(self._backoff.after(healthy_seconds))
            self.restarts += not self._stopping.is_set()
        self._change(ChildState.STOPPED, None)
        self._ended.set()
        await asyncio.Event().wait()  # until `stop` ends it

    async def _live(self) -> float:
        """One life of the process. Returns for how many seconds it was healthy, up to its end."""
        self._healthy_since = None
        try:
            # One that still lives was left by a failure of this supervision: it is looked after, and not started twice.
            process = self._process or await self._spawn()
        except OSError as error:
            self.last_exit = error.errno
            return 0.0
        self._process = process
        self._change(ChildState.STARTING, process.pid)
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        self._watching.supervised(f"watch-{self.spec.name}", partial(self._watch, process.pid))
        try:
            self.last_exit = await process.wait()
            self._process = None
        finally:
            await self._watching.stop()
        return 0.0 if self._healthy_since is None else self._clock.monotonic() - self._healthy_since

    async def _spawn(self) -> Process:
        descriptor = open_log(self.spec.log)
        try:
            self._log_start = os.fstat(descriptor).st_size
            return await self._spawner.spawn(self.spec, descriptor)
        finally:
            os.close(descriptor)

    async def _watch(self, pid: int) -> None:
        """Asks again and again whether the process takes work; often until it does."""
        while True:
            ready = await self._is_ready()
            if not self._stopping.is_set():
                self._notice(ready, pid)
            await self._clock.sleep(_POLL_SECONDS if ready else _STARTING_POLL_SECONDS)

    def _notice(self, ready: bool, pid: int) -> None:
        if ready and self._healthy_since is None:
            self._healthy_since, self.was_healthy = self._clock.monotonic(), True
            self._change(ChildState.HEALTHY, pid)
        elif not ready and self._healthy_since is not None:
            self._healthy_since = None
            self._change(ChildState.UNHEALTHY, pid)

    async def _pause(self, seconds: float) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        await asyncio.wait((stopping, sleeping), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, sleeping):
            task.cancel()
        await asyncio.gather(stopping, sleeping, return_exceptions=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _change(self, state: ChildState, pid: int | None) -> None:
        self.state, self.pid = state, pid
        self._on_change(self)


def open_log(log: Path) -> int:
    """The descriptor of a log to append to; of nothing when it cannot be written: a service without a log is better than none."""
    try:
        rotate(log)
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _PRIVATE)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def rotate(log: Path) -> None:
    """Moves a log that has grown past 10 MiB to ``.1``, that one to ``.2``, and so on; three are kept."""
    if not log.exists() or log.stat().st_size < _LOG_LIMIT:
        return
    for number in range(_LOGS_KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))
