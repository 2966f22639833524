"""Messages in a body, each behind five bytes: a byte of flags, and its length in four bytes, the greatest first.

gRPC (doc/PROTOCOL-HTTP2.md), gRPC-Web (doc/PROTOCOL-WEB.md) and Connect (connectrpc.com/docs/protocol) have this in common.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from tocsin.errors import InvalidInput, MessageTooLarge

COMPRESSED: Final = 0x01
"""Flag of a message that is compressed."""
_HEAD: Final = struct.Struct(">BI")


class EnvelopedMessage(NamedTuple):
    """One message and its flags."""

    flags: int
    data: bytes


def enveloped(data: bytes, *, flags: int = 0) -> bytes:
    """A message as it stands in a body."""
    return _HEAD.pack(flags, len(data)) + data


class EnvelopeReader:
    """The messages of a body that comes in pieces, cut anywhere; no more is held than a message may be long."""

    def __init__(self, *, most: int) -> None:
        """Begins; ``most`` is the most bytes of a message."""
        self._most = most
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[EnvelopedMessage]:
        """The messages that end in ``piece``; the iterator must be used up before the next piece.

        Raises:
            MessageTooLarge: a message is to be longer than it may.
            InvalidInput: it has flags that no request has.
        """
        self._held += piece
        at = 0
        while len(self._held) - at >= _HEAD.size:
            flags, length = _HEAD.unpack_from(self._held, at)
            self._check(flags, length)
            end = at + _HEAD.size + length
            if len(self._held) < end:
                break
            yield EnvelopedMessage(flags, bytes(self._held[at + _HEAD.size : end]))
            at = end
        del self._held[:at]

    def end(self) -> None:
        """Returns if the body ends behind a message.

        Raises:
            InvalidInput: it ends within one.
        """
        if self._held:
            raise InvalidInput("The body ends in the middle of a message.")

    def _check(self, flags: int, length: int) -> None:
        if flags & ~COMPRESSED:
            raise InvalidInput(f"A message of the request has the flags {flags:#04x}, which no request may have.")
        if length > self._most:
            raise MessageTooLarge(f"A message is larger than {self._most:,} bytes.", metadata={"most_bytes": str(self._most)})
