"""Tenants and users."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import (
    OWNER,
    Account,
    EmailTaken,
    LastOwner,
    OwnersOnly,
    Role,
    Tenant,
    TenantNotFound,
    User,
    UsernameTaken,
    UserNotFound,
    sign_in_key,
)
from auth_svc.ports import Installation
from auth_svc.store.keys import key_values
from auth_svc.store.roles import require_role
from auth_svc.store.rows import TENANT_COLUMNS, TENANTS, USER_COLUMNS, Queries, lock_tenant, tenant_of, user_of
from auth_svc.store.service_accounts import service_account_values
from auth_svc.store.tables import api_keys, installation, service_accounts, sessions, tenants, users
from tocsin.clock import to_micros
from tocsin.database import insert_ignore, read_mapped_page


class AccountQueries(Queries):
    """`auth_svc.ports.AccountStore`."""

    async def install(self, first: Installation, *, before_commit: Callable[[], Awaitable[None]]) -> bool:
        """Claims the one row of the installation: on PostgreSQL other replicas wait at it, on SQLite at the transaction."""
        async with self._database.transaction() as connection:
            await insert_tenant(connection, first.tenant)
            if not await _claim(connection, first.tenant):
                await connection.execute(delete(tenants).where(tenants.c.id == first.tenant.id))
                return False
            await insert_user(connection, first.admin, first.password_hash)
            await connection.execute(insert(service_accounts).values(service_account_values(first.service_account)))
            await connection.execute(insert(api_keys).values(key_values(first.key, first.key_digest)))
            # Files of this machine, not a call: what they hold must be on the disk before it is valid.
            await before_commit()
        return True

    async def installed(self) -> bool:
        """Whether a tenant exists."""
        async with self._database.read() as connection:
            return (await connection.execute(select(installation.c.id))).first() is not None

    async def add_tenant(self, tenant: Tenant, admin: User, password_hash: str) -> None:
        """Stores a tenant and its administrator, or nothing."""
        async with self._database.transaction() as connection:
            await insert_first_user(connection, tenant, admin, password_hash)

    async def find_account(self, key: str) -> Account | None:
        """The account that signs in with this address or username; only an address has an @."""
        query = (
            select(*USER_COLUMNS, users.c.password_hash, *TENANT_COLUMNS)
            .select_from(TENANTS.join(users, users.c.tenant_id == tenants.c.id))
            .where((users.c.email_key if "@" in key else users.c.username_key) == key)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else Account(user=user_of(row), tenant=tenant_of(row), password_hash=row["password_hash"])

    async def replace_password_hash(self, user: str, *, old: str, new: str) -> None:
        """Replaces the hash if it is still ``old``."""
        statement = update(users).where(users.c.id == user, users.c.password_hash == old).values(password_hash=new)
        async with self._database.transaction() as connection:
            await connection.execute(statement)

    async def get_tenant(self, tenant: str) -> Tenant:
        """One tenant."""
        async with self._database.read() as connection:
            return await _tenant(connection, tenant)

    async def change_tenant(
        self,
        tenant: str,
        *,
        display_name: str | None,
        time_zone: str | None,
        password_off: bool | None = None,
        require_second_factor: bool | None = None,
    ) -> Tenant:
        """Changes what is given."""
        flags = {"password_off": password_off, "require_second_factor": require_second_factor}
        given = {"display_name": display_name, "time_zone": time_zone}
        given |= {name: None if flag is None else int(flag) for name, flag in flags.items()}
        values = {name: value for name, value in given.items() if value is not None}
        async with self._database.transaction() as connection:
            if values:
                await connection.execute(update(tenants).where(tenants.c.id == tenant).values(values))
            return await _tenant(connection, tenant)

    async def add_user(self, user: User, password_hash: str) -> None:
        """Stores a user."""
        async with self._database.transaction() as connection:
            await lock_tenant(connection, user.tenant)
            await require_role(connection, user.tenant, user.role)
            await insert_user(connection, user, password_hash)

    async def get_user(self, tenant: str, user: str) -> User:
        """One user of a tenant."""
        async with self._database.read() as connection:
            return await find_user(connection, tenant, user)

    async def list_users(self, tenant: str, *, after: str, limit: int) -> Sequence[User]:
        """Users of a tenant in the order of their ids, which is that of their making."""
        query = select(*USER_COLUMNS).where(users.c.tenant_id == tenant, users.c.id > after).order_by(users.c.id)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, user_of, limit=limit)

    async def active_owners(self, tenant: str, *, limit: int) -> Sequence[User]:
        """Owners who can be told something."""
        query = select(*USER_COLUMNS).where(*_active_owners(tenant), users.c.email != "").order_by(users.c.id)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, user_of, limit=limit)

    async def change_user(
        self, tenant: str, user: str, *, display_name: str | None, role: Role | None, locale: str | None, owners: bool
    ) -> User:
        """Changes what is given."""
        given = {"display_name": display_name, "role": None if role is None else role.id, "locale": locale}
        values = {name: value for name, value in given.items() if value is not None}
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            found = await find_user(connection, tenant, user)
            if role is not None and role.id != found.role.id:
                await require_role(connection, tenant, role)
                await _require_dispensable(connection, found, owners=owners)
            if values:
                await connection.execute(update(users).where(users.c.id == user).values(values))
            return await find_user(connection, tenant, user)

    async def deactivate_user(self, tenant: str, user: str, *, owners: bool, now: datetime) -> User:
        """Deactivates a user."""
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            found = await find_user(connection, tenant, user)
            if found.active:
                await _require_dispensable(connection, found, owners=owners)
                await connection.execute(update(users).where(users.c.id == user).values(deactivated_at=to_micros(now)))
                await connection.execute(delete(sessions).where(sessions.c.user_id == user))
            return await find_user(connection, tenant, user)

    async def reactivate_user(self, tenant: str, user: str) -> User:
        """Activates a user again."""
        async with self._database.transaction() as connection:
            await connection.execute(update(users).where(users.c.tenant_id == tenant, users.c.id == user).values(deactivated_at=None))
            return await find_user(connection, tenant, user)

    async def remove_user(self, tenant: str, user: str, *, owners: bool) -> User:
        """Removes a user; its sessions and API keys go with it."""
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            found = await find_user(connection, tenant, user)
            await _require_dispensable(connection, found, owners=owners)
            await connection.execute(delete(api_keys).where(api_keys.c.tenant_id == tenant, api_keys.c.user_id == user))
            await connection.execute(delete(users).where(users.c.id == user))
        return found


async def insert_first_user(connection: AsyncConnection, tenant: Tenant, admin: User, password_hash: str) -> None:
    """Stores a tenant and its administrator within the caller's transaction.

    Raises:
        EmailTaken: the address is in use.
        UsernameTaken: the username is.
    """
    await insert_tenant(connection, tenant)
    await insert_user(connection, admin, password_hash)
    await _claim(connection, tenant)


async def insert_tenant(connection: AsyncConnection, tenant: Tenant) -> None:
    """Stores a tenant within the caller's transaction."""
    values = {"id": tenant.id, "display_name": tenant.display_name, "time_zone": tenant.time_zone, "created_at": to_micros(tenant.created)}
    await connection.execute(insert(tenants).values(values))


