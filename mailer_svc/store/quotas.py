"""How many messages a tenant may send in a day: counted in the transaction that lets them go, exact over replicas and kills.

A tenant with a quota has a row that these transactions lock; one without costs nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import DeliveryState, GateRuling, NewDelivery, over_quota
from mailer_svc.store.tables import quota_periods
from tocsin.clock import DAY
from tocsin.database import Database
from tocsin.tenants import TenantBook
from tocsin.tenants.quotas import QuotaAlerts

MESSAGES_PER_DAY: Final = "messages_per_day"
"""The quota."""
_INSTALLATION: Final = "installation"


class MessageQuotas:
    """The quotas of all tenants. What tells people of an incident, and mails of the installation about accounts, have none."""

    def __init__(self, book: Callable[[], TenantBook], *, alerts: QuotaAlerts) -> None:
        """Takes who knows the quotas, and who is told of their end."""
        self._book = book
        self._alerts = alerts

    def limit(self, tenant: str) -> int:
        """How many messages a tenant may send in a day; 0: any number."""
        return 0 if tenant == _INSTALLATION else self._book().of(tenant).quotas.messages_per_day

    def bound(self, items: Collection[NewDelivery]) -> bool:
        """Whether any of the messages counts."""
        return MESSAGES_PER_DAY in self._book().bounded and any(self._counts(item) for item in items)

    def _counts(self, item: NewDelivery) -> bool:
        return item.ruling.state is DeliveryState.ACCEPTED and not item.unbounded and self.limit(item.tenant) > 0

    async def rule(
        self, connection: AsyncConnection, items: Sequence[NewDelivery], *, now: int, again: Collection[str] = ()
    ) -> Mapping[str, GateRuling]:
        """What becomes of messages that are to go and are too many, by id; ``again``: those that have waited for a day already."""
        by_tenant: defaultdict[str, list[NewDelivery]] = defaultdict(list)
        for item in items:
            if self._counts(item):
                by_tenant[item.tenant].append(item)
        day = now // DAY
        rulings: dict[str, GateRuling] = {}
        for tenant, wanted in sorted(by_tenant.items()):
            limit = self.limit(tenant)
            spent = await quota_periods.spend(connection, tenant, MESSAGES_PER_DAY, period=day, wanted=len(wanted), limit=limit)
            self._alerts.used(MESSAGES_PER_DAY, tenant, before=spent.before, after=spent.after, limit=limit)
            for item in wanted[spent.granted :]:
                rulings[item.id] = over_quota(limit, next_day=(day + 1) * DAY, again=item.id in again)
        return rulings


class SqlMessageUsage:
    """Implements `mailer_svc.ports.quotas.MessageUsage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def used(self, tenant: str, *, now: int) -> int:
        """How many a tenant has sent, or is about to, on the day of ``now``."""
        async with self._database.read() as connection:
            return await quota_periods.used(connection, tenant, MESSAGES_PER_DAY, period=now // DAY)
