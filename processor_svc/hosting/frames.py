"""What parent and child say to each other: frames of four bytes with the length, and a JSON object."""

import struct
from typing import Any, Final

import msgspec

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a frame; a task's input and context are far below."""

HEAD: Final = struct.Struct(">I")
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(dict[str, Any])


class FrameInvalid(Exception):
    """The other side does not speak in frames."""


def frame(message: dict[str, Any]) -> bytes:
    """The message as a frame."""
    body = _encoder.encode(message)
    return HEAD.pack(len(body)) + body


def length(head: bytes) -> int:
    """The length of the body behind a head.

    Raises:
        FrameInvalid: no frame is that long.
    """
    (size,) = HEAD.unpack(head)
    if size > LARGEST:
        raise FrameInvalid(f"a frame of {size} bytes")
    return int(size)


def message(body: bytes) -> dict[str, Any]:
    """The message in the body of a frame.

    Raises:
        FrameInvalid: it is none.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise FrameInvalid(f"a frame that is no JSON object: {error}") from None
