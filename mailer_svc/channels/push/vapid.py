"""Who sends: the key of this installation, and the tokens by which push services know it (VAPID, RFC 8292)."""

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from mailer_svc.channels.push.subscription import decode, encode
from tocsin.clock import SECOND, Clock
from tocsin.installation_key import InstallationKey

KEY_BYTES: Final = 48
"""What a key is derived from: 16 octets more than it has, so that no number is likelier than another (FIPS 186-5, A.2.1)."""

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SEC 2, 2.4.2)
_LIFETIME: Final = 12 * 3600  # seconds; RFC 8292, 2 allows 24 hours
_RENEWAL: Final = 3600  # seconds before its end
_AUDIENCES: Final = 256


def read_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The private key of a text: PEM, or the 32 octets of the number in base64url, as tools for Web Push write it.

    Raises:
        ValueError: it is neither, or of another curve than P-256.
    """
    key: object = None
    try:
        if text.lstrip().startswith("-----BEGIN"):
            key = load_pem_private_key(text.strip().encode(), password=None)
        elif len(data := decode(text.strip())) == 32:
            key = ec.derive_private_key(int.from_bytes(data, "big"), ec.SECP256R1())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        msg = "must be a private key of the curve P-256: PEM without password, or 32 octets in base64url"
        raise ValueError(msg)
    return key


def installation_key(given: str, secret: InstallationKey) -> ec.EllipticCurvePrivateKey:
    """The key that browsers' subscriptions belong to: ``given``, or derived from the installation's secret (docs/adr/0026)."""
    return read_key(given) if given else key_of(secret.derive("web push", length=KEY_BYTES))


def key_of(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """The key that ``seed`` gives, the same for the same `KEY_BYTES` octets."""
    return ec.derive_private_key(int.from_bytes(seed, "big") % (_ORDER - 1) + 1, ec.SECP256R1())


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """The public key, uncompressed, in base64url: what a browser takes as ``applicationServerKey``."""
    return encode(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


class Vapid:
    """Says to push services who sends."""

    def __init__(self, *, key: Callable[[], ec.EllipticCurvePrivateKey], subject: str, clock: Clock) -> None:
        """Asks for the key when it is first used.

        Args:
            key: gives the private key.
            subject: how the push service's operators reach ours: a ``mailto:`` or ``https:`` URI (RFC 8292, 2.1).
            clock: source of time.
        """
        self._make = key
        self._subject = subject
        self._clock = clock
        self._tokens: OrderedDict[str, tuple[str, int]] = OrderedDict()

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        return self._make()

    @cached_property
    def _public(self) -> str:
        return public_text(self._key)

    def authorization(self, audience: str) -> str:
        """The value of ``Authorization`` for a push service (RFC 8292, 3); the token is signed anew an hour before it ends."""
        now = self._clock.micros() // SECOND
        token, end = self._tokens.get(audience, ("", 0))
        if end - now < _RENEWAL or end - now > _LIFETIME:
            end = now + _LIFETIME
            token = jwt.encode({"aud": audience, "exp": end, "sub": self._subject}, self._key, algorithm="ES256")
            self._tokens[audience] = token, end
        self._tokens.move_to_end(audience)
        if len(self._tokens) > _AUDIENCES:
            self._tokens.popitem(last=False)
        return f"vapid t={token}, k={self._public}"
