"""Tenants that are deleted: the order, what each service has removed, and what is removed here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Column, RowMapping, String, Table, Text, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import (
    SERVICES,
    DeletionNotFound,
    DeletionOrder,
    ServicePurge,
    Tenant,
    TenantDeletion,
    TenantNotFound,
    TenantStateRefused,
)
from auth_svc.store.log_tables import audit_chains
from auth_svc.store.rows import TENANT_COLUMNS, TENANTS, Queries, instant_or_none, tenant_of
from auth_svc.store.tables import metadata, tenant_deletions, tenant_terms, tenants
from auth_svc.store.tenants import NEXT_VERSION, settled_anew
from tocsin.clock import to_micros
from tocsin.database import RowOwners, purge_table, upsert
from tocsin.stored import instant
from tocsin.tenants import TenantState

tenant_purges: Final = purge_table(metadata)

# What each place where a service keeps something has removed. The kind is empty in a row that says that the place has told.
tenant_purge_reports: Final = Table(
    "tenant_purge_reports",
    metadata,
    Column("tenant_id", String(26), primary_key=True),
    Column("service", Text, primary_key=True),
    Column("place", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("removed", BigInteger, nullable=False),
    Column("told_at", BigInteger, nullable=False),
)

OWNERS: Final = RowOwners(
    children={
        "refresh_tokens": ("session_id", "sessions"),
        "known_clients": ("user_id", "users"),
        "oidc_sign_ins": ("provider_id", "identity_providers"),
        "oidc_logouts": ("provider_id", "identity_providers"),
    },
    columns={"tenants": "id"},
    nobody={
        "tenant_book": "the version of the book",
        "registrations": "of people who have no tenant yet; they go when they are confirmed, or expire",
        "alert_batches": "identities of reports that were stored",
        "changed_credentials": "ids of sessions and keys, for an hour",
        "ended_credentials": "ids of sessions and keys that are gone, for an hour; the deletion of a tenant adds to them",
    },
    kept={
        "installation": "names the operator's tenant, which cannot be deleted",
        "tenant_terms": "tells every service that the tenant is deleted; goes when nothing can come back any more",
        "tenant_deletions": "the report",
        "tenant_purge_reports": "the report",
        "audit_chains": "the head of the chain stays, so that an export of the log can be checked",
        "audit_logs": "cut behind a signed anchor by `auth_svc.service.deletions`, as their triggers want it",
    },
    along={},
)

_OPEN: Final = (tenant_deletions.c.began_at.is_(None),)
_SETTLE: Final = upsert(tenant_terms, keys=("tenant_id",), update=("state", "reason", "changed_at"))
_TELL: Final = upsert(tenant_purge_reports, keys=("tenant_id", "service", "place", "kind"), update=("removed", "told_at"))


class DeletionQueries(Queries):
    """`auth_svc.ports.DeletionStore`."""

    async def order_deletion(self, tenant: str, order: DeletionOrder) -> Tenant:
        """Begins the deletion of a tenant, or lets it come sooner."""
        async with self._database.transaction() as connection:
            found = await _locked(connection, tenant)
            if found.operator:
                raise TenantStateRefused("The operator's tenant cannot be deleted: it runs the platform.")
            if found.deleted is None:
                await connection.execute(insert(tenant_deletions).values(_deletion(found, order)))
                await _settle(connection, tenant, TenantState.DELETING, "", order.now)
            else:
                await _hasten(connection, found, order)
            return await settled_anew(connection, tenant)

    async def take_back_deletion(self, tenant: str, *, now: datetime) -> Tenant:
        """Ends the deletion of a tenant of which nothing was removed."""
        row = tenant_deletions.c
        async with self._database.transaction() as connection:
            found = await _locked(connection, tenant)
            if found.deleted is None:
                return found
            gone = delete(tenant_deletions).where(row.tenant_id == tenant, *_OPEN).returning(row.prior_state, row.prior_reason)
            prior = (await connection.execute(gone)).first()
            if prior is None:
                raise TenantStateRefused("What the tenant has is being removed: its deletion cannot be taken back any more.")
            await _settle(connection, tenant, TenantState(prior[0]), prior[1], now)
            return await settled_anew(connection, tenant)

    async def begin_purges(self, *, now: datetime) -> Sequence[str]:
        """Tenants whose time is over: from now on nothing can be taken back."""
        row = tenant_deletions.c
        due = (
            update(tenant_deletions).where(row.purge_at <= to_micros(now), *_OPEN).values(began_at=to_micros(now)).returning(row.tenant_id)
        )
        async with self._database.transaction() as connection:
            begun = (await connection.execute(due)).scalars().all()
            if begun:
                await connection.execute(NEXT_VERSION)
        return sorted(begun)

    async def tell_purge(self, tenant: str, *, service: str, place: str, removed: Mapping[str, int], now: datetime) -> bool:
        """Stores what a service has removed; whether that ended the deletion."""
        shared = {"tenant_id": tenant, "service": service, "place": place, "told_at": to_micros(now)}
        rows = [{**shared, "kind": kind, "removed": count} for kind, count in sorted({"": 0, **removed}.items())]
        table, row = tenant_purge_reports.c, tenant_deletions.c
        async with self._database.transaction() as connection:
            locked = select(row.ended_at).where(row.tenant_id == tenant, row.began_at.is_not(None)).with_for_update()
            found = (await connection.execute(locked)).first()
            if found is None:
                raise DeletionNotFound
            await connection.execute(_TELL, rows)
            told = set((await connection.execute(select(table.service).where(table.tenant_id == tenant, table.kind == ""))).scalars())
            if found[0] is not None or not told.issuperset(SERVICES):
                return False
            await connection.execute(update(tenant_deletions).where(row.tenant_id == tenant).values(ended_at=to_micros(now)))
        return True

    async def get_deletion(self, tenant: str) -> TenantDeletion:
        """The deletion of a tenant, with what was removed."""
        table = tenant_purge_reports.c
        told = (
            select(table.service, table.kind, func.sum(table.removed), func.max(table.told_at))
            .where(table.tenant_id == tenant)
            .group_by(table.service, table.kind)
            .order_by(table.service, table.kind)
        )
        chain = select(audit_chains.c.number, audit_chains.c.hash).where(audit_chains.c.tenant == tenant)
        async with self._database.read() as connection:
            found = await connection.execute(select(tenant_deletions).where(tenant_deletions.c.tenant_id == tenant))
            row = found.mappings().first()
            if row is None:
                raise DeletionNotFound
            rows = (await connection.execute(told)).all()
            head = (await connection.execute(chain)).first()
        services: dict[str, tuple[dict[str, int], int]] = {}
        for service, kind, removed, at in rows:
            kinds, latest = services.setdefault(service, ({}, 0))
            if kind:
                kinds[kind] = int(removed)
            services[service] = kinds, max(latest, at)
        purges = [ServicePurge(service=name, told=instant(at), removed=kinds) for name, (kinds, at) in services.items()]
        return _deletion_of(row, purges, (0, "") if head is None else (head[0], head[1]))

    async def forget_purged(self, *, before: datetime) -> Sequence[str]:
        """Takes tenants out of the book whose deletion was over before an instant: which."""
        row = tenant_deletions.c
        over = select(row.tenant_id).where(row.ended_at < to_micros(before))
        gone = delete(tenant_terms).where(tenant_terms.c.tenant_id.in_(over)).returning(tenant_terms.c.tenant_id)
        async with self._database.transaction() as connection:
            tenants_gone = (await connection.execute(gone)).scalars().all()
            if tenants_gone:
                await connection.execute(NEXT_VERSION)
        return sorted(tenants_gone)


async def _locked(connection: AsyncConnection, tenant: str) -> Tenant:
    """The tenant, after whoever else changes it.

    Raises:
        TenantNotFound: there is none.
    """
    if (await connection.execute(select(tenants.c.id).where(tenants.c.id == tenant).with_for_update())).first() is None:
        raise TenantNotFound
    return await _tenant(connection, tenant)


async def _tenant(connection: AsyncConnection, tenant: str) -> Tenant:
    query = select(*TENANT_COLUMNS).select_from(TENANTS).where(tenants.c.id == tenant)
    return tenant_of((await connection.execute(query)).mappings().one())


async def _settle(connection: AsyncConnection, tenant: str, state: TenantState, reason: str, now: datetime) -> None:
    values = {"tenant_id": tenant, "state": state.value, "reason": reason, "changed_at": to_micros(now)}
    await connection.execute(_SETTLE, values)


async def _hasten(connection: AsyncConnection, found: Tenant, order: DeletionOrder) -> None:
    """It never comes later than before; a hash that is given replaces the one before."""
    purge = to_micros(order.purge if found.purge is None else min(order.purge, found.purge))
    values: dict[str, object] = {"purge_at": purge}
    if order.export_sha256:
        values["export_sha256"] = order.export_sha256
    await connection.execute(update(tenant_deletions).where(tenant_deletions.c.tenant_id == found.id, *_OPEN).values(values))


def _deletion(tenant: Tenant, order: DeletionOrder) -> dict[str, object]:
    return {
        "tenant_id": tenant.id,
        "deleted_by": order.by,
        "deleted_at": to_micros(order.now),
        "purge_at": to_micros(order.purge),
        "export_sha256": order.export_sha256,
        "prior_state": tenant.terms.state.value,
        "prior_reason": tenant.terms.reason,
    }


def _deletion_of(row: RowMapping, services: Sequence[ServicePurge], head: tuple[int, str]) -> TenantDeletion:
    return TenantDeletion(
        tenant=row["tenant_id"],
        deleted=instant(row["deleted_at"]),
        deleted_by=row["deleted_by"],
        purge=instant(row["purge_at"]),
        began=instant_or_none(row["began_at"]),
        ended=instant_or_none(row["ended_at"]),
        export_sha256=row["export_sha256"],
        services=services,
        audit_entries=head[0],
        audit_hash=head[1],
    )
