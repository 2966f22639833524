"""Access tokens: asked for once, kept, renewed; and what it means for a message that there is none."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailer_svc.channels.oauth import AuthorizationGrant, ClientCredentials, GoogleServiceAccount, OAuthFailed, TokenSource
from mailer_svc.domain import SendResult
from tocsin.egress.client import HttpClient, HttpLimits
from tocsin.testing.clock import FakeClock
from tocsin.testing.http import Behaviour, HttpSink, Reply

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> str:
    """A private key as a file holds it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


KEY_FILE: dict[str, Any] = {
    "type": "service_account",
    "project_id": "tocsin-test",
    "private_key_id": "k1",
    "private_key": pem(KEY),
    "client_email": "push@tocsin-test.iam.gserviceaccount.com",
    "client_id": "1",
    "universe_domain": "googleapis.com",
}


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """The token endpoint."""
    async with HttpSink() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """What goes out."""
    client = HttpClient(allowed=None, limits=HttpLimits(connect_seconds=60.0, total_seconds=60.0, answer_bytes=20_000))
    yield client
    await client.close()


def token(name: str = "t1", **members: Any) -> Reply:
    """A good answer."""
    return Reply.of_json({"access_token": name, "token_type": "Bearer", "expires_in": 3600} | members)


def grant(sink: HttpSink) -> ClientCredentials:
    """The secret of a client."""
    return ClientCredentials(token_url=f"{sink.url}/token", client_id="c1", client_secret="s & = é", scope="a b")


def source(sink: HttpSink, http: HttpClient, clock: FakeClock, given: AuthorizationGrant | None = None) -> TokenSource:
    """Gives tokens."""
    return TokenSource(grant=given or grant(sink), http=http, clock=clock)


async def test_a_client_shows_its_secret(sink: HttpSink, http: HttpClient, clock: FakeClock) -> None:
    """RFC 6749, 4.4.2; the secret is in no text of the grant."""
    sink.script(token())
    assert await source(sink, http, clock).token() == "t1"
    (request,) = sink.requests
    assert (request.method, request.target, request.headers["content-type"]) == ("POST", "/token", "application/x-www-form-urlencoded")
    assert dict(parse_qsl(request.body.decode(), strict_parsing=True)) == {
        "grant_type": "client_credentials",
        "client_id": "c1",
        "client_secret": "s & = é",
        "scope": "a b",
    }
    assert "s & =" not in repr(grant(sink))


@pytest.mark.parametrize("subject", ["", "ann@example.com"])
async def test_a_service_account_signs(sink: HttpSink, http: HttpClient, clock: FakeClock, subject: str) -> None:
    """RFC 7523, 2.1 and 3, as Google wants it."""
    sink.script(token())
    text = json.dumps(KEY_FILE | {"token_uri": f"{sink.url}/token"})
    account = GoogleServiceAccount.parse(text, scope="https://mail.google.com/", subject=subject)
    assert await source(sink, http, clock, account).token() == "t1"
    form = dict(parse_qsl(sink.requests[0].body.decode(), strict_parsing=True))
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    public: Any = KEY.public_key()
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(form["assertion"], public, algorithms=["RS256"], audience=f"{sink.url}/token", options=options)
    now = clock.micros() // 1_000_000
    assert claims == {
        "iss": KEY_FILE["client_email"],
        "scope": "https://mail.google.com/",
        "aud": f"{sink.url}/token",
        "iat": now,
        "exp": now + 3600,
    } | ({"sub": subject} if subject else {})
    assert jwt.get_unverified_header(form["assertion"])["kid"] == "k1"


async def test_a_token_is_kept_until_shortly_before_its_end(sink: HttpSink, http: HttpClient, clock: FakeClock) -> None:
    """Five minutes early, or after half its life if that is short."""
    sink.script(token("t1"), token("t2", expires_in=100), token("t3", expires_in="odd"), token("t4"))
    tokens = source(sink, http, clock)
    for seconds, wanted in [(0, "t1"), (3299, "t1"), (2, "t2"), (49, "t2"), (2, "t3"), (3299, "t3"), (2, "t4")]:
        await clock.advance(seconds)
        assert await tokens.token() == wanted


async def test_many_wait_for_one(sink: HttpSink, http: HttpClient, clock: FakeClock) -> None:
    """Also when it is refused, and those that come with the news later do not take its successor away."""
    sink.script(token("t1"), token("t2"))
    tokens = source(sink, http, clock)
    assert await asyncio.gather(*(tokens.token() for _ in range(20))) == ["t1"] * 20
    tokens.invalidate("t1")
    assert await asyncio.gather(*(tokens.token() for _ in range(20))) == ["t2"] * 20
    tokens.invalidate("t1")
    assert await tokens.token() == "t2"
    assert len(sink.requests) == 2


