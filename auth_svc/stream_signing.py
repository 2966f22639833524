"""Stream tokens as JWTs (RFC 7519) of an audience of their own, so that nothing but an exchange takes them (RFC 8725, 3.9)."""

from datetime import UTC, datetime
from typing import Final

import jwt

from auth_svc.domain import Grant, StreamGrant
from auth_svc.signing import SigningKeys
from tocsin.clock import Clock
from tocsin.mesh.tokens import TokenRefused, TokenVerifier

_AUDIENCE: Final = "/streams"


class StreamTokenSigner:
    """Implements `auth_svc.ports.StreamTokenCodec`."""

    def __init__(self, *, keys: SigningKeys, issuer: str, audience: str, clock: Clock) -> None:
        self._keys = keys
        self._audience = audience + _AUDIENCE
        self._verifier = TokenVerifier(keys=keys, issuer=issuer, audience=self._audience, clock=clock, capacity=100)

    def sign(self, stream: StreamGrant) -> str:
        """The token; of the path it holds a digest alone."""
        claims = {"aud": self._audience, "path": stream.path, "until": int(stream.until.timestamp())}
        return self._keys.sign(stream.grant, others=claims)

    async def read(self, token: str) -> StreamGrant:
        """What a token says.

        Raises:
            Unauthenticated: it is none, or has ended.
        """
        who = await self._verifier.verify(token)
        claims = jwt.decode(token, options={"verify_signature": False})  # it has just been verified
        path, until = claims.get("path"), claims.get("until")
        if not isinstance(path, str) or not isinstance(until, int):
            raise TokenRefused
        grant = Grant(
            subject=who.subject,
            tenant=who.tenant,
            scopes=who.scopes,
            time_zone=who.time_zone,
            issued=datetime.fromtimestamp(claims["iat"], UTC),
            expires=who.expires,
            session=who.session,
            called=who.called,
        )
        return StreamGrant(grant=grant, path=path, until=datetime.fromtimestamp(until, UTC))
