"""Schema migrations by Alembic: one environment for every service, safe when replicas start together.

A service keeps its revisions in ``<package>/migrations/versions``, each in a file whose name begins with its number; its
``migrations/env.py`` is ``from tocsin.database import run_migrations`` and ``run_migrations()``.

A database that is up to date is left alone, and Alembic is not even imported: that takes a tenth of a second, which every restart would
pay. What needs it is in `tocsin.database.revisions`.
"""

import zlib
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, MetaData, exc, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import CreateSchema

from tocsin.config.features import DatabaseFeature
from tocsin.database.engine import ConnectionLimits, begin, checked_schema, parse_url, postgres_engine, sqlite_engine
from tocsin.database.errors import DatabaseRefused, MigrationBlocked, translated
from tocsin.database.server import require_writable
from tocsin.errors import Aborted
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_RETRY_AFTER_SECONDS = 5.0
_MAKE_LOCK: Final = (
    "CREATE TABLE IF NOT EXISTS tocsin_migration_lock (id smallint PRIMARY KEY)",
    "INSERT INTO tocsin_migration_lock (id) VALUES (1) ON CONFLICT DO NOTHING",
)
_LOCK_ROW: Final = "SELECT id FROM tocsin_migration_lock FOR UPDATE"
_MADE_MEANWHILE: Final = ("23505", "42P06", "42P07", "42710")  # unique_violation, duplicate_schema, duplicate_table, duplicate_object
_BUSY_SECONDS = 60.0  # another replica may be migrating a large table


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationLimits:
    """What a migration may take on PostgreSQL; 0 is without bound.

    Attributes:
        lock_timeout: seconds that a statement waits for a table that others use; everybody behind it waits as long.
        statement_timeout: seconds that a statement may run; to make an index of a large table takes minutes.
    """

    lock_timeout: float = 10.0
    statement_timeout: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStanding:
    """Where a database stands, and what takes it to the revision that was asked for.

    Attributes:
        current: its revision; None when it was never migrated.
        newest: the newest one that this version knows.
        steps: each revision on the way, in order, with what it does; of a way back, those that are taken back.
        down: whether it is a way back.
    """

    current: str | None
    newest: str
    steps: tuple[tuple[str, str], ...] = ()
    down: bool = False


async def migrate(
    *,
    url: str,
    schema: str | None,
    package: str,
    connect_timeout: float = 5.0,
    revision: str | None = None,
    limits: MigrationLimits | None = None,
    without: Collection[DatabaseFeature] = (),
) -> None:
    """Brings the database to a revision of ``package``, up or down, all of it or nothing.

    Makes the folder or the schema when it is missing. Replicas that call this together wait for the first of them.

    Args:
        url: as for `Database`.
        schema: the PostgreSQL schema; SQLite has none.
        package: the service's package, such as ``scheduler_svc``.
        connect_timeout: seconds.
        revision: its number, or "base" for the empty database; the newest unless given.
        limits: the defaults of `MigrationLimits` unless given.
        without: features that the PostgreSQL server lacks.

    Raises:
        SchemaTooNew, SchemaTooOld: the database is at a revision that this code does not know.
        RevisionUnknown: there is no such revision.
        MigrationBlocked: others use a table for so long that it was given up; nothing was changed.
        DatabaseUnavailable: the database failed.
    """
    folder = migrations_of(package)
    newest = newest_revision(folder)

    def run(connection: Connection) -> None:
        before = _current(connection)
        if before == (newest if revision is None else revision):
            return
        if revision is None:
            _revisions().upgrade(connection, folder)
        else:
            _revisions().move(connection, folder, before, revision)
        _log.info("schema migrated", package=package, before=before, revision=_current(connection))

    try:
        async with _locked(url, schema, connect_timeout, limits or MigrationLimits(), without) as connection:
            await connection.run_sync(run)
    except Aborted as error:
        raise MigrationBlocked(
            f"The migration of {package} was given up, and nothing was changed: {error.message}", retry_after=_RETRY_AFTER_SECONDS
        ) from error


async def standing(*, url: str, schema: str | None, package: str, revision: str | None = None) -> SchemaStanding:
    """Where a database stands, and the way to a revision; changes nothing and makes nothing.

    Args:
        url: as for `Database`.
        schema: the PostgreSQL schema; SQLite has none.
        package: the service's package.
        revision: as for `migrate`.

    Raises:
        SchemaTooNew, SchemaTooOld, RevisionUnknown, DatabaseUnavailable: as `migrate`.
    """
    folder = migrations_of(package)
    newest = newest_revision(folder) or ""
    now = await _read_current(url, schema)
    target = newest if revision is None else revision
    if now == target:
        return SchemaStanding(current=now, newest=newest)
    steps, down = _revisions().way(folder, now, target)
    return SchemaStanding(current=now, newest=newest, steps=tuple(steps), down=down)


def _is_there(url: URL) -> bool:
    return Path(url.database or "").exists()


async def _read_current(url: str, schema: str | None) -> str | None:
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        if not _is_there(parsed):
            return None
        engine = sqlite_engine(parsed, mode="BEGIN", query_only=True)
    else:
        engine = _postgres(parsed, checked_schema(schema), connect_timeout=5.0)
    try:
        with translated(writing=False):
            async with begin(engine) as connection:
                return await connection.run_sync(_current)
    finally:
        await engine.dispose()


