"""What no value of the contract may be, whoever sends it and in whatever form: bounds and reasons, in one place.

A value is refused when something on its way could not give it back: JSON has no NaN and no infinity, PostgreSQL holds no U+0000, UTF-8
no lone surrogate, a double no integer of 17 digits, protobuf's parsers no message that is nested deeper than 100 levels.
`tocsin.mesh.values` applies the rule to messages, `tocsin.protojson` to JSON.
"""

import json
import re
from collections.abc import Iterable
from math import isfinite
from typing import Final, cast

MAX_LEVELS: Final = 24
"""Most objects and lists inside one another in free-form JSON (Struct, Value, ListValue).

Each is up to three messages of protobuf, whose parsers end at 100 in all: 24 levels leave room for the two that a firing's context adds,
and for the pages and batches around it.
"""

MAX_MEMBERS: Final = 5_000
"""Most members and elements of free-form JSON in a message: what is converted in a few milliseconds."""

MAX_ITEMS: Final = 20_000
"""Most members, elements, objects and lists of one JSON text, and most elements of one list of a message; twice what any method can use."""

NUL: Final = "must not contain U+0000, which databases cannot hold"
SURROGATE: Final = "must be text that UTF-8 can express: it contains a lone surrogate"
NOT_FINITE: Final = "must be a finite number"
INEXACT: Final = "is an integer that a JSON number cannot carry exactly; send it as a string"
NO_KIND: Final = "must be null, a boolean, a number, a string, an object or a list"
TOO_DEEP: Final = f"is nested deeper than {MAX_LEVELS} levels"
TOO_MANY: Final = f"holds more than {MAX_MEMBERS:,} members and elements"
TOO_MANY_ITEMS: Final = f"holds more than {MAX_ITEMS:,} members and elements"

_EXACT: Final = 2**53
JSON_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\(?:.|\Z))*+(?:"|\Z)', re.DOTALL)
"""A string in a JSON text. It neither goes back, nor begins twice at one quote: what is not closed ends with the text."""
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,79}")
_LONGEST_KEY: Final = 80


class ValueRefused(Exception):
    """A value is refused for ``reason``; its ``path`` is put together on the way out."""

    def __init__(self, reason: str, path: str = "") -> None:
        """Takes the reason, and the path from where it is raised."""
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def under(self, name: str) -> "ValueRefused":
        """The same, seen from around: ``name`` is that of a field, or a subscript."""
        return ValueRefused(self.reason, join(name, self.path))


def subscript(key: str) -> str:
    """The part of a path that leads to the value under a key of a map; a long key is cut."""
    return f'["{key}"]' if len(key) <= _LONGEST_KEY else f'["{key[:_LONGEST_KEY]}…"]'


def member(key: str) -> str:
    """The part of a path that leads to a member of free-form JSON: its name, if that is a word."""
    return key if _WORD.fullmatch(key) else subscript(key)


def is_exact(number: int) -> bool:
    """Whether a double, which is all that readers of JSON may be counted on to have (RFC 8259, section 6), holds the integer exactly."""
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def free_size(value: object) -> int:
    """The size of free-form JSON in bytes: written without spaces, in UTF-8, whole numbers without a fraction."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def check_free(value: object, level: int = 0) -> None:
    """Returns if free-form JSON, as the standard library reads it, keeps the rule.

    Args:
        value: the value.
        level: of the object or list around it; 0 for none.

    Raises:
        ValueRefused: it does not.
    """
    if isinstance(value, dict):
        _check_members(((member(key), item) for key, item in cast("dict[str, object]", value).items()), level + 1)
    elif isinstance(value, list):
        _check_members(((f"[{index}]", item) for index, item in enumerate(cast("list[object]", value))), level + 1)
    elif isinstance(value, float):
        if not isfinite(value):
            raise ValueRefused(NOT_FINITE)
    elif isinstance(value, int) and not -_EXACT <= value <= _EXACT and not is_exact(value):
        raise ValueRefused(INEXACT)


def _check_members(members: Iterable[tuple[str, object]], level: int) -> None:
    if level > MAX_LEVELS:
        raise ValueRefused(TOO_DEEP)
    for name, item in members:
        if item.__class__ is not str:
            try:
                check_free(item, level)
            except ValueRefused as refused:
                raise refused.under(name) from None


def nested_deeper(body: bytes, levels: int) -> bool:
    """Whether a JSON text has more objects and lists inside one another; takes a few passes over its brackets, and no recursion.

    Parsers end somewhere as well, some at another depth with each version of Python: what is refused must not depend on it.
    """
    if body.count(b"[") + body.count(b"{") <= levels:
        return False
    brackets = JSON_STRING.sub(b"", body).translate(_SQUARE, delete=_NO_BRACKETS)
    for _ in range(levels):  # each pass removes what is innermost
        brackets = brackets.replace(b"[]", b"")
    return b"[" in brackets


def check_text(value: object) -> None:
    """Returns if every text in a JSON value, keys included, can be written in UTF-8.

    Raises:
        ValueRefused: one cannot.
    """
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, str):
            if not _is_utf8(item):
                raise ValueRefused(SURROGATE, path)
        elif isinstance(item, dict):
            for key, inner in cast("dict[str, object]", item).items():
                if not _is_utf8(key):
                    raise ValueRefused(SURROGATE, join(path, subscript(key)))
                waiting.append((join(path, member(key)), inner))
        elif isinstance(item, list):
            waiting += [(f"{path}[{index}]", inner) for index, inner in enumerate(cast("list[object]", item))]


def join(path: str, part: str) -> str:
    """``part`` behind ``path``."""
    return f"{path}{part}" if not path or not part or part.startswith("[") else f"{path}.{part}"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
