"""Keys and ID tokens of issuers (RFC 7515, RFC 7517, OpenID Connect Core 1.0, 3.1.3.7; RFC 8725)."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.jwt import decode

from auth_svc.domain import Claims, IssuerAnswerRefused, LogoutToken, digest, is_subject, issuer_session

_MEMBERS: Final[Mapping[str, Sequence[str]]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
"""The public members of the types of keys that are read (RFC 7518, 6; RFC 8037, 2): a symmetric key is none, and a private one no more."""
_TYPES: Final[Mapping[str, str]] = {"R": "RSA", "P": "RSA", "E": "EC"}
_KEYS_MOST: Final = 100
_TRIED_MOST: Final = 4
_LONGEST: Final = 1400  # characters of a member: a modulus of 8192 bits has 1366
_LONGEST_EXPONENT: Final = 6
_MODULUS_BITS: Final = range(2048, 8193)
_TOKEN_MOST: Final = 32 * 1024
_SKEW_SECONDS: Final = 120
"""By how much an issuer's clock may be wrong."""
_LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT_SECONDS: Final = 3600
"""No logout token is taken that is older, whatever it says; issuers give them two minutes (OpenID Connect Back-Channel Logout 1.0, 2.4)."""
_LAST_SECOND: Final = 253_402_300_800  # the year 10000


class NoSuchKey(Exception):
    """No key of the issuer verifies the token: it may have got new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKey:
    """A key that verifies signatures; ``kid`` and ``algorithm`` are empty if the issuer does not say them."""

    kid: str
    algorithm: str
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an ID token has to say.

    Attributes:
        issuer: who issued it.
        client_id: for whom.
        nonce: for which sign-in.
        access_token: that came along.
        began: when the sign-in began, in seconds since 1970: no token for it is older.
        now: likewise, now.
    """

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    began: int
    now: int


def read_keys(document: Mapping[str, Any]) -> Sequence[IssuerKey]:
    """The usable keys of a JSON Web Key Set; one that cannot be used costs itself alone (RFC 7517, 5)."""
    found = document.get("keys")
    several = cast("list[object]", found)[:_KEYS_MOST] if isinstance(found, list) else []
    return [key for each in several if isinstance(each, dict) and (key := _key_of(cast("Mapping[str, Any]", each))) is not None]


def _key_of(given: Mapping[str, Any]) -> IssuerKey | None:
    members = _MEMBERS.get(str(given.get("kty")))
    kid, algorithm = given.get("kid", ""), given.get("alg", "")
    if members is None or given.get("use", "sig") != "sig" or not isinstance(kid, str) or not isinstance(algorithm, str):
        return None
    public = {name: text for name in members if isinstance(text := given.get(name), str) and 0 < len(text) <= _LONGEST}
    if len(public) != len(members):
        return None
    try:
        # A giant exponent makes verification slow, and a small modulus worthless: told before the library takes them for a key.
        if members[0] == "n" and (len(public["e"]) > _LONGEST_EXPONENT or _bits(public["n"]) not in _MODULUS_BITS):
            return None
        key = JWKRegistry.import_key({"kty": str(given["kty"]), **public})
    except (JoseError, ValueError, TypeError, LookupError):
        return None
    return IssuerKey(kid=kid, algorithm=algorithm, key=key)


def _bits(number: str) -> int:
    """The length of a number in base64url (RFC 7518, 2)."""
    return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4)), "big").bit_length()


def verified_claims(text: str, *, keys: Sequence[IssuerKey], algorithms: Sequence[str], expected: Expected) -> Claims:
    """What an ID token says.

    Raises:
        NoSuchKey: none of the keys verifies it.
        IssuerAnswerRefused: it is malformed, or not meant for this sign-in; ``metadata`` names the claim.
    """
    header, claims = _signed(text, keys, algorithms)
    options: Any = {
        "iss": {"essential": True, "value": expected.issuer},
        "aud": {"essential": True, "value": expected.client_id},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "iat": {"essential": True},
    }
    params = {"client_id": expected.client_id, "nonce": expected.nonce, "access_token": expected.access_token}
    try:
        token: Any = CodeIDToken(claims, header, options, params)
        token.validate(now=expected.now, leeway=_SKEW_SECONDS)
    except JoseError as error:
        raise IssuerAnswerRefused(metadata={"why": str(getattr(error, "claim", "") or error.error)[:64]}) from None
    except (TypeError, ValueError, AttributeError):  # a claim of a type that the library did not expect
        raise IssuerAnswerRefused(metadata={"why": "claims"}) from None
    if claims["iat"] < expected.began - _SKEW_SECONDS:
        raise IssuerAnswerRefused(metadata={"why": "iat"})
    return claims


