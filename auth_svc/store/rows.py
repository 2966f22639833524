"""How rows are read that many queries select: tenants, users, roles, scopes."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import QUOTA_NAMES, Role, Tenant, TenantTerms, User
from auth_svc.store.tables import installation, roles, tenant_deletions, tenant_terms, tenants, users
from tocsin.database import Database
from tocsin.stored import instant, known, row_reader
from tocsin.tenants import TenantState

TENANT_COLUMNS = (
    tenants.c.id.label("t_id"),
    tenants.c.display_name.label("t_display_name"),
    tenants.c.time_zone.label("t_time_zone"),
    tenants.c.created_at.label("t_created_at"),
    tenants.c.require_second_factor.label("t_require_second_factor"),
    tenants.c.password_off.label("t_password_off"),
    installation.c.tenant_id.label("t_operator"),
    tenant_terms.c.state.label("t_state"),
    tenant_terms.c.reason.label("t_reason"),
    *(tenant_terms.c[name].label(f"t_{name}") for name in QUOTA_NAMES),
    tenant_deletions.c.deleted_at.label("t_deleted_at"),
    tenant_deletions.c.purge_at.label("t_purge_at"),
)
"""A tenant as `tenant_of` reads it; select them from a join with `TENANTS`."""

TENANTS = (
    tenants.outerjoin(installation, installation.c.tenant_id == tenants.c.id)
    .outerjoin(tenant_terms, tenant_terms.c.tenant_id == tenants.c.id)
    .outerjoin(tenant_deletions, tenant_deletions.c.tenant_id == tenants.c.id)
)
"""Tenants, which of them is the operator's, and what differs from the rule."""


def custom_scopes(holder: Table) -> ColumnElement[str | None]:
    """The scopes of the role of a row of ``holder``, if it is one of its tenant's own."""
    own = select(roles.c.scopes).where(roles.c.tenant_id == holder.c.tenant_id, roles.c.id == holder.c.role)
    return own.correlate(holder).scalar_subquery()


USER_COLUMNS = (
    users.c.id,
    users.c.tenant_id,
    users.c.email,
    users.c.username,
    users.c.display_name,
    users.c.role,
    users.c.created_at,
    users.c.locale,
    users.c.verified_at,
    users.c.deactivated_at,
    custom_scopes(users).label("role_scopes"),
)
"""A user as `user_of` reads it."""


class Queries:
    """The part of every group of queries: the database that they run on."""

    def __init__(self, *, database: Database) -> None:
        self._database = database


async def lock_tenant(connection: AsyncConnection, tenant: str) -> None:
    """Whoever changes who may what in a tenant waits here for one another, within the caller's transaction."""
    await connection.execute(select(tenants.c.id).where(tenants.c.id == tenant).with_for_update())


@row_reader(lambda row: f"tenants/{row['t_id']}")
def tenant_of(row: RowMapping) -> Tenant:
    """The tenant in `TENANT_COLUMNS` of ``row``."""
    return Tenant(
        id=row["t_id"],
        display_name=row["t_display_name"],
        time_zone=row["t_time_zone"],
        operator=row["t_operator"] is not None,
        created=instant(row["t_created_at"]),
        require_second_factor=bool(row["t_require_second_factor"]),
        password_off=bool(row["t_password_off"]),
        terms=terms_of(row, prefix="t_") if row["t_state"] is not None else TenantTerms(),
        deleted=instant_or_none(row["t_deleted_at"]),
        purge=instant_or_none(row["t_purge_at"]),
    )


def terms_of(row: RowMapping, *, prefix: str = "") -> TenantTerms:
    """The terms in a row, whose columns have ``prefix`` before their names."""
    quotas = {name: row[f"{prefix}{name}"] for name in QUOTA_NAMES if row[f"{prefix}{name}"] is not None}
    return TenantTerms(state=known(TenantState, row[f"{prefix}state"]), reason=row[f"{prefix}reason"], quotas=quotas)


@row_reader(lambda row: f"users/{row['id']}")
def user_of(row: RowMapping) -> User:
    """The user in `USER_COLUMNS` of ``row``."""
    return User(
        id=row["id"],
        tenant=row["tenant_id"],
        email=row["email"],
        username=row["username"] or "",
        display_name=row["display_name"],
        role=role_of(row["role"], row["role_scopes"]),
        created=instant(row["created_at"]),
        locale=row["locale"],
        verified=instant_or_none(row["verified_at"]),
        deactivated=instant_or_none(row["deactivated_at"]),
    )


def role_of(role: str, scopes: str | None) -> Role:
    """A role as its holder has it; one that is not there any more gives nothing."""
    return Role(id=role, scopes=split_scopes(scopes or ""))


def instant_or_none(micros: int | None) -> datetime | None:
    """The time of a column that may be empty."""
    return None if micros is None else instant(micros)


def join_scopes(scopes: Iterable[str]) -> str:
    """Scopes as they are stored."""
    return " ".join(sorted(scopes))


def split_scopes(text: str) -> frozenset[str]:
    """Scopes as they were stored."""
    return frozenset(text.split())
