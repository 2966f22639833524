"""Whether a PostgreSQL can hold a service's tables: it is new enough, and takes writes.

A replica, or a server that its operator or a full disk has set read-only, answers every read and would fail each write, late and oddly. It
may become a primary, so that whoever finds it so waits.
"""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.database.errors import DatabaseRefused, DatabaseUnavailable

OLDEST: Final = 13
"""The first one with 64-bit transaction ids (pg_current_xact_id), by which changes are numbered."""

_ASK: Final = (
    "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), pg_is_in_recovery(), "
    "current_setting('default_transaction_read_only') = 'on'"
)
_RETRY_AFTER_SECONDS: Final = 1.0


class DatabaseTooOld(DatabaseRefused):
    """The PostgreSQL server is older than this version needs."""

    reason = DatabaseRefused.reason


class DatabaseReadOnly(DatabaseUnavailable):
    """The PostgreSQL server takes no writes."""

    reason = DatabaseUnavailable.reason


async def require_writable(connection: AsyncConnection) -> None:
    """Asks the server.

    Raises:
        DatabaseTooOld: it is older than `OLDEST`.
        DatabaseReadOnly: it takes no writes now.
    """
    row: Any = (await connection.exec_driver_sql(_ASK)).one()
    number, version, replica, read_only = row
    if number < OLDEST * 10_000:
        raise DatabaseTooOld(f"The server is PostgreSQL {version}; {OLDEST} is the oldest that works.")
    if replica:
        raise DatabaseReadOnly(
            "The PostgreSQL server is a replica and takes no writes (pg_is_in_recovery): name the primary in the database URL.",
            retry_after=_RETRY_AFTER_SECONDS,
        )
    if read_only:
        raise DatabaseReadOnly(
            "The PostgreSQL server takes no writes: default_transaction_read_only is on for this database or role, "
            "as operators and full disks set it.",
            retry_after=_RETRY_AFTER_SECONDS,
        )
