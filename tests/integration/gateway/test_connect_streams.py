"""Streams by the Connect protocol (https://connectrpc.com/docs/protocol)."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.integration.gateway.support import Rig, change, message_type
from tests.integration.gateway.test_connect import BOMB, FORMATS, STREAM_JSON, WATCH, emit, kind
from tests.integration.gateway.web_rpc import SERVICE, framed, frames, message
from tocsin.clock import SystemClock
from tocsin.errors import NotFound, ResourceExhausted
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT, COPY = SERVICE + "CountBooks", SERVICE + "CopyBooks"


@pytest_asyncio.fixture(loop_scope="module")
async def rig(module_rig: Rig) -> Rig:
    """The gateway of this module, as if nothing had been."""
    module_rig.shelf.forget()
    return module_rig


@pytest_asyncio.fixture(loop_scope="module")
async def client(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with every scope."""
    async with rig.client() as made:
        yield made


@FORMATS
async def test_a_stream_of_answers(rig: Rig, client: httpx2.AsyncClient, is_json: bool) -> None:
    """Envelopes, of which the last one says that it ended well."""
    rig.shelf.changes = emit(change("a", "t1"), change("b", "t2"))
    answer = await client.post(WATCH, content=framed(b"{}" if is_json else b""), headers=kind(is_json, stream=True))
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind(is_json, stream=True)["content-type"])
    *found, last = frames(answer.content)
    assert (last.flags, last.json) == (2, {})
    if is_json:
        assert [item.json["resumeToken"] for item in found] == ["t1", "t2"]
    else:
        assert [message_type("WatchBooksResponse").FromString(item.data).resume_token for item in found] == ["t1", "t2"]


