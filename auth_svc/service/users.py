"""The users of a tenant, and the tenant itself."""

from collections.abc import Collection, Sequence

from ulid import ULID

from auth_svc.domain import (
    OPERATOR,
    PROVIDERS_MOST,
    Role,
    SecurityEvent,
    Tenant,
    TokenCaller,
    User,
    checked_locale,
    checked_name,
    checked_zone,
    sign_in_names,
)
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.authorizer import Authorizer
from auth_svc.service.new_passwords import NewPasswords, words_of
from tocsin.clock import Clock
from tocsin.errors import InvalidInput


class Users:
    """Adds, shows, changes and removes users; shows and changes the tenant."""

    def __init__(self, *, store: Store, passwords: NewPasswords, authorizer: Authorizer, log: SecurityLog, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._authorizer = authorizer
        self._log = log
        self._clock = clock

    async def add_user(
        self, caller: TokenCaller, *, email: str, username: str, password: str, display_name: str, role: str = OPERATOR.name
    ) -> User:
        """Adds a user to the caller's tenant.

        Raises:
            InvalidInput: the address, the password or a name cannot be used, or there is no such role.
            ScopeNotHeld: the role has scopes that the caller lacks.
            EmailTaken: the address is in use.
            UsernameTaken: the username is.
            CallerGone: the caller was removed.
        """
        tenant = await self._store.get_tenant(caller.tenant)
        given = await self._given(caller, role, tenant, field="roleName")
        now = self._clock.now()
        address, name = sign_in_names(email=email, username=username, display_name=display_name)
        user = User(
            id=str(ULID.from_datetime(now)),
            tenant=tenant.id,
            email=address,
            username=name,
            display_name=checked_name(display_name, field="displayName"),
            role=given,
            created=now,
        )
        await self._store.add_user(user, await self._passwords.hash(password, own=words_of(user, tenant), client=caller.subject))
        self._record(SecurityEvent.USER_CREATED, user, caller)
        return user

    async def change_user(self, caller: TokenCaller, user: str, *, display_name: str | None, role: str | None, locale: str | None) -> User:
        """Changes what is given; gateways are told what the user may no longer do.

        Raises:
            UserNotFound: the tenant has no such user.
            InvalidInput: a text cannot be used, or there is no such role.
            ScopeNotHeld: the new role has scopes that the caller lacks.
            OwnersOnly: the user is an owner, and the caller is none.
            LastOwner: the tenant would be without an active owner.
            CallerGone: the caller was removed.
        """
        known = await self._store.get_user(caller.tenant, user)
        given = None
        if role is not None and role != known.role.name:
            given = await self._given(caller, role, await self._store.get_tenant(caller.tenant), field="user.roleName")
        changed = await self._store.change_user(
            caller.tenant,
            user,
            display_name=None if display_name is None else checked_name(display_name, field="user.displayName"),
            role=given,
            locale=None if locale is None else checked_locale(locale, field="user.locale"),
            owners=await self._authorizer.may_change_owners(caller),
        )
        self._record(SecurityEvent.USER_CHANGED, changed, caller, was=known.role.id)
        return changed

    async def deactivate_user(self, caller: TokenCaller, user: str) -> User:
        """Ends a user's sessions and keys, until it is activated again; gateways are told of them.

        Raises:
            UserNotFound: the tenant has no such user.
            OwnersOnly: the user is an owner, and the caller is none.
            LastOwner: the tenant would be without an active owner.
            CallerGone: the caller was removed.
        """
        owners = await self._authorizer.may_change_owners(caller)
        changed = await self._store.deactivate_user(caller.tenant, user, owners=owners, now=self._clock.now())
        self._record(SecurityEvent.USER_DEACTIVATED, changed, caller)
        return changed

    async def reactivate_user(self, caller: TokenCaller, user: str) -> User:
        """Lets a user sign in again.

        Raises:
            UserNotFound: the tenant has no such user.
            ScopeNotHeld: the user has scopes that the caller lacks.
            CallerGone: the caller was removed.
        """
        account = await self._store.get_account(caller.tenant, user)
        await self._authorizer.require(caller, account.user.role, account.tenant, what="the user")
        changed = await self._store.reactivate_user(caller.tenant, user)
        self._record(SecurityEvent.USER_REACTIVATED, changed, caller)
        return changed

    async def _given(self, caller: TokenCaller, name: str, tenant: Tenant, *, field: str) -> Role:
        role = await self._authorizer.role(tenant.id, name, field=field)
        await self._authorizer.require(caller, role, tenant, what="the user")
        return role

    def _record(self, event: SecurityEvent, user: User, caller: TokenCaller, **facts: str) -> None:
        self._log.record(event, tenant=user.tenant, subject=user.name, role=user.role.id, by=caller.subject, **facts)

    async def user(self, caller: TokenCaller, user: str) -> User:
        """One user of the caller's tenant.

        Raises:
            UserNotFound: it has no such user.
        """
        return await self._store.get_user(caller.tenant, user)

    async def users(self, caller: TokenCaller, *, after: str, limit: int) -> Sequence[User]:
        """At most ``limit`` users, the oldest first; those whose ids follow ``after``."""
        return await self._store.list_users(caller.tenant, after=after, limit=limit)

    async def remove_user(self, caller: TokenCaller, user: str) -> None:
        """Removes a user, and ends its sessions and keys; gateways are told of them.

        Raises:
            UserNotFound: the tenant has no such user.
            OwnersOnly: the user is an owner, and the caller is none.
            LastOwner: the tenant would be without an active owner.
            CallerGone: the caller was removed.
        """
        removed = await self._store.remove_user(caller.tenant, user, owners=await self._authorizer.may_change_owners(caller))
        self._record(SecurityEvent.USER_REMOVED, removed, caller)

    async def tenant(self, caller: TokenCaller) -> Tenant:
        """The caller's tenant."""
        return await self._store.get_tenant(caller.tenant)

    async def change_tenant(
        self,
        caller: TokenCaller,
        *,
        display_name: str,
        time_zone: str,
        password_off: bool,
        fields: Collection[str],
        require_second_factor: bool | None = None,
    ) -> Tenant:
        """Changes the named ``fields``.

        Raises:
            InvalidInput: the name is empty, there is no such zone, or nobody could sign in.
        """
        return await change_tenant(
            self._store,
            self._log,
            caller.tenant,
            display_name=display_name,
            time_zone=time_zone,
            password_off=password_off,
            require_second_factor=require_second_factor,
            fields=fields,
            by=caller.subject,
        )


async def change_tenant(
    store: Store,
    log: SecurityLog,
    tenant: str,
    *,
    display_name: str,
    time_zone: str,
    fields: Collection[str],
    by: str,
    password_off: bool = False,
    require_second_factor: bool | None = None,
) -> Tenant:
    """Changes the named ``fields`` of a tenant.

    Raises:
        TenantNotFound: there is none.
        InvalidInput: the name is empty, there is no such zone, or nobody could sign in.
    """
    name = checked_name(display_name, field="tenant.displayName") if "display_name" in fields else None
    if name == "":
        raise InvalidInput.at("tenant.displayName", "must not be empty")
    zone = checked_zone(time_zone, field="tenant.time_zone") if "time_zone" in fields else None
    off = password_off if "password_off" in fields else None
    if off and all(each.disabled for each in await store.list_identity_providers(tenant, after="", limit=PROVIDERS_MOST)):
        raise InvalidInput.at("tenant.passwordOff", "needs an identity provider that signs people in")
    required = bool(require_second_factor) if "require_second_factor" in fields else None
    changed = await store.change_tenant(tenant, display_name=name, time_zone=zone, password_off=off, require_second_factor=required)
    if fields:
        log.record(SecurityEvent.TENANT_CHANGED, tenant=changed.id, fields=",".join(sorted(fields)), by=by)
    return changed
