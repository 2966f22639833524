import asyncio
from dataclasses import replace

import pytest

from gateway.credentials import Authenticator, KeyRefused, MalformedAuthorization, SessionEnded, cookie_credential
from gateway.secret_cache import KeyCacheRule
from gateway.transcoding.problems import CredentialMissing
from tocsin.errors import TocsinError, Unauthenticated, Unavailable
from tocsin.mesh.jwks import JwksCache
from tocsin.mesh.tokens import TokenRefused, TokenVerifier
from tocsin.testing.clock import FakeClock, SkewedClock
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint
from tocsin.testing.waiting import eventually

RULE = KeyCacheRule(fresh_seconds=60, stale_seconds=600, refused_seconds=5, retry_seconds=5, capacity=3)
SESSION_RULE = replace(RULE, fresh_seconds=2, retry_seconds=2)
KEY = b"Bearer tk_good"


class Keys:
    """auth_svc's side of the exchange: counts, and fails on demand."""

    def __init__(self, mint: TokenMint) -> None:
        self.mint = mint
        self.asked: list[str] = []
        self.failure: TocsinError | None = None
        self.lifetime = 900.0
        self.gate = asyncio.Event()
        self.gate.set()

    async def exchange(self, secret: str, address: str) -> str:
        self.asked.append(secret)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if not secret.startswith("tk_good"):
            raise Unauthenticated
        return self.mint.mint(tenant="acme", scopes=["books:read"], lifetime=self.lifetime)

    async def exchange_session(self, secret: str, held: str) -> str:
        self.asked.append(f"{secret} {bool(held)}")
        if self.failure is not None:
            raise self.failure
        if not secret.startswith("tb_good"):
            raise Unauthenticated
        return held or self.mint.mint(tenant="acme", scopes=["books:read"], lifetime=self.lifetime)


@pytest.fixture
def keys(clock: FakeClock) -> Keys:
    """A fresh auth_svc."""
    return Keys(TokenMint(clock=clock))


@pytest.fixture
def authenticator(clock: FakeClock, keys: Keys) -> Authenticator:
    """An authenticator in front of it."""
    verifier = TokenVerifier(keys=JwksCache(source=keys.mint.fetch, file=None, clock=clock), issuer=ISSUER, audience=AUDIENCE, clock=clock)
    return Authenticator(verifier=verifier, keys=keys, sessions=keys, clock=clock, rule=RULE, session_rule=SESSION_RULE)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (None, CredentialMissing),
        (b"", MalformedAuthorization),
        (b"Bearer", MalformedAuthorization),
        (b"Bearer   ", MalformedAuthorization),
        (b"Basic YTpi", MalformedAuthorization),
        (b"Bearer \xff", MalformedAuthorization),
        (b"Bearer nonsense", TokenRefused),
        (b"Bearer tk_bad", KeyRefused),
        (b"Bearer tk_good" + b"x" * 300, KeyRefused),
    ],
)
async def test_refuses_what_is_no_credential(authenticator: Authenticator, header: bytes | None, error: type[Exception]) -> None:
    """Each form of a bad header is a kind of Unauthenticated."""
    with pytest.raises(error):
        await authenticator.authenticate(header)


async def test_a_token_is_verified_here(authenticator: Authenticator, keys: Keys) -> None:
    """auth_svc is not asked about tokens, and the scheme's case does not matter (RFC 9110, 11.1)."""
    principal = await authenticator.authenticate(f"bearer {keys.mint.mint(tenant='acme', scopes=['a:b'])}".encode())
    assert (principal.tenant, "a:b" in principal.scopes, keys.asked) == ("acme", True, [])


async def test_a_key_is_asked_about_once_a_minute(authenticator: Authenticator, keys: Keys, clock: FakeClock) -> None:
    """Within the fresh time the answer holds; afterwards a revoked key works no longer."""
    for _ in range(3):
        assert (await authenticator.authenticate(KEY)).tenant == "acme"
    await clock.advance(61)
    await authenticator.authenticate(KEY)
    assert len(keys.asked) == 2
    keys.failure = Unauthenticated()
    await clock.advance(61)
    with pytest.raises(KeyRefused):
        await authenticator.authenticate(KEY)


async def test_a_key_outlives_the_signing_key_of_its_token(clock: FakeClock, keys: Keys) -> None:
    """When the signing key is withdrawn, the API key is exchanged anew instead of being refused with its old token."""
    cache = JwksCache(source=lambda: keys.mint.fetch(), file=None, clock=clock, max_age=1, pause=0)
    verifier = TokenVerifier(keys=cache, issuer=ISSUER, audience=AUDIENCE, clock=clock, remembered=1)
    authenticator = Authenticator(verifier=verifier, keys=keys, sessions=keys, clock=clock, rule=RULE, session_rule=SESSION_RULE)
    old = await authenticator.authenticate(KEY)
    keys.mint = TokenMint(clock=clock)

    async def exchanged() -> bool:
        await clock.advance(1.5)
        return (await authenticator.authenticate(KEY)).token != old.token

    await eventually(exchanged)
    assert len(keys.asked) == 2


