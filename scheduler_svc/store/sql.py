"""Statements for many rows at once, in the words of each dialect: PostgreSQL takes columns as arrays, SQLite takes rows.

The hot path speaks to the driver directly: compiling and binding a statement for each row would cost more than the row.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

import msgspec
from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, SmallInteger, Table
from sqlalchemy.types import TypeEngine

from tocsin.config import DatabaseFeature
from tocsin.database import DriverConnection, lacks, typed

Fields: TypeAlias = tuple[Any, ...]
"""A row as it comes: its values in the order of the query."""

_TYPES: Final[dict[type[TypeEngine[Any]], str]] = {
    Boolean: "boolean",
    SmallInteger: "smallint",
    Integer: "integer",
    BigInteger: "bigint",
    LargeBinary: "bytea",
}


_COUNTED: Final = "(SELECT value FROM counters WHERE name = 'change')"
_COUNTED_SETTLED: Final = "(SELECT value + 1 FROM counters WHERE name = 'change')"
_OF_TRANSACTION: Final = "(SELECT pg_current_xact_id()::text::bigint + value FROM counters WHERE name = 'change')"
_OLDEST_RUNNING: Final = "(SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + value FROM counters WHERE name = 'change')"

_AS_TEXT: Final = re.compile(r"\$(\d+)::text::")
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement in both dialects. PostgreSQL gets an array as its text where the statement says so: ``$1::text::bigint[]``."""

    sqlite: str
    postgresql: str
    kinds: tuple[type[Any], ...] = ()
    """The types of what its rows hold, for statements whose readers rely on them: SQLite holds anything in any column."""
    _texts: frozenset[int] = field(init=False, repr=False, compare=False)
    _counted: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sees which parameters are texts of arrays, and how it reads where a counter numbers changes."""
        object.__setattr__(self, "_counted", _count(self.postgresql))
        object.__setattr__(self, "_texts", frozenset(int(number) - 1 for number in _AS_TEXT.findall(self.postgresql)))

    def of(self, connection: DriverConnection) -> str:
        """The text for the connection's dialect."""
        if is_sqlite(connection):
            return self.sqlite
        return self._counted if counts(connection) else self.postgresql

    async def many(self, connection: DriverConnection, rows: Sequence[Sequence[Any]]) -> int:
        """Runs the statement for all rows; how many rows of the table it changed."""
        if not rows:
            return 0
        if is_sqlite(connection):
            result = await connection.exec_driver_sql(self.sqlite, [tuple(row) for row in rows])
        else:
            columns = enumerate(zip(*rows, strict=True))
            arrays = tuple(array(column) if place in self._texts else list(column) for place, column in columns)
            result = await connection.exec_driver_sql(self.of(connection), arrays)
        return result.rowcount

    async def rows(self, connection: DriverConnection, *parameters: Any) -> Sequence[Fields]:
        """Runs the statement once and fetches its rows. A list is an array: SQLite gets it as JSON, for json_each."""
        found = (await connection.exec_driver_sql(self.of(connection), self._values(connection, parameters))).fetchall()
        rows = cast("Sequence[Fields]", found)
        return [typed(row, self.kinds) for row in rows] if self.kinds and is_sqlite(connection) else rows

    async def pairs(self, connection: DriverConnection, pairs: Iterable[tuple[Any, Any]], *more: Any) -> Sequence[Fields]:
        """Runs the statement once for many pairs: PostgreSQL gets two arrays, SQLite one of pairs, for json_each; then come ``more``.

        On SQLite join it by CROSS JOIN, which keeps the order: what the planner makes of two tables of unknown size can be quadratic.
        """
        wanted = list(pairs)
        if is_sqlite(connection):
            return await self.rows(connection, wanted, *more)
        return await self.rows(connection, [first for first, _ in wanted], [second for _, second in wanted], *more)

    async def run(self, connection: DriverConnection, *parameters: Any) -> int:
        """Runs the statement once; how many rows it changed."""
        return (await connection.exec_driver_sql(self.of(connection), self._values(connection, parameters))).rowcount

    def _values(self, connection: DriverConnection, parameters: tuple[Any, ...]) -> tuple[Any, ...]:
        if is_sqlite(connection):
            return tuple(_encode(value).decode() if isinstance(value, list) else value for value in parameters)
        if self._texts:
            return tuple(array(value) if place in self._texts else value for place, value in enumerate(parameters))
        return parameters


def array(values: Sequence[int | str | None]) -> str:
    """Integers or texts as PostgreSQL reads an array of them, for a parameter such as ``$1::text::bigint[]``.

    asyncpg asks of every element of an array whether it is an array itself, which takes longer than to write and to read a text. That of a
    JSON array is the same but for the brackets, and for control characters: behind a backslash an array has any character as it is
    (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO).
    """
    text = _encode(values)
    if b"\\" in text and b"\\" in text.replace(b"\\\\", b"").replace(b'\\"', b""):
        return "{" + ",".join("NULL" if value is None else _quoted(str(value)) for value in values) + "}"
    return f"{{{text[1:-1].decode()}}}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def not_of(place: int) -> Statement:
    """The condition that a row belongs to none of the tenants in the list with this number."""
    return Statement(
        sqlite=f"AND tenant NOT IN (SELECT value FROM json_each(?{place}))", postgresql=f"AND NOT (tenant = ANY(${place}::text[]))"
    )


