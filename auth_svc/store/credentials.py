"""Passwords, the clients that know them, and registrations that wait for their address."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import (
    Account,
    AccountMail,
    OneTimeToken,
    OneTimeTokenVoid,
    Registration,
    Tenant,
    TokenPurpose,
    User,
    UserNotFound,
)
from auth_svc.ports import ClientHistory
from auth_svc.store.account_mails import insert_account_mail
from auth_svc.store.accounts import insert_first_user
from auth_svc.store.one_time import spend_token, withdraw_tokens
from auth_svc.store.rows import TENANT_COLUMNS, TENANTS, USER_COLUMNS, Queries, tenant_of, user_of
from auth_svc.store.tables import known_clients, registrations, sessions, tenants, users
from tocsin.clock import to_micros
from tocsin.database import upsert
from tocsin.stored import instant

_MOST_CLIENTS: Final = 50
ACCOUNTS: Final = select(*USER_COLUMNS, users.c.password_hash, *TENANT_COLUMNS).select_from(
    TENANTS.join(users, users.c.tenant_id == tenants.c.id)
)
"""Accounts as `get_account` reads them."""
_REMEMBER: Final = upsert(known_clients, keys=("user_id", "digest"), update=("last_used_at",))


class CredentialQueries(Queries):
    """`auth_svc.ports.CredentialStore`."""

    async def get_account(self, tenant: str, user: str) -> Account:
        """A user with the password's hash."""
        query = ACCOUNTS.where(users.c.tenant_id == tenant, users.c.id == user)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise UserNotFound
        return Account(user=user_of(row), tenant=tenant_of(row), password_hash=row["password_hash"])

    async def client_history(self, user: str, digests: Collection[str]) -> ClientHistory:
        """Which clients are known."""
        query = select(known_clients.c.digest).where(known_clients.c.user_id == user)
        async with self._database.read() as connection:
            there = frozenset((await connection.execute(query)).scalars())
        return ClientHistory(known=there & frozenset(digests), some=bool(there))

    async def change_password(
        self, user: str, *, old: str, new: str, keep: str, mail: AccountMail | None, now: datetime
    ) -> Sequence[str] | None:
        """Replaces a password by its owner's wish."""
        change = update(users).where(users.c.id == user, users.c.password_hash == old).values(password_hash=new).returning(users.c.id)
        async with self._database.transaction() as connection:
            if (await connection.execute(change)).first() is None:
                return None
            return await _changed(connection, user, keep=keep, clients=(), mail=mail, now=now)

    async def reset_password(
        self, token: str, *, user: str, new: str, clients: Collection[str], mail: AccountMail | None, now: datetime
    ) -> Sequence[str]:
        """Replaces a password by a link."""
        async with self._database.transaction() as connection:
            spent = await spend_token(connection, TokenPurpose.RESET_PASSWORD, token, now=now)
            change = update(users).where(users.c.id == user).values(password_hash=new, verified_at=to_micros(now)).returning(users.c.id)
            if spent is None or spent.subject != f"users/{user}" or (await connection.execute(change)).first() is None:
                raise OneTimeTokenVoid
            return await _changed(connection, user, keep="", clients=clients, mail=mail, now=now)

    async def add_registration(self, registration: Registration, mail: AccountMail) -> bool:
        """Stores a registration and its mail."""
        values = {
            "id": registration.id,
            "email": registration.email,
            "username": registration.username,
            "display_name": registration.display_name,
            "tenant_display_name": registration.tenant_display_name,
            "locale": registration.locale,
            "password_hash": registration.password_hash,
            "created_at": to_micros(registration.created),
            "expires_at": to_micros(registration.expires),
        }
        async with self._database.transaction() as connection:
            if not await insert_account_mail(connection, mail):
                return False
            await connection.execute(insert(registrations).values(values))
        return True

    async def find_registration(self, registration: str) -> Registration | None:
        """A registration."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(registrations).where(registrations.c.id == registration))).mappings().first()
        if row is None:
            return None
        texts = ("id", "email", "username", "display_name", "tenant_display_name", "locale", "password_hash")
        return Registration(**{name: row[name] for name in texts}, created=instant(row["created_at"]), expires=instant(row["expires_at"]))

    async def confirm_registration(self, token: str, *, tenant: Tenant, admin: User, password_hash: str, now: datetime) -> None:
        """Makes what was registered."""
        async with self._database.transaction() as connection:
            if await spend_token(connection, TokenPurpose.VERIFY_ADDRESS, token, now=now) is None:
                raise OneTimeTokenVoid
            await connection.execute(delete(registrations).where(registrations.c.email == admin.email))
            await insert_first_user(connection, tenant, admin, password_hash)

    async def verify_address(self, token: str, *, now: datetime) -> tuple[OneTimeToken, User]:
        """Marks an address as confirmed."""
        async with self._database.transaction() as connection:
            spent = await spend_token(connection, TokenPurpose.VERIFY_ADDRESS, token, now=now)
            if spent is None:
                raise OneTimeTokenVoid
            same = users.c.id == spent.subject.removeprefix("users/")
            await connection.execute(update(users).where(same).values(verified_at=to_micros(now)))
            row = (await connection.execute(select(*USER_COLUMNS).where(same))).mappings().first()
            if row is None:
                raise OneTimeTokenVoid
            return spent, user_of(row)

    async def username_taken(self, key: str) -> bool:
        """Whether a username is in use."""
        async with self._database.read() as connection:
            return (await connection.execute(select(users.c.id).where(users.c.username_key == key))).first() is not None

    async def purge_credentials(self, *, now: datetime, clients_before: datetime) -> None:
        """Deletes what is of no use any more."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(registrations).where(registrations.c.expires_at <= to_micros(now)))
            await connection.execute(delete(known_clients).where(known_clients.c.last_used_at < to_micros(clients_before)))


