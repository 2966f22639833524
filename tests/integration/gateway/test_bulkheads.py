"""What one tenant may hold open at the doors, and for how long it may take nothing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from tests.integration.gateway.support import Rig, change, message_type
from tocsin.clock import SystemClock
from tocsin.testing.waiting import eventually

WATCH = "/v1/books:watch"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncGenerator[Rig]:
    """A gateway with room for two streams a tenant, which waits half a second for a reader."""
    made = Rig(folder=tmp_path, clock=SystemClock())
    try:
        await made.start(tenant_open_streams=2, stream_stall_seconds=0.5)
        yield made
    finally:
        await made.stop()


async def one_then_silence(_: Any) -> AsyncIterator[Any]:
    """A quiet watch."""
    yield change("a")
    await asyncio.sleep(60)


def edge_watch(channel: Any, token: str) -> Any:
    """The same watch at the gRPC edge."""
    call = channel.unary_stream(
        "/shelf.v1.ShelfService/WatchBooks", lambda m: m.SerializeToString(), message_type("WatchBooksResponse").FromString
    )
    return call(message_type("WatchBooksRequest")(), metadata=(("authorization", f"Bearer {token}"),))


async def test_streams_are_bounded_per_tenant_at_both_doors(rig: Rig) -> None:
    """Both doors count together. One more is refused with 429 and a time to come back; a neighbour's begins; an end makes room."""
    rig.shelf.changes = one_then_silence
    other = rig.mint.mint(tenant="other", scopes=("books:read",))
    async with AsyncExitStack() as opened, rig.client() as client, rig.client(other) as neighbour:
        channel = await opened.enter_async_context(grpc.aio.insecure_channel(rig.running.address))
        first = await opened.enter_async_context(client.stream("GET", WATCH))
        assert first.status_code == 200
        second = edge_watch(channel, rig.token())
        assert (await second.read()).book.title == "a"
        refused = await client.get(WATCH)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["details"][0]["reason"] == "TOO_MANY_CALLS"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await edge_watch(channel, rig.token()).read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await opened.enter_async_context(neighbour.stream("GET", WATCH))).status_code == 200
        assert (await client.get("/v1/shelves/1/books/2")).status_code == 200
        second.cancel()
        await eventually(lambda: _begins(client))


async def _begins(client: httpx2.AsyncClient) -> bool:
    async with client.stream("GET", WATCH) as answer:
        return answer.status_code == 200


async def test_an_http_client_that_takes_nothing_is_ended(rig: Rig) -> None:
    """What is sent waits for the client; after half a second the kernel ends the connection, and the call behind it is cancelled."""
    sent = 0

    async def flood(_: Any) -> AsyncIterator[Any]:
        nonlocal sent
        for _ in range(2_000):
            sent += 1
            yield change("x" * 500_000)

    rig.shelf.changes = flood
    host, port = rig.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(f"GET {WATCH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {rig.token()}\r\n\r\n".encode())
    await writer.drain()
    assert b"200" in await reader.readline()
    await eventually(lambda: rig.shelf.cancelled == 1, what="the end of the call")
    writer.transport.abort()
    assert sent < 100, f"{sent} messages were made that nobody took"


async def test_a_grpc_client_that_takes_nothing_is_ended(rig: Rig) -> None:
    """The same at the edge, where the connection lives on."""
    sent = 0

    async def flood(_: Any) -> AsyncIterator[Any]:
        nonlocal sent
        for _ in range(2_000):
            sent += 1
            yield change("x" * 500_000)

    rig.shelf.changes = flood
    async with grpc.aio.insecure_channel(rig.running.address) as channel:
        call = edge_watch(channel, rig.token())
        await call.read()
        await eventually(lambda: rig.shelf.cancelled == 1, what="the end of the call")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _rest(call)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert sent < 100, f"{sent} messages were made that nobody took"


async def _rest(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass
