"""Looking into the inbox, and removing what was kept long enough."""

from typing import Any

from sqlalchemy import Row, Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import FINAL, Content, InboxMessage
from mailer_svc.store.tables import contents, deliveries, events, inbox_messages
from tocsin.database import Database


class SqlInboxReader:
    """Reads the inbox; every query is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def get(self, *, tenant: str, id: str) -> InboxMessage | None:  # noqa: A002 - the word of the contract
        """One message."""
        query = select(inbox_messages).where(inbox_messages.c.id == id, inbox_messages.c.tenant == tenant)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return _message(row) if row is not None else None

    async def page(self, *, tenant: str, before: tuple[int, str] | None, limit: int) -> list[InboxMessage]:
        """Messages, the newest first; those older than ``before`` (received, id)."""
        query = select(inbox_messages).where(inbox_messages.c.tenant == tenant)
        if before is not None:
            query = query.where(tuple_(inbox_messages.c.received, inbox_messages.c.id) < tuple_(*before))
        query = query.order_by(inbox_messages.c.received.desc(), inbox_messages.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            return [_message(row) for row in await connection.execute(query)]


class SqlCleaner:
    """Removes old messages and old deliveries that are done."""

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


def _message(row: Row[Any]) -> InboxMessage:
    return InboxMessage(
        id=row.id,
        tenant=row.tenant,
        to=row.recipient,
        content=Content(row.subject, row.text, row.html),
        message_id=row.message_id,
        received=row.received,
    )
