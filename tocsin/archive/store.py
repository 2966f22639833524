"""The database side of the archive: what `tocsin.archive.ports.ArchiveStore` asks of every kind alike.

Rows leave by a transaction that removes exactly the versions that their file has, or nothing: what was changed after it was read is not in
the file as it is now.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.archive.ports import ArchivePart, ArchiveRows, FinishedRow
from tocsin.database import Database
from tocsin.recurrence import Micros


class _Changed(Exception):
    """A row is not what the file has any more."""


class SqlArchive(ABC):
    """What is archived of a database, and the notes of its files."""

    def __init__(self, database: Database, parts: Table) -> None:
        """Takes the database, and its table of notes: ``id``, ``tenant``, ``day`` (text, ISO 8601) and ``committed`` of each file."""
        self._database = database
        self._parts = parts

    @abstractmethod
    async def next_tenant(self, *, after: str) -> str | None:
        """As `ArchiveStore`."""

    @abstractmethod
    async def finished(self, tenant: str, *, after: tuple[Micros, str], before: Micros) -> ArchiveRows:
        """As `ArchiveStore`."""

    @abstractmethod
    async def remove(self, connection: AsyncConnection, rows: Sequence[FinishedRow]) -> int:
        """Removes those of the rows that are what they were, at least if all of them are; how many they are."""

    async def parts(self) -> Sequence[ArchivePart]:
        """Files without their place."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(self._parts).order_by(self._parts.c.id))).all()
        return [ArchivePart(id=row.id, tenant=row.tenant, day=date.fromisoformat(row.day), committed=bool(row.committed)) for row in rows]

    async def reserve(self, part: ArchivePart) -> None:
        """Notes that a file is begun."""
        values = {"id": part.id, "tenant": part.tenant, "day": part.day.isoformat(), "committed": False}
        async with self._database.transaction() as connection:
            await connection.execute(insert(self._parts).values(values))

    async def commit(self, part: ArchivePart, rows: Sequence[FinishedRow]) -> bool:
        """As `ArchiveStore`."""
        table = self._parts
        mark = update(table).where(table.c.id == part.id, ~table.c.committed).values(committed=True)
        try:
            async with self._database.transaction() as connection:
                if (await connection.execute(mark)).rowcount != 1:
                    return False
                if await self.remove(connection, rows) != len(rows):
                    raise _Changed
        except _Changed:
            return False
        return True

    async def forget(self, part: ArchivePart) -> bool:
        """As `ArchiveStore`."""
        table = self._parts
        stated = table.c.committed if part.committed else ~table.c.committed
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(table).where(table.c.id == part.id, stated))).rowcount == 1
