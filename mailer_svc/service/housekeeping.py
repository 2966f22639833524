"""Removing what was kept long enough."""

import asyncio
import logging
from dataclasses import dataclass

from mailer_svc.ports import Cleaner
from tocsin.background import Background
from tocsin.clock import Clock

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
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins to clean up."""
        if not self._rounds.running:
            self._rounds.periodic("housekeeping", self._retention.interval, self._round, at_once=False, vital=False)

    async def stop(self) -> None:
        """Stops cleaning up."""
        await self._rounds.stop()

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

    async def _round(self) -> None:
        _log.info("cleaned up", extra={"removed": await self.clean()})
