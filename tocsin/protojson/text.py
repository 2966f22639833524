"""Text becomes JSON values of the fields that it is meant for: parameters of a URL, cells of a table."""

import re
from collections.abc import Callable

from tocsin.errors import InvalidInput
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, as_object


def put(into: dict[str, JsonValue], fields: tuple[MessageField, ...], value: JsonValue) -> None:
    """Sets the field at the end of ``fields``, replacing whatever stood there under either of its names."""
    parent = parent_of(into, fields)
    parent.pop(fields[-1].name, None)
    parent[fields[-1].json_name] = value


def parent_of(into: dict[str, JsonValue], fields: tuple[MessageField, ...]) -> dict[str, JsonValue]:
    """The object that holds the last of ``fields``; objects on the way are made as needed."""
    for item in fields[:-1]:
        key = item.name if item.name in into and item.json_name not in into else item.json_name
        inner = into.get(key)
        if inner is None:
            inner = into[key] = {}
        if (found := as_object(inner)) is None:
            raise InvalidInput.at(key, f"must be {item.type_name}")
        into = found
    return into


def convert(target: MessageField, text: str, name: str) -> JsonValue:
    """The JSON value of ``text`` for a field; whether it is in range is for the converter of the message to say.

    Raises:
        InvalidInput: the text cannot be a value of the field, or the field takes no text at all.
    """
    converter = None if target.map else _CONVERTERS.get(target.kind)
    if converter is None:
        raise InvalidInput.at(name, "cannot be given as text; only single values and lists of them can")
    value = converter(text)
    if value is None:
        raise InvalidInput.at(name, f"must be {target.type_name}")
    return value


def _as_text(text: str) -> JsonValue:
    return text


def _as_bool(text: str) -> JsonValue:
    return {"true": True, "false": False}.get(text)


def _as_enum(text: str) -> JsonValue:
    return int(text) if re.fullmatch(r"-?[0-9]{1,10}", text) else text


_CONVERTERS: dict[FieldKind, Callable[[str], JsonValue]] = {
    FieldKind.STRING: _as_text,
    FieldKind.BYTES: _as_text,
    FieldKind.BOOL: _as_bool,
    FieldKind.INTEGER: _as_text,
    FieldKind.FLOAT: _as_text,
    FieldKind.ENUM: _as_enum,
    FieldKind.TIMESTAMP: _as_text,
    FieldKind.DURATION: _as_text,
    FieldKind.FIELD_MASK: _as_text,
}
