"""A PostgreSQL that takes no writes, or is too old: said with words at the start and by health, before anything is written."""

import asyncio
from functools import partial

import asyncpg
import pytest

from tocsin.clock import SystemClock
from tocsin.database import Database, DatabaseRefused, DatabaseUnavailable, migrate, server
from tocsin.database.server import DatabaseReadOnly, DatabaseTooOld
from tocsin.testing.clock import FakeClock
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.waiting import eventually


async def execute(url: str, *statements: str) -> None:
    """Runs statements, each by itself."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def is_read_only(database: Database) -> bool:
    """Whether health says so; connections of before may be lost first."""
    try:
        await database.check()
    except DatabaseUnavailable as error:
        return isinstance(error, DatabaseReadOnly) and "is a replica" in error.message
    return False


async def test_a_replica_is_waited_for_until_it_is_promoted(own_postgres_server: PostgresServer, clock: FakeClock) -> None:
    """A start waits and says why, a migration is refused, health says so in mid-run; all of it works once the server is the primary."""
    own = own_postgres_server
    running = Database(url=own.url(), clock=SystemClock(), schema="mailer_svc", migrations="mailer_svc")
    await running.start()
    own.stop()
    (own.data / "standby.signal").touch()
    own.start()
    await eventually(partial(is_read_only, running), what="health that says so")
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        async with running.transaction() as connection:
            await connection.exec_driver_sql("UPDATE changes SET value = value + 1")
    with pytest.raises(DatabaseReadOnly, match="name the primary"):
        await migrate(url=own.url(), schema="mailer_svc", package="mailer_svc")
    late = Database(url=own.url(), clock=clock, schema="mailer_svc", migrations="mailer_svc")
    starting = asyncio.create_task(late.start())
    await eventually(lambda: clock.sleepers == 1, what="the wait for the next attempt")
    await execute(own.url(), "SELECT pg_promote()")
    await clock.advance(5)
    await starting
    await late.check()
    await running.check()
    for database in (late, running):
        await database.stop()


async def test_a_database_that_is_read_only_says_so(postgres_url: str, clock: FakeClock) -> None:
    """As operators and managed servers whose disk is full set it."""
    name = postgres_url.rpartition("/")[2]
    await execute(postgres_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = Database(url=postgres_url, clock=clock)
    starting = asyncio.create_task(database.start())
    try:
        await eventually(lambda: clock.sleepers == 1, what="the wait for the next attempt")
        with pytest.raises(DatabaseReadOnly, match="default_transaction_read_only"):
            await migrate(url=postgres_url, schema="mailer_svc", package="mailer_svc")
    finally:
        await execute(postgres_url, "SET default_transaction_read_only = off", f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await clock.advance(5)
    await starting
    await database.stop()


async def test_a_server_that_is_too_old_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting helps: the start ends (exit code 78)."""
    monkeypatch.setattr(server, "OLDEST", 99)
    database = Database(url=postgres_url, clock=SystemClock(), schema="mailer_svc", migrations="mailer_svc")
    with pytest.raises(DatabaseTooOld, match="99 is the oldest that works") as caught:
        await database.start()
    assert isinstance(caught.value, DatabaseRefused)
    monkeypatch.undo()
    await database.start()
    await database.stop()
