"""The rule of `tocsin.values` for messages: compiled once for each type, so that only fields that can break it are looked at.

Beside it stands what protobuf's JSON form demands of the types that have one of their own: times and durations are within their range
(google/protobuf/timestamp.proto, duration.proto), and an enum's number has a name here.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from tocsin.api.mesh.v1 import policy_pb2
from tocsin.errors import InvalidInput
from tocsin.values import (
    MAX_ITEMS,
    MAX_LEVELS,
    MAX_MEMBERS,
    NO_KIND,
    NOT_FINITE,
    NUL,
    TOO_DEEP,
    TOO_MANY,
    TOO_MANY_ITEMS,
    ValueRefused,
    free_size,
    member,
    subscript,
)

_Check = Callable[[Any], None]

_FIRST_SECOND: Final = -62_135_596_800
_LAST_SECOND: Final = 253_402_300_799
_LONGEST_SPAN: Final = 315_576_000_000
_WHOLE: Final = 1e16
_BILLION: Final = 1_000_000_000
_TIME: Final = "must be a time from year 1 to year 9999, with nanos from 0 to 999,999,999"
_SPAN: Final = "must be within 10,000 years, with nanos below a second that have the sign of the seconds"


class ValueRules:
    """Checks the values of messages; one for the process, because it keeps what it compiled."""

    __slots__ = ("_compiled",)

    def __init__(self) -> None:
        """Begins without any type."""
        self._compiled: dict[str, dict[str, _Check]] = {}

    def concern(self, descriptor: Descriptor) -> bool:
        """Whether a message of this type can break the rule at all."""
        return bool(self._fields(descriptor))

    def check(self, message: Message) -> None:
        """Returns if ``message`` keeps the rule.

        Raises:
            InvalidInput: names the first field that breaks it, as its JSON path.
        """
        try:
            self._check(self._fields(cast("Descriptor", message.DESCRIPTOR)), message)
        except ValueRefused as refused:
            raise InvalidInput.at(refused.path, refused.reason) from None

    @staticmethod
    def _check(fields: dict[str, _Check], message: Message) -> None:
        for field, value in message.ListFields():
            if (check := fields.get(field.name)) is not None:
                try:
                    check(value)
                except ValueRefused as refused:
                    raise refused.under(field.json_name) from None

    def _fields(self, descriptor: Descriptor) -> dict[str, _Check]:
        """The checks of a type by field; a field that cannot break the rule has none."""
        known = self._compiled.get(descriptor.full_name)
        if known is None:
            known = self._compiled[descriptor.full_name] = {}
            for field in descriptor.fields:
                if (check := self._of_field(field)) is not None:
                    known[field.name] = check
        return known

    def _of_field(self, field: FieldDescriptor) -> _Check | None:
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            return _of_map(self._of_value(inner.fields_by_name["key"]), self._of_value(inner.fields_by_name["value"]))
        check = self._of_value(field)
        if limit := _json_limit(field):
            return _of_sized(limit)
        return _of_list(check) if check is not None and field.is_repeated else check

    def _of_value(self, field: FieldDescriptor) -> _Check | None:
        if field.message_type is not None:
            return self._of_message(field.message_type)
        if field.enum_type is not None:
            return _of_enum(field.enum_type)
        return _SCALARS.get(field.type)

    def _of_message(self, descriptor: Descriptor) -> _Check | None:
        if (known := _WELL_KNOWN.get(descriptor.full_name)) is not None:
            return known
        seen = descriptor.full_name in self._compiled
        fields = self._fields(descriptor)
        # A type that is being compiled contains itself, and may have checks in the end.
        return (lambda message: self._check(fields, message)) if fields or seen else None


def _text(value: str) -> None:
    if "\0" in value:
        raise ValueRefused(NUL)


def _number(value: float) -> None:
    if not isfinite(value):
        raise ValueRefused(NOT_FINITE)


_SCALARS: Final[dict[int, _Check]] = {
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_DOUBLE: _number,
    FieldDescriptor.TYPE_FLOAT: _number,
}


def _of_enum(descriptor: EnumDescriptor) -> _Check:
    numbers = frozenset(value.number for value in descriptor.values)
    names = ", ".join(value.name for value in descriptor.values)

    def check(value: int) -> None:
        if value not in numbers:
            raise ValueRefused(f"must be one of {names}")

    return check


def _of_list(check: _Check) -> _Check:
    def every(values: Sequence[Any]) -> None:
        if len(values) > MAX_ITEMS:
            raise ValueRefused(TOO_MANY_ITEMS)
        for index, value in enumerate(values):
            try:
                check(value)
            except ValueRefused as refused:
                raise refused.under(f"[{index}]") from None

    return every


def _of_map(key_check: _Check | None, value_check: _Check | None) -> _Check | None:
    if key_check is None and value_check is None:
        return None

    def every(values: Any) -> None:
        if len(values) > MAX_ITEMS:
            raise ValueRefused(TOO_MANY_ITEMS)
        for key, value in values.items():
            try:
                if key_check is not None:
                    key_check(key)
                if value_check is not None:
                    value_check(value)
            except ValueRefused as refused:
                raise refused.under(subscript(str(key))) from None

    return every


def _time(value: Any) -> None:
    if not (_FIRST_SECOND <= value.seconds <= _LAST_SECOND and 0 <= value.nanos < _BILLION):
        raise ValueRefused(_TIME)


def _span(value: Any) -> None:
    seconds, nanos = value.seconds, value.nanos
    if abs(seconds) > _LONGEST_SPAN or abs(nanos) >= _BILLION or (seconds > 0 > nanos) or (seconds < 0 < nanos):
        raise ValueRefused(_SPAN)


def _json_limit(field: FieldDescriptor) -> int:
    """The contract's (tocsin.api.mesh.v1.max_json_bytes) of a field; 0 for none."""
    return field.GetOptions().Extensions[policy_pb2.max_json_bytes]


