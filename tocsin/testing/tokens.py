"""A signer for tests of services other than auth_svc: a key in memory, its JWKS, and tokens of the shape that auth_svc issues."""

import base64
import hashlib
import json
from collections.abc import Iterable
from datetime import timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ulid import ULID

from tocsin.clock import Clock

ISSUER = "https://tocsin.local"
AUDIENCE = "tocsin"
"""Issuer and audience: the defaults of `tocsin.config.MeshSettings`."""


class TokenMint:
    """Signs tokens as auth_svc does (JWT, EdDSA, kid = RFC 7638 thumbprint) with an Ed25519 key of its own.

    Give `fetch` to the verifying service as its JWKS source::

        mint = TokenMint(clock=clock)
        app = build(settings, clock, jwks=mint.fetch)
        token = mint.mint(tenant="01J…", scopes=["alarms:write"])
    """

    def __init__(self, *, clock: Clock, issuer: str = ISSUER, audience: str = AUDIENCE, key: Ed25519PrivateKey | None = None) -> None:
        """Makes a signer.

        Args:
            clock: gives ``iat`` and ``exp``.
            issuer: the ``iss`` claim.
            audience: the ``aud`` claim.
            key: the signing key; a new one unless given.
        """
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._key = key or Ed25519PrivateKey.generate()
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._x = _base64url(public)
        # RFC 7638, 3.2 and RFC 8037, 2: the required members in lexicographic order, without white space.
        canonical = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": self._x}, separators=(",", ":"), sort_keys=True)
        self.kid = _base64url(hashlib.sha256(canonical.encode()).digest())

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public key as a JSON Web Key Set (RFC 7517, 5)."""
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": self._x, "kid": self.kid, "alg": "EdDSA", "use": "sig"}]}

    async def fetch(self) -> dict[str, list[dict[str, str]]]:
        """`jwks`, as a source that a verifier waits for."""
        return self.jwks()

    def mint(
        self,
        *,
        tenant: str,
        scopes: Iterable[str] = (),
        subject: str = "users/01TESTUSER0000000000000000",
        zone: str = "UTC",
        lifetime: float = 900,
        claims: dict[str, object] | None = None,
        headers: dict[str, object] | None = None,
    ) -> str:
        """A signed token.

        Args:
            tenant: id of the tenant, without "tenants/".
            scopes: what the token allows; ``profile:read`` is always added, as auth_svc does.
            subject: "users/<id>" or "apiKeys/<id>".
            zone: IANA time zone of the tenant.
            lifetime: seconds from now until it expires; negative for one that has expired.
            claims: replace or add claims, for tokens that must be refused.
            headers: the same for the header.
        """
        now = self._clock.now()
        payload: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "tenant": tenant,
            "scope": " ".join(sorted({*scopes, "profile:read"})),
            "zoneinfo": zone,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(seconds=lifetime)).timestamp()),
            "jti": str(ULID()),
        }
        return jwt.encode({**payload, **(claims or {})}, self._key, algorithm="EdDSA", headers={"kid": self.kid, **(headers or {})})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
