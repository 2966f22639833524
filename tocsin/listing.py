"""What every List method shares: page tokens (AIP-158) and a small, strict subset of filters (AIP-160).

A page token is the cursor of a keyset query, bound to the query that made it, so that a token cannot continue another list. A filter is
one or more conditions joined by ``AND``: ``state="ACTIVE" AND due_time>="2026-01-01T00:00:00Z" AND labels.team="core"``. Fields go by
either of their names, that of the contract or that of JSON. Errors name the position in the filter.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, Literal, cast

from tocsin.errors import InvalidInput

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Cursor = str | int
Value = str | int | float | bool | datetime | None

_EQUALITY: Final = ("=", "!=")
_ORDER: Final = ("=", "!=", "<", "<=", ">", ">=")
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"\\]++|\\.)*+"|'(?:[^'\\]++|\\.)*+')
      | (?P<open>["'].*)
      | (?P<operator><=|>=|!=|=|<|>|:)
      | (?P<word>[^\s"'=<>!:()]+)
      | (?P<other>\S)
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])[A-Z]")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,300}(\.[0-9]{1,300})?([eE][-+]?[0-9]{1,3})?")
_LITERALS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}


class FilterKind(Enum):
    """What values a field of a filter takes."""

    TEXT = "text"
    CHOICE = "one of its values"
    TIME = "an RFC 3339 time with its offset"
    INTEGER = "an integer"
    BOOLEAN = "true or false"
    MAP = "a map of text"
    DOCUMENT = "values of any JSON type, by their path"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterField:
    """A field that a filter may name. ``choices`` are the values of a CHOICE; ``operators`` replaces those that the kind allows."""

    kind: FilterKind = FilterKind.TEXT
    choices: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()

    @property
    def allowed(self) -> tuple[str, ...]:
        """The operators that the field may stand with."""
        if self.operators:
            return self.operators
        return _ORDER if self.kind in (FilterKind.TIME, FilterKind.INTEGER, FilterKind.DOCUMENT) else _EQUALITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition.

    Attributes:
        field: what is compared.
        operator: how.
        value: with what; in a document a word without quotes that reads as a number, true, false or null is one, and all else is text.
        key: the map's key for ``labels.key="value"``, otherwise empty.
        path: the segments behind the document's name for ``data.total.gross>100``, otherwise empty.
    """

    field: str
    operator: Operator
    value: Value
    key: str = ""
    path: tuple[str, ...] = ()


def page_size(requested: int, *, default: int = DEFAULT_PAGE_SIZE, most: int = MAX_PAGE_SIZE) -> int:
    """The number of rows of a page: ``default`` for zero, never more than ``most`` (AIP-158).

    Raises:
        InvalidInput: the size is negative.
    """
    if requested < 0:
        raise InvalidInput.at("pageSize", "must not be negative")
    return min(requested or default, most)


class PageToken:
    """Opaque page tokens: the cursor of a keyset query as base64url, with a fingerprint of the query it belongs to."""

    @staticmethod
    def encode(cursor: Sequence[Cursor], *, query: str) -> str:
        """The token that continues after ``cursor`` in the list made by ``query``: its method, tenant, filter and order as one text."""
        body = json.dumps([_fingerprint(query), *cursor], ensure_ascii=False, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(body).rstrip(b"=").decode()

    @staticmethod
    def decode(token: str, *, query: str, shape: Sequence[type[Cursor]]) -> tuple[Any, ...] | None:
        """The cursor in ``token``, with one value of each type of ``shape``; None for an empty token, which asks for the first page.

        Raises:
            InvalidInput: the token is damaged, or belongs to another query.
        """
        if not token:
            return None
        try:
            padded = token.encode("ascii") + b"=" * (-len(token) % 4)
            body: object = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, ValueError, RecursionError):
            raise _broken_token() from None
        if not isinstance(body, list):
            raise _broken_token()
        fingerprint, *cursor = cast("list[Any]", body) or [""]
        if len(cursor) != len(shape) or not all(map(_is_cursor, cursor, shape)):
            raise _broken_token()
        if fingerprint != _fingerprint(query):
            raise InvalidInput.at("pageToken", "belongs to another list; repeat the filter and the order of the previous page")
        return tuple(cursor)


def snake_case(name: str) -> str:
    """The contract's name of a field for the one that JSON has: "displayName" is "display_name"."""
    return _CAPITAL.sub(lambda match: f"_{match[0].lower()}", name)


def parse_filter(text: str, *, fields: Mapping[str, FilterField]) -> tuple[Condition, ...]:
    """The conditions of a filter; none for an empty one.

    Raises:
        InvalidInput: the text is not such a filter, names an unknown field, or compares with a value that the field cannot have.
    """
    return _Parser(text, fields).conditions() if text.strip() else ()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


