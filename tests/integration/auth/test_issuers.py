"""Issuers over HTTP, good and hostile: each costs the sign-ins of its own people alone."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from auth_svc.domain import IdentityProvider, IssuerAnswerRefused, IssuerUnavailable
from auth_svc.oidc import HttpIssuers
from auth_svc.ports import CodeProof
from tests.issuer import CLIENT, SECRET, LocalIssuer
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpClient, HttpLimits
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.testing.clock import FakeClock
from tocsin.testing.http import HttpSink, Reply, SeenRequest

LIMITS = HttpLimits(connections=64, connect_seconds=60.0, total_seconds=60.0, answer_bytes=256 * 1024)
REDIRECT = "https://tocsin.example/sign-in/oidc/sso/callback"
METADATA = "/.well-known/openid-configuration"


class Door:
    """Signs in at one issuer, without a store."""

    def __init__(
        self,
        issuer: LocalIssuer,
        clock: FakeClock,
        *,
        seconds: float = 60.0,
        connections: int = 64,
        breakers: BreakerRegistry | None = None,
    ) -> None:
        allowed = AllowedTargets.parse(["127.0.0.1"])
        limits = replace(LIMITS, total_seconds=seconds, connections=connections)
        self.issuer, self.clock = issuer, clock
        self.breakers = breakers or BreakerRegistry(clock=clock)
        self.issuers = HttpIssuers(
            allowed=allowed,
            breakers=self.breakers,
            clock=clock,
            http=HttpClient(allowed=allowed, https_only=True, limits=limits),
        )
        self.provider = self.provider_of(issuer)

    def provider_of(self, issuer: LocalIssuer, identity: str = "sso", **more: Any) -> IdentityProvider:
        """A provider with this issuer."""
        now = self.clock.now()
        return IdentityProvider(
            id=identity, tenant="t", display_name="SSO", issuer=issuer.url, client_id=CLIENT, created=now, updated=now, **more
        )

    async def sign_in(self, *, secret: str | None = SECRET, **back: Any) -> Any:
        """There and back; what the issuer says."""
        nonce, verifier = "n" * 43, "v" * 43
        url = await self.issuers.authorization_url(self.provider, redirect_uri=REDIRECT, state="s", nonce=nonce, verifier=verifier)
        found = self.issuer.authorize(url, **back)
        await self.issuers.check_issuer_parameter(self.provider, found.get("iss"))
        proof = CodeProof(verifier=verifier, nonce=nonce, redirect_uri=REDIRECT, began=self.clock.now())
        return await self.issuers.redeem(self.provider, secret=secret or "", code=found.get("code", ""), proof=proof)


@pytest.fixture
async def issuer(clock: FakeClock) -> AsyncGenerator[LocalIssuer]:
    """One on this machine."""
    async with LocalIssuer(clock=clock) as made:
        yield made


@pytest.fixture
async def door(clock: FakeClock, issuer: LocalIssuer) -> AsyncGenerator[Door]:
    """What asks it."""
    made = Door(issuer, clock)
    yield made
    await made.issuers.stop()


async def test_what_it_says_is_remembered(door: Door) -> None:
    """Metadata for an hour, keys for ten minutes; userinfo is asked for what the ID token lacks alone."""
    assert (await door.sign_in())["sub"] == "ann-1"
    await door.sign_in()
    assert door.issuer.paths() == [METADATA, "/token", "/keys", "/token"]
    door.issuer.sink.requests.clear()
    await door.clock.advance(601)
    await door.sign_in()
    await door.clock.advance(3600)
    await door.sign_in()
    assert door.issuer.paths() == ["/token", "/keys", METADATA, "/token", "/keys"]


async def test_keys_rotate(door: Door) -> None:
    """A token by a new key has the keys fetched; a withdrawn one counts no more; nobody makes us ask again and again."""
    await door.sign_in()
    await door.clock.advance(11)
    door.issuer.rotate(keep=True)
    await door.sign_in()
    await door.clock.advance(11)
    door.issuer.rotate()
    await door.sign_in()
    door.issuer.sink.requests.clear()
    door.issuer.keys = []
    door.issuer.rotate()
    door.issuer.keys = []
    for _ in range(5):
        with pytest.raises(IssuerAnswerRefused) as refused:
            await door.sign_in()
        assert refused.value.metadata["why"] == "signature"
    assert door.issuer.paths().count("/keys") == 0
    await door.clock.advance(11)
    with pytest.raises(IssuerAnswerRefused):
        await door.sign_in()
    assert door.issuer.paths().count("/keys") == 1


@pytest.mark.parametrize(
    ("methods", "secret"),
    [(["client_secret_basic"], SECRET), (["client_secret_post"], SECRET), (["none"], ""), (None, SECRET)],
    ids=["basic", "post", "public", "unsaid"],
)
async def test_the_client_shows_its_secret_by_one_way(door: Door, methods: list[str] | None, secret: str) -> None:
    """As the issuer takes it; PKCE comes along in any case."""
    door.issuer.secret = secret
    door.issuer.metadata = {"token_endpoint_auth_methods_supported": methods} if methods else {}
    await door.sign_in(secret=secret)
    [asked] = [request for request in door.issuer.sink.requests if request.target == "/token"]
    form = parse_qs(asked.body.decode())
    assert ("authorization" in asked.headers) == (methods in (["client_secret_basic"], None))
    assert ("client_secret" in form) == (methods == ["client_secret_post"])
    assert form["code_verifier"] == ["v" * 43]


@pytest.mark.parametrize(
    ("back", "supported", "accepted"),
    [
        ({}, True, True),
        ({"iss": None}, True, False),
        ({"iss": None}, False, True),
        ({"iss": "https://evil.test"}, True, False),
        ({"iss": "https://evil.test"}, False, False),
        ({"iss": ""}, True, False),
        ({"code": "forged"}, True, False),
        ({"code": ""}, True, False),
        ({"code": "x" * 5000}, True, False),
    ],
    ids=["named", "missing", "not-promised", "other", "other-unpromised", "empty", "forged-code", "no-code", "long-code"],
)
async def test_the_browser_comes_from_this_issuer(door: Door, back: dict[str, str | None], supported: bool, accepted: bool) -> None:
    """RFC 9207, 2.4: else a code of one issuer goes to another (mix-up)."""
    door.issuer.metadata = {"authorization_response_iss_parameter_supported": supported}
    if accepted:
        assert (await door.sign_in(**back))["sub"] == "ann-1"
        return
    with pytest.raises(IssuerAnswerRefused):
        await door.sign_in(**back)


async def test_a_code_works_once_and_with_its_verifier(door: Door) -> None:
    """The issuer refuses the rest, and that is told from a wrong client."""
    codes: list[str] = []
    door.issuer.tamper = lambda claims: codes.append("seen") or claims
    await door.sign_in()
    with pytest.raises(IssuerAnswerRefused) as refused:
        await door.sign_in(secret="wrong")
    assert refused.value.metadata["why"] == "client"
    assert codes == ["seen"]


@pytest.mark.parametrize(
    ("userinfo", "why"),
    [
        ({"sub": "ann-1", "groups": ["x"]}, ""),
        ({"sub": "eve", "groups": ["bosses"]}, "userinfo"),
        ({"groups": ["bosses"]}, "userinfo"),
        ({"sub": "ann-1", "groups": ["x"], "iss": "https://evil.test", "nonce": "x"}, ""),
    ],
    ids=["same", "other", "nobody", "no-override"],
)
async def test_userinfo_is_of_the_same_subject(door: Door, userinfo: dict[str, Any], why: str) -> None:
    """OpenID Connect Core, 5.3.4; and it never takes the place of what the ID token says."""
    door.issuer.signed_in("ann-1", email="ann@example.com")
    door.issuer.userinfo = userinfo
    if why:
        with pytest.raises(IssuerAnswerRefused) as refused:
            await door.sign_in()
        assert refused.value.metadata["why"] == why
        return
    claims = await door.sign_in()
    assert (claims["groups"], claims["iss"], claims["email"]) == (["x"], door.issuer.url, "ann@example.com")


async def never(request: SeenRequest, writer: asyncio.StreamWriter) -> None:
    """Answers nothing."""
    del request, writer
    await asyncio.Event().wait()


async def trickle(request: SeenRequest, writer: asyncio.StreamWriter) -> None:
    """Sends a byte now and then."""
    del request
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", [METADATA, "/keys", "/token", "/userinfo"], ids=["metadata", "keys", "token", "userinfo"])
@pytest.mark.parametrize(
    "answer",
    [
        Reply(body=b"[" * 200_000),
        Reply(body=b'{"keys": [' + b'{"kty": "RSA"},' * 700_000 + b"{}]}"),
        Reply(body=b"<html>"),
        Reply(body=b""),
        Reply(body=b"[]"),
        Reply(body=b"\xff\xfe"),
        Reply(status=500, body=b"{}"),
        Reply(status=302, headers={"location": "http://10.0.0.1/"}),
        Reply(status=200, raw=b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{}"),
        Reply(status=200, raw=b"SSH-2.0-OpenSSH\r\n"),
    ],
    ids=["deep", "10-mb", "html", "empty", "list", "no-utf-8", "500", "redirect", "cut-off", "no-http"],
)
async def test_nonsense_costs_that_sign_in(door: Door, path: str, answer: Reply) -> None:
    """Whatever comes, at whatever step."""
    door.issuer.signed_in("ann-1")
    door.issuer.instead[path] = answer
    with pytest.raises((IssuerUnavailable, IssuerAnswerRefused)):
        await door.sign_in()
    door.issuer.instead.clear()
    door.issuers.forget(door.provider)
    assert (await door.sign_in())["sub"] == "ann-1"


@pytest.mark.parametrize("behaviour", [never, trickle], ids=["silent", "trickling"])
async def test_a_slow_issuer_is_left(clock: FakeClock, issuer: LocalIssuer, behaviour: Any) -> None:
    """After its time, however it spends it; then its circuit opens, and another issuer's people notice nothing."""
    door = Door(issuer, clock, seconds=0.05)
    issuer.instead[METADATA] = behaviour
    for _ in range(5):
        with pytest.raises(IssuerUnavailable):
            await door.sign_in()
    asked = issuer.sink.connections
    with pytest.raises(IssuerUnavailable):
        await door.sign_in()
    assert (door.issuers.circuit(door.provider), issuer.sink.connections) == ("OPEN", asked)
    async with LocalIssuer(clock=clock) as other:
        patient = Door(other, clock, breakers=door.breakers)
        patient.provider = door.provider_of(other, "other")
        assert door.issuers.circuit(patient.provider) == "CLOSED"
        assert (await patient.issuers.inspect(patient.provider, secret=True)).usable
        await patient.issuers.stop()
    await door.issuers.stop()


