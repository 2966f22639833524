"""Removing what was kept long enough."""

import asyncio
import logging
from dataclasses import dataclass

from mailer_svc.ports import Cleaner
from tocsin.clock import Clock
from tocsin.errors import TocsinError

_log = logging.getLogger(__name__)
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept and how often the old ones are looked for; in seconds."""

    inbox: float
    deliveries: float
    interval: float


class Housekeeping:
    """Cleans up now and then; a component."""

    def __init__(self, *, cleaner: Cleaner, clock: Clock, retention: Retention) -> None:
        self._cleaner = cleaner
        self._clock = clock
        self._retention = retention
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to clean up."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """Stops cleaning up."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def clean(self) -> int:
        """Removes everything that is too old now, a little at a time so that nobody waits for it. Returns how much it was."""
        now = self._clock.micros()
        total = 0
        while removed := await self._cleaner.clean(
            inbox_before=now - round(self._retention.inbox * 1e6),
            deliveries_before=now - round(self._retention.deliveries * 1e6),
            limit=_BATCH,
        ):
            total += removed
            await asyncio.sleep(0)
        return total

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._retention.interval)
            try:
                removed = await self.clean()
            except TocsinError as error:
                _log.warning("not cleaned up", extra={"error": error.message})
            else:
                _log.info("cleaned up", extra={"removed": removed})
