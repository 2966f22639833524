"""The scheduler's tables and queries, on SQLite and PostgreSQL."""

from scheduler_svc.store.alarms import SqlAlarmStore
from scheduler_svc.store.audit import SqlAuditStore
from scheduler_svc.store.due import SqlDueStore
from scheduler_svc.store.forecast import SqlForecastStore
from scheduler_svc.store.housekeeping import SqlHousekeepingStore
from scheduler_svc.store.imports import SqlImportStore
from scheduler_svc.store.inbound_store import SqlSignalStore
from scheduler_svc.store.ledger import SqlLedger
from scheduler_svc.store.lock import DatabaseInUse, ProcessLock
from scheduler_svc.store.outages import SqlOutages
from scheduler_svc.store.replan import SqlReplanStore
from scheduler_svc.store.reports import SqlDeliveryReports
from scheduler_svc.store.session_lock import SessionLock
from scheduler_svc.store.shards import SqlShardStore
from scheduler_svc.store.tables import metadata
from scheduler_svc.store.template_uses import SqlTemplateUses

__all__ = [
    "DatabaseInUse",
    "ProcessLock",
    "SessionLock",
    "SqlAlarmStore",
    "SqlAuditStore",
    "SqlDeliveryReports",
    "SqlDueStore",
    "SqlForecastStore",
    "SqlHousekeepingStore",
    "SqlImportStore",
    "SqlLedger",
    "SqlOutages",
    "SqlReplanStore",
    "SqlShardStore",
    "SqlSignalStore",
    "SqlTemplateUses",
    "metadata",
]
