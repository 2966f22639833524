"""What a tenant uses of its quotas."""

from collections.abc import Callable, Sequence
from typing import Final

from scheduler_svc.domain.fire_quotas import FIRES_PER_MINUTE
from scheduler_svc.ports.usage import AlarmCounts, MessageCounts, QuotaUse
from scheduler_svc.service.fire_quotas import FireQuotas
from tocsin.clock import DAY, MINUTE, Clock
from tocsin.errors import TocsinError
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger
from tocsin.tenants import TenantBook

_log = get_logger(__name__)

MESSAGES_PER_DAY: Final = "messages_per_day"


class Usage:
    """Asks everybody who counts."""

    def __init__(
        self,
        *,
        alarms: AlarmCounts,
        fires: FireQuotas,
        messages: MessageCounts,
        stored: Callable[[str], int],
        book: Callable[[], TenantBook],
        clock: Clock,
    ) -> None:
        self._alarms = alarms
        self._fires = fires
        self._messages = messages
        self._stored = stored
        self._book = book
        self._clock = clock

    async def of(self, tenant: str) -> Sequence[QuotaUse]:
        """What a tenant uses of each quota; what nobody can say now is left out."""
        quotas = self._book().of(tenant).quotas
        found = [
            QuotaUse("alarms", await self._alarms.alarms(tenant), quotas.alarms),
            QuotaUse(FIRES_PER_MINUTE, await self._fires.used(tenant), quotas.fires_per_minute, self._next(MINUTE)),
        ]
        try:
            messages = await self._messages.messages(tenant)
        except TocsinError as error:
            _log.warning("usage without messages", error=error.message)
        else:
            found.append(QuotaUse(MESSAGES_PER_DAY, messages, quotas.messages_per_day, self._next(DAY)))
        if quotas.storage_bytes:  # it is counted for those alone
            found.append(QuotaUse("storage_bytes", self._stored(tenant), quotas.storage_bytes))
        return found

    def _next(self, period: Micros) -> Micros:
        return (self._clock.micros() // period + 1) * period
