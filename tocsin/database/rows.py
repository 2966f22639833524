"""Pages of rows, of which some may be unreadable."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Row, RowMapping, Select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.stored import readable

Item = TypeVar("Item")
Query: TypeAlias = Select[*tuple[Any, ...]]


async def read_page(connection: AsyncConnection, query: Query, read: Callable[[Row[Any]], Item], *, limit: int) -> list[Item]:
    """The first ``limit`` items that can be read: fewer only if there are no more, whatever stands between them.

    Args:
        connection: within one transaction.
        query: of rows in an order, without a limit.
        read: makes the item of a row, a `tocsin.stored.row_reader`.
        limit: of items.
    """
    found: list[Item] = []
    seen = 0
    while True:
        wanted = limit - len(found)
        rows = (await connection.execute(query.limit(wanted).offset(seen) if seen else query.limit(wanted))).all()
        seen += len(rows)
        found += readable(rows, read)
        if len(rows) < wanted or len(found) == limit:
            return found


async def read_mapped_page(connection: AsyncConnection, query: Query, read: Callable[[RowMapping], Item], *, limit: int) -> list[Item]:
    """The same for who reads a row by the names of its columns."""
    return await read_page(connection, query, lambda row: read(_mapped(row)), limit=limit)


def _mapped(row: Row[Any]) -> RowMapping:
    return row._mapping  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  SQLAlchemy's documented name
