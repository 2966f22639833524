"""Streaming RPCs over WebSocket: by the client of `websockets`, and by hand where no client would do such a thing."""

import asyncio
import json
import os
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.gateway.support import Rig, change
from tests.integration.gateway.test_connect import emit
from tocsin.clock import SystemClock
from tocsin.errors import NotFound, Unavailable
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

WATCH, COUNT, COPY, SCAN = "/v1/books:watch", "/v1/books:count", "/v1/books:copy", "/v1/books:scan"
ALLOWED = "https://app.example.com"


@pytest_asyncio.fixture(loop_scope="module")
async def rig(module_rig: Rig) -> Rig:
    """The gateway of this module, as if nothing had been."""
    module_rig.shelf.forget()
    return module_rig


def opened(rig: Rig, path: str, *, token: str | None = "", **options: Any) -> connect:
    """A WebSocket with a token in its header; one with every scope unless given, none for None."""
    headers = {} if token is None else {"authorization": f"Bearer {token or rig.token()}"}
    return connect(rig.url.replace("http", "ws") + path, additional_headers=headers, proxy=None, **options)


def book(title: str) -> str:
    """A book that keeps all rules."""
    return json.dumps({"title": title, "pageCount": 1})


async def rest_of(socket: ClientConnection) -> tuple[list[Any], int | None]:
    """What comes until the end, and the close code."""
    found: list[Any] = []
    try:
        async with asyncio.timeout(60):
            while True:
                found.append(json.loads(await socket.recv()))
    except ConnectionClosed:
        return found, socket.close_code


async def test_both_ways_at_once(rig: Rig) -> None:
    """A message a frame; an empty one ends the requests, and the socket closes when the answers have ended."""
    async with opened(rig, COPY) as socket:
        for title in ("a", "ä"):
            await socket.send(book(title))
            assert json.loads(await socket.recv())["title"] == title
        await socket.send("")
        assert await rest_of(socket) == ([], 1000)
    assert rig.shelf.calls[0]["tenant"] == "acme"


async def test_a_stream_of_requests_has_one_answer(rig: Rig) -> None:
    """As the upload over REST."""
    async with opened(rig, COUNT) as socket:
        for title in "abc":
            await socket.send(book(title))
        await socket.send("")
        assert await rest_of(socket) == ([{"count": "3"}], 1000)
    assert rig.shelf.requests == [["a", "b", "c"]]


async def test_a_watch_needs_no_message(rig: Rig) -> None:
    """Its request is path and query."""
    rig.shelf.changes = emit(change("a", "t1"), change("b", "t2"))
    async with opened(rig, f"{WATCH}?resumeToken=t0") as socket:
        found, code = await rest_of(socket)
    assert ([item["resumeToken"] for item in found], code) == (["t1", "t2"], 1000)
    assert rig.shelf.requests[0].resume_token == "t0"


async def test_pieces_of_a_raw_body_are_frames(rig: Rig) -> None:
    """Text or bytes, with the query as a message of its own before them."""
    async with opened(rig, SCAN) as socket:
        await socket.send(b"\x41")
        await socket.send("B")
        await socket.send("")
        found, code = await rest_of(socket)
    assert ([item["title"] for item in found], code) == (["application/octet-stream", "A", "application/x-ndjson", "B"], 1000)


@pytest.mark.parametrize(
    ("error", "code", "name"), [(NotFound(), 4404, "NOT_FOUND"), (Unavailable(), 1013, "UNAVAILABLE"), (ValueError(), 1011, "INTERNAL")]
)
async def test_an_error_is_the_last_frame(rig: Rig, error: Exception, code: int, name: str) -> None:
    """It says what REST would say; the close code tells it to who reads no frame."""
    rig.shelf.changes = emit(change("a"), error)
    async with opened(rig, WATCH) as socket:
        (first, last), closed = await rest_of(socket)
    assert (first["book"]["title"], last["error"]["code"], closed, socket.close_reason) == ("a", name, code, name)


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    [
        ("{", 4400, "message 1: The body is not valid JSON"),
        ('{"nothing":1}', 4400, "message 1: nothing"),
        ("[]", 4400, "must be a JSON object"),
        (b"{}", 4400, "text frame"),
        ('{"title":"' + "x" * 3000 + '"}', 4400, "title"),
    ],
)
async def test_a_bad_message_ends_the_call(rig: Rig, sent: str | bytes, code: int, words: str) -> None:
    """With its number and its field."""
    async with opened(rig, COPY) as socket:
        await socket.send(sent)
        (last,), closed = await rest_of(socket)
    assert (closed, words in last["error"]["message"]) == (code, True), last


