"""Stores what the operator has settled for tenants."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from auth_svc.domain import SettledTenant, Tenant
from tocsin.listing import Condition
from tocsin.tenants import TenantState


class TenantStore(Protocol):
    """What differs from the rule, by tenant. Each change makes the version of the book greater; every method is one transaction."""

    async def book_version(self) -> int:
        """The version of the book; at least 1."""
        ...

    async def settled_tenants(self, *, after: str, limit: int) -> tuple[int, Sequence[SettledTenant]]:
        """The version, and the first ``limit`` tenants that differ from the rule and whose id is greater than ``after``, by id."""
        ...

    async def list_tenants(self, *, conditions: Sequence[Condition], after: str, limit: int) -> Sequence[Tenant]:
        """The first ``limit`` tenants that meet the conditions and whose id is greater than ``after``, by id."""
        ...

    async def set_state(self, tenant: str, *, state: TenantState, reason: str, now: datetime) -> Tenant:
        """Suspends a tenant, or lets it work again.

        Raises:
            TenantNotFound: there is none.
            TenantStateRefused: it is being deleted.
        """
        ...

    async def set_quotas(self, tenant: str, quotas: Mapping[str, int | None], *, now: datetime) -> Tenant:
        """Sets the quotas that are named; None stands for that of the installation.

        Raises:
            TenantNotFound: there is none.
            TenantStateRefused: it is being deleted.
        """
        ...
