"""The lines of an import, in order: the one place that reads them, whoever sends them."""

from collections.abc import Callable, Iterator
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from tocsin.bulk.records import MAX_LINE, RecordReader
from tocsin.bulk.table import Table
from tocsin.errors import InvalidInput, TocsinError
from tocsin.protojson.fields import JsonValue
from tocsin.protojson.lines import Line, LineReader

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
_DELIMITERS: Final = {"comma": b",", "semicolon": b";", "tab": b"\t"}
_NDJSON_TYPES: Final = frozenset({NDJSON, "application/jsonl", "application/jsonlines", "application/json", "application/x-jsonlines", ""})
_MAX_REASON: Final = 500

Item = TypeVar("Item")
Read = TypeVar("Read", covariant=True)


class InvalidLine(NamedTuple):
    """A line that is not imported: the field, empty when it is about the whole line, and the reason."""

    line: int
    field: str
    reason: str


def invalid_line(line: int, error: TocsinError) -> InvalidLine:
    """What ``error`` says about a line."""
    if not error.violations:
        return InvalidLine(line, "", _short(error.message))
    first, *more = error.violations
    others = "".join(f"; {item.field}: {item.description}" for item in more)
    return InvalidLine(line, first.field[:200], _short(first.description + others))


def _short(text: str) -> str:
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}…"


class ResourceReader(Protocol[Read]):
    """Reads a resource of one line."""

    def of_text(self, line: int, text: bytes, *, whole: bool) -> Read:
        """What a line of JSON says; it may have been cut off unless it is ``whole``.

        Raises:
            InvalidInput: it is no such resource; the error names the field.
        """
        ...

    def of_value(self, line: int, value: dict[str, JsonValue], text: bytes) -> Read:
        """What a JSON object says; ``text`` is what it was read from.

        Raises:
            InvalidInput: it is no such resource; the error names the field.
        """
        ...


class TextLines(Generic[Item]):
    """The lines of a text that comes in pieces, cut anywhere.

    What becomes of each is its number and what it says, or why it is invalid; None of an empty one, or of one that is passed over.

    Attributes:
        line: number of the last line that was read.
    """

    def __init__(self, *, reader: ResourceReader[Item], table: Callable[[str, str], Table], skip: int) -> None:
        """Reads nothing yet.

        Args:
            reader: reads the lines.
            table: makes the table of a header and a delimiter.
            skip: lines to pass over.
        """
        self._reader = reader
        self._make_table = table
        self._skip = skip
        self._lines: LineReader | RecordReader | None = None
        self._table: Table | None = None
        self._is_table = False
        self.line = 0

    @property
    def begun(self) -> bool:
        """Whether any text came."""
        return self._lines is not None

    def feed(self, data: bytes, content_type: str) -> Iterator[tuple[int, Item] | InvalidLine | None]:
        """What becomes of the lines that end in a piece; the iterator must be used up before the next one.

        Raises:
            InvalidInput: nothing more of the import can be read.
        """
        return self._of_lines(self._framing(content_type).feed(data))

    def end(self) -> Iterator[tuple[int, Item] | InvalidLine | None]:
        """What becomes of the text behind the last line."""
        return iter(()) if self._lines is None else self._of_lines(self._lines.end())

    def _framing(self, content_type: str) -> LineReader | RecordReader:
        if self._lines is None:
            media, _, parameters = content_type.partition(";")
            media = media.strip().lower()
            if media not in (CSV, TSV, *_NDJSON_TYPES):
                raise InvalidInput.at("data.contentType", f"must be {NDJSON}, {CSV} or {TSV}, not {media}")
            self._is_table = media in (CSV, TSV)
            delimiter = b"\t" if media == TSV else _delimiter(parameters)
            self._lines = RecordReader(delimiter=delimiter) if self._is_table else LineReader(most=MAX_LINE)
        return self._lines

    def _of_lines(self, lines: Iterator[Line]) -> Iterator[tuple[int, Item] | InvalidLine | None]:
        for line in lines:
            self.line = line.last
            if self._is_table and self._table is None:
                self._table = self._header(line)
                yield None
            elif line.number <= self._skip or not (line.problem or line.text.strip()):
                yield None
            elif line.problem:
                yield InvalidLine(line.number, "", line.problem)
            else:
                try:
                    item: tuple[int, Item] | InvalidLine = line.number, self._text(line)
                except TocsinError as error:
                    item = invalid_line(line.number, error)
                yield item

    def _text(self, line: Line) -> Item:
        if self._table is not None:
            return self._reader.of_value(line.number, self._table.value(_decoded(line.text)), line.text)
        return self._reader.of_text(line.number, line.text, whole=line.whole)

    def _header(self, line: Line) -> Table:
        if line.problem:
            raise InvalidInput(f"line {line.number}: the header {line.problem}")
        delimiter = self._lines.delimiter if isinstance(self._lines, RecordReader) else b""
        return self._make_table(_decoded(line.text), delimiter.decode() or ",")


def _delimiter(parameters: str) -> bytes:
    """What ``delimiter=`` says in a content type: comma, semicolon or tab; nothing without it."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "delimiter":
            found = _DELIMITERS.get(value.strip().strip('"').lower())
            if found is None:
                raise InvalidInput.at("data.contentType", f"delimiter must be {', '.join(_DELIMITERS)}")
            return found
    return b""


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("The line is not UTF-8.") from error
