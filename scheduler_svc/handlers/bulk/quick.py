"""From JSON text to fields of messages in a fraction of the time, for what is surely good; all else goes the long way.

A large import is lines of the same few forms, and the long way (parse, convert, validate) costs more than all that comes behind it. So the
types of the contract are compiled, once, to types of msgspec, which parses a text and checks it in one go. They take the usual values and
are unsure about the rest: unknown names, null, numbers in quotes, anything that a rule might refuse. Whoever is unsure decides nothing.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from scheduler_svc.handlers.bulk.rules import (
    UnknownRule,
    container_rules,
    duration_bounds,
    enum_names,
    integer_type,
    message_checks,
    no_rules,
    rules_of,
    text_type,
)

Fields: TypeAlias = dict[str, Any]
Maker: TypeAlias = Callable[[Any], Any]
"""Makes the value of a field; raises `Unsure`, or anything that a wrong value leads to."""

UNSURE: Final = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, LookupError, RecursionError)
"""What may be raised: `Unsure`, or what happens when a value is not what was expected."""

_IGNORE_IF_ZERO: Final = 1
_IGNORE_ALWAYS: Final = 3
_DEEPEST: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_SECONDS: Final = re.compile(r"([0-9]{1,9})s")
_encode: Final = msgspec.json.Encoder().encode


class Unsure(ValueError):
    """The long way has to decide."""


@dataclass(frozen=True, slots=True)
class _Type:
    """A type of msgspec, and what turns its values into those that a message takes; None when they are the same."""

    type: Any
    make: Maker | None = None


class Quick:
    """Reads the JSON of one type."""

    def __init__(self, descriptor: Descriptor, *, raw: Collection[str] = ()) -> None:
        """Compiles the type.

        Args:
            descriptor: the type.
            raw: fields, by their name, that are left as the text that they are.
        """
        self._rough = _ways(descriptor, raw, plain=False)
        self._plain = _ways(descriptor, raw, plain=True)

    def fields(self, text: bytes) -> Fields:
        """The fields of a message that are given in a JSON object, by their names, with the values that its constructor takes.

        Raises:
            UNSURE: only the long way can tell what this is.
        """
        # JSON has no control characters in its strings but behind a backslash, and but for DEL.
        if b"\\" not in text and b"\x7f" not in text:
            return _first(self._plain, text)
        if b"\\u0022" in text:
            raise Unsure
        return _first(self._rough, text)


def _first(ways: "tuple[_Way, ...]", text: bytes) -> Fields:
    for way in ways:
        try:
            made = way.decode(text)
        except msgspec.ValidationError:
            continue
        # A name that is given twice is given once in what is written again.
        if _encode(made).count(b'"') != text.count(b'"'):
            raise Unsure
        return way.fields(made)
    raise Unsure


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to read a type: with the names of JSON, or those of the contract."""

    decode: Callable[[bytes], Any]
    fields: Callable[[Any], Fields]


