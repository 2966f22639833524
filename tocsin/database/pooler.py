"""Finds out whether something that shares sessions stands between this process and PostgreSQL.

Tocsin needs sessions of its own: settings that are made at the start of one, statements that are prepared in it, and locks that it holds. A
pooler in transaction mode, such as PgBouncer, gives each transaction another session; what then fails, fails late and oddly.
"""

from typing import Any, Final

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.config.features import DatabaseFeature
from tocsin.database.engine import connect
from tocsin.database.errors import PoolerFound
from tocsin.database.portability import lacks
from tocsin.database.probes import require_settings

_PID: Final = "SELECT pg_backend_pid()"
_SETTINGS: Final = "SELECT current_setting('application_name'), current_setting('search_path')"
# A statement that another session has prepared, or one that is gone with its session.
_FOREIGN_STATEMENT: Final = ("26000", "42P05")


async def refuse_pooler(engine: AsyncEngine, *, schema: str | None, connections: int) -> None:
    """Looks for one, with two connections at once if there may be so many.

    Args:
        engine: on PostgreSQL.
        schema: what the search path was asked to be; None: nothing.
        connections: how many the engine may open.

    Raises:
        PoolerFound: there is one, and it does not let a session be.
        SessionSettingsMissing: settings are left to the role and the database, and they have not what is needed.
    """
    try:
        async with connect(engine) as one:
            if lacks(one, DatabaseFeature.SESSION_SETTINGS):
                await require_settings(one, schema)
            else:
                await _check_settings(one, schema)
            if connections < 2:
                _compare([await _sessions(one), {-1}])
                return
            async with connect(engine) as two:
                _compare([await _sessions(one), await _sessions(two)])
    except exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _FOREIGN_STATEMENT:
            raise PoolerFound("it does not keep prepared statements or session settings") from error
        raise


async def _check_settings(connection: AsyncConnection, schema: str | None) -> None:
    row: Any = (await connection.exec_driver_sql(_SETTINGS)).one()
    name, path = row
    await connection.rollback()
    if name != "tocsin" or (schema is not None and path != schema):
        raise PoolerFound("it drops the settings of a new session")


async def _sessions(connection: AsyncConnection) -> set[int]:
    """The sessions of two transactions, one right after the other."""
    found = set[int]()
    for _ in range(2):
        found.add((await connection.exec_driver_sql(_PID)).scalar_one())
        await connection.rollback()
    return found


def _compare(sessions: list[set[int]]) -> None:
    if any(len(each) > 1 for each in sessions) or sessions[0] & sessions[1]:
        raise PoolerFound("two transactions of one connection were in two sessions, or those of two connections in one")
