"""Payloads that are nearly JSON: what JSON cannot say is replaced, so that one odd alert does not silence those beside it. Pure."""

import json
import re
from math import isfinite
from typing import Final, cast

import msgspec

from scheduler_svc.domain.intake.payloads import Json
from tocsin.values import nested_deeper

REPLACED: Final = "What JSON cannot say was replaced."
"""What is told of a payload that was repaired."""

_MOST_LEVELS: Final = 64
"""Objects and lists inside one another, more than any form of a payload has; what is nested deeper is replaced by null."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_LONGEST_NUMBER: Final = 17
_DECODER: Final = json.JSONDecoder(
    strict=False,
    parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_NUMBER else digits,
    parse_float=lambda digits: number if isfinite(number := float(digits)) else digits,
    parse_constant=lambda _: None,
)
"""Reads what msgspec refuses: control characters, halves of surrogate pairs, NaN. Numbers that no double holds become texts."""


def repaired(body: bytes) -> bytes | None:
    """A body as JSON that can be read, in which U+FFFD, null or text stands for what JSON cannot say; None if it is no JSON at all.

    What is replaced: bytes that are not UTF-8, halves of surrogate pairs, control characters, NaN and infinities, numbers beyond those
    of a double, and what is nested too deeply. Takes time in proportion to the length.
    """
    text = body.decode("utf-8-sig", "replace")
    try:
        try:
            value = _DECODER.decode(text)
        except RecursionError:
            value = _DECODER.decode(_flattened(text))
        return msgspec.json.encode(_clean(value, 0))
    except (ValueError, RecursionError):
        return None


def is_too_deep(body: bytes) -> bool:
    """Whether JSON that can be read is nested deeper than a payload may be, whatever the parser of this version of Python would take."""
    return nested_deeper(body, _MOST_LEVELS)


def _flattened(text: str) -> str:
    """The text with null for what is nested too deeply.

    Raises:
        ValueError: it ends within that.
    """
    parts, level, kept = list[str](), 0, 0
    for token in _TOKEN.finditer(text):
        match text[token.start()]:
            case '"':
                continue
            case "[" | "{":
                level += 1
                if level == _MOST_LEVELS + 1:
                    parts += (text[kept : token.start()], "null")
            case _:
                if level == _MOST_LEVELS + 1:
                    kept = token.end()
                level -= 1
    if level > _MOST_LEVELS:
        msg = "it does not end"
        raise ValueError(msg)
    parts.append(text[kept:])
    return "".join(parts)


def _clean(value: object, level: int) -> Json:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not value.isascii() else value
    if level >= _MOST_LEVELS and isinstance(value, dict | list):
        return None
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {str(_clean(name, level)): _clean(item, level + 1) for name, item in members.items()}
    if isinstance(value, list):
        return [_clean(item, level + 1) for item in cast("list[object]", value)]
    return cast("Json", value)