def _ways(descriptor: Descriptor, raw: Collection[str], *, plain: bool) -> tuple[_Way, ...]:
    try:
        compilers = [_Compiler(plain=plain, json_names=json_names) for json_names in (True, False)]
        made = [(compiler, compiler.struct(descriptor, raw)) for compiler in compilers]
        return tuple(_Way(msgspec.json.Decoder(struct).decode, compiler.fields(descriptor, raw)) for compiler, struct in made)
    except UnknownRule:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiler:
    """Compiles types for texts of one kind."""

    plain: bool
    json_names: bool

    def struct(self, descriptor: Descriptor, raw: Collection[str] = ()) -> type[msgspec.Struct]:
        """The type of a message.

        Raises:
            UnknownRule: whether such a message is good cannot be known here.
        """
        named = list[Any]()
        for field, found, needed in self._known(descriptor, raw):
            named.append((field.name, found.type) if needed else (field.name, found.type | msgspec.UnsetType, msgspec.UNSET))
        rename = {field.name: field.json_name for field in descriptor.fields} if self.json_names else None
        return msgspec.defstruct(descriptor.name, named, rename=rename, forbid_unknown_fields=True, kw_only=True, gc=False)

    def fields(self, descriptor: Descriptor, raw: Collection[str] = ()) -> Callable[[Any], Fields]:
        """A function from a value of that type to the fields that are given.

        Raises:
            UnknownRule: see `struct`.
        """
        makers = [(field.name, found.make) for field, found, _ in self._known(descriptor, raw) if found.make is not None]
        checks = [*_oneofs(descriptor), *message_checks(rules_of(descriptor, kind="message"))]
        all_fields, unset = msgspec.structs.asdict, msgspec.UNSET

        def fields(value: Any) -> Fields:
            found = {name: item for name, item in all_fields(value).items() if item is not unset}
            for name, make in makers:
                if name in found:
                    found[name] = make(found[name])
            for check in checks:
                if not check(found):
                    raise Unsure
            return found

        return fields

    def _known(self, descriptor: Descriptor, raw: Collection[str]) -> list[tuple[FieldDescriptor, _Type, bool]]:
        """The fields that are known here, and whether each must be given. Whoever gives another one goes the long way."""
        found: list[tuple[FieldDescriptor, _Type, bool]] = []
        for field in descriptor.fields:
            rules: Any = rules_of(field, kind="field")
            try:
                known = _Type(msgspec.Raw, bytes) if field.name in raw else self._field(field, rules)
            except UnknownRule:
                if rules is not None and (rules.required or not field.has_presence):
                    raise
                continue
            found.append((field, known, _needed(field, rules, known)))
        return found

    def _field(self, field: FieldDescriptor, rules: Any) -> _Type:
        if rules is not None and rules.required and not field.has_presence:
            raise UnknownRule  # to be given is not enough
        if not field.is_repeated:
            return self._single(field, rules)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return self._map(field.message_type, container_rules(rules, kind="map"))
        return self._list(field, container_rules(rules, kind="repeated"))

    def _single(self, field: FieldDescriptor, rules: Any) -> _Type:
        if field.message_type is not None:
            return self._message(field.message_type, rules)
        if field.enum_type is not None:
            numbers = {name: value.number for name, value in field.enum_type.values_by_name.items()}
            return _Type(Literal[tuple(enum_names(rules, numbers))], numbers.__getitem__)
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return _Type(text_type(rules, plain=self.plain))
            case FieldDescriptor.TYPE_INT32:
                return _Type(integer_type(rules))
            case FieldDescriptor.TYPE_BOOL:
                no_rules(rules, "bool")
                return _Type(bool)
            case _:
                raise UnknownRule

    def _message(self, descriptor: Descriptor, rules: Any) -> _Type:
        match descriptor.full_name:
            case "google.protobuf.Duration":
                return _Type(str, _duration(*duration_bounds(rules)))
            case "google.protobuf.Timestamp":
                no_rules(rules, "timestamp")
                return _Type(str, _timestamp)
            case "google.protobuf.Struct":
                return _Type(dict[str, Any], _struct)
            case name if name.startswith("google.protobuf."):
                raise UnknownRule
            case _:
                return _Type(self.struct(descriptor), self.fields(descriptor))

    def _list(self, field: FieldDescriptor, rules: dict[str, Any]) -> _Type:
        item = self._single(field, rules.pop("items", None))
        unique = rules.pop("unique", False)
        bounds = {f"{word}_length": rules.pop(f"{word}_items") for word in ("min", "max") if f"{word}_items" in rules}
        if rules:
            raise UnknownRule
        made = Annotated[list[item.type], msgspec.Meta(**bounds)] if bounds else list[item.type]
        if item.make is None and not unique:
            return _Type(made)
        return _Type(made, lambda value: _listed(value, item.make, unique=unique))

    def _map(self, entry: Descriptor, rules: dict[str, Any]) -> _Type:
        types = [
            self._single(entry.fields_by_name[name], rules.pop(given, None)).type
            for name, given in (("key", "keys"), ("value", "values"))
            if entry.fields_by_name[name].type == FieldDescriptor.TYPE_STRING
        ]
        most = rules.pop("max_pairs", None)
        if rules or len(types) < len(entry.fields):
            raise UnknownRule
        key, value = types
        return _Type(dict[key, value] if most is None else Annotated[dict[key, value], msgspec.Meta(max_length=most)])


def _needed(field: FieldDescriptor, rules: Any, known: _Type) -> bool:
    """Whether the field must be given, because its absence breaks a rule."""
    if rules is None or rules.required:
        return rules is not None
    if field.has_presence or rules.ignore in (_IGNORE_IF_ZERO, _IGNORE_ALWAYS):
        return False
    try:
        msgspec.convert(_absent(field), known.type)
    except msgspec.ValidationError:
        return True
    return False


def _absent(field: FieldDescriptor) -> Any:
    """What a field is that is not given."""
    if field.is_repeated:
        return {} if field.message_type is not None and field.message_type.GetOptions().map_entry else []
    return field.default_value if field.enum_type is None else field.enum_type.values_by_number[0].name


def _oneofs(descriptor: Descriptor) -> list[Callable[[Fields], bool]]:
    """Checks of how many fields of each group are given."""
    return [
        _group(frozenset(field.name for field in oneof.fields), needed=rules_of(oneof, kind="oneof") is not None)
        for oneof in descriptor.oneofs
        if len(oneof.fields) > 1
    ]


def _group(names: frozenset[str], *, needed: bool) -> Callable[[Fields], bool]:
    return lambda fields: needed <= len(names & fields.keys()) <= 1


def _listed(value: list[Any], make: Maker | None, *, unique: bool) -> list[Any]:
    made = value if make is None else [make(item) for item in value]
    if unique and len(set(made)) != len(made):
        raise Unsure
    return made


def _timestamp(value: str) -> Timestamp:
    if not _TIME.fullmatch(value):
        raise Unsure
    micros = (datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def _duration(least: int, most: int | None) -> Callable[[str], Duration]:
    def make(value: str) -> Duration:
        match = _SECONDS.fullmatch(value)
        seconds = int(match[1]) if match else -1
        if seconds < least or (most is not None and seconds > most):
            raise Unsure
        return Duration(seconds=seconds)

    return make


def _struct(value: dict[str, Any], depth: int = 0) -> Struct:
    if depth > _DEEPEST:
        raise Unsure
    return Struct(fields={name: _value(item, depth + 1) for name, item in value.items()})


def _value(value: Any, depth: int) -> Value:
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int | float):
        return Value(number_value=float(value))
    if value is None:
        return Value(null_value=0)  # pyright: ignore[reportArgumentType]  the one number of NullValue
    if isinstance(value, dict):
        return Value(struct_value=_struct(value, depth))  # pyright: ignore[reportUnknownArgumentType]  JSON
    if depth > _DEEPEST:
        raise Unsure
    return Value(list_value=ListValue(values=[_value(item, depth + 1) for item in value]))
