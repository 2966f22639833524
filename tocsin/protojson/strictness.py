"""What google.protobuf's json_format takes beyond ProtoJSON, refused: both converters take the same."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tocsin.protojson.fields import JsonValue

_Rule: TypeAlias = Callable[[JsonValue], bool]

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_NO_NUMBERS: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)(={0,2})\Z")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])\Z"
)
_SPAN: Final = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,9})?s\Z")
_QUANTUM: Final = 4
_LARGEST_FLOAT: Final = float.fromhex("0x1.fffffep+127")
_INT32: Final = range(-(2**31), 2**31)


def check(descriptor: Descriptor, value: JsonValue) -> None:
    """Checks the JSON of a message.

    Raises:
        ValueError: a value is one that json_format takes, and ProtoJSON does not.
    """
    if (rule := _TYPES.get(descriptor.full_name)) is not None:
        _apply(rule, value)
        return
    if descriptor.full_name == "google.protobuf.Any":
        _check_any(descriptor, value)
        return
    if descriptor.full_name in _FREE:
        return
    if not isinstance(value, dict):
        raise TypeError(f"{descriptor.full_name} is an object")
    names = {field.name: field for field in descriptor.fields} | {field.json_name: field for field in descriptor.fields}
    for name, item in value.items():
        if (field := names.get(name)) is not None and item is not None:
            _check_field(field, item)


def _check_field(field: FieldDescriptor, value: JsonValue) -> None:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        for item in value.values() if isinstance(value, dict) else ():
            _check_single(kind.fields_by_name["value"], item)
    elif field.is_repeated:
        for item in value if isinstance(value, list) else ():
            _check_single(field, item)
    else:
        _check_single(field, value)


def _check_single(field: FieldDescriptor, value: JsonValue) -> None:
    if field.message_type is not None:
        check(field.message_type, value)
    elif field.enum_type is not None:
        names = field.enum_type.values_by_name
        _apply(lambda item: item in names if isinstance(item, str) else _is_int32(item), value)
    elif (rule := _SCALARS.get(field.type)) is not None:
        _apply(rule, value)


def _check_any(descriptor: Descriptor, value: JsonValue) -> None:
    if not isinstance(value, dict) or not isinstance(url := value.get("@type"), str):
        return  # json_format refuses it, or takes nothing as nothing
    inner = descriptor.file.pool.FindMessageTypeByName(url.rpartition("/")[2])
    if inner.full_name in _TYPES or inner.full_name in _FREE or inner.full_name == descriptor.full_name:
        check(inner, value.get("value"))
    else:
        check(inner, {name: item for name, item in value.items() if name != "@type"})


def _apply(rule: _Rule, value: JsonValue) -> None:
    if not rule(value):
        raise ValueError("is not in the form of ProtoJSON")


def _is_int32(value: JsonValue) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value in _INT32)


def _is_number(value: JsonValue) -> bool:
    if isinstance(value, str):
        return value in _NO_NUMBERS or (_NUMBER.match(value) is not None and math.isfinite(float(value)))
    return not isinstance(value, bool)


def _is_float(value: JsonValue) -> bool:
    if not _is_number(value):
        return False
    number = float(value) if isinstance(value, str | int | float) else 0.0
    return not math.isfinite(number) or abs(number) <= _LARGEST_FLOAT


def _is_base64(value: JsonValue) -> bool:
    if not isinstance(value, str):
        return True  # json_format refuses it
    found = _BASE64.match(value)
    return found is not None and (not found[1] or len(value) % _QUANTUM == 0)


def _is_like(form: re.Pattern[str]) -> _Rule:
    return lambda value: not isinstance(value, str) or form.match(value) is not None


def _is_any(value: JsonValue) -> bool:
    del value
    return True  # json_format is strict itself


_SCALARS: Final[Mapping[int, _Rule]] = {
    FieldDescriptor.TYPE_BYTES: _is_base64,
    FieldDescriptor.TYPE_DOUBLE: _is_number,
    FieldDescriptor.TYPE_FLOAT: _is_float,
}
_TYPES: Final[Mapping[str, _Rule]] = {
    "google.protobuf.Timestamp": _is_like(_TIME),
    "google.protobuf.Duration": _is_like(_SPAN),
    "google.protobuf.BytesValue": _is_base64,
    "google.protobuf.DoubleValue": _is_number,
    "google.protobuf.FloatValue": _is_float,
} | {
    f"google.protobuf.{name}": _is_any
    for name in ("Int32Value", "Int64Value", "UInt32Value", "UInt64Value", "StringValue", "BoolValue", "FieldMask")
}
_FREE: Final = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})
