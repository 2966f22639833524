"""The client for requests that leave the installation, against servers that do not do as they should."""

import asyncio
import contextlib
import gzip
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from tocsin.clock import SystemClock
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpClient, HttpLimits, HttpRequest, NoAnswer, NotConnected, RequestRefused
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.http import HttpSink, Reply, SeenRequest

LOOPBACK = AllowedTargets.parse(["127.0.0.0/8"])
LIMITS = HttpLimits(connections=4, connect_seconds=60.0, total_seconds=60.0, answer_bytes=1000)


class Names:
    """A resolver that answers each question with the next of its answers."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """A far end."""
    async with HttpSink() as server:
        yield server


@contextlib.asynccontextmanager
async def client(
    *, allowed: AllowedTargets | None = LOOPBACK, limits: HttpLimits = LIMITS, names: Names | None = None, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[HttpClient]:
    """A client that is closed in the end."""
    made = HttpClient(allowed=allowed, limits=limits, resolve=names, tls=tls)
    try:
        yield made
    finally:
        await made.close()


async def test_a_request_arrives_as_it_was_made(sink: HttpSink) -> None:
    """Method, path, headers, body; connections are used again; nothing of the environment or of an earlier answer is added."""
    sink.script(Reply(status=201, body=b"{}", headers={"Set-Cookie": "a=b", "X-Name": "value"}))
    async with client() as http:
        request = HttpRequest.of_json(f"{sink.url}/a?b=c", {"ä": 1}, {"X-Key": "k"})
        await http.send(request)
        answer = await http.send(request)
    first, second = sink.requests
    assert (first.method, first.target, first.json) == ("POST", "/a?b=c", {"ä": 1})
    assert first.headers == second.headers
    assert set(first.headers) == {"host", "user-agent", "accept-encoding", "content-type", "x-key", "content-length"}
    assert (answer.status, answer.headers["x-name"], answer.body, answer.whole, sink.connections) == (201, "value", b"{}", True, 1)


async def test_no_proxy_of_the_environment_is_asked(sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would see everything, and could reach what the guard forbids."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with client() as http:
        assert (await http.send(HttpRequest(url=sink.url))).ok


async def test_a_redirect_is_an_answer(sink: HttpSink) -> None:
    """It is not followed, wherever it leads."""
    sink.script(Reply(status=302, headers={"Location": f"{sink.url}/secret"}))
    async with client() as http:
        assert (await http.send(HttpRequest(url=sink.url))).status == 302
    assert len(sink.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "169.254.169.254", "0.0.0.0"])
async def test_a_user_cannot_reach_this_machine(sink: HttpSink, host: str) -> None:
    """By no form of its address; nothing is connected to."""
    async with client(allowed=AllowedTargets()) as http:
        with pytest.raises(RequestRefused):
            await http.send(HttpRequest(url=f"http://{host}:{sink.port}/"))
    assert sink.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], ["fe80::1%lo"], ["2002:7f00:1::"],
        ["2606:4700::1111", "10.0.0.1"],
    ],
)  # fmt: skip
async def test_a_name_that_leads_inside_is_refused(sink: HttpSink, addresses: list[str]) -> None:
    """Every address of it has to be public, not only the one that would be used."""
    async with client(allowed=AllowedTargets(), names=Names(addresses)) as http:
        with pytest.raises(RequestRefused, match="not a public one"):
            await http.send(HttpRequest(url=f"http://hooks.example.com:{sink.port}/"))
    assert sink.connections == 0


async def test_a_name_is_asked_once(sink: HttpSink) -> None:
    """What was judged is what is connected to: an answer that changes in between (DNS rebinding) changes nothing."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with client(names=names) as http:
        assert (await http.send(HttpRequest(url=f"http://hooks.example.com:{sink.port}/x"))).ok
    assert names.asked == ["hooks.example.com"]
    assert sink.requests[0].headers["host"] == f"hooks.example.com:{sink.port}"


async def test_the_next_address_is_tried(sink: HttpSink) -> None:
    """One that takes no connection is no reason not to ask the others."""
    async with client(names=Names(["127.0.0.2", "127.0.0.1"])) as http:
        assert (await http.send(HttpRequest(url=f"http://hooks.example.com:{sink.port}/"))).ok


async def test_an_operators_own_url_goes_anywhere(sink: HttpSink) -> None:
    """And a name that an operator opened."""
    async with client(allowed=None) as http:
        assert (await http.send(HttpRequest(url=sink.url))).ok
    async with client(allowed=AllowedTargets.parse(["ntfy"]), names=Names(["127.0.0.1"])) as http:
        assert (await http.send(HttpRequest(url=f"http://ntfy:{sink.port}/"))).ok


