"""The fast path from JSON text to messages: it takes what is surely valid; the fallback, `tocsin.protojson.codec`, decides on all else.

The types of a contract are compiled to types of msgspec, which parses a text and checks it in one go. A text that passes is converted by
protobuf-py as it stands, by the rules that the fallback follows as well. So the check has to keep out what the fallback refuses or rewrites
before it converts: names that are unknown or given twice, two members of a oneof, null, free-form JSON beyond the bounds of
`tocsin.values`, durations and masks in other forms than protobuf's. Whatever else is wrong, the converter refuses.

With `KnownRules` the message must also be valid by the rules of the contract (buf.validate), so that no validator need be asked.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from protobuf import Message

from tocsin.protojson.codec import Codec
from tocsin.protojson.constraints import (
    Check,
    KnownRules,
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
from tocsin.values import MAX_ITEMS, ValueRefused, check_free

Guard: TypeAlias = Callable[[Any], None]
"""Returns if a value that msgspec has taken is surely valid; raises `FastPathMiss` otherwise."""

_FAILURES: Final = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, LookupError, RecursionError)
_MAX_VALIDATED: Final = 8 * 1024
_IGNORE_IF_ZERO: Final = 1
_IGNORE_ALWAYS: Final = 3
_BACKSLASH, _DELETE, _QUOTE = b'\\\x7f"'
_UNSET: Final = msgspec.UNSET
_encode: Final = msgspec.json.Encoder().encode

_DURATION: Final = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,12}(?:\.[0-9]{1,9})?s\Z")]
_WHOLE_SECONDS: Final = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}s\Z")]
_MASK: Final = Annotated[str, msgspec.Meta(pattern=r"^[^_]*\Z")]


class FastPathMiss(ValueError):
    """The fast path cannot tell what a text is; the fallback has to decide."""


class FastCodec:
    """Reads the JSON of one type on the fast path."""

    def __init__(self, codec: Codec, *, rules: KnownRules | None = None) -> None:
        """Compiles the type.

        Args:
            codec: converts the type, and is the fallback.
            rules: asks for messages that are valid by the rules of the contract; None asks for messages alone.
        """
        self._read = _Texts(codec.descriptor, rules=rules).read
        self._parse = codec.checked_parser()

    def message(self, text: bytes) -> Message:
        """The message that a JSON object means.

        Raises:
            FastPathMiss: the fallback has to decide.
        """
        try:
            self._read(text)
            return self._parse(text)
        except _FAILURES as error:
            raise FastPathMiss from error

    def wire(self, text: bytes) -> bytes:
        """The same as wire bytes.

        Raises:
            FastPathMiss: the fallback has to decide.
        """
        try:
            self._read(text)
            return self._parse(text).to_binary()
        except _FAILURES as error:
            raise FastPathMiss from error


class FastFields:
    """Reads the fields of the JSON of one type on the fast path, without making a message of them."""

    def __init__(self, codec: Codec, *, rules: KnownRules, raw: Collection[str] = ()) -> None:
        """Compiles the type; ``raw`` are fields, by their names in the contract, that are left as the text that they are."""
        self._read = _Texts(codec.descriptor, rules=rules, raw=raw, converted=False).read

    def read(self, text: bytes) -> Any:
        """The fields of a JSON object as attributes, by their names in the contract; what is not given is false.

        Values are as JSON has them, enums by their names; raw fields are text.

        Raises:
            FastPathMiss: the fallback has to decide.
        """
        try:
            return self._read(text)
        except _FAILURES as error:
            raise FastPathMiss from error


class _Texts:
    """Parses the texts of one type that are surely valid; raises one of `_FAILURES` at others."""

    def __init__(self, descriptor: Descriptor, *, rules: KnownRules | None, raw: Collection[str] = (), converted: bool = True) -> None:
        def compiled(*, plain: bool) -> tuple[_Reader, ...]:
            names = (True, False)
            compilers = [_Compiler(rules=rules, plain=plain, json_names=json_names, converted=converted) for json_names in names]
            try:
                return tuple(compiler.reader(descriptor, raw) for compiler in compilers)
            except UnknownRule:
                return ()

        self._longest = MAX_ITEMS if rules is None else _MAX_VALIDATED
        self._readers = compiled(plain=False)
        self._plain_readers = self._readers if rules is None else compiled(plain=True)

    def read(self, text: bytes) -> Any:
        """The value of a text, whose fields are attributes."""
        if len(text) > self._longest:
            raise FastPathMiss  # it may break a bound on what a message holds in all
        # JSON has no control characters in its strings but behind a backslash, and but for DEL. A byte is looked for faster than bytes.
        if _BACKSLASH not in text and _DELETE not in text:
            return _first(self._plain_readers, text)
        if b"\\u0022" in text or b"\\u0000" in text:
            raise FastPathMiss
        return _first(self._readers, text)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a type by the names of JSON, or by those of the contract."""

    decode: Callable[[bytes], Any]
    guard: Guard | None


