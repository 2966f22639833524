"""Text that comes in pieces, cut anywhere, as lines; of a line that is too long only the fact is kept, so memory is bounded."""

from collections.abc import Iterator
from typing import Final, NamedTuple

_BOM: Final = b"\xef\xbb\xbf"
_TOO_LONG: Final = "is longer than {most} bytes"


class Line(NamedTuple):
    """One line, or one record of several lines.

    Attributes:
        number: of its first line, from 1.
        last: number of its last line.
        text: without the end of the line; empty when ``problem`` is not.
        problem: what is wrong with it already.
        whole: whether its end was seen; false for what stands behind the last end of a line.
    """

    number: int
    last: int
    text: bytes
    problem: str = ""
    whole: bool = True


class LineReader:
    """Lines that end with LF or CRLF; a byte order mark at the beginning is left out."""

    def __init__(self, *, most: int) -> None:
        """Begins; ``most`` is the most bytes of a line."""
        self._most = most
        self._rest = bytearray()
        self._number = 0
        self._skipping = False

    def feed(self, piece: bytes) -> Iterator[Line]:
        """The lines that end in ``piece``; the iterator must be used up before the next piece."""
        first, *others = piece.split(b"\n")
        self._keep(first)
        if not others:
            return
        yield self._line(bytes(self._rest))
        self._rest.clear()
        self._skipping = False
        last = others.pop()
        for text in others:
            yield self._line(text)
        self._keep(last)

    def end(self) -> Iterator[Line]:
        """What stands behind the last end of a line."""
        if self._rest or self._skipping:
            yield self._line(bytes(self._rest))._replace(whole=False)
            self._rest.clear()
            self._skipping = False

    def _keep(self, text: bytes) -> None:
        if self._skipping:
            return
        self._rest += text
        # A return before the end of the line does not count.
        if len(self._rest) > self._most + 1:
            self._rest.clear()
            self._skipping = True

    def _line(self, text: bytes) -> Line:
        self._number += 1
        number = self._number
        if number == 1 and text.startswith(_BOM):
            text = text[3:]
        if text.endswith(b"\r"):
            text = text[:-1]
        if self._skipping or len(text) > self._most:
            return Line(number, number, b"", _TOO_LONG.format(most=self._most))
        return Line(number, number, text)
