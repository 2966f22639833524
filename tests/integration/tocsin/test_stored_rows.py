"""Pages of rows that somebody spoiled: what can be read is shown whole, and what cannot is told."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.integration.tocsin.databases import ROWS, insert, opened
from tocsin.database import Database, Lookup, kinds_of, read_page, typed
from tocsin.errors import StoredRowUnreadable
from tocsin.stored import row_reader

QUERY = select(ROWS).order_by(ROWS.c.id)
LOOKUP = Lookup(select(ROWS.c.id, ROWS.c.word).where(ROWS.c.id == bindparam("in_id")))


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncGenerator[Database]:
    """A database of SQLite with ten rows."""
    async with opened(f"sqlite:///{tmp_path / 'rows.db'}") as database:
        await insert(database, *range(10))
        yield database


@row_reader(lambda row: f"rows/{row.id}")
def read(row: Row[tuple[int, str]]) -> int:
    """The number behind the w."""
    return int(row.word.removeprefix("w"))


async def spoil(database: Database, word: str, *ids: int) -> None:
    """Writes what no version wrote; ``word`` is SQL."""
    async with database.transaction() as connection:
        for identity in ids:
            await connection.exec_driver_sql(f"UPDATE rows SET word = {word} || id WHERE id = {identity}")  # noqa: S608


@pytest.mark.parametrize("limit", [1, 3, 4, 9, 20])
@pytest.mark.parametrize("spoiled", [(), (0,), (9,), (2, 3, 4, 5), range(10)], ids=str)
async def test_a_page_has_as_many_as_can_be_read(sqlite: Database, spoiled: tuple[int, ...], limit: int) -> None:
    """Fewer than were asked for only where there are no more: to who reads page by page a short page is the last."""
    await spoil(sqlite, "'x'", *spoiled)
    async with sqlite.read() as connection:
        found = await read_page(connection, QUERY, read, limit=limit)
    assert found == [number for number in range(10) if number not in spoiled][:limit]


async def test_one_row_by_itself_says_that_it_cannot_be_read(sqlite: Database) -> None:
    """By its name, and as DATA_LOSS."""
    await spoil(sqlite, "'x'", 3)
    async with sqlite.read() as connection:
        row = (await connection.execute(QUERY.where(ROWS.c.id == 3))).one()
    with pytest.raises(StoredRowUnreadable, match=r"^rows/3 is stored, and cannot be read") as raised:
        read(row)
    assert raised.value.metadata == {"resource": "rows/3"}


@pytest.mark.parametrize("word", ["CAST(x'ff77' AS BLOB)", "CAST(x'ff' AS TEXT)"])
async def test_a_column_gives_values_of_its_type(sqlite: Database, word: str) -> None:
    """Bytes that stand in the column of a text are read as text: by queries, by look-ups, and by whoever says what a row holds."""
    async with sqlite.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE rows SET word = {word} WHERE id = 3")  # noqa: S608

    async def words(connection: AsyncConnection) -> list[object]:
        queried = (await connection.execute(select(ROWS.c.word).where(ROWS.c.id == 3))).scalar_one()
        fields = (await connection.exec_driver_sql("SELECT id, word FROM rows WHERE id = 3")).one()
        return [queried, typed(tuple(fields), kinds_of(ROWS.c))[1]]

    async with sqlite.read() as connection:
        found = [*await words(connection), (await sqlite.lookup(LOOKUP, {"in_id": 3}))[0][1]]
    assert all(isinstance(each, str) and each.startswith("\ufffd") for each in found), found
