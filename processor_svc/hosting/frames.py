"""Frames between parent and child: four bytes of length and a JSON object."""

import struct
from typing import Any, Final

import msgspec

LARGEST: Final = 8 * 1024 * 1024
"""Largest body in bytes, far above a task's input and context."""

HEAD: Final = struct.Struct(">I")
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(dict[str, Any])


class FrameInvalid(Exception):
    """The other side sent an invalid frame."""


def frame(message: dict[str, Any]) -> bytes:
    """The message as a frame."""
    body = _encoder.encode(message)
    return HEAD.pack(len(body)) + body


def length(head: bytes) -> int:
    """The length of the body after a head.

    Raises:
        FrameInvalid: it is above `LARGEST`.
    """
    (size,) = HEAD.unpack(head)
    if size > LARGEST:
        raise FrameInvalid(f"a frame of {size} bytes")
    return int(size)


def message(body: bytes) -> dict[str, Any]:
    """The message in the body of a frame.

    Raises:
        FrameInvalid: it is not a JSON object.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise FrameInvalid(f"a frame that is not a JSON object: {error}") from None
