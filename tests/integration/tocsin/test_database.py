"""The database, on SQLite and on a real PostgreSQL: transactions and reads."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import bindparam, func, select, text, update

from tests.integration.tocsin.databases import ROWS, ids, insert, opened
from tocsin.clock import SystemClock
from tocsin.database import (
    ConstraintBroken,
    Database,
    DatabaseUnavailable,
    DataRefused,
    GroupCommit,
    Lookup,
    copy_rows,
    insert_ignore,
    upsert,
)
from tocsin.errors import InvalidInput


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """A database of each kind in turn."""
    async with opened(database_url) as database:
        yield database


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


BY_ID = Lookup(select(ROWS.c.id, ROWS.c.word).where(ROWS.c.id == bindparam("wanted")))


async def test_a_lookup_finds_what_is_committed(database: Database) -> None:
    """By many at a time, beside a transaction that is open; each sees the latest state, and who is cancelled leaves nothing behind."""
    assert list(await database.lookup(BY_ID, {"wanted": 1})) == []
    await insert(database, *range(50))
    found = await asyncio.gather(*(database.lookup(BY_ID, {"wanted": number}) for number in range(60)))
    assert [[tuple(row) for row in rows] for rows in found] == [[(number, f"w{number}")] if number < 50 else [] for number in range(60)]
    async with database.transaction() as connection:
        await connection.execute(ROWS.insert().values(id=99, word="w"))
        assert list(await database.lookup(BY_ID, {"wanted": 99})) == []
        left = asyncio.ensure_future(database.lookup(BY_ID, {"wanted": 99}))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
    assert len(await database.lookup(BY_ID, {"wanted": 99})) == 1
    await database.stop()
    with pytest.raises(DatabaseUnavailable):
        await database.lookup(BY_ID, {"wanted": 99})
    await database.start()
    assert len(await database.lookup(BY_ID, {"wanted": 99})) == 1


async def test_a_lookup_of_what_cannot_be_is_the_callers_fault(database: Database) -> None:
    """As of any statement: the next one works."""
    with pytest.raises(DataRefused):
        await database.lookup(BY_ID, {"wanted": 2**70})
    assert list(await database.lookup(BY_ID, {"wanted": 1})) == []


async def test_a_constraint_is_the_statements_fault(database: Database) -> None:
    """A violated constraint is the caller's, quotes nothing that is stored, and the next transaction works."""
    await insert(database, 1)
    with pytest.raises(ConstraintBroken) as refused:
        await insert(database, 2, 1)
    assert isinstance(refused.value, InvalidInput)
    assert "w1" not in refused.value.message
    await insert(database, 2)
    assert await ids(database) == [1, 2]


POISON = [
    {"id": 2**63, "word": "a number out of range"},
    {"id": 2**80, "word": "a number out of any range"},
    {"id": 2, "word": "\ud800"},
    {"id": 2, "word": "\udcff in the middle"},
    {"id": 2, "word": None},
]
"""Rows that neither database takes."""


@pytest.mark.parametrize("row", [*POISON, {"id": 2, "word": "U+0000: \0"}], ids=range(6))
@pytest.mark.parametrize("copied", [False, True], ids=["insert", "copy"])
async def test_what_a_database_cannot_hold_is_the_callers_fault(database: Database, row: dict[str, object], copied: bool) -> None:
    """Whatever the driver or the server says of a value: a refusal without details, and the next transaction works."""

    async def write() -> None:
        async with database.transaction() as connection:
            if copied:
                await copy_rows(connection, ROWS, list(row), [tuple(row.values())])
            else:
                await connection.execute(ROWS.insert(), [row])

    if database.dialect == "sqlite" and row not in POISON:
        await write()
        return
    with pytest.raises(DataRefused) as refused:
        await write()
    assert isinstance(refused.value, InvalidInput)
    assert "asyncpg" not in refused.value.message
    await insert(database, 1)
    assert await ids(database) == [1]


@pytest.mark.parametrize("bad", POISON, ids=range(5))
async def test_one_bad_item_of_a_shared_transaction_is_refused_alone(database: Database, bad: dict[str, object]) -> None:
    """Writers that share a transaction share no fault: all but the bad one are committed."""

    async def flush(rows: Sequence[dict[str, object]]) -> Sequence[None]:
        async with database.transaction() as connection:
            await connection.execute(ROWS.insert(), rows)
        return [None] * len(rows)

    commits = GroupCommit[dict[str, object], None](flush=flush)
    await commits.start()
    rows: list[dict[str, object]] = [{"id": number, "word": f"w{number}"} for number in range(10, 40)]
    results = await asyncio.gather(*(commits.submit(row) for row in [*rows[:17], bad, *rows[17:]]), return_exceptions=True)
    await commits.stop()
    assert [type(result) for result in results if result is not None] == [type(results[17])]
    assert isinstance(results[17], DataRefused)
    assert await ids(database) == list(range(10, 40))


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
