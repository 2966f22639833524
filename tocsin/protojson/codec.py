"""JSON to wire bytes and back: the only module that touches protobuf-py.

protobuf-py 0.7.0 converts straight from descriptors, in Rust. Three things about it are handled here and nowhere else. It parses JSON
text without a limit on nesting and overflows the stack, so that text is parsed by the standard library and protobuf-py gets values
whose depth has been checked. It takes the last of several members of a oneof, which `MessageType.check` refuses. And its errors do not tell
where the bad value stands, which `_in_object` finds out.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor
from protobuf import Message, Registry, message_from_json_value, message_to_json_value
from protobuf.wkt import FileDescriptorSet

from tocsin.errors import Internal, InvalidInput
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType, MessageTypes, as_object
from tocsin.values import MAX_ITEMS, TOO_MANY_ITEMS, ValueRefused, check_text

_FAILURES = (ValueError, TypeError, OverflowError, RecursionError, LookupError)


class UnreadableReply(Internal):
    """A service sent an answer that cannot be read."""


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InvalidInput.at(key, "given twice in one object")
            seen.add(key)
    return found


def _no_constant(name: str) -> float:
    raise InvalidInput(f"This is not valid JSON, which has no {name}.")


_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# Neither goes back, nor begins twice at one quote: what is not closed ends with the text.
_JSON_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\(?:.|\Z))*+(?:"|\Z)', re.DOTALL)

_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


class NotJson(InvalidInput):
    """The text is not JSON."""


def load_json(body: bytes, *, name: str = "The body") -> JsonValue:
    """The value of a JSON text, which errors call ``name``.

    Raises:
        NotJson: it is not JSON in UTF-8.
        InvalidInput: it repeats a name within an object, is nested too deeply, has too many members, or holds text that is not Unicode.
    """
    if _has_too_many(body):
        raise InvalidInput(f"{name} {TOO_MANY_ITEMS}.")
    try:
        value = cast("JsonValue", _DECODER.decode(body.decode()))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8.") from error
    except json.JSONDecodeError as error:
        where = f"column {error.colno}" if name != "The body" else f"line {error.lineno}, column {error.colno}"
        raise NotJson(f"{name} is not valid JSON: {error.msg} ({where}).", reason=InvalidInput.reason) from error
    except RecursionError as error:
        raise InvalidInput(f"{name} is nested too deeply.") from error
    except ValueError as error:
        raise InvalidInput(f"{name} holds a number that is too long.") from error
    if _ESCAPED_SURROGATE.search(body):
        try:
            check_text(value)
        except ValueRefused as refused:
            raise InvalidInput.at(refused.path, refused.reason) from None
    return value


def _has_too_many(body: bytes) -> bool:
    """Whether a JSON text has more members and elements than a message may, counted before anything is made of it."""
    if _marks(body) <= MAX_ITEMS:
        return False
    return _marks(_JSON_STRING.sub(b"", body)) > MAX_ITEMS


def _marks(body: bytes) -> int:
    """How many objects and lists begin, and how many of their members follow another one."""
    return body.count(b",") + body.count(b"{") + body.count(b"[")


def dump_json(value: object) -> bytes:
    """Compact JSON text, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Codecs:
    """The codecs of the message types of one contract, each made once."""

    def __init__(self, *, descriptor_set: bytes) -> None:
        """Makes the types of a serialized google.protobuf.FileDescriptorSet that holds its imports."""
        self._registry = FileDescriptorSet.from_binary(descriptor_set).to_registry()
        self._message_types = MessageTypes()
        self._codecs: dict[str, Codec] = {}

    def of(self, descriptor: Descriptor) -> "Codec":
        """The codec of one message type.

        Raises:
            LookupError: the contract does not hold the type.
        """
        name = descriptor.full_name
        if (known := self._codecs.get(name)) is not None:
            return known
        found = self._registry.message(name)
        if found is None:
            raise LookupError(f"the descriptor set does not hold {name}")
        known = self._codecs[name] = Codec(
            wire_type=found.type, message_type=self._message_types.of(descriptor), descriptor=descriptor, registry=self._registry
        )
        return known


