"""Rows by their key, read as often as anything: compiled once, and on SQLite found in one visit to a thread that does nothing else."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from sqlalchemy import ClauseElement, Select, exc
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.database.errors import connecting
from tocsin.database.stored_types import kinds_of, typed
from tocsin.database.texts import with_any_text

Fields: TypeAlias = Sequence[Any]
"""A row as the driver gives it: its values in the order of the query."""

_SQLITE: Final = sqlite_dialect(paramstyle="named")
_POSTGRESQL: Final = PGDialect_asyncpg()


class Lookup:
    """A query that finds few rows by an index. Its columns have types that the drivers give as Python has them: numbers, texts, bytes."""

    __slots__ = ("_kinds", "_names", "postgresql", "sqlite")

    def __init__(self, query: ClauseElement) -> None:
        """Compiles a query whose parameters have names."""
        self.sqlite = str(query.compile(dialect=_SQLITE))
        self._kinds = kinds_of(query.selected_columns) if isinstance(query, Select) else ()
        compiled = query.compile(dialect=_POSTGRESQL)
        self.postgresql = str(compiled)
        self._names: tuple[str, ...] = tuple(getattr(compiled, "positiontup", None) or ())

    async def rows(self, connection: AsyncConnection, values: Mapping[str, Any]) -> Sequence[Fields]:
        """What PostgreSQL finds."""
        return (await connection.exec_driver_sql(self.postgresql, tuple(values[name] for name in self._names))).fetchall()

    def find(self, driver: sqlite3.Connection, values: Mapping[str, Any]) -> Sequence[Fields]:
        """What SQLite finds, in its thread."""
        found = with_any_text(driver, self.sqlite, partial(_find, driver, self.sqlite, values))
        return [typed(row, self._kinds) for row in found] if self._kinds else found


class LookupThread:
    """The connection to a SQLite file that looks things up, which stays open: a checkout costs more than to find a row."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Takes an engine that begins no transactions; opens nothing yet."""
        self._engine = engine
        self._opening = asyncio.Lock()
        self._connection: AsyncConnection | None = None
        self._driver: Any = None

    async def rows(self, lookup: Lookup, values: Mapping[str, Any]) -> Sequence[Fields]:
        """What SQLite finds; it takes its course, though whoever waits is cancelled.

        Raises:
            DBAPIError: it could not be read.
        """
        driver = self._driver or await self._opened()
        try:
            found: Sequence[Fields] = await driver.visit(partial(lookup.find, driver.driver, values))
        except sqlite3.Error as error:
            raise exc.DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True) from error
        return found

    async def _opened(self) -> Any:
        async with self._opening:
            if self._driver is None:
                with connecting():
                    connection = await self._engine.connect()
                self._connection = connection
                self._driver = (await connection.get_raw_connection()).driver_connection
            return self._driver

    async def close(self) -> None:
        """Closes it, if it was opened."""
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            await connection.close()


def _find(driver: sqlite3.Connection, text: str, values: Mapping[str, Any]) -> Sequence[Fields]:
    cursor = driver.execute(text, values)
    try:
        return cursor.fetchall()
    finally:
        cursor.close()
