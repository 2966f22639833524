"""Text in paths and query strings becomes JSON values of the fields that it is bound to."""

import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote_to_bytes

from gateway.transcoding.shapes import Field, JsonValue, Kind, Shape, as_object
from tocsin.errors import InvalidInput

MAX_PARAMETERS = 500
"""Most parameters in one query string."""

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SNAKE = re.compile(r"_([a-z0-9])")


def parse_query(query_string: bytes) -> list[tuple[str, str]]:
    """The parameters of a raw query string, in order (application/x-www-form-urlencoded).

    Raises:
        InvalidInput: the percent-encoding is broken, the text is not UTF-8, or there are too many parameters.
    """
    if not query_string:
        return []
    parts = [part for part in query_string.split(b"&") if part]
    if len(parts) > MAX_PARAMETERS:
        raise InvalidInput.at("query", f"has more than {MAX_PARAMETERS} parameters")
    return [(_unquote(name), _unquote(value)) for name, _, value in (part.partition(b"=") for part in parts)]


def _unquote(text: bytes) -> str:
    try:
        plain = text.replace(b"+", b" ").decode()
        if _BROKEN.search(plain):
            raise InvalidInput.at("query", f"broken percent-encoding in {plain!r}")
        return unquote_to_bytes(plain).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput.at("query", "is not UTF-8") from error


class QueryBinder:
    """Puts query parameters into a request, except into fields that the path or the body own."""

    def __init__(self, *, shape: Shape, owned: Iterable[str]) -> None:
        """Makes the binder of one route.

        Args:
            shape: the request type.
            owned: dotted proto paths of the fields that are bound to the path or to the body.
        """
        self._shape = shape
        self._owned = frozenset(owned)

    def bind(self, parameters: Iterable[tuple[str, str]], into: dict[str, JsonValue]) -> None:
        """Puts ``parameters`` into the JSON object ``into``.

        Raises:
            InvalidInput: a parameter names no field, an owned one, one that takes no text, or a single one twice.
        """
        seen: set[str] = set()
        for name, text in parameters:
            fields = self._shape.resolve(name)
            if fields is None:
                raise InvalidInput.at(name, "unknown query parameter")
            path = ".".join(item.name for item in fields)
            self._check_owner(name, path)
            target = fields[-1]
            value = convert(target, text, name)
            if target.repeated:
                found = _parent(into, fields).setdefault(target.json_name, [])
                if isinstance(found, list):
                    found.append(value)
                continue
            if path in seen:
                raise InvalidInput.at(name, "given twice")
            seen.add(path)
            _parent(into, fields)[target.json_name] = value

    def _check_owner(self, name: str, path: str) -> None:
        for owned in self._owned:
            if path == owned or path.startswith(f"{owned}.") or owned.startswith(f"{path}."):
                raise InvalidInput.at(name, "is set by the path or the body and cannot be a query parameter")


def put(into: dict[str, JsonValue], fields: tuple[Field, ...], value: JsonValue) -> None:
    """Sets the field at the end of ``fields``, replacing whatever stood there under either of its names."""
    parent = _parent(into, fields)
    parent.pop(fields[-1].name, None)
    parent[fields[-1].json_name] = value


def _parent(into: dict[str, JsonValue], fields: tuple[Field, ...]) -> dict[str, JsonValue]:
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


def convert(target: Field, text: str, name: str) -> JsonValue:
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


def _as_mask(text: str) -> JsonValue:
    return _SNAKE.sub(lambda match: match[1].upper(), text)


_CONVERTERS: dict[Kind, Callable[[str], JsonValue]] = {
    Kind.STRING: _as_text,
    Kind.BYTES: _as_text,
    Kind.BOOL: _as_bool,
    Kind.INTEGER: _as_text,
    Kind.FLOAT: _as_text,
    Kind.ENUM: _as_enum,
    Kind.TIMESTAMP: _as_text,
    Kind.DURATION: _as_text,
    Kind.FIELD_MASK: _as_mask,
}
