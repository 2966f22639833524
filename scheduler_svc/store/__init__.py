"""The scheduler's tables and queries, on SQLite and PostgreSQL."""

from scheduler_svc.store.alarms import SqlAlarmStore
from scheduler_svc.store.due import SqlDueStore
from scheduler_svc.store.ledger import SqlLedger
from scheduler_svc.store.lock import DatabaseInUse, ProcessLock
from scheduler_svc.store.pulse import SessionLock
from scheduler_svc.store.shards import SqlShardStore
from scheduler_svc.store.tables import metadata
from scheduler_svc.store.upkeep import SqlUpkeep

__all__ = ["DatabaseInUse", "ProcessLock", "SessionLock", "SqlAlarmStore", "SqlDueStore", "SqlLedger", "SqlShardStore", "SqlUpkeep", "metadata"]
