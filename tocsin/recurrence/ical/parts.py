"""The parts of a recurrence rule (RFC 5545, section 3.3.10; RSCALE and SKIP: RFC 7529)."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from tocsin.recurrence.ical.lines import Word
from tocsin.recurrence.ical.values import Moment, moment_of

WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MOST_INTERVAL: Final = 2**31 - 1
_MOST_PARTS: Final = 50
_ORDINAL: Final = re.compile(r"([+-]?)(\d{0,3})([A-Z]{2})", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[+-]?\d{1,9}")


class Frequency(IntEnum):
    """How long the periods of a rule are, the longest first."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5
    SECONDLY = 6


class Skip(StrEnum):
    """What becomes of a day that its month does not have: left out, the last day of that month, or the first of the next one."""

    OMIT = "OMIT"
    BACKWARD = "BACKWARD"
    FORWARD = "FORWARD"


class Nth(NamedTuple):
    """A weekday (Monday is 0): every one with ordinal 0, otherwise the n-th, from the end if negative."""

    ordinal: int
    weekday: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleParts:
    """A recurrence rule as it is written: what is not given is empty."""

    word: Word
    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: Moment | None = None
    week_start: int = 0
    seconds: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    weekdays: tuple[Nth, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    skip: Skip = Skip.OMIT


# Name, least and greatest size, and whether it may be negative, that is, counted from the end.
_LISTS: Final[Mapping[str, tuple[str, int, int, bool]]] = {
    "BYSECOND": ("seconds", 0, 60, False),
    "BYMINUTE": ("minutes", 0, 59, False),
    "BYHOUR": ("hours", 0, 23, False),
    "BYMONTHDAY": ("month_days", 1, 31, True),
    "BYYEARDAY": ("year_days", 1, 366, True),
    "BYWEEKNO": ("weeks", 1, 53, True),
    "BYMONTH": ("months", 1, 12, False),
    "BYSETPOS": ("positions", 1, 366, True),
}
_SINGLE: Final = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "RSCALE", "SKIP")


def parse_parts(value: Word) -> RuleParts:
    """The rule that a value describes.

    Raises:
        BadRule: it is not valid; the error tells where.
    """
    given = _given(value)
    if "FREQ" not in given:
        raise value.refused("FREQ is missing: a rule needs FREQ=YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY or SECONDLY")
    lists: dict[str, tuple[int, ...]] = {
        name: tuple(_numbers(given[key], key, low, high, signed)) for key, (name, low, high, signed) in _LISTS.items() if key in given
    }
    parts = RuleParts(
        word=value,
        frequency=_frequency(given["FREQ"]),
        interval=_count(given["INTERVAL"], "INTERVAL") if "INTERVAL" in given else 1,
        count=_count(given["COUNT"], "COUNT") if "COUNT" in given else None,
        until=moment_of(given["UNTIL"], None) if "UNTIL" in given else None,
        week_start=_weekday(given["WKST"], given["WKST"].text) if "WKST" in given else 0,
        weekdays=tuple(_nth(word) for word in given["BYDAY"].split(",")) if "BYDAY" in given else (),
        skip=_skip(given),
        **lists,
    )
    for refused in _CHECKS:
        refused(parts, given)
    return parts


def _given(value: Word) -> dict[str, Word]:
    given: dict[str, Word] = {}
    for part in value.split(";", most=_MOST_PARTS):
        if not part.text:
            continue  # many programs end the value with a semicolon
        name, found, content = part.partition("=")
        key = name.text.strip().upper()
        if key not in _LISTS and key not in _SINGLE:
            raise name.refused(f"{name.text[:40]!r} is not a part of a rule; parts are {', '.join((*_SINGLE, *_LISTS))}")
        if key in given:
            raise name.refused(f"{key} stands there twice")
        if not found or not content.text.strip():
            raise name.refused(f"{key} has no value")
        given[key] = content
    return given


def _skip(given: Mapping[str, Word]) -> Skip:
    scale, word = given.get("RSCALE"), given.get("SKIP")
    if scale is not None and scale.text.strip().upper() != "GREGORIAN":
        raise scale.refused(f"RSCALE: {scale.text[:40]!r} is a calendar that is not known here; GREGORIAN is")
    if word is None:
        return Skip.OMIT
    if scale is None:
        raise word.refused("SKIP goes with RSCALE only (RFC 7529, section 4.1)")
    try:
        return Skip[word.text.strip().upper()]
    except KeyError:
        raise word.refused(f"SKIP: {word.text[:40]!r} is not one of {', '.join(Skip.__members__)}") from None


