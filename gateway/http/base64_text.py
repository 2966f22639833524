"""Base64 as clients send it: in either alphabet (RFC 4648, 4 and 5), padded or not, whole or in pieces."""

import base64
import binascii
from typing import Final

from tocsin.errors import InvalidInput

_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


def from_base64(text: bytes) -> bytes:
    """The bytes of one text.

    Raises:
        InvalidInput: it is no base64.
    """
    plain = text.translate(_STANDARD).rstrip(b"=")
    return _strictly(plain + b"=" * (-len(plain) % 4))


class TextReader:
    """Bytes of base64 that comes in pieces, cut anywhere: several texts behind each other, each with padding of its own."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """The bytes that are whole with ``piece``.

        Raises:
            InvalidInput: it is no base64.
        """
        text = self._rest + piece.translate(_STANDARD)
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        return _decoded(text[:whole])

    def end(self) -> bytes:
        """The bytes of a last text without its padding.

        Raises:
            InvalidInput: it is no base64.
        """
        rest, self._rest = self._rest, b""
        return _decoded(rest + b"=" * (-len(rest) % 4))


def _decoded(text: bytes) -> bytes:
    found: list[bytes] = []
    at = 0
    while at < len(text):
        padding = text.find(b"=", at)
        end = len(text) if padding < 0 else padding - padding % 4 + 4
        found.append(_strictly(text[at:end]))
        at = end
    return b"".join(found)


def _strictly(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InvalidInput("The message is not base64.") from error
