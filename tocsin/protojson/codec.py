"""JSON to wire bytes and back, with an explanation of what is wrong; `tocsin.protojson.converters` converts."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from google.protobuf.descriptor import Descriptor

from tocsin.errors import Internal, InvalidInput
from tocsin.protojson import masks
from tocsin.protojson.converters import FAILURES, Converter, Converters, JsonCodec, Message
from tocsin.protojson.explain import explain
from tocsin.protojson.fields import MAX_DEPTH, FieldKind, JsonValue, MessageField, MessageType, MessageTypes, normalized
from tocsin.protojson.masks import Odd
from tocsin.protojson.paths import camel, is_odd
from tocsin.protojson.printing import PLAIN, Printing, dumped, with_numbers
from tocsin.values import JSON_STRING, MAX_ITEMS, TOO_MANY_ITEMS, ValueRefused, check_text, join, member, nested_deeper


class UnreadableReply(Internal):
    """A service sent an answer that cannot be read."""


class _NameRepeated(Exception):
    """An object has a name twice."""


class _Repetitive(dict[str, JsonValue]):
    """An object that has a name twice."""

    name = ""


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NameRepeated
    return found


def _marked(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    marked, seen = _Repetitive(found), set[str]()
    marked.name = next(name for name, _ in pairs if name in seen or seen.add(name))
    return marked


def _repeated(text: str) -> str:
    """Where an object of a JSON text has a name twice; read once more, for whoever reads an object does not know where it lies."""
    waiting: list[tuple[str, JsonValue]] = [("", _MARKING_DECODER.decode(text))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Repetitive):
            return join(path, member(value.name))
        if isinstance(value, dict):
            waiting += [(join(path, member(name)), inner) for name, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(f"{path}[{place}]", inner) for place, inner in enumerate(value)]
    raise AssertionError("no name is given twice")


def _read(text: str) -> JsonValue:
    try:
        return cast("JsonValue", _DECODER.decode(text))
    except _NameRepeated:
        place = _repeated(text).encode(errors="backslashreplace").decode()
        raise InvalidInput.at(place, "given twice in one object") from None


def _no_constant(name: str) -> float:
    raise InvalidInput(f"This is not valid JSON, which has no {name}.")


_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")

# A whole number as the converter writes it in free-form JSON, or a string, in which nothing is one.
_WHOLE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+\\?(?:"|\Z)|(?<=[0-9])(?<!-0)\.0(?![0-9])', re.DOTALL)

_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_MARKING_DECODER = json.JSONDecoder(object_pairs_hook=_marked)


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
        value = _read(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8.") from error
    except json.JSONDecodeError as error:
        where = f"column {error.colno}" if name != "The body" else f"line {error.lineno}, column {error.colno}"
        raise NotJson(f"{name} is not valid JSON: {error.msg} ({where}).", reason=InvalidInput.reason) from error
    except RecursionError as error:
        raise InvalidInput(f"{name} is nested too deeply.") from error
    except ValueError as error:
        raise InvalidInput(f"{name} holds a number that is too long.") from error
    if nested_deeper(body, MAX_DEPTH):
        raise InvalidInput(f"{name} is nested too deeply.")
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
    return _marks(JSON_STRING.sub(b"", body)) > MAX_ITEMS


def _marks(body: bytes) -> int:
    """How many objects and lists begin, and how many of their members follow another one."""
    return body.count(b",") + body.count(b"{") + body.count(b"[")


def dump_json(value: object) -> bytes:
    """Compact JSON text, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Codecs:
    """The codecs of the message types of one contract, each made once."""

    def __init__(self, *, descriptor_set: bytes, codec: JsonCodec = "protobuf-py") -> None:
        """Makes the types of a serialized google.protobuf.FileDescriptorSet that holds its imports; ``codec`` converts."""
        self._converters = Converters(descriptor_set=descriptor_set, codec=codec)
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
        message_type = self._message_types.of(descriptor)
        known = self._codecs[name] = Codec(converter=self._converters.of(descriptor), message_type=message_type, descriptor=descriptor)
        return known


