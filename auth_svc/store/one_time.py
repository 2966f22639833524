"""One-time tokens."""

from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import OneTimeToken, TokenPurpose
from auth_svc.store.rows import Queries
from auth_svc.store.tables import one_time_tokens
from tocsin.clock import to_micros
from tocsin.stored import instant

_TABLE: Final = one_time_tokens.c


class OneTimeQueries(Queries):
    """`auth_svc.ports.OneTimeStore`."""

    async def add_one_time(self, token: OneTimeToken, *, digest: str) -> None:
        """Stores a token."""
        async with self._database.transaction() as connection:
            await insert_token(connection, token, digest=digest)

    async def find_one_time(self, purpose: TokenPurpose, digest: str, *, now: datetime) -> OneTimeToken | None:
        """A token that may still be used."""
        query = select(one_time_tokens).where(
            _TABLE.digest == digest, _TABLE.purpose == purpose.value, _TABLE.used_at.is_(None), _TABLE.expires_at > to_micros(now)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _token_of(row)

    async def use_one_time(self, purpose: TokenPurpose, digest: str, *, now: datetime) -> OneTimeToken | None:
        """Uses a token up."""
        async with self._database.transaction() as connection:
            return await spend_token(connection, purpose, digest, now=now)

    async def withdraw_one_time(self, purpose: TokenPurpose, subject: str, *, now: datetime) -> None:
        """Uses up every token of a subject."""
        async with self._database.transaction() as connection:
            await withdraw_tokens(connection, purpose, subject, now=now)

    async def purge_one_time(self, before: datetime) -> int:
        """Deletes what nobody can use any more."""
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(one_time_tokens).where(_TABLE.expires_at <= to_micros(before)))).rowcount


async def insert_token(connection: AsyncConnection, token: OneTimeToken, *, digest: str) -> None:
    """Stores a token within the caller's transaction."""
    values = {
        "digest": digest,
        "purpose": token.purpose.value,
        "tenant_id": token.tenant,
        "subject": token.subject,
        "created_at": to_micros(token.created),
        "expires_at": to_micros(token.expires),
    }
    await connection.execute(insert(one_time_tokens).values(values))


async def spend_token(connection: AsyncConnection, purpose: TokenPurpose, digest: str, *, now: datetime) -> OneTimeToken | None:
    """Uses a token up with all of its purpose and subject, within the caller's transaction; None if it may not be used."""
    asked = select(_TABLE.subject).where(_TABLE.digest == digest, _TABLE.purpose == purpose.value)
    subject = (await connection.execute(asked)).scalar_one_or_none()
    if subject is None:
        return None
    # All of the subject in one order: two that use two of its tokens at the same moment wait for one another here.
    open_ones = (
        select(one_time_tokens)
        .where(_TABLE.subject == subject, _TABLE.purpose == purpose.value, _TABLE.used_at.is_(None))
        .order_by(_TABLE.digest)
        .with_for_update()
    )
    rows = (await connection.execute(open_ones)).mappings().all()
    found = next((row for row in rows if row["digest"] == digest and row["expires_at"] > to_micros(now)), None)
    if found is None:
        return None
    await withdraw_tokens(connection, purpose, subject, now=now)
    return _token_of(found)


async def withdraw_tokens(connection: AsyncConnection, purpose: TokenPurpose, subject: str, *, now: datetime) -> None:
    """Uses up every token of a subject, within the caller's transaction."""
    statement = (
        update(one_time_tokens)
        .where(_TABLE.subject == subject, _TABLE.purpose == purpose.value, _TABLE.used_at.is_(None))
        .values(used_at=to_micros(now))
    )
    await connection.execute(statement)


def _token_of(row: RowMapping) -> OneTimeToken:
    return OneTimeToken(
        purpose=TokenPurpose(row["purpose"]),
        tenant=row["tenant_id"],
        subject=row["subject"],
        created=instant(row["created_at"]),
        expires=instant(row["expires_at"]),
    )
