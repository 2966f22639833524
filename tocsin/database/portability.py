"""What a service does without on an engine that speaks PostgreSQL's protocol and lacks some of its features (docs/portability.md)."""

from typing import Final

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.config.features import DatabaseFeature
from tocsin.database.in_thread import DriverConnection

LOCK_TABLE: Final = "tocsin_migration_lock"
"""Has one row, which who migrates locks where advisory locks exclude nobody."""
_WITHOUT: Final = "tocsin_without"


def options(without: frozenset[DatabaseFeature]) -> dict[str, frozenset[DatabaseFeature]]:
    """Execution options of an engine whose connections `lack` these features."""
    return {_WITHOUT: without}


def lacks(connection: AsyncConnection | Connection | DriverConnection, feature: DatabaseFeature) -> bool:
    """Whether the connection's database is used without a feature."""
    known = connection.sync_connection if isinstance(connection, AsyncConnection) else connection
    return isinstance(known, Connection) and feature in known.get_execution_options().get(_WITHOUT, ())
