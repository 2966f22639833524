"""The browser's side of Web Push: a subscription, and the decryption of what comes for it (RFC 8291, 4)."""

import base64
import json
import os

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class PushReceiver:
    """Somebody who subscribed. Written without the sender's code, down to HKDF's two steps (RFC 5869), so that it proves something."""

    def __init__(self, *, private_key: ec.EllipticCurvePrivateKey | None = None, auth: bytes | None = None) -> None:
        """Makes its keys unless they are given."""
        self._private_key = private_key or ec.generate_private_key(ec.SECP256R1())
        self._auth = auth or os.urandom(16)
        self._public_key = self._private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def subscription(self, endpoint: str) -> dict[str, object]:
        """What ``PushSubscription.toJSON()`` gives."""
        keys = {"p256dh": _base64url(self._public_key), "auth": _base64url(self._auth)}
        return {"endpoint": endpoint, "expirationTime": None, "keys": keys}

    def address(self, endpoint: str) -> str:
        """The subscription as an address of the channel ``push``."""
        return "webpush:" + json.dumps(self.subscription(endpoint))

    def decrypt(self, body: bytes) -> bytes:
        """The message of a body of one record.

        Raises:
            ValueError: it has another form.
            cryptography.exceptions.InvalidTag: it is not for this browser, or was changed on its way.
        """
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        if length != 65 or not 17 <= len(record) <= size:
            raise ValueError("not one record with a key of P-256")
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        secret = self._private_key.exchange(ec.ECDH(), public)
        material = _expand(_hmac(self._auth, secret), b"WebPush: info\0" + self._public_key + sender, 32)
        pseudorandom = _hmac(salt, material)
        key = _expand(pseudorandom, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _expand(pseudorandom, b"Content-Encoding: nonce\0", 12)
        padded = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\0")
        if not padded.endswith(b"\x02"):
            raise ValueError("not the last record")
        return padded[:-1]


def _expand(key: bytes, info: bytes, length: int) -> bytes:
    return _hmac(key, info + b"\x01")[:length]


def _hmac(key: bytes, data: bytes) -> bytes:
    code = HMAC(key, SHA256())
    code.update(data)
    return code.finalize()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
