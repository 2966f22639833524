"""Types of msgspec for the messages of a contract, and guards for what those cannot check: together they tell what is surely valid."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

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
from tocsin.values import ValueRefused, check_free

Guard: TypeAlias = Callable[[Any], None]
"""Returns if a value that msgspec has taken is surely valid; raises `FastPathMiss` otherwise."""

_IGNORE_IF_ZERO: Final = 1
_IGNORE_ALWAYS: Final = 3
_PROTOBUF: Final = "google.protobuf."
_UNSET: Final = msgspec.UNSET

_DURATION: Final = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,12}(?:\.[0-9]{1,9})?s\Z")]
_WHOLE_SECONDS: Final = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}s\Z")]


class FastPathMiss(ValueError):
    """The fast path cannot tell what a text is; the fallback has to decide."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a type by the names of JSON, or by those of the contract."""

    decode: Callable[[bytes], Any]
    guard: Guard | None


@dataclass(frozen=True, slots=True)
class _Type:
    """A type of msgspec, and what it cannot check."""

    type: Any
    guard: Guard | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardCompiler:
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

    def reader(self, descriptor: Descriptor, raw: Collection[str]) -> Reader:
        """How to read the texts of a message."""
        if descriptor.full_name.startswith(_PROTOBUF):
            raise UnknownRule  # its JSON is not what its fields are
        made = self._message(descriptor, raw)
        return Reader(msgspec.json.Decoder(made.type).decode, made.guard)

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
            case name if self.rules is not None and name.startswith(_PROTOBUF):
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
    "google.protobuf.FieldMask": _Type(str),
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
