"""From JSON values to messages in a fraction of the time, for what is surely good; all else goes the long way.

A large import is lines of the same few forms, and the long way (convert, validate by native libraries) costs more than all that
comes behind it. So the types of the contract are compiled, once, to functions that take the usual values and are unsure about the rest:
unknown names, null, numbers in quotes, anything that a rule might refuse. Whoever is unsure decides nothing.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from scheduler_svc.handlers.bulk.rules import (
    Check,
    UnknownRule,
    container_rules,
    message_checks,
    rules_of,
    scalar_checks,
    text_bounds,
)

Maker: TypeAlias = Callable[[Any], Any]
"""Makes the value of a field; raises `Unsure`, or anything that a wrong type leads to."""
Fields: TypeAlias = dict[str, Any]

UNSURE: Final = (ValueError, TypeError, OverflowError, LookupError, AttributeError, RecursionError)
"""What a maker may raise: `Unsure`, or what happens when a value is not what was expected."""

_IGNORE_IF_ZERO: Final = 1
_IGNORE_ALWAYS: Final = 3
_DEEPEST: Final = 32
_MOST_PLANS: Final = 256
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_SECONDS: Final = re.compile(r"([0-9]{1,9})s")


class Unsure(ValueError):
    """The long way has to decide."""


def compile_fields(descriptor: Descriptor, replaced: Mapping[str, Maker] | None = None) -> Callable[[Any], Fields]:
    """A function from the JSON object of a message to its fields by their names, with Python's values.

    Args:
        descriptor: the type.
        replaced: makers of single fields, by their name, that take the place of those that would be compiled.
    """
    try:
        return _compile(descriptor, replaced or {})
    except UnknownRule:
        return _unsure


def _unsure(_: Any) -> Any:
    raise Unsure


def _compile(descriptor: Descriptor, replaced: Mapping[str, Maker]) -> Callable[[Any], Fields]:
    table: dict[str, tuple[str, Maker]] = {}
    for field in descriptor.fields:
        entry = field.name, replaced.get(field.name) or _maker(field)
        table[field.name] = table[field.json_name] = entry
    needed = tuple(field.name for field in descriptor.fields if _needed(field))
    groups = [frozenset(field.name for field in oneof.fields) for oneof in descriptor.oneofs if len(oneof.fields) > 1]
    wanted = [rules_of(oneof, kind="oneof") is not None for oneof in descriptor.oneofs if len(oneof.fields) > 1]
    checks = message_checks(rules_of(descriptor, kind="message"))

    def plan(keys: tuple[str, ...]) -> list[tuple[str, Maker]]:
        """What is done with the values of these names, in their order; whatever the values are, they may stand together."""
        found = [table[key] for key in keys]
        names = {name for name, _ in found}
        alone = all(one <= len(group & names) <= 1 for group, one in zip(groups, wanted, strict=True))
        if len(names) < len(found) or not alone or not names.issuperset(needed):
            raise Unsure
        return found

    plans: dict[tuple[str, ...], list[tuple[str, Maker]]] = {}

    def make(value: Any) -> Fields:
        keys = tuple(value)
        known = plans.get(keys)
        if known is None:
            known = plan(keys)
            if len(plans) < _MOST_PLANS:
                plans[keys] = known
        made = {name: maker(item) for (name, maker), item in zip(known, value.values(), strict=True)}
        for name in needed:
            if not made[name]:
                raise Unsure
        for check in checks:
            if not check(made):
                raise Unsure
        return made

    return make


def _needed(field: FieldDescriptor) -> bool:
    """Whether the field must be given, because its absence breaks a rule or might."""
    rules: Any = rules_of(field, kind="field")
    if rules is None:
        return False
    if rules.required:
        return True
    if field.has_presence or rules.ignore in (_IGNORE_IF_ZERO, _IGNORE_ALWAYS):
        return False
    if field.is_repeated:
        return bool(rules.repeated.min_items or rules.map.min_pairs)
    try:
        return not all(check(field.default_value) for check in scalar_checks(rules))
    except UnknownRule:
        return True


def _maker(field: FieldDescriptor) -> Maker:
    try:
        rules: Any = rules_of(field, kind="field")
        if field.is_repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
            return _map(field, rules)
        if field.is_repeated:
            return _list(field, rules)
        zero = rules is not None and rules.ignore == _IGNORE_IF_ZERO
        return _ruled(_single(field), rules, zero=zero)
    except UnknownRule:
        return _unsure


def _ruled(make: Maker, rules: Any, *, zero: bool) -> Maker:
    """``make`` and the rules of its value.

    Raises:
        UnknownRule: there are some that are not known here.
    """
    if make is _text and rules is not None and not zero:
        least, most, rest = text_bounds(rules)
        return _bounded_text(least, most, rest[0] if len(rest) == 1 else None, rest if len(rest) > 1 else [])
    checks = scalar_checks(rules)
    return _checked(make, checks, zero=zero) if checks else make


def _bounded_text(least: int, most: int, check: Check | None, checks: list[Check]) -> Maker:
    """Like `_text`, with its rules: most values of most lines are texts."""

    def bounded(value: Any) -> str:
        if type(value) is not str or not least <= len(value) <= most:
            raise Unsure
        if not value.isascii():
            value.encode()
        if check is not None and not check(value):
            raise Unsure
        for other in checks:
            if not other(value):
                raise Unsure
        return value

    return bounded


def _checked(make: Maker, checks: list[Check], *, zero: bool) -> Maker:
    def checked(value: Any) -> Any:
        made = make(value)
        for check in checks:
            if not check(made) and not (zero and not made):
                raise Unsure
        return made

    return checked


def _single(field: FieldDescriptor) -> Maker:
    if field.message_type is not None:
        return _WELL_KNOWN.get(field.message_type.full_name) or _message(field.message_type)
    if field.enum_type is not None:
        return {name: value.number for name, value in field.enum_type.values_by_name.items()}.__getitem__
    return _SCALARS.get(field.type, _unsure)


def _message(descriptor: Descriptor) -> Maker:
    fields = compile_fields(descriptor)
    make = GetMessageClass(descriptor)
    return lambda value: make(**fields(value))


def _list(field: FieldDescriptor, rules: Any) -> Maker:
    found = container_rules(rules, kind="repeated")
    items: Any = found.pop("items", None)
    least, most, unique = found.pop("min_items", 0), found.pop("max_items", None), found.pop("unique", False)
    if found:
        raise UnknownRule
    make = _ruled(_single(field), items, zero=False)

    def make_list(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Unsure
        made = [make(item) for item in value]  # pyright: ignore[reportUnknownVariableType]  JSON
        if len(made) < least or (most is not None and len(made) > most) or (unique and len(set(made)) != len(made)):
            raise Unsure
        return made

    return make_list


def _map(field: FieldDescriptor, rules: Any) -> Maker:
    found = container_rules(rules, kind="map")
    keys, values, most = found.pop("keys", None), found.pop("values", None), found.pop("max_pairs", None)
    if found or field.message_type is None:
        raise UnknownRule
    parts = field.message_type.fields_by_name
    if parts["key"].type != FieldDescriptor.TYPE_STRING or parts["value"].type != FieldDescriptor.TYPE_STRING:
        return _unsure
    key, item = _ruled(_text, keys, zero=False), _ruled(_text, values, zero=False)

    def make_map(value: Any) -> dict[str, str]:
        if most is not None and len(value) > most:
            raise Unsure
        return {key(name): item(text) for name, text in value.items()}

    return make_map


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Unsure
    if not value.isascii():
        value.encode()  # half of a surrogate pair cannot be
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise Unsure
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise Unsure
    return value


_SCALARS: Final[Mapping[int, Maker]] = {
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_INT32: _integer,
    FieldDescriptor.TYPE_BOOL: _boolean,
}


def _timestamp(value: Any) -> Timestamp:
    if not _TIME.fullmatch(value):
        raise Unsure
    micros = (datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def _duration(value: Any) -> Duration:
    if not (match := _SECONDS.fullmatch(value)):
        raise Unsure
    return Duration(seconds=int(match[1]))


def _struct(value: Any, depth: int = 0) -> Struct:
    if depth > _DEEPEST:
        raise Unsure
    return Struct(fields={_text(name): _value(item, depth + 1) for name, item in value.items()})


def _value(value: Any, depth: int) -> Value:
    if isinstance(value, str):
        return Value(string_value=_text(value))
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int | float):
        return Value(number_value=float(value))
    if value is None:
        return Value(null_value=0)  # pyright: ignore[reportArgumentType]  the one number of NullValue
    if isinstance(value, list) and depth <= _DEEPEST:
        return Value(list_value=ListValue(values=[_value(item, depth + 1) for item in value]))  # pyright: ignore[reportUnknownVariableType]  JSON
    return Value(struct_value=_struct(value, depth))


_WELL_KNOWN: Final[Mapping[str, Maker]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.protobuf.Struct": _struct,
    "google.protobuf.ListValue": _unsure,
    "google.protobuf.Value": _unsure,
    "google.protobuf.Any": _unsure,
}