async def test_a_crowd_at_one_issuer_holds_up_nobody_else(door: Door, clock: FakeClock) -> None:
    """Four requests at a time, a queue with an end, and refusal at once behind it."""
    door.issuer.instead[METADATA] = never
    many = [door.provider_of(door.issuer) for _ in range(60)]
    waiting = [asyncio.create_task(door.issuers.inspect(each, secret=True)) for each in many]
    refused = 0
    while refused < 28:  # 60, of which 32 may wait
        done = [task for task in waiting if task.done()]
        refused = len(done)
        await asyncio.sleep(0.005)
    assert all("too many" in task.result().findings[0] for task in waiting if task.done())
    async with LocalIssuer(clock=clock) as other:
        assert (await door.issuers.inspect(door.provider_of(other, "other"), secret=True)).usable
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_tenant_whose_issuers_all_hang_has_eight_connections(issuer: LocalIssuer, clock: FakeClock) -> None:
    """The others' sign-ins find one free; what waits for the tenant's turn has an end as well."""
    door = Door(issuer, clock, connections=9)
    issuer.instead[METADATA] = never
    many = [door.provider_of(issuer, f"p{number}") for number in range(20) for _ in range(4)]
    waiting = [asyncio.create_task(door.issuers.inspect(each, secret=True)) for each in many]
    async with LocalIssuer(clock=clock) as other:
        elsewhere = replace(door.provider_of(other, "other"), tenant="other")
        for _ in range(3):
            assert (await door.issuers.inspect(elsewhere, secret=True)).usable
    refused = [task.result().findings[0] for task in waiting if task.done()]
    assert (len(refused), {"of its tenant" in finding for finding in refused}) == (80 - 64, {True})
    assert issuer.sink.connections == 8
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await door.issuers.stop()


