"""The order of all changes, which a watcher can follow without a gap.

Numbers drawn from a sequence become visible out of order when transactions overlap, so that a reader who has seen 7 may miss a 6 that
commits later. On SQLite one process writes, one transaction at a time, so a counter in memory is enough; it reserves numbers in blocks, so
that none is given twice after a restart. On PostgreSQL a change is numbered with the id of its transaction, and readers see only what is
older than the oldest transaction under way: nothing before that can appear. No lock is held, so a replica that hangs delays watchers, not
senders. Transaction ids begin anew when a dump is restored into another cluster; an offset keeps the numbers growing then.

Where PostgreSQL is another engine without such ids (``TOCSIN_DATABASE_WITHOUT=transaction_ids``), the row of ``changes`` counts, and stays
locked until the commit: transactions that write changes do so one after the other.
"""

import sqlite3

from sqlalchemy import BigInteger, ColumnElement, cast, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.store.rotation_tables import rotation_changes
from mailer_svc.store.tables import changes, events
from tocsin.config import DatabaseFeature
from tocsin.database import Database, DatabaseRefused
from tocsin.stored import number

_BLOCK = 10_000
_LARGEST = 2**62
"""A number at most. What is greater a foreign hand wrote: behind it there would soon be no number left, and a mailer could not start. What
SQLite holds beside numbers sorts behind them, too."""
_OWN = cast(text("pg_current_xact_id()::text"), BigInteger)


class ChangeOrderSettled(DatabaseRefused):
    """Changes have been numbered in the other way, whose numbers watchers hold."""

    reason = DatabaseRefused.reason

    def __init__(self, *, counted: bool = False) -> None:
        way, mend = ("a counter", "add transaction_ids to") if counted else ("transaction ids", "remove transaction_ids from")
        super().__init__(f"The first change of this database was numbered by {way}, and so must all be: {mend} TOCSIN_DATABASE_WITHOUT.")


class ChangeOrder:
    """Numbers changes, and knows up to which number they can be shown."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sqlite = database.dialect == "sqlite"
        self._counts = not self._sqlite and DatabaseFeature.TRANSACTION_IDS in database.without
        self._last = 0
        self._reserved = 0

    async def begin(self, connection: AsyncConnection) -> int:
        """The number of this transaction, which is about to write changes."""
        if self._counts:
            counted = update(changes).values(value=changes.c.value + 1).returning(changes.c.value)
            return int(await connection.scalar(counted) or 0)
        if not self._sqlite:
            return int(await connection.scalar(select(self.of_statement)) or 0)
        if self._drawn():
            stored = int(await connection.scalar(select(changes.c.value)) or 0)
            if self._unreserved(stored):
                await connection.execute(update(changes).values(value=self._last + _BLOCK))
        return self._last

    async def take_turn(self, connection: AsyncConnection) -> None:
        """To be called first in a transaction that locks rows before it calls `begin`.

        Where a counter of PostgreSQL numbers changes, two transactions that met its row after others could wait for each other.
        """
        if self._counts:
            await connection.execute(select(changes.c.value).with_for_update())

    @property
    def counts(self) -> bool:
        """PostgreSQL: whether the row of ``changes`` counts, so that `begin` precedes `of_statement` in a transaction."""
        return self._counts

    @property
    def of_statement(self) -> ColumnElement[int]:
        """PostgreSQL: the same within a statement that writes changes, and reads ``changes``."""
        return changes.c.value + (0 if self._counts else _OWN)

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
        if self._counts:
            return int(await connection.scalar(select(changes.c.value)) or 0) + 1
        oldest = cast(text("pg_snapshot_xmin(pg_current_snapshot())::text"), BigInteger)
        return int(await connection.scalar(select(changes.c.value + oldest)) or 0)

    async def require_fit(self) -> None:
        """Makes sure that the database's transaction ids can number changes, if they do.

        Raises:
            TransactionIdsUnfit: they cannot.
        """
        if not self._sqlite and not self._counts:
            await self._database.require_transaction_ids()

    async def restore(self, connection: AsyncConnection) -> None:
        """Takes up the numbers where they ended, also when a database was restored into a cluster whose own are behind."""
        newest = await _newest(connection)
        if self._sqlite:
            self._last = self._reserved = max(newest, int(await connection.scalar(select(changes.c.value)) or 0))
            await connection.execute(update(changes).values(value=self._last + _BLOCK))
            return
        await self._settle(connection, fresh=not newest)
        if self._counts:
            await connection.execute(update(changes).where(changes.c.value < newest).values(value=newest))
            return
        own = int(await connection.scalar(text("SELECT pg_current_xact_id()::text::bigint")) or 0)
        await connection.execute(update(changes).where(changes.c.value + own <= newest).values(value=newest - own + 1))

    async def _settle(self, connection: AsyncConnection, *, fresh: bool) -> None:
        """Settles at the first start on a PostgreSQL database how changes are numbered, and holds everybody to it.

        Raises:
            ChangeOrderSettled: the database has changes that were numbered in the other way.
        """
        marked = bool(await connection.scalar(select(changes.c.counted).with_for_update()))
        if marked == self._counts:
            return
        if not fresh:
            raise ChangeOrderSettled(counted=marked)
        await connection.execute(update(changes).values(counted=self._counts))


# One statement, for a mailer that has nothing to do asks once a second.
_NEWEST = select(
    *(select(func.max(column)).where(column <= _LARGEST).scalar_subquery() for column in (events.c.change, rotation_changes.c.change))
)


async def _newest(connection: AsyncConnection) -> int:
    """The last number that was given, as far as a row has it."""
    return max(number(each) for each in (await connection.execute(_NEWEST)).one())
