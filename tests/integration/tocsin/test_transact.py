"""Transactions whose work waits for nothing but its statements: the same on every database, and on SQLite one visit to its thread."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from threading import get_ident
from typing import Any

import pytest

from tests.integration.tocsin.databases import ids, insert, opened
from tocsin.database import ConstraintBroken, Database, DataRefused, DriverConnection, WaitsForOthers
from tocsin.database.sqlite import StatementConnection
from tocsin.errors import NotFound


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """A database of each kind in turn."""
    async with opened(database_url) as database:
        yield database


async def _add(connection: DriverConnection, *numbers: int) -> int:
    """Inserts rows with these ids, in the words of each driver; how many."""
    marks = "?, ?" if connection.dialect.name == "sqlite" else "$1, $2"
    rows = [(number, f"w{number}") for number in numbers]
    statement = f"INSERT INTO rows VALUES ({marks}) ON CONFLICT (id) DO NOTHING"  # noqa: S608  marks alone
    return sum([(await connection.exec_driver_sql(statement, row)).rowcount for row in rows])


async def test_it_commits_what_it_did(database: Database) -> None:
    """Its statements see each other, tell what they changed, and give rows that know their columns."""

    async def work(connection: DriverConnection) -> tuple[int, list[tuple[int, str]]]:
        added = await _add(connection, 1, 2, 3) + await _add(connection, 3)
        rows: Sequence[Any] = (await connection.exec_driver_sql("SELECT id, word FROM rows ORDER BY id")).fetchall()
        assert [tuple(row) for row in rows] == [(row[0], row[1]) for row in rows]
        assert (await connection.exec_driver_sql("SELECT id FROM rows WHERE id = 99")).fetchall() == []
        return added, [(row.id, row.word) for row in rows]

    assert await database.transact(work) == (3, [(1, "w1"), (2, "w2"), (3, "w3")])
    assert await ids(database) == [1, 2, 3]


async def test_many_rows_are_one_statement(database: Database) -> None:
    """A list is one run for each of its tuples; all of their rows are counted."""
    if database.dialect == "postgresql":
        statement, rows = "INSERT INTO rows SELECT * FROM unnest($1::bigint[], $2::text[])", ([1, 2], ["a", "b"])
    else:
        statement, rows = "INSERT INTO rows VALUES (?, ?)", [(1, "a"), (2, "b")]

    async def work(connection: DriverConnection) -> int:
        return (await connection.exec_driver_sql(statement, rows)).rowcount

    assert await database.transact(work) == 2
    assert await ids(database) == [1, 2]


async def test_an_error_leaves_nothing(database: Database) -> None:
    """Its own error comes out as it is, one of the data as its caller's; the next transaction works."""
    await insert(database, 1)

    async def refused(connection: DriverConnection) -> None:
        await _add(connection, 2)
        raise NotFound

    async def taken(connection: DriverConnection) -> None:
        await _add(connection, 3)
        await connection.exec_driver_sql("INSERT INTO rows VALUES (4, 'w1')")

    async def too_large(connection: DriverConnection) -> None:
        await _add(connection, 5, 2**70)

    with pytest.raises(NotFound):
        await database.transact(refused)
    with pytest.raises(ConstraintBroken):
        await database.transact(taken)
    with pytest.raises(DataRefused):
        await database.transact(too_large)
    assert await ids(database) == [1]
    await insert(database, 2)


async def test_they_come_one_after_the_other(database: Database) -> None:
    """Those that are begun together, of both ways to begin one, all commit; so does one whose caller leaves, or nothing of it does."""

    async def work(number: int) -> int:
        return await database.transact(lambda connection: _add(connection, 2 * number, 2 * number + 1))

    left = asyncio.ensure_future(work(100))
    await asyncio.sleep(0)
    left.cancel()
    assert await asyncio.gather(*(work(number) for number in range(20)), insert(database, 1000)) == [2] * 20 + [None]
    assert [number for number in await ids(database) if number < 200] == list(range(40))
    assert len([number for number in await ids(database) if number in (200, 201)]) in (0, 2)


async def test_sqlite_is_visited_once(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many statements there are; and they run in its thread."""
    threads: list[int] = []

    async def work(connection: DriverConnection) -> int:
        threads.append(get_ident())
        return sum([await _add(connection, number) for number in range(10)])

    async with opened(sqlite_url) as database:
        await insert(database, 1000)  # opens the connection
        visits, original = [], StatementConnection._execute  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

        async def counted(connection: StatementConnection, fn: Any, *args: Any, **kwargs: Any) -> object:
            visits.append(fn)
            return await original(connection, fn, *args, **kwargs)

        monkeypatch.setattr(StatementConnection, "_execute", counted)
        assert await database.transact(work) == 10
        assert len(visits) == 1
    assert threads != [get_ident()]


async def test_work_that_waits_for_others_is_refused(sqlite_url: str) -> None:
    """On SQLite it would hold every other writer up; nothing of it is committed, and its own cleaning up is done."""
    cleaned: list[int] = []

    async def work(connection: DriverConnection) -> None:
        try:
            await _add(connection, 1)
            await asyncio.sleep(0)
        finally:
            cleaned.append(1)

    async with opened(sqlite_url) as database:
        with pytest.raises(WaitsForOthers):
            await database.transact(work)
        assert cleaned == [1]
        assert await ids(database) == []
        await insert(database, 1)
