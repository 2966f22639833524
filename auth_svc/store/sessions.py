"""Sessions and refresh tokens."""

from datetime import datetime

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import InvalidCredentials, Session
from auth_svc.ports import RefreshRefusal, Refused, Rotated
from auth_svc.store.tables import (
    TENANT_COLUMNS,
    TENANTS,
    USER_COLUMNS,
    Queries,
    join_scopes,
    refresh_tokens,
    sessions,
    split_scopes,
    tenant_of,
    tenants,
    user_of,
    users,
)
from tocsin.clock import to_micros
from tocsin.database import ConstraintBroken
from tocsin.stored import instant

_SESSION_COLUMNS = (
    sessions.c.id.label("s_id"),
    sessions.c.tenant_id.label("s_tenant"),
    sessions.c.user_id.label("s_user"),
    sessions.c.scopes.label("s_scopes"),
    sessions.c.created_at.label("s_created_at"),
)


class SessionQueries(Queries):
    """`auth_svc.ports.SessionStore`."""

    async def open_session(self, session: Session, *, token: str, expires: datetime) -> None:
        """Stores a session and its first token."""
        values = {
            "id": session.id,
            "tenant_id": session.tenant,
            "user_id": session.user,
            "scopes": join_scopes(session.scopes),
            "created_at": to_micros(session.created),
        }
        try:
            async with self._database.transaction() as connection:
                await connection.execute(insert(sessions).values(values))
                await _insert_token(connection, session.id, token, expires)
        except ConstraintBroken:  # the user, which the session refers to, is gone
            raise InvalidCredentials from None

    async def rotate(self, *, old: str, new: str, now: datetime, expires: datetime) -> Rotated | Refused:
        """Spends a token and stores its successor."""
        async with self._database.transaction() as connection:
            # The session is locked first, as by whoever removes it: two that take locks in other orders would stop each other.
            session = await _locked_session(connection, old)
            if session is None:
                return Refused(why=RefreshRefusal.UNKNOWN, session=None)
            spend = (
                update(refresh_tokens)
                .where(refresh_tokens.c.digest == old, refresh_tokens.c.spent_at.is_(None), refresh_tokens.c.expires_at > to_micros(now))
                .values(spent_at=to_micros(now))
                .returning(refresh_tokens.c.digest)
            )
            if (await connection.execute(spend)).first() is None:
                return Refused(why=await _refuse(connection, old, session), session=session)
            await _insert_token(connection, session.id, new, expires)
            return await _rotated(connection, session)

    async def close_session(self, token: str) -> Session | None:
        """Ends a session."""
        async with self._database.transaction() as connection:
            session = await _locked_session(connection, token)
            if session is not None:
                await connection.execute(delete(sessions).where(sessions.c.id == session.id))
        return session

    async def purge(self, before: datetime) -> int:
        """Deletes what nobody can use any more."""
        left = select(refresh_tokens.c.session_id).where(refresh_tokens.c.session_id == sessions.c.id).exists()
        async with self._database.transaction() as connection:
            await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at <= to_micros(before)))
            return (await connection.execute(delete(sessions).where(~left))).rowcount


async def _insert_token(connection: AsyncConnection, session: str, token: str, expires: datetime) -> None:
    await connection.execute(insert(refresh_tokens).values(digest=token, session_id=session, expires_at=to_micros(expires)))


async def _locked_session(connection: AsyncConnection, token: str) -> Session | None:
    query = (
        select(*_SESSION_COLUMNS)
        .where(sessions.c.id.in_(select(refresh_tokens.c.session_id).where(refresh_tokens.c.digest == token)))
        .with_for_update()
    )
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _session_of(row)


async def _refuse(connection: AsyncConnection, token: str, session: Session) -> RefreshRefusal:
    """Why the token cannot be spent. A second use ends the session."""
    spent = (await connection.execute(select(refresh_tokens.c.spent_at).where(refresh_tokens.c.digest == token))).scalar_one()
    if spent is None:
        return RefreshRefusal.EXPIRED
    await connection.execute(delete(sessions).where(sessions.c.id == session.id))
    return RefreshRefusal.REUSED


async def _rotated(connection: AsyncConnection, session: Session) -> Rotated:
    query = (
        select(*USER_COLUMNS, *TENANT_COLUMNS)
        .select_from(TENANTS.join(users, users.c.tenant_id == tenants.c.id))
        .where(users.c.id == session.user)
    )
    row = (await connection.execute(query)).mappings().one()
    return Rotated(session=session, user=user_of(row), tenant=tenant_of(row))


def _session_of(row: RowMapping) -> Session:
    return Session(
        id=row["s_id"],
        tenant=row["s_tenant"],
        user=row["s_user"],
        scopes=split_scopes(row["s_scopes"]),
        created=instant(row["s_created_at"]),
    )
