"""Metadata, keys and ID tokens of issuers, good and hostile."""

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from auth_svc.domain import IssuerAnswerRefused
from auth_svc.oidc.metadata import ALGORITHMS, MetadataRefused, read_metadata
from auth_svc.oidc.tokens import Expected, NoSuchKey, read_keys, verified_claims
from tests.issuer import public, rsa_key, stranger, unsigned

ISSUER = "https://idp.example.com"
NOW = 1_800_000_000
EXPECTED = Expected(issuer=ISSUER, client_id="tocsin", nonce="n1", access_token="at", began=NOW - 30, now=NOW)
GOOD = {"iss": ISSUER, "aud": "tocsin", "sub": "ann", "iat": NOW, "exp": NOW + 300, "nonce": "n1"}
KEYS = {"keys": [public(rsa_key())]}


def token(claims: dict[str, Any], *, key: Any = None, algorithm: str = "RS256", **header: Any) -> str:
    """A token that somebody signed."""
    return jws.serialize_compact({"alg": algorithm, "kid": "first", **header}, json.dumps(claims), key or rsa_key(), algorithms=[algorithm])


def verify(text: str, keys: dict[str, Any] | None = None) -> Any:
    """What it says."""
    return verified_claims(text, keys=read_keys(keys or KEYS), algorithms=ALGORITHMS, expected=EXPECTED)


def test_a_good_token_says_what_it_says() -> None:
    """Also with several audiences, if it was issued to us; and without a key id."""
    assert verify(token(GOOD))["sub"] == "ann"
    assert verify(token({**GOOD, "aud": ["tocsin", "other"], "azp": "tocsin"}))["sub"] == "ann"
    bare = jws.serialize_compact({"alg": "RS256"}, json.dumps(GOOD), rsa_key(), algorithms=["RS256"])
    assert verify(bare)["sub"] == "ann"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://evil.test"}, "iss"),
        ({"iss": f"{ISSUER}/"}, "iss"),
        ({"iss": [ISSUER]}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": ["tocsin", "other"]}, "azp"),
        ({"aud": ["tocsin", "other"], "azp": "other"}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"aud": {"tocsin": 1}}, "aud"),
        ({"aud": []}, "aud"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"nonce": "n2"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["n1"]}, "nonce"),
        ({"exp": NOW - 121}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": NOW + 121}, "iat"),
        ({"iat": NOW - 30 - 121}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": NOW + 121}, "nbf"),
        ({"at_hash": "wrong"}, "at_hash"),
        ({"at_hash": {"x": 1}}, "claims"),
        ({"amr": "pwd"}, "amr"),
        ({"auth_time": "now"}, "auth_time"),
    ],
    ids=lambda each: (
        each if isinstance(each, str) else "-".join(f"{name}={value}"[:30] for name, value in each.items()).replace(ISSUER, "us")
    ),
)
def test_what_is_not_for_this_sign_in_is_refused(changes: dict[str, Any], why: str) -> None:
    """OpenID Connect Core, 3.1.3.7."""
    claims = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(IssuerAnswerRefused) as refused:
        verify(token(claims))
    assert why in refused.value.metadata["why"]


@pytest.mark.parametrize(
    ("change", "accepted"),
    [({"iat": NOW + 119}, True), ({"exp": NOW - 119}, True), ({"iat": NOW - 30 - 119}, True), ({"exp": NOW - 121}, False)],
    ids=["ahead", "behind", "old", "too-late"],
)
def test_clocks_may_differ_by_two_minutes(change: dict[str, Any], accepted: bool) -> None:
    """And no more."""
    if accepted:
        assert verify(token({**GOOD, **change}))["sub"] == "ann"
    else:
        with pytest.raises(IssuerAnswerRefused):
            verify(token({**GOOD, **change}))


def signed_by_public_key() -> str:
    """With HS256, and the published key for a secret."""
    text = unsigned(GOOD, algorithm="HS256").rstrip(".")
    return f"{text}.{encoded(hmac.digest(public_pem(), text.encode(), 'sha256'))}"


def public_pem() -> bytes:
    """The first key, as everybody knows it."""
    key: Any = rsa_key()
    return key.as_pem(private=False)


def critical() -> str:
    """Signed by the right key, with a header that says that it must be understood."""
    text = f"{encoded(json.dumps({'alg': 'RS256', 'kid': 'first', 'crit': ['x'], 'x': 1}).encode())}.{encoded(json.dumps(GOOD).encode())}"
    private: Any = rsa_key().private_key
    return f"{text}.{encoded(private.sign(text.encode(), PKCS1v15(), SHA256()))}"


