"""What an import brings, line by line, as wishes: the one place that reads lines, whoever sends them."""

import hashlib
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET

from scheduler_svc.domain import AUTO_PAUSE, REQUESTED, Action, AlarmState
from scheduler_svc.handlers.bulk import wire
from scheduler_svc.handlers.bulk.quick import UNSURE, Quick
from scheduler_svc.handlers.bulk.records import MAX_LINE, RecordReader
from scheduler_svc.handlers.bulk.refusals import Refusal, refusal
from scheduler_svc.handlers.bulk.table import Table
from scheduler_svc.handlers.convert import draft_of, priority_of, retry_of
from scheduler_svc.handlers.convert_trigger import trigger_of
from scheduler_svc.recurrence import END_OF_TIME, At, Trigger, settled
from scheduler_svc.service import Draft
from scheduler_svc.service.imports import Wish
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.errors import InvalidInput, TocsinError
from tocsin.mesh.policy import contract
from tocsin.mesh.validation import RequestValidator
from tocsin.protojson.codec import Codec, Codecs, NotJson, load_json
from tocsin.protojson.fields import JsonValue, as_object
from tocsin.protojson.lines import Line, LineReader

Item: TypeAlias = Wish | Refusal | None
"""What became of a line: None of an empty one, or of one that is passed over."""

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
_DELIMITERS: Final = {"comma": b",", "semicolon": b";", "tab": b"\t"}
_NDJSON_TYPES: Final = frozenset({NDJSON, "application/jsonl", "application/jsonlines", "application/json", "application/x-jsonlines", ""})

_REMEMBERED: Final = 4096
_MEMORABLE: Final = 2000
_NAME: Final = re.compile(r"alarms/[0-9A-Za-z._-]{1,64}")
_INSTANT: Final = re.compile(rb'\{"at": ?"([0-9T:.Z+-]{20,32})"(?:, ?"timeZone": ?"([A-Za-z0-9_+/-]{1,64})")?\}')
_KINDS: Final = {wire.tag(field)[0]: field.name for field in alarm_pb2.Action.DESCRIPTOR.fields}
"""The kinds of actions, by the first byte of their messages."""
_STATES: Final = {alarm_pb2.Alarm.PAUSED: AlarmState.PAUSED, alarm_pb2.Alarm.COMPLETED: AlarmState.COMPLETED}


class Forms:
    """How alarms are written; made once, because compiling the contract takes a moment."""

    def __init__(self, validator: RequestValidator) -> None:
        """Takes what checks messages; nothing is compiled before the first import."""
        self.validator = validator

    @cached_property
    def codec(self) -> Codec:
        """Converts any alarm, and explains what is wrong with it."""
        return Codecs(descriptor_set=contract().SerializeToString()).of(alarm_pb2.Alarm.DESCRIPTOR)

    @cached_property
    def alarms(self) -> Quick:
        """Reads alarms that are surely good, and leaves their triggers as they are."""
        return Quick(alarm_pb2.Alarm.DESCRIPTOR, raw=("trigger",))

    @cached_property
    def triggers(self) -> Quick:
        """Reads triggers that are surely good."""
        return Quick(alarm_pb2.Trigger.DESCRIPTOR)


