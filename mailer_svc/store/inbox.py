"""Reading the inbox."""

from typing import Any

from sqlalchemy import Row, select, tuple_

from mailer_svc.domain import Content, InboxMessage
from mailer_svc.store.tables import inbox_messages
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


def _message(row: Row[Any]) -> InboxMessage:
    return InboxMessage(
        id=row.id,
        tenant=row.tenant,
        to=row.recipient,
        content=Content(row.subject, row.text, row.html),
        message_id=row.message_id,
        received=row.received,
    )
