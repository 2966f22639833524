"""Query strings: their parameters become values of the request's fields."""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from gateway.transcoding.leniency import enum_name
from gateway.transcoding.options import STRICT, Transcoding
from tocsin.errors import InvalidInput
from tocsin.protojson.fields import JsonValue, MessageField, MessageType
from tocsin.protojson.text import convert, parent_of

MAX_PARAMETERS = 500
"""Most parameters in one query string, or in one form."""

_QUOTED = 100

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_query(query_string: bytes, *, name: str = "query") -> list[tuple[str, str]]:
    """The parameters of a raw query string or of a form, which errors call ``name``, in order (application/x-www-form-urlencoded).

    Raises:
        InvalidInput: the percent-encoding is broken, the text is not UTF-8, or there are too many parameters.
    """
    if not query_string:
        return []
    if query_string.count(b"&") >= MAX_PARAMETERS:
        raise InvalidInput.at(name, f"has more than {MAX_PARAMETERS} parameters")
    parts = (part.partition(b"=") for part in query_string.split(b"&") if part)
    return [(_unquote(key, name), _unquote(value, name)) for key, _, value in parts]


def _unquote(text: bytes, where: str) -> str:
    try:
        plain = text.replace(b"+", b" ").decode()
        if _BROKEN.search(plain):
            raise InvalidInput.at(where, f"broken percent-encoding in {plain[:_QUOTED]!r}")
        return unquote_to_bytes(plain).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput.at(where, "is not UTF-8") from error


class ParameterRefused(InvalidInput):
    """A query parameter does not fit; the error names it as it was sent."""

    reason = InvalidInput.reason


class QueryBinder:
    """Puts query parameters into a request, except into fields that the path or the body own."""

    def __init__(self, *, message_type: MessageType, owned: Iterable[str] = (), transcoding: Transcoding = STRICT) -> None:
        """Makes the binder of one route.

        Args:
            message_type: the request type.
            owned: dotted proto paths of the fields that are bound to the path or to the body.
            transcoding: which parameters are passed over, and whether names of enums are read in any case.
        """
        self._message_type = message_type
        self._owned = frozenset(owned)
        self._transcoding = transcoding
        self._passed_over = transcoding.ignored_parameters | {transcoding.fields_parameter}

    def for_message(self, parameters: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """``parameters`` without those that are passed over."""
        if self._transcoding is STRICT:
            return parameters
        known = [item for item in parameters if item[0] not in self._passed_over]
        return [item for item in known if self._message_type.resolve(item[0])] if self._transcoding.unknown_parameters else known

    def bind(self, parameters: Iterable[tuple[str, str]], into: dict[str, JsonValue]) -> None:
        """Puts ``parameters`` into the JSON object ``into``.

        Raises:
            InvalidInput: a parameter names no field, an owned one, one that takes no text, or a single one twice.
        """
        seen: set[str] = set()
        for name, text in parameters:
            fields = self._message_type.resolve(name)
            if fields is None:
                raise ParameterRefused.at(name, "unknown query parameter")
            path = ".".join(item.name for item in fields)
            self._check_owner(name, path)
            target = fields[-1]
            if self._transcoding.enums_in_any_case and target.names:
                text = enum_name(target, text)
            value = _converted(target, text, name)
            if target.repeated:
                found = parent_of(into, fields).setdefault(target.json_name, [])
                if isinstance(found, list):
                    found.append(value)
                continue
            if path in seen:
                raise ParameterRefused.at(name, "given twice")
            seen.add(path)
            parent_of(into, fields)[target.json_name] = value

    def _check_owner(self, name: str, path: str) -> None:
        for owned in self._owned:
            if path == owned or path.startswith(f"{owned}.") or owned.startswith(f"{path}."):
                raise ParameterRefused.at(name, "is set by the path or the body and cannot be a query parameter")


def _converted(target: MessageField, text: str, name: str) -> JsonValue:
    try:
        return convert(target, text, name)
    except InvalidInput as error:
        raise ParameterRefused(error.message, violations=error.violations) from error
