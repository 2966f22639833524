"""Many rows in one statement, past the work that SQLAlchemy does for every row of an executemany (15 µs each, measured).

They travel as JSON, as one text: asyncpg looks at every element of an array by itself, which costs four times as much (3.6 against 0.9 µs
for a row of 16 columns). Inserts on SQLite are plain ``VALUES``: its ``json_extract`` parses a row again for each column.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import Column, ColumnElement, Select, Table, Text, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.database import insert_ignore

Row = tuple[Any, ...]
_PARAMETER: Final = "rows"
_AT_ONCE: Final = 64
_encode = msgspec.json.Encoder().encode


class Rows:
    """Rows that a statement is given as a parameter and uses like a table.

    ``columns`` are what the statement refers to.
    """

    def __init__(self, types: Mapping[str, Any], *, sqlite: bool) -> None:
        given = bindparam(_PARAMETER, type_=Text)
        if sqlite:
            each = func.json_each(given).table_valued("value")
            fields = [func.json_extract(each.c.value, f"$[{place}]").label(name) for place, name in enumerate(types)]
        else:
            value: Any = func.jsonb_array_elements(cast(given, JSONB)).column_valued("value")
            texts = [value.op("->>")(literal_column(str(place))) for place in range(len(types))]
            fields = [cast(text, kind).label(name) for text, (name, kind) in zip(texts, types.items(), strict=True)]
        table = select(*fields).subquery("new")
        self.columns: Mapping[str, ColumnElement[Any]] = {name: table.c[name] for name in types}

    def bind(self, rows: Sequence[Row]) -> dict[str, Any]:
        """The parameters for ``rows``."""
        return {_PARAMETER: _encode(rows).decode()}


class BulkInsert:
    """Inserts tuples in the order of the table's columns."""

    def __init__(self, table: Table, *, sqlite: bool) -> None:
        self._sqlite = sqlite
        self._table = table
        self._key = table.columns[0]
        self._asked, self._known = _lookup(self._key, sqlite=sqlite)
        self._rows, self._unfold = _unfolding(table, sqlite=sqlite)

    async def insert(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Inserts those of ``rows`` that do not exist."""
        if not self._sqlite:
            if rows:
                await connection.execute(self._unfold, self._rows.bind(rows))
            return
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            await connection.exec_driver_sql(_values(self._table, len(some)), tuple(value for row in some for value in row))

    async def insert_new(self, connection: AsyncConnection, rows: Sequence[Row], *, known: set[str] | None = None) -> set[str]:
        """Inserts those of ``rows`` whose first column, the key, does not exist; returns their keys.

        ``known`` are those that exist, if this transaction has asked.
        """
        if not self._sqlite:
            return set((await connection.execute(self._unfold.returning(self._key), self._rows.bind(rows))).scalars())
        # One transaction writes at a time, so what is not there now is not there at the insert.
        if known is None:
            known = await self.known(connection, [row[0] for row in rows])
        fresh = [row for row in rows if row[0] not in known] if known else rows
        if fresh:
            await self.insert(connection, fresh)
        return {row[0] for row in fresh}

    async def known(self, connection: AsyncConnection, keys: Iterable[str]) -> set[str]:
        """Those of the keys that exist."""
        return set((await connection.execute(self._known, self._asked.bind([(key,) for key in keys]))).scalars())


@cache  # each channel has one for the same table, and to build a statement takes milliseconds
def _lookup(key: Column[Any], *, sqlite: bool) -> tuple[Rows, Select[Any]]:
    """Keys as rows, and the statement that finds those that exist."""
    asked = Rows({"key": key.type}, sqlite=sqlite)
    column: Any = asked.columns["key"]
    return asked, select(key).join_from(column.table, key.table, key == column)


@cache
def _unfolding(table: Table, *, sqlite: bool) -> tuple[Rows, Any]:
    """Whole rows, and the statement that inserts those that do not exist."""
    rows = Rows({column.name: column.type for column in table.columns}, sqlite=sqlite)
    given = select(*rows.columns.values())
    return rows, insert_ignore(table).from_select(list(rows.columns), given, include_defaults=False)


@lru_cache(maxsize=16 * _AT_ONCE)
def _values(table: Table, count: int) -> str:
    """The statement that inserts so many rows."""
    into, _, one = str(insert_ignore(table).compile(dialect=dialect(paramstyle="qmark"))).partition(" VALUES ")
    marks, _, rest = one.partition(")")
    return f"{into} VALUES {', '.join([f'{marks})'] * count)}{rest}"
