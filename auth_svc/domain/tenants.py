"""Tenants, and what the operator has settled for them (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from tocsin.tenants import Quotas, TenantState

QUOTA_NAMES: Final = tuple(field.name for field in fields(Quotas))
"""What a tenant may be bounded in."""


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

    ``operator``: its administrators run the platform as well. ``require_second_factor``: its users have to have one.
    """

    id: str
    display_name: str
    time_zone: str
    operator: bool
    created: datetime
    require_second_factor: bool = False
    terms: TenantTerms = TenantTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledTenant:
    """A tenant, which may be deleted by now, and what differs from the rule."""

    id: str
    terms: TenantTerms
