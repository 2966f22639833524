"""Where reports of failures come back to: an address for each delivery, which nobody else can make (VERP)."""

import hashlib
import hmac
import re
from typing import Final

_SIGNATURE_BYTES: Final = 8
_TOKEN: Final = re.compile(r"([0-9a-f]{32})([0-9a-f]{16})")
_LONGEST_LOCAL: Final = 64 - 49  # RFC 5321, 4.5.3.1.1, less the plus sign and the token


class ReturnPaths:
    """Makes and reads the return paths of deliveries: ``bounces+<delivery><signature>@example.com``.

    The signature is the head of an HMAC with SHA-256: a local part has no room for more, and a guess costs a connection. Hexadecimal,
    because some servers change the case of what they return.
    """

    def __init__(self, *, address: str, key: bytes) -> None:
        """Takes the address that the tokens are put into, and the key that signs them.

        Raises:
            ValueError: there is no room for a token in its local part.
        """
        self.address = address
        self._local, _, self._domain = address.rpartition("@")
        self._key = key
        if len(self._local) > _LONGEST_LOCAL or not address.isascii():
            msg = f"must have {_LONGEST_LOCAL} ASCII characters at most before the @-sign"
            raise ValueError(msg)

    def of(self, delivery: str) -> str:
        """The return path of a delivery."""
        return f"{self._local}+{delivery}{self._sign(delivery)}@{self._domain}"

    def delivery(self, address: str) -> str:
        """The delivery whose return path this is; empty if it is nobody's."""
        local, _, domain = address.lower().rpartition("@")
        before, plus, token = local.rpartition("+")
        found = _TOKEN.fullmatch(token)
        if not plus or before != self._local.lower() or domain != self._domain.lower() or found is None:
            return ""
        return found[1] if hmac.compare_digest(found[2], self._sign(found[1])) else ""

    def _sign(self, delivery: str) -> str:
        return hmac.new(self._key, delivery.encode(), hashlib.sha256).digest()[:_SIGNATURE_BYTES].hex()