async def remember_clients(connection: AsyncConnection, user: str, digests: Collection[str], *, now: datetime) -> None:
    """These clients are known from now on, within the caller's transaction; of too many, those that were away longest are forgotten."""
    for digest in sorted(digests):
        values = {"user_id": user, "digest": digest, "created_at": to_micros(now), "last_used_at": to_micros(now)}
        await connection.execute(_REMEMBER, values)
    own = known_clients.c.user_id == user
    if (await connection.execute(select(func.count()).select_from(known_clients).where(own))).scalar_one() > _MOST_CLIENTS:
        newest = select(known_clients.c.digest).where(own).order_by(known_clients.c.last_used_at.desc()).limit(_MOST_CLIENTS)
        await connection.execute(delete(known_clients).where(own, known_clients.c.digest.not_in(newest)))


async def end_sessions(connection: AsyncConnection, user: str, *, keep: str) -> Sequence[str]:
    """Ends the sessions of a user but one, within the caller's transaction; which ones."""
    # In one order: two that end the same sessions wait for one another.
    found = select(sessions.c.id).where(sessions.c.user_id == user, sessions.c.id != keep).order_by(sessions.c.id).with_for_update()
    ended = (await connection.execute(found)).scalars().all()
    if ended:
        await connection.execute(delete(sessions).where(sessions.c.id.in_(ended)))
    return ended


async def _changed(
    connection: AsyncConnection, user: str, *, keep: str, clients: Collection[str], mail: AccountMail | None, now: datetime
) -> Sequence[str]:
    """What follows from another password."""
    await withdraw_tokens(connection, TokenPurpose.RESET_PASSWORD, f"users/{user}", now=now)
    await connection.execute(delete(known_clients).where(known_clients.c.user_id == user))
    await remember_clients(connection, user, clients, now=now)
    if mail is not None:
        await insert_account_mail(connection, mail)
    return await end_sessions(connection, user, keep=keep)
