"""Sessions and refresh tokens."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, case, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import AccountMail, ClientFacts, InvalidCredentials, Proof, Session, SessionNotFound, UserDeactivated
from auth_svc.ports import RefreshRefusal, Refused, Rotated
from auth_svc.store.account_mails import insert_account_mail
from auth_svc.store.credentials import end_sessions, remember_clients
from auth_svc.store.identities import is_enabled
from auth_svc.store.rows import TENANT_COLUMNS, TENANTS, USER_COLUMNS, Queries, join_scopes, split_scopes, tenant_of, user_of
from auth_svc.store.tables import refresh_tokens, sessions, tenants, users
from tocsin.clock import to_micros
from tocsin.database import ConstraintBroken, read_mapped_page, storable
from tocsin.stored import instant, readable, row_reader

_SESSION_COLUMNS = (
    sessions.c.id.label("s_id"),
    sessions.c.tenant_id.label("s_tenant"),
    sessions.c.user_id.label("s_user"),
    sessions.c.scopes.label("s_scopes"),
    sessions.c.created_at.label("s_created_at"),
    sessions.c.last_used_at.label("s_last_used_at"),
    sessions.c.ends_at.label("s_ends_at"),
    sessions.c.client_address.label("s_client_address"),
    sessions.c.user_agent.label("s_user_agent"),
    sessions.c.proof.label("s_proof"),
    sessions.c.proven_at.label("s_proven_at"),
    sessions.c.provider.label("s_provider"),
    sessions.c.issuer.label("s_issuer"),
    sessions.c.issuer_session.label("s_issuer_session"),
)

_OPEN = select(*_SESSION_COLUMNS, *USER_COLUMNS, *TENANT_COLUMNS).select_from(
    TENANTS.join(users, users.c.tenant_id == tenants.c.id).join(sessions, sessions.c.user_id == users.c.id)
)


class SessionQueries(Queries):
    """`auth_svc.ports.SessionStore`."""

    async def open_session(
        self, session: Session, *, token: str, expires: datetime, clients: Collection[str] = (), mail: AccountMail | None = None
    ) -> None:
        """Stores a session and its first token."""
        values = {
            "id": session.id,
            "tenant_id": session.tenant,
            "user_id": session.user,
            "scopes": join_scopes(session.scopes),
            "created_at": to_micros(session.created),
            "ends_at": None if session.ends is None else to_micros(session.ends),
            "proof": session.proof.value,
            "proven_at": None if session.proven is None else to_micros(session.proven),
            "provider": session.provider,
            "issuer": session.issuer,
            "issuer_session": session.issuer_session,
            **_client_values(session.client),
        }
        user = select(users.c.deactivated_at).where(users.c.id == session.user, users.c.tenant_id == session.tenant)
        try:
            async with self._database.transaction() as connection:
                # Whoever deactivates the user waits, and ends this session as well.
                row = (await connection.execute(user.with_for_update(read=True))).first()
                if row is not None and row[0] is not None:
                    raise UserDeactivated
                if session.provider and not await is_enabled(connection, session.provider):
                    raise InvalidCredentials
                await connection.execute(insert(sessions).values(values))
                await _insert_token(connection, session.id, token, expires)
                await remember_clients(connection, session.user, clients, now=session.created)
                if mail is not None:
                    await insert_account_mail(connection, mail)
        except ConstraintBroken:  # the user, which the session refers to, is gone
            raise InvalidCredentials from None

    async def rotate(
        self, *, old: str, new: str, now: datetime, idle: timedelta, longest: timedelta, client: ClientFacts, browser: bool = False
    ) -> Rotated | Refused:
        """Spends a token and stores its successor."""
        async with self._database.transaction() as connection:
            # The session is locked first, as by whoever removes it: two that take locks in other orders would stop each other.
            session = await _locked_session(connection, old)
            if session is None:
                return Refused(why=RefreshRefusal.UNKNOWN, session=None)
            end = session.end(longest)
            spend = (
                update(refresh_tokens)
                .where(
                    refresh_tokens.c.digest == old,
                    refresh_tokens.c.browser.is_(False),
                    refresh_tokens.c.spent_at.is_(None),
                    refresh_tokens.c.expires_at > to_micros(now),
                )
                .values(spent_at=to_micros(now))
                .returning(refresh_tokens.c.digest)
            )
            if end <= now or (await connection.execute(spend)).first() is None:
                return Refused(why=await _refuse(connection, old, session), session=session)
            await _insert_token(connection, session.id, new, min(now + idle, end), browser=browser)
            used = {"last_used_at": to_micros(now), **_client_values(client)}
            await connection.execute(update(sessions).where(sessions.c.id == session.id).values(used))
            return await _rotated(connection, session)

    async def use_secret(self, secret: str, *, now: datetime, idle: timedelta, longest: timedelta, noted: timedelta) -> Rotated | None:
        """The session of a secret."""
        shown = (refresh_tokens.c.digest == secret, refresh_tokens.c.browser.is_(True), refresh_tokens.c.expires_at > to_micros(now))
        query = _OPEN.join(refresh_tokens, refresh_tokens.c.session_id == sessions.c.id).where(*shown)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            return None
        found = _opened(row)
        session, end = found.session, found.session.end(longest)
        if end <= now:
            return None
        if session.last_used is None or session.last_used <= now - noted:
            async with self._database.transaction() as connection:
                # The session first, as everywhere: two that take locks in other orders would stop each other.
                used = {"last_used_at": to_micros(now)}
                await connection.execute(update(sessions).where(sessions.c.id == session.id).values(used))
                until = {"expires_at": to_micros(min(now + idle, end))}
                await connection.execute(update(refresh_tokens).where(refresh_tokens.c.digest == secret).values(until))
        return found

    async def close_session(self, token: str) -> Session | None:
        """Ends a session."""
        async with self._database.transaction() as connection:
            session = await _locked_session(connection, token)
            if session is not None:
                await connection.execute(delete(sessions).where(sessions.c.id == session.id))
        return session

    async def list_sessions(self, tenant: str, user: str, *, before: str, limit: int, now: datetime) -> Sequence[Session]:
        """Sessions of a user."""
        living = (
            select(refresh_tokens.c.session_id)
            .where(
                refresh_tokens.c.session_id == sessions.c.id,
                refresh_tokens.c.spent_at.is_(None),
                refresh_tokens.c.expires_at > to_micros(now),
            )
            .exists()
        )
        query = (
            select(*_SESSION_COLUMNS, living.where(refresh_tokens.c.browser.is_(True)).label("s_browser"))
            .where(sessions.c.tenant_id == tenant, sessions.c.user_id == user, living)
            .order_by(sessions.c.id.desc())
        )
        if before:
            query = query.where(sessions.c.id < before)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, _session_of, limit=limit)

    async def get_session(self, tenant: str, user: str, session: str) -> Session:
        """One session."""
        query = select(*_SESSION_COLUMNS).where(sessions.c.tenant_id == tenant, sessions.c.user_id == user, sessions.c.id == session)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise SessionNotFound
        return _session_of(row)

    async def sessions_named(self, names: Collection[str]) -> Sequence[Rotated]:
        """Sessions of any tenant."""
        async with self._database.read() as connection:
            rows = (await connection.execute(_OPEN.where(sessions.c.id.in_(names)))).mappings()
            return readable(rows, _opened)

    async def prove_session(self, session: str, proof: Proof, *, now: datetime) -> None:
        """Says by what its user has shown who they are."""
        async with self._database.transaction() as connection:
            await mark_proven(connection, session, proof, now=now)

    async def end_session(self, tenant: str, user: str, session: str) -> None:
        """Ends one session."""
        ended = (
            delete(sessions)
            .where(sessions.c.tenant_id == tenant, sessions.c.user_id == user, sessions.c.id == session)
            .returning(sessions.c.id)
        )
        async with self._database.transaction() as connection:
            if (await connection.execute(ended)).first() is None:
                raise SessionNotFound

    async def end_sessions(self, tenant: str, user: str, *, keep: str) -> Sequence[str]:
        """Ends sessions."""
        own = select(users.c.id).where(users.c.tenant_id == tenant, users.c.id == user)
        async with self._database.transaction() as connection:
            if (await connection.execute(own)).first() is None:
                return ()
            return await end_sessions(connection, user, keep=keep)

    async def purge(self, before: datetime) -> int:
        """Deletes what nobody can use any more."""
        left = select(refresh_tokens.c.session_id).where(refresh_tokens.c.session_id == sessions.c.id).exists()
        async with self._database.transaction() as connection:
            await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at <= to_micros(before)))
            # The trigger that notes what ended needs an instant: without one the end of this session would keep those of all others.
            timeless = (~left, sessions.c.created_at.is_(None), sessions.c.last_used_at.is_(None))
            await connection.execute(update(sessions).where(*timeless).values(created_at=to_micros(before)))
            return (await connection.execute(delete(sessions).where(~left))).rowcount


async def mark_proven(connection: AsyncConnection, session: str, proof: Proof, *, now: datetime) -> None:
    """Says by what the user of a session has shown who they are, within the caller's transaction; a second factor stays one."""
    strong = [each.value for each in Proof if each.strong]
    kept = proof.value if proof.strong else case((sessions.c.proof.in_(strong), sessions.c.proof), else_=proof.value)
    await connection.execute(update(sessions).where(sessions.c.id == session).values(proof=kept, proven_at=to_micros(now)))