def _first(readers: tuple[_Reader, ...], text: bytes) -> Any:
    """The value that the first reader makes which knows the names of the text."""
    for reader in readers:
        try:
            value = reader.decode(text)
        except msgspec.ValidationError:
            continue
        # A name that is given twice is given once in what is written again.
        if _encode(value).count(_QUOTE) != text.count(_QUOTE):
            raise FastPathMiss
        if reader.guard is not None:
            reader.guard(value)
        return value
    raise FastPathMiss


@dataclass(frozen=True, slots=True)
class _Type:
    """A type of msgspec, and what it cannot check."""

    type: Any
    guard: Guard | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiler:
    """Compiles types for texts of one kind; `UnknownRule` is raised where nothing can be told of a value.

    Attributes:
        rules: those that messages have to meet; None for none.
        plain: the texts have no control characters.
        json_names: fields have the names of JSON, otherwise those of the contract.
        converted: values go to the converter afterwards, which refuses what is not seen here.
        around: the types that the one being compiled stands in.
    """

    rules: KnownRules | None
    plain: bool
    json_names: bool
    converted: bool
    around: frozenset[str] = frozenset()

    def reader(self, descriptor: Descriptor, raw: Collection[str]) -> _Reader:
        """How to read the texts of a message."""
        made = self._message(descriptor, raw)
        return _Reader(msgspec.json.Decoder(made.type).decode, made.guard)

    def _message(self, descriptor: Descriptor, raw: Collection[str] = ()) -> _Type:
        if descriptor.full_name in self.around:
            raise UnknownRule  # it has no bound to its depth
        known = replace(self, around=self.around | {descriptor.full_name}).known_fields(descriptor, raw)
        named = list[Any]()
        for field, made, needed in known:
            named.append((field.name, made.type) if needed else (field.name, made.type | msgspec.UnsetType, _UNSET))
        rename = {field.name: field.json_name for field in descriptor.fields} if self.json_names else None
        struct = msgspec.defstruct(descriptor.name, named, rename=rename, forbid_unknown_fields=True, kw_only=True, gc=False)
        guards = [(field.name, made.guard) for field, made, _ in known if made.guard is not None]
        return _Type(struct, _together(self._checks(descriptor, [field for field, _, _ in known]), guards))

    def known_fields(self, descriptor: Descriptor, raw: Collection[str]) -> list[tuple[FieldDescriptor, _Type, bool]]:
        """The fields that are known here, and whether each must be given; a text that gives another one misses the fast path."""
        found: list[tuple[FieldDescriptor, _Type, bool]] = []
        for field in descriptor.fields:
            rules: Any = None if self.rules is None else rules_of(field, kind="field")
            try:
                made = _Type(msgspec.Raw) if field.name in raw else self._field(field, rules)
            except UnknownRule:
                if rules is not None and (rules.required or not field.has_presence):
                    raise
                continue
            found.append((field, made, _needed(field, rules, made)))
        return found

    def _field(self, field: FieldDescriptor, rules: Any) -> _Type:
        if rules is not None and rules.required and not field.has_presence:
            raise UnknownRule  # to be given is not enough
        if not field.is_repeated:
            return self._single(field, rules)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return self._map(field.message_type, container_rules(rules, kind="map"))
        return self._list(field, container_rules(rules, kind="repeated"))

    def _list(self, field: FieldDescriptor, rules: dict[str, Any]) -> _Type:
        item = self._single(field, rules.pop("items", None))
        unique = rules.pop("unique", False)
        bounds = {f"{word}_length": rules.pop(f"{word}_items") for word in ("min", "max") if f"{word}_items" in rules}
        if rules:
            raise UnknownRule
        made = Annotated[list[item.type], msgspec.Meta(**bounds)] if bounds else list[item.type]
        return _Type(made, _list_guard(item.guard, unique=unique))

    def _map(self, entry: Descriptor, rules: dict[str, Any]) -> _Type:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        if self.rules is not None and key.type != FieldDescriptor.TYPE_STRING:
            raise UnknownRule
        keys = str if self.rules is None else self._single(key, rules.pop("keys", None)).type
        values = self._single(value, rules.pop("values", None))
        most = rules.pop("max_pairs", None)
        if rules:
            raise UnknownRule
        made: Any = dict[keys, values.type]
        bounded = made if most is None else Annotated[made, msgspec.Meta(max_length=most)]
        return _Type(bounded, _map_guard(_list_guard(values.guard)))

    def _single(self, field: FieldDescriptor, rules: Any) -> _Type:
        if field.message_type is not None:
            return self._of_message(field.message_type, rules)
        return _Type(_SCALARS[field.type]) if self.rules is None else _Type(self._valid_scalar(field, rules, self.rules))

    def _valid_scalar(self, field: FieldDescriptor, rules: Any, known: KnownRules) -> Any:
        if field.enum_type is not None:
            numbers = {name: value.number for name, value in field.enum_type.values_by_name.items()}
            return Literal[tuple(enum_names(rules, numbers))]
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return text_type(rules, plain=self.plain, more=known.texts.get(field.full_name, {}))
            case FieldDescriptor.TYPE_INT32:
                return integer_type(rules)
            case FieldDescriptor.TYPE_BOOL:
                no_rules(rules, "bool")
                return bool
            case _:
                raise UnknownRule

    def _of_message(self, descriptor: Descriptor, rules: Any) -> _Type:
        match descriptor.full_name:
            case "google.protobuf.Duration" if self.rules is not None:
                return _Type(_WHOLE_SECONDS, _within(*duration_bounds(rules)))
            case "google.protobuf.Timestamp":
                no_rules(rules, "timestamp")
                if not self.converted:
                    raise UnknownRule
                return _Type(str)
            case "google.protobuf.Struct":
                return _Type(dict[str, Any], _free)
            case "google.protobuf.Any":
                raise UnknownRule
            case name if self.rules is not None and name.startswith("google.protobuf."):
                raise UnknownRule
            case name if name in _WELL_KNOWN:
                return _WELL_KNOWN[name]
            case _:
                return self._message(descriptor)

    def _checks(self, descriptor: Descriptor, known: list[FieldDescriptor]) -> list[Check]:
        """What the fields of a message have to meet together: how many of each oneof may be given, and rules of the message."""
        oneofs = [
            _one_of([field.name for field in known if field.containing_oneof is oneof], oneof, validated=self.rules is not None)
            for oneof in descriptor.oneofs
            if len(oneof.fields) > 1
        ]
        if self.rules is None:
            return oneofs
        return [*oneofs, *message_checks(rules_of(descriptor, kind="message"), self.rules.programs)]


