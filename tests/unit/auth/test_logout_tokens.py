"""Logout tokens, good and hostile (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6)."""

import json
from typing import Any

import pytest
from joserfc import jws

from auth_svc.domain import IssuerAnswerRefused, LogoutToken, issuer_session
from auth_svc.oidc.metadata import ALGORITHMS
from auth_svc.oidc.tokens import NoSuchKey, read_keys, verified_logout
from tests.issuer import LOGOUT, public, rsa_key, stranger, unsigned

ISSUER = "https://idp.example.com"
NOW = 1_800_000_000
GOOD = {"iss": ISSUER, "aud": "tocsin", "sub": "ann", "sid": "s1", "iat": NOW, "exp": NOW + 120, "jti": "j1", "events": {LOGOUT: {}}}


def token(changes: dict[str, Any], *, key: Any = None, algorithm: str = "RS256", **header: Any) -> str:
    """A token that somebody signed; what is None is left out."""
    claims = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return jws.serialize_compact({"alg": algorithm, "kid": "first", **header}, json.dumps(claims), key or rsa_key(), algorithms=[algorithm])


def verify(text: str) -> LogoutToken:
    """Whom it names."""
    keys = read_keys({"keys": [public(rsa_key())]})
    return verified_logout(text, keys=keys, algorithms=ALGORITHMS, issuer=ISSUER, client_id="tocsin", now=NOW)


def test_a_good_token_names_somebody_and_a_session() -> None:
    """One of them is enough; what else it says, and how it calls itself, has no effect. A session id may be of any length."""
    both = verify(token({}))
    assert (both.subject, both.session) == ("ann", issuer_session("s1"))
    assert verify(token({"sid": None, "aud": ["tocsin"]}, typ="logout+jwt")).session == ""
    assert verify(token({"sub": None, "sid": "s" * 9000, "extra": 1}, typ="application/logout+jwt")).subject == ""
    assert verify(token({"iat": NOW - 90.5, "exp": NOW + 0.5})).digest == both.digest
    assert verify(token({"jti": "\ud800"})).digest != both.digest


def test_a_token_is_remembered_for_longer_than_it_may_be_taken() -> None:
    """Whatever end it names: the last moment at which it passes lies before the one at which it is forgotten."""
    remembered = int(verify(token({"exp": NOW + 10**9})).expires.timestamp())
    keys = read_keys({"keys": [public(rsa_key())]})
    with pytest.raises(IssuerAnswerRefused):
        verified_logout(token({"exp": NOW + 10**9}), keys=keys, algorithms=ALGORITHMS, issuer=ISSUER, client_id="tocsin", now=remembered)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://evil.test"}, "iss"),
        ({"iss": f"{ISSUER}/"}, "iss"),
        ({"iss": [ISSUER]}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["tocsin", "other"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": None}, "aud"),
        ({"iat": None}, "iat"),
        ({"iat": NOW + 121}, "iat"),
        ({"iat": NOW - 4000}, "iat"),
        ({"iat": "now"}, "iat"),
        ({"iat": True}, "iat"),
        ({"iat": float("nan")}, "iat"),
        ({"iat": float("inf")}, "iat"),
        ({"iat": 10**400}, "iat"),
        ({"exp": None}, "exp"),
        ({"exp": NOW - 120}, "exp"),
        ({"exp": -1}, "exp"),
        ({"events": None}, "events"),
        ({"events": {}}, "events"),
        ({"events": [LOGOUT]}, "events"),
        ({"events": {LOGOUT: True}}, "events"),
        ({"events": {"http://schemas.openid.net/event/other": {}}}, "events"),
        ({"nonce": "n1"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": 7}, "jti"),
        ({"sub": 7}, "sub"),
        ({"sub": "a" * 256}, "sub"),
        ({"sub": "ann\u0000"}, "sub"),
        ({"sub": None, "sid": None}, "sid"),
        ({"sub": "", "sid": ""}, "sid"),
        ({"sid": ["s1"]}, "sid"),
    ],
)
def test_a_token_that_says_something_else_is_refused(changes: dict[str, Any], why: str) -> None:
    """By the name of the claim."""
    with pytest.raises(IssuerAnswerRefused) as refused:
        verify(token(changes))
    assert refused.value.metadata == {"why": why}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (unsigned(GOOD), "alg"),
        (unsigned(GOOD, algorithm="None"), "alg"),
        (unsigned(GOOD, algorithm="HS256", signature=b"x" * 32), "alg"),
        (unsigned(GOOD, algorithm="RS256").rpartition(".")[0], "token"),
        ("", "token"),
        ("a.b.c", "token"),
        ("a.b.c.d.e", "token"),
        ("x" * 40_000, "size"),
        ("\u00e4", "size"),
        (token({}, typ="at+jwt"), "typ"),
        (token({}, typ="JOSE"), "typ"),
    ],
)
def test_what_is_no_signed_logout_token_is_refused(text: str, why: str) -> None:
    """No signature, none that is worth something, another token of the issuer, or something else altogether."""
    with pytest.raises(IssuerAnswerRefused) as refused:
        verify(text)
    assert refused.value.metadata == {"why": why}


def test_a_key_that_nobody_published_verifies_nothing() -> None:
    """Whatever it calls itself."""
    with pytest.raises(NoSuchKey):
        verify(token({}, key=stranger(), algorithm="Ed25519"))