async def test_one_who_gives_up_takes_nobody_along(sink: HttpSink, http: HttpClient, clock: FakeClock) -> None:
    """The next one asks."""
    asked = asyncio.Event()

    async def hang(*_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    sink.script(hang, token())
    tokens = source(sink, http, clock)
    first, second = (asyncio.create_task(tokens.token()) for _ in range(2))
    await asked.wait()
    first.cancel()
    assert await second == "t1"


async def endless(_request: object, writer: asyncio.StreamWriter) -> None:
    """An answer that does not end."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 30_000)
    await writer.drain()


TORN = Reply(raw=b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"access_token": "t1"')


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (Reply.of_json({"error": "invalid_client", "error_description": "secret s"}, status=401), SendResult.MISCONFIGURED),
        (Reply.of_json({"error": "invalid_grant"}, status=400), SendResult.MISCONFIGURED),
        (Reply.of_json({"error": {"code": 403}}, status=403), SendResult.MISCONFIGURED),
        (Reply(status=404, body=b"<html>"), SendResult.MISCONFIGURED),
        (Reply(status=302, headers={"location": "http://127.0.0.1:9/"}), SendResult.MISCONFIGURED),
        (Reply.of_json({"error": "temporarily_unavailable"}, status=400), SendResult.PROVIDER_DOWN),
        (Reply(status=429), SendResult.PROVIDER_DOWN),
        (Reply(status=502, body=b"<html>"), SendResult.PROVIDER_DOWN),
        (Reply(status=200, body=b"<html>"), SendResult.PROVIDER_DOWN),
        (Reply(status=200, body=b"[" * 10_000), SendResult.PROVIDER_DOWN),
        (token(""), SendResult.PROVIDER_DOWN),
        (token("a\r\nb: c"), SendResult.PROVIDER_DOWN),
        (token("é"), SendResult.PROVIDER_DOWN),
        (token("a" * 17_000), SendResult.PROVIDER_DOWN),
        (token(token_type="mac"), SendResult.PROVIDER_DOWN),
        (Reply.of_json({"access_token": 7}), SendResult.PROVIDER_DOWN),
        (TORN, SendResult.PROVIDER_DOWN),
        (Reply(raw=b"nonsense"), SendResult.PROVIDER_DOWN),
        (Reply(raw=b""), SendResult.PROVIDER_DOWN),
        (endless, SendResult.PROVIDER_DOWN),
    ],
)
async def test_without_a_token(sink: HttpSink, http: HttpClient, clock: FakeClock, reply: Reply | Behaviour, result: SendResult) -> None:
    """Each answer has its class; nobody asks again for some seconds, and what the server wrote is not repeated."""
    sink.script(reply, token())
    tokens = source(sink, http, clock)
    for _ in range(2):
        with pytest.raises(OAuthFailed) as raised:
            await tokens.token()
        assert raised.value.outcome.result is result
        assert "secret" not in raised.value.outcome.detail
    assert len(sink.requests) == 1
    await clock.advance(5)
    assert await tokens.token() == "t1"


async def test_an_endpoint_that_is_not_there(http: HttpClient, clock: FakeClock) -> None:
    """Or that no request can go to."""
    for url, result in [("http://127.0.0.1:9/token", SendResult.PROVIDER_DOWN), ("ftp://a.example", SendResult.MISCONFIGURED)]:
        tokens = TokenSource(grant=ClientCredentials(token_url=url, client_id="c", client_secret="s", scope=""), http=http, clock=clock)
        with pytest.raises(OAuthFailed) as raised:
            await tokens.token()
        assert raised.value.outcome.result is result


@pytest.mark.parametrize(
    "change",
    [
        {"type": "authorized_user"}, {"type": None}, {"private_key": "x"}, {"private_key": 7}, {"project_id": None}, {"client_email": []},
        {"private_key": pem(ec.generate_private_key(ec.SECP256R1()))},
        {"private_key": pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))},  # noqa: S505 - that is the point
    ],
)  # fmt: skip
def test_a_key_file_is_read_strictly(change: dict[str, Any]) -> None:
    """What is wrong is refused without showing any of it."""
    with pytest.raises(ValueError, match="must be") as raised:
        GoogleServiceAccount.parse(json.dumps(KEY_FILE | change), scope="s")
    assert "MII" not in str(raised.value)
    with pytest.raises(ValueError, match="JSON key file"):
        GoogleServiceAccount.parse("{" + json.dumps(KEY_FILE), scope="s")