def _needed(field: FieldDescriptor, rules: Any, made: _Type) -> bool:
    """Whether the field must be given, because its absence breaks a rule."""
    if rules is None or rules.required:
        return rules is not None
    if field.has_presence or rules.ignore in (_IGNORE_IF_ZERO, _IGNORE_ALWAYS):
        return False
    try:
        msgspec.convert(_absent(field), made.type)
    except msgspec.ValidationError:
        return True
    return False


def _absent(field: FieldDescriptor) -> Any:
    """What a field is that is not given."""
    if field.is_repeated:
        return {} if field.message_type is not None and field.message_type.GetOptions().map_entry else []
    return field.default_value if field.enum_type is None else field.enum_type.values_by_number[0].name


def _one_of(names: list[str], oneof: OneofDescriptor, *, validated: bool) -> Check:
    least = len(names) - 1
    most = least if validated and rules_of(oneof, kind="oneof") is not None else len(names)
    if len(names) < 2:  # no two can be given together
        return lambda value: [getattr(value, name) for name in names].count(_UNSET) <= most
    values = attrgetter(*names)
    return lambda value: least <= values(value).count(_UNSET) <= most


def _together(checks: list[Check], guards: list[tuple[str, Guard]]) -> Guard | None:
    """The guard of a message: of its fields together, and of each."""
    if not checks and not guards:
        return None

    def guard(value: Any) -> None:
        for check in checks:
            if not check(value):
                raise FastPathMiss
        for name, inner in guards:
            if (item := getattr(value, name)) is not _UNSET:
                inner(item)

    return guard


