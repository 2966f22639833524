"""The part of the composition that bounds what tenants use."""

from scheduler_svc.clients import SentMessages
from scheduler_svc.ports import Hints, Shards
from scheduler_svc.service.fire_quotas import FireQuotas, WaitingAlarms
from scheduler_svc.service.usage import Usage
from scheduler_svc.store import AlarmQuotas, SqlAlarmCounts, SqlFireQuotas, metadata
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.node import Node
from tocsin.tenants.quotas import QuotaAlerts


class TenantBounds:
    """Alarms that a tenant may have, and fires in a minute."""

    def __init__(self, node: Node, database: Database, clock: Clock) -> None:
        def alarms_of(tenant: str) -> int:
            return node.tenants.book().of(tenant).quotas.alarms

        alerts = QuotaAlerts(node.alerts)
        self._clock = clock
        self._store = SqlFireQuotas(database)
        self.alarms = AlarmQuotas(alarms_of, now=clock.monotonic, alerts=alerts)
        self.fires = FireQuotas(store=self._store, book=node.tenants.book, alerts=alerts, clock=clock)
        self.storage = node.storage_meter(database, metadata, alerts=alerts)
        self.usage = Usage(
            alarms=SqlAlarmCounts(database),
            fires=self.fires,
            messages=SentMessages(mesh=node.mesh),
            stored=self.storage.used,
            book=node.tenants.book,
            clock=clock,
        )

    def waiting(self, shards: Shards, hints: Hints) -> WaitingAlarms:
        """What lets alarms go on that wait for the next minute."""
        return WaitingAlarms(store=self._store, quotas=self.fires, shards=shards, hints=hints, clock=self._clock)
