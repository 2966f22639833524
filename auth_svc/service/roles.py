"""Roles: those that every tenant has, and those that it puts together itself."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from auth_svc.domain import (
    BUILT_IN,
    OWNERSHIP,
    CustomRole,
    RoleBuiltIn,
    SecurityEvent,
    Tenant,
    TokenCaller,
    checked_name,
    checked_role_id,
    require_held,
)
from auth_svc.ports import SecurityLog, Store
from auth_svc.service.authorizer import Authorizer
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

LONGEST_DESCRIPTION: Final = 1000

_BUILT_IN_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "owner": ("Owner", "Everything, and makes and removes owners. A tenant always has an active one."),
    "admin": ("Administrator", "Everything but what concerns owners."),
    "operator": ("Operator", "Works with alarms, incidents, tasks, records, templates, deliveries and the inbox."),
    "viewer": ("Viewer", "Reads what operators read."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRole:
    """A role with what it gives in one tenant. ``custom`` is None of those that every tenant has."""

    id: str
    display_name: str
    description: str
    scopes: frozenset[str]
    custom: CustomRole | None = None

    @property
    def place(self) -> tuple[int, str]:
        """Its place in the list."""
        return (len(BUILT_IN) if self.custom else list(BUILT_IN).index(self.id)), self.id


class Roles:
    """Shows roles, and manages those of the caller's tenant."""

    def __init__(self, *, store: Store, authorizer: Authorizer, log: SecurityLog, clock: Clock) -> None:
        self._store = store
        self._authorizer = authorizer
        self._log = log
        self._clock = clock

    async def create(self, caller: TokenCaller, *, role_id: str, display_name: str, description: str, scopes: Collection[str]) -> ShownRole:
        """Makes a role.

        Raises:
            InvalidInput: the id, a text or a scope cannot be used.
            ScopeNotHeld: the caller lacks one of the scopes.
            RoleExists: the tenant has one of this id.
            TooManyRoles: it has as many as it may have.
            CallerGone: the caller was removed.
        """
        identity = checked_role_id(role_id, field="role.name")
        await self._check_scopes(caller, scopes)
        now = self._clock.now()
        role = CustomRole(
            id=identity,
            tenant=caller.tenant,
            display_name=_name(display_name) or identity,
            description=_description(description),
            scopes=frozenset(scopes),
            created=now,
            updated=now,
        )
        await self._store.add_role(role)
        self._log.record(SecurityEvent.ROLE_CREATED, tenant=role.tenant, subject=role.name, by=caller.subject)
        return await self._shown(role)

    async def role(self, caller: TokenCaller, role_id: str) -> ShownRole:
        """One role.

        Raises:
            RoleNotFound: the tenant has no such role.
        """
        if role_id in BUILT_IN:
            return self._built_in(role_id, await self._store.get_tenant(caller.tenant))
        return await self._shown(await self._store.get_role(caller.tenant, role_id))

    async def roles(self, caller: TokenCaller, *, after: tuple[int, str] | None, limit: int) -> Sequence[ShownRole]:
        """At most ``limit`` roles behind ``after``: those that every tenant has, then its own by id."""
        tenant = await self._store.get_tenant(caller.tenant)
        built_in = [self._built_in(each, tenant) for each in BUILT_IN]
        behind = after[1] if after is not None and after[0] >= len(BUILT_IN) else ""
        own = await self._store.list_roles(caller.tenant, after=behind, limit=limit)
        found = [*built_in, *(self._of(each, tenant) for each in own)]
        return [each for each in found if after is None or each.place > after][:limit]

    async def change(
        self,
        caller: TokenCaller,
        role_id: str,
        *,
        display_name: str | None,
        description: str | None,
        scopes: Collection[str] | None,
    ) -> ShownRole:
        """Changes what is given.

        Raises:
            RoleNotFound: the tenant has no such role.
            RoleBuiltIn: it is the same in every tenant.
            InvalidInput: a text or a scope cannot be used.
            ScopeNotHeld: the caller lacks one of the scopes, even if the role has it already.
            CallerGone: the caller was removed.
        """
        if role_id in BUILT_IN:
            raise RoleBuiltIn
        if scopes is not None:
            await self._check_scopes(caller, scopes)
        changed = await self._store.change_role(
            caller.tenant,
            role_id,
            display_name=None if display_name is None else _name(display_name) or role_id,
            description=None if description is None else _description(description),
            scopes=None if scopes is None else frozenset(scopes),
            now=self._clock.now(),
        )
        self._log.record(SecurityEvent.ROLE_CHANGED, tenant=changed.tenant, subject=changed.name, by=caller.subject)
        return await self._shown(changed)

    async def remove(self, caller: TokenCaller, role_id: str) -> None:
        """Removes a role that nobody has.

        Raises:
            RoleNotFound: the tenant has no such role.
            RoleBuiltIn: it is in every tenant.
            RoleInUse: somebody has it, or is invited to it.
        """
        if role_id in BUILT_IN:
            raise RoleBuiltIn
        await self._store.remove_role(caller.tenant, role_id, now=self._clock.now())
        self._log.record(SecurityEvent.ROLE_REMOVED, tenant=caller.tenant, subject=f"roles/{role_id}", by=caller.subject)

    async def _check_scopes(self, caller: TokenCaller, scopes: Collection[str]) -> None:
        for number, scope in enumerate(scopes):
            if scope not in self._authorizer.scopes or scope == OWNERSHIP:
                raise InvalidInput.at(f"role.scopes[{number}]", f"there is no scope {scope} that a role of your own can have")
        require_held(scopes, await self._authorizer.held(caller), what="whoever has the role")

    async def _shown(self, role: CustomRole) -> ShownRole:
        return self._of(role, await self._store.get_tenant(role.tenant))

    def _of(self, role: CustomRole, tenant: Tenant) -> ShownRole:
        scopes = self._authorizer.scopes.of(role.role, tenant)
        return ShownRole(id=role.id, display_name=role.display_name, description=role.description, scopes=scopes, custom=role)

    def _built_in(self, role_id: str, tenant: Tenant) -> ShownRole:
        name, description = _BUILT_IN_WORDS[role_id]
        return ShownRole(
            id=role_id, display_name=name, description=description, scopes=self._authorizer.scopes.of(BUILT_IN[role_id], tenant)
        )


def _name(text: str) -> str:
    return checked_name(text, field="role.displayName")


def _description(text: str) -> str:
    return checked_name(text, field="role.description", longest=LONGEST_DESCRIPTION)