def _frequency(word: Word) -> Frequency:
    try:
        return Frequency[word.text.upper()]
    except KeyError:
        raise word.refused(f"FREQ: {word.text[:40]!r} is not one of {', '.join(Frequency.__members__)}") from None


def _count(word: Word, name: str) -> int:
    if not re.fullmatch(r"\+?\d{1,12}", word.text) or not 1 <= int(word.text) <= _MOST_INTERVAL:
        raise word.refused(f"{name}: {word.text[:40]!r} is not a number from 1 to {_MOST_INTERVAL}")
    return int(word.text)


def _numbers(words: Word, name: str, low: int, high: int, signed: bool) -> Iterator[int]:
    for word in words.split(","):
        value = int(word.text) if _NUMBER.fullmatch(word.text) else None
        if value is None or not low <= abs(value) <= high or (value < 0 and not signed):
            sign = f" or -{high} to -{low}" if signed else ""
            raise word.refused(f"{name}: {word.text[:40]!r} is not within {low} to {high}{sign}")
        yield value


def _nth(word: Word) -> Nth:
    found = _ORDINAL.fullmatch(word.text)
    if found is None or (found[1] and not found[2]):
        raise word.refused(f"BYDAY: {word.text[:40]!r} is not a weekday such as MO, 1MO or -1SU")
    ordinal = int(found[2] or 0)
    if found[2] and not 1 <= ordinal <= 53:
        raise word.refused(f"BYDAY: {word.text}: the number is not within 1 to 53 or -53 to -1")
    return Nth(-ordinal if found[1] == "-" else ordinal, _weekday(word, found[3]))


def _weekday(word: Word, text: str) -> int:
    if text.upper() not in WEEKDAYS:
        raise word.refused(f"{text[:40]!r} is not one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(text.upper())


# -- what does not go together -------------------------------------------------------------------------------------------------

_Given = Mapping[str, Word]


def _check_end(parts: RuleParts, given: _Given) -> None:
    if parts.count is not None and parts.until is not None:
        raise given["UNTIL"].refused("COUNT and UNTIL cannot stand together")


def _check_positions(parts: RuleParts, given: _Given) -> None:
    if parts.positions and not any(key in given for key in (*_LISTS, "BYDAY") if key != "BYSETPOS"):
        raise given["BYSETPOS"].refused("BYSETPOS needs another BY part to choose from")


def _check_weeks(parts: RuleParts, given: _Given) -> None:
    if parts.weeks and parts.frequency is not Frequency.YEARLY:
        raise given["BYWEEKNO"].refused(f"BYWEEKNO goes with FREQ=YEARLY only, not with {parts.frequency.name}")


def _check_year_days(parts: RuleParts, given: _Given) -> None:
    if parts.year_days and parts.frequency in (Frequency.MONTHLY, Frequency.WEEKLY, Frequency.DAILY):
        raise given["BYYEARDAY"].refused(f"BYYEARDAY does not go with FREQ={parts.frequency.name}")


def _check_month_days(parts: RuleParts, given: _Given) -> None:
    if parts.month_days and parts.frequency is Frequency.WEEKLY:
        raise given["BYMONTHDAY"].refused("BYMONTHDAY does not go with FREQ=WEEKLY")


def _check_ordinals(parts: RuleParts, given: _Given) -> None:
    ordinals = [abs(nth.ordinal) for nth in parts.weekdays if nth.ordinal]
    if not ordinals:
        return
    if parts.frequency not in (Frequency.YEARLY, Frequency.MONTHLY):
        raise given["BYDAY"].refused(f"BYDAY: a number before the weekday goes with MONTHLY and YEARLY, not with {parts.frequency.name}")
    if parts.weeks:
        raise given["BYDAY"].refused("BYDAY: a number before the weekday does not go with BYWEEKNO")
    if max(ordinals) > 5 and (parts.frequency is Frequency.MONTHLY or parts.months):
        raise given["BYDAY"].refused(f"BYDAY: no month has a weekday {max(ordinals)} times")


def _check_forward(parts: RuleParts, given: _Given) -> None:
    if parts.skip is Skip.FORWARD and parts.positions:
        raise given["BYSETPOS"].refused("BYSETPOS does not go with SKIP=FORWARD: the day moves out of the month that it is picked from")
    if parts.skip is Skip.FORWARD and any(nth.ordinal for nth in parts.weekdays):
        raise given["BYDAY"].refused("BYDAY: a number before the weekday does not go with SKIP=FORWARD")


_CHECKS: Final[tuple[Callable[[RuleParts, _Given], None], ...]] = (
    _check_end,
    _check_positions,
    _check_weeks,
    _check_year_days,
    _check_month_days,
    _check_ordinals,
    _check_forward,
)
