"""Providers that tenants configure: what is kept of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.errors import FailedPrecondition, NotFound, ResourceExhausted

HIDDEN: Final = "********"
"""What a reader finds where a secret is set; given back, it leaves the secret as it is."""

MOST_PROVIDERS: Final = 100
"""Providers of one tenant."""


class ProviderNotFound(NotFound):
    """There is no such provider."""


class ProviderOfSettings(FailedPrecondition):
    """This provider comes from the settings of the installation and is changed there."""


class TooManyProviders(ResourceExhausted):
    """The tenant has as many providers as one may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRecord:
    """A provider of a tenant; times in microseconds since the epoch.

    Attributes:
        id: also in the path of its callbacks, so no two tenants have the same.
        tenant: whose messages it sends.
        channel: that it is a way out for.
        kind: of `mailer_svc.channels`.
        display_name: what people call it.
        position: place in the lane, from 1.
        enabled: whether it is used.
        config: by the schema of its kind, without the secrets.
        secrets: by field; never shown.
        created: when it was made.
        updated: when it last changed.
    """

    id: str
    tenant: str
    channel: str
    kind: str
    display_name: str
    position: int
    enabled: bool
    config: Mapping[str, Any]
    secrets: Mapping[str, str]
    created: int
    updated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """How a provider does."""

    circuit: str = ""
    fault: str = ""
    concurrency: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderView:
    """A provider as its tenant sees it; ``record`` is None for one of the installation, and for one that cannot be read."""

    id: str
    channel: str
    kind: str
    installed: bool
    record: ProviderRecord | None
    status: ProviderStatus
    has_callback: bool
