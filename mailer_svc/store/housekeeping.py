"""Housekeeping: remove inbox messages and finished deliveries that are too old."""

from typing import Any

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import FINAL
from mailer_svc.store.tables import contents, deliveries, events, inbox_messages
from tocsin.database import Database


class SqlDeliveryHousekeepingStore:
    """Removes inbox messages and finished deliveries, a batch a transaction."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def clean(self, *, inbox_before: int, deliveries_before: int, limit: int) -> int:
        """Removes up to ``limit`` rows of each kind that are older than the instants. Returns how many."""
        messages = select(inbox_messages.c.id).where(inbox_messages.c.received < inbox_before).limit(limit)
        finished = [int(state) for state in FINAL]
        old = select(deliveries.c.id).where(deliveries.c.updated < deliveries_before, deliveries.c.state.in_(finished)).limit(limit)
        async with self._database.transaction() as connection:
            removed = (await connection.execute(delete(inbox_messages).where(inbox_messages.c.id.in_(messages)))).rowcount
            ids = list((await connection.execute(old)).scalars())
            if ids:
                await _remove(connection, contents, contents.c.delivery, ids)
                await _remove(connection, events, events.c.delivery, ids)
                await _remove(connection, deliveries, deliveries.c.id, ids)
        return removed + len(ids)


async def _remove(connection: AsyncConnection, table: Table, column: Any, ids: list[str]) -> None:
    await connection.execute(delete(table).where(column.in_(ids)))
