"""Deletes what time has made useless."""

from datetime import timedelta

from auth_svc.ports import SessionStore
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.telemetry import get_logger

_log = get_logger(__name__)


class SessionHousekeeper:
    """Deletes sessions that ended, at the start and then every ``interval``."""

    def __init__(self, *, store: SessionStore, clock: Clock, interval: timedelta = timedelta(hours=1)) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins."""
        if not self._rounds.running:
            self._rounds.periodic("housekeeping", self._interval.total_seconds(), self._purge, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._rounds.stop()

    async def _purge(self) -> None:
        _log.debug("sessions purged", sessions=await self._store.purge(self._clock.now()))
