"""Reports of progress, by events between the replicas of this service."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from processor_svc.domain import TaskProgress
from tocsin.redis import EventBus

_POLL_SECONDS: Final = 0.5
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(TaskProgress)


class EventProgress:
    """Implements `processor_svc.ports.ProgressFeed`."""

    def __init__(self, *, events: EventBus) -> None:
        self._events = events

    def report(self, task_id: str, progress: TaskProgress) -> None:
        """Tells everybody who follows the task."""
        self._events.tell(_topic(task_id), _encoder.encode(progress))

    @asynccontextmanager
    async def follow(self, task_id: str) -> AsyncGenerator[AsyncIterator[TaskProgress | None]]:
        """Reports of a task from now on; None now and then, to look whether the task has changed."""
        async with self._events.subscribe(_topic(task_id), poll_seconds=_POLL_SECONDS) as payloads:
            yield _read(payloads)


async def _read(payloads: AsyncIterator[bytes]) -> AsyncGenerator[TaskProgress | None]:
    async for payload in payloads:
        try:
            yield _decoder.decode(payload) if payload else None
        except (msgspec.MsgspecError, UnicodeError):
            continue  # of another version


def _topic(task_id: str) -> str:
    return f"processor.progress.{task_id}"