async def test_a_giant_is_not_read(rig: Rig) -> None:
    """1009 from the protocol itself, before the message is held; its fragments count together."""
    for sent in ("x" * 5000, ["x" * 1000] * 5):
        async with opened(rig, COPY) as socket:
            await socket.send(sent)
            assert (await rest_of(socket))[1] == 1009


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        (ALLOWED, 101),
        ("same", 101),
        ("https://evil.example", 403),
        ("null", 403),
        ("https://app.example.com.evil", 403),
        ("http://127.0.0.1:1", 403),
    ],
)
async def test_pages_from_elsewhere_open_none(rig: Rig, origin: str | None, status: int) -> None:
    """Browsers let any page open a WebSocket; the origin is all there is to tell them apart."""
    rig.shelf.changes = emit()
    options = {} if origin is None else {"origin": rig.url if origin == "same" else origin}
    if status == 101:
        async with opened(rig, WATCH, **options):
            return
    with pytest.raises(InvalidStatus) as refused:
        await opened(rig, WATCH, **options)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["details"][0]["reason"] == "ORIGIN_REFUSED"


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        (WATCH, None, 401),
        (WATCH, "x", 401),
        (COPY, "read", 403),
        ("/v1/books", "", 404),
        ("/nothing", "", 404),
        (f"{WATCH}?access_token=bad", None, 401),
    ],
)
async def test_a_handshake_is_refused_as_a_request_is(
    rig: Rig, path: str, token: str | None, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With a problem document, and without a line in the log as if it were an error of ours."""
    with pytest.raises(InvalidStatus) as refused:
        await opened(rig, path, token=rig.token("books:read") if token == "read" else token)
    assert refused.value.response.status_code == status
    assert refused.value.response.headers["content-type"] == "application/problem+json"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_token_may_be_a_subprotocol_or_in_the_url(rig: Rig) -> None:
    """Browsers send no Authorization header; the subprotocol that is chosen is never the token."""
    rig.shelf.changes = emit(change("a"))
    async with opened(rig, WATCH, token=None, subprotocols=["tocsin.v1", f"bearer.{rig.token()}"]) as socket:
        assert (socket.subprotocol, len((await rest_of(socket))[0])) == ("tocsin.v1", 1)
    rig.stream_tokens.known[("good", WATCH)] = rig.token()
    async with opened(rig, f"{WATCH}?access_token=good", token=None) as socket:
        assert len((await rest_of(socket))[0]) == 1
    for subprotocols in (["other"], [f"bearer.{rig.token()}"], ["tocsin.v1", "bearer.a", "bearer.b"]):
        with pytest.raises(InvalidStatus) as refused:
            await opened(rig, WATCH, token=None, subprotocols=subprotocols)
        assert refused.value.response.status_code == 400


async def test_a_client_that_leaves_cancels_the_call(rig: Rig) -> None:
    """Whether it says goodbye or not."""

    async def endless(_: Any) -> AsyncIterator[Any]:
        while True:
            yield change("again")
            await asyncio.sleep(0.01)

    rig.shelf.changes = endless
    async with opened(rig, WATCH) as socket:
        await socket.recv()
    await eventually(lambda: rig.shelf.cancelled == 1)
    async with opened(rig, WATCH) as socket:
        await socket.recv()
        socket.transport.abort()
    await eventually(lambda: rig.shelf.cancelled == 2)


async def test_a_slow_reader_holds_back_the_service(rig: Rig) -> None:
    """What it does not take is not made: buffers between are bounded."""
    made = 0

    async def endless(_: Any) -> AsyncIterator[Any]:
        nonlocal made
        while True:
            made += 1
            yield change("x" * 60_000)

    rig.shelf.changes = endless
    reader, writer = await handshake(rig, WATCH)
    await eventually(lambda: made > 5)
    before = -1
    while before != made:
        before = made
        await asyncio.sleep(0.3)
    assert made < 2000
    writer.close()
    del reader


# -- by hand -------------------------------------------------------------------------------------------------------------------


async def handshake(rig: Rig, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket whose frames the test makes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(rig.url.rpartition(":")[2]), limit=64)
    head = f"GET {path} HTTP/1.1|Host: x|Authorization: Bearer {rig.token()}|Connection: Upgrade|Upgrade: websocket|"
    writer.write(f"{head}Sec-WebSocket-Version: 13|Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==||".replace("|", "\r\n").encode())
    line = await asyncio.wait_for(reader.readline(), 60)
    assert b" 101 " in line, line
    while await reader.readline() != b"\r\n":
        pass
    return reader, writer


def frame(opcode: int, data: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    """A frame of a client (RFC 6455, 5.2)."""
    size = bytes([len(data) | (masked << 7)]) if len(data) < 126 else struct.pack(">BH", 126 | (masked << 7), len(data))
    mask = os.urandom(4) if masked else b""
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)) if masked else data
    return bytes([opcode | (fin << 7)]) + size + mask + body


async def closing(reader: asyncio.StreamReader) -> int:
    """The code of the close frame that comes in the end; 0 for a connection that just ends."""
    body = b""
    async with asyncio.timeout(60):
        while piece := await reader.read(65536):
            body += piece
    at = 0
    while at < len(body):
        opcode, length = body[at] & 15, body[at + 1]
        at += 2
        if length == 126:
            length, at = struct.unpack_from(">H", body, at)[0], at + 2
        if opcode == 8:
            return struct.unpack_from(">H", body, at)[0]
        at += length
    return 0


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"{}", masked=False), 1002),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(3, b""), 1002),
        (frame(0, b"{}"), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(1, b"{", fin=False) + frame(1, b"}"), 1002),
        (bytes([0x81, 0xFF]) + b"\x7f" + b"\xff" * 7 + b"mask", 1009),
        (frame(0xC1, b"{}"), 1002),
        (frame(1, b"", fin=False) + frame(0, b"", fin=False) * 2000, 1008),
        (frame(8, b"\x03"), 1002),
        (frame(0x41, zlib.compress(bytes(3_000_000), 9)[2:-4]), 1002),
        (frame(1, b'"' + b"x" * 3000, fin=False) + frame(0, b"x" * 3000, fin=False), 1009),
        (frame(8, struct.pack(">H", 1005)), 1002),
        (frame(9, b"", fin=False), 1002),
        (frame(2, b"\x00" * 100), 4400),
    ],
    ids=[
        "unmasked",
        "no UTF-8",
        "unknown opcode",
        "goes on with nothing",
        "long ping",
        "two begun",
        "2^63 bytes",
        "reserved bit",
        "fragments of nothing",
        "half a close code",
        "a compressed bomb",
        "a giant in pieces",
        "a close code that nobody sends",
        "a ping in pieces",
        "bytes for JSON",
    ],
)
async def test_frames_that_are_none_close_the_socket(rig: Rig, sent: bytes, code: int, caplog: pytest.LogCaptureFixture) -> None:
    """Unmasked, not UTF-8, of no kind, out of order, compressed, endless: nothing of it is an error of ours."""
    reader, writer = await handshake(rig, COPY)
    writer.write(sent)
    assert await closing(reader) == code
    writer.close()
    assert [record for record in caplog.records if record.levelname == "ERROR" and not record.name.startswith("tocsin.mesh")] == []


@pytest.mark.parametrize(
    "head", ["/v1/books:watch?filter=" + "x" * 9000, "/v1/books:watch|X-Long: " + "x" * 9000], ids=["target", "header"]
)
async def test_a_head_with_a_long_line_is_refused(rig: Rig, head: str) -> None:
    """The library takes 8 KiB a line and says nothing about more: such a client waited for ever, and kept its place."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(rig.url.rpartition(":")[2]))
    target, _, extra = head.partition("|")
    lines = f"GET {target} HTTP/1.1|Host: x|Connection: Upgrade|Upgrade: websocket|{extra + '|' if extra else ''}"
    writer.write(f"{lines}Sec-WebSocket-Version: 13|Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==||".replace("|", "\r\n").encode())
    answer = await asyncio.wait_for(reader.read(), 60)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "INVALID_ARGUMENT"
    writer.close()


async def test_pings_without_end_are_not_answered_without_end(rig: Rig) -> None:
    """Each is answered; but who takes no answers is cut off before they fill the memory."""
    reader, writer = await handshake(rig, COPY)
    writer.write(frame(9, b"hello"))
    assert await asyncio.wait_for(reader.readexactly(7), 60) == b"\x8a\x05hello"
    ping = frame(9, b"x" * 125) * 500

    async def flood() -> None:
        for _ in range(2000):
            writer.write(ping)
            await asyncio.wait_for(writer.drain(), 60)

    with pytest.raises(ConnectionError):
        await flood()
    writer.close()


@pytest.mark.parametrize("half", [b"", frame(1, b"{}")[:4], bytes([0x81])], ids=["nothing", "half a frame", "one byte"])
async def test_a_silent_client_is_cut_off(tmp_path: Path, half: bytes) -> None:
    """No pong within the time that a reader may take nothing: the call ends, whatever was begun."""
    rig = Rig(folder=tmp_path, clock=SystemClock())
    await rig.start(stream_heartbeat_seconds=1.0, stream_stall_seconds=1.0)
    try:
        reader, writer = await handshake(rig, COPY)
        writer.write(half)
        assert await closing(reader) == 1011
        writer.close()
    finally:
        await rig.stop()


async def test_a_stop_sends_clients_elsewhere(tmp_path: Path) -> None:
    """1012: service restart."""

    async def silence(_: Any) -> AsyncIterator[Any]:
        yield change("a", "t1")
        await asyncio.sleep(60)

    rig = Rig(folder=tmp_path, clock=SystemClock())
    rig.shelf.changes = silence
    await rig.start()
    try:
        async with opened(rig, WATCH) as socket:
            await socket.recv()
            stopping = asyncio.create_task(rig.running.stop())
            (last,), code = await rest_of(socket)
        assert (last["error"]["details"][0]["reason"], code) == ("GATEWAY_STOPPING", 1012)
        await asyncio.wait_for(stopping, 60)
    finally:
        await rig.stop()
