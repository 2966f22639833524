"""Statements that SQLite and PostgreSQL spell alike and SQLAlchemy does not."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, exc
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection


def insert_ignore(table: Table) -> Insert:
    """``INSERT … ON CONFLICT DO NOTHING``: rows that would break a unique constraint are left out; ``returning()`` tells the others.

    Both dialects compile the construct of PostgreSQL: SQLite took over its grammar (https://sqlite.org/lang_upsert.html).
    """
    return insert(table).on_conflict_do_nothing()


def upsert(table: Table, *, keys: Sequence[str], update: Sequence[str], add: Sequence[str] = ()) -> Insert:
    """``INSERT … ON CONFLICT (keys) DO UPDATE``: a row whose keys exist gets the new values of ``update``, and the sums of ``add``."""
    statement = insert(table)
    new = {name: statement.excluded[name] for name in update}
    sums = {name: table.c[name] + statement.excluded[name] for name in add}
    return statement.on_conflict_do_update(index_elements=list(keys), set_={**new, **sums})


def storable(text: str) -> str:
    """A text that somebody else wrote, such as a server's reply or an error, as every database can hold it.

    PostgreSQL takes no U+0000, and neither database a lone surrogate; where such a text only informs, U+FFFD stands for them. What a
    caller wants back as it was is refused instead.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if not text.isprintable() else text


async def copy_rows(connection: AsyncConnection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Inserts many rows: by COPY on PostgreSQL, which costs a fraction of an INSERT; one by one on SQLite.

    Args:
        connection: in a transaction.
        table: where to.
        columns: of each row, in order.
        rows: values as the driver takes them.

    Raises:
        DBAPIError: a row cannot be stored, or breaks a constraint; none is inserted.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        into = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608  names of our own tables
        await connection.exec_driver_sql(into, [tuple(row) for row in rows])
        return
    from asyncpg import InterfaceError, PostgresError  # loaded with the connection; a process on SQLite does without it

    await connection.exec_driver_sql("SELECT 1")  # SQLAlchemy begins with the first statement that it sees; COPY passes it by
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await driver.copy_records_to_table(table.name, records=rows, columns=columns)
    except (PostgresError, InterfaceError) as error:
        broken = driver.is_closed()
        raised = exc.InterfaceError if isinstance(error, InterfaceError) else _fault_of(error)
        raise raised(f"COPY {table.name}", None, error, connection_invalidated=broken) from error


def _fault_of(error: Exception) -> type[exc.DBAPIError]:
    """The class that SQLAlchemy would have raised (PEP 249)."""
    state: str = getattr(error, "sqlstate", None) or ""
    if state.startswith("23"):
        return exc.IntegrityError
    return exc.OperationalError
