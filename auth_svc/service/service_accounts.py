"""Service accounts: programs of a tenant, which hold keys and never sign in."""

from collections.abc import Sequence

from ulid import ULID

from auth_svc.domain import OWNER, OwnersOnly, Role, SecurityEvent, ServiceAccount, TokenCaller, checked_name
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.authorizer import Authorizer
from auth_svc.service.roles import LONGEST_DESCRIPTION
from tocsin.clock import Clock
from tocsin.errors import InvalidInput


class ServiceAccounts:
    """Makes, shows, changes and removes them."""

    def __init__(self, *, store: Store, authorizer: Authorizer, log: SecurityLog, clock: Clock) -> None:
        self._store = store
        self._authorizer = authorizer
        self._log = log
        self._clock = clock

    async def create(self, caller: TokenCaller, *, display_name: str, description: str, role: str) -> ServiceAccount:
        """A new service account of the caller's tenant.

        Raises:
            InvalidInput: a text cannot be used, or there is no such role.
            ScopeNotHeld: the role has scopes that the caller lacks.
            TooManyServiceAccounts: the tenant has as many as it may have.
            CallerGone: the caller was removed.
        """
        now = self._clock.now()
        account = ServiceAccount(
            id=str(ULID.from_datetime(now)),
            tenant=caller.tenant,
            display_name=_required_name(display_name),
            description=_description(description),
            role=await self._given(caller, role),
            maker=caller.subject,
            created=now,
        )
        await self._store.add_service_account(account)
        self._record(SecurityEvent.SERVICE_ACCOUNT_CREATED, account, caller)
        return account

    async def account(self, caller: TokenCaller, account: str) -> ServiceAccount:
        """One service account of the caller's tenant.

        Raises:
            ServiceAccountNotFound: it has no such one.
        """
        return await self._store.get_service_account(caller.tenant, account)

    async def accounts(self, caller: TokenCaller, *, after: str, limit: int) -> Sequence[ServiceAccount]:
        """At most ``limit`` of them, the oldest first; those whose ids follow ``after``."""
        return await self._store.list_service_accounts(caller.tenant, after=after, limit=limit)

    async def change(
        self, caller: TokenCaller, account: str, *, display_name: str | None, description: str | None, role: str | None
    ) -> ServiceAccount:
        """Changes what is given.

        Raises:
            ServiceAccountNotFound: the tenant has no such service account.
            InvalidInput: a text cannot be used, or there is no such role.
            ScopeNotHeld: the new role has scopes that the caller lacks.
            OwnersOnly: its role is that of owners, and the caller is none.
            CallerGone: the caller was removed.
        """
        await self._require_changeable(caller, account)
        changed = await self._store.change_service_account(
            caller.tenant,
            account,
            display_name=None if display_name is None else _required_name(display_name),
            description=None if description is None else _description(description),
            role=None if role is None else await self._given(caller, role),
        )
        self._record(SecurityEvent.SERVICE_ACCOUNT_CHANGED, changed, caller)
        return changed

    async def deactivate(self, caller: TokenCaller, account: str) -> ServiceAccount:
        """Lets its keys work no more.

        Raises:
            ServiceAccountNotFound: the tenant has no such service account.
            OwnersOnly: its role is that of owners, and the caller is none.
            CallerGone: the caller was removed.
        """
        await self._require_changeable(caller, account)
        changed = await self._store.set_service_account_active(caller.tenant, account, deactivated=self._clock.now())
        self._record(SecurityEvent.SERVICE_ACCOUNT_CHANGED, changed, caller)
        return changed

    async def reactivate(self, caller: TokenCaller, account: str) -> ServiceAccount:
        """Lets its keys work again.

        Raises:
            ServiceAccountNotFound: the tenant has no such service account.
            ScopeNotHeld: its role has scopes that the caller lacks.
            CallerGone: the caller was removed.
        """
        known = await self._store.get_service_account(caller.tenant, account)
        await self._authorizer.require(caller, known.role, await self._store.get_tenant(caller.tenant), what="its keys")
        changed = await self._store.set_service_account_active(caller.tenant, account, deactivated=None)
        self._record(SecurityEvent.SERVICE_ACCOUNT_CHANGED, changed, caller)
        return changed

    async def remove(self, caller: TokenCaller, account: str) -> None:
        """Removes a service account with its keys.

        Raises:
            ServiceAccountNotFound: the tenant has no such service account.
            OwnersOnly: its role is that of owners, and the caller is none.
            CallerGone: the caller was removed.
        """
        known = await self._require_changeable(caller, account)
        keys = await self._store.remove_service_account(caller.tenant, account)
        self._record(SecurityEvent.SERVICE_ACCOUNT_REMOVED, known, caller, keys=str(len(keys)))

    async def _require_changeable(self, caller: TokenCaller, account: str) -> ServiceAccount:
        known = await self._store.get_service_account(caller.tenant, account)
        owners = await self._authorizer.may_change_owners(caller)
        if known.role.id == OWNER.id and not owners:
            raise OwnersOnly
        return known

    async def _given(self, caller: TokenCaller, name: str) -> Role:
        if not name:
            raise InvalidInput.at("serviceAccount.role", "is required")
        role = await self._authorizer.role(caller.tenant, name, field="serviceAccount.role")
        await self._authorizer.require(caller, role, await self._store.get_tenant(caller.tenant), what="the service account")
        return role

    def _record(self, event: SecurityEvent, account: ServiceAccount, caller: TokenCaller, **facts: str) -> None:
        self._log.record(event, tenant=account.tenant, subject=account.name, role=account.role.id, by=caller.subject, **facts)


def _required_name(text: str) -> str:
    name = checked_name(text, field="serviceAccount.displayName")
    if not name:
        raise InvalidInput.at("serviceAccount.displayName", "must not be empty")
    return name


def _description(text: str) -> str:
    return checked_name(text, field="serviceAccount.description", longest=LONGEST_DESCRIPTION)
