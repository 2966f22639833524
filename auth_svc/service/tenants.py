"""The tenants of the platform, as their operator sees them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from auth_svc.domain import SecurityEvent, SettledTenant, Tenant, TenantStateRefused, TokenCaller, checked_name
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.users import change_tenant
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.listing import Condition
from tocsin.tenants import Quotas, TenantState

_BOOK_PAGE: Final = 1000
_LONGEST_REASON: Final = 500


class TenantOffice:
    """Shows tenants, suspends them, bounds them; and says to every service which of them differ from the rule."""

    def __init__(self, *, store: Store, log: SecurityLog, clock: Clock, defaults: Quotas) -> None:
        """Takes what it needs.

        Args:
            store: keeps tenants.
            log: told of each change.
            clock: says when.
            defaults: quotas of those that have none of their own.
        """
        self._store = store
        self._log = log
        self._clock = clock
        self.defaults = defaults

    async def tenant(self, tenant: str) -> Tenant:
        """Any tenant.

        Raises:
            TenantNotFound: there is none.
        """
        return await self._store.get_tenant(tenant)

    async def tenants(self, *, conditions: Sequence[Condition], after: str, limit: int) -> Sequence[Tenant]:
        """At most ``limit`` tenants that meet the conditions, the oldest first; those whose ids follow ``after``."""
        return await self._store.list_tenants(conditions=conditions, after=after, limit=limit)

    async def amend(
        self,
        caller: TokenCaller,
        tenant: str,
        *,
        display_name: str,
        time_zone: str,
        fields: Collection[str],
        require_second_factor: bool | None = None,
    ) -> Tenant:
        """Changes the named ``fields``.

        Raises:
            TenantNotFound: there is none.
            InvalidInput: the name is empty, or there is no such zone.
        """
        return await change_tenant(
            self._store,
            self._log,
            tenant,
            display_name=display_name,
            time_zone=time_zone,
            require_second_factor=require_second_factor,
            fields=fields,
            by=caller.subject,
        )

    async def suspend(self, caller: TokenCaller, tenant: str, *, reason: str) -> Tenant:
        """Suspends a tenant; one that is suspended gets the new reason.

        Raises:
            TenantNotFound: there is none.
            InvalidInput: there is no reason.
            TenantStateRefused: it is the operator's, or being deleted.
        """
        why = checked_name(reason, field="reason", longest=_LONGEST_REASON)
        if not why:
            raise InvalidInput.at("reason", "must not be empty")
        found = await self._store.get_tenant(tenant)
        if found.operator or tenant == caller.tenant:
            raise TenantStateRefused("The operator's tenant cannot be suspended: nobody could end it.")
        changed = await self._store.set_state(tenant, state=TenantState.SUSPENDED, reason=why, now=self._clock.now())
        self._log.record(SecurityEvent.TENANT_SUSPENDED, tenant=tenant, by=caller.subject)
        return changed

    async def resume(self, caller: TokenCaller, tenant: str) -> Tenant:
        """Lets a tenant work again; one that does already is no error.

        Raises:
            TenantNotFound: there is none.
            TenantStateRefused: it is being deleted.
        """
        changed = await self._store.set_state(tenant, state=TenantState.ACTIVE, reason="", now=self._clock.now())
        self._log.record(SecurityEvent.TENANT_RESUMED, tenant=tenant, by=caller.subject)
        return changed

    async def set_quotas(self, caller: TokenCaller, tenant: str, quotas: Mapping[str, int | None]) -> Tenant:
        """Sets all quotas of a tenant; None stands for that of the installation, 0 for none.

        Raises:
            TenantNotFound: there is none.
            TenantStateRefused: it is being deleted.
        """
        changed = await self._store.set_quotas(tenant, quotas, now=self._clock.now())
        facts = {name: str(value) for name, value in quotas.items() if value is not None}
        self._log.record(SecurityEvent.TENANT_QUOTAS_SET, tenant=tenant, by=caller.subject, **facts)
        return changed

    async def book_version(self) -> int:
        """The version of the book of tenants."""
        return await self._store.book_version()

    async def book_page(self, after: str) -> tuple[int, Sequence[SettledTenant], bool]:
        """The version, tenants that differ from the rule and follow ``after``, by id, and whether more follow."""
        version, page = await self._store.settled_tenants(after=after, limit=_BOOK_PAGE)
        return version, page, len(page) == _BOOK_PAGE
