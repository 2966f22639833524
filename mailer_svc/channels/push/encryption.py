"""Messages that the browser alone can read (RFC 8291), as one record of the content coding aes128gcm (RFC 8188)."""

import os
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailer_svc.channels.push.subscription import PushSubscription

CODING: Final = "aes128gcm"
RECORD_SIZE: Final = 4096
MAX_PLAINTEXT: Final = 3993
"""Octets; with header (86), delimiter (1) and tag (16) it makes 4,096, what a push service has to take (RFC 8030, 7.2)."""

_LAST_RECORD: Final = b"\x02"  # RFC 8188, 2


def encrypt(
    plaintext: bytes, subscription: PushSubscription, *, private_key: ec.EllipticCurvePrivateKey | None = None, salt: bytes | None = None
) -> bytes:
    """The body of a push message.

    Args:
        plaintext: at most `MAX_PLAINTEXT` octets.
        subscription: whom it is for.
        private_key: P-256, of this message alone; made unless given.
        salt: 16 octets, of this message alone; made unless given.

    Raises:
        ValueError: the plaintext is too long, or the subscription's key is no point of the curve.
    """
    if len(plaintext) > MAX_PLAINTEXT:
        msg = f"{len(plaintext)} octets do not fit into a push message"
        raise ValueError(msg)
    private_key = private_key or ec.generate_private_key(ec.SECP256R1())
    salt = salt or os.urandom(16)
    own = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    browser = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), subscription.public_key)
    secret = private_key.exchange(ec.ECDH(), browser)
    material = _derive(secret, 32, salt=subscription.auth, info=b"WebPush: info\0" + subscription.public_key + own)
    key = _derive(material, 16, salt=salt, info=b"Content-Encoding: aes128gcm\0")
    nonce = _derive(material, 12, salt=salt, info=b"Content-Encoding: nonce\0")
    header = salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(own)]) + own
    return header + AESGCM(key).encrypt(nonce, plaintext + _LAST_RECORD, None)


def _derive(secret: bytes, length: int, *, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
