"""What an alert says."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol


class AlertKind(Enum):
    """What happened; the names are those of the contract (`SecurityAlert.Kind`)."""

    PII_FOUND = "PII_FOUND"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105  the name of a kind
    API_KEY_INVALID = "API_KEY_INVALID"
    SCOPE_REFUSED = "SCOPE_REFUSED"
    SIGN_IN_THROTTLED = "SIGN_IN_THROTTLED"
    REFRESH_TOKEN_REUSED = "REFRESH_TOKEN_REUSED"  # noqa: S105  the name of a kind
    CALLBACK_FORGED = "CALLBACK_FORGED"
    AUDIT_CHAIN_BROKEN = "AUDIT_CHAIN_BROKEN"
    CLIENT_GUESSES = "CLIENT_GUESSES"
    ACCOUNT_GUESSED = "ACCOUNT_GUESSED"
    TENANT_SUSPENDED = "TENANT_SUSPENDED"
    NEW_CLIENT = "NEW_CLIENT"
    CREDENTIALS_FORGED = "CREDENTIALS_FORGED"
    QUOTA_NEAR = "QUOTA_NEAR"
    QUOTA_REACHED = "QUOTA_REACHED"
    API_KEY_EXPIRING = "API_KEY_EXPIRING"
    ADDRESS_REVERTED = "ADDRESS_REVERTED"


class Severity(Enum):
    """How soon somebody should look; the names are those of the contract."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


SEVERITIES: Final = {
    AlertKind.PII_FOUND: Severity.MEDIUM,
    AlertKind.TOKEN_INVALID: Severity.MEDIUM,
    AlertKind.API_KEY_INVALID: Severity.MEDIUM,
    AlertKind.SCOPE_REFUSED: Severity.LOW,
    AlertKind.SIGN_IN_THROTTLED: Severity.HIGH,
    AlertKind.REFRESH_TOKEN_REUSED: Severity.HIGH,
    AlertKind.CALLBACK_FORGED: Severity.HIGH,
    AlertKind.AUDIT_CHAIN_BROKEN: Severity.HIGH,
    AlertKind.CLIENT_GUESSES: Severity.HIGH,
    AlertKind.ACCOUNT_GUESSED: Severity.HIGH,
    AlertKind.TENANT_SUSPENDED: Severity.MEDIUM,
    AlertKind.NEW_CLIENT: Severity.MEDIUM,
    AlertKind.CREDENTIALS_FORGED: Severity.HIGH,
    AlertKind.QUOTA_NEAR: Severity.LOW,
    AlertKind.QUOTA_REACHED: Severity.MEDIUM,
    AlertKind.API_KEY_EXPIRING: Severity.MEDIUM,
    AlertKind.ADDRESS_REVERTED: Severity.HIGH,
}
"""That of an alert that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that happened ``count`` times.

    ``tenant``, ``kind``, ``subject``, ``place`` and ``detail`` make it the same one as another: they take few values, so that a flood
    stays few rows. Nothing in it is ever a secret, an address that somebody gave, or the value that a detector found.

    Attributes:
        kind: what happened.
        severity: how soon somebody should look.
        tenant: whose it is; empty when nobody knows: then the operator's.
        subject: "users/..." or "apiKeys/..." of who did it; empty when unknown.
        place: where: a route, an RPC, a provider, "records".
        latest: where exactly the last time, such as "records/order-17".
        detail: what, in few words.
        count: how often.
        first: when it first happened, in microseconds since 1970.
        last: when it last happened.
    """

    kind: AlertKind
    severity: Severity
    tenant: str
    subject: str
    place: str
    latest: str
    detail: str
    count: int
    first: int
    last: int


class Alerts(Protocol):
    """Takes alerts. It never waits, and never fails."""

    def report(
        self,
        *,
        kind: AlertKind,
        place: str,
        tenant: str = "",
        subject: str = "",
        latest: str = "",
        detail: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Something happened once; see `Alert`. The severity is that of the kind unless given."""
        ...
