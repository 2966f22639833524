"""From JSON text to values and bytes of messages in a fraction of the time, for what is surely good; all else goes the long way.

A large import is lines of the same few forms, and the long way (parse, convert, validate) costs more than all that comes behind it. So the
types of the contract are compiled, once, to types of msgspec, which parses a text and checks it in one go. They take the usual values and
are unsure about the rest: unknown names, null, numbers in quotes, anything that a rule might refuse. Whoever is unsure decides nothing.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

from scheduler_svc.handlers.bulk import wire
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
from scheduler_svc.handlers.bulk.wire import Payload, Unsure

Maker: TypeAlias = Callable[[Any], Any]
"""Makes what a field is of what the text says; raises `Unsure`, or anything that a wrong value leads to."""

Check: TypeAlias = Callable[[Any], bool]
"""Whether the fields of a value go together."""

UNSURE: Final = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, LookupError, RecursionError)
"""What may be raised: `Unsure`, or what happens when a value is not what was expected."""

_LONGEST: Final = 8 * 1024
_IGNORE_IF_ZERO: Final = 1
_IGNORE_ALWAYS: Final = 3
_BACKSLASH, _DELETE, _QUOTE = b'\\\x7f"'
_UNSET: Final = msgspec.UNSET
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Type:
    """A type of msgspec.

    Attributes:
        type: the type.
        payload: writes what is made of a value, or of several: those of a list or a map have a tag each.
        make: makes a value of what the text says; None when they are the same. A message is made as bytes, an enum as its number.
    """

    type: Any
    payload: Callable[[Any], Any]
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

    def value(self, text: bytes) -> Any:
        """The fields of a JSON object as attributes, by the names of the contract; what is not given is false.

        Messages in it are bytes as they stand on the wire, and enums are numbers.

        Raises:
            UNSURE: only the long way can tell what this is.
        """
        way, found = self._read(text)
        way.make(found)
        return found

    def wire(self, text: bytes) -> bytes:
        """A JSON object as a message on the wire, the same bytes for equal ones.

        Raises:
            UNSURE: only the long way can tell what this is.
        """
        way, found = self._read(text)
        return way.write(found)

    def _read(self, text: bytes) -> "tuple[_Way, Any]":
        if len(text) > _LONGEST:
            raise Unsure  # it may break a bound on what a message holds in all
        # JSON has no control characters in its strings but behind a backslash, and but for DEL. A byte is looked for faster than bytes.
        if _BACKSLASH not in text and _DELETE not in text:
            return _first(self._plain, text)
        if b"\\u0022" in text or b"\\u0000" in text:
            raise Unsure
        return _first(self._rough, text)


def _first(ways: "tuple[_Way, ...]", text: bytes) -> "tuple[_Way, Any]":
    for way in ways:
        try:
            made = way.decode(text)
        except msgspec.ValidationError:
            continue
        # A name that is given twice is given once in what is written again.
        if _encode(made).count(_QUOTE) != text.count(_QUOTE):
            raise Unsure
        return way, made
    raise Unsure


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to read a type: with the names of JSON, or those of the contract."""

    decode: Callable[[bytes], Any]
    make: Callable[[Any], None]
    write: Payload


