"""Changes of addresses."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import (
    ADDRESS_CHANGES_AN_HOUR,
    AccountMail,
    AddressChange,
    OneTimeTokenVoid,
    TokenPurpose,
    TooManyAddressChanges,
    User,
    UserNotFound,
    sign_in_key,
)
from auth_svc.store.account_mails import insert_account_mail
from auth_svc.store.accounts import find_user
from auth_svc.store.credentials import end_sessions
from auth_svc.store.one_time import spend_token, withdraw_tokens
from auth_svc.store.rows import Queries, instant_or_none, lock_tenant
from auth_svc.store.tables import address_changes, users
from tocsin.clock import to_micros
from tocsin.database import ConstraintBroken
from tocsin.stored import instant

_TABLE: Final = address_changes.c
_HOUR: Final = timedelta(hours=1)
_LINKS: Final = (TokenPurpose.RESET_PASSWORD, TokenPurpose.VERIFY_ADDRESS)
"""What went to the address that a user had."""


class AddressChangeQueries(Queries):
    """`auth_svc.ports.AddressChangeStore`."""

    async def ask_address_change(self, change: AddressChange, *, mail: AccountMail) -> None:
        """Stores a change and its mail."""
        mine = _TABLE.user_id == change.user
        recent = select(func.count()).select_from(address_changes).where(mine, _TABLE.created_at > to_micros(change.created - _HOUR))
        values = {
            "id": change.id,
            "tenant_id": change.tenant,
            "user_id": change.user,
            "address_before": change.before,
            "address_after": change.after,
            "session_id": change.session,
            "created_at": to_micros(change.created),
        }
        async with self._database.transaction() as connection:
            await lock_tenant(connection, change.tenant)
            if (await connection.execute(recent)).scalar_one() >= ADDRESS_CHANGES_AN_HOUR:
                raise TooManyAddressChanges
            await connection.execute(update(address_changes).where(mine, _TABLE.confirmed_at.is_(None)).values(void=1))
            await connection.execute(insert(address_changes).values(values))
            await insert_account_mail(connection, mail)

    async def find_address_change(self, name: str) -> AddressChange | None:
        """A change."""
        query = select(address_changes).where(_TABLE.id == name.rpartition("/")[2], _TABLE.void == 0)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            return None
        found = AddressChange(
            id=row["id"],
            tenant=row["tenant_id"],
            user=row["user_id"],
            before=row["address_before"],
            after=row["address_after"],
            session=row["session_id"],
            created=instant(row["created_at"]),
            confirmed=instant_or_none(row["confirmed_at"]),
        )
        return found if found.name == name else None

    async def confirm_address_change(
        self, token: str, change: AddressChange, *, notice: AccountMail | None, now: datetime
    ) -> Sequence[str]:
        """Gives a user the new address."""
        try:
            async with self._database.transaction() as connection:
                user = await _spend(connection, TokenPurpose.CHANGE_ADDRESS, token, change, now=now)
                mark = update(address_changes).where(_TABLE.id == change.id, _TABLE.confirmed_at.is_(None), _TABLE.void == 0)
                marked = await connection.execute(mark.values(confirmed_at=to_micros(now)).returning(_TABLE.id))
                if marked.first() is None or not user.active or user.email != change.before:
                    raise OneTimeTokenVoid
                await _move(connection, user, change.after, now=now)
                if notice is not None:
                    await insert_account_mail(connection, notice)
                return await end_sessions(connection, user.id, keep=change.session)
        except ConstraintBroken:  # the address has got an account since the mail was sent
            raise OneTimeTokenVoid from None

    async def revert_address_change(
        self, token: str, change: AddressChange, *, mail: AccountMail, now: datetime
    ) -> tuple[User, Sequence[str]]:
        """Gives a user the address of before."""
        later = (_TABLE.user_id == change.user, _TABLE.created_at >= to_micros(change.created))
        try:
            async with self._database.transaction() as connection:
                user = await _spend(connection, TokenPurpose.REVERT_ADDRESS, token, change, now=now)
                await connection.execute(update(address_changes).where(*later).values(void=1))
                await _move(connection, user, change.before, now=now, password_hash="")
                await insert_account_mail(connection, mail)
                return user, await end_sessions(connection, user.id, keep="")
        except ConstraintBroken:
            raise OneTimeTokenVoid from None

    async def purge_address_changes(self, before: datetime) -> None:
        """Deletes old ones."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(address_changes).where(_TABLE.created_at < to_micros(before)))


async def _spend(connection: AsyncConnection, purpose: TokenPurpose, token: str, change: AddressChange, *, now: datetime) -> User:
    """Uses up the token of a change, within the caller's transaction; whose it is."""
    await lock_tenant(connection, change.tenant)
    spent = await spend_token(connection, purpose, token, now=now)
    if spent is None or spent.subject != change.name:
        raise OneTimeTokenVoid
    try:
        return await find_user(connection, change.tenant, change.user)
    except UserNotFound:
        raise OneTimeTokenVoid from None


async def _move(connection: AsyncConnection, user: User, address: str, *, now: datetime, **more: Any) -> None:
    """Gives a user another address, within the caller's transaction.

    Raises:
        ConstraintBroken: somebody else has it.
    """
    values = {"email": address, "email_key": sign_in_key(address or user.username), "verified_at": to_micros(now), **more}
    await connection.execute(update(users).where(users.c.id == user.id).values(values))
    for purpose in _LINKS:
        await withdraw_tokens(connection, purpose, user.name, now=now)