async def test_a_stream_that_fails_ends_with_its_error(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Before the first message or after it: the status is 200, the last envelope tells."""
    rig.shelf.changes = emit(change("a"), ResourceExhausted(retry_after=2))
    found = frames((await client.post(WATCH, content=framed(b"{}"), headers=STREAM_JSON)).content)
    assert [item.flags for item in found] == [0, 2]
    assert (found[1].json["error"]["code"], found[1].json["metadata"]) == ("resource_exhausted", {"retry-after": ["2"]})
    rig.shelf.changes = emit(NotFound())
    (only,) = frames((await client.post(WATCH, content=framed(b"{}"), headers=STREAM_JSON)).content)
    assert only.json["error"]["code"] == "not_found"


async def test_messages_of_a_stream_are_compressed_one_by_one(rig: Rig, client: httpx2.AsyncClient) -> None:
    """Connect-Accept-Encoding asks for it; each envelope says whether it is."""
    rig.shelf.changes = emit(change("x" * 2000), change("short"))
    body = framed(gzip.compress(b"{}"), flags=1)
    headers = {**STREAM_JSON, "connect-content-encoding": "gzip", "connect-accept-encoding": "gzip"}
    answer = await client.post(WATCH, content=body, headers=headers)
    assert answer.headers["connect-content-encoding"] == "gzip"
    long, short, last = frames(answer.content)
    assert (long.flags, short.flags, last.flags) == (1, 0, 2)
    assert len(json.loads(gzip.decompress(long.data))["book"]["title"]) == 2000


@FORMATS
async def test_a_stream_of_requests(rig: Rig, client: httpx2.AsyncClient, is_json: bool) -> None:
    """Cut anywhere by the network."""
    body = b"".join(framed(message(is_json, title=title, page_count=1)) for title in "abc")

    async def trickle() -> AsyncIterator[bytes]:
        for at in range(len(body)):
            yield body[at : at + 1]

    answer = await client.post(COUNT, content=trickle(), headers=kind(is_json, stream=True))
    assert rig.shelf.requests == [["a", "b", "c"]]
    count, last = frames(answer.content)
    assert (last.flags, last.json) == (2, {})
    assert not is_json or count.json == {"count": "3"}


async def test_both_ways_at_once_if_the_client_can(rig: Rig) -> None:
    """HTTP/1.1 lets a client read while it sends; browsers cannot, others can."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(rig.url.rpartition(":")[2]))
    head = f"POST {COPY} HTTP/1.1|Host: x|Authorization: Bearer {rig.token()}|Content-Type: application/connect+json|"
    writer.write(f"{head}Transfer-Encoding: chunked||".replace("|", "\r\n").encode())
    assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    for title in ("a", "b"):
        sent = framed(json.dumps({"title": title, "pageCount": 1}).encode())
        writer.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n")
        size = int(await asyncio.wait_for(reader.readline(), 60), 16)
        (found,) = frames((await reader.readexactly(size + 2))[:-2])
        assert found.json["title"] == title
    writer.write(b"0\r\n\r\n")
    assert frames((await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 60)).split(b"\r\n", 1)[1][:-7])[0].flags == 2
    writer.close()


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b"", {}, "no message"),
        (framed(b"{}") + framed(b"{}"), {}, "more than one"),
        (framed(b"{}")[:4], {}, "in the middle"),
        (framed(b"{}")[:-1], {}, "in the middle"),
        (framed(b"{}", flags=1), {}, "does not say how"),
        (framed(b"{}", flags=2), {}, "flags"),
        (framed(b"{}", flags=0x80), {}, "flags"),
        (b"\0\xff\xff\xff\xff", {}, "larger than"),
        (framed(BOMB[:100], flags=1), {"connect-content-encoding": "gzip"}, "larger than"),
        (framed(b"{", flags=0), {}, "not valid JSON"),
        (framed(b"\xff", flags=0), {}, "not UTF-8"),
        (framed(b"{}"), {"connect-content-encoding": "zstd"}, "not known"),
        (framed(b"{}"), {"connect-protocol-version": "0"}, "must be"),
    ],
)
async def test_bad_frames_are_the_clients_mistake(
    rig: Rig, client: httpx2.AsyncClient, body: bytes, headers: dict[str, str], words: str
) -> None:
    """Each ends the stream with an error that says what is wrong; no service is asked."""
    answer = await client.post(WATCH, content=body, headers={**STREAM_JSON, **headers})
    (last,) = frames(answer.content)
    assert answer.status_code == 200
    assert last.json["error"]["code"] in ("invalid_argument", "unimplemented")
    assert words in last.json["error"]["message"]
    assert rig.shelf.requests == []


async def test_a_client_that_leaves_cancels_the_call(rig: Rig) -> None:
    """The service stops watching for nobody."""

    async def endless(_: Any) -> AsyncIterator[Any]:
        while True:
            yield change("again")
            await asyncio.sleep(0.01)

    rig.shelf.changes = endless
    async with rig.client() as client, client.stream("POST", WATCH, content=framed(b"{}"), headers=STREAM_JSON) as answer:
        async for _ in answer.aiter_bytes():
            break
    await eventually(lambda: rig.shelf.cancelled == 1)


async def test_a_quiet_stream_is_accepted_at_once_and_sent_elsewhere_by_a_stop(tmp_path: Path) -> None:
    """The head does not wait for a message; a stop ends the stream with UNAVAILABLE, as at the gRPC edge."""

    async def silence(_: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(60)
        yield change("never")

    rig = Rig(folder=tmp_path, clock=SystemClock())
    rig.shelf.changes = silence
    await rig.start()
    async with rig.client() as client, client.stream("POST", WATCH, content=framed(b"{}"), headers=STREAM_JSON) as answer:
        assert answer.status_code == 200
        await eventually(lambda: len(rig.shelf.requests) == 1)
        stopping = asyncio.create_task(rig.running.stop())
        (last,) = frames(b"".join([piece async for piece in answer.aiter_bytes()]))
    error = last.json["error"]
    assert (error["code"], error["details"][0]["debug"]["reason"]) == ("unavailable", "GATEWAY_STOPPING")
    await asyncio.wait_for(stopping, 60)
    await rig.stop()
