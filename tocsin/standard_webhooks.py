"""Signatures of webhooks after Standard Webhooks (https://www.standardwebhooks.com), made and checked (pure).

A message has an id that is the same at every attempt, the time of the attempt, and one signature for each secret in use, so that a
receiver may change over from one to the next: ``v1,<base64 of HMAC-SHA256 over id.timestamp.body>``, with blanks between.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
TOLERANCE_SECONDS: Final = 300
"""How far the time of an attempt may be from ours."""

_PREFIX: Final = "whsec_"
_LEAST: Final = 24
_MOST: Final = 64
_MOST_SIGNATURES: Final = 16


class SignatureInvalid(Exception):
    """The webhook is not signed with one of the secrets, or is too old or too new."""


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A secret that both sides know."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "WebhookSecret":
        """Reads ``whsec_`` and the base64 of 24 to 64 octets.

        Raises:
            ValueError: it is something else; the words do not show it.
        """
        try:
            key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not text.startswith(_PREFIX) or not _LEAST <= len(key) <= _MOST:
            raise ValueError(f"must be {_PREFIX} and the base64 of {_LEAST} to {_MOST} octets, as `openssl rand -base64 32` gives")
        return cls(key)

    def __str__(self) -> str:
        """As both sides write it."""
        return _PREFIX + base64.b64encode(self.key).decode()


def tenant_secret(derive: Callable[[str], bytes], tenant: str) -> WebhookSecret:
    """The secret of a tenant, with which its status callbacks and the webhooks of its alarms are signed.

    Args:
        derive: gives a key of 32 octets for a purpose, such as `tocsin.installation_key.InstallationKey.derive`.
        tenant: its id.
    """
    return WebhookSecret(derive(f"status callbacks of {tenant}"))


def parse_secrets(text: str) -> Sequence[WebhookSecret]:
    """Reads secrets with white space between, the newest first.

    Raises:
        ValueError: one of them is none; its place is named.
    """
    secrets: list[WebhookSecret] = []
    for place, part in enumerate(text.split(), start=1):
        try:
            secrets.append(WebhookSecret.parse(part))
        except ValueError as error:
            raise ValueError(f"secret {place} {error}") from None
    return secrets


def signed(identity: str, body: bytes, *, secrets: Iterable[WebhookSecret], seconds: int) -> Mapping[str, str]:
    """The headers of an attempt at ``seconds`` since the epoch to send ``body``.

    Args:
        identity: of the message, the same at every attempt; without a full stop.
        body: the exact octets.
        secrets: the newest first; each gives a signature.
        seconds: the time of the attempt.
    """
    if "." in identity:
        raise ValueError("the id of a webhook holds no full stop")
    signatures = (_signature(secret, identity, str(seconds), body) for secret in secrets)
    return {ID: identity, TIMESTAMP: str(seconds), SIGNATURE: " ".join(signatures)}


def verify(headers: Mapping[str, str], body: bytes, *, secrets: Iterable[WebhookSecret], seconds: int) -> str:
    """The id of a webhook that is good.

    Args:
        headers: names in lower case.
        body: the exact octets.
        secrets: any of them may have signed.
        seconds: now, since the epoch.

    Raises:
        SignatureInvalid: it is not.
    """
    identity, stamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    given = headers.get(SIGNATURE, "").split(" ")[:_MOST_SIGNATURES]
    if not identity or not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise SignatureInvalid(f"{ID} and {TIMESTAMP} are required")
    if abs(int(stamp) - seconds) > TOLERANCE_SECONDS:
        raise SignatureInvalid(f"its {TIMESTAMP} is more than {TOLERANCE_SECONDS} s from now")
    expected = [_signature(secret, identity, stamp, body).encode() for secret in secrets]
    # Every pair is compared, so that the time tells nothing.
    matches = [hmac.compare_digest(one, other.encode("utf-8", "replace")) for one in expected for other in given]
    if not any(matches):
        raise SignatureInvalid("no signature is of a known secret")
    return identity


def _signature(secret: WebhookSecret, identity: str, stamp: str, body: bytes) -> str:
    digest = hmac.digest(secret.key, f"{identity}.{stamp}.".encode("utf-8", "replace") + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"
