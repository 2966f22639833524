"""Which scopes there are, and who has which (pure)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from auth_svc.domain.errors import InvalidScope, ScopeNotHeld
from auth_svc.domain.factors import ENROLMENT_SCOPES, Proof
from auth_svc.domain.model import ApiKey
from auth_svc.domain.roles import ADMIN, OPERATOR, OWNER, VIEWER, Role
from auth_svc.domain.tenants import Tenant

PROFILE: Final = "profile:read"
"""The scope that every token has: whoever has a token may ask who they are."""

OWNERSHIP: Final = "owners:write"
"""The scope that owners alone have: whoever has it may make, change and remove owners."""

EVERY_SCOPE: Final = "*"
"""Stands, in stored scopes of keys, for all that the owner of the key has, those of later versions included."""

_OPERATOR_AREAS: Final = frozenset(
    {"account", "alarms", "events", "firings", "incidents", "tasks", "records", "templates", "inbox", "deliveries"}
)
_OPERATOR_SCOPES: Final = frozenset({"tenant:read"})
_OWN_AREA: Final = "account"
_READ: Final = "read"
_PLATFORM_AREAS: Final = frozenset({"mesh", "tenants"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """The scopes that exist, and who has which.

    ``every`` is all that the contract names. Those of the platform itself ("mesh:…") belong to the owners and administrators of the
    operator's tenant alone: a stranger who registers owns a tenant, not the mesh.
    """

    every: frozenset[str]

    def __contains__(self, scope: str) -> bool:
        """Whether there is such a scope."""
        return scope in self.every or scope in (PROFILE, OWNERSHIP)

    def of(self, role: Role, tenant: Tenant) -> frozenset[str]:
        """What somebody with ``role`` has."""
        all_of_tenant = frozenset(scope for scope in self.every if tenant.operator or _area(scope) not in _PLATFORM_AREAS)
        return self._chosen(role, all_of_tenant) | {PROFILE}

    def _chosen(self, role: Role, available: frozenset[str]) -> frozenset[str]:
        if role.id == OWNER.id:
            return available | {OWNERSHIP}
        if role.id == ADMIN.id:
            return available
        if role.id == OPERATOR.id:
            return frozenset(filter(_is_operators, available))
        if role.id == VIEWER.id:
            return frozenset(scope for scope in available if _is_operators(scope) and _is_harmless(scope))
        return role.scopes & available

    def of_session(self, role: Role, tenant: Tenant, proof: Proof) -> frozenset[str]:
        """What a session of such a user has: where the tenant requires a second factor, little until one was shown."""
        held = self.of(role, tenant)
        return (self.every & ENROLMENT_SCOPES) | {PROFILE} if tenant.require_second_factor and not proof.strong else held

    def of_key(self, key: ApiKey, role: Role, tenant: Tenant) -> frozenset[str]:
        """What ``key`` carries now, of what its owner has by ``role``."""
        held = self.of(role, tenant)
        return held if EVERY_SCOPE in key.scopes else (key.scopes & held) | {PROFILE}


def _is_operators(scope: str) -> bool:
    return _area(scope) in _OPERATOR_AREAS or scope in _OPERATOR_SCOPES


def _is_harmless(scope: str) -> bool:
    """Whether it changes nothing but one's own account."""
    return _area(scope) == _OWN_AREA or scope.endswith(f":{_READ}")


def _area(scope: str) -> str:
    return scope.partition(":")[0]


def narrow(text: str, held: frozenset[str]) -> frozenset[str]:
    """The scopes in the space-separated ``text`` (RFC 6749, 3.3); none when it is empty.

    Raises:
        InvalidInput: one of them is not held (RFC 6749, 5.2: invalid_scope).
    """
    asked = frozenset(text.split())
    missing = sorted(asked - held)
    if missing:
        raise InvalidScope.at("scope", f"you do not have {', '.join(missing[:10])}")
    return asked


def require_held(scopes: Iterable[str], held: Collection[str], *, what: str) -> None:
    """Refuses to hand on what the giver does not have.

    Raises:
        ScopeNotHeld: names the scopes.
    """
    missing = sorted(set(scopes) - set(held) - {PROFILE})
    if missing:
        raise ScopeNotHeld(f"{what} would have scopes that you do not have: {', '.join(missing[:10])}")
