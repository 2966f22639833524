"""Secrets at rest: sealed with a key of the installation, so that a copy of the database tells nothing."""

import base64
import secrets
from collections.abc import Callable
from functools import cached_property
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.errors import FailedPrecondition

_VERSION: Final = "v1."
_NONCE_BYTES: Final = 12  # NIST SP 800-38D, 5.2.1.1


class SealBroken(FailedPrecondition):
    """A stored secret cannot be opened: the installation has another secret than when it was stored (TOCSIN_SECRET_KEY)."""


class Sealer:
    """Seals texts by AES-256 in Galois/Counter Mode (NIST SP 800-38D), each under a nonce of its own."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        """Takes what gives a key of 32 bytes when it is first used, such as `tocsin.installation_key.InstallationKey.derive`."""
        self._key = key

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(self._key())

    def seal(self, text: str, *, owner: str) -> str:
        """The text, sealed; it opens for the same ``owner`` alone, so that a row cannot be given another's secrets."""
        return _VERSION + base64.b64encode(self.seal_bytes(text.encode(), owner=owner)).decode()

    def seal_bytes(self, data: bytes, *, owner: str) -> bytes:
        """The same for bytes, as bytes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, owner.encode())

    def open(self, sealed: str, *, owner: str) -> str:
        """The text that was sealed for ``owner``.

        Raises:
            SealBroken: it was sealed with another key or for another owner, or is no sealed text.
        """
        try:
            data = base64.b64decode(sealed.removeprefix(_VERSION), validate=True)
            if not sealed.startswith(_VERSION):
                raise SealBroken
            return self.open_bytes(data, owner=owner).decode()
        except ValueError:
            raise SealBroken from None

    def open_bytes(self, sealed: bytes, *, owner: str) -> bytes:
        """The bytes that were sealed for ``owner``.

        Raises:
            SealBroken: as above.
        """
        if len(sealed) <= _NONCE_BYTES:
            raise SealBroken
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode())
        except InvalidTag:
            raise SealBroken from None
