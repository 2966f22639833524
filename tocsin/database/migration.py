"""Schema migrations by Alembic: one environment for every service, safe when replicas start together.

A service keeps its revisions in ``<package>/migrations/versions``; its ``migrations/env.py`` is
``from tocsin.database import run_migrations`` and ``run_migrations()``.
"""

import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import CreateSchema

from tocsin.database.engine import begin, checked_schema, parse_url, postgres_engine, sqlite_engine
from tocsin.database.faults import DatabaseRefused, translated
from tocsin.errors import FailedPrecondition

_BUSY_SECONDS = 60.0  # another replica may be migrating a large table


class SchemaTooNew(FailedPrecondition):
    """The database was migrated by a newer version of this program."""


async def migrate(*, url: str, schema: str | None, package: str, connect_timeout: float = 5.0) -> None:
    """Brings the database to the newest revision of ``package``, all of it or nothing.

    Makes the folder or the schema when it is missing. Replicas that call this together wait for the first of them.

    Args:
        url: as for `Database`.
        schema: the PostgreSQL schema; SQLite has none.
        package: the service's package, such as ``scheduler_svc``.
        connect_timeout: seconds.

    Raises:
        SchemaTooNew: the database is at a revision that this code does not know.
        DatabaseUnavailable: the database failed.
    """
    async with _locked(url, schema, connect_timeout) as connection:
        await connection.run_sync(_upgrade, package)


async def downgrade(*, url: str, schema: str | None, package: str, revision: str) -> None:
    """Takes the database back to ``revision``; "base" is the empty one, "-1" the one before.

    Raises:
        SchemaTooNew: the database is at a revision that this code does not know.
        DatabaseUnavailable: the database failed.
    """

    def run(connection: Connection) -> None:
        config = _config(package, connection)
        _refuse_unknown(config, connection)
        command.downgrade(config, revision)

    async with _locked(url, schema) as connection:
        await connection.run_sync(run)


async def current(*, url: str, schema: str | None) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    async with _locked(url, schema) as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def schema_differences(*, url: str, schema: str | None, metadata: MetaData) -> list[str]:
    """Where the migrated database and the tables in the code differ, a line for each; for tests."""

    def run(connection: Connection) -> list[str]:
        partitions = _partitions(connection)

        def include(name: str | None, kind: str, _parents: object) -> bool:
            return kind != "table" or name not in partitions

        configured = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "include_name": include}
        )
        differences: list[Any] = compare_metadata(configured, metadata)
        return [repr(difference) for difference in differences]

    async with _locked(url, schema) as connection:
        return await connection.run_sync(run)


def _partitions(connection: Connection) -> set[str]:
    """The tables that are part of another one, which alone stands in the code."""
    if connection.dialect.name == "sqlite":
        return set()
    query = "SELECT relname FROM pg_class WHERE relispartition AND relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
    return set(connection.scalars(text(query)))


def run_migrations() -> None:
    """The whole of every service's ``migrations/env.py``: runs on the connection that `migrate` holds, in its transaction."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


def _upgrade(connection: Connection, package: str) -> None:
    config = _config(package, connection)
    _refuse_unknown(config, connection)
    command.upgrade(config, "head")


def _config(package: str, connection: Connection) -> Config:
    """Alembic's configuration without its file, which would also set up logging."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        msg = f"there is no package {package}"
        raise LookupError(msg)
    config = Config()
    folder = Path(spec.submodule_search_locations[0]) / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _refuse_unknown(config: Config, connection: Connection) -> None:
    scripts = ScriptDirectory.from_config(config)
    for revision in MigrationContext.configure(connection).get_current_heads():
        try:
            scripts.get_revision(revision)
        except CommandError:
            newest = scripts.get_current_head() or "none"
            raise SchemaTooNew(
                f"The database is at revision {revision}, which this version does not know; its newest is {newest}. "
                "Start the newer version, or restore a backup.",
                metadata={"database_revision": revision, "newest_known_revision": newest},
            ) from None


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
                if sqlite:
                    await _check_foreign_keys(connection)
    finally:
        await engine.dispose()


def _sqlite(url: URL) -> AsyncEngine:
    """Foreign keys are off while tables are rebuilt, as https://sqlite.org/lang_altertable.html asks, and checked before the commit."""
    return sqlite_engine(url, mode="BEGIN IMMEDIATE", busy_seconds=_BUSY_SECONDS, foreign_keys=False)


def _postgres(url: URL, schema: str | None, connect_timeout: float) -> AsyncEngine:
    return postgres_engine(url, schema=schema, pool_size=1, connect_timeout=connect_timeout, command_timeout=None, standstill_timeout=None)


async def _take_lock(connection: AsyncConnection, schema: str | None) -> None:
    """Waits for other migrations of this schema, then makes the schema if it is missing."""
    key = zlib.crc32(f"tocsin migrations of {schema}".encode())
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    if schema is None:
        return
    known = await connection.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), {"schema": schema})
    if known is None:  # asked first: IF NOT EXISTS demands the right to create even when there is nothing to create
        await connection.execute(CreateSchema(schema))


async def _check_foreign_keys(connection: AsyncConnection) -> None:
    broken = (await connection.execute(text("PRAGMA foreign_key_check"))).all()
    if broken:
        raise FailedPrecondition(f"{len(broken)} rows refer to rows that are not there, the first in table {broken[0][0]}")