async def trickle(_request: SeenRequest, writer: asyncio.StreamWriter) -> None:
    """A byte now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def silence(_request: SeenRequest, _writer: asyncio.StreamWriter) -> None:
    """Nothing, for ever."""
    await asyncio.Event().wait()


async def informational(_request: SeenRequest, writer: asyncio.StreamWriter) -> None:
    """Says again and again that an answer will come."""
    while True:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def headers_without_end(_request: SeenRequest, writer: asyncio.StreamWriter) -> None:
    """Headers, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-y: " + b"z" * 10_000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    "answer",
    [
        silence, trickle, informational, headers_without_end,
        Reply(raw=b""), Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-le"), Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"),
        Reply(raw=b"SSH-2.0-OpenSSH_9\r\n\r\n"), Reply(raw=b"HTTP/1.1 99999 OK\r\n\r\n"), Reply(raw=b"\x00" * 500),
        Reply(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        Reply(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc"),
        Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_leaves_the_outcome_open(
    sink: HttpSink, answer: Reply | Callable[[SeenRequest, asyncio.StreamWriter], Awaitable[None]]
) -> None:
    """The request was sent: late, torn, endless, malformed, or another protocol."""
    sink.script(answer)
    async with client() as http:
        with pytest.raises(NoAnswer):
            await http.send(HttpRequest(url=sink.url, body=b"x"), total_seconds=1.0 if callable(answer) else None)
        sink.script(Reply())
        assert (await http.send(HttpRequest(url=sink.url))).ok
    assert len(sink.requests) == 1


async def endless(_request: SeenRequest, writer: asyncio.StreamWriter) -> None:
    """A body without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 10_000)
        await writer.drain()


@pytest.mark.parametrize("answer", [endless, Reply(body=b"x" * 1001), Reply(body=b"x" * 50_000_000)])
async def test_of_a_long_answer_the_beginning_is_read(
    sink: HttpSink, answer: Reply | Callable[[SeenRequest, asyncio.StreamWriter], Awaitable[None]]
) -> None:
    """Its status says what is needed."""
    sink.script(answer)
    async with client() as http:
        found = await http.send(HttpRequest(url=sink.url))
        assert (found.status, found.body, found.whole) == (200, b"x" * 1000, False)
        sink.script(Reply(body=b"y"))
        assert (await http.send(HttpRequest(url=sink.url))).body == b"y"


async def test_an_answer_is_not_unpacked(sink: HttpSink) -> None:
    """A megabyte of blanks fits into a kilobyte."""
    packed = gzip.compress(b" " * 900_000)
    sink.script(Reply(body=packed, headers={"Content-Encoding": "gzip"}))
    async with client() as http:
        assert (await http.send(HttpRequest(url=sink.url))).body == packed[:1000]


@pytest.mark.parametrize("body", [b"", b"[1]", b"nonsense", b"\xff", b'{"a":' * 5000, b'"' + b"x" * 2000, b"null", b'{"a": NaN}'[:7]])
async def test_json_that_is_none_has_no_members(sink: HttpSink, body: bytes) -> None:
    """Whatever it is instead."""
    sink.script(Reply(body=body))
    async with client() as http:
        assert dict((await http.send(HttpRequest(url=sink.url))).json()) == {}


async def test_nobody_there_means_that_nothing_was_sent() -> None:
    """Refused, unresolvable, and an address without a route."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with client() as http:
        with pytest.raises(NotConnected, match="refused"):
            await http.send(HttpRequest(url=f"http://127.0.0.1:{port}/"))
        with pytest.raises(NotConnected, match="no address"):
            await http.send(HttpRequest(url="http://nowhere.invalid/"))
    async with client(names=Names([])) as http:
        with pytest.raises(NotConnected, match="no address"):
            await http.send(HttpRequest(url="http://hooks.example.com/"))


async def test_asking_for_an_address_has_a_bound() -> None:
    """A name server that hangs."""

    async def hang(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    http = HttpClient(allowed=LOOPBACK, limits=HttpLimits(connect_seconds=0.05), resolve=hang)
    with pytest.raises(NotConnected, match="too long"):
        await http.send(HttpRequest(url="http://hooks.example.com/"))
    await http.close()


@pytest.mark.parametrize(
    "headers", [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "ä"}, {"X Y": "a"}, {"": "a"}, {"X": " a"}, {"X": "a\x00"}, {"X\r\nY": "a"}]
)
async def test_a_header_cannot_hold_another(sink: HttpSink, headers: dict[str, str]) -> None:
    """Nothing is connected to."""
    async with client() as http:
        with pytest.raises(RequestRefused):
            await http.send(HttpRequest(url=sink.url, headers=headers))
    assert sink.connections == 0


async def test_whoever_is_asked_before_the_first_byte_can_stop_it(sink: HttpSink) -> None:
    """The connection stands by then, and the far end has seen nothing."""

    class Stopped(Exception):
        pass

    async def stop() -> None:
        assert sink.connections == 1
        raise Stopped

    async with client() as http:
        with pytest.raises(Stopped):
            await http.send(HttpRequest(url=sink.url), on_send=stop)
        asked: list[int] = []

        async def note() -> None:
            asked.append(len(sink.requests))

        assert (await http.send(HttpRequest(url=sink.url), on_send=note)).ok
    assert asked == [0]


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server named localhost, and of clients that trust it."""
    ensure_pki(folder=folder, services=["sink"], trust_domain="tocsin.local", clock=SystemClock())
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "sink.pem", folder / "sink-key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "ca.pem"))


async def test_tls_is_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    """The name of the URL goes out as SNI and is looked for in the certificate, though the connection is to an address."""
    server, trusting = contexts(tmp_path)
    seen: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: seen.append(name)
    async with HttpSink(tls=server) as sink:
        async with client(names=Names(["127.0.0.1"]), tls=trusting) as http:
            assert (await http.send(HttpRequest(url=f"https://localhost.:{sink.port}/"))).ok
            with pytest.raises(NotConnected, match="certificate"):
                await http.send(HttpRequest(url=f"https://hooks.example.com:{sink.port}/"))
        async with client(names=Names(["127.0.0.1"])) as http:
            with pytest.raises(NotConnected, match="certificate"):
                await http.send(HttpRequest(url=f"https://localhost:{sink.port}/"))
        async with client(names=Names(["127.0.0.1"]), tls=trusting) as http:
            with pytest.raises(NoAnswer):
                await http.send(HttpRequest(url=f"http://localhost:{sink.port}/"))
    assert seen == ["localhost", "hooks.example.com", "localhost"]
