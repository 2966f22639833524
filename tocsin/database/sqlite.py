"""SQLite's driver with one visit to a connection's thread for each statement.

aiosqlite makes four, for the cursor, the statement, its rows and the cursor's end, and a fifth to begin or roll back what never began. Each
costs two rounds of the event loop; on a busy loop that, and not the disk, is how long a transaction takes, while nobody else can write.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Any, Final, TypeVar, cast

import aiosqlite

from tocsin.database.texts import with_any_text

_ROWS: Final = 1000
"""What a statement brings along; the rest of its rows stay in SQLite until somebody asks for them."""

Result = TypeVar("Result")


def open_sqlite(database: str, **arguments: Any) -> "StatementConnection":
    """A connection that is opened when it is awaited; ``arguments`` are those of `sqlite3.connect`."""
    connection = StatementConnection(partial(sqlite3.connect, database, **arguments), iter_chunk_size=_ROWS)
    connection._thread.daemon = True  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  as SQLAlchemy does, so that it holds no exit
    return connection


class StatementConnection(aiosqlite.Connection):
    """A connection whose transaction begins with its first statement, in the same visit."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        """See `open_sqlite`."""
        super().__init__(connector, iter_chunk_size)
        self._begin = ""
        self._asked = 0  # counted by the loop
        self._done = 0  # counted by the thread

    def stop(self) -> asyncio.Future[Any] | None:
        """Has the thread close the connection and end; None when it was told before.

        It reads nothing more then, and who waited for it again would wait for ever: SQLAlchemy stops a connection whose close it no
        longer waits for, and that close goes on to stop it as well.
        """
        return cast("Any", super()).stop() if self._running else None  # its future has no type

    @property
    def driver(self) -> sqlite3.Connection:
        """What it stands on; for the thread."""
        return self._conn

    def cursor(self) -> Any:
        """A cursor, without a visit."""
        return StatementCursor(self)

    def begin(self, statement: str) -> None:
        """Has the next visit begin a transaction before anything else."""
        self._begin = statement

    async def visit(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives in the thread."""
        self._asked += 1
        return await cast("Any", self)._execute(self._visited, work)  # noqa: SLF001  its own; the arguments have no types

    def _visited(self, work: Callable[[], Result]) -> Result:
        try:
            if self._begin:  # until it succeeds: nothing may run without it
                self._conn.execute(self._begin).close()
                self._begin = ""
            return work()
        finally:
            self._done += 1

    @property
    def _idle(self) -> bool:
        """Whether nothing is left of a visit whose caller may have been cancelled."""
        return self._asked == self._done

    async def commit(self) -> None:
        """Ends the transaction, if it began."""
        if self._idle and self._begin:
            self._begin = ""
        else:
            await self.visit(self._conn.commit)

    async def rollback(self) -> None:
        """Undoes the transaction, if it began."""
        if self._idle and (self._begin or not self._conn.in_transaction):
            self._begin = ""
        else:
            await super().rollback()
            self._begin = ""


class StatementCursor:
    """A cursor of PEP 249, as SQLAlchemy uses it."""

    def __init__(self, connection: StatementConnection) -> None:
        """Visits nobody."""
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1
        self._connection = connection
        self._rows: list[Any] = []
        self._rest: sqlite3.Cursor | None = None

    async def __aenter__(self) -> "StatementCursor":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> "StatementCursor":
        """Runs a statement, and takes its first rows along."""
        if sql.startswith("BEGIN"):
            self._connection.begin(sql)
        else:
            await self._connection.visit(partial(self._run, sql, parameters))
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "StatementCursor":
        """Runs a statement once for each of ``parameters``."""
        await self._connection.visit(partial(self._run_many, sql, parameters))
        return self

    def _run(self, sql: str, parameters: Any) -> None:
        with_any_text(self._connection.driver, sql, partial(self._run_once, sql, parameters))

    def _run_once(self, sql: str, parameters: Any) -> None:
        cursor = self._connection.driver.execute(sql, parameters)
        try:
            if cursor.description is not None:
                self._rows = cursor.fetchmany(_ROWS)
        except BaseException:  # a row that cannot be read: a statement that stays open lets nobody commit
            cursor.close()
            raise
        self._told(cursor, more=len(self._rows) == _ROWS)

    def _run_many(self, sql: str, parameters: Any) -> None:
        self._told(self._connection.driver.executemany(sql, parameters), more=False)

    def _told(self, cursor: sqlite3.Cursor, *, more: bool) -> None:
        self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
        if more:
            self._rest = cursor
        else:
            cursor.close()

    async def fetchall(self) -> list[Any]:
        """All rows that nobody took yet."""
        rows, self._rows = self._rows, []
        if self._rest is not None:
            rows += await self._connection.visit(self._rest.fetchall)
            await self.close()
        return rows

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next ``size`` rows."""
        count = size or self.arraysize
        if len(self._rows) < count and self._rest is not None:
            self._rows += await self._connection.visit(partial(self._rest.fetchmany, max(count, _ROWS)))
        rows, self._rows = self._rows[:count], self._rows[count:]
        return rows

    async def fetchone(self) -> Any:
        """The next row; None: there is none."""
        return next(iter(await self.fetchmany(1)), None)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while rows := await self.fetchmany(_ROWS):
            for row in rows:
                yield row

    async def close(self) -> None:
        """Ends a statement of which rows are left."""
        rest, self._rest = self._rest, None
        if rest is not None:
            await self._connection.visit(rest.close)
