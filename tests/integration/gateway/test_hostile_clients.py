"""Clients that mean harm, at both doors: each is refused or cut off, nothing reaches a service, and the next one is served."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncGenerator

import grpc
import httpx2
import pytest
import pytest_asyncio

from tests.integration.gateway.support import Rig
from tests.integration.mesh.raw import RawPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = "/shelf.v1.ShelfService/Hello"


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def survives(shared: Rig) -> AsyncGenerator[None]:
    """After each: no service was asked for anything, and both doors serve."""
    yield
    assert shared.shelf.requests == []
    async with shared.client() as client:
        assert (await client.get("/v1/shelves/1/books/2")).status_code == 200
    async with grpc.aio.insecure_channel(shared.running.address) as channel:
        await channel.unary_unary(HELLO)(b"", timeout=60)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b'{"a":' * 500 + b"1" + b"}" * 500, {}, 400, id="objects within objects"),
        pytest.param(b"[" * 4000, {}, 400, id="lists within lists"),
        pytest.param(b'{"title": ' + b"9" * 4000 + b"}", {}, 400, id="a number of 4,000 digits"),
        pytest.param(b'{"title": "\xff\xfe"}', {}, 400, id="no text"),
        pytest.param(b"{" + b" " * 100_000, {}, 413, id="more than a body may have"),
        pytest.param(gzip.compress(bytes(1 << 20)), {"content-encoding": "gzip"}, 415, id="a bomb"),
    ],
)
async def test_hostile_bodies(shared: Rig, body: bytes, headers: dict[str, str], status: int) -> None:
    """Refused by their form, whatever they would have meant."""
    async with shared.client() as client:
        answer = await client.post("/v1/shelves/1/books", content=body, headers={"content-type": "application/json", **headers})
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-Flood: a\r\n" * 100_000, id="headers without an end"),
        pytest.param(b"GET /" + b"a" * 1_000_000, id="a path without an end"),
        pytest.param(
            b"POST /v1/shelves/1/books HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", id="two lengths"
        ),
        pytest.param(b"\x16\x03\x01" + bytes(2000), id="TLS at a plain port"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
    ],
)
async def test_hostile_heads(shared: Rig, head: bytes) -> None:
    """The connection ends, with an error or without a word."""
    url = httpx2.URL(shared.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    with contextlib.suppress(ConnectionError):
        writer.write(head)
        await writer.drain()
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 60)
        assert answer == b"" or answer.split()[1][:1] == b"4", answer[:200]
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize("path", [b"/\x80", HELLO.encode() + b"\xff", b"/\0", b"", b"/" + b"a" * 10_000])
async def test_the_edge_survives_paths_that_are_none(shared: Rig, path: bytes) -> None:
    """Anybody can send them, without a certificate; a server of grpc.aio's own would end at the first that is not UTF-8."""
    async with RawPeer(address=shared.running.address, pki=None) as peer:
        await peer.send(peer.begin_with(1, "Hello", b":path", path), peer.message(1, b""))
        await peer.read(lambda frame: frame.stream_id == 1, patience=0.2)
