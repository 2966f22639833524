"""Connections of the client for requests that leave the installation: when they are used again, and when they must not be."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from tests.integration.tocsin.test_egress import Names, client, contexts
from tocsin.egress.client import HttpAnswer, HttpLimits, HttpRequest, NoAnswer, NotConnected, RequestRefused
from tocsin.testing.http import HttpSink, Reply, SeenRequest
from tocsin.testing.waiting import eventually

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """A far end."""
    async with HttpSink() as server:
        yield server


def says(*pieces: bytes, said: asyncio.Event | None = None) -> Callable[[SeenRequest, asyncio.StreamWriter], Awaitable[None]]:
    """Answers with bytes, piece by piece, and leaves the connection open; ``said`` is set when all are sent."""

    async def behave(_request: SeenRequest, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005)
        if said is not None:
            said.set()
        await asyncio.Event().wait()

    return behave


async def _turns_of_the_loop() -> None:
    """In which asyncio ends connections and hears of ends, on a machine that stood still meanwhile as well."""
    await asyncio.sleep(0.01)
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (OK[:-2], 200, None), (OK, 200, b"ok"), (OK.replace(b"1.1", b"1.0"), 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"), (b"HTTP/1.1 200 OK\r\n\r\n", 200, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""), (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 900\r\n\r\n", 304, b""),
        (b"HTTP/1.1 102 Processing\r\nx-a: b\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n\x00\x01", 101, b""),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x00\x01", 101, b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nx-b: c\r\n\r\n", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok", 200, None),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, None),
        (OK + b"HTTP/1.1 500 Oh\r\ncontent-length: 3\r\nx-c: d\r\n\r\nbad", 200, b"ok"), (OK + b"\x00junk", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nx-a:\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nx a: b\r\ncontent-length: 2\r\n\r\nok", 200, None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\n\n\r\nok", 200, None), (b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok", 200, None),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"e" * 150_000 + b"\r\nx\r\n0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"x: " + b"y" * 150_000 + b"\r\n\r\n", 200, b""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1_000_000, 7])
async def test_an_answer_is_what_the_protocol_says(sink: HttpSink, raw: bytes, status: int, body: bytes | None, size: int) -> None:
    """However it is cut into pieces; ``None``: there is no telling. Nothing of it reaches the request that follows."""
    if size == 7 and len(raw) > 10_000:
        size = 50_000

    async def behave(_request: SeenRequest, writer: asyncio.StreamWriter) -> None:
        for first in range(0, len(raw), size):
            writer.write(raw[first : first + size])
            await writer.drain()
            await asyncio.sleep(0)

    sink.script(behave, Reply(body=b"next"))
    async with client() as http:
        try:
            answer = await http.send(HttpRequest(url=sink.url, body=b"x"))
            found: tuple[int, bytes | None] = (answer.status, answer.body)
            assert not {"x-b", "x-c"} & set(answer.headers)
        except NoAnswer:
            found = (200, None)
        assert found == (status, body) or (len(raw) > 10_000 and found == (200, b"x"))
        await eventually(lambda: sink.open == 0, what="the end of the connection")
        await _turns_of_the_loop()
        assert (await http.send(HttpRequest(url=sink.url))).body == b"next"


async def test_what_nobody_asked_for_answers_nothing(sink: HttpSink) -> None:
    """A second answer, also one that comes later, is not that of the next request."""
    said = asyncio.Event()
    sink.script(says(OK, OK.replace(b"ok", b"no"), said=said), Reply(body=b"next"))
    async with client() as http:
        assert (await http.send(HttpRequest(url=sink.url))).body == b"ok"
        await said.wait()
        assert (await http.send(HttpRequest(url=sink.url))).body == b"next"
    assert sink.connections == 2


async def test_an_idle_connection_that_ended_is_not_used(sink: HttpSink) -> None:
    """Its end is seen before anything is sent."""
    async with client() as http:
        assert (await http.send(HttpRequest(url=sink.url))).ok
        await sink.end_connections()
        await _turns_of_the_loop()
        assert (await http.send(HttpRequest(url=sink.url))).ok
    assert (sink.connections, len(sink.requests)) == (2, 2)


async def test_a_connection_that_ends_before_the_first_byte_is_replaced(sink: HttpSink) -> None:
    """Nothing was sent on it, so it is sent on another; whoever was asked is not asked again."""
    asked: list[int] = []

    async def note() -> None:
        asked.append(sink.connections)
        await sink.end_connections()
        await _turns_of_the_loop()

    async with client() as http:
        assert (await http.send(HttpRequest(url=sink.url), on_send=note)).ok
    assert (asked, sink.connections, len(sink.requests)) == ([1], 2, 1)


async def test_a_request_under_way_is_never_repeated(sink: HttpSink) -> None:
    """The far end may have taken it, and ended the connection instead of an answer."""
    async with client() as http:
        assert (await http.send(HttpRequest(url=sink.url))).ok
        sink.script(Reply(raw=b""), Reply())
        with pytest.raises(NoAnswer):
            await http.send(HttpRequest(url=sink.url))
        assert len(sink.requests) == 1


async def test_connections_have_a_bound(sink: HttpSink) -> None:
    """Who finds none free waits; one to another host makes room, and one that is stopped leaves its place."""
    limits = HttpLimits(connections=2, connect_seconds=2.0, total_seconds=60.0)
    async with client(limits=limits, names=Names(["127.0.0.1"])) as http:
        answers = await asyncio.gather(*(http.send(HttpRequest(url=sink.url)) for _ in range(20)))
        assert all(answer.ok for answer in answers)
        assert sink.connections <= 2
        for number in range(5):
            assert (await http.send(HttpRequest(url=f"http://h{number}.example.com:{sink.port}/"))).ok
        assert sink.open <= 2
        sink.script(says(b""))
        held = [asyncio.create_task(http.send(HttpRequest(url=sink.url))) for _ in range(2)]
        await eventually(lambda: len(sink.requests) == 2, what="two requests under way")
        with pytest.raises(NotConnected, match="too long"):
            await http.send(HttpRequest(url=sink.url))
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        sink.script(Reply())
        assert (await http.send(HttpRequest(url=sink.url))).ok


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection", "Expect"])
async def test_headers_that_frame_the_request_are_the_clients(sink: HttpSink, name: str) -> None:
    """Two readers could read two requests otherwise."""
    async with client() as http:
        with pytest.raises(RequestRefused, match="not for a caller"):
            await http.send(HttpRequest(url=sink.url, headers={name: "chunked"}))
        with pytest.raises(RequestRefused, match="method"):
            await http.send(HttpRequest(method="POST / HTTP/1.1\r\nX: y", url=sink.url))
    assert sink.connections == 0


async def test_an_answer_to_head_has_no_body(sink: HttpSink) -> None:
    """Whatever length it tells."""
    sink.script(says(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n"))
    async with client() as http:
        answer = await http.send(HttpRequest(method="HEAD", url=sink.url))
    assert (answer.status, answer.body, answer.whole) == (200, b"", True)


async def test_an_early_answer_ends_the_connection(sink: HttpSink) -> None:
    """The rest of a long request would be read as the next one."""

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Long\r\ncontent-length: 0\r\n\r\n")
        with contextlib.suppress(OSError):
            while await reader.read(1_000_000):
                pass
        writer.close()
        ended.append(True)

    ended: list[bool] = []

    server = await asyncio.start_server(early, "127.0.0.1", 0)
    async with client() as http:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert (await http.send(HttpRequest(url=url, body=b"x" * 30_000_000))).status == 413
        assert (await http.send(HttpRequest(url=url))).status == 413
    await eventually(lambda: len(ended) == 2, what="the end of two connections")
    server.close()


def test_it_works_on_uvloop_as_well(tmp_path: Path) -> None:
    """Which the services run on: plain and with TLS, connections kept, certificates checked."""

    async def talk(server: ssl.SSLContext | None, trusting: ssl.SSLContext) -> tuple[list[HttpAnswer], int]:
        async with HttpSink(tls=server) as sink, client(names=Names(["127.0.0.1"]), tls=trusting) as http:
            url = f"{sink.url.partition(':')[0]}://localhost:{sink.port}/"
            answers = [await http.send(HttpRequest(url=url, body=b"x")) for _ in range(3)]
            sink.script(Reply(raw=b""))
            with pytest.raises(NoAnswer):
                await http.send(HttpRequest(url=url))
            if server:
                with pytest.raises(NotConnected, match="certificate"):
                    await http.send(HttpRequest(url=f"https://other.example.com:{sink.port}/"))
            return answers, sink.connections

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]

    async def nobody() -> None:
        async with client() as http:
            with pytest.raises(NotConnected, match="refused"):
                await http.send(HttpRequest(url=f"http://127.0.0.1:{closed}/"))

    server, trusting = contexts(tmp_path)
    for tls in (None, server):
        answers, connections = uvloop.run(talk(tls, trusting))
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert connections == 1
    uvloop.run(nobody())


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("HEAD", True), ("POST", False), ("DELETE", False)])
async def test_a_kept_connection_that_ends_under_a_request_costs_what_only_reads_nothing(sink: HttpSink, method: str, again: bool) -> None:
    """A far end may end an idle connection just as the next request leaves; what may have done something is not sent twice."""

    async def gone(_request: SeenRequest, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    sink.script(Reply(body=b"first"), gone, Reply(body=b"second"))
    async with client() as http:
        assert (await http.send(HttpRequest(method="GET", url=sink.url))).body == b"first"
        if again:
            assert (await http.send(HttpRequest(method=method, url=sink.url))).status == 200
        else:
            with pytest.raises(NoAnswer):
                await http.send(HttpRequest(method=method, url=sink.url))
    assert [request.method for request in sink.requests] == ["GET", method, *([method] if again else [])]


async def test_a_new_connection_that_ends_is_an_end(sink: HttpSink) -> None:
    """Nothing is tried twice at a far end that takes every request and answers none."""

    async def gone(_request: SeenRequest, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    sink.script(gone)
    async with client() as http:
        with pytest.raises(NoAnswer):
            await http.send(HttpRequest(method="GET", url=sink.url))
    assert len(sink.requests) == 1
