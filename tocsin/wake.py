"""An event that background tasks wait for, with a timeout on the injected clock."""

import asyncio

from tocsin.clock import Clock


class Wake:
    """An event that a task waits for, with a timeout on the injected clock. Waiting clears it."""

    __slots__ = ("_clock", "_event")

    def __init__(self, clock: Clock) -> None:
        self._clock, self._event = clock, asyncio.Event()

    def set(self) -> None:
        """Wakes the waiting task, or the next one to wait."""
        self._event.set()

    async def wait(self, seconds: float | None) -> None:
        """Returns when it is set, or after ``seconds``; None waits without a timeout."""
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
