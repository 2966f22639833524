"""Tenants, and what the operator has settled for them (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from tocsin.tenants import Quotas, TenantState

QUOTA_NAMES: Final = tuple(field.name for field in fields(Quotas))
"""What a tenant may be bounded in."""

SERVICES: Final = ("auth_svc", "gateway", "mailer_svc", "processor_svc", "scheduler_svc")
"""Those that keep something of tenants: all of them tell that nothing is left before a deletion is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantTerms:
    """What the operator has settled for a tenant.

    Attributes:
        state: whether it may work.
        reason: why it is suspended, in the operator's words.
        quotas: by name, those that differ from the installation's; 0 is without bound.
    """

    state: TenantState = TenantState.ACTIVE
    reason: str = ""
    quotas: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The wall between customers.

    Attributes:
        id: its id.
        display_name: for people.
        time_zone: of local times without one.
        operator: whether its administrators run the platform as well.
        created: when it was made.
        require_second_factor: whether its users have to have one.
        terms: what the operator has settled.
        deleted: when its deletion was asked for; None unless it was.
        purge: when what it has begins to be removed; None likewise.
        password_off: nobody but owners signs in with a password.
    """

    id: str
    display_name: str
    time_zone: str
    operator: bool
    created: datetime
    require_second_factor: bool = False
    terms: TenantTerms = TenantTerms()
    deleted: datetime | None = None
    purge: datetime | None = None
    password_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledTenant:
    """A tenant, which may be deleted by now, and what differs from the rule. ``purging``: its purge has begun."""

    id: str
    terms: TenantTerms
    purging: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePurge:
    """What one service has removed of a tenant, by kind, and when it told last."""

    service: str
    told: datetime
    removed: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantDeletion:
    """The deletion of a tenant; it outlives the tenant.

    Attributes:
        tenant: its id.
        deleted: when it was asked for.
        deleted_by: who asked for it.
        purge: when removing was to begin.
        began: when it did; None until then.
        ended: when all services had told that nothing is left; None until then.
        export_sha256: of the manifest of an export that was made before; empty without one.
        services: what those have removed that have told.
        audit_entries: entries that its audit log had.
        audit_hash: the head of its chain.
    """

    tenant: str
    deleted: datetime
    deleted_by: str
    purge: datetime
    began: datetime | None
    ended: datetime | None
    export_sha256: str
    services: Sequence[ServicePurge] = ()
    audit_entries: int = 0
    audit_hash: str = ""

    @property
    def missing(self) -> Sequence[str]:
        """Services that have not told yet."""
        told = {each.service for each in self.services}
        return [service for service in SERVICES if service not in told]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionOrder:
    """What the operator asks for: who, when, when removing begins, and the hash of an export's manifest, which may be empty."""

    by: str
    now: datetime
    purge: datetime
    export_sha256: str