async def _claim(connection: AsyncConnection, tenant: Tenant) -> bool:
    """Makes ``tenant`` the operator's, if it is the first."""
    statement = insert_ignore(installation).values(id=1, tenant_id=tenant.id).returning(installation.c.id)
    return (await connection.execute(statement)).first() is not None


async def insert_user(connection: AsyncConnection, user: User, password_hash: str) -> None:
    """Stores a user within the caller's transaction.

    Raises:
        EmailTaken: the address is in use.
        UsernameTaken: the username is.
    """
    address_key, username_key = sign_in_key(user.email), sign_in_key(user.username)
    values = {
        "id": user.id,
        "tenant_id": user.tenant,
        "email": user.email,
        "email_key": address_key or username_key,
        "username": user.username or None,
        "username_key": username_key or None,
        "display_name": user.display_name,
        "role": user.role.id,
        "password_hash": password_hash,
        "created_at": to_micros(user.created),
        "locale": user.locale,
        "verified_at": None if user.verified is None else to_micros(user.verified),
    }
    if (await connection.execute(insert_ignore(users).values(values).returning(users.c.id))).first() is not None:
        return
    taken = await connection.execute(select(users.c.id).where(users.c.email_key == address_key))
    raise EmailTaken if taken.first() is not None else UsernameTaken


async def _tenant(connection: AsyncConnection, tenant: str) -> Tenant:
    row = (await connection.execute(select(*TENANT_COLUMNS).select_from(TENANTS).where(tenants.c.id == tenant))).mappings().first()
    if row is None:
        raise TenantNotFound
    return tenant_of(row)


async def find_user(connection: AsyncConnection, tenant: str, user: str) -> User:
    """A user of a tenant, within the caller's transaction.

    Raises:
        UserNotFound: there is none.
    """
    row = (await connection.execute(select(*USER_COLUMNS).where(users.c.tenant_id == tenant, users.c.id == user))).mappings().first()
    if row is None:
        raise UserNotFound
    return user_of(row)


def _active_owners(tenant: str) -> Sequence[ColumnElement[bool]]:
    return users.c.tenant_id == tenant, users.c.role == OWNER.id, users.c.deactivated_at.is_(None)


async def _require_dispensable(connection: AsyncConnection, user: User, *, owners: bool) -> None:
    """Refuses to lose the last active owner, or an owner by somebody who is none. The tenant is locked: two wait for one another."""
    if user.role.id != OWNER.id:
        return
    if not owners:
        raise OwnersOnly
    if await is_last_owner(connection, user):
        raise LastOwner


async def is_last_owner(connection: AsyncConnection, user: User) -> bool:
    """Whether nobody active would own the tenant without this user, within the caller's transaction, which has locked the tenant."""
    if user.role.id != OWNER.id or not user.active:
        return False
    others = select(func.count()).select_from(users).where(*_active_owners(user.tenant), users.c.id != user.id)
    return (await connection.execute(others)).scalar_one() == 0
