"""What shows the other replicas that this process lives."""

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.store import SessionLock
from tocsin.clock import Clock
from tocsin.database import ConnectionLimits, Database


def liveness(settings: SchedulerSettings, owner: str, clock: Clock, server: Database) -> SessionLock:
    """The lock of this start, on a connection of its own; ``server`` is the same database as everybody uses it."""
    database = Database(
        url=settings.resolved_database_url,
        clock=clock,
        schema=settings.resolved_database_schema,
        limits=ConnectionLimits(pool_size=1, connect_timeout=settings.database_connect_timeout_seconds),
        without=settings.database_without,
    )
    return SessionLock(database=database, excludes=lambda: server.advisory_locks, owner=owner)
