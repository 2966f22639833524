"""Frames for a gRPC port: calls whose metadata and messages are nearly right, several on a connection, and how they ended."""

import asyncio
import gzip
import random
from contextlib import suppress
from typing import Final, NamedTuple

from hpack import Decoder
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame, SettingsFrame

from tests.hostile.wire_words import GRPC, ODD
from tests.integration.mesh.raw import PREFACE, literal, parse

_METHODS: Final = (
    b"/tocsin.scheduler.v1.AlarmService/ListAlarms", b"/tocsin.scheduler.v1.AlarmService/CreateAlarm",
    b"/tocsin.scheduler.v1.FiringService/WatchFirings", b"/tocsin.auth.v1.AuthService/IssueToken", b"/grpc.health.v1.Health/Check",
    b"/grpc.health.v1.Health/Watch", b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b"/x/y",
)  # fmt: skip
_BOMB: Final = gzip.compress(bytes(1 << 23))
_FRAME: Final = 16_000
_CORE: Final = (
    b"Compression bit",
    b"Duplicate ",
    b"Error parsing",
    b"Failed to decompress",
    b"Illegal header",
    b"Metadata keys",
    b"Invalid ",
)
"""Begins what gRPC's core says itself, with a code of its own choice, before anything of this house is asked."""

Header = tuple[bytes, bytes]


class Ended(NamedTuple):
    """How a call ended.

    Attributes:
        stream: its number.
        code: the number of its status.
        words: of its status.
    """

    stream: int
    code: int
    words: bytes

    @property
    def is_ours(self) -> bool:
        """Whether it is a fault of this house: UNKNOWN, INTERNAL, UNAVAILABLE or DATA_LOSS that the core did not choose."""
        return self.code in (2, 13, 14, 15) and not self.words.startswith(_CORE)


def attack(draw: random.Random, token: bytes) -> tuple[bytes, list[list[Header]]]:
    """What is sent on one connection, and the headers of its calls."""
    calls = [_headers(draw, token) for _ in range(draw.choice((1, 2, 4)))]
    data = b"".join(_call(1 + 2 * number, headers, _message(draw)) for number, headers in enumerate(calls))
    return PREFACE + SettingsFrame(0).serialize() + data, calls


def _headers(draw: random.Random, token: bytes) -> list[Header]:
    found = [
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", draw.choice(_METHODS)), (b":authority", b"x"), (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    ]  # fmt: skip
    for _ in range(draw.choice((1, 1, 2, 3, 6))):
        name = draw.choice(tuple(GRPC))
        value = draw.choice(GRPC[name]) if draw.random() < 0.7 else draw.choice(ODD)
        if draw.random() < 0.8 and any(name == known for known, _ in found):
            found = [(known, value if known == name else said) for known, said in found]
        else:
            found.append((name, value))
    if draw.random() < 0.5:
        found.append((b"authorization", b"Bearer " + token))
    match draw.randrange(25):
        case 0:
            found += [(b"x-%d" % number, b"v") for number in range(1000)]
        case 1:
            found *= 2
        case 2:
            draw.shuffle(found)
        case 3:
            del found[draw.randrange(len(found))]
        case _:
            pass
    return found


def _message(draw: random.Random) -> bytes:
    body = draw.choice((b"", bytes(50), b"\xff" * 50, b"\x0a\x05hello", b"\x0a\xff\xff\xff\xff\x0f", _BOMB))
    flags = 1 if body is _BOMB else draw.choice((0, 0, 0, 0, 1, 2, 0x80, 255))
    data = bytes((flags,)) + len(body).to_bytes(4, "big") + body
    return draw.choice((data, data, data, data[:-2], data * 2, bytes((flags,)) + b"\xff" * 4 + body, b""))


def _call(stream: int, headers: list[Header], message: bytes) -> bytes:
    block = b"".join(literal(*header) for header in headers)
    first, *more = [block[at : at + _FRAME] for at in range(0, len(block), _FRAME)]
    frames: list[Frame] = [HeadersFrame(stream, data=first), *(ContinuationFrame(stream, data=piece) for piece in more)]
    frames[-1].flags.add("END_HEADERS")
    frames += [DataFrame(stream, data=message[at : at + _FRAME]) for at in range(0, max(1, len(message)), _FRAME)]
    frames[-1].flags.add("END_STREAM")
    return b"".join(frame.serialize() for frame in frames)


async def sent(address: tuple[str, int], data: bytes, *, silence: float) -> list[Ended]:
    """How the calls in ``data`` ended, until the server closes, or says nothing for so many seconds."""
    said = b""
    reader, writer = await asyncio.open_connection(*address)
    with suppress(OSError, TimeoutError):
        writer.write(data)
        while piece := await asyncio.wait_for(reader.read(65536), silence):
            said += piece
    writer.transport.abort()
    decoder, found = Decoder(), list[Ended]()
    for frame in parse(said):
        if isinstance(frame, HeadersFrame):
            fields = dict(decoder.decode(frame.data, raw=True))
            if (code := fields.get(b"grpc-status")) is not None:
                found.append(Ended(frame.stream_id, int(code), bytes(fields.get(b"grpc-message", b""))))
    return found
