"""What nobody should send, by the kind of field that it is sent in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FieldDescriptor

from tocsin.api.validate import DESCRIPTOR

assert DESCRIPTOR  # the rules of the contract are in protobuf's pool
_RULES: Final[Any] = descriptor_pool.Default().FindExtensionByName("buf.validate.field")


@dataclass(frozen=True, slots=True)
class Raw:
    """Text that stands in a JSON document as it is, such as a number that no Python number is."""

    text: str


@dataclass(frozen=True, slots=True)
class Many:
    """A value that is too long to be kept: made when it is sent."""

    unit: Any
    count: int

    def make(self) -> Any:
        """The value itself."""
        return self.unit * self.count if isinstance(self.unit, str) else [self.unit] * self.count


def nested(depth: int) -> dict[str, Any]:
    """An object of so many levels."""
    found: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        found = {"a": found}
    return found


INFINITE: Final = Raw("1e400")
STRINGS: Final[Sequence[Any]] = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "a\udfffb",
    "\u202egnp.exe",
    "\u2028",
    "a\uffff\ufffe\U0010ffff",
    "\u200f\u061c\u2067abc",
    "\ufeff",
    "\x7f\x1b[31m",
    "a\r\nBcc: eve@example.com",
    "../../etc/passwd",
    "%00%2e%2e",
    "{{ 7*7 }}{% for a in range(9) %}{% endfor %}",
    "' OR 1=1 --",
    "١٢:٣٠",
    "-1",
    "NaN",
    "1e400",
    "\U0001f600" * 70,
    Many("x", 300),
    Many("x", 5_000),
    Many("ä", 70_000),
    Many("x", 300_000),
    Many("x", 10_000_000),
    Many("(a|a)*", 3_000),
    Many("-eyJ", 20_000),
    5,
    INFINITE,
    True,
    [],
    {},
)
INTEGERS: Final[Sequence[Any]] = (
    -1,
    0,
    2**31 - 1,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    1.5,
    INFINITE,
    Raw("NaN"),
    Raw("9" * 5_000),
    "12",
    "Infinity",
    "x",
    "\0",
    [],
    {},
)
FLOATS: Final[Sequence[Any]] = (
    0,
    Raw("-0.0"),
    Raw("5e-324"),
    Raw("1e308"),
    INFINITE,
    Raw("-1e400"),
    Raw("NaN"),
    "NaN",
    "Infinity",
    "-Infinity",
    2**53 + 1,
    Raw("9" * 5_000),
    "x",
    {},
)
BOOLEANS: Final[Sequence[Any]] = (True, False, 2, "true", "maybe", "\0", {}, INFINITE)
ENUMS: Final[Sequence[Any]] = ("", "NOPE", "\0", "\ud800", 0, 999, -1, 2**31, 2**63, 1.5, INFINITE, {})
BYTES: Final[Sequence[Any]] = ("", "!!!", "\0", "\ud800", "AAAA" * 100, Many("AAAA", 100_000), 5, {})
TIMES: Final[Sequence[Any]] = (
    "",
    "\0",
    "0001-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "2027-02-30T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "10000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2027-01-01T00:00:00",
    "2027-01-01T24:00:00Z",
    "2027-01-01T00:00:60Z",
    "tomorrow",
    5,
    INFINITE,
    {},
)
DURATIONS: Final[Sequence[Any]] = (
    "",
    "s",
    "-1s",
    "0s",
    "0.000000001s",
    "315576000000s",
    "-315576000000s",
    "315576000001s",
    "1e400s",
    "NaNs",
    "99999999999999999999s",
    "5m",
    "\0",
    5,
    INFINITE,
    {},
)
MASKS: Final[Sequence[Any]] = ("", "*", "name", "nope", "a,b,c", "a.b.c.d.e.f.g", "\0", "\ud800", Many("a,", 10_000), Many("a.", 10_000), 5)
STRUCTS: Final[Sequence[Any]] = (
    {},
    {"a": INFINITE},
    {"a": Raw("NaN")},
    {"a": [{"b": Raw("-1e400")}]},
    {"a": 2**53 + 1},
    {"a": Raw("1234567890123456789")},
    {"a": Raw("9" * 5_000)},
    {"a": 5e-324},
    {"\0": 1},
    {"a": "\0"},
    {"a": ["\0"]},
    {"\ud800": 1},
    {"a": "\udfff"},
    {"": None},
    {"a.b[0]": {"c": 1}},
    {"__class__": "x", "constructor": {"prototype": 1}},
    nested(20),
    nested(33),
    nested(40),
    nested(120),
    Raw('{"a":' * 5_000 + "1" + "}" * 5_000),
    Raw("[" * 100_000),
    {"a": Many("x", 20_000)},
    {"a": Many("x", 300_000)},
    {"a": Many(0, 20_000)},
    {"a": Many({}, 50_000)},
    {f"k{number}": number for number in range(5_000)},
    Raw('{"a":1,"a":2}'),
    [],
    "x",
    5,
)
MAPS: Final[Sequence[Any]] = (
    {},
    {"": ""},
    {"\0": "x"},
    {"k": "\0"},
    {"\ud800": "x"},
    {"k": "\udfff"},
    {"k": None},
    {"k": 5},
    {"k": INFINITE},
    {"k": {}},
    {"x" * 300: "x"},
    {"k": Many("x", 100_000)},
    {f"k{number}": "v" for number in range(5_000)},
    Raw('{"k":"1","k":"2"}'),
    [],
    "x",
)
MESSAGES: Final[Sequence[Any]] = (
    None,
    {},
    [],
    "x",
    "\0",
    5,
    True,
    INFINITE,
    {"nope": 1},
    {"\0": 1},
    {"\ud800": 1},
    Raw('{"a":' * 200 + "1" + "}" * 200),
)
LISTS: Final[Sequence[Any]] = ([], [None], [[]], "x", {}, {"0": 1}, 5, INFINITE, Many("x", 10_000), Many({}, 10_000), Many("\0", 3))

_WELL_KNOWN: Final = {
    "google.protobuf.Timestamp": TIMES,
    "google.protobuf.Duration": DURATIONS,
    "google.protobuf.FieldMask": MASKS,
    "google.protobuf.Struct": STRUCTS,
    "google.protobuf.Value": STRUCTS,
    "google.protobuf.ListValue": LISTS,
}
_SCALARS: Final = {
    FieldDescriptor.CPPTYPE_STRING: STRINGS,
    FieldDescriptor.CPPTYPE_BOOL: BOOLEANS,
    FieldDescriptor.CPPTYPE_ENUM: ENUMS,
    FieldDescriptor.CPPTYPE_DOUBLE: FLOATS,
    FieldDescriptor.CPPTYPE_FLOAT: FLOATS,
}


def values_of(field: FieldDescriptor) -> Sequence[Any]:
    """What to send in ``field``: for one element of a list, if it is one."""
    return [*_of_kind(field), *limits_of(field)]


def limits_of(field: FieldDescriptor) -> Sequence[Any]:
    """Values at the limits that the contract sets for ``field``, or for one element of it, and one beyond them."""
    options = descriptor_pb2.FieldOptions.FromString(field.GetOptions().SerializeToString())
    rules: Any = options.Extensions[_RULES]
    if field.is_repeated and not (field.message_type is not None and field.message_type.GetOptions().map_entry):
        rules = rules.repeated.items
    kind = rules.WhichOneof("type")
    if kind == "string":
        longest = rules.string.max_len or rules.string.max_bytes
        return [Many(letter, longest + over) for letter in ("x", "\U0001f600") for over in (0, 1)] if longest else ()
    if kind in ("int32", "int64"):
        found = getattr(rules, kind)
        return [limit + over for limit in (found.gte, found.lte) for over in (-1, 0, 1)]
    if kind == "duration":
        limits = (rules.duration.gte.seconds, rules.duration.lte.seconds)
        return [f"{limit + over}s" for limit in limits for over in (-1, 0, 1)] + [f"{limits[1]}.000000001s"]
    return ()


def crowds_of(field: FieldDescriptor) -> Sequence[Any]:
    """Lists of as many elements as ``field`` may have, and of one more."""
    options = descriptor_pb2.FieldOptions.FromString(field.GetOptions().SerializeToString())
    most = options.Extensions[_RULES].repeated.max_items
    unit: Any = {} if field.message_type is not None else "x" if field.type == FieldDescriptor.TYPE_STRING else 1
    return [Many(unit, most), Many(unit, most + 1)] if most else ()


def _of_kind(field: FieldDescriptor) -> Sequence[Any]:
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            return MAPS
        return _WELL_KNOWN.get(field.message_type.full_name, MESSAGES)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return BYTES
    return _SCALARS.get(field.cpp_type, INTEGERS)


def is_well_known(field: FieldDescriptor) -> bool:
    """Whether the field's message has a JSON form of its own."""
    return field.message_type is not None and field.message_type.full_name.startswith("google.protobuf.")
