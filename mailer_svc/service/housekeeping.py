"""Housekeeping: remove what is too old, end what waited too long."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from mailer_svc.ports import DeliveryEndings, DeliveryHousekeepingStore
from tocsin.archive.archiver import Archiver
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import Aborted, Unavailable
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept, how long a delivery may wait, and how often the old ones are looked for; in seconds."""

    inbox: float
    deliveries: float
    rotations: float
    waiting: float
    interval: float


class DeliveryHousekeeper:
    """Removes old messages and deliveries at intervals; a component."""

    def __init__(
        self,
        *,
        store: DeliveryHousekeepingStore,
        endings: DeliveryEndings,
        channels: Sequence[str],
        clock: Clock,
        retention: Retention,
        archiver: Archiver | None = None,
    ) -> None:
        """Takes what it stands on.

        Args:
            store: what is removed.
            endings: ends what waits too long.
            channels: those that have a sender here, who ends what waits too long.
            clock: source of time.
            retention: how long things are kept.
            archiver: moves finished deliveries elsewhere that otherwise would be removed.
        """
        self._archiver = archiver
        self._store = store
        self._endings = endings
        self._channels = channels
        self._clock = clock
        self._retention = retention
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins to clean up.

        Raises:
            ArchiveNotPossible: what writes the archive is not installed.
        """
        if not self._rounds.running:
            if self._archiver is not None:
                self._archiver.require()
            self._rounds.periodic("housekeeping", self._retention.interval, self.round, at_once=False, vital=False)

    async def stop(self) -> None:
        """Stops cleaning up."""
        await self._rounds.stop()

    async def clean(self) -> int:
        """Removes everything that is too old now, a little at a time so that nobody waits for it. Returns how much it was."""
        now = self._clock.micros()
        total = 0
        while removed := await self._store.clean(
            inbox_before=now - round(self._retention.inbox * 1e6),
            deliveries_before=now - round(self._retention.deliveries * 1e6),
            limit=_BATCH,
            archived=self._archiver is not None,
        ):
            total += removed
            await asyncio.sleep(0)
        while removed := await self._store.clean_rotations(before=now - round(self._retention.rotations * 1e6), limit=_BATCH):
            total += removed
            await asyncio.sleep(0)
        return total

    async def expire(self) -> int:
        """End deliveries that waited too long for a sender of a channel that nobody has any more. Returns how many."""
        now = self._clock.micros()
        before, total = now - round(self._retention.waiting * 1e6), 0
        while ended := await self._endings.expire_unclaimed(channels=self._channels, before=before, now=now, limit=_BATCH):
            total += ended
        return total

    async def round(self) -> None:
        """One round. What cannot be archived holds up nothing else, and is tried again in the next one."""
        _log.info("cleaned up", expired=await self.expire(), removed=await self.clean())
        if self._archiver is None:
            return
        try:
            await self._archiver.round(before=self._clock.micros() - round(self._retention.deliveries * 1e6))
        except (Aborted, Unavailable) as error:
            _log.warning("housekeeping interrupted", error=error.message)
