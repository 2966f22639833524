"""The fields of a cron expression: numbers, names, ranges, steps, and the hash that stands for a number."""

import hashlib
import re
from typing import Final, NamedTuple

from tocsin.recurrence.cron.words import CronWord
from tocsin.recurrence.errors import BadRule

_MONTHS: Final = (
    *("JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE"),
    *("JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER"),
)
_WEEKDAYS: Final = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
_ITEM: Final = re.compile(r"(?P<first>\*|\?|[0-9]+|[A-Z]+)(?:-(?P<last>[0-9]+|[A-Z]+))?(?:/(?P<step>[0-9]+))?", re.IGNORECASE)
_HASHED: Final = re.compile(r"H(?:\((?P<first>[0-9]+|[A-Z]+)-(?P<last>[0-9]+|[A-Z]+)\))?(?:/(?P<step>[0-9]+))?", re.IGNORECASE)
_SHORT: Final = 3


class CronPart(NamedTuple):
    """A field of the expression: its name, the values that it may have, the names of some of them, and the last one that a hash gives."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    hashed_high: int = 0


SECOND: Final = CronPart("second", 0, 59)
MINUTE: Final = CronPart("minute", 0, 59)
HOUR: Final = CronPart("hour", 0, 23)
DAY: Final = CronPart("day of month", 1, 31, hashed_high=28)  # every month has a 28th
MONTH: Final = CronPart("month", 1, 12, _MONTHS)
WEEKDAY: Final = CronPart("day of week", 0, 7, _WEEKDAYS, hashed_high=6)
YEAR: Final = CronPart("year", 1970, 2099)


def values(word: CronWord, part: CronPart, seed: str) -> frozenset[int]:
    """The values of a field that has nothing but numbers, names, ranges, steps and hashes."""
    return frozenset(value for item in word.split(",") for value in item_values(item, part, seed))


def is_hashed(item: CronWord) -> bool:
    """Whether a hash stands for its numbers."""
    return _HASHED.fullmatch(item.text) is not None


def item_values(item: CronWord, part: CronPart, seed: str) -> list[int]:
    """The values of one item of a list.

    Raises:
        BadRule: it has none.
    """
    if is_hashed(item):
        return _hashed(item, part, seed)
    found = _ITEM.fullmatch(item.text)
    if found is None:
        raise refused(
            item, part, f"{item.text!r} is neither a number, a range nor a step" if item.text else "there is nothing at the comma"
        )
    first, last, step_text = found["first"], found["last"], found["step"]
    if first in "*?":
        low, high = part.low, part.high - (part is WEEKDAY)
        if last is not None or (first == "?" and (part not in (DAY, WEEKDAY) or item.text != "?")):
            raise refused(item, part, f"{item.text!r}: {first} stands for every value, and ? only for days, alone")
    else:
        low = number(item.part(first, 0), part)
        high = _end_of(low, last, step_text is not None, item.part(last or "", found.start("last")), part)
    step = _step(item.part(step_text or "1", found.start("step")), part)
    return [_wrapped(value, part) for value in range(low, high + 1, step)]


def _hashed(item: CronWord, part: CronPart, seed: str) -> list[int]:
    """One value, or one of each step, that ``seed`` chooses: evenly spread, and the same whoever computes it (after Jenkins)."""
    found = _HASHED.fullmatch(item.text)
    if found is None:
        raise refused(item, part, f"{item.text!r} is no hash")
    low, high = part.low, part.hashed_high or part.high
    if found["first"] is not None:
        low, high = (number(item.part(found[name], found.start(name)), part) for name in ("first", "last"))
        if low > high:
            raise refused(item, part, f"{item.text!r}: a hash is drawn from a range that ascends")
    digest = hashlib.blake2b(f"{part.name}@{seed}".encode(), digest_size=8, person=b"cron-h").digest()
    drawn = int.from_bytes(digest)
    if found["step"] is None:
        return [_wrapped(low + drawn % (high - low + 1), part)]
    step = _step(item.part(found["step"], found.start("step")), part)
    return [_wrapped(value, part) for value in range(low + drawn % min(step, high - low + 1), high + 1, step)]


def _end_of(low: int, last: str | None, stepped: bool, word: CronWord, part: CronPart) -> int:
    """The last value of a range, beyond the highest when it wraps around."""
    if last is None:
        return part.high - (part is WEEKDAY and low < 7) if stepped else low
    high = number(word, part)
    if high < low and part is YEAR:
        raise refused(word, part, f"{word.text} lies before {low}")
    return high if high >= low else high + (7 if part is WEEKDAY else part.high - part.low + 1)


def _wrapped(value: int, part: CronPart) -> int:
    if part is WEEKDAY:
        return value % 7
    return value if value <= part.high else value - (part.high - part.low + 1)


def number(word: CronWord, part: CronPart) -> int:
    """The number that a word is, or whose name it is: the whole of it, or its first three letters.

    Raises:
        BadRule: it is none that the field may have.
    """
    text = word.text.upper()
    if text.isdecimal():
        value = int(text[:6])
        if not part.low <= value <= part.high:
            raise refused(word, part, f"{word.text} is not within {part.low}-{part.high}")
        return value
    for index, name in enumerate(part.names):
        if text in (name, name[:_SHORT]):
            return index + (part is MONTH)
    short = ", ".join(name[:_SHORT] for name in part.names)
    raise refused(word, part, f"{word.text!r} is not {f'a number or one of {short}' if short else 'a number'}")


def _step(word: CronWord, part: CronPart) -> int:
    """A step; one that is longer than its range leaves the first value, as in Vixie's cron."""
    step = int(word.text[:6])
    if step < 1:
        raise refused(word, part, f"a step of {word.text} leads nowhere")
    return step


def refused(word: CronWord, part: CronPart, why: str) -> BadRule:
    """The error for a piece of a field."""
    return word.refused(f"{part.name}: {why}")
