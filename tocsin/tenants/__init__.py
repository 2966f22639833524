"""What every service has to know of tenants: whether they may work, and how much (pure).

auth_svc keeps it, `tocsin.tenants.feed` has it at hand. A tenant that nobody has said anything about is ACTIVE.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Final

from tocsin.errors import PermissionDenied


class TenantState(Enum):
    """Whether a tenant may work."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    """It may sign in and read; whatever it would do waits."""
    DELETING = "DELETING"
    """It is being deleted, or was. Until its purge begins it may sign in and read; nothing is done for it any more."""


class TenantSuspended(PermissionDenied):
    """The tenant is suspended."""

    @classmethod
    def of(cls, why: str) -> "TenantSuspended":
        """The error, with the operator's reason."""
        return cls(f"The tenant is suspended: {why}" if why else None, metadata={"suspendReason": why} if why else None)


class TenantDeleted(PermissionDenied):
    """The tenant is being deleted, or was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """The most that a tenant may use; 0 is without bound. A day is one of UTC."""

    alarms: int = 0
    fires_per_minute: int = 0
    messages_per_day: int = 0
    storage_bytes: int = 0

    def with_changes(self, changes: Mapping[str, int]) -> "Quotas":
        """These, with others in the place of those that ``changes`` names."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedTenant:
    """What is known of a tenant.

    Attributes:
        state: whether it may work.
        reason: why it is suspended, in the operator's words.
        purging: whether what it has is being removed, or was.
        quotas: the most that it may use.
    """

    state: TenantState = TenantState.ACTIVE
    reason: str = ""
    purging: bool = False
    quotas: Quotas = field(default_factory=Quotas)

    @property
    def active(self) -> bool:
        """Whether it may work."""
        return self.state is TenantState.ACTIVE

    def require_active(self) -> None:
        """Refuses one that may not work.

        Raises:
            TenantSuspended: it is suspended.
            TenantDeleted: it is deleted.
        """
        if self.state is TenantState.SUSPENDED:
            raise TenantSuspended.of(self.reason)
        if self.state is TenantState.DELETING:
            raise TenantDeleted


def serves_all(tenant: str) -> bool:
    """Of an installation whose tenants are all there; see `TenantBook.serves_keys`."""
    del tenant
    return True


class TenantBook:
    """All that is known of tenants at one time."""

    __slots__ = ("_known", "_unknown", "bounded", "purging", "stopped", "version")

    def __init__(self, known: Mapping[str, BookedTenant] | None = None, *, defaults: Quotas | None = None, version: int = 0) -> None:
        """Makes the book.

        Args:
            known: tenants by id that differ from the rule.
            defaults: quotas of all others.
            version: grows with each change.
        """
        self._known: Final = dict(known or {})
        self._unknown: Final = BookedTenant(quotas=defaults or Quotas())
        self.version: Final = version
        self.stopped: Final = frozenset(tenant for tenant, entry in self._known.items() if not entry.active)
        """Ids of the tenants that may not work."""
        quotas = [self._unknown.quotas, *(entry.quotas for entry in self._known.values())]
        self.bounded: Final = frozenset(each.name for each in fields(Quotas) if any(getattr(quota, each.name) for quota in quotas))
        """Names of the quotas that anybody has: what asks for another one need look at no tenant."""
        self.purging: Final = frozenset(tenant for tenant, entry in self._known.items() if entry.purging)
        """Ids of those of which everything is removed."""

    def of(self, tenant: str) -> BookedTenant:
        """What is known of a tenant."""
        return self._known.get(tenant, self._unknown)

    def active(self, tenant: str) -> bool:
        """Whether a tenant may work."""
        return tenant not in self.stopped

    def serves_keys(self, tenant: str) -> bool:
        """Whether what comes with a secret in place of a token is taken for a tenant: a ping, an alert, the answer of a link, a page.

        It is for one that is suspended, whose pings must not be missed because of us; one that is deleted has no such door any more.
        """
        return tenant not in self.stopped or self._known[tenant].state is not TenantState.DELETING

    def require_active(self, tenant: str) -> None:
        """Refuses a tenant that may not work.

        Raises:
            TenantSuspended: it is suspended.
            TenantDeleted: it is deleted.
        """
        if tenant in self.stopped:
            self._known[tenant].require_active()

    def among(self, tenants: Iterable[str]) -> frozenset[str]:
        """Those of ``tenants`` that may work."""
        return frozenset(tenants) - self.stopped
