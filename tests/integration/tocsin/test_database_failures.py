"""The database when things go wrong: no space, damage, deadlocks, a server that dies or does not answer."""

import asyncio
import contextlib
import gc
import sqlite3
import threading
import traceback
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

from tests.integration.tocsin.databases import ROWS, ids, insert, opened
from tocsin.clock import SystemClock
from tocsin.database import ConnectionLimits, Database, DatabaseRefused, DatabaseUnavailable
from tocsin.errors import Aborted, DataLoss
from tocsin.testing.clock import FakeClock
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.process import free_port
from tocsin.testing.waiting import eventually


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncGenerator[Database]:
    """A database on SQLite."""
    async with opened(sqlite_url) as database:
        yield database


@pytest.fixture
def no_collector() -> Generator[None]:
    """No garbage is collected meanwhile."""
    gc.disable()
    yield
    gc.enable()


async def test_sqlite_is_durable(sqlite: Database) -> None:
    """Commits are flushed, foreign keys hold, and readers do not block the writer."""
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "query_only": 0}
    async with sqlite.transaction() as connection:
        found = {name: await connection.scalar(text(f"PRAGMA {name}")) for name in expected}
    assert found == expected


async def test_sqlite_reads_cannot_write(sqlite: Database) -> None:
    """A write on a reading connection is an error of the code, not of the database."""
    async with sqlite.read() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.execute(ROWS.insert().values(id=1, word="w"))


async def test_sqlite_transactions_take_the_lock_at_once(sqlite: Database, sqlite_url: str) -> None:
    """A transaction is a writer from its first statement, also if that reads, so that it cannot fail half-way because another wrote."""
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=0, isolation_level=None) as other:
        async with sqlite.transaction() as connection:
            await connection.execute(text("SELECT 1"))
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    other.close()


async def test_sqlite_writer_cancelled_between_a_statement_and_its_rows(sqlite: Database, sqlite_url: str, no_collector: None) -> None:
    """Nobody has to wait for the garbage collector, though the cancelled task's traceback keeps the statement alive."""
    await insert(sqlite, 1, 2, 3)
    begun, gate = threading.Event(), threading.Event()

    def slow(number: int) -> int:
        begun.set()
        gate.wait()
        return number

    async def write() -> None:
        async with sqlite.transaction() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.create_function("slow", 1, slow)
            await connection.execute(text("UPDATE rows SET word = 'x' || slow(id) RETURNING word"))

    writing = asyncio.create_task(write())
    await asyncio.to_thread(begun.wait)
    writing.cancel()
    await asyncio.sleep(0)
    gate.set()
    await asyncio.wait([writing])
    assert writing.cancelled()
    with contextlib.closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=2, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT word FROM rows WHERE word LIKE 'x%'").fetchall() == []


async def test_sqlite_without_space(sqlite: Database) -> None:
    """A full disk is the database's failure; nothing of the transaction remains; with space it works again."""
    async with sqlite.transaction() as connection:
        await connection.execute(text("PRAGMA max_page_count = 8"))
    with pytest.raises(DatabaseUnavailable, match="full") as caught:
        await insert(sqlite, *range(20_000))
    assert (caught.value.error_reason, caught.value.retry_after) == ("DATABASE_UNAVAILABLE", 1.0)
    assert await ids(sqlite) == []
    async with sqlite.transaction() as connection:
        await connection.execute(text("PRAGMA max_page_count = 100000"))
    await insert(sqlite, *range(20_000))


@pytest.mark.parametrize("where", ["a folder", "below a file"])
async def test_sqlite_where_no_file_can_be(tmp_path: Path, where: str) -> None:
    """A path that can never be opened stops the start instead of being waited for."""
    (tmp_path / "file").write_text("")
    path = tmp_path if where == "a folder" else tmp_path / "file" / "x.db"
    with pytest.raises(DatabaseRefused):
        await Database(url=f"sqlite:///{path}", clock=FakeClock()).start()


async def test_sqlite_damaged(tmp_path: Path) -> None:
    """A file that is no database stops the start as a loss of data."""
    path = tmp_path / "x.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(DataLoss):
        await Database(url=f"sqlite:///{path}", clock=FakeClock()).start()


async def test_postgres_deadlock(postgres_url: str) -> None:
    """The victim of a deadlock is told that another came first; the other commits."""
    async with opened(postgres_url) as database:
        await insert(database, 1, 2)
        both = asyncio.Barrier(2)

        async def swap(first: int, second: int) -> None:
            async with database.transaction() as connection:
                await connection.execute(update(ROWS).where(ROWS.c.id == first).values(word=f"x{first}{second}"))
                await both.wait()
                await connection.execute(update(ROWS).where(ROWS.c.id == second).values(word=f"y{first}{second}"))

        results = await asyncio.gather(swap(1, 2), swap(2, 1), return_exceptions=True)
        assert [type(result) for result in results if result is not None] == [Aborted]


