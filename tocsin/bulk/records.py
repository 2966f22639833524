"""Records of comma-separated values that come in pieces, cut anywhere."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from tocsin.protojson.lines import Line, LineReader

MAX_LINE: Final = 4 * 1024 * 1024
"""Most bytes of a line: what a request over HTTP may have at most."""
DELIMITERS: Final = (b",", b";", b"\t")
"""What may stand between cells, the usual one first."""


class RecordReader:
    """Records of comma-separated values (RFC 4180): a record goes on over the end of a line inside of quotes.

    A quote that is never closed would take every line behind it along. So a record that grows too long, or that the text ends in, loses
    its first line alone, and what it had taken is read again as lines of their own.
    """

    def __init__(self, *, most: int = MAX_LINE, delimiter: bytes = b"") -> None:
        """Reads nothing yet; ``delimiter`` is what stands between cells, and is seen from the header unless given."""
        self.delimiter = delimiter
        self._lines = LineReader(most=most)
        self._most = most
        self._open: deque[Line] = deque()
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[Line]:
        """The records that end in ``piece``; the iterator must be used up before the next piece."""
        for line in self._lines.feed(piece):
            yield from self._take(line)

    def end(self) -> Iterator[Line]:
        """What stands behind the last record."""
        for line in self._lines.end():
            yield from self._take(line)
        while self._open:
            yield from self._give_up()

    def _take(self, line: Line) -> Iterator[Line]:
        if not self.delimiter and line.text.strip():
            self.delimiter = delimiter_of(line.text)
        if line.problem:
            while self._open:
                yield from self._give_up()
            yield line
            return
        if not self._open and b'"' not in line.text:
            yield line
            return
        self._open.append(line)
        self._size += len(line.text) + 1
        while self._size > self._most + 1:
            yield from self._give_up()
        if self._open and not ends_inside_quotes(self._open[-1].text, inside=len(self._open) > 1, delimiter=self.delimiter):
            yield self._joined()

    def _joined(self) -> Line:
        first, last = self._open[0], self._open[-1]
        text = first.text if first is last else b"\n".join(line.text for line in self._open)
        self._open.clear()
        self._size = 0
        return Line(first.number, last.last, text, whole=last.whole)

    def _give_up(self) -> Iterator[Line]:
        """Gives up the first line of the open record; the next one that opens a quote becomes the first.

        That one is open to the end of what was taken, for none of those lines closes a quote. So each is looked at once more at the most.
        """
        yield self._first()._replace(text=b"", problem="has an unclosed quote")
        while self._open and not ends_inside_quotes(self._open[0].text, inside=False, delimiter=self.delimiter):
            yield self._first()

    def _first(self) -> Line:
        first = self._open.popleft()
        self._size -= len(first.text) + 1
        return first


def delimiter_of(header: bytes) -> bytes:
    """What parts the names of a header: a comma, or in files that Excel writes in many countries a semicolon, or a tab."""
    bare = b"".join(header.split(b'"')[::2])  # a name in quotes may hold anything
    return next((mark for mark in DELIMITERS if mark in bare), DELIMITERS[0])


def ends_inside_quotes(text: bytes, *, inside: bool, delimiter: bytes = b",") -> bool:
    """Whether a quoted field goes on after this line; ``inside`` tells whether one was open before it.

    A quote opens a field only where the field begins; elsewhere in a field without quotes it means nothing.
    """
    at, end = 0, len(text)
    while True:
        if inside:
            at = text.find(b'"', at)
            if at < 0:
                return True
            if text[at + 1 : at + 2] == b'"':
                at += 2
                continue
            inside, at = False, at + 1
        elif text[at : at + 1] == b'"':
            inside, at = True, at + 1
            continue
        at = text.find(delimiter, at) + 1
        if at == 0 or at > end:
            return False