def encoded(data: bytes) -> str:
    """RFC 7515, 2."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("make", "refused"),
    [
        (lambda: unsigned(GOOD), "alg"),
        (lambda: unsigned(GOOD, algorithm="None"), "alg"),
        (lambda: unsigned(GOOD, algorithm="nOnE"), "alg"),
        (signed_by_public_key, "alg"),
        (lambda: unsigned(GOOD, algorithm="RS256", signature=b"x" * 256), ""),
        (lambda: unsigned(GOOD, algorithm="ES256", signature=b"x" * 64), ""),
        (lambda: token(GOOD, key=stranger(), algorithm="Ed25519"), ""),
        (lambda: token(GOOD, key=RSAKey.generate_key(2048)), ""),
        (lambda: token(GOOD, kid="other"), ""),
        (critical, "token"),
        (lambda: "a.b.c", "token"),
        (lambda: "", "token"),
        (lambda: "a" * 40_000, "size"),
        (lambda: "ä.ä.ä", "size"),
        (lambda: token(GOOD).rsplit(".", 1)[0] + ".", ""),
        (lambda: token(GOOD, key=stranger(), algorithm="Ed25519", jwk=public(stranger())), "token"),
    ],
    ids=[
        "none", "None", "nOnE", "public-key-as-secret", "made-up", "made-up-ec", "other-type", "other-key", "other-id", "crit", "no-token",
        "empty", "huge", "letters", "no-signature", "own-key",
    ],
)  # fmt: skip
def test_what_no_published_key_signed_is_refused(make: Any, refused: str) -> None:
    """RFC 8725, 2.1 and 3.1; RFC 7515, 4.1.3 and 4.1.11: neither the token nor its header says what to trust."""
    if refused == "token" or refused == "":
        with pytest.raises((IssuerAnswerRefused, NoSuchKey)):
            verify(make())
        return
    with pytest.raises(IssuerAnswerRefused) as error:
        verify(make())
    assert error.value.metadata["why"] == refused


@pytest.mark.parametrize("claims", ["[1]", '"x"', "[" * 20_000, "{", "\x00", "NaN"], ids=["list", "text", "deep", "half", "nul", "nan"])
def test_what_is_no_object_is_refused(claims: str) -> None:
    """Signed as it may be."""
    text = jws.serialize_compact({"alg": "RS256", "kid": "first"}, claims, rsa_key(), algorithms=["RS256"])
    with pytest.raises(IssuerAnswerRefused):
        verify(text)


def test_keys_with_one_id_are_tried() -> None:
    """The right one may come second; and a handful at most are tried."""
    others = [public(ECKey.generate_key("P-256", {"kid": "first"})) for _ in range(5)]
    assert verify(token(GOOD), {"keys": [*others, *KEYS["keys"]]})["sub"] == "ann"
    many = [{**public(key), "kid": "first"} for key in (RSAKey.generate_key(2048) for _ in range(1))] * 50
    with pytest.raises(NoSuchKey):
        verify(token(GOOD), {"keys": [*many, *KEYS["keys"]]})


def small_rsa(bits: int) -> dict[str, Any]:
    """A modulus of so many bits, which nobody needs the factors of."""
    number = (1 << bits) - 1
    return {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(number.to_bytes(bits // 8, "big")).rstrip(b"=").decode()}


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        small_rsa(1024),
        small_rsa(16384),
        {**public(rsa_key()), "e": "A" * 700},
        {**public(rsa_key()), "n": 7},
        {**public(rsa_key()), "use": "enc"},
        {**public(rsa_key()), "kid": ["first"]},
        {**public(rsa_key()), "alg": {}},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-1", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "@@@@"},
        {"kty": {}, "n": "x"},
        "key",
        None,
    ],
    ids=[
        "symmetric", "empty", "tiny", "1024-bits", "16384-bits", "giant-exponent", "number", "encryption", "id-list", "alg-object",
        "not-on-curve", "no-curve", "no-base64", "type-object", "text", "null",
    ],
)  # fmt: skip
def test_a_key_that_is_none_costs_itself(key: Any) -> None:
    """RFC 7517, 5: the others count."""
    assert [each.kid for each in read_keys({"keys": [key, *KEYS["keys"]]})] == ["first"]


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}], ids=["none", "null", "object", "text"])
def test_what_is_no_key_set_has_no_keys(document: dict[str, Any]) -> None:
    """And no error either: a token finds none."""
    assert read_keys(document) == []


def test_a_key_never_brings_its_private_part() -> None:
    """An issuer that publishes it is careless; nothing here can sign with it."""
    [key] = read_keys({"keys": [{**rsa_key().as_dict(private=True), "use": "sig"}]})
    assert not key.key.is_private


def document(**changes: Any) -> dict[str, Any]:
    """Metadata of an issuer."""
    given = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/a",
        "token_endpoint": f"{ISSUER}/t",
        "jwks_uri": f"{ISSUER}/k",
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "https://evil.test"}, "another issuer"),
        ({"issuer": f"{ISSUER}/"}, "another issuer"),
        ({"issuer": None}, "another issuer"),
        ({"token_endpoint": None}, "token_endpoint is missing"),
        ({"jwks_uri": 7}, "jwks_uri is missing"),
        ({"authorization_endpoint": "http://idp.example.com/a"}, "https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"authorization_endpoint": f"{ISSUER}/a#x"}, "fragment"),
        ({"token_endpoint": "https://u:p@idp.example.com"}, "user"),
        ({"token_endpoint": "https://idp.example.com/\r\nx: y"}, "line break"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "algorithms"),
        ({"id_token_signing_alg_values_supported": "RS256"}, "algorithms"),
        ({"response_types_supported": ["id_token"]}, "code flow"),
    ],
    ids=[
        "other", "slash", "nobody", "no-token", "number", "no-tls", "script", "fragment", "user", "header", "symmetric", "text", "implicit",
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_used(changes: dict[str, Any], words: str) -> None:
    """Whoever manages the provider is told why."""
    with pytest.raises(MetadataRefused, match=words):
        read_metadata(document(**changes), issuer=ISSUER)


def test_metadata_says_what_is_used() -> None:
    """The secret goes in the header unless the form alone is taken; what is worth a look is said."""
    plain = read_metadata(document(), issuer=ISSUER)
    assert (plain.client_authentication(secret=True), plain.client_authentication(secret=False)) == ("client_secret_basic", "none")
    assert (plain.algorithms, plain.names_itself, len(plain.findings)) == (("RS256",), False, 3)
    post = read_metadata(document(token_endpoint_auth_methods_supported=["client_secret_post", 7]), issuer=ISSUER)
    assert post.client_authentication(secret=True) == "client_secret_post"
