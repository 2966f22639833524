"""The lines of an import, in order: the one place that reads them, whoever sends them."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from scheduler_svc.domain import Draft
from scheduler_svc.handlers.bulk.reader import AlarmCodecs, AlarmReader
from scheduler_svc.handlers.bulk.records import MAX_LINE, RecordReader
from scheduler_svc.handlers.bulk.table import Table
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.errors import InvalidInput, TocsinError
from tocsin.protojson.lines import Line, LineReader

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
_DELIMITERS: Final = {"comma": b",", "semicolon": b";", "tab": b"\t"}
_NDJSON_TYPES: Final = frozenset({NDJSON, "application/jsonl", "application/jsonlines", "application/json", "application/x-jsonlines", ""})
_MAX_REASON: Final = 500


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


Item: TypeAlias = tuple[int, Draft] | InvalidLine | None
"""What became of a line: its number and what it says, or why it is invalid; None of an empty one, or of one that is passed over."""


class ImportLines:
    """The lines of one import, in order.

    Attributes:
        line: number of the last line that was read.
    """

    def __init__(self, *, codecs: AlarmCodecs, time_zone: str, skip: int) -> None:
        """Reads nothing yet.

        Args:
            codecs: what reads alarms.
            time_zone: of triggers that name none.
            skip: lines to pass over.
        """
        self._codecs = codecs
        self._reader = AlarmReader(codecs=codecs, time_zone=time_zone)
        self._skip = skip
        self._lines: LineReader | RecordReader | None = None
        self._table: Table | None = None
        self._is_table = False
        self._messages = False
        self.line = 0

    def feed(self, request: alarm_service_pb2.ImportAlarmsRequest) -> Iterator[Item]:
        """What becomes of the lines that end in a message; the iterator must be used up before the next one.

        Raises:
            InvalidInput: nothing more of the import can be read.
        """
        if request.WhichOneof("kind") == "alarms":
            return self._of_messages(request.alarms.alarms)
        if request.WhichOneof("kind") == "data":
            return self._of_lines(self._framing(request.data.content_type).feed(request.data.data))
        raise InvalidInput.at("options", "must be in the first message only")

    def end(self) -> Iterator[Item]:
        """What becomes of the text behind the last line."""
        return iter(()) if self._lines is None else self._of_lines(self._lines.end())

    def _framing(self, content_type: str) -> LineReader | RecordReader:
        if self._messages:
            raise InvalidInput.at("data", "cannot be mixed with alarms")
        if self._lines is None:
            media, _, parameters = content_type.partition(";")
            media = media.strip().lower()
            if media not in (CSV, TSV, *_NDJSON_TYPES):
                raise InvalidInput.at("data.contentType", f"must be {NDJSON}, {CSV} or {TSV}, not {media}")
            self._is_table = media in (CSV, TSV)
            delimiter = b"\t" if media == TSV else _delimiter(parameters)
            self._lines = RecordReader(delimiter=delimiter) if self._is_table else LineReader(most=MAX_LINE)
        return self._lines

    def _of_messages(self, alarms: Any) -> Iterator[Item]:
        if self._lines is not None:
            raise InvalidInput.at("alarms", "cannot be mixed with data")
        self._messages = True
        for message in alarms:
            self.line += 1
            yield None if self.line <= self._skip else self._message(message)

    def _message(self, message: alarm_pb2.Alarm) -> Item:
        text = b"" if message.key else message.SerializeToString(deterministic=True)
        try:
            return self.line, self._reader.of_message(self.line, message, text)
        except TocsinError as error:
            return invalid_line(self.line, error)

    def _of_lines(self, lines: Iterator[Line]) -> Iterator[Item]:
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
                    item: Item = line.number, self._text(line)
                except TocsinError as error:
                    item = invalid_line(line.number, error)
                yield item

    def _text(self, line: Line) -> Draft:
        if self._table is not None:
            return self._reader.of_value(line.number, self._table.value(_decoded(line.text)), line.text)
        return self._reader.of_text(line.number, line.text, whole=line.whole)

    def _header(self, line: Line) -> Table:
        if line.problem:
            raise InvalidInput(f"line {line.number}: the header {line.problem}")
        delimiter = self._lines.delimiter if isinstance(self._lines, RecordReader) else b""
        return Table(self._codecs.alarm.message_type, _decoded(line.text), delimiter=delimiter.decode() or ",")


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
