"""The order of all changes, which a watcher can follow without a gap.

Numbers drawn from a sequence become visible out of order when transactions overlap, so that a reader who has seen 7 may miss a 6 that
commits later. On SQLite one transaction writes at a time, and a counter is enough. On PostgreSQL a change is numbered with the id of its
transaction, and readers see only what is older than the oldest transaction under way: nothing before that can appear. No lock is held,
so a replica that hangs delays watchers, not senders. Transaction ids begin anew when a dump is restored into another cluster; ``changes``
holds an offset that keeps the numbers growing then.
"""

from sqlalchemy import BigInteger, cast, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.store.tables import changes, events
from tocsin.database import Database

_ROW = 1


class ChangeOrder:
    """Numbers changes, and knows up to which number they can be shown."""

    def __init__(self, database: Database) -> None:
        self._sqlite = database.dialect == "sqlite"

    async def begin(self, connection: AsyncConnection) -> int:
        """The number of this transaction, which is about to write changes."""
        if self._sqlite:
            statement = update(changes).values(value=changes.c.value + 1).returning(changes.c.value)
            return int(await connection.scalar(statement) or 0)
        own = cast(text("pg_current_xact_id()::text"), BigInteger)
        return int(await connection.scalar(select(changes.c.value + own)) or 0)

    async def horizon(self, connection: AsyncConnection) -> int:
        """The first number that a reader must not rely on yet."""
        if self._sqlite:
            return int(await connection.scalar(select(changes.c.value)) or 0) + 1
        oldest = cast(text("pg_snapshot_xmin(pg_current_snapshot())::text"), BigInteger)
        return int(await connection.scalar(select(changes.c.value + oldest)) or 0)

    async def restore(self, connection: AsyncConnection) -> None:
        """Moves the offset when the numbers in use are ahead of those to come, as after a restore into a new cluster."""
        newest = int(await connection.scalar(select(func.max(events.c.change))) or 0)
        if self._sqlite:
            await connection.execute(update(changes).where(changes.c.value < newest).values(value=newest))
            return
        own = int(await connection.scalar(text("SELECT pg_current_xact_id()::text::bigint")) or 0)
        await connection.execute(update(changes).where(changes.c.value + own <= newest).values(value=newest - own + 1))
