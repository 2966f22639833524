"""The database, on SQLite and on a real PostgreSQL: transactions, failures, recovery."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, func, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from tocsin.clock import SystemClock
from tocsin.database import Database, DatabaseRefused, DatabaseUnavailable, insert_ignore, upsert
from tocsin.errors import Aborted, DataLoss, InvalidInput
from tocsin.testing.clock import FakeClock
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.process import free_port
from tocsin.testing.waiting import eventually

METADATA = MetaData()
ROWS = Table("rows", METADATA, Column("id", BigInteger, primary_key=True), Column("word", Text, nullable=False, unique=True))


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Database]:
    """A started database with the table."""
    database = Database(url=url, clock=SystemClock(), pool_size=5, connect_timeout=2.0)
    await database.start()
    try:
        async with database.transaction() as connection:
            await connection.run_sync(METADATA.create_all)
        yield database
    finally:
        await database.stop()


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """A database of each kind in turn."""
    async with opened(database_url) as database:
        yield database


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncGenerator[Database]:
    """A database on SQLite."""
    async with opened(sqlite_url) as database:
        yield database


async def insert(database: Database, *ids: int) -> None:
    """Commits rows with these ids."""
    async with database.transaction() as connection:
        await connection.execute(ROWS.insert(), [{"id": number, "word": f"w{number}"} for number in ids])


async def ids(database: Database) -> list[int]:
    """The ids that are committed."""
    async with database.read() as connection:
        return list(await connection.scalars(select(ROWS.c.id).order_by(ROWS.c.id)))


async def test_a_transaction_commits(database: Database) -> None:
    """What a transaction wrote is there for every later read."""
    await insert(database, 1, 2)
    assert await ids(database) == [1, 2]


async def test_an_exception_rolls_back(database: Database) -> None:
    """A transaction that is left by an exception leaves nothing behind."""

    async def fail() -> None:
        async with database.transaction() as connection:
            await connection.execute(ROWS.insert().values(id=1, word="w"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await ids(database) == []
    await insert(database, 1)


async def test_uncommitted_rows_are_not_read(database: Database) -> None:
    """A read beside an open transaction sees the state before it."""
    async with database.transaction() as connection:
        await connection.execute(ROWS.insert().values(id=1, word="w"))
        assert await ids(database) == []
    assert await ids(database) == [1]


async def test_a_snapshot_does_not_move(database: Database) -> None:
    """A snapshot sees one state; a plain read sees each commit."""
    await insert(database, 1)
    async with database.read(snapshot=True) as snapshot, database.read() as live:
        count = select(func.count()).select_from(ROWS)
        assert [await snapshot.scalar(count), await live.scalar(count)] == [1, 1]
        await insert(database, 2)
        assert [await snapshot.scalar(count), await live.scalar(count)] == [1, 2]


async def test_a_snapshot_streams(database: Database) -> None:
    """A long result can be read in parts."""
    await insert(database, *range(2500))
    async with database.read(snapshot=True) as connection, connection.stream(select(ROWS.c.id)) as result:
        assert sum([row.id async for row in result]) == sum(range(2500))


async def test_a_constraint_is_the_statements_fault(database: Database) -> None:
    """A violated constraint reaches the store as IntegrityError, and the next transaction works."""
    await insert(database, 1)
    with pytest.raises(IntegrityError):
        await insert(database, 2, 1)
    await insert(database, 2)
    assert await ids(database) == [1, 2]


async def test_concurrent_writers_all_commit(database: Database) -> None:
    """Writers that come together each take effect once."""
    await insert(database, 0)

    async def bump() -> None:
        async with database.transaction() as connection:
            await connection.execute(update(ROWS).values(id=ROWS.c.id + 1))

    await asyncio.gather(*(bump() for _ in range(30)))
    assert await ids(database) == [30]


async def test_cancelled_transactions_leave_nothing(database: Database) -> None:
    """Whenever a transaction is cancelled, it commits all or nothing, and the database goes on."""

    async def write(number: int) -> None:
        async with database.transaction() as connection:
            for offset in (0, 1):
                await connection.execute(ROWS.insert().values(id=2 * number + offset, word=f"w{2 * number + offset}"))

    tasks = [asyncio.create_task(write(number)) for number in range(60)]
    for number, task in enumerate(tasks):
        if number % 3:
            await asyncio.sleep(0.001 * (number % 5))
            task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() or task.exception() is None for task in tasks)
    found = await ids(database)
    assert {number // 2 for number in found if number % 2 == 0} == {number // 2 for number in found if number % 2}
    assert {2 * number for number, task in enumerate(tasks) if not task.cancelled()} <= set(found)
    await insert(database, 1000)


async def test_insert_ignore(database: Database) -> None:
    """Rows that exist are left alone, and the new ones are told."""
    await insert(database, 1)
    async with database.transaction() as connection:
        rows = [{"id": 1, "word": "other"}, {"id": 5, "word": "w1"}, {"id": 2, "word": "w2"}]
        added = await connection.scalars(insert_ignore(ROWS).values(rows).returning(ROWS.c.id))
        assert list(added) == [2]
    assert await ids(database) == [1, 2]


async def test_upsert(database: Database) -> None:
    """Rows that exist get the new values, the others are added."""
    await insert(database, 1)
    async with database.transaction() as connection:
        await connection.execute(upsert(ROWS, keys=["id"], update=["word"]), [{"id": 1, "word": "new"}, {"id": 2, "word": "two"}])
    async with database.read() as connection:
        rows = await connection.execute(select(ROWS.c.id, ROWS.c.word).order_by(ROWS.c.id))
        assert [tuple(row) for row in rows] == [(1, "new"), (2, "two")]


async def test_start_and_stop_at_any_time(database_url: str) -> None:
    """Both may be called twice; while it is closed every use is refused; it can be opened again."""
    database = Database(url=database_url, clock=SystemClock())
    await database.stop()
    for use in (database.transaction, database.read):
        with pytest.raises(DatabaseUnavailable):
            async with use():
                pass
    for _ in range(2):
        await database.start()
        await database.start()
        await database.check()
        await database.stop()
        await database.stop()
        with pytest.raises(DatabaseUnavailable):
            await database.check()


class Gate:
    """A guard that can be closed, and remembers how uses ended."""

    def __init__(self) -> None:
        self.open = True
        self.seen: list[str] = []

    @asynccontextmanager
    async def guard(self) -> AsyncGenerator[None]:
        if not self.open:
            raise DatabaseUnavailable
        try:
            yield
        except Exception as error:
            self.seen.append(type(error).__name__)
            raise
        self.seen.append("ok")


async def test_the_guard_surrounds_each_use(database_url: str) -> None:
    """A guard sees successes and failures and can refuse; health asks the database itself."""
    gate = Gate()
    database = Database(url=database_url, clock=SystemClock(), guard=gate)
    await database.start()
    try:
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))
        with pytest.raises(LookupError):
            async with database.transaction():
                raise LookupError
        assert gate.seen == ["ok", "LookupError"]
        gate.open = False
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction():
                pass
        await database.check()
    finally:
        await database.stop()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://x/y", "must begin with sqlite:// or postgresql://"),
        ("nonsense", "must begin with sqlite:// or postgresql://"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, reason: str) -> None:
    """A wrong URL is refused when the database is made, by the setting's name."""
    with pytest.raises(InvalidInput, match=f"database_url: {reason}"):
        Database(url=url, clock=SystemClock())


def test_a_schema_that_needs_quotes() -> None:
    """Only plain names are schemas."""
    with pytest.raises(InvalidInput, match="database_schema"):
        Database(url="postgresql://h/d", schema='x"; DROP', clock=SystemClock())


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
    """A transaction is a writer from its first moment, so that it cannot fail half-way because another wrote."""
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=0, isolation_level=None) as other:
        async with sqlite.transaction():
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    other.close()


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
    database = Database(url=own_postgres_server.url(), clock=SystemClock(), connect_timeout=0.3)
    await database.start()
    await database.stop()
    own_postgres_server.pause()
    starting = asyncio.create_task(database.start())
    await asyncio.sleep(0)
    probe = Database(url=own_postgres_server.url(), clock=(clock := FakeClock()), connect_timeout=0.3)
    waiting = asyncio.create_task(probe.start())
    await eventually(lambda: clock.sleepers == 1, what="the first failed attempt")
    own_postgres_server.resume()
    await clock.advance(1)
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
