"""What links say, sealed: a token tells nobody what is in it, for links stand in logs and histories, and nobody else can make one."""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

KEY_BYTES: Final = 64
_VERSION: Final = "1"
_LONGEST: Final = 1000  # characters


class SealedTexts:
    """Seals and opens texts (AES-SIV, RFC 5297). A token is the same each time, and begins with its version."""

    def __init__(self, key: bytes) -> None:
        """Takes a key of `KEY_BYTES`; one for each purpose."""
        self._cipher = AESSIV(key)

    def seal(self, texts: Sequence[str]) -> str:
        """The token, of characters that need no escape in a URL; no text has a NUL in it."""
        sealed = self._cipher.encrypt("\0".join(texts).encode(), [_VERSION.encode()])
        return _VERSION + base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, token: str, count: int) -> Sequence[str] | None:
        """The texts of a token; None if it is none of ours, or has another number of them."""
        if not token.startswith(_VERSION) or len(token) > _LONGEST or not token.isascii():
            return None
        try:
            sealed = base64.b64decode(token[1:] + "=" * (-(len(token) - 1) % 4), altchars=b"-_", validate=True)
            parts = self._cipher.decrypt(sealed, [_VERSION.encode()]).decode().split("\0")
        except (binascii.Error, InvalidTag, ValueError):
            return None
        return parts if len(parts) == count else None
