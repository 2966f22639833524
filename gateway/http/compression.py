"""Compressed messages: gzip (RFC 1952), or none. What a client has compressed is never held larger than it may be."""

import zlib
from typing import Final

from tocsin.errors import InvalidInput, MessageTooLarge, Unimplemented

GZIP: Final = b"gzip"
IDENTITY: Final = b"identity"
OFFERED: Final = b"gzip, identity"
"""What is taken and given, as a header says it."""
_WORTH_BYTES: Final = 1024
_LEVEL: Final = 1  # what it saves beyond costs more than it carries, for JSON and protobuf alike
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


class CodingUnknown(Unimplemented):
    """Messages are compressed in a way that is not known here; gzip and identity are."""


def is_compressed(coding: bytes | None) -> bool:
    """Whether messages of this coding are compressed.

    Raises:
        CodingUnknown: by something else than gzip.
    """
    found = (coding or IDENTITY).strip().lower()
    if found not in (GZIP, IDENTITY):
        raise CodingUnknown
    return found == GZIP


def decompress(data: bytes, *, most: int) -> bytes:
    """What was compressed, of ``most`` bytes or fewer; nothing at all stands for nothing.

    Raises:
        MessageTooLarge: it is larger.
        InvalidInput: it is no gzip, is cut off, or has something behind it.
    """
    if not data:
        return b""
    reader = zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        found = reader.decompress(data, most + 1)
    except zlib.error as error:
        raise InvalidInput("A message is not the gzip that it should be.") from error
    if len(found) > most:
        raise MessageTooLarge(f"A message is larger than {most:,} bytes.", metadata={"most_bytes": str(most)})
    if not reader.eof or reader.unused_data:
        raise InvalidInput("A message is cut off, or has something behind its gzip.")
    return found


def compress(data: bytes) -> bytes:
    """``data`` as gzip."""
    return zlib.compress(data, _LEVEL, wbits=_GZIP_WINDOW)


def is_worth(data: bytes) -> bool:
    """Whether a message is long enough that compressing it saves anything."""
    return len(data) >= _WORTH_BYTES
