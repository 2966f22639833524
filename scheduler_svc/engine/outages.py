"""Keeps account of when pings could be taken, and finishes events whose taker is gone."""

from collections.abc import Awaitable, Callable
from typing import Final

from scheduler_svc.ports import OutageStore, SignalStore
from scheduler_svc.triggers import Outage
from tocsin.background import Background
from tocsin.clock import SECOND, Clock
from tocsin.errors import TocsinError
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_ABANDONED_SECONDS: Final = 10
_STEP: Final = 10


class Outages:
    """Says when the service could take no ping; a component, to be started before the engine.

    While no scheduler runs, or none reaches its database, nobody can take a ping. A heartbeat whose ping was expected in such a time
    is not late for it: it gets a new deadline.
    """

    def __init__(self, *, store: OutageStore, clock: Clock, outage_seconds: float) -> None:
        """Has heard nothing yet.

        Args:
            store: what all replicas know.
            clock: source of time.
            outage_seconds: a silence that is longer counts.
        """
        self._store = store
        self._clock = clock
        self._seconds = outage_seconds / 3
        self._tolerance: Micros = round(outage_seconds * SECOND)
        self._heard: Micros | None = None
        self._outage: Outage | None = None
        self._loops = Background(clock)

    async def start(self) -> None:
        """Finds out for how long nobody was there, and goes on saying that somebody is."""
        if not self._loops.running:
            await self.hear()
            # A round that failed is made again soon: a few of them in a row must not look like an outage.
            self._loops.periodic("outages", self._seconds, self.hear, at_once=False)

    async def stop(self) -> None:
        """Stops its loop; may be called twice."""
        await self._loops.stop()

    @property
    def failing(self) -> dict[str, str]:
        """Loops that do not work, with the reason."""
        return self._loops.failing

    def outage(self) -> Outage | None:
        """The last time in which nobody could take a ping; until now, as long as the store cannot be reached."""
        now = self._clock.micros()
        if self._heard is not None and now - self._heard > self._tolerance:
            return Outage(self._heard, now)
        return self._outage

    async def hear(self) -> None:
        """One round."""
        now = self._clock.micros()
        self._outage = await self._store.hear(now=now, tolerance=self._tolerance)
        self._heard = now


class Finisher:
    """Finishes events that fired more alarms than one transaction may, and whose taker is gone; a component."""

    def __init__(self, *, events: SignalStore, finish: Callable[[str], Awaitable[int]], clock: Clock) -> None:
        """Makes it.

        Args:
            events: finds them.
            finish: finishes one, by its entry in the log.
            clock: source of time.
        """
        self._events = events
        self._finish = finish
        self._clock = clock
        self._told: set[str] = set()
        self._loops = Background(clock)

    async def start(self) -> None:
        """Begins to look for them."""
        if not self._loops.running:
            self._loops.periodic("finish", _ABANDONED_SECONDS, self.round, at_once=False)

    async def stop(self) -> None:
        """Stops its loop; may be called twice."""
        await self._loops.stop()

    async def round(self) -> None:
        """Finishes what there is; one that cannot be is told of once, and ends no round."""
        for log in await self._events.unfinished(before=self._clock.micros() - _ABANDONED_SECONDS * SECOND, most=_STEP):
            try:
                await self._finish(log)
            except TocsinError:
                raise
            except Exception as error:  # noqa: BLE001  whatever somebody stored
                if log not in self._told:  # it comes again in each round, and holds up none of those behind it
                    _log.error("what waits for an event cannot be fired", entry=log, exc_info=error)
                self._told = {*self._told, log} if len(self._told) < _STEP else {log}
