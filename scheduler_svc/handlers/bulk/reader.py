"""An alarm as a client writes it, in JSON or as a message, becomes a draft: on the fast path if it is surely valid, otherwise explained."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Final

import msgspec
from msgspec import structs

from scheduler_svc.domain import MAX_ACTION, PLAIN_FIELDS, Action, AlarmState, Draft, plain_values
from scheduler_svc.handlers.bulk.rules import ALARM_RULES
from scheduler_svc.handlers.convert import draft_of, pause_reason_of, priority_of, retry_of
from scheduler_svc.handlers.convert_trigger import trigger_of
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import contract
from tocsin.mesh.validation import RequestValidator
from tocsin.protojson.codec import Codec, Codecs, NotJson, load_json
from tocsin.protojson.converters import JsonCodec
from tocsin.protojson.fast import FastCodec, FastFields, FastPathMiss
from tocsin.protojson.fields import JsonValue, as_object
from tocsin.recurrence import END_OF_TIME, At, Trigger, normalized

_MAX_CACHED: Final = 4096
_MAX_CACHED_BYTES: Final = 2000
_NAME: Final = re.compile(r"alarms/[0-9A-Za-z._-]{1,64}")
_INSTANT: Final = re.compile(
    rb'\{"at": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?(?:Z|[+-]\d\d:\d\d))"(?:, ?"timeZone": ?"([A-Za-z0-9_+/-]{1,64})")?\}'
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PRIORITIES: Final = {name: priority_of(number) for name, number in alarm_pb2.Priority.items()}
_ACTIONS: Final = {field.number << 3 | 2: field.name for field in alarm_pb2.Action.DESCRIPTOR.fields}
"""The kinds of actions by the first byte of their messages: the tag of a field that has a length."""
_BRACES: Final = 2
"""Objects in the JSON of an action without a map: the action, and the one that its kind names."""
_STATES: Final = {name: AlarmState(number) if number else None for name, number in alarm_pb2.Alarm.State.items()}
_ZEROS: Final = tuple(kind() for kind in PLAIN_FIELDS.values())


@cache
def _codecs_of_contract(codec: JsonCodec) -> Codecs:
    """Made once a process: it takes a third of a second."""
    return Codecs(descriptor_set=contract().SerializeToString(), codec=codec)


class AlarmCodecs:
    """What reads alarms; made once, because compiling the contract takes a moment."""

    def __init__(self, validator: RequestValidator, *, codec: JsonCodec = "protobuf-py") -> None:
        """Takes what checks messages, and what converts them; nothing is compiled before the first import."""
        self.validator = validator
        self._codec: JsonCodec = codec

    @cached_property
    def alarm(self) -> Codec:
        """Converts any alarm, and explains what is wrong with it."""
        return self._codecs.of(alarm_pb2.Alarm.DESCRIPTOR)

    @cached_property
    def fields(self) -> FastFields:
        """Reads the fields of an alarm, but for those that are messages."""
        return FastFields(self.alarm, rules=ALARM_RULES, raw=("trigger", "action", "retry"))

    @cached_property
    def trigger(self) -> FastCodec:
        """The codec of triggers, which refuses what the rules of the contract refuse."""
        return FastCodec(self._codecs.of(alarm_pb2.Trigger.DESCRIPTOR), rules=ALARM_RULES)

    @cached_property
    def action(self) -> FastCodec:
        """Reads actions."""
        return FastCodec(self._codecs.of(alarm_pb2.Action.DESCRIPTOR), rules=ALARM_RULES)

    @cached_property
    def retry(self) -> FastCodec:
        """Reads retry policies."""
        return FastCodec(self._codecs.of(alarm_pb2.RetryPolicy.DESCRIPTOR), rules=ALARM_RULES)

    @cached_property
    def _codecs(self) -> Codecs:
        return _codecs_of_contract(self._codec)


class AlarmReader:
    """Makes drafts of the alarms of one import."""

    def __init__(self, *, codecs: AlarmCodecs, time_zone: str) -> None:
        """Takes the codecs, and the zone of triggers that name none."""
        self._codecs = codecs
        self._zone = time_zone
        self._triggers: dict[bytes, Trigger] = {}

    def of_text(self, line: int, text: bytes, *, whole: bool = True) -> Draft:
        """The draft of a line of JSON; it may have been cut off unless it is ``whole``.

        Raises:
            InvalidInput: it is no alarm, or an invalid one; the error names the field.
        """
        try:
            return self._on_fast_path(line, text, text)
        except (FastPathMiss, InvalidInput):
            return self._explained(line, _object(text, whole=whole), text)

    def of_value(self, line: int, value: dict[str, JsonValue], text: bytes) -> Draft:
        """The draft of a JSON object; ``text`` is what it was read from.

        Raises:
            InvalidInput: it is no alarm, or an invalid one; the error names the field.
        """
        try:
            return self._on_fast_path(line, _encoded(value), text)
        except (FastPathMiss, InvalidInput):
            return self._explained(line, value, text)

    def of_message(self, line: int, message: alarm_pb2.Alarm, text: bytes) -> Draft:
        """The draft of a message.

        Raises:
            InvalidInput: it is an invalid alarm; the error names the field.
        """
        self._codecs.validator.check(message)
        if not message.key:
            message.key = _key(message.name, line, text)
        return draft_of(message)

    def _on_fast_path(self, line: int, alarm: bytes, text: bytes) -> Draft:
        found = self._codecs.fields.read(alarm)
        draft = Draft(
            self._trigger(bytes(found.trigger)),
            self._action(bytes(found.action)),
            found.labels or {},
            _PRIORITIES[found.priority or "PRIORITY_UNSPECIFIED"],
            retry_of(alarm_pb2.RetryPolicy.FromString(self._codecs.retry.wire(bytes(found.retry)))) if found.retry else None,
            *[value or zero for value, zero in zip(plain_values(found), _ZEROS, strict=True)],
            state=_STATES[found.state or "STATE_UNSPECIFIED"],
            pause_reason=pause_reason_of(found.pause_reason or ""),
        )
        return draft if draft.key else structs.replace(draft, key=_key(found.name or "", line, text))

    def _explained(self, line: int, value: dict[str, JsonValue], text: bytes) -> Draft:
        return self.of_message(line, alarm_pb2.Alarm.FromString(self._codecs.alarm.to_wire(value)), text)

    def _action(self, text: bytes) -> Action:
        """An action as bytes that are the same for equal actions: what is stored may be compared."""
        body = self._codecs.action.wire(text)
        if text.count(b"{") > _BRACES:  # maybe a map, whose entries have no order
            body = alarm_pb2.Action.FromString(body).SerializeToString(deterministic=True)
        if len(body) > MAX_ACTION:
            raise FastPathMiss
        return Action(_ACTIONS[body[0]], body)

    def _trigger(self, text: bytes) -> Trigger:
        """A trigger, normalized; equal ones are the same object, so that what is computed from them is computed once."""
        if match := _INSTANT.fullmatch(text):
            return self._instant(*match.groups())
        known = self._triggers.get(text)
        if known is None:
            message = alarm_pb2.Trigger.FromString(self._codecs.trigger.wire(text))
            known = normalized(trigger_of(message, time_zone=self._zone), time_zone=self._zone)
            self._remember(text, known)
        return known

    def _instant(self, at: bytes, time_zone: bytes | None) -> Trigger:
        """An instant and nothing else: hardly any two are equal, and a file may hold a million of them."""
        try:
            due = (datetime.fromisoformat(at.decode()) - _EPOCH) // _MICROSECOND
        except ValueError as error:
            raise FastPathMiss from error
        if not 0 <= due <= END_OF_TIME:
            raise FastPathMiss
        return Trigger(spec=At(due), time_zone=time_zone.decode() if time_zone else self._zone)

    def _remember(self, text: bytes, trigger: Trigger) -> None:
        if len(text) <= _MAX_CACHED_BYTES:
            if len(self._triggers) >= _MAX_CACHED:
                self._triggers.clear()
            self._triggers[text] = trigger


def _encoded(value: dict[str, JsonValue]) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (msgspec.MsgspecError, UnicodeError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FastPathMiss from error


def _object(text: bytes, *, whole: bool) -> dict[str, JsonValue]:
    try:
        value = as_object(load_json(text, name="The line"))
    except NotJson as error:
        if whole:
            raise
        raise InvalidInput(f"The data ends in the middle of this line. {error.message}") from error
    if value is None:
        raise InvalidInput("The line is not a JSON object.")
    return value


def _key(name: str, line: int, text: bytes) -> str:
    """The key of an alarm that has none: its name, or one made of its line's number and text: the same file means the same alarms."""
    if name and _NAME.fullmatch(name):
        return name
    return f"line/{line}/{hashlib.blake2b(text, digest_size=16).hexdigest()}"
