"""Message types as JSON sees them: their fields by either name, and what JSON each takes.

A type is compiled once from a descriptor. It checks the structure of a JSON body before the body is converted (unknown and repeated
names, two members of one oneof, depth, and the rule of `tocsin.values` for free-form JSON), and it turns the text of paths and queries
into JSON values.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tocsin.durations import FORMS, canonical
from tocsin.errors import InvalidInput
from tocsin.protojson.paths import normalized as normalized_mask
from tocsin.values import ValueRefused, check_free, join, subscript

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None

MAX_DEPTH = 100
"""Most JSON objects and lists inside one another: protobuf's own limit for messages."""


class FieldKind(Enum):
    """What JSON a single value of a field takes (https://protobuf.dev/programming-guides/json/)."""

    STRING = auto()
    BYTES = auto()
    BOOL = auto()
    INTEGER = auto()
    FLOAT = auto()
    ENUM = auto()
    MESSAGE = auto()
    TIMESTAMP = auto()
    DURATION = auto()
    FIELD_MASK = auto()
    NULL = auto()
    FREE = auto()
    """JSON of any form: Struct, Value, ListValue, Any."""


@dataclass(slots=True, eq=False)
class MessageField:
    """One field of a message."""

    name: str
    json_name: str
    number: int
    kind: FieldKind
    type_name: str
    """What the value is, for people: "an int32", "one of A, B", ..."""
    repeated: bool
    map: bool
    oneof: str | None
    null_is_value: bool
    """True if JSON null is a value of its own here (Value, NullValue) instead of "unset"."""
    names: tuple[str, ...]
    """Those of an enum's values."""
    message: "MessageType | None"
    """The message type of a single value, of a list's elements, or of a map's values."""


@dataclass(slots=True, eq=False)
class MessageType:
    """The fields of one message type, by proto name and by JSON name."""

    type_name: str
    fields: dict[str, MessageField] = field(default_factory=dict[str, MessageField])

    def check(self, value: dict[str, JsonValue], *, path: str = "", depth: int = 1) -> None:
        """Checks the structure of a JSON object; the types of its values are the converter's business.

        Durations and masks that are written as people write them are put into the form that the converter takes. A local time for an
        instant that has a twin for local times (``at``, ``atLocal``) goes there.

        Raises:
            InvalidInput: a name is unknown or given twice, two members of one oneof are set, or the nesting is too deep.
        """
        if depth > MAX_DEPTH:
            raise InvalidInput.at(path.rstrip("."), f"nested deeper than {MAX_DEPTH} levels")
        oneofs: dict[str, str] | None = None
        local: str | None = None
        for key, item in value.items():
            if (found := self.fields.get(key)) is None:
                raise InvalidInput.at(f"{path}{key}", "unknown field")
            if key != found.json_name and found.json_name in value:
                raise InvalidInput.at(f"{path}{key}", f"given twice, also as {found.json_name!r}")
            if item is None and not found.null_is_value:
                continue
            if found.oneof is not None:
                oneofs = {} if oneofs is None else oneofs
                if (other := oneofs.setdefault(found.oneof, key)) != key:
                    raise InvalidInput.at(f"{path}{key}", f"cannot be set together with {other!r}: only one of {found.oneof!r} is allowed")
            if isinstance(item, dict | list):
                _check_nested(found, item, f"{path}{key}", depth + 1)
            elif (normalize := _NORMALIZERS.get(found.kind)) is not None:
                value[key] = normalize(item, f"{path}{key}")
            elif found.kind is FieldKind.TIMESTAMP and f"{found.name}_local" in self.fields and _is_local(item):
                local = key
        if local is not None:
            text = str(value.pop(local))
            value[self.fields[f"{self.fields[local].name}_local"].json_name] = text if len(text) > _TO_MINUTES else f"{text}:00"

    @property
    def has_free_form(self) -> bool:
        """Whether a message of this type may hold JSON of any form, at any depth."""
        seen: set[str] = set()
        types = [self]
        while types:
            each = types.pop()
            if each.type_name in seen:
                continue
            seen.add(each.type_name)
            if any(item.kind is FieldKind.FREE for item in each.fields.values()):
                return True
            types += [item.message for item in each.fields.values() if item.message is not None]
        return False

    def resolve(self, path: str) -> tuple[MessageField, ...] | None:
        """The fields along a dotted ``path`` of proto or JSON names; None if there is no such field."""
        found: list[MessageField] = []
        message_type: MessageType | None = self
        for name in path.split("."):
            if message_type is None or (step := message_type.fields.get(name)) is None:
                return None
            found.append(step)
            message_type = None if step.repeated or step.map or step.kind is not FieldKind.MESSAGE else step.message
        return tuple(found)


