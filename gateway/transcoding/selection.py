"""What a client may choose of an answer, where its contract lets it: the fields that are shown, and how they are written."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from gateway.transcoding.query import parse_query
from tocsin.errors import InvalidInput
from tocsin.protojson.fields import JsonValue, MessageField, MessageType
from tocsin.protojson.printing import Printing

Selection: TypeAlias = Mapping[str, "Selection"]
"""Fields by proto name; what is selected of each, everything if that is empty."""

_MOST_PATHS: Final = 200
_PARAMETER: Final = re.compile(r"([a-z0-9]+)=(?:\"([a-z0-9]*)\"|([a-z0-9]+))\Z")
_CHOICES: Final[Mapping[tuple[str, str], Mapping[str, bool]]] = {
    ("names", "proto"): {"proto_names": True},
    ("names", "json"): {"proto_names": False},
    ("enums", "numbers"): {"enums_as_numbers": True},
    ("enums", "names"): {"enums_as_numbers": False},
    ("defaults", "always"): {"defaults": True},
    ("defaults", "never"): {"defaults": False},
    ("int64", "numbers"): {"int64_as_numbers": True},
    ("int64", "strings"): {"int64_as_numbers": False},
    ("indent", "2"): {"indent": True},
    ("indent", "0"): {"indent": False},
}
_NAMES: Final = frozenset(name for name, _ in _CHOICES)


def chosen_printing(accept: str, default: Printing) -> Printing:
    """What an Accept header such as ``application/json;names=proto;enums=numbers`` asks for; other parameters are none of it.

    Raises:
        InvalidInput: a parameter has a value that it does not know.
    """
    for media in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in media.split(";"))
        found = [match.groups() for part in parameters if (match := _PARAMETER.match(part))]
        asked = {name: quoted or plain for name, quoted, plain in found if name in _NAMES}
        if asked and kind in ("application/json", "application/x-ndjson", "application/jsonl", "text/event-stream", "application/*", "*/*"):
            return replace(default, **dict(item for choice in asked.items() for item in _choice(*choice).items()))
    return default


def _choice(name: str, value: str) -> Mapping[str, bool]:
    if (found := _CHOICES.get((name, value))) is None:
        values = ", ".join(each for known, each in _CHOICES if known == name)
        raise InvalidInput.at("accept", f"{name} must be one of {values}")
    return found


def chosen_fields(query_string: bytes, parameter: str, message_type: MessageType) -> Selection:
    """The fields that the query parameter ``parameter`` names, as a google.protobuf.FieldMask does; nothing if it is not there.

    Raises:
        InvalidInput: a path names no field of the answer.
    """
    texts = [value for name, value in parse_query(query_string) if name == parameter]
    paths = [path.strip() for text in texts for path in text.split(",") if path.strip()]
    if len(paths) > _MOST_PATHS:
        raise InvalidInput.at(parameter, f"has more than {_MOST_PATHS} paths")
    found: dict[str, Selection] = {}
    whole: list[dict[str, Selection]] = []
    for path in paths:
        level = found
        for field in _fields(message_type, path, parameter):
            inner = level.setdefault(field.name, {})
            if not isinstance(inner, dict) or any(inner is each for each in whole):
                break  # all of it is selected already
            level = inner
        else:
            level.clear()
            whole.append(level)
    return found


def _fields(message_type: MessageType, path: str, parameter: str) -> Iterable[MessageField]:
    """The fields along a path, through lists and the values of maps as well."""
    kind: MessageType | None = message_type
    for name in path.split("."):
        field = None if kind is None else kind.fields.get(name)
        if field is None:
            raise InvalidInput.at(parameter, f"the answer has no field {path!r}")
        yield field
        kind = field.message


def selected(message_type: MessageType, value: JsonValue, selection: Selection) -> JsonValue:
    """The part of ``value``, a message of ``message_type``, that is selected."""
    if not selection or not isinstance(value, dict):
        return value
    found: dict[str, JsonValue] = {}
    for name, item in value.items():
        field = message_type.fields.get(name)
        if field is not None and (inner := selection.get(field.name)) is not None:
            found[name] = _inside(field, item, inner)
    return found


def _inside(field: MessageField, value: JsonValue, selection: Selection) -> JsonValue:
    if field.message is None or not selection:
        return value
    if field.repeated and isinstance(value, list):
        return [selected(field.message, item, selection) for item in value]
    if field.map and isinstance(value, dict):
        return {key: selected(field.message, item, selection) for key, item in value.items()}
    return selected(field.message, value, selection)
