"""Several requests on one connection: each answer is that of its request, whatever comes behind it, and whoever leaves meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.gateway.support import Book, Rig
from tests.integration.gateway.test_connections import Raw, connect
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = b"POST /shelf.v1.ShelfService/Hello HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
KNOCK = b"POST /shelf.v1.ShelfService/Hello HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
MISSING = b"GET /missing HTTP/1.1\r\nHost: x\r\n\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


class Held:
    """Calls that wait until they are let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()

    async def __call__(self, request: Any) -> Any:
        """One call."""
        del request
        self.begun += 1
        await self.go.wait()
        return Book(title="late")


@pytest_asyncio.fixture(loop_scope="module")
async def raw(shared: Rig) -> AsyncGenerator[Raw]:
    """A connection."""
    made = await connect(shared)
    yield made
    await made.close()


@pytest.mark.parametrize(
    "behind",
    [b"NO REQUEST\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n"],
    ids=["garbage", "a blank in a name", "a length that is none"],
)
async def test_a_refusal_comes_behind_the_answers_that_are_due(shared: Rig, raw: Raw, behind: bytes) -> None:
    """A proxy would give it to whoever asked first."""
    shared.shelf.act = held = Held()
    raw.writer.write(KNOCK + MISSING + behind + KNOCK)
    await eventually(lambda: held.begun == 1, what="the first call")
    held.go.set()
    assert [(await raw.answer())[0] for _ in range(3)] == [200, 404, 400]
    assert await raw.ended()
    assert held.begun == 1


async def test_a_body_that_breaks_off_is_refused_in_the_place_of_its_answer(shared: Rig, raw: Raw) -> None:
    """Behind those before it; what its service would have said is not said."""
    shared.shelf.act = held = Held()
    chunked = HELLO + b"Transfer-Encoding: chunked\r\n\r\n"
    raw.writer.write(KNOCK + chunked + b"1\r\n{\r\nzz\r\n")
    await eventually(lambda: held.begun == 1, what="the first call")
    held.go.set()
    assert [(await raw.answer())[0] for _ in range(2)] == [200, 400]
    assert await raw.ended()
    again = await connect(shared)
    again.writer.write(chunked + b"1\r\n{\r\nzz\r\n")
    assert (await again.answer())[0] == 400
    assert await again.ended()


async def test_a_body_that_breaks_off_after_its_answer_gets_no_second_one(raw: Raw) -> None:
    """It was refused by its head; the connection ends."""
    raw.writer.write(b"POST /missing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (await raw.answer())[0] == 404
    raw.writer.write(b"zz\r\n")
    assert await raw.ended()


async def test_so_many_requests_wait_and_no_more(shared: Rig, raw: Raw) -> None:
    """Else a client that asks and asks fills the memory: the first hundred that wait are answered, what is behind them is not read."""
    shared.shelf.act = held = Held()
    raw.writer.write(KNOCK + MISSING * 5000)
    await eventually(lambda: held.begun == 1, what="the first call")
    held.go.set()
    found = [(await raw.answer())[0] for _ in range(102)]
    assert found == [200, *[404] * 100, 429]
    assert await raw.ended()


async def test_who_leaves_ends_what_is_answered_though_others_wait(shared: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """The call ends, and nothing of it is an error of this house."""
    shared.shelf.act = held = Held()
    gone = await connect(shared)
    gone.writer.write(KNOCK + MISSING * 3)
    await eventually(lambda: held.begun == 1, what="the first call")
    await gone.close()
    await eventually(lambda: shared.shelf.cancelled == 1, what="the end of the call")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 2\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"Content-Length: 3\r\n\r\n{x}"],
    ids=["a length", "chunks", "no JSON"],
)
@pytest.mark.parametrize(
    "wish",
    [H2C, b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"Upgrade: TLS/1.0\r\nconnection: close, UPGRADE\r\n"],
    ids=["HTTP/2", "a WebSocket by POST", "TLS"],
)
async def test_another_protocol_that_is_not_spoken_is_passed_over(raw: Raw, wish: bytes, body: bytes) -> None:
    """Java's client and `curl --http2` ask for HTTP/2 with their first request (RFC 9110, 7.8): its body counts, and the next one."""
    raw.writer.write(HELLO + wish + body + (b"" if b"close" in wish else MISSING))
    assert (await raw.answer())[0] == (400 if b"{x}" in body else 200)
    if b"close" in wish:
        assert await raw.ended()
    else:
        assert (await raw.answer())[0] == 404


async def test_a_body_may_come_later_than_the_wish_for_another_protocol(raw: Raw) -> None:
    """In a packet of its own."""
    raw.writer.write(HELLO + H2C + b"Content-Length: 3\r\n\r\n")
    for _ in range(20):
        await asyncio.sleep(0)  # the gateway reads in this loop, too
    raw.writer.write(b"{x}")
    assert (await raw.answer())[0] == 400
    assert await raw.ask(MISSING) == 404


async def test_a_handshake_waits_for_nobody(shared: Rig, raw: Raw) -> None:
    """A WebSocket that begins while an answer is due would mix with it: it is refused behind that answer."""
    shared.shelf.act = held = Held()
    raw.writer.write(
        KNOCK + b"GET /v1/books:watch HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await eventually(lambda: held.begun == 1, what="the first call")
    held.go.set()
    assert [(await raw.answer())[0] for _ in range(2)] == [200, 400]
    assert await raw.ended()


async def test_a_tunnel_is_no_request(raw: Raw) -> None:
    """CONNECT (RFC 9110, 9.3.6) is for proxies."""
    assert await raw.ask(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n") == 400
    assert await raw.ended()
