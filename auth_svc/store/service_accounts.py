"""Service accounts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import MOST_SERVICE_ACCOUNTS, Role, ServiceAccount, ServiceAccountNotFound, TooManyServiceAccounts
from auth_svc.store.roles import require_role
from auth_svc.store.rows import Queries, custom_scopes, instant_or_none, lock_tenant, role_of
from auth_svc.store.tables import api_keys, service_accounts
from tocsin.clock import to_micros
from tocsin.database import read_mapped_page
from tocsin.stored import instant, row_reader

_TABLE: Final = service_accounts.c
_ACCOUNTS: Final = select(service_accounts, custom_scopes(service_accounts).label("role_scopes"))


class ServiceAccountQueries(Queries):
    """`auth_svc.ports.ServiceAccountStore`."""

    async def add_service_account(self, account: ServiceAccount) -> None:
        """Stores a service account."""
        count = select(func.count()).select_from(service_accounts).where(_TABLE.tenant_id == account.tenant)
        async with self._database.transaction() as connection:
            await lock_tenant(connection, account.tenant)
            await require_role(connection, account.tenant, account.role)
            if (await connection.execute(count)).scalar_one() >= MOST_SERVICE_ACCOUNTS:
                raise TooManyServiceAccounts
            await connection.execute(insert(service_accounts).values(service_account_values(account)))

    async def get_service_account(self, tenant: str, account: str) -> ServiceAccount:
        """One service account of a tenant."""
        async with self._database.read() as connection:
            return await _account(connection, tenant, account)

    async def list_service_accounts(self, tenant: str, *, after: str, limit: int) -> Sequence[ServiceAccount]:
        """Service accounts in the order of their ids, which is that of their making."""
        query = _ACCOUNTS.where(_TABLE.tenant_id == tenant, _TABLE.id > after).order_by(_TABLE.id)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, _account_of, limit=limit)

    async def change_service_account(
        self, tenant: str, account: str, *, display_name: str | None, description: str | None, role: Role | None
    ) -> ServiceAccount:
        """Changes what is given."""
        given = {"display_name": display_name, "description": description, "role": None if role is None else role.id}
        values = {name: value for name, value in given.items() if value is not None}
        async with self._database.transaction() as connection:
            await lock_tenant(connection, tenant)
            if role is not None:
                await require_role(connection, tenant, role)
            if values:
                await connection.execute(update(service_accounts).where(_TABLE.tenant_id == tenant, _TABLE.id == account).values(values))
            return await _account(connection, tenant, account)

    async def set_service_account_active(self, tenant: str, account: str, *, deactivated: datetime | None) -> ServiceAccount:
        """Activates or deactivates a service account."""
        when = None if deactivated is None else to_micros(deactivated)
        change = update(service_accounts).where(_TABLE.tenant_id == tenant, _TABLE.id == account).values(deactivated_at=when)
        async with self._database.transaction() as connection:
            await connection.execute(change)
            return await _account(connection, tenant, account)

    async def remove_service_account(self, tenant: str, account: str) -> Collection[str]:
        """Removes a service account and its keys."""
        keys = delete(api_keys).where(api_keys.c.tenant_id == tenant, api_keys.c.service_account_id == account).returning(api_keys.c.id)
        async with self._database.transaction() as connection:
            # Whoever adds a key locks the service account as well: none is added to one that goes.
            await connection.execute(select(_TABLE.id).where(_TABLE.id == account).with_for_update())
            await _account(connection, tenant, account)
            ended = (await connection.execute(keys)).scalars().all()
            await connection.execute(delete(service_accounts).where(_TABLE.id == account))
        return ended


def service_account_values(account: ServiceAccount) -> Mapping[str, object]:
    """The row of a service account."""
    return {
        "id": account.id,
        "tenant_id": account.tenant,
        "display_name": account.display_name,
        "description": account.description,
        "role": account.role.id,
        "maker": account.maker,
        "created_at": to_micros(account.created),
        "deactivated_at": None if account.deactivated is None else to_micros(account.deactivated),
    }


async def _account(connection: AsyncConnection, tenant: str, account: str) -> ServiceAccount:
    row = (await connection.execute(_ACCOUNTS.where(_TABLE.tenant_id == tenant, _TABLE.id == account))).mappings().first()
    if row is None:
        raise ServiceAccountNotFound
    return _account_of(row)


@row_reader(lambda row: f"serviceAccounts/{row['id']}")
def _account_of(row: RowMapping) -> ServiceAccount:
    return ServiceAccount(
        id=row["id"],
        tenant=row["tenant_id"],
        display_name=row["display_name"],
        description=row["description"],
        role=role_of(row["role"], row["role_scopes"]),
        maker=row["maker"],
        created=instant(row["created_at"]),
        deactivated=instant_or_none(row["deactivated_at"]),
    )
