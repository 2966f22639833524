"""Writes the messages of a stream, and gives a reader up that takes none for too long."""

import asyncio
from collections.abc import AsyncIterable
from typing import Any, Final, Self

from tocsin.errors import ResourceExhausted
from tocsin.mesh.server.call_facts import Context

_NOT_WRITING: Final = float("inf")


class ReaderTooSlow(ResourceExhausted):
    """The reader of the stream is too slow."""


class StreamWriter:
    """Writes to one stream, from the task that enters it; a message waits while the reader takes none, for so many seconds at most.

    One timer is behind all messages: one for each would cost more than the message.
    """

    __slots__ = ("_begun", "_bound", "_context", "_loop", "_seconds", "_timer")

    def __init__(self, context: Context, *, stall_seconds: float | None) -> None:
        """Takes the call; ``stall_seconds`` is None for a reader that is waited for without end."""
        self._context = context
        self._seconds = stall_seconds
        self._loop = asyncio.get_running_loop()
        self._bound = asyncio.timeout(None)
        self._begun = _NOT_WRITING
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._bound.__aenter__()
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool | None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        try:
            return await self._bound.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise ReaderTooSlow(f"The reader has read nothing for {self._seconds:g} s.") from None

    async def write(self, message: Any) -> None:
        """Writes a message. When the reader takes nothing for too long, the task is cancelled, and leaving the writer says why.

        Raises:
            ReaderTooSlow: when the writer is left.
        """
        seconds = self._seconds
        if seconds is None:
            await self._context.write(message)
            return
        self._begun = now = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_at(now + seconds, self._look, seconds)
        try:
            await self._context.write(message)
        finally:
            self._begun = _NOT_WRITING

    def _look(self, seconds: float) -> None:
        due = self._begun + seconds
        if due <= self._loop.time():
            self._timer = None
            self._bound.reschedule(self._loop.time())
        elif due == _NOT_WRITING:
            self._timer = None  # the next message sets it again: a quiet stream costs nothing
        else:
            self._timer = self._loop.call_at(due, self._look, seconds)


async def write_all(messages: AsyncIterable[Any], context: Context, *, stall_seconds: float | None) -> None:
    """Writes what comes, until the end of it.

    Raises:
        ReaderTooSlow: the reader took nothing for ``stall_seconds``; never when that is None.
    """
    async with StreamWriter(context, stall_seconds=stall_seconds) as writer:
        write = writer.write
        async for message in messages:
            await write(message)
