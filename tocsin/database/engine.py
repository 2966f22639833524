"""SQLAlchemy engines, set up so that a commit is durable and a lost connection is noticed before it is used."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, event, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from tocsin.config.features import DatabaseFeature
from tocsin.database.errors import connecting
from tocsin.database.portability import options
from tocsin.database.stored_types import STORED_TYPES
from tocsin.errors import InvalidInput

Begin = Literal["BEGIN IMMEDIATE", "BEGIN"]
NO_TRANSACTION = "tocsin_no_transaction"
"""Execution option for SQLite: each statement stands alone. SQLAlchemy's AUTOCOMMIT would let the driver begin again afterwards."""

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_POOL_TIMEOUT_SECONDS = 10.0
_BUSY_PAUSE_SECONDS = 0.01
_PRIMARY_CODE = 0xFF  # of an extended result code: https://sqlite.org/rescode.html
_SQLITE_PRAGMAS = {
    "synchronous": "FULL",  # a commit is on the disk when it returns
    "temp_store": "MEMORY",
    "cache_size": "-16000",  # KiB when negative
    "journal_size_limit": str(64 * 1024 * 1024),  # bytes: a burst does not leave a huge log behind
}


def parse_url(url: str) -> URL:
    """Reads a database URL and sets the driver.

    Raises:
        InvalidInput: it is no URL, of another database, or names no file.
    """
    try:
        parsed = make_url(url)
        driver = _DRIVERS[parsed.get_backend_name()]
    except (exc.ArgumentError, KeyError):
        raise InvalidInput.at("database_url", "must begin with sqlite:// or postgresql://") from None
    if driver == _DRIVERS["sqlite"] and (parsed.database or ":memory:") == ":memory:":
        raise InvalidInput.at("database_url", "must name a file: a database in memory would not survive a restart")
    return parsed.set(drivername=driver)


