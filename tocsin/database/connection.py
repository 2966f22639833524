"""The database of one service process: transactions, reads, health."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

from tocsin.clock import Clock
from tocsin.config import DatabaseFeature, StoreSettings
from tocsin.database.engine import (
    NO_TRANSACTION,
    ConnectionLimits,
    begin,
    checked_schema,
    connect,
    parse_url,
    postgres_engine,
    sqlite_engine,
)
from tocsin.database.errors import DatabaseRefused, DatabaseUnavailable, connecting, translated
from tocsin.database.in_thread import DriverConnection, ThreadConnection, at_once
from tocsin.database.lookup import Fields, Lookup, LookupThread
from tocsin.database.migration import migrate
from tocsin.database.pooler import refuse_pooler
from tocsin.database.probes import locks_exclude, require_transaction_ids
from tocsin.database.server import require_writable
from tocsin.database.turns import WriterTurns
from tocsin.database.writer import SqliteWriter
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0

T = TypeVar("T")


class Guard(Protocol):
    """What may stand around each use of the database, such as a circuit breaker."""

    def guard(self) -> AbstractAsyncContextManager[object]:
        """Surrounds one use: may refuse it, and sees how it ends."""
        ...


@dataclass(frozen=True, slots=True)
class _Engines:
    """What is open between start and stop: one pool, seen in three ways, and what SQLite has beside it to write and to look up."""

    pool: AsyncEngine
    live: AsyncEngine
    snapshot: AsyncEngine
    writer: SqliteWriter | None
    lookups: LookupThread | None

    async def close(self) -> None:
        if self.lookups is not None:
            await self.lookups.close()
        if self.writer is not None:
            await self.writer.close()
        await self.pool.dispose()


class Database:
    """The database of one service process; a component of its `App`.

    Every use raises `DatabaseUnavailable` while the database cannot work, and works again by itself as soon as the database does.
    """

    def __init__(
        self,
        *,
        url: str,
        clock: Clock,
        schema: str | None = None,
        limits: ConnectionLimits | None = None,
        migrations: str | None = None,
        guard: Guard | None = None,
        without: Collection[DatabaseFeature] = (),
    ) -> None:
        """Opens nothing yet.

        Args:
            url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.
            clock: paces the waiting in `start`.
            schema: the PostgreSQL schema; SQLite has none.
            limits: of its connections; the defaults of `ConnectionLimits` unless given.
            migrations: the package whose migrations `start` applies; None: none.
            guard: stands around every transaction and read.
            without: features that the PostgreSQL server lacks.

        Raises:
            InvalidInput: the URL or the schema cannot be used.
        """
        self._url = parse_url(url)
        self._schema = checked_schema(schema)
        self._clock = clock
        self._limits = limits or ConnectionLimits()
        self._migrations = migrations
        self._guard = guard
        self._engines: _Engines | None = None
        self.without = frozenset(without)
        self._exclusive = False
        self.dialect: Literal["sqlite", "postgresql"] = "sqlite" if self._url.get_backend_name() == "sqlite" else "postgresql"

    @classmethod
    def of(cls, settings: StoreSettings, *, clock: Clock, guard: Guard | None = None, idle_transaction_timeout: float = 30.0) -> "Database":
        """The database that a service's settings name, migrated at start unless they say otherwise."""
        return cls(
            url=settings.resolved_database_url,
            clock=clock,
            schema=settings.resolved_database_schema,
            limits=ConnectionLimits(
                pool_size=settings.database_pool_size,
                connect_timeout=settings.database_connect_timeout_seconds,
                command_timeout=settings.database_command_timeout_seconds,
                idle_transaction_timeout=idle_transaction_timeout,
            ),
            migrations=settings.service_name if settings.database_migrate else None,
            guard=guard,
            without=settings.database_without,
        )

    async def start(self) -> None:
        """Migrates if asked to, connects, and verifies that the database answers; waits for one that is away.

        A service whose database is down so comes up with it, instead of dying and being restarted again and again.

        Raises:
            DatabaseRefused: waiting would not help: wrong password, no such database, a path that cannot be opened, a pooler in front,
                a PostgreSQL that is too old.
            SchemaTooNew: the schema is ahead of this code.
            SchemaTooOld: the schema is behind the first revision that this code upgrades from.
        """
        wait = _FIRST_WAIT_SECONDS
        while self._engines is None:
            try:
                await self._open()
            except DatabaseRefused:
                raise
            except DatabaseUnavailable as error:
                _log.warning("database unavailable", error=error.message, retry_in_seconds=wait)
                await self._clock.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    async def _open(self) -> None:
        if self.dialect == "postgresql":
            await self._examine()
        if self._migrations is not None:
            await migrate(
                url=self._url.render_as_string(hide_password=False),
                schema=self._schema,
                package=self._migrations,
                connect_timeout=self._limits.connect_timeout,
                without=self.without if self._exclusive else {*self.without, DatabaseFeature.ADVISORY_LOCKS},
            )
        engines = self._make_engines()
        self._engines = engines
        try:
            await self.check()
        except BaseException:
            self._engines = None
            await engines.close()
            raise

    async def _examine(self) -> None:
        """Before anything is written: migrations take locks, which mean nothing behind a pooler, or on an engine that grants them all."""
        engines = self._make_postgres()
        try:
            with connecting():
                async with asyncio.timeout(self._limits.connect_timeout):
                    await refuse_pooler(engines.pool, schema=self._schema, connections=self._limits.pool_size)
                    self._exclusive = await self._locks_exclude(engines.pool)
        finally:
            await engines.close()

    async def _locks_exclude(self, pool: AsyncEngine) -> bool:
        """Whether advisory locks keep two sessions apart; who may open one connection alone cannot know, and trusts the server."""
        if DatabaseFeature.ADVISORY_LOCKS in self.without:
            return False
        if self._limits.pool_size < 2:
            return True
        if await locks_exclude(pool):
            return True
        _log.warning("advisory locks exclude nobody, lock rows are used")
        return False

    @property
    def advisory_locks(self) -> bool:
        """Whether an advisory lock excludes others here, as was tried at the start; never on SQLite."""
        return self._exclusive

    async def require_transaction_ids(self) -> None:
        """Makes sure that a snapshot tells which transactions still run; of a pool of one connection nobody can tell.

        Raises:
            TransactionIdsUnfit: it does not.
            DatabaseUnavailable: the database failed.
        """
        if self._limits.pool_size < 2:
            return
        with translated():
            await require_transaction_ids(self._opened().pool)

    def _make_engines(self) -> _Engines:
        return self._make_sqlite() if self.dialect == "sqlite" else self._make_postgres()

    def _make_sqlite(self) -> _Engines:
        try:
            writing = sqlite_engine(self._url, mode="BEGIN IMMEDIATE")
            pool = sqlite_engine(self._url, mode="BEGIN", pool_size=self._limits.pool_size, query_only=True)
        except OSError as error:
            raise DatabaseRefused(f"The database file cannot be opened: {error}") from error
        live = pool.execution_options(**{NO_TRANSACTION: True})
        return _Engines(pool, live=live, snapshot=pool, writer=SqliteWriter(writing, WriterTurns()), lookups=LookupThread(live))

    def _make_postgres(self) -> _Engines:
        pool = postgres_engine(self._url, schema=self._schema, limits=self._limits, without=self.without)
        live = pool.execution_options(isolation_level="AUTOCOMMIT")
        snapshot = pool.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return _Engines(pool, live=live, snapshot=snapshot, writer=None, lookups=None)

    async def stop(self) -> None:
        """Closes every connection, after a running SQLite transaction; may be called twice."""
        engines, self._engines = self._engines, None
        if engines is not None:
            await engines.close()

    @asynccontextmanager
    async def transaction(self, *, urgent: bool = False) -> AsyncGenerator[AsyncConnection]:
        """A transaction that may write: commits at the end, rolls back when an exception leaves it.

        On SQLite there is one at a time. Do not wait for anything but this database inside.

        Args:
            urgent: is begun before those that wait already, where one has to wait.

        Raises:
            DatabaseUnavailable: the database failed; when it did so at the commit, nobody can know whether that took place.
            Aborted: PostgreSQL broke a deadlock at this transaction's expense.
        """
        async with self._guarded():
            engines = self._opened()
            with translated():
                async with engines.writer.transaction(urgent=urgent) if engines.writer else begin(engines.pool) as connection:
                    yield connection

    @asynccontextmanager
    async def statement(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for one statement that may write, and is a transaction by itself: PostgreSQL is asked once instead of three times.

        Raises:
            DatabaseUnavailable: as `transaction`.
            Aborted: as `transaction`.
        """
        if self.dialect == "sqlite":
            async with self.transaction() as connection:
                yield connection
            return
        async with self._guarded():
            with translated():
                async with connect(self._opened().live) as connection:
                    yield connection

    async def in_thread(self, work: Callable[[sqlite3.Connection], T], *, urgent: bool = False) -> T:
        """A transaction of SQLite that is done in its thread as a whole, so that the event loop waits for it once.

        Args:
            work: what to do between BEGIN and COMMIT; it keeps the thread, and every other writer, as long as it takes.
            urgent: as in `transaction`.

        Raises:
            DatabaseUnavailable: as `transaction`.
        """
        async with self._guarded():
            writer = self._opened().writer
            assert writer is not None  # noqa: S101  the caller asked for `dialect`
            with translated():
                return await writer.run(work, urgent=urgent)

    async def transact(self, work: Callable[[DriverConnection], Coroutine[Any, Any, T]], *, urgent: bool = False) -> T:
        """A transaction whose work waits for nothing but its statements: on SQLite done in the thread as a whole, by the driver itself.

        There it costs half of what `transaction` does, and the event loop waits once. It runs in another thread: it may touch what
        belongs to nobody else meanwhile, and it reads no context of the caller.

        Args:
            work: what to do between BEGIN and COMMIT.
            urgent: as in `transaction`.

        Raises:
            DatabaseUnavailable: as `transaction`.
            Aborted: as `transaction`.
            WaitsForOthers: the work waits for something else; nothing is committed.
        """
        if self.dialect == "sqlite":
            return await self.in_thread(lambda driver: at_once(work(ThreadConnection(driver))), urgent=urgent)
        async with self.transaction(urgent=urgent) as connection:
            return await work(connection)

    @asynccontextmanager
    async def read(self, *, snapshot: bool = False) -> AsyncGenerator[AsyncConnection]:
        """A connection to read with.

        Args:
            snapshot: every statement sees the same state, and results may be streamed; otherwise each sees the latest one, which
                saves the round trips of a transaction.

        Raises:
            DatabaseUnavailable: the database failed.
        """
        async with self._guarded(), self._reading(snapshot=snapshot) as connection:
            yield connection

    async def lookup(self, query: Lookup, values: Mapping[str, Any]) -> Sequence[Fields]:
        """What a query finds by an index: as `read`, for a fraction of its cost.

        Raises:
            DatabaseUnavailable: the database failed.
        """
        async with self._guarded():
            lookups = self._opened().lookups
            if lookups is None:
                async with self._reading(snapshot=False) as connection:
                    return await query.rows(connection, values)
            with translated(writing=False):
                return await lookups.rows(query, values)

    @asynccontextmanager
    async def _reading(self, *, snapshot: bool) -> AsyncGenerator[AsyncConnection]:
        engines = self._opened()
        with translated(writing=False):
            async with connect(engines.snapshot if snapshot else engines.live) as connection:
                yield connection

    async def check(self) -> None:
        """Asks the database for an answer; for health, so it passes by the guard.

        Raises:
            DatabaseUnavailable: there was none within the connect timeout, or the server takes no writes.
            DatabaseTooOld: it is a PostgreSQL that this version does not work with.
        """
        with connecting():
            async with asyncio.timeout(self._limits.connect_timeout), self._reading(snapshot=False) as connection:
                if self.dialect == "postgresql":
                    await require_writable(connection)
                else:
                    await connection.execute(text("SELECT 1"))

    @property
    def pool_use(self) -> tuple[int, int]:
        """Connections of the pool in use, and how many there may be. On SQLite the pool is that of the readers."""
        pool = self._engines.pool.pool if self._engines is not None else None
        return (pool.checkedout() if isinstance(pool, QueuePool) else 0), self._limits.pool_size

    def _guarded(self) -> AbstractAsyncContextManager[object]:
        return self._guard.guard() if self._guard is not None else nullcontext()

    def _opened(self) -> _Engines:
        if self._engines is None:
            raise DatabaseUnavailable("The database is not open: the service is starting or stopping.")
        return self._engines
