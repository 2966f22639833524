"""The users of a tenant, and the tenant itself."""

from collections.abc import Sequence

from ulid import ULID

from auth_svc.domain import (
    ApiKeyNotFound,
    CallerGone,
    Role,
    Scopes,
    SecurityEvent,
    Tenant,
    TokenCaller,
    User,
    UserNotFound,
    checked_name,
    checked_zone,
    require_held,
    sign_in_names,
)
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.new_passwords import NewPasswords, words_of
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

_CHANGEABLE = ("display_name", "time_zone")


async def require_alive(store: Store, caller: TokenCaller, clock: Clock) -> None:
    """Refuses a token that has outlived its user or key, where it could make something that lasts longer than itself.

    Raises:
        CallerGone: the user or key was removed, or the key has expired.
    """
    kind, _, name = caller.subject.partition("/")
    try:
        if kind == "users":
            await store.get_user(caller.tenant, name)
        elif (await store.get_key(caller.tenant, name)).expired(clock.now()):
            raise CallerGone
    except (UserNotFound, ApiKeyNotFound):
        raise CallerGone from None


class Users:
    """Adds, shows and removes users; shows and changes the tenant."""

    def __init__(self, *, store: Store, passwords: NewPasswords, scopes: Scopes, log: SecurityLog, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._scopes = scopes
        self._log = log
        self._clock = clock

    async def add_user(self, caller: TokenCaller, *, email: str, username: str, password: str, display_name: str, role: Role) -> User:
        """Adds a user to the caller's tenant.

        Raises:
            InvalidInput: the address, the password or a name cannot be used.
            ScopeNotHeld: the role has scopes that the caller lacks.
            EmailTaken: the address is in use.
            UsernameTaken: the username is.
            CallerGone: the caller was removed.
        """
        await require_alive(self._store, caller, self._clock)
        tenant = await self._store.get_tenant(caller.tenant)
        require_held(self._scopes.of(role, tenant), caller.scopes, what="the user")
        now = self._clock.now()
        address, name = sign_in_names(email=email, username=username, display_name=display_name)
        user = User(
            id=str(ULID.from_datetime(now)),
            tenant=tenant.id,
            email=address,
            username=name,
            display_name=checked_name(display_name, field="displayName"),
            role=role,
            created=now,
        )
        await self._store.add_user(user, await self._passwords.hash(password, own=words_of(user, tenant), client=caller.subject))
        self._log.record(SecurityEvent.USER_CREATED, tenant=tenant.id, subject=user.name, role=role.value, by=caller.subject)
        return user

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
        """Removes a user and ends its sessions; access tokens that it has end by themselves.

        Raises:
            UserNotFound: the tenant has no such user.
            LastAdministrator: nobody would administer the tenant.
        """
        removed = await self._store.remove_user(caller.tenant, user)
        self._log.record(SecurityEvent.USER_REMOVED, tenant=caller.tenant, subject=removed.name, by=caller.subject)

    async def tenant(self, caller: TokenCaller) -> Tenant:
        """The caller's tenant."""
        return await self._store.get_tenant(caller.tenant)

    async def change_tenant(self, caller: TokenCaller, *, display_name: str, time_zone: str, mask: Sequence[str]) -> Tenant:
        """Changes the fields that ``mask`` names; without one, those that are not empty (AIP-134).

        Raises:
            InvalidInput: the mask names another field, the name is empty, or there is no such zone.
        """
        return await change_tenant(
            self._store, self._log, caller.tenant, display_name=display_name, time_zone=time_zone, mask=mask, by=caller.subject
        )


async def change_tenant(
    store: Store, log: SecurityLog, tenant: str, *, display_name: str, time_zone: str, mask: Sequence[str], by: str
) -> Tenant:
    """Changes the fields of a tenant that ``mask`` names; without one, those that are not empty (AIP-134).

    Raises:
        TenantNotFound: there is none.
        InvalidInput: the mask names another field, the name is empty, or there is no such zone.
    """
    fields = _fields(mask, display_name=display_name, time_zone=time_zone)
    name = checked_name(display_name, field="tenant.displayName") if "display_name" in fields else None
    if name == "":
        raise InvalidInput.at("tenant.displayName", "must not be empty")
    zone = checked_zone(time_zone, field="tenant.time_zone") if "time_zone" in fields else None
    changed = await store.change_tenant(tenant, display_name=name, time_zone=zone)
    if fields:
        log.record(SecurityEvent.TENANT_CHANGED, tenant=changed.id, fields=",".join(sorted(fields)), by=by)
    return changed


def _fields(mask: Sequence[str], **values: str) -> set[str]:
    if not mask:
        return {name for name, value in values.items() if value}
    for path in mask:
        if path not in (*_CHANGEABLE, "*"):
            raise InvalidInput.at("updateMask", f"{path} cannot be changed; {' and '.join(_CHANGEABLE)} can")
    return set(_CHANGEABLE) if "*" in mask else set(mask)
