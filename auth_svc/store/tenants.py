"""What the operator has settled for tenants."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import QUOTA_NAMES, SettledTenant, Tenant, TenantNotFound, TenantStateRefused
from auth_svc.store.rows import TENANT_COLUMNS, TENANTS, Queries, tenant_of, terms_of
from auth_svc.store.tables import tenant_book, tenant_deletions, tenant_terms, tenants
from tocsin.clock import to_micros
from tocsin.database import read_mapped_page, upsert
from tocsin.listing import Condition
from tocsin.tenants import TenantState

_SET_STATE = upsert(tenant_terms, keys=("tenant_id",), update=("state", "reason", "changed_at"))
_STATE = func.coalesce(tenant_terms.c.state, TenantState.ACTIVE.value)
NEXT_VERSION = update(tenant_book).values(version=tenant_book.c.version + 1)
"""Makes the version of the book greater."""


class TenantQueries(Queries):
    """`auth_svc.ports.TenantStore`."""

    async def book_version(self) -> int:
        """The version of the book."""
        async with self._database.read() as connection:
            return (await connection.execute(select(tenant_book.c.version))).scalar_one()

    async def settled_tenants(self, *, after: str, limit: int) -> tuple[int, Sequence[SettledTenant]]:
        """The version, and tenants that differ from the rule."""
        begun = tenant_deletions.c.began_at.label("begun_at")
        joined = tenant_terms.outerjoin(tenant_deletions, tenant_deletions.c.tenant_id == tenant_terms.c.tenant_id)
        query = select(tenant_terms, begun).select_from(joined).where(tenant_terms.c.tenant_id > after)
        query = query.order_by(tenant_terms.c.tenant_id).limit(limit)
        async with self._database.read() as connection:
            version = (await connection.execute(select(tenant_book.c.version))).scalar_one()
            rows = (await connection.execute(query)).mappings()
            return version, [SettledTenant(id=row["tenant_id"], terms=terms_of(row), purging=row["begun_at"] is not None) for row in rows]

    async def list_tenants(self, *, conditions: Sequence[Condition], after: str, limit: int) -> Sequence[Tenant]:
        """Tenants in the order of their ids, which is that of their making."""
        wanted = [_STATE.op(each.operator)(each.value) for each in conditions]
        query = select(*TENANT_COLUMNS).select_from(TENANTS).where(tenants.c.id > after, *wanted).order_by(tenants.c.id)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, tenant_of, limit=limit)

    async def set_state(self, tenant: str, *, state: TenantState, reason: str, now: datetime) -> Tenant:
        """Suspends a tenant, or lets it work again."""
        values = {"tenant_id": tenant, "state": state.value, "reason": reason, "changed_at": to_micros(now)}
        async with self._database.transaction() as connection:
            await _locked(connection, tenant)
            await connection.execute(_SET_STATE, values)
            return await settled_anew(connection, tenant)

    async def set_quotas(self, tenant: str, quotas: Mapping[str, int | None], *, now: datetime) -> Tenant:
        """Sets quotas."""
        statement = upsert(tenant_terms, keys=("tenant_id",), update=(*quotas, "changed_at"))
        values = {"tenant_id": tenant, "state": TenantState.ACTIVE.value, "reason": "", "changed_at": to_micros(now), **quotas}
        async with self._database.transaction() as connection:
            await _locked(connection, tenant)
            await connection.execute(statement, values)
            return await settled_anew(connection, tenant)


async def _locked(connection: AsyncConnection, tenant: str) -> None:
    """Waits for whoever changes the tenant.

    Raises:
        TenantNotFound: there is none.
        TenantStateRefused: it is being deleted.
    """
    query = select(tenants.c.id).where(tenants.c.id == tenant).with_for_update()
    if (await connection.execute(query)).first() is None:
        raise TenantNotFound
    state = await connection.execute(select(tenant_terms.c.state).where(tenant_terms.c.tenant_id == tenant))
    if state.scalar_one_or_none() == TenantState.DELETING.value:
        raise TenantStateRefused("The tenant is being deleted.")


async def settled_anew(connection: AsyncConnection, tenant: str) -> Tenant:
    """Forgets what no longer differs from the rule, and makes the version greater; the tenant as it is now."""
    as_the_rule = (tenant_terms.c.state == TenantState.ACTIVE.value, *(tenant_terms.c[name].is_(None) for name in QUOTA_NAMES))
    await connection.execute(delete(tenant_terms).where(tenant_terms.c.tenant_id == tenant, *as_the_rule))
    await connection.execute(NEXT_VERSION)
    query = select(*TENANT_COLUMNS).select_from(TENANTS).where(tenants.c.id == tenant)
    return tenant_of((await connection.execute(query)).mappings().one())
