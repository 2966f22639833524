"""Loops that run beside the calls: waiting on the injected clock, and going on after a failure."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

import structlog

from tocsin.clock import Clock
from tocsin.errors import TocsinError

_PAUSE_SECONDS = 0.5


class Wake:
    """A bell that a loop waits for, or for some time to pass."""

    __slots__ = ("_clock", "_event")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()

    def set(self) -> None:
        """Rings; one that waits later hears it, too."""
        self._event.set()

    async def wait(self, seconds: float | None) -> None:
        """Returns when it rings, or after ``seconds`` of the clock; None: only when it rings."""
        if self._event.is_set() or (seconds is not None and seconds <= 0):
            await asyncio.sleep(0)
        elif seconds is None:
            await self._event.wait()
        else:
            await self._first(seconds)
        self._event.clear()

    async def _first(self, seconds: float) -> None:
        tasks = [asyncio.ensure_future(self._event.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


class Background:
    """The loops of one component. A loop that fails is logged and begun again after a short pause."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self.failing: dict[str, str] = {}
        """What went wrong with a loop that has not worked since, by its name."""

    @property
    def running(self) -> bool:
        """Whether the loops were started."""
        return bool(self._tasks)

    def start(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Runs ``loop`` until `stop`; it inherits no call's context."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._keep(name, loop), name=name, context=Context()))

    def worked(self, name: str) -> None:
        """Says that a loop got through its work."""
        self.failing.pop(name, None)

    async def stop(self) -> None:
        """Ends all loops; may be called twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _keep(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        log = structlog.get_logger(__name__)
        while True:
            try:
                await loop()
            except TocsinError as error:
                self.failing[name] = error.message
                log.warning("loop interrupted", loop=name, error=error.message)
            except Exception as error:
                self.failing[name] = type(error).__name__
                log.error("loop failed", loop=name, exc_info=error)
            await self._clock.sleep(_PAUSE_SECONDS)
