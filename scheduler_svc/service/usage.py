"""What a tenant uses of its quotas."""

from collections.abc import Callable, Sequence

from scheduler_svc.domain.fire_quotas import FIRES_PER_MINUTE
from scheduler_svc.ports.usage import AlarmCounts, QuotaUse
from scheduler_svc.service.fire_quotas import FireQuotas
from tocsin.clock import MINUTE, Clock
from tocsin.tenants import TenantBook


class Usage:
    """Asks everybody who counts."""

    def __init__(self, *, alarms: AlarmCounts, fires: FireQuotas, book: Callable[[], TenantBook], clock: Clock) -> None:
        self._alarms = alarms
        self._fires = fires
        self._book = book
        self._clock = clock

    async def of(self, tenant: str) -> Sequence[QuotaUse]:
        """What a tenant uses of each quota."""
        quotas = self._book().of(tenant).quotas
        next_minute = (self._clock.micros() // MINUTE + 1) * MINUTE
        return (
            QuotaUse("alarms", await self._alarms.alarms(tenant), quotas.alarms),
            QuotaUse(FIRES_PER_MINUTE, await self._fires.used(tenant), quotas.fires_per_minute, next_minute),
        )
