"""What somebody leaves with one click, and the token of a link that says so."""

import base64
import binascii
from dataclasses import astuple, dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from mailer_svc.domain.errors import UnsubscribeTokenInvalid

KEY_BYTES: Final = 64
_VERSION: Final = "1"
_LONGEST: Final = 1000  # characters
_FIELDS: Final = 5


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """Who leaves what.

    Attributes:
        tenant: whose messages they are.
        recipient_id: who gets them; empty for an address that belongs to nobody.
        address: where they came.
        category: what is left.
        channel: how they came.
    """

    tenant: str
    recipient_id: str
    address: str
    category: str
    channel: str


class UnsubscribeTokens:
    """Seals and opens what links say.

    A token tells nobody but us what is in it, for links stand in logs and histories, and nobody else can make one (AES-SIV, RFC 5297).
    It is the same each time, holds for ever, and begins with its version.
    """

    def __init__(self, key: bytes) -> None:
        """Takes a key of `KEY_BYTES`."""
        self._cipher = AESSIV(key)

    def seal(self, what: Unsubscription) -> str:
        """The token, of characters that need no escape in a URL."""
        sealed = self._cipher.encrypt("\0".join(astuple(what)).encode(), [_VERSION.encode()])
        return _VERSION + base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, token: str) -> Unsubscription:
        """What a token says.

        Raises:
            UnsubscribeTokenInvalid: it is none of ours.
        """
        if not token.startswith(_VERSION) or len(token) > _LONGEST or not token.isascii():
            raise UnsubscribeTokenInvalid
        try:
            sealed = base64.b64decode(token[1:] + "=" * (-(len(token) - 1) % 4), altchars=b"-_", validate=True)
            parts = self._cipher.decrypt(sealed, [_VERSION.encode()]).decode().split("\0")
        except (binascii.Error, InvalidTag, ValueError):
            raise UnsubscribeTokenInvalid from None
        if len(parts) != _FIELDS:
            raise UnsubscribeTokenInvalid
        return Unsubscription(*parts)
