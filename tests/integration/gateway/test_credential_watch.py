"""A stream ends with its credential, in an orderly way in each protocol, so that its client resumes with a fresh one."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from tests.integration.gateway.support import Book, Rig, change, lines
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

WATCH = "/v1/books:watch"
SERVICE = "/shelf.v1.ShelfService/"
KEY = "tk_" + "k" * 40


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncGenerator[Rig]:
    """A gateway whose clock stands still until the test moves it, and a watch that says one thing and is then silent."""
    made = Rig(folder=tmp_path, clock=FakeClock())
    made.shelf.changes = one_and_silence
    made.keys.known[KEY] = ("books:read",)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def one_and_silence(_: Any) -> AsyncIterator[Any]:
    """A watch."""
    yield change("a", "t1")
    await asyncio.sleep(60)


def clock_of(rig: Rig) -> FakeClock:
    """The clock that the test moves."""
    assert isinstance(rig.clock, FakeClock)
    return rig.clock


def error_line(text: str) -> Any:
    """What NDJSON says at its end."""
    return lines(text)[-1]["error"]


def error_event(text: str) -> Any:
    """What SSE says at its end."""
    head, _, data = text.rpartition("event: error\ndata: ")
    assert "id: t1" in head
    return json.loads(data)


async def watched(rig: Rig, credential: str, accept: str, *, seconds: float) -> str:
    """What a watch says until the gateway ends it, ``seconds`` after its first event at the latest."""
    async with rig.client(credential) as client, client.stream("GET", WATCH, headers={"accept": accept}) as answer:
        assert answer.status_code == 200
        pieces = answer.aiter_text()
        found = await anext(pieces)
        while '"title":"a"' not in found:
            found += await anext(pieces)
        await clock_of(rig).advance(seconds)
        async with asyncio.timeout(60):
            return found + "".join([piece async for piece in pieces])


@pytest.mark.parametrize(("accept", "read"), [("text/event-stream", error_event), ("application/x-ndjson", error_line)])
async def test_a_watch_over_http_ends_with_its_token(rig: Rig, accept: str, read: Any) -> None:
    """By its own last event; the call behind it is cancelled."""
    error = read(await watched(rig, rig.token(lifetime=30), accept, seconds=37))
    assert (error["code"], error["status"]) == ("UNAUTHENTICATED", 401)
    assert [each["reason"] for each in error["details"] if "reason" in each] == ["TOKEN_EXPIRED"]
    await eventually(lambda: rig.shelf.cancelled == 1)


@pytest.mark.parametrize(("accept", "read"), [("text/event-stream", error_event), ("application/x-ndjson", error_line)])
async def test_a_watch_over_http_ends_with_its_key(rig: Rig, accept: str, read: Any) -> None:
    """At most so long after the key was revoked as a key is not asked about again."""

    async def revoke() -> None:
        await eventually(lambda: bool(rig.shelf.calls))
        del rig.keys.known[KEY]

    revoking = asyncio.create_task(revoke())
    error = read(await watched(rig, KEY, accept, seconds=62))
    await revoking
    assert [each["reason"] for each in error["details"] if "reason" in each] == ["KEY_REFUSED"]


async def test_a_watch_ends_with_the_scope_of_its_key(rig: Rig) -> None:
    """Whose role lost it: the key is good, and not for this any more."""

    async def narrow() -> None:
        await eventually(lambda: bool(rig.shelf.calls))
        rig.keys.known[KEY] = ("books:write",)

    narrowing = asyncio.create_task(narrow())
    error = error_line(await watched(rig, KEY, "application/x-ndjson", seconds=62))
    await narrowing
    assert [each["reason"] for each in error["details"] if "reason" in each] == ["SCOPE_MISSING"]


async def test_a_key_is_asked_about_once_for_all_its_streams(rig: Rig) -> None:
    """Each minute; and what is good goes on, though the token that stood for the key at its begin has ended."""
    async with rig.client(KEY) as client:
        streams = [client.stream("GET", WATCH) for _ in range(3)]
        answers = [await stream.__aenter__() for stream in streams]

        async def asked_for_a_quarter() -> bool:
            await clock_of(rig).advance(20)
            return len(rig.keys.asked) > 16

        await eventually(asked_for_a_quarter)
        assert "127.0.0.1" in rig.keys.addresses  # auth_svc keeps where a key was last used from
        assert len(rig.keys.asked) <= clock_of(rig).monotonic() / 60 + 2
        assert not any(answer.is_closed for answer in answers)
        assert rig.shelf.cancelled == 0
        for stream in streams:
            await stream.__aexit__(None, None, None)


async def test_a_key_that_cannot_be_asked_about_holds_for_a_while(rig: Rig) -> None:
    """As it does for calls: the setting says how long."""
    async with rig.client(KEY) as client, client.stream("GET", WATCH) as answer:
        pieces = answer.aiter_text()
        await anext(pieces)
        await rig.servers["auth_svc"].stop()
        await clock_of(rig).advance(300)
        assert rig.shelf.cancelled == 0
        await clock_of(rig).advance(330)
        async with asyncio.timeout(60):
            error = error_line("".join([piece async for piece in pieces]))
        assert error["code"] == "UNAVAILABLE"


async def ended(call: Any) -> grpc.aio.AioRpcError:
    """How a call ends."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(60):
            await call
    return caught.value


@pytest.mark.parametrize("kind", ["unary_stream", "stream_unary", "stream_stream"])
async def test_a_stream_at_the_grpc_door_ends_with_its_token(rig: Rig, kind: str) -> None:
    """Whichever side streams: UNAUTHENTICATED, and the call behind it is over."""
    metadata = (("authorization", f"Bearer {rig.token(lifetime=30)}"),)
    method = {"unary_stream": "WatchBooks", "stream_unary": "CountBooks", "stream_stream": "CopyBooks"}[kind]
    async with grpc.aio.insecure_channel(rig.running.address) as channel:
        begin = getattr(channel, kind)(f"{SERVICE}{method}")
        call = begin(b"", metadata=metadata) if kind == "unary_stream" else begin(metadata=metadata)
        if kind != "unary_stream":
            await call.write(Book(title="a", page_count=1).SerializeToString())
        if kind != "stream_unary":
            await call.read()
        else:
            await eventually(lambda: rig.shelf.counted == ["a"])
        await clock_of(rig).advance(37)
        error = await ended(call if kind == "stream_unary" else call.read())
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "expired" in (error.details() or "")


async def test_an_upload_ends_with_its_token(rig: Rig) -> None:
    """The body is not over; the answer is a problem document."""
    head = f"POST /v1/books:count HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {rig.token(lifetime=30)}\r\n"
    line = '{"title": "a", "pageCount": 1}\n'
    url = httpx2.URL(rig.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(f"{head}content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n{len(line):x}\r\n{line}\r\n".encode())
        await eventually(lambda: rig.shelf.counted == ["a"])
        await clock_of(rig).advance(37)
        async with asyncio.timeout(60):
            answer = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"application/problem+json" in answer


async def test_a_call_with_one_answer_is_left_alone(rig: Rig) -> None:
    """It is short: what was begun with a good credential is ended with it."""

    async def slow(_: Any) -> None:
        await clock_of(rig).advance(37)

    rig.shelf.act = slow
    async with rig.client(rig.token(lifetime=30)) as client:
        assert (await client.get("/v1/shelves/1/books/2")).status_code == 200