@pytest.mark.parametrize(
    "metadata",
    [
        {"jwks_uri": "http://10.0.0.1/keys"},
        {"token_endpoint": "http://169.254.169.254/latest"},
        {"userinfo_endpoint": "http://192.168.0.1/"},
        {"jwks_uri": "http://idp.example.com/keys"},
    ],
    ids=["private", "link-local", "userinfo", "no-tls"],
)
async def test_it_leads_nowhere_inside(door: Door, metadata: dict[str, Any]) -> None:
    """Also when it names the address itself."""
    door.issuer.signed_in("ann-1")
    door.issuer.metadata = metadata
    with pytest.raises(IssuerUnavailable) as refused:
        await door.sign_in()
    assert "may not be asked" in refused.value.metadata["why"]


async def test_a_redirection_is_not_followed(door: Door) -> None:
    """Not even to where it would be allowed."""
    async with HttpSink() as elsewhere:
        door.issuer.instead[METADATA] = Reply(status=307, headers={"location": f"{elsewhere.url}{METADATA}"})
        with pytest.raises(IssuerUnavailable):
            await door.sign_in()
        assert elsewhere.requests == []


async def test_a_report_tells_what_is_there(door: Door) -> None:
    """And what is wrong, for whoever manages the provider."""
    report = await door.issuers.inspect(door.provider, secret=True)
    assert (report.usable, report.keys, report.names_itself, report.client_authentication) == (True, 1, True, "client_secret_basic")
    assert report.algorithms == ("RS256", "ES256", "EdDSA")
    assert report.findings == []
    assert "without one" in " ".join((await door.issuers.inspect(door.provider, secret=False)).findings)
    door.issuer.metadata = {"issuer": "https://other.example"}
    report = await door.issuers.inspect(door.provider, secret=True)
    assert (report.usable, report.token_endpoint) == (False, "")
    assert "another issuer" in report.findings[0]


async def test_a_browser_signs_out_there(door: Door) -> None:
    """If it has a place for that; a query of its own stays."""
    door.issuer.metadata = {"end_session_endpoint": f"{door.issuer.url}/logout?x=1"}
    url = await door.issuers.end_session_url(door.provider, return_to="https://tocsin.example/sign-in")
    assert parse_qs(urlsplit(url).query) == {
        "x": ["1"],
        "client_id": ["tocsin"],
        "post_logout_redirect_uri": ["https://tocsin.example/sign-in"],
    }
    door.issuer.metadata = {"end_session_endpoint": None}
    door.issuers.forget(door.provider)
    assert await door.issuers.end_session_url(door.provider, return_to="") == ""
