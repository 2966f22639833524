"""JSON to wire bytes and back, with an explanation of what is wrong; protobuf-py is touched here and nowhere else.

protobuf-py 0.7.0 converts straight from descriptors, in Rust. Three things about it are handled here. It parses JSON text without a limit
on nesting and overflows the stack, so it gets values that the standard library has parsed and whose depth has been checked, or text that
`tocsin.protojson.fast` has checked. It takes the last of several members of a oneof, which `MessageType.check` refuses. And its errors do
not tell where the bad value stands, which `tocsin.protojson.explain` finds out.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor
from protobuf import (
    DescField,
    DescFieldValueMessage,
    DescFieldValueScalar,
    DescMessage,
    Message,
    Registry,
    message_from_json_value,
    message_to_json_value,
)
from protobuf.wkt import FileDescriptorSet

from tocsin.errors import Internal, InvalidInput
from tocsin.protojson.explain import explain
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType, MessageTypes, normalized
from tocsin.protojson.printing import PLAIN, Printing, dumped, flags, with_numbers
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

# A whole number as the converter writes it in free-form JSON, or a string, in which nothing is one.
_WHOLE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+\\?(?:"|\Z)|(?<=[0-9])(?<!-0)\.0(?![0-9])', re.DOTALL)

# A path that would not come back from lowerCamelCase as it was.
_NO_JSON_PATH: Final = re.compile(r"_[0-9]")
_PROTO_PATHS: Final = re.compile(r"[a-z_][a-z0-9_.]*(?:,[a-z_][a-z0-9_.]*)*\Z")

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

    __slots__ = ("_fields", "_free", "_lists", "_masks", "_registry", "_wire_type", "descriptor", "message_type", "own_form")

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
        self.own_form: FieldKind | None = MessageTypes.own_form(descriptor)
        """What JSON the type has when it is not an object of its fields (Struct, Timestamp, StringValue); None for nearly all."""
        self._free = message_type.has_free_form or self.own_form is FieldKind.FREE
        masks = [item for item in message_type.fields.values() if item.kind is FieldKind.FIELD_MASK and not (item.repeated or item.map)]
        self._masks = tuple({item.number: item for item in masks if item.oneof is None}.values())
        self._lists = tuple((self._fields[item.number], item.json_name, item.name) for item in lists) if paged else ()

    def to_wire(self, value: dict[str, JsonValue]) -> bytes:
        """Wire bytes of a JSON object, which is changed where it is written in another form than the converter's.

        Raises:
            InvalidInput: the object is not one of this type; the error names the field.
        """
        exact = self._exact_masks(value) if self._masks else ()
        self.message_type.check(value)
        try:
            message = message_from_json_value(self._wire_type, cast("Any", value), registry=self._registry)
            for field, paths in exact:
                message[field] = _type_of(field).type(paths=paths)
            return message.to_binary()
        except _FAILURES as error:
            raise explain(self.message_type, value, accepts=self._accepts) from error

    def _exact_masks(self, value: dict[str, JsonValue]) -> list[tuple[DescField, list[str]]]:
        """Takes masks out of ``value`` whose paths JSON has no form for, such as ``line_1``: they are set by the contract's names."""
        found: list[tuple[DescField, list[str]]] = []
        for field in self._masks:
            name = field.name if field.name in value else field.json_name
            text = value.get(name)
            if isinstance(text, str) and _NO_JSON_PATH.search(text) and _PROTO_PATHS.match(text):
                found.append((self._fields[field.number], text.split(",")))
                del value[name]
        return found

    def own_form_to_wire(self, value: JsonValue) -> bytes:
        """Wire bytes of a message whose type has a JSON form of its own.

        Raises:
            InvalidInput: the value has another form.
        """
        kind = self.own_form
        try:
            found = normalized(kind, value, "") if kind is not None else value
            return message_from_json_value(self._wire_type, cast("Any", found), registry=self._registry).to_binary()
        except _FAILURES as error:
            raise InvalidInput(f"The body must be {self.message_type.type_name} in JSON.") from error

    def checked_parser(self) -> Callable[[bytes], Message]:
        """What makes protobuf-py's message of a JSON text that `tocsin.protojson.fast` has checked; its errors explain nothing."""
        return partial(self._wire_type.from_json, registry=self._registry)

    def to_json(self, wire: bytes, printing: Printing = PLAIN) -> bytes:
        """JSON text of wire bytes, as ``printing`` says: lowerCamelCase names, 64-bit integers as strings, unset fields left out.

        Raises:
            UnreadableReply: the bytes are not a message of this type, or JSON cannot express it.
        """
        try:
            message = self._wire_type.from_binary(wire)
            text = self._text(message, printing)
            missing = (
                []
                if printing.defaults
                else [(own if printing.proto_names else name) for field, name, own in self._lists if not message[field]]
            )
        except _FAILURES as error:
            raise UnreadableReply from error
        if missing and printing.indent:
            shown = cast("dict[str, JsonValue]", json.loads(text))
            text = dumped({**shown, **dict.fromkeys(missing, cast("JsonValue", []))}, printing)
        elif missing:
            members = [f'"{name}":[]' for name in missing]
            text = f"{{{','.join([text[1:-1], *members] if len(text) > len('{}') else members)}}}"
        return text.encode()

    def _text(self, message: Message, printing: Printing = PLAIN) -> str:
        """JSON of a message. A whole number of free-form JSON is written as it was given: 7, not 7.0, which readers of integers refuse."""
        if printing is PLAIN or not (printing.int64_as_numbers or printing.indent):
            text = message.to_json(registry=self._registry, **flags(printing))
        else:
            value = message_to_json_value(message, registry=self._registry, **flags(printing))
            text = dumped(with_numbers(self.message_type, cast("JsonValue", value)) if printing.int64_as_numbers else value, printing)
        return _WHOLE.sub(_without_fraction, text) if self._free and ".0" in text else text

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
            return [self._text(element).encode() for element in elements]
        except _FAILURES as error:
            raise UnreadableReply from error

    def to_value(self, wire: bytes, printing: Printing = PLAIN) -> dict[str, JsonValue]:
        """Like `to_json`, as a value; a page leaves its empty lists out.

        Raises:
            UnreadableReply: the bytes are not a message of this type, or JSON cannot express it.
        """
        try:
            message = self._wire_type.from_binary(wire)
            value = cast("JsonValue", message_to_json_value(message, registry=self._registry, **flags(printing)))
        except _FAILURES as error:
            raise UnreadableReply from error
        return cast("dict[str, JsonValue]", with_numbers(self.message_type, value) if printing.int64_as_numbers else value)

    def wrapper(self, field: MessageField) -> Callable[[Message], Message]:
        """What makes a message of this type whose only field ``field`` is the message given."""
        descriptor = self._fields[field.number]

        def wrap(inner: Message) -> Message:
            message = self._wire_type()
            message[descriptor] = inner
            return message

        return wrap

    def text_setter(self, fields: Sequence[MessageField], *, keeps: bool = False) -> Callable[[Message, str], None]:
        """What sets the text at the end of ``fields`` in a message of this type; one that ``keeps`` leaves a text that is there.

        Raises:
            LookupError: it is no text, or a member of a oneof, which would replace another one.
        """
        described = [self._fields[fields[0].number]]
        for field in fields[1:]:
            described.append(next(item for item in _type_of(described[-1]).fields if item.number == field.number))
        *outer, last = described
        if any(field.oneof for field in fields) or fields[-1].kind is not FieldKind.STRING or not _is_scalar(last):
            raise LookupError(f"{last.name} is no text that stands for itself")
        path = [(item, _type_of(item).type) for item in outer]

        def set_text(message: Message, text: str) -> None:
            for item, wire_type in path:
                inner = cast("Message | None", message[item])
                if inner is None:
                    inner = message[item] = wire_type()
                message = inner
            if not (keeps and message[last]):
                message[last] = text

        return set_text

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

    def _accepts(self, value: JsonValue) -> bool:
        """Whether ``value`` is taken as a whole message."""
        try:
            message_from_json_value(self._wire_type, cast("Any", value), registry=self._registry).to_binary()
        except _FAILURES:
            return False
        return True


def _without_fraction(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else ""


def _is_scalar(field: DescField) -> bool:
    return isinstance(field.value, DescFieldValueScalar)


def _type_of(field: DescField) -> DescMessage:
    """The type of a field that is a message."""
    if not isinstance(field.value, DescFieldValueMessage):
        raise LookupError(f"{field.name} is no message")
    return field.value.message
