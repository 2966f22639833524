"""Engines that speak PostgreSQL's protocol and lack some of its features, or have them in name only: found out at the start."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
import pytest

from tests.other_engines import ALL, ROLE, refusing
from tocsin.clock import SystemClock
from tocsin.config import DatabaseFeature
from tocsin.database import ConnectionLimits, Database, current, migrate
from tocsin.database.probes import SessionSettingsMissing, TransactionIdsUnfit
from tocsin.testing.postgres import PostgresServer

SCHEMA: Final = "mailer_svc"
_SETTINGS: Final = frozenset({DatabaseFeature.SESSION_SETTINGS})
_MEANT: Final = {
    "pg_try_advisory_lock(bigint) RETURNS boolean": "SELECT true",
    "pg_advisory_unlock(bigint) RETURNS boolean": "SELECT true",
    "pg_snapshot_xmin(pg_snapshot) RETURNS xid8": "SELECT '9223372036854775807'::xid8",
}
"""What an engine may answer that knows the words and means nothing by them."""


async def execute(url: str, *statements: str) -> None:
    """Runs statements as the administrator."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def empty_url(postgres_server: PostgresServer, postgres_url: str) -> AsyncIterator[str]:
    """A database, and a role whose sessions begin in the schema and end what is idle."""
    name = postgres_url.rpartition("/")[2]
    own = f"of_{name}"
    await execute(
        postgres_server.url(name),
        f"CREATE ROLE {own} LOGIN",
        f"GRANT CREATE ON DATABASE {name} TO {own}",
        f"ALTER ROLE {own} SET search_path = {SCHEMA}",
        f"ALTER ROLE {own} SET idle_in_transaction_session_timeout = '10s'",
    )
    yield postgres_server.url(name, user=own)
    await execute(postgres_server.url(name), f"DROP OWNED BY {own} CASCADE", f"DROP ROLE {own}")


async def mean(server: PostgresServer, url: str, *, only: str) -> None:
    """Lets functions whose names begin with ``only`` answer as `_MEANT` says, to the role of the URL."""
    name, role = url.rpartition("/")[2], url.partition("//")[2].partition("@")[0]
    made = [f"CREATE FUNCTION meant.{head} LANGUAGE sql AS $$ {body} $$" for head, body in _MEANT.items() if head.startswith(only)]
    path = f"ALTER ROLE {role} SET search_path = {SCHEMA}, meant, pg_catalog"
    await execute(server.url(name), "CREATE SCHEMA meant", "GRANT USAGE ON SCHEMA meant TO PUBLIC", *made, path)


async def test_locks_that_always_say_yes_are_found_out(postgres_server: PostgresServer, empty_url: str) -> None:
    """The start goes on without them; of those that exclude others, it makes use."""
    database = Database(url=empty_url, clock=SystemClock(), schema=SCHEMA, without=_SETTINGS)
    await database.start()
    assert database.advisory_locks
    await database.stop()
    await mean(postgres_server, empty_url, only="pg_try")
    again = Database(url=empty_url, clock=SystemClock(), schema=SCHEMA, without=_SETTINGS, migrations=SCHEMA)
    await again.start()
    assert not again.advisory_locks
    await again.stop()


async def test_snapshots_that_say_nothing_are_found_out(postgres_server: PostgresServer, empty_url: str) -> None:
    """Whoever numbers changes by ids of transactions does not start then, and is told what to set."""
    for fit in (True, False):
        database = Database(url=empty_url, clock=SystemClock(), schema=SCHEMA, without=_SETTINGS)
        await database.start()
        try:
            if fit:
                await database.require_transaction_ids()
            else:
                with pytest.raises(TransactionIdsUnfit, match="TOCSIN_DATABASE_WITHOUT=transaction_ids"):
                    await database.require_transaction_ids()
        finally:
            await database.stop()
        if fit:
            await mean(postgres_server, empty_url, only="pg_snapshot")


async def test_functions_that_are_not_there_are_found_out(poor_url: str) -> None:
    """They raise, which is no failure of the database; with one connection nobody can try."""
    for connections in (1, 2, 10):
        limits = ConnectionLimits(pool_size=connections)
        database = Database(url=poor_url, clock=SystemClock(), schema="public", limits=limits, without=_SETTINGS)
        await database.start()
        assert database.advisory_locks == (connections == 1)
        if connections > 1:
            with pytest.raises(TransactionIdsUnfit):
                await database.require_transaction_ids()
        async with database.read() as connection:
            assert (await connection.exec_driver_sql("SELECT 1")).scalar_one() == 1
        await database.stop()


@pytest.mark.parametrize(
    ("setting", "words"),
    [("search_path", f"ALTER ROLE … SET search_path = {SCHEMA}"), ("idle_in_transaction_session_timeout", "frozen process")],
)
async def test_settings_that_a_role_lacks_are_named(postgres_server: PostgresServer, empty_url: str, setting: str, words: str) -> None:
    """With the statement that mends it; nothing is written."""
    role = empty_url.partition("//")[2].partition("@")[0]
    await execute(postgres_server.url(), f"ALTER ROLE {role} RESET {setting}")
    database = Database(url=empty_url, clock=SystemClock(), schema=SCHEMA, without=_SETTINGS, migrations=SCHEMA)
    with pytest.raises(SessionSettingsMissing, match=words):
        await database.start()
    await database.stop()
    connection = await asyncpg.connect(empty_url)
    assert await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", SCHEMA) == 0
    await connection.close()


async def test_migrations_at_once_without_advisory_locks(empty_url: str) -> None:
    """One after the other by a row, on a database that has not even the schema."""
    with refusing() as refused:
        await asyncio.gather(*(migrate(url=empty_url, schema=SCHEMA, package=SCHEMA, without=ALL) for _ in range(4)))
        assert await current(url=empty_url, schema=SCHEMA, without=ALL) is not None
    assert refused == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_try_advisory_xact_lock(1)",
        "SELECT pg_catalog.pg_current_xact_id()",
        "SELECT txid_current()",
        "SELECT pg_snapshot_xmin(pg_current_snapshot())",
        "SELECT pg_export_snapshot()",
        "SELECT pg_notify('a', 'b')",
        "DO $$ BEGIN END $$",
        "CREATE TEMPORARY TABLE mine (id integer)",
        "CREATE TABLE parts (id integer) PARTITION BY RANGE (id)",
    ],
)
async def test_what_other_engines_lack_raises_here(poor_url: str, statement: str) -> None:
    """The server refuses by itself, however a call is written: the proof is worth what this is worth."""
    connection = await asyncpg.connect(poor_url)
    try:
        assert await connection.fetchval("SELECT current_user") == ROLE
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)):
            await connection.execute(statement)
    finally:
        await connection.close()
