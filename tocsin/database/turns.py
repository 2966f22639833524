"""Who writes next where one writes at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

_URGENT_AT_ONCE: Final = 4
"""Urgent ones that pass one who waits, one after the other; then it is served, so that a flood of them holds nobody for ever."""


class WriterTurns:
    """A lock whose waiters are served in order, urgent ones first."""

    def __init__(self) -> None:
        """Is free."""
        self._taken = False
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()
        self._passed = 0

    @asynccontextmanager
    async def turn(self, *, urgent: bool = False) -> AsyncGenerator[None]:
        """Waits for a turn, and has it until the context ends."""
        await self._take(self._urgent if urgent else self._others)
        try:
            yield
        finally:
            self._hand_on()

    async def _take(self, queue: deque[asyncio.Future[None]]) -> None:
        if not self._taken:
            self._taken = True
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self._hand_on()  # it was given the turn in the moment in which it was cancelled
            else:
                with suppress(ValueError):
                    queue.remove(waiting)
            raise

    def _hand_on(self) -> None:
        while (waiting := self._next()) is not None:
            if not waiting.done():
                waiting.set_result(None)
                return
        self._taken = False

    def _next(self) -> "asyncio.Future[None] | None":
        if self._urgent and (not self._others or self._passed < _URGENT_AT_ONCE):
            self._passed += bool(self._others)
            return self._urgent.popleft()
        self._passed = 0
        return self._others.popleft() if self._others else None
