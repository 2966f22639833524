"""An authenticator in memory, which makes passkeys and signs challenges as a browser hands them over (WebAuthn, level 3)."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

RP: Final = "tocsin.example"
ORIGIN: Final = "https://tocsin.example"
_PRESENT, _VERIFIED, _HAS_KEY = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    """Without padding, as WebAuthn writes it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def cbor(value: object) -> bytes:
    """What an authenticator may say (CTAP 2, 8)."""
    match value:
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            return _head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
        case _:
            raise TypeError(value)


def _head(kind: int, count: int) -> bytes:
    if count < 24:
        return bytes([kind << 5 | count])
    size, short = next((size, short) for size, short in ((1, 24), (2, 25), (4, 26), (8, 27)) if count < 1 << (8 * size))
    return bytes([kind << 5 | short]) + count.to_bytes(size, "big")


@dataclass
class Authenticator:
    """One passkey, and what an attacker would change of its answers.

    Attributes:
        counts: whether its counter goes on.
        verifies: whether it verifies its user.
        origin: of the page that asks it.
        rp: the domain that it signs for.
        client: members of the client data that are other than they should be.
        key: the COSE_Key that it says to have; None: its own.
        fmt: of its attestation.
        statement: of its attestation.
        tail: what follows its data.
    """

    counts: bool = True
    verifies: bool = True
    origin: str = ORIGIN
    rp: str = RP
    client: dict[str, Any] = field(default_factory=dict[str, Any])
    key: object = None
    fmt: object = "none"
    statement: dict[str, Any] = field(default_factory=dict[str, Any])
    tail: bytes = b""
    user: str = ""
    count: int = 0
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: str) -> str:
        """What ``navigator.credentials.create()`` answers, in JSON."""
        asked = json.loads(options)
        self.user = base64.urlsafe_b64decode(asked["user"]["id"] + "==").decode()
        key = cbor(self._own_key() if self.key is None else self.key)
        attested = bytes(16) + len(self.credential).to_bytes(2, "big") + self.credential + key
        data = self._data(_HAS_KEY) + attested + self.tail
        attestation = cbor({"fmt": self.fmt, "attStmt": self.statement, "authData": data})
        client = self._client("webauthn.create", asked["challenge"])
        return self._said({"clientDataJSON": b64(client), "attestationObject": b64(attestation), "transports": ["internal", "x", 7]})

    def get(self, options: str) -> str:
        """What ``navigator.credentials.get()`` answers, in JSON."""
        self.count += self.counts
        client, data = self._client("webauthn.get", json.loads(options)["challenge"]), self._data(0) + self.tail
        signature = self.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        signed = {"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)}
        return self._said({**signed, "userHandle": b64(self.user.encode())})

    def _data(self, flags: int) -> bytes:
        shown = flags | _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(self.rp.encode()).digest() + bytes([shown]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False, **self.client}).encode()

    def _own_key(self) -> dict[int, object]:
        numbers = self.private.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}

    def _said(self, response: dict[str, object]) -> str:
        name = b64(self.credential)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}})
