"""Keeps the forecast true to what changes: passes hints on, and tells it whose alarms they are about."""

from collections.abc import Sequence

from scheduler_svc.domain import Alarm, Firing
from scheduler_svc.ports import AlarmHead, Hints, Moved
from scheduler_svc.service.forecast import Forecasts


class ForecastInvalidator:
    """Hints that the forecast hears of, too; see `scheduler_svc.ports.Hints`."""

    def __init__(self, *, hints: Hints, forecasts: Forecasts) -> None:
        self._hints = hints
        self._forecasts = forecasts

    async def scheduled(self, alarm: Alarm) -> None:
        """Forgets the tenant's forecast, and passes the hint on."""
        self._forecasts.changed(alarm.tenant)
        await self._hints.scheduled(alarm)

    async def scheduled_all(self, alarms: Sequence[Alarm]) -> None:
        """Forgets the forecasts of their tenants, and passes the hint on."""
        for tenant in {alarm.tenant for alarm in alarms}:
            self._forecasts.changed(tenant)
        await self._hints.scheduled_all(alarms)

    async def removed(self, alarm: Alarm) -> None:
        """Forgets the tenant's forecast, and passes the hint on."""
        self._forecasts.changed(alarm.tenant)
        await self._hints.removed(alarm)

    async def removed_all(self, tenant: str, alarms: Sequence[AlarmHead]) -> None:
        """Forgets the tenant's forecast, and passes the hint on."""
        self._forecasts.changed(tenant)
        await self._hints.removed_all(tenant, alarms)

    async def moved_all(self, tenant: str, alarms: Sequence[Moved]) -> None:
        """Forgets the tenant's forecast, and passes the hint on."""
        self._forecasts.changed(tenant)
        await self._hints.moved_all(tenant, alarms)

    async def cancelled(self, firing: Firing) -> None:
        """Passes it on."""
        await self._hints.cancelled(firing)

    async def enqueued(self, firing: Firing) -> None:
        """Passes the hint on: a firing that is in the ledger is in no forecast."""
        await self._hints.enqueued(firing)

    async def caused(self, firings: Sequence[Firing], moved: Sequence[Moved]) -> None:
        """Passes the hint on: signals are in no forecast."""
        await self._hints.caused(firings, moved)
