"""What is wrong with a line."""

from typing import NamedTuple

from tocsin.errors import TocsinError

_MOST_REASON = 500


class Refusal(NamedTuple):
    """A line that was refused: the field, empty when it is about the whole line, and the reason."""

    line: int
    field: str
    reason: str


def refusal(line: int, error: TocsinError) -> Refusal:
    """The refusal of a line, in the words of ``error``."""
    if not error.violations:
        return Refusal(line, "", _short(error.message))
    first, *more = error.violations
    others = "".join(f"; {item.field}: {item.description}" for item in more)
    return Refusal(line, first.field[:200], _short(first.description + others))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_REASON else f"{text[:_MOST_REASON]}…"
