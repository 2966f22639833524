"""What a credential may do less than its tokens of before say, as the gateway holds it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from gateway.credentials import Authenticator, CredentialBounds, KeyRefused, SessionEnded, TokenSessionEnded, cookie_credential
from gateway.secret_cache import KeyCacheRule
from tocsin.errors import TocsinError, Unauthenticated, Unavailable
from tocsin.mesh.jwks import JwksCache
from tocsin.mesh.tokens import TokenVerifier
from tocsin.testing.clock import FakeClock
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint
from tocsin.testing.waiting import eventually

RULE = KeyCacheRule(fresh_seconds=3600, stale_seconds=7200, refused_seconds=5, retry_seconds=5, capacity=10)
KEY = b"Bearer tk_good"
COOKIE = cookie_credential("tb_good")
WHOLE = ("books:read", "books:write")


class Offices:
    """auth_svc: says what a key or a cookie may do when it is asked, and answers when the test lets it."""

    def __init__(self, mint: TokenMint) -> None:
        self.mint = mint
        self.scopes: Sequence[str] | None = WHOLE
        self.failure: TocsinError | None = None
        self.asked = 0
        self.lifetime = 900.0
        self.gate = asyncio.Event()
        self.gate.set()

    async def exchange(self, secret: str, address: str) -> str:
        """Of the key apiKeys/1."""
        return await self._answer("apiKeys/1", "")

    async def exchange_session(self, secret: str, held: str) -> str:
        """Of the session s1."""
        return await self._answer("users/ann", "s1")

    async def _answer(self, subject: str, session: str) -> str:
        self.asked += 1
        scopes, failure = self.scopes, self.failure  # as they are when the question comes
        await self.gate.wait()
        if failure is not None:
            raise failure
        if scopes is None:
            raise Unauthenticated
        claims: dict[str, object] = {"sid": session} if session else {}
        return self.mint.mint(tenant="acme", subject=subject, scopes=scopes, claims=claims, lifetime=self.lifetime)


@pytest.fixture
def offices(clock: FakeClock) -> Offices:
    """A fresh one."""
    return Offices(TokenMint(clock=clock))


@pytest.fixture
def authenticator(clock: FakeClock, offices: Offices) -> Authenticator:
    """What asks it once an hour."""
    keys = JwksCache(source=offices.mint.fetch, file=None, clock=clock)
    verifier = TokenVerifier(keys=keys, issuer=ISSUER, audience=AUDIENCE, clock=clock)
    return Authenticator(verifier=verifier, keys=offices, sessions=offices, clock=clock, rule=RULE, session_rule=RULE)


def bounds(clock: FakeClock, *scopes: str) -> CredentialBounds:
    """For as long as a token lasts."""
    return CredentialBounds(scopes=frozenset(scopes), until=clock.now() + timedelta(minutes=16))


async def may(authenticator: Authenticator, authorization: bytes) -> frozenset[str]:
    """What a credential may do; the quick way says the same, or nothing."""
    scopes = (await authenticator.authenticate(authorization)).scopes
    known = authenticator.known(authorization)
    assert known is not None
    assert known.scopes == scopes
    return scopes - {"profile:read"}


async def test_a_token_is_bounded_to_what_its_session_may_do_now(authenticator: Authenticator, offices: Offices, clock: FakeClock) -> None:
    """For as long as one of before may live; a role that grows again lifts it, and never beyond what the token says."""
    token = b"Bearer " + offices.mint.mint(tenant="acme", scopes=WHOLE, claims={"sid": "s1"}, lifetime=3000).encode()
    other = b"Bearer " + offices.mint.mint(tenant="acme", scopes=WHOLE, claims={"sid": "s2"}, lifetime=3000).encode()
    assert await may(authenticator, token) == {*WHOLE}
    authenticator.change({"sessions/s1": bounds(clock, "books:read", "profile:read")})
    assert (await may(authenticator, token), await may(authenticator, other)) == ({"books:read"}, {*WHOLE})
    authenticator.change({"sessions/s1": bounds(clock, *WHOLE, "mesh:read", "profile:read")})
    assert await may(authenticator, token) == {*WHOLE}
    authenticator.change({"sessions/s1": bounds(clock)})
    assert authenticator.known(token) is None
    with pytest.raises(TokenSessionEnded):
        await authenticator.authenticate(token)
    await clock.advance(17 * 60)
    authenticator.change({"sessions/s9": bounds(clock)})
    assert await may(authenticator, token) == {*WHOLE}, "what was said of it is over"


@pytest.mark.parametrize(("credential", "name"), [(KEY, "apiKeys/1"), (COOKIE, "sessions/s1")], ids=["key", "cookie"])
async def test_a_secret_that_changed_is_asked_about_anew(
    authenticator: Authenticator, offices: Offices, clock: FakeClock, credential: bytes, name: str
) -> None:
    """Whatever is known of it; of others nobody asks again."""
    assert await may(authenticator, credential) == {*WHOLE}
    offices.scopes = ["books:read"]
    authenticator.change({"apiKeys/2": bounds(clock), "sessions/s2": bounds(clock)})
    assert await may(authenticator, credential) == {*WHOLE}
    authenticator.change({name: bounds(clock, "books:read", "profile:read")})
    assert await may(authenticator, credential) == {"books:read"}
    assert offices.asked == 2


@pytest.mark.parametrize(
    ("credential", "name", "refused"), [(KEY, "apiKeys/1", KeyRefused), (COOKIE, "sessions/s1", SessionEnded)], ids=["key", "cookie"]
)
async def test_it_is_not_taken_while_auth_svc_is_away(
    authenticator: Authenticator, offices: Offices, clock: FakeClock, credential: bytes, name: str, refused: type[Exception]
) -> None:
    """Nobody knows whether it is good, also if the question was under way; once it is back, its word counts."""
    await authenticator.authenticate(credential)
    await clock.advance(3601 - 2700)  # its token has ended: the next one asks
    offices.gate.clear()
    offices.failure = Unavailable()
    asking = asyncio.ensure_future(authenticator.authenticate(credential))
    await eventually(lambda: offices.asked == 2)
    authenticator.change({name: bounds(clock)})
    offices.gate.set()
    with pytest.raises(Unavailable):
        await asking
    offices.failure, offices.scopes = None, None
    with pytest.raises(refused):
        await authenticator.authenticate(credential)


@pytest.mark.parametrize("ended", [False, True], ids=["changed", "ended"])
@pytest.mark.parametrize(
    ("credential", "name", "refused"), [(KEY, "apiKeys/1", KeyRefused), (COOKIE, "sessions/s1", SessionEnded)], ids=["key", "cookie"]
)
async def test_an_answer_of_before_the_change_is_not_taken(
    authenticator: Authenticator, offices: Offices, clock: FakeClock, credential: bytes, name: str, refused: type[Exception], ended: bool
) -> None:
    """The question was under way when the news came: it is asked again, and so are those who wait for the same answer."""
    offices.gate.clear()
    asking = [asyncio.ensure_future(authenticator.authenticate(credential)) for _ in range(3)]
    await eventually(lambda: offices.asked == 1)
    offices.scopes = None
    if ended:
        authenticator.end({name: clock.now() + timedelta(minutes=15)})
    else:
        authenticator.change({name: bounds(clock, *WHOLE)})  # as a rotation without an overlap says: the key is as it was
    offices.gate.set()
    for each in asking:
        with pytest.raises(refused):
            await each
    assert offices.asked == 2


async def test_what_changes_without_end_is_refused_for_now(authenticator: Authenticator, offices: Offices, clock: FakeClock) -> None:
    """Nobody waits for ever, and nothing is taken that may be of before."""
    answer = offices.exchange

    async def changing(secret: str, address: str) -> str:
        token = await answer(secret, address)
        authenticator.change({"apiKeys/1": bounds(clock, *WHOLE)})
        return token

    offices.exchange = changing
    with pytest.raises(Unavailable) as refused:
        await authenticator.authenticate(KEY)
    assert refused.value.retry_after == 1


async def test_a_stream_asks_about_its_key_when_that_ends(authenticator: Authenticator, offices: Offices, clock: FakeClock) -> None:
    """Its token ends with it, long before the key would be asked about again."""
    offices.lifetime = 20
    principal = await authenticator.authenticate(KEY)
    assert authenticator.good_for(KEY, principal) == 20
    await clock.advance(20)
    offices.scopes = None
    with pytest.raises(KeyRefused):
        await authenticator.authenticate(KEY)


async def test_what_is_known_of_changes_is_bounded(authenticator: Authenticator, offices: Offices, clock: FakeClock) -> None:
    """Of too many, those go first whose tokens end first."""
    token = b"Bearer " + offices.mint.mint(tenant="acme", scopes=WHOLE, claims={"sid": "soon"}, lifetime=3000).encode()
    authenticator.change({"sessions/soon": bounds(clock)})
    await clock.advance(1)
    authenticator.change({f"sessions/{number}": bounds(clock) for number in range(100_000)})
    assert await may(authenticator, token) == {*WHOLE}