class Codec:
    """Converts one message type."""

    __slots__ = ("_fields", "_lists", "_registry", "_wire_type", "descriptor", "message_type")

    def __init__(self, *, wire_type: type[Message], message_type: MessageType, descriptor: Descriptor, registry: Registry) -> None:
        """Makes the converter of ``wire_type``; ``message_type`` and ``descriptor`` describe the same."""
        self.message_type = message_type
        self.descriptor = descriptor
        self._wire_type = wire_type
        self._registry = registry
        self._fields = {item.number: item for item in wire_type.desc().fields}
        # A page of a list (AIP-158) always shows its lists, so that a client may count on them.
        lists = [item for item in descriptor.fields if item.is_repeated and not message_type.fields[item.name].map]
        paged = "next_page_token" in message_type.fields
        self._lists = tuple((self._fields[item.number], f'"{item.json_name}":[]') for item in lists) if paged else ()

    def to_wire(self, value: dict[str, JsonValue]) -> bytes:
        """Wire bytes of a JSON object, which is changed where it is written in another form than the converter's.

        Raises:
            InvalidInput: the object is not one of this type; the error names the field.
        """
        self.message_type.check(value)
        try:
            return message_from_json_value(self._wire_type, cast("Any", value), registry=self._registry).to_binary()
        except _FAILURES as error:
            raise self._explain(value) from error

    def checked_parser(self) -> Callable[[bytes], Message]:
        """What makes protobuf-py's message of a JSON text that `tocsin.protojson.fast` has checked; its errors explain nothing."""
        return partial(self._wire_type.from_json, registry=self._registry)

    def to_json(self, wire: bytes) -> bytes:
        """JSON text of wire bytes: lowerCamelCase names, 64-bit integers as strings, unset fields left out.

        Raises:
            UnreadableReply: the bytes are not a message of this type, or JSON cannot express it.
        """
        try:
            message = self._wire_type.from_binary(wire)
            text = message.to_json(registry=self._registry)
            missing = [empty for field, empty in self._lists if not message[field]]
        except _FAILURES as error:
            raise UnreadableReply from error
        if missing:
            text = f"{{{','.join([text[1:-1], *missing] if len(text) > len('{}') else missing)}}}"
        return text.encode()

    def to_json_list(self, wire: bytes, field: MessageField) -> list[bytes]:
        """JSON texts of the elements of the list ``field``.

        Raises:
            UnreadableReply: the bytes are not a message of this type, or JSON cannot express it.
        """
        if field.kind is not FieldKind.MESSAGE:
            found = self.to_value(wire).get(field.json_name)
            return [dump_json(item) for item in found] if isinstance(found, list) else []
        try:
            elements = cast("list[Message]", self._wire_type.from_binary(wire)[self._fields[field.number]])
            return [element.to_json(registry=self._registry).encode() for element in elements]
        except _FAILURES as error:
            raise UnreadableReply from error

    def to_value(self, wire: bytes) -> dict[str, JsonValue]:
        """Like `to_json`, as a value.

        Raises:
            UnreadableReply: the bytes are not a message of this type, or JSON cannot express it.
        """
        try:
            return cast("dict[str, JsonValue]", message_to_json_value(self._wire_type.from_binary(wire), registry=self._registry))
        except _FAILURES as error:
            raise UnreadableReply from error

    def text_field(self, name: str) -> Callable[[bytes], str]:
        """A reader of the string field called ``name``.

        Raises:
            UnreadableReply: (the reader) the bytes are not a message of this type.
        """
        descriptor = self._fields[self.message_type.fields[name].number]

        def read(wire: bytes) -> str:
            try:
                return str(self._wire_type.from_binary(wire)[descriptor])
            except _FAILURES as error:
                raise UnreadableReply from error

        return read

    def _explain(self, value: Mapping[str, JsonValue]) -> InvalidInput:
        """Finds the value that protobuf-py refused, by trying ever smaller parts of the whole."""
        return _in_object(self.message_type, value, _Place(accepts=self._accepts)) or InvalidInput("The body is not valid.")

    def _accepts(self, value: JsonValue) -> bool:
        """Whether ``value`` is taken as a whole message."""
        try:
            message_from_json_value(self._wire_type, cast("Any", value), registry=self._registry).to_binary()
        except _FAILURES:
            return False
        return True


_EXPLAINED_DEPTH = 16
"""Levels that an explanation descends: each level converts once more what lies below it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a message at which a value can be tried alone."""

    accepts: Callable[[JsonValue], bool]
    path: str = ""
    depth: int = 0

    def member(self, name: str, key: str) -> "_Place":
        """The member of an object here; ``key`` is the name as the client wrote it."""
        path = f"{self.path}.{key}" if self.path else key
        return _Place(accepts=lambda value: self.accepts({name: value}), path=path, depth=self.depth + 1)

    def entry(self, key: str) -> "_Place":
        """The value under a key of a map here."""
        return _Place(accepts=lambda value: self.accepts({key: value}), path=f'{self.path}["{key}"]', depth=self.depth)

    def element(self, index: int) -> "_Place":
        """An element of a list here."""
        return _Place(accepts=lambda value: self.accepts([value]), path=f"{self.path}[{index}]", depth=self.depth)

    def refused(self, reason: str) -> InvalidInput:
        """The error for this place."""
        return InvalidInput.at(self.path, reason)


def _in_object(message_type: MessageType, value: Mapping[str, JsonValue], place: _Place) -> InvalidInput | None:
    """The error for the first refused member of an object; None if each is accepted alone."""
    for key, item in value.items():
        found = message_type.fields[key]
        inner = place.member(found.json_name, key)
        if not inner.accepts(item):
            return _in_field(found, item, inner)
    return None


def _in_field(found: MessageField, value: JsonValue, place: _Place) -> InvalidInput:
    if found.repeated:
        if not isinstance(value, list):
            return place.refused(f"must be a list; each element {found.type_name}")
        index = _first_refused(len(value), lambda low, high: place.accepts(value[low:high]))
        return _in_value(found, value[index], place.element(index))
    if found.map:
        if not isinstance(value, dict):
            return place.refused("must be an object")
        items = list(value.items())
        key, item = items[_first_refused(len(items), lambda low, high: place.accepts(dict(items[low:high])))]
        return _in_value(found, item, place.entry(key))
    return _in_value(found, value, place)


def _first_refused(count: int, accepts: Callable[[int, int], bool]) -> int:
    """The index of a refused item, by halving; ``accepts`` tells whether a range of items is taken."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if accepts(low, middle):
            low = middle
        else:
            high = middle
    return low


def _in_value(found: MessageField, value: JsonValue, place: _Place) -> InvalidInput:
    inner = as_object(value)
    if found.kind is FieldKind.MESSAGE and found.message is not None and inner is not None and place.depth < _EXPLAINED_DEPTH:
        return _in_object(found.message, inner, place) or place.refused(f"must be {found.type_name}")
    if isinstance(value, str) and found.kind is FieldKind.STRING:
        return place.refused("must be text that UTF-8 can express")
    return place.refused(f"must be {found.type_name}")
