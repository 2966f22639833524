"""The spool's one table, in a SQLite file beside the gateway: the same in every installation, for it is no state that is shared."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text, delete, func, insert, select

from tocsin.database import Database

metadata: Final = MetaData()

calls: Final = Table(
    "calls",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True, comment="Their order."),
    Column("path", Text, nullable=False),
    Column("tenant", Text, nullable=False, comment="Empty when the call needs none."),
    Column("request", LargeBinary, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("accepted_at", BigInteger, nullable=False, comment="Microseconds since the Unix epoch, UTC."),
    sqlite_autoincrement=True,  # a number is never used again, so a late delete cannot hit a younger call
)


class Entry(NamedTuple):
    """One call that waits; ``number`` is 0 before it is stored."""

    path: str
    tenant: str
    request: bytes
    traceparent: str
    accepted: int
    number: int = 0


class SpoolStore:
    """Calls that wait; one transaction a method."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Sequence[Entry]) -> None:
        """Keeps calls, behind those that are there."""
        rows = [
            {
                "path": entry.path,
                "tenant": entry.tenant,
                "request": entry.request,
                "traceparent": entry.traceparent,
                "accepted_at": entry.accepted,
            }
            for entry in entries
        ]
        async with self._database.transaction() as connection:
            await connection.execute(insert(calls), rows)

    async def oldest(self, most: int) -> list[Entry]:
        """The calls that came first, in order."""
        query = select(calls).order_by(calls.c.number).limit(most)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [Entry(row.path, row.tenant, row.request, row.traceparent, row.accepted_at, row.number) for row in rows]

    async def remove(self, up_to: int) -> None:
        """Forgets the calls up to a number."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(calls).where(calls.c.number <= up_to))

    async def count(self) -> int:
        """How many wait."""
        async with self._database.read() as connection:
            return (await connection.execute(select(func.count()).select_from(calls))).scalar_one()
