"""Whatever a route raises, the client gets a problem document, and never a text of the server's own."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.access_log import AccessLog
from gateway.config import GatewaySettings
from gateway.credential_watch import CredentialWatch
from gateway.credentials import Authenticator
from gateway.http.app import HttpApp
from gateway.http.cors import Cors
from gateway.http.endpoints import Answer, Endpoint, PageEndpoint
from gateway.http.exchange import Exchange
from gateway.ingress import Ingress
from gateway.ports import BegunPasskey, IssuedTokens, OpenedSession
from gateway.sessions import BrowserSessions
from gateway.stream_tokens import StreamTokenDoor, StreamTokenRefused
from gateway.transcoding.router import Router
from gateway.transcoding.template import parse
from gateway.trusted_proxies import TrustedProxies
from tests.integration.auth.journals import journal_in
from tests.unit.gateway.limits import no_limits
from tests.unit.gateway.test_credentials import RULE, Keys
from tocsin.errors import FieldViolation, InvalidInput, NotFound, Unauthenticated
from tocsin.mesh.bulkhead import Bulkheads
from tocsin.mesh.jwks import JwksCache
from tocsin.mesh.tokens import TokenVerifier
from tocsin.telemetry import Telemetry
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.clock import FakeClock
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint


class NoStreamTokens:
    """Knows no stream token."""

    async def exchange(self, token: str, path: str) -> str:
        """Refuses it."""
        raise StreamTokenRefused


class NoSessions:
    """Signs nobody in."""

    async def sign_in(self, fields: Mapping[str, object]) -> IssuedTokens:
        """Refuses it."""
        raise Unauthenticated

    async def begin_passkey(self, challenge: str, device: str) -> BegunPasskey:
        """Refuses it."""
        raise Unauthenticated

    async def sign_in_by_link(self, token: str) -> IssuedTokens:
        """Refuses it."""
        raise Unauthenticated

    async def open_session(self, refresh_token: str) -> OpenedSession:
        """Refuses it."""
        raise Unauthenticated

    async def close_session(self, secret: str) -> str:
        """Ends nothing."""
        del secret
        return ""


def unshowable() -> InvalidInput:
    """An error that JSON cannot write."""
    error = InvalidInput("x")
    metadata: Any = error.metadata
    metadata["x"] = object()
    return error


def app(error: BaseException, clock: FakeClock) -> HttpApp:
    """A gateway whose only page raises ``error``."""

    async def page(_: Exchange) -> Answer:
        raise error

    defaults: dict[str, Any] = {}
    settings = GatewaySettings(**defaults)
    mint = TokenMint(clock=clock)
    verifier = TokenVerifier(keys=JwksCache(source=mint.fetch, file=None, clock=clock), issuer=ISSUER, audience=AUDIENCE, clock=clock)
    routes: Router[Endpoint] = Router([("GET", parse("/page"), PageEndpoint(template="/page", page=page))])
    keys, proxies = Keys(mint), TrustedProxies(networks=(), header="forwarded")
    authenticator = Authenticator(verifier=verifier, keys=keys, sessions=keys, clock=clock, rule=RULE, session_rule=RULE)
    return HttpApp(
        routes=routes,
        sockets=Router([]),
        cors=Cors(origins=()),
        max_body_bytes=1000,
        sessions=BrowserSessions(keeper=NoSessions(), authenticator=authenticator, proxies=proxies, clock=clock),
        ingress=Ingress(
            authenticator=authenticator,
            telemetry=Telemetry(service="gateway", settings=settings),
            clock=clock,
            access_log=AccessLog(service="gateway", clock=clock, enabled=False, as_json=True, stream=io.StringIO()),
            limits=no_limits(clock),
            bulkheads=Bulkheads(settings),
            alerts=RecordedAlerts(),
            proxies=proxies,
            credential_watch=CredentialWatch(authenticator=authenticator, clock=clock),
            stream_tokens=StreamTokenDoor(exchange=NoStreamTokens()),
            journal=journal_in(Path("/nowhere"), clock),
        ),
    )


async def asked(
    served: HttpApp, *, path: bytes = b"/page", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> tuple[int, dict[bytes, bytes], Any]:
    """Status, headers and document of one request."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "raw_path": path,
        "query_string": b"",
        "headers": [(b"host", b"x"), *headers],
    }
    await served(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(b"".join(item["body"] for item in sent[1:]))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("secret of /srv/inside"), 500),
        (KeyError("\ud800"), 500),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), 500),
        (RecursionError(), 500),
        (MemoryError(), 500),
        (StopAsyncIteration(), 500),
        (InvalidInput("\ud800\udfff \0", violations=[FieldViolation("\udc00", "\ud800")]), 400),
        (NotFound("x" * 1_000_000, metadata={"name": "\ud800" + "x" * 1_000_000}), 404),
        (InvalidInput("many", violations=[FieldViolation(f"f{number}", "x" * 2000) for number in range(10_000)]), 400),
        (unshowable(), 500),
    ],
    ids=lambda item: item.__class__.__name__,
)
async def test_whatever_is_raised_is_a_problem_document(clock: FakeClock, error: BaseException, status: int) -> None:
    """With its status, its trace and nothing from inside, of a size that can be read."""
    found, headers, document = await asked(app(error, clock))
    assert (found, document["status"]) == (status, status)
    assert headers[b"content-type"] == b"application/problem+json"
    assert document["instance"].startswith("urn:tocsin:trace:")
    assert "secret" not in str(document)
    assert len(str(document)) < 60_000


@pytest.mark.parametrize("path", [b"", b"/\xff\xfe", b"/%ff", b"/" + b"%00" * 1000, b"//", b"/page/" + b"a" * 10_000])
async def test_a_path_that_is_none_is_a_problem_document(clock: FakeClock, path: bytes) -> None:
    """Whatever a server passes on as a path."""
    found, headers, document = await asked(app(RuntimeError(), clock), path=path)
    assert found in (400, 404), document
    assert headers[b"content-type"] == b"application/problem+json"


@pytest.mark.parametrize(
    "name", [b"authorization", b"traceparent", b"x-request-timeout", b"origin", b"accept", b"last-event-id", b"content-length"]
)
async def test_a_header_that_is_none_is_a_problem_document(clock: FakeClock, name: bytes) -> None:
    """Bytes of any kind in each header that is read."""
    for value in (b"\xff\x00\xfe", b"\xed\xa0\x80", b"", b"9" * 5000, b"," * 5000, b"a" * 5000):
        found, headers, document = await asked(app(NotFound(), clock), headers=((name, value),))
        assert found < 500, document
        assert headers[b"content-type"] == b"application/problem+json"