def is_sqlite(connection: DriverConnection) -> bool:
    """Whether the connection speaks to SQLite."""
    return connection.dialect.name == "sqlite"


def both(sql: str, kinds: tuple[type[Any], ...] = ()) -> Statement:
    """A statement with ``$1``, ``$2``... that both dialects understand."""
    return Statement(sqlite=sql.replace("$", "?"), postgresql=sql, kinds=kinds)


def insert(
    table: Table, columns: Iterable[str], *, extra: str = "", extra_value: Statement | None = None, ignore: bool = False
) -> Statement:
    """Inserts rows of ``columns``; one ``extra`` column may come from an expression."""
    names = list(columns)
    into = ", ".join([*names, *([extra] if extra else [])])
    tail = " ON CONFLICT DO NOTHING" if ignore else ""
    marks = ", ".join(["?"] * len(names) + ([extra_value.sqlite] if extra_value else []))
    types = (column_type(table, name) for name in names)
    arrays = ", ".join(f"${number}::{kind}[]" if kind == "bytea" else f"${number}::text::{kind}[]" for number, kind in enumerate(types, 1))
    value = f", {extra_value.postgresql}" if extra_value else ""
    return Statement(
        sqlite=f"INSERT INTO {table.name} ({into}) VALUES ({marks}){tail}",
        postgresql=f"INSERT INTO {table.name} ({into}) SELECT v.*{value} FROM unnest({arrays}) AS v{tail}",
    )


def column_type(table: Table, column: str) -> str:
    """PostgreSQL's name of a column's type."""
    return _TYPES.get(type(table.c[column].type), "text")


def counts(connection: DriverConnection) -> bool:
    """Whether changes are numbered by a counter, one transaction after the other: always on SQLite."""
    return is_sqlite(connection) or lacks(connection, DatabaseFeature.TRANSACTION_IDS)


def _count(sql: str) -> str:
    """A statement for PostgreSQL as it reads where a counter numbers changes."""
    return sql.replace(_OF_TRANSACTION, _COUNTED).replace(_OLDEST_RUNNING, _COUNTED_SETTLED)


CHANGE = Statement(sqlite=_COUNTED, postgresql=_OF_TRANSACTION)
"""The number of the current transaction. See `SETTLED`."""

_COUNT_UP = "UPDATE counters SET value = value + 1 WHERE name = 'change'"
_TAKE_TURN = "SELECT value FROM counters WHERE name = 'change' FOR UPDATE"


async def take_turn(connection: DriverConnection) -> None:
    """To be called first in a transaction that locks rows before it calls `begin_change`.

    Where a counter of PostgreSQL numbers changes, two transactions that met its row after others could wait for each other.
    """
    if counts(connection) and not is_sqlite(connection):
        await connection.exec_driver_sql(_TAKE_TURN)


async def begin_change(connection: DriverConnection) -> None:
    """Gives the transaction its number: a counter is moved on; PostgreSQL has numbered it already.

    The counter's row stays locked until the commit, so that numbers become visible in order.
    """
    if counts(connection):
        await connection.exec_driver_sql(_COUNT_UP)


_PLAN_ANEW = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"


async def plan_anew(connection: DriverConnection) -> None:
    """PostgreSQL plans what follows in this transaction for the tables as they are now.

    For a statement that it knows it may take the plan that was good for an empty table, such as the ledger of a new month; joined to a
    batch, and run for each, that is quadratic. To plan takes half a millisecond, which a batch does not feel.
    """
    if not is_sqlite(connection):
        await connection.exec_driver_sql(_PLAN_ANEW)


_BY_INDEX = "SELECT " + ", ".join(f"set_config('enable_{way}', 'off', true)" for way in ("seqscan", "hashjoin", "mergejoin", "material"))


async def join_by_index(connection: DriverConnection) -> None:
    """PostgreSQL looks up each row of a batch by an index in what follows in this transaction.

    For a batch of a thousand it would read all of a table of moderate size, and go on with that plan when the table is large. To be used
    where a batch is joined to one table that is not partitioned.
    """
    if not is_sqlite(connection):
        await connection.exec_driver_sql(_BY_INDEX)


SETTLED = Statement(sqlite=_COUNTED_SETTLED, postgresql=_OLDEST_RUNNING)
"""Every change with a smaller number is visible, and none with a smaller one can still come.

On SQLite one transaction writes at a time, so numbers commit in order, and so they do where a counter numbers changes on PostgreSQL
(``TOCSIN_DATABASE_WITHOUT=transaction_ids``). Its own transaction ids do not; but below the oldest transaction that runs
(the snapshot's xmin) all have ended. The counter holds what was added when the data moved to a cluster with younger numbers.
"""