async def downgrade(*, url: str, schema: str | None, package: str, revision: str) -> None:
    """Takes the database back to ``revision``; "base" is the empty one, "-1" the one before.

    Raises:
        SchemaTooNew, SchemaTooOld: the database is at a revision that this code does not know.
        DatabaseUnavailable: the database failed.
    """
    folder = migrations_of(package)
    async with _locked(url, schema) as connection:
        await connection.run_sync(lambda sync: _revisions().downgrade(sync, folder, revision))


async def current(*, url: str, schema: str | None, without: Collection[DatabaseFeature] = ()) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    async with _locked(url, schema, without=without) as connection:
        return await connection.run_sync(_current)


async def schema_differences(*, url: str, schema: str | None, metadata: MetaData, without: Collection[DatabaseFeature] = ()) -> list[str]:
    """Where the migrated database and the tables in the code differ, a line for each; for tests."""
    async with _locked(url, schema, without=without) as connection:
        return await connection.run_sync(lambda sync: _revisions().differences(sync, metadata))


def run_migrations() -> None:
    """The whole of every service's ``migrations/env.py``: runs on the connection that `migrate` holds, in its transaction."""
    _revisions().run()


def newest_revision(folder: Path) -> str | None:
    """The last revision in a folder of migrations, by the numbers with which the names of the files begin; None without any."""
    names = (path.stem for path in (folder / "versions").glob("*.py"))
    return max((name.partition("_")[0] for name in names if not name.startswith("_")), default=None)


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))


def _revisions():
    """Alembic's part, imported by whoever needs it first."""
    from tocsin.database import revisions

    return revisions


def migrations_of(package: str) -> Path:
    """Where the package has its migrations.

    Raises:
        LookupError: there is no such package.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        msg = f"there is no package {package}"
        raise LookupError(msg)
    return Path(spec.submodule_search_locations[0]) / "migrations"


@asynccontextmanager
async def _locked(
    url: str,
    schema: str | None,
    connect_timeout: float = 5.0,
    bounds: MigrationLimits | None = None,
    without: Collection[DatabaseFeature] = (),
) -> AsyncGenerator[AsyncConnection]:
    """One transaction on a connection of its own that no other migration can overlap."""
    parsed = parse_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    rows = DatabaseFeature.ADVISORY_LOCKS in without
    try:
        engine = _sqlite(parsed) if sqlite else _postgres(parsed, checked_schema(schema), connect_timeout, frozenset(without))
    except OSError as error:
        raise DatabaseRefused(f"The database file cannot be opened: {error}") from error
    try:
        with translated():
            if rows and not sqlite:
                await _make_lock_row(engine, schema)
            async with begin(engine) as connection:
                if not sqlite:
                    await require_writable(connection)
                    await (_take_lock_row(connection) if rows else _take_lock(connection, schema))
                    await _bound(connection, bounds or MigrationLimits())
                yield connection
    finally:
        await engine.dispose()


def _sqlite(url: URL) -> AsyncEngine:
    """Foreign keys are off while tables are rebuilt, as https://sqlite.org/lang_altertable.html asks, and checked before the commit."""
    return sqlite_engine(url, mode="BEGIN IMMEDIATE", busy_seconds=_BUSY_SECONDS, foreign_keys=False)


def _postgres(url: URL, schema: str | None, connect_timeout: float, without: frozenset[DatabaseFeature] = frozenset()) -> AsyncEngine:
    limits = ConnectionLimits(pool_size=1, connect_timeout=connect_timeout, command_timeout=None, idle_transaction_timeout=None)
    return postgres_engine(url, schema=schema, limits=limits, without=without)


async def _bound(connection: AsyncConnection, limits: MigrationLimits) -> None:
    """Until the end of the transaction; whatever the role or the database says otherwise."""
    for name, seconds in (("lock_timeout", limits.lock_timeout), ("statement_timeout", limits.statement_timeout)):
        await connection.exec_driver_sql(f"SET LOCAL {name} = {round(seconds * 1000)}")


async def _take_lock(connection: AsyncConnection, schema: str | None) -> None:
    """Waits for other migrations of this schema, then makes the schema if it is missing."""
    key = zlib.crc32(f"tocsin migrations of {schema}".encode())
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    await _make_schema(connection, schema)


async def _make_schema(connection: AsyncConnection, schema: str | None) -> None:
    if schema is None:
        return
    known = await connection.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), {"schema": schema})
    if known is None:  # asked first: IF NOT EXISTS demands the right to create even when there is nothing to create
        await connection.execute(CreateSchema(schema))


async def _make_lock_row(engine: AsyncEngine, schema: str | None) -> None:
    """Makes the row that `_take_lock_row` locks, each part in a transaction of its own; others may do the same at the same time.

    IF NOT EXISTS does not keep two of them apart (https://www.postgresql.org/docs/current/sql-createtable.html has no word on it): the
    second one meets the unique index of the catalog, and then finds what the first has made.
    """
    for statement in (None, *_MAKE_LOCK):
        for last in (False, True):
            try:
                async with begin(engine) as connection:
                    if statement is None:
                        await require_writable(connection)
                        await _make_schema(connection, schema)
                    else:
                        await connection.exec_driver_sql(statement)
            except exc.DBAPIError as error:
                if last or getattr(error.orig, "sqlstate", None) not in _MADE_MEANWHILE:
                    raise
            else:
                break


async def _take_lock_row(connection: AsyncConnection) -> None:
    """Waits for other migrations of this schema; the lock ends with the transaction, or with its session."""
    await connection.exec_driver_sql(_LOCK_ROW)