class Reader:
    """Makes wishes of alarms: the quick way if it is sure, otherwise the long one, which explains what is wrong."""

    def __init__(self, *, forms: Forms, time_zone: str) -> None:
        """Takes the forms, and the zone of who has none."""
        self._forms = forms
        self._zone = time_zone
        self._triggers: dict[bytes, Trigger] = {}

    def of_text(self, line: int, text: bytes, *, whole: bool = True) -> Wish:
        """The wish of a line of JSON; it may have been cut off unless it is ``whole``.

        Raises:
            InvalidInput: it is no alarm, or not a good one.
        """
        try:
            return self._quick(line, text, text)
        except (*UNSURE, InvalidInput):
            return self._explained(line, _object(text, whole=whole), text)

    def of_value(self, line: int, value: dict[str, JsonValue], text: bytes) -> Wish:
        """The wish of a JSON object; ``text`` is what it was read from.

        Raises:
            InvalidInput: it is no alarm, or not a good one.
        """
        try:
            return self._quick(line, msgspec.json.encode(value), text)
        except (*UNSURE, InvalidInput):
            return self._explained(line, value, text)

    def _quick(self, line: int, alarm: bytes, text: bytes) -> Wish:
        found = self._forms.alarms.value(alarm)
        draft = Draft(
            display_name=found.display_name or "",
            labels=found.labels or {},
            priority=priority_of(found.priority or 0),
            trigger=self._trigger(found.trigger),
            action=Action(_KINDS[found.action[0]], found.action),
            retry=retry_of(alarm_pb2.RetryPolicy.FromString(found.retry)) if found.retry is not UNSET else None,
            key=found.key or _key(found.name or "", line, text),
            auto_pause_after=found.auto_pause_after or 0,
        )
        return _wish(line, draft, found.state or 0, found.pause_reason or "")

    def _explained(self, line: int, value: dict[str, JsonValue], text: bytes) -> Wish:
        return self.of_message(line, alarm_pb2.Alarm.FromString(self._forms.codec.to_wire(value)), text)

    def of_message(self, line: int, message: alarm_pb2.Alarm, text: bytes) -> Wish:
        """The wish of a message.

        Raises:
            InvalidInput: it is not a good alarm.
        """
        self._forms.validator.check(message)
        if not message.key:
            message.key = _key(message.name, line, text)
        return _wish(line, draft_of(message), message.state, message.pause_reason)

    def _trigger(self, text: bytes) -> Trigger:
        """A trigger, settled; equal ones are the same object, so that what is computed from them is computed once."""
        if match := _INSTANT.fullmatch(text):
            return self._instant(*match.groups())
        known = self._triggers.get(text)
        if known is None:
            message = alarm_pb2.Trigger.FromString(self._forms.triggers.wire(text))
            known = settled(trigger_of(message, time_zone=self._zone), time_zone=self._zone)
            _remember(self._triggers, text, known)
        return known

    def _instant(self, at: bytes, time_zone: bytes | None) -> Trigger:
        """An instant and nothing else: hardly any two are equal, and a file may hold a million of them."""
        due = wire.instant(at.decode())
        if not 0 <= due <= END_OF_TIME:
            raise wire.Unsure
        return Trigger(spec=At(due), time_zone=time_zone.decode() if time_zone else self._zone)


def _object(text: bytes, *, whole: bool) -> dict[str, JsonValue]:
    try:
        value = as_object(load_json(text, name="It"))
    except NotJson as error:
        if whole:
            raise
        raise InvalidInput(f"The data ends in the middle of this line. {error.message}") from error
    if value is None:
        raise InvalidInput("It is not a JSON object.")
    return value


def _remember(into: dict[bytes, Any], text: bytes, value: object) -> None:
    if len(text) <= _MEMORABLE:
        if len(into) >= _REMEMBERED:
            into.clear()
        into[text] = value


def _key(name: str, line: int, text: bytes) -> str:
    """The key of an alarm that has none: its name, or one made of its line's number and text: the same file means the same alarms."""
    if name and _NAME.fullmatch(name):
        return name
    return f"line/{line}/{hashlib.blake2b(text, digest_size=16).hexdigest()}"


def _wish(line: int, draft: Draft, state: int, reason: str) -> Wish:
    if state not in _STATES:
        return Wish(line, draft)
    return Wish(line, draft, _STATES[alarm_pb2.Alarm.State.ValueType(state)], reason if reason in (REQUESTED, AUTO_PAUSE) else "")


class Source:
    """The lines of one import, in order.

    Attributes:
        line: number of the last line that was read.
    """

    def __init__(self, *, forms: Forms, time_zone: str, skip: int) -> None:
        """Begins.

        Args:
            forms: how alarms are written.
            time_zone: of triggers that name none.
            skip: lines to pass over.
        """
        self._forms = forms
        self._reader = Reader(forms=forms, time_zone=time_zone)
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
        raise InvalidInput.at("options", "only stand in the first message")

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
            return self._reader.of_message(self.line, message, text)
        except TocsinError as error:
            return refusal(self.line, error)

    def _of_lines(self, lines: Iterator[Line]) -> Iterator[Item]:
        for line in lines:
            self.line = line.last
            if self._is_table and self._table is None:
                self._table = self._header(line)
                yield None
            elif line.number <= self._skip or not (line.problem or line.text.strip()):
                yield None
            elif line.problem:
                yield Refusal(line.number, "", line.problem)
            else:
                try:
                    item: Item = self._text(line)
                except TocsinError as error:
                    item = refusal(line.number, error)
                yield item

    def _text(self, line: Line) -> Wish:
        if self._table is not None:
            return self._reader.of_value(line.number, self._table.value(_decoded(line.text)), line.text)
        return self._reader.of_text(line.number, line.text, whole=line.whole)

    def _header(self, line: Line) -> Table:
        if line.problem:
            raise InvalidInput(f"line {line.number}: the header {line.problem}")
        delimiter = self._lines.delimiter if isinstance(self._lines, RecordReader) else b""
        return Table(self._forms.codec.message_type, _decoded(line.text), delimiter=delimiter.decode() or ",")


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
        raise InvalidInput("It is not UTF-8.") from error
