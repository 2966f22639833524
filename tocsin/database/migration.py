"""Schema migrations by Alembic: one environment for every service, safe when replicas start together.

A service keeps its revisions in ``<package>/migrations/versions``, each in a file whose name begins with its number; its
``migrations/env.py`` is ``from tocsin.database import run_migrations`` and ``run_migrations()``.

A database that is up to date is left alone, and Alembic is not even imported: that takes a tenth of a second, which every restart would
pay. What needs it is in `tocsin.database.revisions`.
"""

import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import CreateSchema

from tocsin.database.engine import ConnectionLimits, begin, checked_schema, parse_url, postgres_engine, sqlite_engine
from tocsin.database.errors import DatabaseRefused, translated
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_BUSY_SECONDS = 60.0  # another replica may be migrating a large table


async def migrate(*, url: str, schema: str | None, package: str, connect_timeout: float = 5.0) -> None:
    """Brings the database to the newest revision of ``package``, all of it or nothing.

    Makes the folder or the schema when it is missing. Replicas that call this together wait for the first of them.

    Args:
        url: as for `Database`.
        schema: the PostgreSQL schema; SQLite has none.
        package: the service's package, such as ``scheduler_svc``.
        connect_timeout: seconds.

    Raises:
        SchemaTooNew, SchemaTooOld: the database is at a revision that this code does not know.
        DatabaseUnavailable: the database failed.
    """
    folder = migrations_of(package)

    def run(connection: Connection) -> None:
        before, newest = _current(connection), newest_revision(folder)
        if before != newest:
            _revisions().upgrade(connection, folder)
            _log.info("schema migrated", package=package, before=before, revision=newest)

    async with _locked(url, schema, connect_timeout) as connection:
        await connection.run_sync(run)


async def downgrade(*, url: str, schema: str | None, package: str, revision: str) -> None:
    """Takes the database back to ``revision``; "base" is the empty one, "-1" the one before.

    Raises:
        SchemaTooNew, SchemaTooOld: the database is at a revision that this code does not know.
        DatabaseUnavailable: the database failed.
    """
    folder = migrations_of(package)
    async with _locked(url, schema) as connection:
        await connection.run_sync(lambda sync: _revisions().downgrade(sync, folder, revision))


async def current(*, url: str, schema: str | None) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    async with _locked(url, schema) as connection:
        return await connection.run_sync(_current)


async def schema_differences(*, url: str, schema: str | None, metadata: MetaData) -> list[str]:
    """Where the migrated database and the tables in the code differ, a line for each; for tests."""
    async with _locked(url, schema) as connection:
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
async def _locked(url: str, schema: str | None, connect_timeout: float = 5.0) -> AsyncGenerator[AsyncConnection]:
    """One transaction on a connection of its own that no other migration can overlap."""
    parsed = parse_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    try:
        engine = _sqlite(parsed) if sqlite else _postgres(parsed, checked_schema(schema), connect_timeout)
    except OSError as error:
        raise DatabaseRefused(f"The database file cannot be opened: {error}") from error
    try:
        with translated():
            async with begin(engine) as connection:
                if not sqlite:
                    await _take_lock(connection, schema)
                yield connection
    finally:
        await engine.dispose()


def _sqlite(url: URL) -> AsyncEngine:
    """Foreign keys are off while tables are rebuilt, as https://sqlite.org/lang_altertable.html asks, and checked before the commit."""
    return sqlite_engine(url, mode="BEGIN IMMEDIATE", busy_seconds=_BUSY_SECONDS, foreign_keys=False)


def _postgres(url: URL, schema: str | None, connect_timeout: float) -> AsyncEngine:
    limits = ConnectionLimits(pool_size=1, connect_timeout=connect_timeout, command_timeout=None, idle_transaction_timeout=None)
    return postgres_engine(url, schema=schema, limits=limits)


async def _take_lock(connection: AsyncConnection, schema: str | None) -> None:
    """Waits for other migrations of this schema, then makes the schema if it is missing."""
    key = zlib.crc32(f"tocsin migrations of {schema}".encode())
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    if schema is None:
        return
    known = await connection.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), {"schema": schema})
    if known is None:  # asked first: IF NOT EXISTS demands the right to create even when there is nothing to create
        await connection.execute(CreateSchema(schema))
