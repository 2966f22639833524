"""Who may give what to whom, now: a token says what was so when it was made."""

from auth_svc.domain import (
    BUILT_IN,
    OWNERSHIP,
    ApiKeyNotFound,
    CallerGone,
    Role,
    RoleNotFound,
    Scopes,
    Tenant,
    TokenCaller,
    UserNotFound,
    require_held,
)
from auth_svc.ports import Store
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

_PREFIX = "roles/"


async def require_alive(store: Store, caller: TokenCaller, clock: Clock) -> None:
    """Refuses a token that has outlived its user or key, where it could make something that lasts longer than itself.

    Raises:
        CallerGone: the user or key was removed or deactivated, or the key has expired.
    """
    kind, _, name = caller.subject.partition("/")
    try:
        if kind == "users":
            gone = not (await store.get_user(caller.tenant, name)).active
        else:
            held = await store.held_key(caller.tenant, name)
            gone = not held.active or held.key.expired(clock.now())
    except (UserNotFound, ApiKeyNotFound):
        raise CallerGone from None
    if gone:
        raise CallerGone


class Authorizer:
    """Nobody gives what they do not hold: not by a token that was narrowed, and not by one that says more than its holder still has."""

    def __init__(self, *, store: Store, scopes: Scopes, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.scopes = scopes

    async def held(self, caller: TokenCaller) -> frozenset[str]:
        """What the caller's token says, as far as its user or key has it now.

        Raises:
            CallerGone: the user or key was removed or deactivated, or the key has expired.
        """
        now = await self.of_subject(caller.tenant, caller.subject)
        if not now:
            raise CallerGone
        return caller.scopes & now

    async def of_subject(self, tenant: str, subject: str) -> frozenset[str]:
        """What a user or key has now; nothing if it is gone."""
        kind, _, name = subject.partition("/")
        try:
            if kind == "users":
                account = await self._store.get_account(tenant, name)
                return self.scopes.of(account.user.role, account.tenant) if account.user.active else frozenset()
            held = await self._store.held_key(tenant, name)
        except (UserNotFound, ApiKeyNotFound):
            return frozenset()
        if not held.active or held.key.expired(self._clock.now()):
            return frozenset()
        return self.scopes.of_key(held.key, held.role, held.tenant)

    async def may_change_owners(self, caller: TokenCaller) -> bool:
        """Whether the caller is an owner, or has a key that owners gave this right.

        Raises:
            CallerGone: the user or key was removed or deactivated, or the key has expired.
        """
        return OWNERSHIP in await self.held(caller)

    async def require(self, caller: TokenCaller, role: Role, tenant: Tenant, *, what: str) -> None:
        """Returns if the caller has everything that ``role`` gives.

        Raises:
            CallerGone: the user or key was removed or deactivated, or the key has expired.
            ScopeNotHeld: names the scopes; ``what`` would have them.
        """
        require_held(self.scopes.of(role, tenant), await self.held(caller), what=what)

    async def role(self, tenant: str, name: str, *, field: str) -> Role:
        """The role of a resource name.

        Raises:
            InvalidInput: the tenant has no such role.
        """
        identity = name.removeprefix(_PREFIX)
        if identity in BUILT_IN:
            return BUILT_IN[identity]
        try:
            return (await self._store.get_role(tenant, identity)).role
        except RoleNotFound:
            raise InvalidInput.at(field, "there is no such role") from None