def checked_schema(schema: str | None) -> str | None:
    """The name of a PostgreSQL schema, if it needs no quoting.

    Raises:
        InvalidInput: it does.
    """
    if schema is not None and not _SCHEMA.fullmatch(schema):
        raise InvalidInput.at("database_schema", "must be lower-case letters, digits and underscores")
    return schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections there may be, and how long each may take.

    Attributes:
        pool_size: connections at most (SQLite: that read).
        connect_timeout: seconds to wait for a connection.
        command_timeout: seconds that a statement may take (PostgreSQL); None: as long as it needs.
        idle_transaction_timeout: seconds after which the server ends an idle transaction (PostgreSQL), so that a process that is
            frozen inside one does not hold its locks for ever; None: never.
    """

    pool_size: int = 10
    connect_timeout: float = 5.0
    command_timeout: float | None = 30.0
    idle_transaction_timeout: float | None = 30.0


def postgres_engine(
    url: URL, *, schema: str | None, limits: ConnectionLimits, without: frozenset[DatabaseFeature] = frozenset()
) -> AsyncEngine:
    """An engine on PostgreSQL whose unqualified names mean ``schema``.

    Args:
        url: as `parse_url` returns it.
        schema: the first of the search path; None: the server's default.
        limits: of its connections.
        without: features that the server lacks; without session settings, the role or the database says what names and limits mean.
    """
    engine = create_async_engine(
        url,
        pool_size=limits.pool_size,
        max_overflow=0,
        hide_parameters=True,  # they may be secrets, and nobody's business: no error quotes them
        pool_timeout=_POOL_TIMEOUT_SECONDS,
        pool_use_lifo=True,
        connect_args={
            "timeout": limits.connect_timeout,
            "command_timeout": limits.command_timeout,
            "server_settings": _settings(schema, limits, without),
        },
        execution_options=options(without),
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _settings(schema: str | None, limits: ConnectionLimits, without: frozenset[DatabaseFeature]) -> dict[str, str]:
    """What a session on PostgreSQL begins with."""
    settings = {"application_name": "tocsin"}
    if DatabaseFeature.SESSION_SETTINGS in without:
        return settings
    settings["jit"] = "off"  # compiling a short statement takes longer than running it
    # That of a disk without heads, or of memory: the default reads a whole table to find a thousand rows.
    settings["random_page_cost"] = "1.1"
    if schema is not None:
        settings["search_path"] = schema
    if limits.idle_transaction_timeout is not None:
        settings["idle_in_transaction_session_timeout"] = str(round(limits.idle_transaction_timeout * 1000))
    return settings


def sqlite_engine(
    url: URL, *, mode: Begin, pool_size: int = 1, busy_seconds: float = 5.0, query_only: bool = False, foreign_keys: bool = True
) -> AsyncEngine:
    """An engine on a SQLite file; its folder is made when it is missing.

    Args:
        url: as `parse_url` returns it.
        mode: how a transaction begins; one that will write has to say so, or it can fail half-way (SQLITE_BUSY).
        pool_size: connections at most.
        busy_seconds: how long to wait for another process that writes.
        query_only: refuse to write.
        foreign_keys: enforce foreign keys.

    Raises:
        OSError: the file cannot be written there.
    """
    from tocsin.database.sqlite import open_sqlite  # brings the driver along; a process on PostgreSQL does without it

    path = Path(url.database or "").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("ab").close()  # the operating system says more clearly than SQLite why a file cannot be written
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # they may be secrets, and nobody's business: no error quotes them
        pool_timeout=_POOL_TIMEOUT_SECONDS,
        # The driver begins nothing by itself.
        connect_args={"async_creator_fn": open_sqlite, "isolation_level": None, "timeout": busy_seconds, "factory": _SqliteConnection},
    )
    engine.dialect.colspecs = {**engine.dialect.colspecs, **STORED_TYPES}
    pragmas = {**_SQLITE_PRAGMAS, "foreign_keys": str(int(foreign_keys)), "query_only": str(int(query_only))}
    event.listen(engine.sync_engine, "connect", partial(_set_up, pragmas=pragmas, busy_seconds=busy_seconds))
    event.listen(engine.sync_engine, "begin", partial(_begin_sqlite, mode=mode))
    return engine


def _set_up(connection: DBAPIConnection, _record: ConnectionPoolEntry, *, pragmas: Mapping[str, str], busy_seconds: float) -> None:
    """Makes a new connection to a SQLite file write ahead, and sets its pragmas."""
    driver: Any = connection  # SQLAlchemy's AdaptedConnection
    driver.run_async(partial(_write_ahead, busy_seconds=busy_seconds))
    cursor = connection.cursor()
    for name, value in pragmas.items():
        cursor.execute(f"PRAGMA {name} = {value}")
    cursor.close()


def _begin_sqlite(connection: Connection, *, mode: Begin) -> None:
    if NO_TRANSACTION not in connection.get_execution_options():
        connection.exec_driver_sql(mode)


async def _write_ahead(connection: Any, *, busy_seconds: float) -> None:
    """Switches the file to a write-ahead log: readers and the writer do not wait for each other.

    The first switch of a file writes, from inside of a read, and there SQLite never waits for another writer, whatever its timeout
    (https://sqlite.org/c3ref/busy_handler.html): replicas that start together on a new file would fail. So the waiting is done here.

    Raises:
        sqlite3.OperationalError: another process has been writing for ``busy_seconds``.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + busy_seconds
    while True:
        try:
            await (await connection.execute("PRAGMA journal_mode = WAL")).close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or loop.time() >= end:
                raise
        else:
            return
        await asyncio.sleep(_BUSY_PAUSE_SECONDS)


class _SqliteConnection(sqlite3.Connection):
    """A connection whose close ends its transaction.

    SQLite puts the end of a connection off until its last statement is finalized (https://sqlite.org/c3ref/close.html), and with it the
    rollback. A task that is cancelled before it fetched what ``RETURNING`` gives leaves such a statement, kept by its traceback until
    the garbage collector comes by; so long nobody else could write.
    """

    def close(self) -> None:
        """Rolls back, then closes."""
        with suppress(sqlite3.Error):  # closing is all that is left to do
            if self.in_transaction:
                self.rollback()
        super().close()


@asynccontextmanager
async def connect(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A connection, given back at the end whatever happens."""
    with connecting():
        connection = await engine.connect()
    try:
        yield connection
    finally:
        await asyncio.shield(asyncio.ensure_future(connection.close()))


@asynccontextmanager
async def begin(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A connection in a transaction that commits at the end, or rolls back when an exception leaves it."""
    async with connect(engine) as connection, connection.begin():
        yield connection


def _refuse_closed(connection: DBAPIConnection, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """Makes the pool replace a connection that the server has closed; costs no round trip, unlike a ping."""
    driver: Any = connection.driver_connection
    if driver is None or driver.is_closed():
        raise exc.DisconnectionError
