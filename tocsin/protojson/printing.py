"""How messages are written as JSON where it is not protobuf's default."""

import json
from dataclasses import dataclass
from typing import Final

from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType


@dataclass(frozen=True, slots=True, kw_only=True)
class Printing:
    """How messages are written as JSON.

    Attributes:
        proto_names: names are the contract's own, not lowerCamelCase.
        enums_as_numbers: enums are numbers.
        defaults: fields without presence are shown when they are zero or empty, too.
        int64_as_numbers: 64-bit integers are numbers, which readers with 53 bits round.
        indent: lines are broken and indented by two spaces.
    """

    proto_names: bool = False
    enums_as_numbers: bool = False
    defaults: bool = False
    int64_as_numbers: bool = False
    indent: bool = False


PLAIN: Final = Printing()
"""JSON as protobuf defines it."""

PROTO_NAMES: Final = Printing(proto_names=True)
"""The same with the names of the contract (snake_case)."""


def dumped(value: object, printing: Printing) -> str:
    """JSON text."""
    if printing.indent:
        return json.dumps(value, ensure_ascii=False, indent=2)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def with_numbers(message_type: MessageType, value: JsonValue) -> JsonValue:
    """``value``, a message of ``message_type``, whose 64-bit integers are numbers instead of texts."""
    if not isinstance(value, dict):
        return value
    return {name: _field(message_type.fields[name], item) if name in message_type.fields else item for name, item in value.items()}


def _field(field: MessageField, value: JsonValue) -> JsonValue:
    if field.repeated and isinstance(value, list):
        return [_single(field, item) for item in value]
    if field.map and isinstance(value, dict):
        return {key: _single(field, item) for key, item in value.items()}
    return _single(field, value)


def _single(field: MessageField, value: JsonValue) -> JsonValue:
    if field.kind is FieldKind.INTEGER and isinstance(value, str):
        return int(value)
    return with_numbers(field.message, value) if field.kind is FieldKind.MESSAGE and field.message is not None else value
