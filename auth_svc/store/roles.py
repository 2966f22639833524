"""Roles of tenants' own."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import BUILT_IN, MOST_ROLES, CustomRole, Role, RoleExists, RoleInUse, RoleNotFound, TooManyRoles
from auth_svc.store.rows import Queries, join_scopes, lock_tenant, split_scopes
from auth_svc.store.tables import invitations, roles, service_accounts, users
from tocsin.clock import to_micros
from tocsin.database import insert_ignore, read_mapped_page
from tocsin.stored import instant, row_reader


class RoleQueries(Queries):
    """`auth_svc.ports.RoleStore`."""

    async def add_role(self, role: CustomRole) -> None:
        """Stores a role."""
        values = {
            "tenant_id": role.tenant,
            "id": role.id,
            "display_name": role.display_name,
            "description": role.description,
            "scopes": join_scopes(role.scopes),
            "created_at": to_micros(role.created),
            "updated_at": to_micros(role.updated),
        }
        count = select(func.count()).select_from(roles).where(roles.c.tenant_id == role.tenant)
        async with self._database.transaction() as connection:
            await lock_tenant(connection, role.tenant)
            if (await connection.execute(count)).scalar_one() >= MOST_ROLES:
                raise TooManyRoles
            if (await connection.execute(insert_ignore(roles).values(values).returning(roles.c.id))).first() is None:
                raise RoleExists

    async def get_role(self, tenant: str, role: str) -> CustomRole:
        """One role of a tenant's own."""
        async with self._database.read() as connection:
            return await _role(connection, tenant, role)

    async def list_roles(self, tenant: str, *, after: str, limit: int) -> Sequence[CustomRole]:
        """Roles of a tenant's own, by id."""
        query = select(roles).where(roles.c.tenant_id == tenant, roles.c.id > after).order_by(roles.c.id)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, _role_of, limit=limit)

    async def change_role(
        self, tenant: str, role: str, *, display_name: str | None, description: str | None, scopes: frozenset[str] | None, now: datetime
    ) -> CustomRole:
        """Changes what is given."""
        given = {"display_name": display_name, "description": description, "scopes": None if scopes is None else join_scopes(scopes)}
        values = {name: value for name, value in given.items() if value is not None}
        change = update(roles).where(roles.c.tenant_id == tenant, roles.c.id == role).values(**values, updated_at=to_micros(now))
        async with self._database.transaction() as connection:
            if values:
                await connection.execute(change)
            return await _role(connection, tenant, role)

    async def remove_role(self, tenant: str, role: str, *, now: datetime) -> None:
        """Removes a role that nobody has."""
        open_ones = (invitations.c.user_id == "", invitations.c.revoked_at.is_(None), invitations.c.expires_at > to_micros(now))
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            await _role_row(connection, tenant, role)
            for holder, conditions in ((users, ()), (service_accounts, ()), (invitations, open_ones)):
                held = select(holder.c.id).where(holder.c.tenant_id == tenant, holder.c.role == role, *conditions).limit(1)
                if (await connection.execute(held)).first() is not None:
                    raise RoleInUse
            await connection.execute(delete(roles).where(roles.c.tenant_id == tenant, roles.c.id == role))


async def require_role(connection: AsyncConnection, tenant: str, role: Role) -> None:
    """The role that somebody gets is still there, within the caller's transaction, which has locked the tenant.

    Raises:
        RoleNotFound: it was removed meanwhile.
    """
    if role.id not in BUILT_IN:
        await _role_row(connection, tenant, role.id)


async def _role(connection: AsyncConnection, tenant: str, role: str) -> CustomRole:
    return _role_of(await _role_row(connection, tenant, role))


async def _role_row(connection: AsyncConnection, tenant: str, role: str) -> RowMapping:
    row = (await connection.execute(select(roles).where(roles.c.tenant_id == tenant, roles.c.id == role))).mappings().first()
    if row is None:
        raise RoleNotFound
    return row


@row_reader(lambda row: f"roles/{row['id']}")
def _role_of(row: RowMapping) -> CustomRole:
    return CustomRole(
        id=row["id"],
        tenant=row["tenant_id"],
        display_name=row["display_name"],
        description=row["description"],
        scopes=split_scopes(row["scopes"]),
        created=instant(row["created_at"]),
        updated=instant(row["updated_at"]),
    )