def _check_nested(found: MessageField, item: dict[str, JsonValue] | list[JsonValue], path: str, depth: int) -> None:
    """Checks an object or a list inside a message."""
    message_type = found.message if found.kind is FieldKind.MESSAGE else None
    if found.map and isinstance(item, dict):
        members = [(key, f"{path}{subscript(key)}", member) for key, member in item.items()]
    elif found.repeated and isinstance(item, list):
        members = [(index, f"{path}[{index}]", member) for index, member in enumerate(item)]
    elif message_type is not None and isinstance(item, dict):
        message_type.check(item, path=f"{path}.", depth=depth)
        return
    else:
        _check_free(item, path)
        return
    if depth > MAX_DEPTH:
        raise InvalidInput.at(path, f"nested deeper than {MAX_DEPTH} levels")
    for index, where, member in members:
        if message_type is not None and isinstance(member, dict):
            message_type.check(member, path=f"{where}.", depth=depth + 1)
        elif isinstance(member, dict | list):
            _check_free(member, where)
        elif (normalize := _NORMALIZERS.get(found.kind)) is not None:
            item[index] = normalize(member, where)  # pyright: ignore[reportArgumentType, reportCallIssue]  a key of its own kind


def _check_free(value: JsonValue, path: str) -> None:
    """Checks JSON of any form, by the rule of `tocsin.values`."""
    try:
        check_free(value)
    except ValueRefused as refused:
        raise InvalidInput.at(join(path, refused.path), refused.reason) from None


def _checked_free(value: JsonValue, path: str) -> JsonValue:
    _check_free(value, path)
    return value


def _normalized_duration(value: JsonValue, path: str) -> JsonValue:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    if (made := canonical(value)) is None:
        raise InvalidInput.at(path, f"must be {FORMS}")
    return made


def _normalized_mask(value: JsonValue, _: str) -> JsonValue:
    """A mask may name fields as the contract does, and as JSON does."""
    return normalized_mask(value) if isinstance(value, str) else value


def _is_local(value: JsonValue) -> bool:
    return isinstance(value, str) and _LOCAL.fullmatch(value) is not None


_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?")
_TO_MINUTES = len("2027-01-15T09:00")

_NORMALIZERS: Mapping[FieldKind, Callable[[JsonValue, str], JsonValue]] = {
    FieldKind.FREE: _checked_free,
    FieldKind.DURATION: _normalized_duration,
    FieldKind.FIELD_MASK: _normalized_mask,
}
"""What becomes of single values of these kinds before they are converted."""


def normalized(kind: FieldKind, value: JsonValue, path: str) -> JsonValue:
    """A single value of ``kind`` in the form that the converter takes.

    Raises:
        InvalidInput: it is free-form JSON beyond the rule of `tocsin.values`, or no duration.
    """
    normalize = _NORMALIZERS.get(kind)
    return value if normalize is None else normalize(value, path)


_SCALARS: Mapping[int, tuple[FieldKind, str]] = {
    FieldDescriptor.TYPE_STRING: (FieldKind.STRING, "a string"),
    FieldDescriptor.TYPE_BYTES: (FieldKind.BYTES, "bytes in base64"),
    FieldDescriptor.TYPE_BOOL: (FieldKind.BOOL, "true or false"),
    FieldDescriptor.TYPE_DOUBLE: (FieldKind.FLOAT, "a number"),
    FieldDescriptor.TYPE_FLOAT: (FieldKind.FLOAT, "a number"),
    FieldDescriptor.TYPE_INT32: (FieldKind.INTEGER, "a 32-bit integer"),
    FieldDescriptor.TYPE_SINT32: (FieldKind.INTEGER, "a 32-bit integer"),
    FieldDescriptor.TYPE_SFIXED32: (FieldKind.INTEGER, "a 32-bit integer"),
    FieldDescriptor.TYPE_UINT32: (FieldKind.INTEGER, "an unsigned 32-bit integer"),
    FieldDescriptor.TYPE_FIXED32: (FieldKind.INTEGER, "an unsigned 32-bit integer"),
    FieldDescriptor.TYPE_INT64: (FieldKind.INTEGER, "a 64-bit integer"),
    FieldDescriptor.TYPE_SINT64: (FieldKind.INTEGER, "a 64-bit integer"),
    FieldDescriptor.TYPE_SFIXED64: (FieldKind.INTEGER, "a 64-bit integer"),
    FieldDescriptor.TYPE_UINT64: (FieldKind.INTEGER, "an unsigned 64-bit integer"),
    FieldDescriptor.TYPE_FIXED64: (FieldKind.INTEGER, "an unsigned 64-bit integer"),
}