class _Parser:
    """One pass over the tokens of a filter."""

    def __init__(self, text: str, fields: Mapping[str, FilterField]) -> None:
        # PostgreSQL cannot hold U+0000 in a text.
        if (nul := text.find("\0")) >= 0:
            raise InvalidInput.at("filter", f"column {nul + 1}: control characters are not allowed")
        self._fields = fields
        self._tokens = [
            _Token(match.lastgroup or "", match.group(match.lastgroup or 0), match.start(match.lastgroup or 0) + 1)
            for match in _TOKEN.finditer(text)
            if match.lastgroup != "end"
        ]
        self._next = 0
        self._end = _Token("end", "the end", len(text) + 1)

    def conditions(self) -> tuple[Condition, ...]:
        found = [self._condition()]
        while (joint := self._take()).kind != "end":
            if joint.kind != "word" or joint.text != "AND":
                raise _at(joint, f"expected AND instead of {joint.text}; conditions can only be joined by AND")
            found.append(self._condition())
        return tuple(found)

    def _take(self) -> _Token:
        token = self._tokens[self._next] if self._next < len(self._tokens) else self._end
        if token.kind == "open":
            raise _at(token, "this quote is not closed")
        self._next += 1
        return token

    def _condition(self) -> Condition:
        name = self._take()
        if name.kind != "word" or name.text in ("AND", "OR", "NOT"):
            raise _at(name, f"expected a field name instead of {name.text}")
        field, key = self._field(name)
        rule = self._fields[field]
        path = self._path(name) if rule.kind is FilterKind.DOCUMENT else ()
        operator = self._take()
        if operator.kind != "operator":
            raise _at(operator, f"expected an operator after {name.text}: {' '.join(rule.allowed)}")
        if operator.text not in rule.allowed:
            raise _at(operator, f"{field} cannot be compared by {operator.text}; it allows {' '.join(rule.allowed)}")
        given = self._take()
        value = _value(given, field, rule)
        if path and operator.text not in _EQUALITY and not _is_ordered(value):
            raise _at(given, f"{given.text} can only be compared by {' '.join(_EQUALITY)}")
        return Condition(field=field, operator=cast("Operator", operator.text), value=value, key=key, path=path)

    def _field(self, name: _Token) -> tuple[str, str]:
        field, dot, key = name.text.partition(".")
        field = field if field in self._fields else snake_case(field)
        rule = self._fields.get(field)
        if rule is None or (dot and rule.kind not in (FilterKind.MAP, FilterKind.DOCUMENT)):
            raise _at(name, f"unknown field {name.text}; known are {', '.join(sorted(self._fields))}")
        if rule.kind is not FilterKind.MAP:
            return field, ""
        if dot and not key:
            quoted = self._take()
            key = _unquote(quoted.text) if quoted.kind == "quoted" else ""
        if not key:
            raise _at(name, f'{field} needs a key, as in {field}.key="value"')
        return field, key

    def _path(self, name: _Token) -> tuple[str, ...]:
        """The path behind a document's name; a segment may stand in quotes, as in data."unit price".gross."""
        field, _, rest = name.text.partition(".")
        path, token = rest.split(".") if "." in name.text else [], name
        while token.text.endswith(".") and self._peek().kind == "quoted":
            path[-1] = _unquote((token := self._take()).text)
            if not (follows := self._peek()).text.startswith(".") or follows.kind != "word":
                break
            token = self._take()
            path += token.text[1:].split(".")
        if not path or not all(path):
            raise _at(name, f"{field} needs a path, as in {field}.total>100")
        return tuple(path)

    def _peek(self) -> _Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else self._end


def _value(token: _Token, field: str, rule: FilterField) -> Value:
    if token.kind not in ("quoted", "word"):
        raise _at(token, f"expected a value for {field} instead of {token.text}")
    text = _unquote(token.text) if token.kind == "quoted" else token.text
    match rule.kind:
        case FilterKind.TEXT | FilterKind.MAP:
            return text
        case FilterKind.DOCUMENT:
            return text if token.kind == "quoted" else _literal(text)
        case FilterKind.CHOICE if text in rule.choices:
            return text
        case FilterKind.CHOICE:
            raise _at(token, f"{field} is one of {', '.join(rule.choices)}, not {text}")
        case FilterKind.INTEGER if _INTEGER.fullmatch(text):
            return int(text)
        case FilterKind.BOOLEAN if text in ("true", "false"):
            return text == "true"
        case FilterKind.TIME if (instant := _instant(text)) is not None:
            return instant
        case _:
            raise _at(token, f"{field} is {rule.kind.value}, not {text}")


def _literal(text: str) -> Value:
    if text in _LITERALS:
        return _LITERALS[text]
    return float(text) if _NUMBER.fullmatch(text) else text


def _is_ordered(value: Value) -> bool:
    """Whether smaller and larger mean something."""
    return value is not None and not isinstance(value, bool)


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _unquote(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1])


def _is_cursor(value: object, kind: type[Cursor]) -> bool:
    """Whether ``value`` is a ``kind`` that a database can be asked for: 64 bits, no U+0000."""
    if type(value) is not kind:
        return False
    return -(2**63) <= value < 2**63 if isinstance(value, int) else "\0" not in value


def _fingerprint(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:16]


def _at(token: _Token, description: str) -> InvalidInput:
    return InvalidInput.at("filter", f"column {token.column}: {description}")


def _broken_token() -> InvalidInput:
    return InvalidInput.at("pageToken", "is not a token that a list answered with")