def _list_guard(item: Guard | None, *, unique: bool = False) -> Guard | None:
    """The guard of several values: of each, and whether they must differ."""
    if item is None and not unique:
        return None

    def every(values: Collection[Any]) -> None:
        if unique and len(set(values)) != len(values):
            raise FastPathMiss
        if item is not None:
            for value in values:
                item(value)

    return every


def _map_guard(values: Guard | None) -> Guard | None:
    return None if values is None else lambda entries: values(entries.values())


def _within(least: int, most: int | None) -> Guard:
    """Durations of whole seconds within bounds."""

    def guard(value: str) -> None:
        seconds = int(value[:-1])
        if seconds < least or (most is not None and seconds > most):
            raise FastPathMiss

    return guard


def _free(value: object) -> None:
    try:
        check_free(value)
    except ValueRefused as refused:
        raise FastPathMiss from refused


_NUMBER: Final = float | str
_INTEGER: Final = int | str
_SCALARS: Final[dict[int, Any]] = {
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_BYTES: str,
    FieldDescriptor.TYPE_BOOL: bool,
    FieldDescriptor.TYPE_ENUM: _INTEGER,
    FieldDescriptor.TYPE_DOUBLE: _NUMBER,
    FieldDescriptor.TYPE_FLOAT: _NUMBER,
    FieldDescriptor.TYPE_INT32: _INTEGER,
    FieldDescriptor.TYPE_SINT32: _INTEGER,
    FieldDescriptor.TYPE_SFIXED32: _INTEGER,
    FieldDescriptor.TYPE_UINT32: _INTEGER,
    FieldDescriptor.TYPE_FIXED32: _INTEGER,
    FieldDescriptor.TYPE_INT64: _INTEGER,
    FieldDescriptor.TYPE_SINT64: _INTEGER,
    FieldDescriptor.TYPE_SFIXED64: _INTEGER,
    FieldDescriptor.TYPE_UINT64: _INTEGER,
    FieldDescriptor.TYPE_FIXED64: _INTEGER,
}
"""What JSON a value of each type may be; its range is for the converter to check."""

_WELL_KNOWN: Final = {
    "google.protobuf.Duration": _Type(_DURATION),
    "google.protobuf.FieldMask": _Type(_MASK),
    "google.protobuf.Value": _Type(Any, _free),
    "google.protobuf.ListValue": _Type(list[Any], _free),
    "google.protobuf.DoubleValue": _Type(_NUMBER),
    "google.protobuf.FloatValue": _Type(_NUMBER),
    "google.protobuf.Int64Value": _Type(_INTEGER),
    "google.protobuf.UInt64Value": _Type(_INTEGER),
    "google.protobuf.Int32Value": _Type(_INTEGER),
    "google.protobuf.UInt32Value": _Type(_INTEGER),
    "google.protobuf.BoolValue": _Type(bool),
    "google.protobuf.StringValue": _Type(str),
    "google.protobuf.BytesValue": _Type(str),
}
