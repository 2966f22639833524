"""What templates compute with: texts, and the values of JSON. Every operation takes every value, and none raises."""

import json
import math
from typing import Any, Final, Protocol, TypeAlias, cast

from markupsafe import Markup

Value: TypeAlias = Any
"""A text, a number, a truth value, None, a list, a dict with texts as keys, or `MISSING`."""


class _Missing:
    """The type of `MISSING`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What a name or a path means that is not there."""

_MEMBER: Final = 8  # what a member of a list or an object costs, in characters
_JSON: Final = 4  # what a character of JSON costs, which is made of a walk over the value
_LONGEST_NUMBER: Final = 400


class Payer(Protocol):
    """Whoever pays for a run."""

    def charge(self, characters: int) -> None:
        """Takes from the budget, or ends the run."""
        ...


def text_of(run: Payer, value: Value) -> str:
    """The value as it is printed: nothing for what is absent or null, JSON for lists and objects. Never `Markup`."""
    if isinstance(value, str):
        return str(value)
    if value is None or value is MISSING:
        return ""
    text = json.dumps(_whole(value), ensure_ascii=False, separators=(",", ":"))
    run.charge(_JSON * len(text))
    return text


def _whole(value: Value) -> Value:
    """Without the fraction that every number of a google.protobuf.Struct has."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in cast("dict[str, Value]", value).items()}
    return [_whole(item) for item in cast("list[Value]", value)] if isinstance(value, list) else value


def size_of(value: Value) -> int:
    """How much there is to touch, in characters: of a list or an object, a few for each of its members."""
    if isinstance(value, str):
        return len(value)
    return _MEMBER * len(cast("list[Value]", value)) if isinstance(value, list | dict) else _MEMBER


def item_of(run: Payer, value: Value, key: Value) -> Value:
    """The member ``key`` of an object, or the one at the place ``key`` of a list or a text; `MISSING` if there is none."""
    if isinstance(value, dict):
        return cast("dict[str, Value]", value).get(text_of(run, key), MISSING)
    place = number_of(key)
    if not isinstance(value, list | str) or place is None or not place.is_integer():
        return MISSING
    listed = cast("list[Value] | str", value)
    return listed[int(place)] if -len(listed) <= place < len(listed) else MISSING


def number_of(value: Value) -> float | None:
    """The number that ``value`` is, or that a text spells; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and len(value) > _LONGEST_NUMBER):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def compared(run: Payer, left: Value, right: Value) -> int:
    """-1, 0 or 1. As numbers if both are or spell one, and one is one; as texts otherwise."""
    if not (isinstance(left, str) and isinstance(right, str)):
        first, second = number_of(left), number_of(right)
        if first is not None and second is not None:
            return (first > second) - (first < second)
    before, after = text_of(run, left), text_of(run, right)
    run.charge(min(len(before), len(after)))
    return (before > after) - (before < after)


def contained(run: Payer, item: Value, within: Value) -> bool:
    """Whether ``item`` is a member of a list, a name in an object, or a part of a text."""
    if isinstance(within, dict):
        return text_of(run, item) in within
    if isinstance(within, list):
        return any(compared(run, item, member) == 0 for member in cast("list[Value]", within))
    part, whole = text_of(run, item), text_of(run, within)
    run.charge(len(part) + len(whole))
    return part in whole


def items_of(value: Value) -> list[Value]:
    """What a loop walks over: the members of a list, the names of an object, the characters of a text."""
    return list(cast("list[Value]", value)) if isinstance(value, list | dict | str) else []


def given(value: Value) -> bool:
    """Whether there is something: a number or a truth value always is."""
    return isinstance(value, bool | int | float) or bool(value)


def is_safe(value: Value) -> bool:
    """Whether the value was escaped already."""
    return isinstance(value, Markup)
