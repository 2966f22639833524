"""One package of handlers and its child processes.

Async handlers share a child. A synchronous one has a child to itself while it runs, so that it can be killed alone when it hangs. When a
child dies with several handlers in it, the cause is unknown: each of these suspects runs once more, alone. Only the one that ends its
child again has failed.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

from processor_svc.domain import JobFailed, JobResult, JobSucceeded, Json
from processor_svc.hosting.process import HandlerProcess, HandlerProcessDied, HandlerTimedOut, OnProgress, PackageNotLoaded
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.telemetry import get_logger

_CHECK_SECONDS: Final = 0.8
_RETRY_LOAD_SECONDS: Final = 60.0
_log = get_logger(__name__)


class PackageState(StrEnum):
    """State of a package."""

    LOADING = "LOADING"
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedHandler:
    """A handler of a package, from the catalogue of its child."""

    name: str
    description: str
    timeout_seconds: float
    is_async: bool
    input_schema: dict[str, Json]


class Slots:
    """Limits the children that run one handler at a time; ``reserve`` of them are for critical jobs only."""

    def __init__(self, *, processes: int, reserve: int) -> None:
        self.size = processes + reserve
        self.busy = 0
        self.waiting = 0
        self._free = {False: asyncio.Semaphore(processes), True: asyncio.Semaphore(reserve)}

    async def take(self, *, critical: bool) -> None:
        """Waits for a slot."""
        self.waiting += 1
        try:
            await self._free[critical].acquire()
        finally:
            self.waiting -= 1
        self.busy += 1

    def give(self, *, critical: bool) -> None:
        """Releases a slot."""
        self.busy -= 1
        self._free[critical].release()


class Package:
    """A package of handlers."""

    def __init__(self, *, name: str, value: str, slots: Slots, load_seconds: float, clock: Clock) -> None:
        """Starts nothing.

        Args:
            name: name of its entry point.
            value: the module, as the entry point names it.
            slots: for handlers that run alone; shared by all packages.
            load_seconds: limit for loading it.
            clock: paces further tries to load it.
        """
        self.name = name
        self.value = value
        self.state = PackageState.LOADING
        self.error = ""
        self.handlers: dict[str, HostedHandler] = {}
        self.deaths = 0
        self._slots = slots
        self._load_seconds = load_seconds
        self._clock = clock
        self._shared: HandlerProcess | None = None
        self._idle: list[HandlerProcess] = []
        self._processes: set[HandlerProcess] = set()
        self._turn = asyncio.Lock()
        self._background = Background(clock)
        self._loading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts to load it; retries every minute until it loads."""
        if self._loading is None:
            self._loading = self._background.once("package", self._load)

    async def stop(self) -> None:
        """Ends its processes."""
        loading, self._loading = self._loading, None
        if loading is not None:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
        await asyncio.gather(*(process.kill() for process in tuple(self._processes)))
        self._processes.clear()
        self._idle.clear()
        self._shared = None

    async def check(self, handler: str, arguments: dict[str, Json]) -> list[tuple[str, str]] | None:
        """What is wrong with an input, as fields and reasons; None if the child does not answer now."""
        try:
            process = await self._for_many()
            return await process.check({"handler": handler, "input": arguments}, seconds=_CHECK_SECONDS)
        except (PackageNotLoaded, TimeoutError, HandlerProcessDied):
            return None

    async def run(
        self, handler: HostedHandler, what: dict[str, Any], *, critical: bool, on_progress: OnProgress | None = None
    ) -> JobResult:
        """Runs a handler once; raises nothing but `asyncio.CancelledError`."""
        try:
            if handler.is_async:
                try:
                    return await self._attempt(await self._for_many(), handler, what, on_progress)
                except HandlerProcessDied as death:
                    self.deaths += 1
                    if death.alone:
                        return _end_of(death, handler)
                    _log.warning("a suspect runs alone", handler=handler.name, firing=what["context"]["firing"], error=f"{death}")
            return await self._alone(handler, what, on_progress, critical=critical)
        except PackageNotLoaded as error:
            return JobFailed(reason="HANDLER_NOT_LOADED", message=f"{self.name}: {error}", retryable=True)

    async def _alone(self, handler: HostedHandler, what: dict[str, Any], on_progress: OnProgress | None, *, critical: bool) -> JobResult:
        await self._slots.take(critical=critical)
        process: HandlerProcess | None = None
        try:
            process = await self._for_one()
            return await self._attempt(process, handler, what, on_progress)
        except HandlerProcessDied as death:
            self.deaths += 1
            return _end_of(death, handler)
        finally:
            self._slots.give(critical=critical)
            if process is not None:
                self._release(process)

    async def _attempt(
        self, process: HandlerProcess, handler: HostedHandler, what: dict[str, Any], on_progress: OnProgress | None
    ) -> JobResult:
        try:
            answer = await process.run(what, seconds=handler.timeout_seconds, cancellable=handler.is_async, on_progress=on_progress)
        except HandlerTimedOut:
            return _late(handler)
        output: Any = answer.get("output")
        if isinstance(output, dict):
            return JobSucceeded(cast("dict[str, Json]", output))
        failed: dict[str, Any] = answer.get("failed") or {}
        return JobFailed(
            reason=str(failed.get("reason") or "HANDLER_FAILED"),
            message=str(failed.get("message") or ""),
            retryable=bool(failed.get("retryable", True)),
            retry_after=failed.get("retry_after"),
        )

    async def _for_many(self) -> HandlerProcess:
        """The child that async handlers share."""
        async with self._turn:
            if self._shared is None or not self._shared.alive:
                self._shared = await self._spawn()
            return self._shared

    async def _for_one(self) -> HandlerProcess:
        """An idle child."""
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
        return await self._spawn()

    def _release(self, process: HandlerProcess) -> None:
        if process.alive and not process.running:
            self._idle.append(process)

    async def _spawn(self) -> HandlerProcess:
        self._processes = {process for process in self._processes if process.alive}
        process = await HandlerProcess.start(self.name, self.value, seconds=self._load_seconds)
        self._processes.add(process)
        return process

    async def _load(self) -> None:
        while True:
            try:
                process = await self._for_many()
                self.handlers = {each.name: each for each in (HostedHandler(**item) for item in process.catalogue)}
            except (PackageNotLoaded, OSError, TypeError) as error:
                self.state, self.error = PackageState.FAILED, f"{error}"[:500]
                _log.error("a package of handlers did not load", package=self.name, module=self.value, error=self.error)
                await self._clock.sleep(_RETRY_LOAD_SECONDS)
            else:
                self.state, self.error = PackageState.READY, ""
                return


def _end_of(death: HandlerProcessDied, handler: HostedHandler) -> JobFailed:
    if death.late:
        return _late(handler)
    return JobFailed(reason="HANDLER_CRASHED", message=f"{handler.name}: {death}", retryable=True)


def _late(handler: HostedHandler) -> JobFailed:
    return JobFailed(reason="HANDLER_TIMEOUT", message=f"{handler.name} took more than {handler.timeout_seconds:g} s", retryable=True)
