"""How many alarms a tenant may have: counted in the transaction that makes them, so that replicas together never make one too many.

A tenant with a quota has a row in ``tenant_counts``, which creates lock. Tenants without one cost nothing. A process counts the alarms
themselves when it first meets the quota and then once a minute, because nobody keeps the row while there is no quota.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from scheduler_svc.domain import Alarm
from scheduler_svc.store.sql import both
from tocsin.database import Database, DriverConnection
from tocsin.errors import QuotaExceeded
from tocsin.tenants.quotas import QuotaAlerts

Item = TypeVar("Item")

_NAME: Final = "alarms"
_COUNT_AGAIN_SECONDS: Final = 60.0
_LOCK: Final = both(
    f"INSERT INTO tenant_counts (tenant, name, value) VALUES ($1, '{_NAME}', -1) "
    "ON CONFLICT (tenant, name) DO UPDATE SET value = tenant_counts.value RETURNING value"
)
_COUNT: Final = both("SELECT count(*) FROM alarms WHERE tenant = $1")
_SET: Final = both(f"UPDATE tenant_counts SET value = $2 WHERE tenant = $1 AND name = '{_NAME}'")
_LESS: Final = both(
    f"UPDATE tenant_counts SET value = CASE WHEN value > $2 THEN value - $2 ELSE 0 END WHERE tenant = $1 AND name = '{_NAME}' AND value > 0"
)


class AlarmsAdmitted(NamedTuple):
    """How many alarms of its quota a tenant had, and has now."""

    tenant: str
    before: int
    after: int
    quota: int


class AlarmQuotas:
    """The quotas of all tenants, as one process knows them."""

    def __init__(self, quota: Callable[[str], int], *, now: Callable[[], float], alerts: QuotaAlerts | None = None) -> None:
        """Takes how many alarms a tenant may have, 0 for any number, what measures seconds, and who is told that there is no more room."""
        self._alerts = alerts
        self._quota = quota
        self._now = now
        self._counted: dict[str, float] = {}

    async def admit(
        self, connection: DriverConnection, wanted: Iterable[Item], alarm_of: Callable[[Item], Alarm], *, uses: list[AlarmsAdmitted]
    ) -> dict[str, QuotaExceeded]:
        """The new alarms that are too many, by id; the others count from now on, and nobody else makes any until the transaction ends.

        Args:
            connection: in a transaction.
            wanted: what is to be made.
            alarm_of: the alarm of each.
            uses: gets what is to be told when the transaction is committed; see `tell`.
        """
        refused: dict[str, QuotaExceeded] = {}
        by_tenant: dict[str, list[str]] = {}
        for item in wanted:
            alarm = alarm_of(item)
            by_tenant.setdefault(alarm.tenant, []).append(alarm.id)
        for tenant in sorted(by_tenant):
            if not (quota := self._quota(tenant)):
                self._counted.pop(tenant, None)
                continue
            used = await self._used(connection, tenant)
            room = max(0, quota - used)
            refused |= dict.fromkeys(by_tenant[tenant][room:], QuotaExceeded.of("alarms", limit=quota, used=used))
            more = min(room, len(by_tenant[tenant]))
            await _SET.run(connection, tenant, used + more)
            uses.append(AlarmsAdmitted(tenant, used, used + more, quota))
        return refused

    def tell(self, uses: Iterable[AlarmsAdmitted]) -> None:
        """Tells whom it concerns that a quota is nearly used up, or used up."""
        if self._alerts is None:
            return
        for use in uses:
            self._alerts.used(_NAME, use.tenant, before=use.before, after=use.after, limit=use.quota)

    async def _used(self, connection: DriverConnection, tenant: str) -> int:
        """How many there are; the row is locked."""
        value = int((await _LOCK.rows(connection, tenant))[0][0])
        now = self._now()
        if value < 0 or now - self._counted.get(tenant, float("-inf")) >= _COUNT_AGAIN_SECONDS:
            value = int((await _COUNT.rows(connection, tenant))[0][0])
            self._counted[tenant] = now
        return value


async def give_back(connection: DriverConnection, alarms: Iterable[Alarm]) -> None:
    """Counts alarms that were admitted, and not made after all, or that are deleted, no more."""
    for tenant, count in sorted(Counter(alarm.tenant for alarm in alarms).items()):
        await fewer(connection, tenant, count)


async def fewer(connection: DriverConnection, tenant: str, count: int) -> None:
    """Counts so many alarms of the tenant less, if anybody counts."""
    await _LESS.run(connection, tenant, count)


class SqlAlarmCounts:
    """Implements `scheduler_svc.ports.usage.AlarmCounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def alarms(self, tenant: str) -> int:
        async with self._database.read() as connection:
            return int((await _COUNT.rows(connection, tenant))[0][0])
