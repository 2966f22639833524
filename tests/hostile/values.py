"""What a stranger may put into a request: hostile values for each kind of field, and a walker over the fields of every message.

`VALUES` holds values that a message of protobuf can carry, `JSON` texts that only JSON can say. Each says whether the rule for values
(`tocsin.values`) must refuse it; what it must not refuse may still break a rule of the field, or be nonsense in another way.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from importlib import import_module
from typing import Any, Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from tocsin.mesh.policy import MethodPolicy, contract, policies

NUL: Final = "\0"
MEGABYTES: Final = 10 * 1024 * 1024


class Kind(Enum):
    """What a field takes."""

    TEXT = auto()
    BYTES = auto()
    BOOL = auto()
    INTEGER = auto()
    FLOAT = auto()
    ENUM = auto()
    TIME = auto()
    SPAN = auto()
    STRUCT = auto()


@dataclass(frozen=True, slots=True)
class Hostile:
    """One value.

    Attributes:
        name: for people.
        value: what the field is set to; of a Struct the value of its member "x"; of a TIME or SPAN its seconds and nanos.
        refused: whether the rule for values must refuse it, wherever it stands.
    """

    name: str
    value: Any
    refused: bool = False


def nested(levels: int, *, lists: bool = False) -> Value:
    """A Value of so many objects, or lists, inside one another; made of bytes, because protobuf itself makes none of more than 33."""
    wire = b"\x20\x01"  # true
    for _ in range(levels):
        inner = b"\x0a" + _sized(wire) if lists else b"\x0a" + _sized(b"\x0a\x01a\x12" + _sized(wire))
        wire = (b"\x32" if lists else b"\x2a") + _sized(inner)
    return Value.FromString(wire)


def _sized(wire: bytes) -> bytes:
    length, made = len(wire), bytearray()
    while length > 127:
        made.append(length & 127 | 128)
        length >>= 7
    return bytes((*made, length)) + wire


def _value(plain: Any) -> Value:
    holder = ListValue()
    holder.append(plain)
    return holder.values[0]


_TEXTS: Final = (
    Hostile("U+0000", NUL, refused=True),
    Hostile("U+0000 within", f"a{NUL}b", refused=True),
    Hostile("empty", ""),
    Hostile("blank", " \t "),
    Hostile("line ends", "a\r\nBcc: eve@example.com\r\n\r\n"),
    Hostile("controls", "\x01\x07\x1b[31m\x7f\x85"),
    Hostile("right to left", "\u202egnp.exe\u202c \u200f\u061c"),
    Hostile("line separator", "a\u2028b\u2029"),
    Hostile("no character", "\ufffe\uffff\ufdd0"),
    Hostile("byte order mark", "\ufeffa"),
    Hostile("combining", "e" + "\u0301" * 5000),
    Hostile("astral", "\U0001f600\U0010ffff"),
    Hostile("long", "x" * 100_000),
    Hostile("many dots", "." * 2000),
    Hostile("names", "alarms/../records/k1"),
    Hostile("quotes", "' OR 1=1 --\"`$(id)\\"),
    Hostile("formats", "%s%n{}{0.__class__}${x}{{ 7*7 }}{% for a in b %}"),
    Hostile("nonsense token", "eyJ" * 2000 + "."),
    Hostile("number", "1e400"),
)
_INTEGERS: Final = tuple(
    Hostile(str(number), number)
    for number in (0, -1, -5, 1, 2**31 - 1, -(2**31), 2**31, 2**32 - 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1)
)
_FLOATS: Final = (
    Hostile("NaN", float("nan"), refused=True),
    Hostile("another NaN", struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf0\xff")[0], refused=True),
    Hostile("Infinity", float("inf"), refused=True),
    Hostile("-Infinity", float("-inf"), refused=True),
    Hostile("the largest", 1.7976931348623157e308),
    Hostile("the smallest", 5e-324),
    Hostile("-0.0", -0.0),
    Hostile("2^53+2", 2.0**53 + 2),
)
_TIMES: Final = (
    Hostile("before year 1", (-62_135_596_801, 0), refused=True),
    Hostile("after year 9999", (253_402_300_800, 0), refused=True),
    Hostile("the largest", (2**63 - 1, 0), refused=True),
    Hostile("negative nanos", (0, -1), refused=True),
    Hostile("too many nanos", (0, 10**9), refused=True),
    Hostile("year 1", (-62_135_596_800, 0)),
    Hostile("year 9999", (253_402_300_799, 999_999_999)),
    Hostile("1970", (0, 0)),
    Hostile("before 1970", (-1, 999_999_999)),
)
_SPANS: Final = (
    Hostile("over 10,000 years", (315_576_000_001, 0), refused=True),
    Hostile("the largest", (2**63 - 1, 999_999_999), refused=True),
    Hostile("mixed signs", (1, -1), refused=True),
    Hostile("too many nanos", (0, 10**9), refused=True),
    Hostile("negative", (-1, -1)),
    Hostile("zero", (0, 0)),
    Hostile("10,000 years", (315_576_000_000, 0)),
    Hostile("a nanosecond", (0, 1)),
)
_STRUCTS: Final = (
    *(Hostile(item.name, _value(item.value), item.refused) for item in (*_TEXTS, *_FLOATS) if item.name != "long"),
    Hostile("long", _value("x" * 60_000)),
    Hostile("no kind", Value(), refused=True),
    Hostile("no kind within", Value(list_value=ListValue(values=[Value()])), refused=True),
    Hostile("25 objects", nested(25), refused=True),
    Hostile("25 lists", nested(25, lists=True), refused=True),
    Hostile("30 objects", nested(30), refused=True),
    Hostile("22 objects", nested(22)),
    Hostile("null", _value(None)),
    Hostile("NaN in a list in an object", _value({"a": [1.0, {"b": float("nan")}]}), refused=True),
    Hostile("U+0000 in a key", _value({"a": {f"b{NUL}": 1.0}}), refused=True),
    Hostile("an empty key", _value({"": 1.0})),
    Hostile("many members", _value({f"k{number}": float(number) for number in range(4000)})),
    Hostile("too many members", _value([1.0] * 10_001), refused=True),
    Hostile("many objects", _value([{}] * 20_000), refused=True),
)

VALUES: Final[Mapping[Kind, Sequence[Hostile]]] = {
    Kind.TEXT: _TEXTS,
    Kind.BYTES: (
        Hostile("empty", b""),
        Hostile("zeros", bytes(10_000)),
        Hostile("no UTF-8", b"\xff\xfe\x80"),
        Hostile("half a line", b'{"a": '),
    ),
    Kind.BOOL: (Hostile("true", True), Hostile("false", False)),
    Kind.INTEGER: _INTEGERS,
    Kind.FLOAT: _FLOATS,
    Kind.ENUM: (
        Hostile("unknown", 99, refused=True),
        Hostile("negative", -1, refused=True),
        Hostile("the largest", 2**31 - 1, refused=True),
        Hostile("unspecified", 0),
    ),
    Kind.TIME: _TIMES,
    Kind.SPAN: _SPANS,
    Kind.STRUCT: _STRUCTS,
}
"""Values that a message can carry, by the kind of field."""

JSON: Final = (
    Hostile("1e400", b"1e400", refused=True),
    Hostile("-1e400", b"-1e400", refused=True),
    Hostile("2^53+1", b"9007199254740993", refused=True),
    Hostile("19 digits", b"1234567890123456789", refused=True),
    Hostile("400 digits", b"1" * 400, refused=True),
    Hostile("5,000 digits", b"1" * 5000, refused=True),
    Hostile("NaN", b"NaN", refused=True),
    Hostile("Infinity", b"Infinity", refused=True),
    Hostile("a lone surrogate", b'"\\ud800"', refused=True),
    Hostile("a lone surrogate within", b'{"a": ["x\\uDFFFy"]}', refused=True),
    Hostile("a lone surrogate in a key", b'{"\\ud800": 1}', refused=True),
    Hostile("40 objects", b'{"a":' * 40 + b"1" + b"}" * 40, refused=True),
    Hostile("40 lists", b"[" * 40 + b"1" + b"]" * 40, refused=True),
    Hostile("100,000 lists", b"[" * 100_000 + b"]" * 100_000, refused=True),
    Hostile("many empty objects", b"[" + b"{}," * 80_000 + b"{}]", refused=True),
    Hostile("many members", b"{" + b",".join(b'"%d":0' % number for number in range(20_000)) + b"}", refused=True),
    Hostile("a member twice", b'{"a": 1, "a": 2}', refused=True),
    Hostile("not closed", b'{"a": ', refused=True),
    Hostile("no UTF-8", b'"\xff"', refused=True),
    Hostile("10 MB", b'"' + b"x" * MEGABYTES + b'"', refused=True),
    Hostile("U+0000", b'"\\u0000"', refused=True),
    Hostile("null", b"null"),
    Hostile("an empty object", b"{}"),
    Hostile("an empty list", b"[]"),
    Hostile("a pair of surrogates", b'"\\ud83d\\ude00"'),
)
"""Texts for any place of a JSON body; those that are refused are so in free-form JSON, and at places that take no such thing."""


@dataclass(frozen=True, slots=True)
class Place:
    """A field that a request can set: the fields that lead there, from the request on; a map is a field, its key and its value are places.

    Attributes:
        fields: the way; the last one is the field itself.
        kind: what it takes.
        is_key: whether the key of the map is meant, which is the last field.
    """

    fields: tuple[FieldDescriptor, ...]
    kind: Kind
    is_key: bool = False

    @property
    def path(self) -> str:
        """The JSON path, with an index or a key where one is needed."""
        return ".".join(field.json_name + ("[0]" if field.is_repeated and not _is_map(field) else "") for field in self.fields)

    def put(self, message: Message, value: Any) -> None:
        """Sets the field in ``message`` to a value of `VALUES`, and what leads to it; raises ValueError if the type cannot hold it."""
        target: Any = message
        for field in self.fields[:-1]:
            target = _step_into(target, field)
        field = self.fields[-1]
        if _is_map(field):
            self._put_entry(getattr(target, field.name), field, value)
        elif field.is_repeated:
            _append(getattr(target, field.name), self.kind, value)
        elif self.kind in _MESSAGES:
            _fill(getattr(target, field.name), self.kind, value)
            getattr(target, field.name).SetInParent()
        else:
            setattr(target, field.name, value)

    def _put_entry(self, entries: Any, field: FieldDescriptor, value: Any) -> None:
        inner = _part(field, "value")
        if not self.is_key:
            if inner.message_type is not None:
                _fill(entries["k"], self.kind, value)
            else:
                entries["k"] = value
        elif inner.message_type is not None:
            entries[value].SetInParent()
        else:
            entries[value] = inner.default_value


_MESSAGES: Final = (Kind.TIME, Kind.SPAN, Kind.STRUCT)


def _step_into(target: Any, field: FieldDescriptor) -> Any:
    inner = getattr(target, field.name)
    if _is_map(field):
        return inner["k"]
    if field.is_repeated:
        return inner.add()
    inner.SetInParent()
    return inner


def _append(values: Any, kind: Kind, value: Any) -> None:
    if kind in _MESSAGES:
        _fill(values.add(), kind, value)
    else:
        values.append(value)


def _fill(target: Any, kind: Kind, value: Any) -> None:
    if kind is not Kind.STRUCT:
        target.seconds, target.nanos = value
    elif isinstance(target, Struct):
        target.fields["x"].CopyFrom(value)
    elif isinstance(target, ListValue):
        target.values.add().CopyFrom(value)
    else:
        target.CopyFrom(value)


_WELL_KNOWN: Final = {
    "google.protobuf.Timestamp": Kind.TIME,
    "google.protobuf.Duration": Kind.SPAN,
    "google.protobuf.Struct": Kind.STRUCT,
    "google.protobuf.ListValue": Kind.STRUCT,
    "google.protobuf.Value": Kind.STRUCT,
}
_SCALARS: Final = {
    FieldDescriptor.CPPTYPE_STRING: Kind.TEXT,
    FieldDescriptor.CPPTYPE_BOOL: Kind.BOOL,
    FieldDescriptor.CPPTYPE_ENUM: Kind.ENUM,
    FieldDescriptor.CPPTYPE_DOUBLE: Kind.FLOAT,
    FieldDescriptor.CPPTYPE_FLOAT: Kind.FLOAT,
    **dict.fromkeys(
        (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64),
        Kind.INTEGER,
    ),
}


def places(descriptor: Descriptor, *, around: tuple[FieldDescriptor, ...] = ()) -> Iterator[Place]:
    """Every place of a message type; a type that contains itself is entered once."""
    for field in descriptor.fields:
        way = (*around, field)
        if _is_map(field):
            yield Place(way, _kind(_part(field, "key")) or Kind.TEXT, is_key=True)
            yield from _single(way, _part(field, "value"))
        else:
            yield from _single(way, field)


def _single(way: tuple[FieldDescriptor, ...], field: FieldDescriptor) -> Iterator[Place]:
    kind = _kind(field)
    if kind is not None:
        yield Place(way, kind)
    elif field.message_type is not None and not any(outer.containing_type is field.message_type for outer in way):
        yield from places(field.message_type, around=way)


def _kind(field: FieldDescriptor) -> Kind | None:
    if field.message_type is not None:
        return _WELL_KNOWN.get(field.message_type.full_name)
    return Kind.BYTES if field.type == FieldDescriptor.TYPE_BYTES else _SCALARS[field.cpp_type]


def _part(field: FieldDescriptor, name: str) -> FieldDescriptor:
    """The key or the value of a map."""
    assert field.message_type is not None
    return field.message_type.fields_by_name[name]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def public_rpcs() -> list[MethodPolicy]:
    """Every RPC that anybody outside may call, in the order of the contract."""
    return [policy for policy in policies().values() if not policy.internal]


@cache
def _load_contract() -> None:
    """Puts every file of the contract into protobuf's pool: the modules that hold them do so when they are imported."""
    for file in contract().file:
        if file.package.startswith("tocsin."):
            import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")


def request_type(policy: MethodPolicy) -> Any:
    """The class of an RPC's requests."""
    _load_contract()
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(policy.request_type))
