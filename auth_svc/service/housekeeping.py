"""Deletes what time has made useless."""

import asyncio
import contextlib
from datetime import timedelta

from auth_svc.ports import SessionStore
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)


class Housekeeper:
    """Deletes sessions that ended, at the start and then every ``interval``."""

    def __init__(self, *, store: SessionStore, clock: Clock, interval: timedelta = timedelta(hours=1)) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="auth-housekeeping")

    async def stop(self) -> None:
        """Ends."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        while True:
            try:
                ended = await self._store.purge(self._clock.now())
                _log.debug("sessions purged", sessions=ended)
            except TocsinError as error:
                _log.warning("sessions cannot be purged", error=error.message)
            await self._clock.sleep(self._interval.total_seconds())
