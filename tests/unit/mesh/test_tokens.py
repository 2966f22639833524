"""Tokens: what is accepted, what is refused, and what happens when the keys cannot be had."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from tocsin.errors import Unauthenticated, Unavailable
from tocsin.mesh.jwks import JwksCache, KeysUnavailable
from tocsin.mesh.tokens import TokenExpired, TokenRefused, TokenVerifier
from tocsin.testing.clock import FakeClock
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint
from tocsin.testing.waiting import eventually


class Keys:
    """auth_svc's keys; a test makes it fail, and sees how often it was asked."""

    def __init__(self, *mints: TokenMint) -> None:
        self.mints = list(mints)
        self.down = False
        self.fetches = 0

    async def __call__(self) -> dict[str, Any]:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable
        return {"keys": [key for mint in self.mints for key in mint.jwks()["keys"]]}


@pytest.fixture
def mint(clock: FakeClock) -> TokenMint:
    """The signer."""
    return TokenMint(clock=clock)


def make(keys: Keys, clock: FakeClock, file: Path | None = None, **options: Any) -> tuple[TokenVerifier, JwksCache]:
    """A verifier with a cache of its own."""
    cache = JwksCache(source=keys, file=file, clock=clock)
    return TokenVerifier(keys=cache, issuer=ISSUER, audience=AUDIENCE, clock=clock, **options), cache


async def test_a_good_token_gives_its_principal(clock: FakeClock, mint: TokenMint) -> None:
    """Tenant, subject, scopes, zone, end."""
    verifier, _ = make(Keys(mint), clock)
    token = mint.mint(tenant="acme", scopes=["alarms:read"], subject="apiKeys/7", zone="Europe/Paris", lifetime=60)
    principal = await verifier.verify(token)
    assert (principal.tenant, principal.subject, principal.time_zone, principal.token) == ("acme", "apiKeys/7", "Europe/Paris", token)
    assert principal.scopes == {"alarms:read", "profile:read"}
    assert principal.expires == clock.now() + timedelta(seconds=60)


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iss": "https://evil.example"}, id="foreign issuer"),
        pytest.param({"aud": "other"}, id="foreign audience"),
        pytest.param({"sub": ""}, id="empty subject"),
        pytest.param({"sub": 5}, id="subject is a number"),
        pytest.param({"tenant": None}, id="no tenant"),
        pytest.param({"tenant": ["a"]}, id="tenant is a list"),
        pytest.param({"scope": ["alarms:read"]}, id="scope is a list"),
        pytest.param({"exp": None}, id="exp is null"),
        pytest.param({"exp": True}, id="exp is a boolean"),
        pytest.param({"exp": 10**30}, id="exp is absurd"),
        pytest.param({"iat": 4102444800}, id="issued in the future"),
        pytest.param({"nbf": 4102444800}, id="not valid yet"),
    ],
)
async def test_a_token_with_wrong_claims_is_refused(clock: FakeClock, mint: TokenMint, claims: dict[str, object]) -> None:
    """Each claim is checked, even under a good signature."""
    with pytest.raises(TokenRefused):
        await make(Keys(mint), clock)[0].verify(mint.mint(tenant="acme", claims=claims))


def forged(mint: TokenMint, clock: FakeClock, kind: str) -> str:
    """Tokens that nobody should accept."""
    good = mint.mint(tenant="acme")
    claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
    header = {"kid": mint.kid}
    if kind == "none":
        return jwt.encode(claims, "", algorithm="none", headers=header)
    if kind == "hmac with the public key":
        return jwt.encode(claims, mint.jwks()["keys"][0]["x"].ljust(64, "x"), algorithm="HS256", headers=header)
    if kind == "another key":
        return TokenMint(clock=clock).mint(tenant="acme")
    if kind == "another algorithm":
        return jwt.encode(claims, rsa.generate_private_key(65537, 2048), algorithm="RS256", headers=header)
    if kind == "another curve":
        return jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=header)
    if kind == "changed claims":
        head, _, tail = good.split(".")
        return f"{head}.{jwt.encode({**claims, 'tenant': 'other'}, '', algorithm='none').split('.')[1]}.{tail}"
    if kind in _KIDS:
        return jwt.encode(claims, "", algorithm="none", headers={"kid": _KIDS[kind]})
    if kind in _BROUGHT:
        own = TokenMint(clock=clock)
        brought = {"jwk": own.jwks()["keys"][0], "jku": "https://evil.example/keys", "x5u": "https://evil.example/cert", "x5c": ["MII="]}
        return own.mint(tenant="acme", headers={"kid": mint.kid, kind: brought[kind]})
    if kind == "no kid":
        return jwt.encode(claims, "", algorithm="none")
    return {"garbage": "abc", "empty": "", "dots": "..", "long": "a" * 100_000}[kind]


