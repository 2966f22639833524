"""Who the user is: signed tokens (RFC 7519), verified by every service with the published keys (RFC 7517).

Claims: ``sub`` is "users/<id>" or "apiKeys/<id>", ``tenant`` the tenant's id, ``scope`` a space-separated list (RFC 8693, 4.2),
``zoneinfo`` the tenant's time zone, ``name`` what people call the subject, and iss, aud, iat, exp as usual; the header names the
key (``kid``).
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

import jwt
from jwt import PyJWK

from tocsin.clock import SECOND, Clock, to_micros
from tocsin.errors import Unauthenticated
from tocsin.mesh.principal import Principal as Principal
from tocsin.mesh.principal import ScopeMissing as ScopeMissing
from tocsin.mesh.principal import Verifier as Verifier

ALGORITHMS = frozenset({"EdDSA", "ES256"})
"""Asymmetric signatures alone: a service that can verify must not be able to sign."""

_MAX_TOKEN = 8192
LEEWAY = timedelta(seconds=5)
"""For so long a token is good after its end: the clock of who looks at it may be ahead."""
_EARLY = timedelta(seconds=60)
"""By how much a token may come from the future: the clock of who issued it may be ahead of ours."""
_TYPES = frozenset({"jwt", "at+jwt"})
"""What an access token may say that it is (RFC 9068, 2.1): nothing else that the same key signs passes for one (RFC 8725, 3.11)."""
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]


class KeySource(Protocol):
    """Finds the public key that a token names; `tocsin.mesh.jwks.JwksCache` is one."""

    async def key(self, kid: str) -> PyJWK:
        """The key ``kid``.

        Raises:
            Unauthenticated: there is no such key.
            Unavailable: the keys cannot be had now.
        """
        ...


class TokenRefused(Unauthenticated):
    """The token is not valid."""


class TokenExpired(Unauthenticated):
    """The token has expired."""


class TokenVerifier:
    """Verifies tokens, and remembers those that it verified for a while: a signature costs a hundred times as much as a look-up.

    Args:
        keys: finds public keys.
        issuer: what ``iss`` must be.
        audience: what ``aud`` must contain.
        clock: source of time.
        capacity: how many verified tokens are remembered.
        remembered: for how many seconds at most; so long after its withdrawal a key may still count.
    """

    def __init__(
        self, *, keys: KeySource, issuer: str, audience: str, clock: Clock, capacity: int = 10_000, remembered: float = 60.0
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._capacity = capacity
        self._remembered = round(remembered * SECOND)
        # With the microsecond until which each is good: comparing whole numbers is the cheapest check there is.
        self._known: OrderedDict[str, tuple[Principal, int]] = OrderedDict()

    def known(self, token: str) -> Principal | None:
        """The principal of a token that was verified a moment ago and has not ended."""
        found = self._known.get(token)
        if found is None:
            return None
        principal, end = found
        if end <= self._clock.micros():
            del self._known[token]
            return None
        self._known.move_to_end(token)
        return principal

    def forget(self, token: str) -> None:
        """Verifies ``token`` anew the next time."""
        self._known.pop(token, None)

    async def verify(self, token: str) -> Principal:
        """The principal that ``token`` speaks for.

        Raises:
            TokenExpired: it has ended.
            TokenRefused: it is malformed, not signed by a published key, or not meant for this system.
            Unavailable: the keys to verify it cannot be had now.
        """
        principal = self.known(token)
        if principal is None:
            principal = _principal(token, await self._claims(token), self._clock.now())
            self._known[token] = (principal, min(to_micros(principal.expires + LEEWAY), self._clock.micros() + self._remembered))
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return principal

    async def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > _MAX_TOKEN:
            raise TokenRefused("The token is too long.")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise TokenRefused("The token is malformed.") from error
        kid, kind = header.get("kid"), header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
            raise TokenRefused("The token is one for something else.")
        if not isinstance(kid, str):
            raise TokenRefused("The token names no key.")
        key = await self._keys.key(kid)
        # The times are compared below, with the injected clock; PyJWT would read the machine's.
        options: Any = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            return jwt.decode(token, key, algorithms=[key.algorithm_name], issuer=self._issuer, audience=self._audience, options=options)
        except jwt.PyJWTError as error:
            raise TokenRefused from error


def _principal(token: str, claims: Mapping[str, Any], now: datetime) -> Principal:
    subject, tenant = claims["sub"], claims.get("tenant")
    scope, zone, session = claims.get("scope", ""), claims.get("zoneinfo", "UTC"), claims.get("sid", "")
    if not all(isinstance(value, str) for value in (subject, tenant, scope, zone, session)) or not subject or not tenant:
        raise TokenRefused("The token lacks a required claim.")
    expires = _instant(claims["exp"])
    if expires + LEEWAY <= now:
        raise TokenExpired
    if max(_instant(claims["iat"]), _instant(claims.get("nbf", 0))) > now + _EARLY:
        raise TokenRefused("The token is not valid yet.")
    return Principal(
        tenant=cast("str", tenant),
        subject=subject,
        scopes=frozenset(scope.split()),
        time_zone=zone,
        token=token,
        expires=expires,
        session=session,
        claims=claims,
    )


def _instant(value: object) -> datetime:
    """The instant of a NumericDate (RFC 7519, section 2)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused("The token has a time that is not a number.")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise TokenRefused("The token has a time that does not exist.") from error
