"""The scheduler's tables and queries, on SQLite and PostgreSQL."""

from scheduler_svc.store.alarms import SqlAlarmStore, SqlTemplateUses
from scheduler_svc.store.calendars import SqlCalendarStore
from scheduler_svc.store.due import SqlDueStore
from scheduler_svc.store.escalation_policies import SqlEscalationPolicyStore
from scheduler_svc.store.events import EventStore
from scheduler_svc.store.fire_quotas import SqlFireQuotas
from scheduler_svc.store.forecast import SqlForecastStore
from scheduler_svc.store.history import SqlAuditStore
from scheduler_svc.store.housekeeping import SqlHousekeepingStore
from scheduler_svc.store.imports import SqlImportStore
from scheduler_svc.store.incident_history import SqlIncidentAuditStore
from scheduler_svc.store.incident_pages import SqlIncidentStore
from scheduler_svc.store.incident_rules import SqlIncidentRuleStore
from scheduler_svc.store.integrations import SqlIntegrationStore
from scheduler_svc.store.ledger import SqlLedger
from scheduler_svc.store.locks import DatabaseInUse, ProcessLock, SessionLock
from scheduler_svc.store.ping_log import SqlPingLog
from scheduler_svc.store.pings import PingStore, SqlOutages
from scheduler_svc.store.quotas import AlarmQuotas, SqlAlarmCounts
from scheduler_svc.store.readings import ReadingStore
from scheduler_svc.store.replan import SqlReplanStore
from scheduler_svc.store.reports import SqlDeliveryReports
from scheduler_svc.store.row_owners import OWNERS, tenant_rows
from scheduler_svc.store.shards import SqlShardStore
from scheduler_svc.store.signals import InboundLog
from scheduler_svc.store.silences import SqlSilenceStore
from scheduler_svc.store.standings import SqlPingKeyStore, SqlStandingStore, SqlStatusPageStore
from scheduler_svc.store.tables import metadata

__all__ = [
    "OWNERS",
    "AlarmQuotas",
    "DatabaseInUse",
    "ProcessLock",
    "SessionLock",
    "SqlAlarmCounts",
    "SqlAlarmStore",
    "SqlAuditStore",
    "SqlCalendarStore",
    "SqlDeliveryReports",
    "SqlDueStore",
    "SqlEscalationPolicyStore",
    "SqlFireQuotas",
    "SqlForecastStore",
    "SqlHousekeepingStore",
    "SqlImportStore",
    "SqlIncidentAuditStore",
    "SqlIncidentRuleStore",
    "SqlIncidentStore",
    "SqlIntegrationStore",
    "SqlLedger",
    "SqlOutages",
    "SqlPingKeyStore",
    "SqlPingLog",
    "SqlReplanStore",
    "SqlShardStore",
    "SqlSignalStore",
    "SqlSilenceStore",
    "SqlStandingStore",
    "SqlStatusPageStore",
    "SqlTemplateUses",
    "metadata",
    "tenant_rows",
]


class SqlSignalStore(EventStore, ReadingStore, PingStore, InboundLog):
    """What comes from outside: events, readings and pings, and the log of them: implements `scheduler_svc.ports.SignalStore`."""