_KIDS = {
    "kid as a path": "../../../../dev/null",
    "kid as SQL": "x' UNION SELECT 'secret",
    "kid as an address": "https://evil.example/key",
    "kid with a NUL": "a\0b",
    "long kid": "k" * 5000,
}
_BROUGHT = ("jwk", "jku", "x5u", "x5c")
"""Headers by which a token brings its own key (RFC 8725, 3.5 and 3.10)."""


@pytest.mark.parametrize(
    "kind",
    [
        *_KIDS,
        *_BROUGHT,
        "none",
        "hmac with the public key",
        "another key",
        "another algorithm",
        "another curve",
        "changed claims",
        "no kid",
        "garbage",
        "empty",
        "dots",
        "long",
    ],
)
async def test_a_forged_token_is_refused(clock: FakeClock, mint: TokenMint, kind: str) -> None:
    """Whatever the header claims, only the published key with its own algorithm verifies."""
    with pytest.raises(TokenRefused):
        await make(Keys(mint), clock)[0].verify(forged(mint, clock, kind))


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        pytest.param({}, True, id="as it is made"),
        pytest.param({"typ": "at+jwt"}, True, id="an access token"),
        pytest.param({"typ": "application/AT+JWT"}, True, id="the same as a media type"),
        pytest.param({"typ": None}, True, id="says nothing"),
        pytest.param({"typ": "logout+jwt"}, False, id="a logout token"),
        pytest.param({"typ": "dpop+jwt"}, False, id="a proof of possession"),
        pytest.param({"typ": "tocsin-audit-head"}, False, id="the head of an audit log"),
        pytest.param({"crit": ["exp"], "exp": 1}, False, id="critical, and unknown"),
        pytest.param({"crit": []}, False, id="an empty list of what is critical"),
        pytest.param({"b64": False, "crit": ["b64"]}, False, id="a payload that is not encoded"),
    ],
)
async def test_what_the_header_says_beside_the_key(clock: FakeClock, mint: TokenMint, header: dict[str, Any], accepted: bool) -> None:
    """Nothing else of the same key passes for an access token, and nothing critical is passed over (RFC 8725, 3.11; RFC 7515, 4.1.11)."""
    token = mint.mint(tenant="acme", headers=header)
    verifier, _ = make(Keys(mint), clock)
    if accepted:
        assert (await verifier.verify(token)).tenant == "acme"
        return
    with pytest.raises(TokenRefused):
        await verifier.verify(token)


async def test_a_key_that_a_token_brings_is_not_even_looked_at(clock: FakeClock, mint: TokenMint) -> None:
    """One question to auth_svc for the keys of all, and none to anybody whom a token names."""
    keys = Keys(mint)
    verifier, _ = make(keys, clock)
    for kind in (*_KIDS, *_BROUGHT):
        with pytest.raises(TokenRefused):
            await verifier.verify(forged(mint, clock, kind))
    assert keys.fetches == 1


@pytest.mark.parametrize("remembered", [True, False])
async def test_a_token_ends_when_it_says(clock: FakeClock, mint: TokenMint, remembered: bool) -> None:
    """With five seconds of leeway, whether or not it was verified before."""
    verifier, _ = make(Keys(mint), clock)
    token = mint.mint(tenant="acme", lifetime=60)
    if remembered:
        await verifier.verify(token)
    clock.set(clock.now() + timedelta(seconds=64))
    assert (await verifier.verify(token)).tenant == "acme"
    clock.set(clock.now() + timedelta(seconds=1))
    with pytest.raises(TokenExpired):
        await verifier.verify(token)
    assert verifier.known(token) is None


async def test_verified_tokens_are_remembered_in_bounds(clock: FakeClock, mint: TokenMint) -> None:
    """The least recently used one is forgotten first."""
    verifier, _ = make(Keys(mint), clock, capacity=2)
    first, second, third = (mint.mint(tenant=name) for name in "abc")
    for token in (first, second):
        await verifier.verify(token)
    assert verifier.known(first) is not None
    await verifier.verify(third)
    assert verifier.known(second) is None
    assert verifier.known(first) is not None


async def test_one_fetch_serves_all_who_wait(clock: FakeClock, mint: TokenMint) -> None:
    """A hundred first tokens at once ask auth_svc once."""
    keys = Keys(mint)
    verifier, _ = make(keys, clock)
    await asyncio.gather(*(verifier.verify(mint.mint(tenant=str(number))) for number in range(100)))
    assert keys.fetches == 1


