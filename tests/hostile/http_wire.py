"""Bytes for the HTTP door: requests that are nearly right, one behind the other on a connection, and what came back."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from tests.hostile.wire_words import HTTP, ODD

_PATHS: Final[Sequence[bytes]] = (
    b"/health", b"/v1/alarms", b"/v1/alarms/x", b"/v1/auth:token", b"/", b"/docs", b"/openapi.json", b"/console/", b"/ping/x", b"/status/x",
    b"/v1/firings:watch", b"/v1/feeds/x", b"/v1/alarms/%00", b"/v1/alarms/%ff", b"/v1/alarms/%2e%2e", b"/v1/alarms/..%2f..",
    b"/v1/alarms/%", b"/v1/alarms/%zz", b"/v1/alarms//x", b"/console/../../etc/passwd", b"/console/%2e%2e/%2e%2e/etc/passwd", b"//evil/x",
    b"/v1/alarms/" + b"%41" * 3000, b"http://evil/health", b"http://", b"http://[::1/health", b"http://a@b:c@d/health", b"*", b"evil:443",
    b"/health?" + b"a=b&" * 3000, b"/v1/alarms?pageSize=%00", b"/v1/alarms?filter=%ff%fe", b"/v1/alarms?;;&&==&=", b"/health#x",
    b"/health\x80", b"/he\x00alth", b"/tocsin.scheduler.v1.AlarmService/ListAlarms", b"/tocsin.scheduler.v1.FiringService/WatchFirings",
    b"/tocsin.scheduler.v1.AlarmService/ListAlarms?encoding=json&message=%7B%7D&connect=v1", b"/u/x", b"/i/x", b"/account/x",
)  # fmt: skip
_METHODS: Final[Sequence[bytes]] = (
    b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI", b"get", b"G\x00T", b"SOURCE", b"QUERY", b"X" * 4000, b"",
)  # fmt: skip
_VERSIONS: Final = (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"http/1.1", b"", b"RTSP/1.0")
_LINE_ENDS: Final = (b"\n", b"\r", b"  \r\n", b"\r\r\n")
_FINE: Final = ((b"", b""), (b"Content-Length: 2\r\n", b"{}"), (b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"))
_CHUNKED: Final = b"2\r\n{}\r\n0\r\n\r\n"
_ENVELOPES: Final = (
    b"\x00\x00\x00\x00\x02{}", b"\x01\x00\x00\x00\x02{}", b"\x80\x00\x00\x00\x02{}", b"\x02\x00\x00\x00\x00", b"\xff\xff\xff\xff\xff",
    b"\x00\x00\x00\x00\x05{}", b"\x00\x00\x00\x00\x02{}" * 3, b"AAAAAAJ7fQ==", b"AAAAAAJ7fQ==" * 2, b"=AAA", b"{",
    b"\x1f\x8b\x08" + bytes(9),
)  # fmt: skip
_FRAMINGS: Final = (
    *((b"Transfer-Encoding: chunked\r\n", body) for body in (
        b"ffffffffffffffff\r\n{}", b"fffffffffffffffff\r\n{}", b"-2\r\n{}\r\n0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}0\r\n\r\n",
        b"2\n{}\n0\n\n", b"2 \r\n{}\r\n0\r\n\r\n", b"2;" + b"x" * 70_000 + b"\r\n{}\r\n0\r\n\r\n", b"1\r\n{\r\n" * 50,
        b"0\r\n" + b"X: y\r\n" * 2000 + b"\r\n", b"0\r\nContent-Length: 5\r\n\r\n",
    )),
    *((head, _CHUNKED) for head in (
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n", b'Transfer-Encoding: "chunked"\r\n', b"X: y\r\n Transfer-Encoding: chunked\r\n",
    )),
    *((b"Content-Length: " + length, b"{}") for length in (
        b"2\r\nContent-Length: 2\r\n", b"2\r\nContent-Length: 3\r\n", b"2, 2\r\n", b"+2\r\n", b"-2\r\n", b"0x2\r\n", b"02\r\n", b"\r\n",
        b"99999999999999999999\r\n", b"2\n", b"2\r", b"5\r\n",
    )),
    *((b"Content-Length: %d\r\n" % len(body), body) for body in _ENVELOPES),
    (b"", b"\x00" * 100), (b"Content-Length: 70000\r\n", b"{" + b" " * 69_998 + b"}"),
)  # fmt: skip
SMUGGLED: Final = tuple(head for head, body in _FRAMINGS if body == _CHUNKED and head != b"Transfer-Encoding: gzip, chunked\r\n")
"""Heads that a proxy and the gateway could understand in two ways, before a body in chunks."""


def attack(draw: random.Random, token: bytes) -> bytes:
    """What is sent on one connection: one request or several, some of them broken by the byte."""
    data = b"".join(_request(draw, token) for _ in range(draw.choice((1, 1, 1, 2, 3, 10))))
    return _broken(draw, data) if draw.random() < 0.3 and len(data) < 200_000 else data


def _request(draw: random.Random, token: bytes) -> bytes:
    method = draw.choice(_METHODS) if draw.random() < 0.08 else draw.choice((b"GET", b"POST"))
    version = draw.choice(_VERSIONS) if draw.random() < 0.06 else b"HTTP/1.1"
    line = b"%b %b %b%b" % (method, draw.choice(_PATHS), version, draw.choice(_LINE_ENDS) if draw.random() < 0.03 else b"\r\n")
    head = b"" if draw.random() < 0.02 else b"Host: x\r\n"
    if draw.random() < 0.4:
        head += b"Authorization: Bearer %b\r\n" % token
    for _ in range(draw.choice((0, 0, 1, 1, 2, 3, 4))):
        name = draw.choice(tuple(HTTP))
        head += b"%b: %b\r\n" % (name, draw.choice(HTTP[name]) if draw.random() < 0.8 else draw.choice(ODD))
    framing, body = draw.choice(_FRAMINGS) if draw.random() < 0.35 else draw.choice(_FINE)
    return line + (head + framing if draw.random() < 0.5 else framing + head) + b"\r\n" + body


def _broken(draw: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 5))):
        at = draw.randrange(len(found) + 1)
        match draw.randrange(4):
            case 0:
                found[at : at + 1] = bytes((draw.randrange(256),))
            case 1:
                found[at:at] = draw.choice((b"\r\n", b"\n", b"\x00", b" ", b"\t", b"\r", b":", b"\xff", b"%"))
            case 2:
                del found[at : at + draw.choice((1, 3, 20))]
            case _:
                del found[at:]
    return bytes(found)


async def sent(address: tuple[str, int], data: bytes, *, silence: float) -> bytes:
    """What a server says to ``data`` until it closes, or says nothing for so many seconds."""
    said = b""
    reader, writer = await asyncio.open_connection(*address)
    with suppress(OSError, TimeoutError):
        writer.write(data)
        while piece := await asyncio.wait_for(reader.read(65536), silence):
            said += piece
    writer.transport.abort()
    return said


def statuses(said: bytes) -> list[int]:
    """The statuses of the answers in ``said``; the last one may be cut off.

    Raises:
        ValueError: something between them is no answer.
    """
    found: list[int] = []
    while said:
        head, end, said = said.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        if not line.startswith(b"HTTP/1.1 ") or not end:
            raise ValueError(f"no head: {head[:200]!r}")
        named = {name.lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
        status = int(line.split()[1])
        if status == 100:
            continue
        found.append(status)
        if status == 101:
            break
        said = _behind_chunks(said) if b"transfer-encoding" in named else said[int(named.get(b"content-length", b"0")) :]
    return found


def _behind_chunks(said: bytes) -> bytes:
    while said:
        size, whole, said = said.partition(b"\r\n")
        if not whole:
            break
        length = int(size, 16)
        if said[length : length + 2] not in (b"\r\n", b"\r", b""):
            raise ValueError(f"no chunk: {said[length : length + 20]!r}")
        said = said[length + 2 :]
        if not length:
            break
    return said