class Codec:
    """Converts one message type."""

    __slots__ = ("_free", "_lists", "_masked", "converter", "descriptor", "message_type", "own_form")

    def __init__(self, *, converter: Converter, message_type: MessageType, descriptor: Descriptor) -> None:
        """Makes the codec of the type that all three are of."""
        self.message_type = message_type
        self.descriptor = descriptor
        self.converter = converter
        # A page of a list (AIP-158) always shows its lists, so that a client may count on them.
        lists = [item for item in descriptor.fields if item.is_repeated and not message_type.fields[item.name].map]
        paged = "next_page_token" in message_type.fields
        self.own_form: FieldKind | None = MessageTypes.own_form(descriptor)
        """What JSON the type has when it is not an object of its fields (Struct, Timestamp, StringValue); None for nearly all."""
        self._free = message_type.has_free_form or self.own_form is FieldKind.FREE
        self._masked = masks.reaches_masks(descriptor)
        self._lists = tuple((converter.field(item.number), item.json_name, item.name) for item in lists) if paged else ()

    def to_wire(self, value: dict[str, JsonValue], *, exact: Mapping[str, Sequence[str]] | None = None) -> bytes:
        """Wire bytes of a JSON object, which is changed where it is written in another form than the converter's.

        Args:
            value: the object.
            exact: the paths of masks, by the name of the field, as the contract has them; whatever ``value`` has in their place.

        Raises:
            InvalidInput: the object is not one of this type; the error names the field.
        """
        self.message_type.check(value)
        odd = [each for name, paths in (exact or {}).items() for each in self._placed(value, name, paths)]
        try:
            try:
                message = self.converter.read_value(value)
            except FAILURES:
                found = masks.taken(self.descriptor, value) if self._masked else []
                if not found:
                    raise
                odd += found
                message = self.converter.read_value(value)
            wire = self.converter.wire(message)
        except FAILURES as error:
            raise explain(self.message_type, value, accepts=self._accepts) from error
        return masks.put_back(self.descriptor, wire, odd) if odd else wire

    def _placed(self, value: dict[str, JsonValue], name: str, paths: Sequence[str]) -> list[Odd]:
        """Puts a mask into ``value``; one that JSON has no form for comes later."""
        field, odd = self.message_type.fields[name], any(is_odd(path) for path in paths)
        value.pop(field.name, None)
        value[field.json_name] = "" if odd else ",".join(camel(path) for path in paths)
        return [Odd(((self.descriptor.fields_by_name[name], None),), paths)] if odd else []

    def own_form_to_wire(self, value: JsonValue) -> bytes:
        """Wire bytes of a message whose type has a JSON form of its own.

        Raises:
            InvalidInput: the value has another form.
        """
        kind = self.own_form
        try:
            found = normalized(kind, value, "") if kind is not None else value
            return self.converter.wire(self.converter.read_value(found))
        except FAILURES as error:
            if kind is FieldKind.FIELD_MASK and (paths := masks.odd_paths(value)):
                return masks.put_back(self.descriptor, b"", [Odd((), paths)])
            raise InvalidInput(f"The body must be {self.message_type.type_name} in JSON.") from error

    def to_json(self, wire: bytes, printing: Printing = PLAIN) -> bytes:
        """JSON text of wire bytes, as ``printing`` says: lowerCamelCase names, 64-bit integers as strings, unset fields left out.

        Raises:
            UnreadableReply: the bytes are not a message of this type, or JSON cannot express it.
        """
        try:
            message = self.converter.read_wire(wire)
            text = self._text(message, printing)
            missing = [
                own if printing.proto_names else name for read, name, own in self._lists if not printing.defaults and not read(message)
            ]
        except FAILURES as error:
            return dumped(self._with_odd_masks(wire, printing, error), printing).encode()
        if missing and printing.indent:
            shown = cast("dict[str, JsonValue]", json.loads(text))
            text = dumped({**shown, **dict.fromkeys(missing, cast("JsonValue", []))}, printing)
        elif missing:
            members = [f"{json.dumps(name, ensure_ascii=False)}:[]" for name in missing]
            text = f"{{{','.join([text[1:-1], *members] if len(text) > len('{}') else members)}}}"
        return text.encode()

    def _text(self, message: Message, printing: Printing = PLAIN) -> str:
        """JSON of a message. A whole number of free-form JSON is written as it was given: 7, not 7.0, which readers of integers refuse."""
        if printing.int64_as_numbers:
            text = dumped(with_numbers(self.message_type, self.converter.value(message, printing)), printing)
        else:
            text = self.converter.text(message, printing)
        return _WHOLE.sub(_without_fraction, text) if self._free and ".0" in text else text

    def _with_odd_masks(self, wire: bytes, printing: Printing, error: Exception) -> JsonValue:
        """The JSON of a message that the converter refused, if that was for the paths of its masks.

        Raises:
            UnreadableReply: it was not.
        """
        if not self._masked:
            raise UnreadableReply from error
        try:
            rest, odd = masks.set_aside(self.descriptor, wire)
            value = self._value(self.converter.read_wire(rest), printing)
        except FAILURES as refused:
            raise UnreadableReply from refused
        if isinstance(value, dict) and not printing.defaults:
            value |= {name: [] for _, json_name, own in self._lists if (name := own if printing.proto_names else json_name) not in value}
        return masks.shown(value, odd, proto_names=printing.proto_names)

    def _value(self, message: Message, printing: Printing) -> JsonValue:
        value = self.converter.value(message, printing)
        return with_numbers(self.message_type, value) if printing.int64_as_numbers else value

    def to_json_list(self, wire: bytes, field: MessageField) -> list[bytes]:
        """JSON texts of the elements of the list ``field``.

        Raises:
            UnreadableReply: the bytes are not a message of this type, or JSON cannot express it.
        """
        if field.kind is FieldKind.MESSAGE:
            try:
                elements = cast("list[Message]", self.converter.field(field.number)(self.converter.read_wire(wire)))
                return [self._text(element).encode() for element in elements]
            except FAILURES as error:
                if not self._masked:
                    raise UnreadableReply from error
        found = self.to_value(wire).get(field.json_name)
        return [dump_json(item) for item in found] if isinstance(found, list) else []

    def to_value(self, wire: bytes, printing: Printing = PLAIN) -> dict[str, JsonValue]:
        """Like `to_json`, as a value; a page leaves its empty lists out.

        Raises:
            UnreadableReply: the bytes are not a message of this type, or JSON cannot express it.
        """
        try:
            value = self._value(self.converter.read_wire(wire), printing)
        except FAILURES as error:
            value = self._with_odd_masks(wire, printing, error)
        return cast("dict[str, JsonValue]", value)

    def text_setter(self, fields: Sequence[MessageField], *, keeps: bool = False) -> Callable[[Message, str], None]:
        """What sets the text at the end of ``fields`` in a message of this type; one that ``keeps`` leaves a text that is there.

        Raises:
            LookupError: it is no text, or a member of a oneof, which would replace another one.
        """
        if any(field.oneof for field in fields) or not self._is_text(fields):
            raise LookupError(f"{fields[-1].name} is no text that stands for itself")
        return self.converter.text_setter(fields, keeps=keeps)

    def _is_text(self, fields: Sequence[MessageField]) -> bool:
        descriptor: Descriptor | None = self.descriptor
        for field in fields[:-1]:
            descriptor = None if descriptor is None else descriptor.fields_by_number[field.number].message_type
        last = None if descriptor is None else descriptor.fields_by_number[fields[-1].number]
        return last is not None and last.type == last.TYPE_STRING and not last.is_repeated

    def text_field(self, name: str) -> Callable[[bytes], str]:
        """A reader of the string field called ``name``.

        Raises:
            UnreadableReply: (the reader) the bytes are not a message of this type.
        """
        read_field = self.converter.field(self.message_type.fields[name].number)

        def read(wire: bytes) -> str:
            try:
                return str(read_field(self.converter.read_wire(wire)))
            except FAILURES as error:
                raise UnreadableReply from error

        return read

    def _accepts(self, value: JsonValue) -> bool:
        """Whether ``value`` is taken as a whole message."""
        try:
            self.converter.wire(self.converter.read_value(value))
        except FAILURES:
            return False
        return True


def _without_fraction(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else ""
