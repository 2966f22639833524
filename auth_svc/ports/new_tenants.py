"""Stores tenants that the operator makes."""

from collections.abc import Mapping
from typing import Protocol

from auth_svc.domain import AccountMail, Invitation, OneTimeToken, Tenant


class NewTenantStore(Protocol):
    """New tenants, whose first owner is invited."""

    async def add_invited_tenant(
        self,
        tenant: Tenant,
        invitation: Invitation,
        *,
        quotas: Mapping[str, int],
        mail: AccountMail | None,
        link: tuple[OneTimeToken, str] | None,
    ) -> Tenant:
        """Stores a tenant and the invitation of its first owner in one transaction; the tenant as it is then.

        Args:
            tenant: the new one.
            invitation: of its owner.
            quotas: those that differ from the installation's.
            mail: brings the link, if the operator does not.
            link: the token of the link that the operator hands over, and its digest.

        Raises:
            TooManyInvitations: to the address.
        """
        ...
