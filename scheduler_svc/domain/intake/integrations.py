"""Integrations: monitoring systems whose alerts open incidents, and what is kept of what they send. Pure."""

import base64
import hashlib
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import msgspec

from scheduler_svc.domain.incident_words import IncidentSeverity
from scheduler_svc.domain.intake.generic import PayloadMapping
from tocsin.errors import Aborted, AlreadyExists, NotFound, ResourceExhausted
from tocsin.recurrence import Micros

KEY_BYTES: Final = 20
"""Random bytes of a key: 32 characters, as long as the routing keys that PagerDuty's clients check."""

MOST_INTEGRATIONS: Final = 1000
"""Integrations of a tenant."""

KEPT_PAYLOADS: Final = 20
"""The last payloads of each integration, which are kept."""

KEPT_BYTES: Final = 64 * 1024
"""Bytes of each of them."""


class IntegrationNotFound(NotFound):
    """There is no such integration."""


class IntegrationKeyUnknown(NotFound):
    """There is no integration with this key."""


class IntegrationExists(AlreadyExists):
    """There is an integration of this id."""


class IntegrationChanged(Aborted):
    """The integration was changed meanwhile."""


class TooManyIntegrations(ResourceExhausted):
    """The tenant has as many integrations as it may have."""


class TooManyPayloads(ResourceExhausted):
    """The integration gets more payloads than it may."""


class IntegrationKind(IntEnum):
    """What a sender speaks; the numbers are stored, and are those of the contract."""

    ALERTMANAGER = 1
    GRAFANA = 2
    PAGERDUTY = 3
    CLOUDEVENTS = 4
    GENERIC = 5
    EMAIL = 6


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """An integration of a tenant.

    Attributes:
        policy: id of the escalation policy of its incidents; empty: a route finds it.
        severity: of alerts that name none.
        mapping: where its payloads say what; None: as its kind says.
        by_group: one incident for each group of the sender, instead of one for each alert.
        paused: what is sent opens and ends nothing.
        received: when its last payload came; None: none has come.
        damaged: fields that are stored and that cannot be read.
    """

    id: str
    tenant: str
    kind: IntegrationKind
    display_name: str = ""
    policy: str = ""
    severity: IncidentSeverity = IncidentSeverity.ERROR
    mapping: PayloadMapping | None = None
    by_group: bool = False
    paused: bool = False
    version: int = 1
    created: Micros
    updated: Micros
    received: Micros | None = None
    damaged: tuple[str, ...] = ()

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return str(self.version)

    @property
    def name(self) -> str:
        """Its resource name, which is the source of its incidents."""
        return f"integrations/{self.id}"


class PayloadOutcome(IntEnum):
    """What became of a payload; the numbers are stored, and are those of the contract."""

    TAKEN = 1
    REFUSED = 2
    IGNORED = 3


class PayloadReceipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of the alerts of a payload."""

    alerts: int = 0
    opened: int = 0
    counted: int = 0
    acknowledged: int = 0
    resolved: int = 0
    ignored: int = 0


class KeptPayload(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a sender sent, and what became of it.

    Attributes:
        size: bytes that came.
        body: its text, or the beginning of it.
        field: for which it was refused; empty unless it was.
        detail: why it was refused, or what else is worth knowing.
        incidents: ids of some of the incidents that it is about.
        headers: those that belong to it.
    """

    id: str
    tenant: str
    integration: str
    received: Micros
    content_type: str
    size: int
    body: str
    outcome: PayloadOutcome
    field: str = ""
    detail: str = ""
    receipt: PayloadReceipt = PayloadReceipt()
    incidents: tuple[str, ...] = ()
    headers: Mapping[str, str] = {}

    @property
    def truncated(self) -> bool:
        """Whether more came than is kept."""
        return self.size > KEPT_BYTES


def key_of(random: bytes) -> str:
    """A key of so many random bytes: lower-case letters and digits, which may stand in a URL and before the @ of a mail address."""
    return base64.b32encode(random).decode().lower()


def hash_of(key: str) -> str:
    """What is stored of a key, and by which it is found: keys are random, so nobody can try them out, nor learn from how long it takes."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def kept_text(body: bytes) -> str:
    """What is kept of a body."""
    return body[:KEPT_BYTES].decode("utf-8", "replace").replace("\0", "\ufffd")
