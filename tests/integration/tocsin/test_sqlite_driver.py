"""SQLite's driver: how often a connection's thread is visited, and that nothing is lost by visiting it less."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from tests.integration.tocsin.databases import ROWS, ids, insert, opened
from tocsin.database import Database
from tocsin.database.sqlite import StatementConnection, open_sqlite
from tocsin.testing.waiting import eventually


class VisitCounter:
    """Counts what the threads of all connections are asked for."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original: Any = StatementConnection._execute  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

        async def counted(connection: StatementConnection, fn: object, *args: object, **kwargs: object) -> object:
            self.count += 1
            return await original(connection, fn, *args, **kwargs)

        patch.setattr(StatementConnection, "_execute", counted)


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncGenerator[Database]:
    """A database on SQLite."""
    async with opened(sqlite_url) as database:
        yield database


@pytest.fixture
def visits(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> VisitCounter:
    """Visits from now on."""
    return VisitCounter(monkeypatch)


async def test_a_visit_for_each_statement(sqlite: Database, visits: VisitCounter) -> None:
    """A transaction is as many visits as it has statements, and one to commit; its begin is a part of the first."""
    async with sqlite.transaction() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
        await connection.execute(ROWS.insert(), [{"id": 1, "word": "a"}, {"id": 2, "word": "b"}])
        returned = (await connection.execute(ROWS.update().values(word=ROWS.c.word + "!").returning(ROWS.c.word))).scalars()
        assert sorted(returned) == ["a!", "b!"]
    assert visits.count == 4


async def test_nothing_is_begun_for_nothing(sqlite: Database, visits: VisitCounter) -> None:
    """A transaction without a statement costs no visit, however it ends."""
    async with sqlite.transaction():
        pass
    with contextlib.suppress(ZeroDivisionError):
        async with sqlite.transaction():
            raise ZeroDivisionError
    assert visits.count == 0


@pytest.mark.parametrize("snapshot", [False, True])
async def test_reading_is_one_visit(sqlite: Database, visits: VisitCounter, *, snapshot: bool) -> None:
    """The statement; a snapshot is given up as well. Opening the connection is not counted."""
    await ids(sqlite)
    visits.count = 0
    async with sqlite.read(snapshot=snapshot) as connection:
        await connection.execute(select(ROWS))
    assert visits.count == 1 + snapshot


@pytest.mark.parametrize("count", [999, 1000, 1001, 2500])
async def test_more_rows_than_a_visit_brings(sqlite: Database, count: int) -> None:
    """Each row comes once, whether all are asked for at once or one after the other, and nothing stays open behind them."""
    await insert(sqlite, *range(count))
    assert await ids(sqlite) == list(range(count))
    async with sqlite.read(snapshot=True) as connection:
        stream = await connection.stream_scalars(select(ROWS.c.id).order_by(ROWS.c.id))
        assert [number async for number in stream] == list(range(count))
    async with sqlite.read(snapshot=True) as connection:
        stream = await connection.stream_scalars(select(ROWS.c.id).order_by(ROWS.c.id).execution_options(yield_per=7))
        assert [await stream.first()] == [0]
    async with sqlite.transaction() as connection:
        assert len((await connection.execute(ROWS.update().values(word=ROWS.c.word + "!").returning(ROWS.c.id))).all()) == count


async def test_no_statement_runs_outside_of_its_transaction(sqlite: Database, sqlite_url: str) -> None:
    """While another process writes, the begin fails and the statement with it; what runs later is in a transaction."""
    async with sqlite.transaction() as connection:
        await connection.execute(text("PRAGMA busy_timeout = 1"))
    with contextlib.closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:

        async def write() -> None:
            async with sqlite.transaction() as connection:
                other.execute("BEGIN IMMEDIATE")
                for number in (1, 2):
                    with pytest.raises(OperationalError, match="locked"):
                        await connection.execute(ROWS.insert().values(id=number, word=f"w{number}"))
                other.execute("ROLLBACK")
                await connection.execute(ROWS.insert().values(id=3, word="w3"))
                raise ZeroDivisionError

        with contextlib.suppress(ZeroDivisionError):
            await write()
    assert await ids(sqlite) == []


async def test_a_row_that_cannot_be_read_leaves_no_statement_open(sqlite: Database) -> None:
    """It fails its own statement; the next transaction commits."""
    async with sqlite.transaction() as connection:
        await connection.exec_driver_sql("INSERT INTO rows VALUES (1, CAST(x'ff' AS TEXT)), (2, 'w')")
    with pytest.raises(OperationalError, match="decode"):
        async with sqlite.transaction() as connection:
            await connection.execute(ROWS.update().values(id=ROWS.c.id).returning(ROWS.c.word))
    await insert(sqlite, 3)
    assert await ids(sqlite) == [1, 2, 3]


async def test_text_that_is_none_costs_its_row_and_not_its_page(sqlite: Database) -> None:
    """It is read with U+FFFD in its place; what changes rows fails once, for it may not be done twice."""
    async with sqlite.transaction() as connection:
        await connection.exec_driver_sql("INSERT INTO rows VALUES (1, 'a'), (2, CAST(x'ff' AS TEXT)), (3, CAST(x'eda080' AS TEXT))")
    async with sqlite.read() as connection:
        words = (await connection.execute(select(ROWS.c.word).order_by(ROWS.c.id))).scalars().all()
    assert words == ["a", "\ufffd", "\ufffd\ufffd\ufffd"]


async def test_one_that_is_stopped_while_it_closes_is_closed(tmp_path: Path) -> None:
    """SQLAlchemy does both when the caller of a statement is cancelled: nobody waits for a thread that has ended."""
    for turns in range(4):
        connection = await open_sqlite(str(tmp_path / "x.db"))
        closing = asyncio.ensure_future(asyncio.wait({asyncio.create_task(connection.close())}))
        for _ in range(turns):
            await asyncio.sleep(0)
        connection.stop()
        await eventually(closing.done, what=f"the end of a close that was stopped after {turns} turns of the loop")
