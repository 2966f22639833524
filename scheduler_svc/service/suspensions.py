"""Tenants that may not work: nothing is done for them until they may again, and then everything that waited."""

from collections.abc import Sequence
from typing import Final

from scheduler_svc.ports import Hints
from scheduler_svc.ports.suspensions import SuspensionStore, TenantStops
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

_MOST: Final = 500
_SECONDS: Final = 60.0


class Suspensions:
    """Stops what works by itself for tenants that are stopped, and lets their alarms go on afterwards; a component.

    An alarm of such a tenant is paused when it comes due, so that it stands in nobody's way and says why it does not fire. When the
    tenant may work again, it goes on as one does after an outage: each missed due time gets its row in the ledger, by its catch-up.
    """

    def __init__(self, *, store: SuspensionStore, hints: Hints, stops: Sequence[TenantStops], clock: Clock) -> None:
        """Takes what it stands on; ``stops`` are told who is stopped."""
        self._store = store
        self._hints = hints
        self._stops = stops
        self._clock = clock
        self._stopped: frozenset[str] = frozenset()
        self._wake = Wake(clock)
        self._rounds = Background(clock)

    def follow(self, stopped: frozenset[str]) -> None:
        """These tenants may not work now, and all others may."""
        if stopped != self._stopped:
            self._stopped = stopped
            for each in self._stops:
                each.stop_tenants(stopped)
            self._wake.set()

    async def start(self) -> None:
        """Begins; what an earlier process paused is looked at first."""
        if not self._rounds.running:
            self._rounds.periodic("suspensions", _SECONDS, self.release, wake=self._wake, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._rounds.stop()

    async def release(self) -> None:
        """Lets the alarms go on of every tenant that is stopped no longer."""
        tenant = await self._store.paused_tenant(after="")
        while tenant is not None:
            while tenant not in self._stopped:
                released = await self._store.release(tenant, now=self._clock.micros(), most=_MOST)
                await self._hints.scheduled_all(released)
                report_progress()
                if len(released) < _MOST:
                    _log.info("alarms released after suspension", tenant=tenant)
                    break
            tenant = await self._store.paused_tenant(after=tenant)