def _ways(descriptor: Descriptor, raw: Collection[str], *, plain: bool) -> tuple[_Way, ...]:
    try:
        return tuple(_Compiler(plain=plain, json_names=json_names).way(descriptor, raw) for json_names in (True, False))
    except UnknownRule:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiler:
    """Compiles types for texts of one kind; `UnknownRule` is raised where it cannot be known whether a message is good."""

    plain: bool
    json_names: bool

    def way(self, descriptor: Descriptor, raw: Collection[str]) -> _Way:
        """How to read a type."""
        decode = msgspec.json.Decoder(self.struct(descriptor, raw)).decode
        return _Way(decode, self.maker(descriptor, raw), self.writer(descriptor, raw))

    def struct(self, descriptor: Descriptor, raw: Collection[str] = ()) -> type[msgspec.Struct]:
        """The type of a message."""
        named = list[Any]()
        for field, found, needed in self._known(descriptor, raw):
            named.append((field.name, found.type) if needed else (field.name, found.type | msgspec.UnsetType, _UNSET))
        rename = {field.name: field.json_name for field in descriptor.fields} if self.json_names else None
        return msgspec.defstruct(descriptor.name, named, rename=rename, forbid_unknown_fields=True, kw_only=True, gc=False)

    def maker(self, descriptor: Descriptor, raw: Collection[str] = ()) -> Callable[[Any], None]:
        """A function that makes the fields of a value of that type, in place."""
        known = self._known(descriptor, raw)
        makers = [(field.name, found.make) for field, found, _ in known if found.make is not None]
        checks, unset = _checks(descriptor, [field for field, _, _ in known]), _UNSET

        def make(value: Any) -> None:
            for check in checks:
                if not check(value):
                    raise Unsure
            for name, maker in makers:
                if (item := getattr(value, name)) is not unset:
                    setattr(value, name, maker(item))

        return make

    def writer(self, descriptor: Descriptor, raw: Collection[str] = ()) -> Payload:
        """A function that writes a value of that type as a message."""
        known = self._known(descriptor, raw)
        puts = [_put(field, found) for field, found, _ in known]
        checks = _checks(descriptor, [field for field, _, _ in known])
        fields, unset = msgspec.structs.astuple, _UNSET

        def write(value: Any) -> bytes:
            for check in checks:
                if not check(value):
                    raise Unsure
            return b"".join([put(item) for put, item in zip(puts, fields(value), strict=True) if item is not unset])

        return write

    def _known(self, descriptor: Descriptor, raw: Collection[str]) -> list[tuple[FieldDescriptor, _Type, bool]]:
        """The fields that are known here, and whether each must be given. Whoever gives another one goes the long way."""
        found: list[tuple[FieldDescriptor, _Type, bool]] = []
        for field in sorted(descriptor.fields, key=lambda field: field.number):
            rules: Any = rules_of(field, kind="field")
            try:
                known = _Type(msgspec.Raw, _unsure, bytes) if field.name in raw else self._field(field, rules)
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
            return _Type(Literal[tuple(enum_names(rules, numbers))], wire.varint, numbers.__getitem__)
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return _Type(text_type(rules, plain=self.plain, field=field.full_name), wire.text)
            case FieldDescriptor.TYPE_INT32:
                return _Type(integer_type(rules), wire.varint)
            case FieldDescriptor.TYPE_BOOL:
                no_rules(rules, "bool")
                return _Type(bool, wire.varint)
            case _:
                raise UnknownRule

    def _message(self, descriptor: Descriptor, rules: Any) -> _Type:
        match descriptor.full_name:
            case "google.protobuf.Duration":
                return _Type(str, wire.sized, wire.duration(*duration_bounds(rules)))
            case "google.protobuf.Timestamp":
                no_rules(rules, "timestamp")
                return _Type(str, wire.sized, wire.timestamp)
            case "google.protobuf.Struct":
                return _Type(dict[str, Any], wire.sized, wire.structure)
            case name if name.startswith("google.protobuf."):
                raise UnknownRule
            case _:
                return _Type(self.struct(descriptor), wire.sized, self.writer(descriptor))

    def _list(self, field: FieldDescriptor, rules: dict[str, Any]) -> _Type:
        item = self._single(field, rules.pop("items", None))
        unique = rules.pop("unique", False)
        bounds = {f"{word}_length": rules.pop(f"{word}_items") for word in ("min", "max") if f"{word}_items" in rules}
        if rules:
            raise UnknownRule
        made = Annotated[list[item.type], msgspec.Meta(**bounds)] if bounds else list[item.type]
        payload = item.payload if item.make is None else _made(item.payload, item.make)
        return _Type(made, lambda value: [payload(item) for item in value], _only_unique if unique else None)

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
        return _Type(dict[key, value] if most is None else Annotated[dict[key, value], msgspec.Meta(max_length=most)], wire.entries)


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


def _checks(descriptor: Descriptor, known: list[FieldDescriptor]) -> list[Check]:
    """What the fields of a message have to meet together: rules of the message, and how many of each group may be given."""
    groups = [oneof for oneof in descriptor.oneofs if len(oneof.fields) > 1]
    return [
        *(_group([field.name for field in known if field.containing_oneof is oneof], oneof) for oneof in groups),
        *message_checks(rules_of(descriptor, kind="message")),
    ]


def _group(names: list[str], oneof: OneofDescriptor) -> Check:
    least = len(names) - 1
    most = least if rules_of(oneof, kind="oneof") is not None else len(names)
    return lambda value: least <= [getattr(value, name) for name in names].count(_UNSET) <= most


def _put(field: FieldDescriptor, known: _Type) -> Payload:
    """Writes a field that is given, with its tag."""
    tag, payload, make = wire.tag(field), known.payload, known.make
    if payload is wire.text and not field.is_repeated and not field.has_presence:
        return wire.text_field(tag)
    whole = payload if make is None else _made(payload, make)
    if field.is_repeated:
        return lambda value: b"".join([tag + item for item in whole(value)])
    if field.has_presence:
        return lambda value: tag + whole(value)
    zero = whole(_absent(field))
    return lambda value: b"" if (made := whole(value)) == zero else tag + made


def _made(payload: Callable[[Any], Any], make: Maker) -> Callable[[Any], Any]:
    if payload is wire.sized:
        return wire.behind_size(make)
    return lambda value: payload(make(value))


def _only_unique(value: list[Any]) -> list[Any]:
    if len(value) > 1 and len(set(value)) != len(value):
        raise Unsure
    return value


def _unsure(_: Any) -> bytes:
    raise Unsure