async def test_postgres_without_that_database(postgres_server: PostgresServer) -> None:
    """A database that does not exist stops the start instead of being waited for."""
    with pytest.raises(DatabaseRefused, match="does not exist"):
        await Database(url=postgres_server.url("nowhere"), clock=FakeClock()).start()


async def test_postgres_dies_and_returns(own_postgres_server: PostgresServer) -> None:
    """While the server is dead each use fails at once; when it is back, the first use works, without a restart."""
    async with opened(own_postgres_server.url()) as database:
        await insert(database, 1)
        async with database.read() as connection:
            own_postgres_server.kill()
            with pytest.raises(Exception, match=r"clos|terminat|reset"):
                await connection.execute(text("SELECT 1"))
        for use in (lambda: insert(database, 2), lambda: ids(database), database.check):
            with pytest.raises(DatabaseUnavailable):
                await use()
        own_postgres_server.start()
        await insert(database, 3)
        assert await ids(database) == [1, 3]
        await asyncio.to_thread(own_postgres_server.stop)
        await asyncio.to_thread(own_postgres_server.start)
        await asyncio.gather(*(ids(database) for _ in range(10)))


async def test_postgres_dies_inside_a_transaction(own_postgres_server: PostgresServer) -> None:
    """A connection lost half-way is the database's failure, and nothing was committed."""
    async with opened(own_postgres_server.url()) as database:

        async def write() -> None:
            async with database.transaction() as connection:
                await connection.execute(ROWS.insert().values(id=1, word="w"))
                own_postgres_server.kill()
                await connection.execute(ROWS.insert().values(id=2, word="x"))

        with pytest.raises(DatabaseUnavailable):
            await write()
        own_postgres_server.start()
        assert await ids(database) == []


async def test_postgres_that_does_not_answer(own_postgres_server: PostgresServer) -> None:
    """A server that accepts and then says nothing is given up after the connect timeout."""
    database = Database(url=own_postgres_server.url(), clock=SystemClock(), limits=ConnectionLimits(connect_timeout=0.3))
    await database.start()
    await database.stop()
    own_postgres_server.pause()
    starting = asyncio.create_task(database.start())
    await asyncio.sleep(0)
    probe = Database(url=own_postgres_server.url(), clock=(clock := FakeClock()), limits=ConnectionLimits(connect_timeout=0.3))
    waiting = asyncio.create_task(probe.start())
    await eventually(lambda: clock.sleepers == 1, what="the first failed attempt")
    own_postgres_server.resume()

    async def both() -> bool:
        await clock.advance(1)
        return starting.done() and waiting.done()

    await eventually(both, what="both connections")
    await asyncio.gather(starting, waiting)
    await database.stop()
    await probe.stop()


async def test_start_waits_for_a_database_that_is_away(own_postgres_server: PostgresServer) -> None:
    """A service whose database is down stays up and opens it as soon as it is there."""
    own_postgres_server.stop()
    clock = FakeClock()
    database = Database(url=own_postgres_server.url(), clock=clock)
    starting = asyncio.create_task(database.start())
    for _ in range(3):
        await eventually(lambda: clock.sleepers == 1, what="the wait for the next attempt")
        await clock.advance(5)
    assert not starting.done()
    own_postgres_server.start()

    async def opened_at_last() -> bool:
        await clock.advance(5)
        return starting.done()

    await eventually(opened_at_last, what="the start")
    await starting
    await database.check()
    await database.stop()


async def test_a_waiting_start_can_be_cancelled() -> None:
    """A stop signal does not have to wait for the database."""
    clock = FakeClock()
    database = Database(url=f"postgresql://u@127.0.0.1:{free_port()}/x", clock=clock)
    starting = asyncio.create_task(database.start())
    await eventually(lambda: clock.sleepers == 1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await database.stop()


async def test_no_error_quotes_what_a_statement_carries(database_url: str) -> None:
    """A value may be a secret: neither the error nor what it comes from shows it."""
    secret = "5ecret" + "MARK"  # in two parts: a stack quotes the lines of this file
    database = Database(url=database_url, clock=SystemClock())
    await database.start()
    try:
        with pytest.raises(Exception, match="nowhere") as caught:
            async with database.transaction() as connection:
                await connection.execute(text("INSERT INTO nowhere VALUES (:secret)"), {"secret": secret})
        assert secret not in "".join(traceback.format_exception(caught.value))
    finally:
        await database.stop()
