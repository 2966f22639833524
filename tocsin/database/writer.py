"""Writing to a SQLite file."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.database.errors import connecting
from tocsin.database.in_thread import in_transaction
from tocsin.database.turns import WriterTurns

T = TypeVar("T")


@dataclass(slots=True)
class SqliteWriter:
    """The one connection that writes to a SQLite file.

    It stays open: a checkout for every transaction would cost as much as a small transaction. Only whoever has the turn has it, so that
    writers of this process queue here, in order, and not in SQLite's busy handler, which polls.
    """

    engine: AsyncEngine
    turns: WriterTurns
    connection: AsyncConnection | None = None

    async def _connected(self) -> AsyncConnection:
        with connecting():
            connection = self.connection = self.connection or await self.engine.connect()
        return connection

    async def run(self, work: Callable[[sqlite3.Connection], T], *, urgent: bool) -> T:
        """Does a transaction in the thread. Once it is there it takes its course, though whoever waits is cancelled."""
        async with self.turns.turn(urgent=urgent):
            connection = await self._connected()
            driver: Any = (await connection.get_raw_connection()).driver_connection
            try:
                done: T = await driver.visit(partial(in_transaction, work, driver.driver))
            except sqlite3.Error as error:
                if driver.driver.in_transaction:  # it could not even be undone
                    await self._discard(connection)
                raise exc.DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True) from error
        return done

    @asynccontextmanager
    async def transaction(self, *, urgent: bool) -> AsyncGenerator[AsyncConnection]:
        """A transaction at its turn; commits at the end, or rolls back when an exception leaves it."""
        async with self.turns.turn(urgent=urgent):
            connection = await self._connected()
            try:
                async with connection.begin():
                    yield connection
            except BaseException as error:
                if not isinstance(error, Exception) or connection.invalidated or connection.in_transaction():
                    await self._discard(connection)
                raise

    async def _discard(self, connection: AsyncConnection) -> None:
        """Drops a connection that may be in the middle of something: closing it rolls that back."""
        self.connection = None
        await asyncio.shield(asyncio.ensure_future(_terminate(connection)))

    async def close(self) -> None:
        """Waits for the one who writes, then closes."""
        async with self.turns.turn():
            connection, self.connection = self.connection, None
            if connection is not None:
                await connection.close()
        await self.engine.dispose()


async def _terminate(connection: AsyncConnection) -> None:
    if not connection.invalidated:
        await connection.invalidate()
    await connection.close()