_WELL_KNOWN: Mapping[str, tuple[FieldKind, str]] = {
    "google.protobuf.Timestamp": (FieldKind.TIMESTAMP, "an RFC 3339 time such as 2026-12-01T09:00:00Z"),
    "google.protobuf.Duration": (FieldKind.DURATION, FORMS),
    "google.protobuf.FieldMask": (FieldKind.FIELD_MASK, "a comma-separated list of field paths"),
    "google.protobuf.Struct": (FieldKind.FREE, "an object"),
    "google.protobuf.ListValue": (FieldKind.FREE, "a list"),
    "google.protobuf.Value": (FieldKind.FREE, "any JSON"),
    "google.protobuf.Any": (FieldKind.FREE, 'an object with "@type"'),
}

_WRAPPER = re.compile(r"google\.protobuf\.(?:Double|Float|Int64|UInt64|Int32|UInt32|Bool|String|Bytes)Value\Z")


class MessageTypes:
    """The message types of a contract, each compiled once."""

    def __init__(self) -> None:
        """Makes an empty set."""
        self._known: dict[str, MessageType] = {}

    def of(self, descriptor: Descriptor) -> MessageType:
        """What is known of a message type."""
        if (known := self._known.get(descriptor.full_name)) is not None:
            return known
        message_type = self._known[descriptor.full_name] = MessageType(descriptor.full_name)
        for item in descriptor.fields:
            made = self._field(item)
            message_type.fields[made.name] = message_type.fields[made.json_name] = made
        return message_type

    @staticmethod
    def own_form(descriptor: Descriptor) -> FieldKind | None:
        """What JSON a message type takes when it is not an object of its fields; None when it is."""
        if _WRAPPER.match(descriptor.full_name):
            return _SCALARS[descriptor.fields_by_name["value"].type][0]
        found = _WELL_KNOWN.get(descriptor.full_name)
        return None if found is None else found[0]

    def _field(self, item: FieldDescriptor) -> MessageField:
        entry = item.message_type if item.message_type is not None and item.message_type.GetOptions().map_entry else None
        value = item if entry is None else entry.fields_by_name["value"]
        kind, type_name = self._kind(value)
        message = value.message_type
        oneof = item.containing_oneof if item.containing_oneof is not None and len(item.containing_oneof.fields) > 1 else None
        return MessageField(
            name=item.name,
            json_name=item.json_name,
            number=item.number,
            kind=kind,
            type_name=type_name,
            repeated=item.is_repeated and entry is None,
            map=entry is not None,
            oneof=None if oneof is None else oneof.name,
            null_is_value=kind is FieldKind.NULL or (message is not None and message.full_name == "google.protobuf.Value"),
            names=tuple(each.name for each in value.enum_type.values) if kind is FieldKind.ENUM and value.enum_type is not None else (),
            message=self.of(message) if kind is FieldKind.MESSAGE and message is not None else None,
        )

    def _kind(self, item: FieldDescriptor) -> tuple[FieldKind, str]:
        if item.enum_type is not None:
            if item.enum_type.full_name == "google.protobuf.NullValue":
                return FieldKind.NULL, "null"
            return FieldKind.ENUM, f"one of {', '.join(value.name for value in item.enum_type.values)}"
        if item.message_type is None:
            return _SCALARS[item.type]
        name = item.message_type.full_name
        if _WRAPPER.match(name):
            return _SCALARS[item.message_type.fields_by_name["value"].type]
        return _WELL_KNOWN.get(name, (FieldKind.MESSAGE, "an object"))


def as_object(value: Any) -> dict[str, JsonValue] | None:
    """``value`` if it is a JSON object."""
    return cast("dict[str, JsonValue]", value) if isinstance(value, dict) else None
