"""The order of all changes, which a watcher can follow without a gap.

Numbers drawn from a sequence become visible out of order when transactions overlap, so that a reader who has seen 7 may miss a 6 that
commits later. On SQLite one process writes, one transaction at a time, so a counter in memory is enough; it reserves numbers in blocks, so
that none is given twice after a restart. On PostgreSQL a change is numbered with the id of its transaction, and readers see only what is
older than the oldest transaction under way: nothing before that can appear. No lock is held, so a replica that hangs delays watchers, not
senders. Transaction ids begin anew when a dump is restored into another cluster; an offset keeps the numbers growing then.
"""

import sqlite3

from sqlalchemy import BigInteger, ColumnElement, cast, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.store.rotation_tables import rotation_changes
from mailer_svc.store.tables import changes, events
from tocsin.database import Database

_BLOCK = 10_000
_OWN = cast(text("pg_current_xact_id()::text"), BigInteger)


class ChangeOrder:
    """Numbers changes, and knows up to which number they can be shown."""

    def __init__(self, database: Database) -> None:
        self._sqlite = database.dialect == "sqlite"
        self._last = 0
        self._reserved = 0

    async def begin(self, connection: AsyncConnection) -> int:
        """The number of this transaction, which is about to write changes."""
        if not self._sqlite:
            return int(await connection.scalar(select(self.of_statement)) or 0)
        if self._drawn():
            stored = int(await connection.scalar(select(changes.c.value)) or 0)
            if self._unreserved(stored):
                await connection.execute(update(changes).values(value=self._last + _BLOCK))
        return self._last

    @property
    def of_statement(self) -> ColumnElement[int]:
        """PostgreSQL: the same within a statement that writes changes, and reads ``changes``."""
        return changes.c.value + _OWN

    def begin_in_thread(self, driver: sqlite3.Connection) -> int:
        """SQLite: the same for a transaction in the database's thread."""
        if self._drawn():
            stored = int(driver.execute("SELECT value FROM changes").fetchone()[0])
            if self._unreserved(stored):
                driver.execute("UPDATE changes SET value = ?", (self._last + _BLOCK,))
        return self._last

    def _drawn(self) -> bool:
        """Draws the next number; True: it is time to reserve more.

        Half a block early and in every transaction until one of them commits, so that a rolled back reservation costs nothing.
        """
        self._last += 1
        return self._last >= self._reserved - _BLOCK // 2

    def _unreserved(self, stored: int) -> bool:
        """Whether a block is to be reserved; not so when an earlier reservation has been committed."""
        if stored > self._reserved:
            self._reserved = stored
            return False
        return True

    async def horizon(self, connection: AsyncConnection) -> int:
        """The first number that a reader must not rely on yet."""
        if self._sqlite:
            return await _newest(connection) + 1
        oldest = cast(text("pg_snapshot_xmin(pg_current_snapshot())::text"), BigInteger)
        return int(await connection.scalar(select(changes.c.value + oldest)) or 0)

    async def restore(self, connection: AsyncConnection) -> None:
        """Takes up the numbers where they ended, also when a database was restored into a cluster whose own are behind."""
        newest = await _newest(connection)
        if self._sqlite:
            self._last = self._reserved = max(newest, int(await connection.scalar(select(changes.c.value)) or 0))
            await connection.execute(update(changes).values(value=self._last + _BLOCK))
            return
        own = int(await connection.scalar(text("SELECT pg_current_xact_id()::text::bigint")) or 0)
        await connection.execute(update(changes).where(changes.c.value + own <= newest).values(value=newest - own + 1))


async def _newest(connection: AsyncConnection) -> int:
    """The last number that was given, as far as a row has it."""
    last = [await connection.scalar(select(func.max(column))) for column in (events.c.change, rotation_changes.c.change)]
    return max(int(each or 0) for each in last)