def _of_sized(limit: int) -> _Check:
    """The check of a Struct that is bounded in bytes."""

    def check(message: Struct) -> None:
        _Free().object(message, 1)
        # No value is longer in JSON than six times its own form: what is surely small need not be written.
        if message.ByteSize() * 6 > limit and (size := free_size(plain(message))) > limit:
            raise ValueRefused(f"is {size:,} bytes of JSON; at most {limit:,} are allowed")

    return check


def plain(message: Struct) -> dict[str, Any]:
    """A structure as decoded JSON, whole numbers as integers."""
    return {key: _plain(value) for key, value in message.fields.items()}


def _plain(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < _WHOLE else number
        case "struct_value":
            return plain(value.struct_value)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


class _Free:
    """One walk over free-form JSON, which counts what it has seen."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_MEMBERS

    def object(self, message: Any, level: int) -> None:
        """Checks a Struct."""
        members = message.fields
        self._enter(len(members), level)
        for key in members:
            try:
                if "\0" in key:
                    raise ValueRefused(NUL)
                self.value(members[key], level)
            except ValueRefused as refused:
                raise refused.under(member(key)) from None

    def list(self, message: Any, level: int) -> None:
        """Checks a ListValue."""
        values = message.values
        self._enter(len(values), level)
        for index, item in enumerate(values):
            try:
                self.value(item, level)
            except ValueRefused as refused:
                raise refused.under(f"[{index}]") from None

    def value(self, message: Any, level: int) -> None:
        """Checks a Value; ``level`` is that of the object or list around it."""
        match message.WhichOneof("kind"):
            case "string_value":
                if "\0" in message.string_value:
                    raise ValueRefused(NUL)
            case "number_value":
                if not isfinite(message.number_value):
                    raise ValueRefused(NOT_FINITE)
            case "struct_value":
                self.object(message.struct_value, level + 1)
            case "list_value":
                self.list(message.list_value, level + 1)
            case None:
                raise ValueRefused(NO_KIND)
            case _:
                pass

    def _enter(self, members: int, level: int) -> None:
        self._left -= members
        if self._left < 0:
            raise ValueRefused(TOO_MANY)
        if level > MAX_LEVELS:
            raise ValueRefused(TOO_DEEP)


def _structure(message: Struct) -> None:
    _Free().object(message, 1)


def _list(message: ListValue) -> None:
    _Free().list(message, 1)


def _any(message: Value) -> None:
    _Free().value(message, 0)


_WELL_KNOWN: Final = cast(
    "dict[str, _Check]",
    {
        "google.protobuf.Timestamp": _time,
        "google.protobuf.Duration": _span,
        "google.protobuf.Struct": _structure,
        "google.protobuf.ListValue": _list,
        "google.protobuf.Value": _any,
    },
)