async def _insert_token(connection: AsyncConnection, session: str, token: str, expires: datetime, *, browser: bool = False) -> None:
    values = {"digest": token, "session_id": session, "expires_at": to_micros(expires), "browser": browser}
    await connection.execute(insert(refresh_tokens).values(values))


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


@row_reader(lambda row: f"users/{row['s_user']}/sessions/{row['s_id']}")
def _opened(row: RowMapping) -> Rotated:
    return Rotated(session=_session_of(row), user=user_of(row), tenant=tenant_of(row))


@row_reader(lambda row: f"users/{row['s_user']}/sessions/{row['s_id']}")
def _session_of(row: RowMapping) -> Session:
    return Session(
        id=row["s_id"],
        tenant=row["s_tenant"],
        user=row["s_user"],
        scopes=split_scopes(row["s_scopes"]),
        created=instant(row["s_created_at"]),
        last_used=None if row["s_last_used_at"] is None else instant(row["s_last_used_at"]),
        ends=None if row["s_ends_at"] is None else instant(row["s_ends_at"]),
        client=ClientFacts(address=row["s_client_address"], agent=row["s_user_agent"]),
        proof=_proof_of(row["s_proof"]),
        proven=None if row["s_proven_at"] is None else instant(row["s_proven_at"]),
        provider=row["s_provider"],
        issuer=row["s_issuer"],
        issuer_session=row["s_issuer_session"],
        browser=bool(row.get("s_browser", False)),
    )


def _proof_of(stored: str) -> Proof:
    """The proof; one that only a later version knows counts as the weakest."""
    try:
        return Proof(stored)
    except ValueError:
        return Proof.PASSWORD


def _client_values(client: ClientFacts) -> dict[str, str]:
    return {"client_address": storable(client.address), "user_agent": storable(client.agent)}
