"""Stores deletions of tenants."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from auth_svc.domain import DeletionOrder, Tenant, TenantDeletion


class DeletionStore(Protocol):
    """Tenants that are being deleted, or were. Each change that the services have to know of makes the version of their book greater."""

    async def order_deletion(self, tenant: str, order: DeletionOrder) -> Tenant:
        """Begins the deletion of a tenant, or lets it come sooner.

        Raises:
            TenantNotFound: there is none.
            TenantStateRefused: it is the operator's.
        """
        ...

    async def take_back_deletion(self, tenant: str, *, now: datetime) -> Tenant:
        """Makes a tenant what it was before its deletion; one that is not being deleted stays as it is.

        Raises:
            TenantNotFound: there is none.
            TenantStateRefused: removing has begun.
        """
        ...

    async def begin_purges(self, *, now: datetime) -> Sequence[str]:
        """Begins to purge the tenants whose time is over; which these are."""
        ...

    async def tell_purge(self, tenant: str, *, service: str, place: str, removed: Mapping[str, int], now: datetime) -> bool:
        """Stores what was removed at one place of a service, of which nothing is left; whether that ended the deletion.

        Raises:
            DeletionNotFound: the tenant is not being purged.
        """
        ...

    async def get_deletion(self, tenant: str) -> TenantDeletion:
        """The deletion of a tenant.

        Raises:
            DeletionNotFound: there is none.
        """
        ...

    async def forget_purged(self, *, before: datetime) -> Sequence[str]:
        """Takes the tenants out of the book whose deletion was over before an instant; which these are."""
        ...