async def test_a_known_key_outlives_auth_svc_for_ten_minutes(authenticator: Authenticator, keys: Keys, clock: FakeClock) -> None:
    """While auth_svc cannot be asked the last answer counts, and it is asked again only now and then."""
    await authenticator.authenticate(KEY)
    keys.failure = Unavailable(retry_after=2)
    await clock.advance(300)
    for _ in range(10):
        assert (await authenticator.authenticate(KEY)).tenant == "acme"
    assert len(keys.asked) == 2
    await clock.advance(299)
    await authenticator.authenticate(KEY)
    await clock.advance(2)
    with pytest.raises(Unavailable):
        await authenticator.authenticate(KEY)
    keys.failure = None
    assert (await authenticator.authenticate(KEY)).tenant == "acme"


async def test_a_key_never_outlives_its_token(authenticator: Authenticator, keys: Keys, clock: FakeClock) -> None:
    """A token that has expired would be refused further on; the key is asked about again."""
    keys.lifetime = 30
    await authenticator.authenticate(KEY)
    await clock.advance(40)
    await authenticator.authenticate(KEY)
    assert len(keys.asked) == 2
    keys.failure = Unavailable()
    await clock.advance(40)
    with pytest.raises(Unavailable):
        await authenticator.authenticate(KEY)


async def test_a_refusal_holds_briefly(authenticator: Authenticator, keys: Keys, clock: FakeClock) -> None:
    """A key that is made right after it was tried works a moment later."""
    for _ in range(3):
        with pytest.raises(KeyRefused):
            await authenticator.authenticate(b"Bearer tk_bad")
    assert len(keys.asked) == 1
    await clock.advance(5)
    with pytest.raises(KeyRefused):
        await authenticator.authenticate(b"Bearer tk_bad")
    assert len(keys.asked) == 2


async def test_who_asks_at_the_same_time_waits_for_one_answer(authenticator: Authenticator, keys: Keys) -> None:
    """A burst with one key is one question, which survives the first asker's leaving."""
    keys.gate.clear()
    waiting = [asyncio.create_task(authenticator.authenticate(KEY)) for _ in range(5)]
    await eventually(lambda: len(keys.asked) == 1)
    waiting[0].cancel()
    keys.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert len({answer.token for answer in answers[1:] if not isinstance(answer, BaseException)}) == 1
    assert keys.asked == ["tk_good"]


async def test_memory_is_bounded(authenticator: Authenticator, keys: Keys) -> None:
    """The keys used least recently are forgotten first."""
    for number in (1, 2, 3, 1, 4, 1, 2):
        await authenticator.authenticate(f"{KEY.decode()}{number}".encode())
    assert keys.asked == [f"tk_good{number}" for number in (1, 2, 3, 4, 2)]


async def test_a_refusal_for_time_is_not_remembered(keys: Keys, clock: FakeClock) -> None:
    """A machine whose clock is ahead gives tokens from the future: up to a minute they count, beyond that the key is asked about again."""
    issuer = SkewedClock(clock, 59.0)
    keys.mint = TokenMint(clock=issuer)
    cache = JwksCache(source=keys.mint.fetch, file=None, clock=clock)
    verifier = TokenVerifier(keys=cache, issuer=ISSUER, audience=AUDIENCE, clock=clock)
    authenticator = Authenticator(verifier=verifier, keys=keys, sessions=keys, clock=clock, rule=RULE, session_rule=SESSION_RULE)
    assert (await authenticator.authenticate(KEY)).tenant == "acme"
    issuer.seconds = 90.0
    with pytest.raises(TokenRefused, match="not valid yet"):
        await authenticator.authenticate(b"Bearer tk_good_other")
    issuer.seconds = 0.0
    assert (await authenticator.authenticate(b"Bearer tk_good_other")).tenant == "acme"


async def test_a_session_is_asked_about_every_two_seconds(authenticator: Authenticator, keys: Keys, clock: FakeClock) -> None:
    """Its token is offered again, and goes on while auth_svc is away; what ended elsewhere works for two seconds, and not at all here."""
    cookie = cookie_credential("tb_good")
    first = await authenticator.authenticate(cookie)
    assert authenticator.known(cookie) is first
    await clock.advance(2)
    assert authenticator.known(cookie) is None
    assert await authenticator.authenticate(cookie) is first
    assert keys.asked == ["tb_good False", "tb_good True"]
    keys.failure = Unavailable()
    await clock.advance(3)
    assert await authenticator.authenticate(cookie) is first
    keys.failure = Unauthenticated()
    await clock.advance(6)
    with pytest.raises(SessionEnded):
        await authenticator.authenticate(cookie)
    other = cookie_credential("tb_good2")
    keys.failure = None
    await authenticator.authenticate(other)
    keys.failure = Unauthenticated()
    assert authenticator.known(other) is not None
    authenticator.forget(other)
    with pytest.raises(SessionEnded):
        await authenticator.authenticate(other)


@pytest.mark.parametrize("header", [b"cookie tb_good", b"Bearer tb_good", b"Cookie tb_good"])
async def test_no_header_says_what_a_cookie_says(authenticator: Authenticator, keys: Keys, header: bytes) -> None:
    """The secret of a session is good as a cookie alone."""
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(header)
    assert keys.asked == []