async def test_a_new_key_is_found_and_garbage_does_not_flood_auth(clock: FakeClock, mint: TokenMint) -> None:
    """An unknown key is fetched, at most once every five seconds."""
    keys = Keys(mint)
    verifier, _ = make(keys, clock)
    await verifier.verify(mint.mint(tenant="a"))
    newer = TokenMint(clock=clock)
    keys.mints.append(newer)
    for _ in range(10):
        with pytest.raises(TokenRefused):
            await verifier.verify(newer.mint(tenant="a"))
    assert keys.fetches == 1
    clock.set(clock.now() + timedelta(seconds=6))
    await verifier.verify(newer.mint(tenant="a"))
    assert keys.fetches == 2


async def test_tokens_verify_while_auth_is_down_even_after_a_restart(clock: FakeClock, mint: TokenMint, tmp_path: Path) -> None:
    """Keys stay in memory, and on disk for the next process."""
    keys, file = Keys(mint), tmp_path / "jwks" / "gateway.json"
    verifier, _ = make(keys, clock, file)
    await verifier.verify(mint.mint(tenant="a"))
    keys.down = True
    clock.set(clock.now() + timedelta(hours=1))
    assert (await verifier.verify(mint.mint(tenant="b"))).tenant == "b"
    restarted, cache = make(keys, clock, file)
    await cache.start()
    assert (await restarted.verify(mint.mint(tenant="c"))).tenant == "c"


async def test_without_any_key_it_is_unavailable_not_refused(clock: FakeClock, mint: TokenMint) -> None:
    """Nobody is logged out because auth_svc is down; when it returns, the same token passes."""
    keys = Keys(mint)
    keys.down = True
    verifier, _ = make(keys, clock)
    token = mint.mint(tenant="a")
    for _ in range(3):
        with pytest.raises(KeysUnavailable) as down:
            await verifier.verify(token)
        assert down.value.retry_after == 5
    assert keys.fetches == 1
    keys.down = False
    clock.set(clock.now() + timedelta(seconds=6))
    await verifier.verify(token)


async def test_a_withdrawn_key_ends_within_minutes(clock: FakeClock, mint: TokenMint) -> None:
    """Old keys are fetched again in the background; a key that is gone verifies no more, not even a token that it verified before."""
    keys = Keys(mint)
    verifier, _ = make(keys, clock)
    used = mint.mint(tenant="a")
    await verifier.verify(used)
    keys.mints[:] = [TokenMint(clock=clock)]
    clock.set(clock.now() + timedelta(seconds=301))
    await verifier.verify(mint.mint(tenant="b"))
    await eventually(lambda: keys.fetches == 2)
    await asyncio.sleep(0)
    with pytest.raises(Unauthenticated):
        await verifier.verify(mint.mint(tenant="c"))
    with pytest.raises(Unauthenticated):
        await verifier.verify(used)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", '{"keys": 5}', '{"keys": [{"kty": "nope"}]}', '{"keys": [5]}', '{"keys": [{"kty": []}]}'),
        *('{"keys": [{"kty": "EC", "crv": [], "x": 1, "y": {}}]}', '{"keys": [{"kty": "oct", "k": 7, "kid": {}}]}'),
        *('{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": ["a"], "alg": "HS256"}]}', "[" * 200_000, '{"keys":' * 100_000),
    ],
)
async def test_a_damaged_file_is_no_reason_not_to_start(clock: FakeClock, mint: TokenMint, tmp_path: Path, content: str) -> None:
    """The keys are fetched anew, and the file is whole again."""
    file = tmp_path / "gateway.json"
    file.write_text(content)
    verifier, cache = make(Keys(mint), clock, file)
    await cache.start()
    await verifier.verify(mint.mint(tenant="a"))
    assert json.loads(file.read_text())["keys"][0]["kid"] == mint.kid


async def test_keys_of_other_kinds_are_not_used(clock: FakeClock, mint: TokenMint) -> None:
    """A key set with a symmetric key, an encryption key or an RSA key in it verifies with the others alone."""
    foreign = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "sym", "alg": "HS256"},
        {**mint.jwks()["keys"][0], "kid": "enc", "use": "enc"},
        json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key())) | {"kid": "rsa", "alg": "RS256"},
    ]

    async def source() -> dict[str, Any]:
        return {"keys": [*foreign, *mint.jwks()["keys"]]}

    cache = JwksCache(source=source, file=None, clock=clock)
    assert (await cache.key(mint.kid)).algorithm_name == "EdDSA"
    for kid in ("sym", "enc", "rsa"):
        with pytest.raises(TokenRefused):
            await cache.key(kid)