def verified_logout(
    text: str, *, keys: Sequence[IssuerKey], algorithms: Sequence[str], issuer: str, client_id: str, now: int
) -> LogoutToken:
    """Whom a logout token names (OpenID Connect Back-Channel Logout 1.0, 2.6); ``now`` in seconds since 1970.

    Raises:
        NoSuchKey: none of the keys verifies it.
        IssuerAnswerRefused: it is malformed, or not meant for this client and moment; ``metadata`` names the claim.
    """
    header, claims = _signed(text, keys, algorithms)
    kind = header.get("typ", "jwt")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in ("jwt", "logout+jwt"):
        raise IssuerAnswerRefused(metadata={"why": "typ"})  # RFC 8725, 3.11: no other token passes for one
    subject, session, identity = (claims.get(name, "") for name in ("sub", "sid", "jti"))
    issued, expires = _seconds(claims.get("iat")), _seconds(claims.get("exp"))
    wrong = {
        "iss": claims.get("iss") != issuer,
        "aud": claims.get("aud") not in (client_id, [client_id]),
        "iat": not now - _LOGOUT_SECONDS - _SKEW_SECONDS <= issued <= now + _SKEW_SECONDS,
        "exp": expires <= now - _SKEW_SECONDS,
        "events": not _has_event(claims.get("events")),
        "nonce": "nonce" in claims,
        "jti": not isinstance(identity, str) or not identity,
        "sub": not isinstance(subject, str) or bool(subject and not is_subject(subject)),
        "sid": not isinstance(session, str) or not (subject or session),
    }
    if why := next((name for name, is_wrong in wrong.items() if is_wrong), ""):
        raise IssuerAnswerRefused(metadata={"why": why})
    # None that is as old is taken, so that this much has to be remembered.
    last = issued + _LOGOUT_SECONDS + 2 * _SKEW_SECONDS
    until = datetime.fromtimestamp(last, UTC)
    return LogoutToken(subject=subject, session=issuer_session(session), digest=digest(f"{issuer} {identity!a}"), expires=until)


def _seconds(value: object) -> int:
    """A NumericDate (RFC 7519, 2) in whole seconds; -1 if it is none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < _LAST_SECOND:
        return -1
    return int(value)


def _has_event(value: object) -> bool:
    return isinstance(value, dict) and isinstance(cast("Mapping[str, object]", value).get(_LOGOUT_EVENT), dict)


def _signed(token: str, keys: Sequence[IssuerKey], algorithms: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    registry = JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
    if len(token) > _TOKEN_MOST or not token.isascii():
        raise IssuerAnswerRefused(metadata={"why": "size"})
    try:
        header = extract_compact(token.encode()).headers()
        algorithm, kid = header.get("alg"), header.get("kid", "")
        if algorithm not in algorithms:
            raise IssuerAnswerRefused(metadata={"why": "alg"})
        for key in _candidates(keys, kid=kid, algorithm=str(algorithm)):
            try:
                read = decode(token, key, algorithms=list(algorithms), registry=registry)
            except JoseError as error:
                if error.error == "bad_signature":
                    continue
                raise
            return read.header, read.claims
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise IssuerAnswerRefused(metadata={"why": "token"}) from error
    raise NoSuchKey


def _candidates(keys: Sequence[IssuerKey], *, kid: object, algorithm: str) -> Sequence[Key]:
    """The keys that may have signed: several may have one id, and a token need not name one. The key says the algorithm, not the token."""
    kind = _TYPES.get(algorithm[0], "OKP") if not algorithm.startswith("Ed") else "OKP"
    fitting = [each for each in keys if each.key.key_type == kind and each.algorithm in ("", algorithm)]
    return [each.key for each in fitting if not kid or each.kid == kid][:_TRIED_MOST]
