"""The filters: each takes any value, and pays for what it touches before it does."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast
from urllib.parse import quote

from markupsafe import Markup, escape

from mailer_svc.language.errors import RenderingTooLarge
from mailer_svc.language.values import Payer, Value, given, is_safe, items_of, number_of, size_of, text_of

MAX_VALUE_CHARS: Final = 64 * 1024
"""Longest value of a variable, and longest text that a filter makes of several."""

_SPACES: Final = re.compile(r"\s+")
_PART: Final = 16  # what a part of a list costs, in characters


def _of_text(change: Callable[[str], str]) -> Callable[..., str]:
    def apply(run: Payer, value: Value) -> str:
        text = text_of(run, value)
        run.charge(len(text))
        return change(text)

    return apply


def _default(run: Payer, value: Value, other: Value = "", empty_too: Value = True) -> Value:
    return value if given(value) else other


def _escape(run: Payer, value: Value) -> Markup:
    if is_safe(value):
        return cast("Markup", value)
    text = text_of(run, value)
    run.charge(len(text))
    return escape(text)


def _first(run: Payer, value: Value) -> Value:
    return next(iter(cast("list[Value]", value)), "") if isinstance(value, list | dict | str) else ""


def _last(run: Payer, value: Value) -> Value:
    run.charge(size_of(value))
    items = items_of(value)
    return items[-1] if items else ""


def _length(run: Payer, value: Value) -> int:
    return len(cast("list[Value]", value)) if isinstance(value, list | dict) else len(text_of(run, value))


def _join(run: Payer, value: Value, separator: Value = "") -> str:
    run.charge(size_of(value))
    between = text_of(run, separator)
    parts: list[str] = []
    size = 0
    for item in items_of(value):
        parts.append(text_of(run, item))
        size += len(parts[-1]) + len(between)
        run.charge(len(parts[-1]) + len(between))
        if size > MAX_VALUE_CHARS:
            raise RenderingTooLarge(f"join gives more than {MAX_VALUE_CHARS} characters")
    return between.join(parts)


def _replace(run: Payer, value: Value, old: Value, new: Value) -> str:
    text, before, after = text_of(run, value), text_of(run, old), text_of(run, new)
    run.charge(len(text) + len(before) + len(after))
    count = text.count(before) if before else len(text) + 1
    size = len(text) + count * max(0, len(after) - len(before))
    if size > MAX_VALUE_CHARS:
        raise RenderingTooLarge(f"replace gives more than {MAX_VALUE_CHARS} characters")
    run.charge(size)
    return text.replace(before, after)


def _split(run: Payer, value: Value, separator: Value = ",") -> list[str]:
    text, between = text_of(run, value), text_of(run, separator)
    run.charge(len(text) + _PART * (text.count(between) if between else 0))
    return [part.strip() for part in text.split(between)] if between else [text.strip()]


def _truncate(run: Payer, value: Value, length: Value = 255, end: Value = "…") -> str:
    text, mark, most = text_of(run, value), text_of(run, end), number_of(length)
    run.charge(len(text))
    if most is None or len(text) <= most:
        return text
    return text[: max(0, int(most) - len(mark))].rstrip() + mark


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "capitalize": _of_text(str.capitalize),
    "default": _default,
    "e": _escape,
    "escape": _escape,
    "first": _first,
    "join": _join,
    "last": _last,
    "length": _length,
    "lower": _of_text(str.lower),
    "oneline": _of_text(lambda text: _SPACES.sub(" ", text).strip()),
    "replace": _replace,
    "split": _split,
    "title": _of_text(str.title),
    "trim": _of_text(str.strip),
    "truncate": _truncate,
    "upper": _of_text(str.upper),
    "urlencode": _of_text(lambda text: quote(text, safe="", errors="replace")),
}
"""By name. The first argument is the run, the second the value, then what stands in parentheses."""
