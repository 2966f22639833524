"""Tries whether an engine means what PostgreSQL means by what it answers.

Whether an advisory lock excludes anybody, and whether a snapshot tells which transactions still run, is tried at each start with two
connections: an engine may know the words and mean nothing by them.
"""

from typing import Any, Final

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.database.engine import connect
from tocsin.database.errors import DatabaseRefused

# Any number will do, as long as no lock of ours has it: those are hashes of names.
_PROBE_KEY: Final = 7_160_233_181
_TAKE: Final = f"SELECT pg_try_advisory_lock({_PROBE_KEY})"
_GIVE_BACK: Final = f"SELECT pg_advisory_unlock({_PROBE_KEY})"
_OWN_ID: Final = "SELECT pg_current_xact_id()::text::bigint"
_OLDEST_ID: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_SETTINGS: Final = "SELECT current_setting('search_path'), current_setting('idle_in_transaction_session_timeout')"


class TransactionIdsUnfit(DatabaseRefused):
    """The ids of transactions do not tell which of them still run."""

    reason = DatabaseRefused.reason

    def __init__(self) -> None:
        super().__init__(
            "This database's transaction ids do not tell which transactions still run, so that watchers would miss changes: "
            "set TOCSIN_DATABASE_WITHOUT=transaction_ids before the first start on it."
        )


class SessionSettingsMissing(DatabaseRefused):
    """A session does not begin with the settings that the role or the database should give it."""

    reason = DatabaseRefused.reason


async def locks_exclude(engine: AsyncEngine) -> bool:
    """Whether an advisory lock that one session holds is refused to another; takes two connections.

    Waits for nobody: where another process is just trying the same, its lock is a refusal as good as ours.
    """
    async with connect(engine) as one, connect(engine) as two:
        return await _locks_exclude(one, two)


async def _locks_exclude(one: AsyncConnection, two: AsyncConnection) -> bool:
    try:
        first = bool((await one.exec_driver_sql(_TAKE)).scalar_one())
        await one.commit()
        second = bool((await two.exec_driver_sql(_TAKE)).scalar_one())
        await two.commit()
        for connection, taken in ((one, first), (two, second)):
            if taken:
                await connection.exec_driver_sql(_GIVE_BACK)
                await connection.commit()
    except exc.DBAPIError as error:
        if error.connection_invalidated or _away(error):
            raise
        for connection in (one, two):
            await connection.rollback()
        return False
    return not (first and second)


async def require_transaction_ids(engine: AsyncEngine) -> None:
    """Tries whether a snapshot counts a transaction of another session as running; takes two connections.

    Raises:
        TransactionIdsUnfit: it does not, or there is no such function.
    """
    async with connect(engine) as one, connect(engine) as two:
        await _require_transaction_ids(one, two)


async def _require_transaction_ids(one: AsyncConnection, two: AsyncConnection) -> None:
    try:
        running: int = (await one.exec_driver_sql(_OWN_ID)).scalar_one()
        later: int = (await two.exec_driver_sql(_OWN_ID)).scalar_one()
        oldest: int = (await two.exec_driver_sql(_OLDEST_ID)).scalar_one()
    except exc.DBAPIError as error:
        if error.connection_invalidated or _away(error):
            raise
        raise TransactionIdsUnfit from error
    finally:
        for connection in (one, two):
            if not connection.invalidated:
                await connection.rollback()
    if not oldest <= running < later:
        raise TransactionIdsUnfit


async def require_settings(connection: AsyncConnection, schema: str | None) -> None:
    """Asks whether a session begins with the schema and with a limit for idle transactions, though we named none.

    Raises:
        SessionSettingsMissing: it does not; the message has the statement that mends it.
    """
    row: Any = (await connection.exec_driver_sql(_SETTINGS)).one()
    path, idle = row
    await connection.rollback()
    first = path.split(",")[0].strip().strip('"')
    if schema is not None and first != schema:
        raise SessionSettingsMissing(
            f"A session begins with search_path = {path}, and TOCSIN_DATABASE_WITHOUT=session_settings leaves it so: "
            f"give each service a role of its own, and this one ALTER ROLE … SET search_path = {schema}."
        )
    if idle in ("0", "0s"):
        raise SessionSettingsMissing(
            "A frozen process would hold its locks for ever, and TOCSIN_DATABASE_WITHOUT=session_settings leaves it so: "
            "ALTER ROLE … SET idle_in_transaction_session_timeout = '10s'."
        )


def _away(error: exc.DBAPIError) -> bool:
    """Whether the server is going or out of resources, which says nothing about what it can do."""
    return (getattr(error.orig, "sqlstate", None) or "08").startswith(("08", "53", "57", "58"))
