"""Tenants that the operator makes."""

from collections.abc import Mapping

from auth_svc.domain import AccountMail, Invitation, OneTimeToken, Tenant
from auth_svc.store.accounts import insert_tenant
from auth_svc.store.invitations import insert_invitation
from auth_svc.store.one_time import insert_token
from auth_svc.store.rows import Queries
from auth_svc.store.tables import tenant_terms
from auth_svc.store.tenants import settled_anew
from tocsin.clock import to_micros
from tocsin.database import upsert
from tocsin.tenants import TenantState


class NewTenantQueries(Queries):
    """`auth_svc.ports.NewTenantStore`."""

    async def add_invited_tenant(
        self,
        tenant: Tenant,
        invitation: Invitation,
        *,
        quotas: Mapping[str, int],
        mail: AccountMail | None,
        link: tuple[OneTimeToken, str] | None,
    ) -> Tenant:
        """Stores a tenant, its quotas and the invitation of its first owner, or nothing."""
        async with self._database.transaction() as connection:
            await insert_tenant(connection, tenant)
            await insert_invitation(connection, invitation, mail)
            if link is not None:
                await insert_token(connection, link[0], digest=link[1])
            if not quotas:
                return tenant
            statement = upsert(tenant_terms, keys=("tenant_id",), update=(*quotas, "changed_at"))
            values = {"tenant_id": tenant.id, "state": TenantState.ACTIVE.value, "reason": "", "changed_at": to_micros(tenant.created)}
            await connection.execute(statement, {**values, **quotas})
            return await settled_anew(connection, tenant.id)
