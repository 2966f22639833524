"""Reads calendar expressions of systemd: ``OnCalendar=`` of a timer (systemd.time(7), "Calendar events").

What it says becomes what a cron expression says, so there is one evaluator for both; a day must meet the weekdays and the date. What
systemd refuses is refused. Fractions of a second are, too, unless they are zero: due times of one alarm lie a second apart.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from tocsin.recurrence.cron import CronExpression
from tocsin.recurrence.errors import BadRule, UnknownZone
from tocsin.recurrence.offsets import zone

FIELD: Final = "trigger.onCalendar"
_SHORTHANDS: Final = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    **dict.fromkeys(("semiannually", "semi-annually", "biannually", "bi-annually"), "*-01,07-01 00:00:00"),
    **dict.fromkeys(("yearly", "annually", "anually"), "*-01-01 00:00:00"),
}
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY_LIST: Final = re.compile(r"([A-Za-z]+(?:(?:\.\.|-|,)[A-Za-z]+)*),?(?: +|$)")
_ITEM: Final = re.compile(
    r"(?P<first>[0-9]{1,9})(?:\.(?P<fraction>[0-9]{1,6}))?(?:\.\.(?P<last>[0-9]{1,9})(?:\.(?P<last_fraction>[0-9]{1,6}))?)?"
    r"(?:/(?P<step>[0-9]{1,9})(?:\.(?P<step_fraction>[0-9]{1,6}))?)?"
)
_INSTANT: Final = re.compile(r"@([0-9]{1,12})")
_LAST_DAYS: Final = 28
_CENTURY: Final = 100
_TURN: Final = 70  # 69 is 2069, and 70 is 1970
_ALL: Final = frozenset(range(7))


class _Part(NamedTuple):
    """A part of the expression, and the values that it may have."""

    name: str
    low: int
    high: int


_YEAR: Final = _Part("year", 1970, 2199)
_MONTH: Final = _Part("month", 1, 12)
_DAY: Final = _Part("day", 1, 31)
_LAST_DAY: Final = _Part("day from the end of the month", 1, _LAST_DAYS)
_HOUR: Final = _Part("hour", 0, 23)
_MINUTE: Final = _Part("minute", 0, 59)
_SECOND: Final = _Part("second", 0, 59)


@dataclass(frozen=True, slots=True)
class CalendarExpression:
    """What an expression says, and the zone that it names."""

    fields: CronExpression
    zone: str | None


@lru_cache(maxsize=1024)
def read_on_calendar(text: str) -> CalendarExpression:
    """What an expression says.

    Raises:
        BadRule: it is not valid; the error tells the position.
    """
    begin = len(text) - len(text.lstrip())
    body, named = _without_zone(text.rstrip())
    if not body.strip():
        raise _refused(begin, "there is no expression, such as Mon..Fri *-*-* 09:00:00")
    instant = _INSTANT.fullmatch(body, begin)
    if instant is not None:
        return CalendarExpression(_at_instant(int(instant[1]), begin), "UTC")
    shorthand = _SHORTHANDS.get(body.strip().lower())
    reader = _ExpressionReader(body if shorthand is None else shorthand, begin if shorthand is None else 0)
    return CalendarExpression(reader.expression(), named)


def _without_zone(text: str) -> tuple[str, str | None]:
    """The text before its last word, if that is the name of a zone."""
    body, blank, last = text.rpartition(" ")
    if not blank or not last[:1].isalpha():
        return text, None
    if last.upper() == "UTC":
        return body.rstrip(), "UTC"
    try:
        return body.rstrip(), zone(last).key
    except UnknownZone as error:
        if last.partition("..")[0].partition(",")[0].lower()[:3] in {name[:3] for name in _WEEKDAYS}:
            return text, None
        raise _refused(len(body) + 1, error.violations[0].description) from None


def _at_instant(second: int, at: int) -> CronExpression:
    try:
        when = datetime.fromtimestamp(second, UTC)
    except (ValueError, OverflowError, OSError):
        raise _refused(at, f"@{second} lies beyond the calendar") from None
    values = [frozenset([value]) for value in (when.second, when.minute, when.hour, when.day, when.month, when.year)]
    return CronExpression(
        seconds=values[0], minutes=values[1], hours=values[2], days=values[3], months=values[4], years=values[5],
        weekdays=_ALL, both=True, periodic=False,
    )  # fmt: skip


class _ExpressionReader:
    """Reads an expression from the left to the right."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self._at = at

    def expression(self) -> CronExpression:
        """The whole expression."""
        weekdays = self._weekdays()
        date = self._date()
        clock = self._clock(wanted=date is None and not weekdays)
        if self._at < len(self._text):
            raise _refused(self._at, f"{self._text[self._at : self._at + 20]!r} does not belong there")
        years, months, days, from_last = date or (None, frozenset(range(1, 13)), frozenset(range(1, 32)), frozenset[int]())
        hours, minutes, seconds, periodic, by_second = clock
        return CronExpression(
            seconds=seconds,
            minutes=minutes,
            hours=hours,
            days=days,
            from_last=from_last,
            months=months,
            weekdays=weekdays or _ALL,
            years=years,
            both=True,
            periodic=periodic,
            by_second=by_second,
        )

    def _weekdays(self) -> frozenset[int]:
        found = _WEEKDAY_LIST.match(self._text, self._at)
        if found is None:
            if self._text[self._at].isalpha():
                raise _refused(self._at, "a list of weekdays is written as Mon,Wed or Mon..Fri")
            return frozenset()
        chosen: set[int] = set()
        at = self._at
        for item in found[1].split(","):
            names = re.split(r"\.\.|-", item)
            days = [self._weekday(name, at + item.find(name)) for name in names]
            if len(days) > 2 or days[0] > days[-1]:
                raise _refused(at, f"{item!r} is not a range of weekdays from an earlier to a later one; weeks begin on Monday")
            chosen.update(range(days[0], days[-1] + 1))
            at += len(item) + 1
        self._at = found.end()
        return frozenset(chosen)

    def _weekday(self, name: str, at: int) -> int:
        for number, known in enumerate(_WEEKDAYS):
            if name.lower() in (known, known[:3]):
                return number
        raise _refused(at, f"{name!r} is neither a weekday, such as Mon, nor one of {', '.join(_SHORTHANDS)}")

    def _date(self) -> tuple[frozenset[int] | None, frozenset[int], frozenset[int], frozenset[int]] | None:
        """Years, months, days, and days counted back from the last one of the month; None when there is no date."""
        end = self._text.find(" ", self._at)
        word = self._text[self._at : len(self._text) if end < 0 else end]
        if not word or ":" in word:
            return None
        pieces = re.split(r"([-~])", word)
        if len(pieces) not in (3, 5) or (len(pieces) == 5 and pieces[1] == "~"):
            raise _refused(self._at, f"{word[:40]!r} is neither a date such as 2027-*-01 or 12-24 nor a time such as 09:00")
        places = [self._at + sum(map(len, pieces[:index])) for index in range(len(pieces))]
        from_end = pieces[-2] == "~"
        years = None
        if len(pieces) == 5 and pieces[0] != "*":
            years = frozenset(self._values(pieces[0], places[0], _YEAR, _full_year))
        months = self._values(pieces[-3], places[-3], _MONTH)
        days = self._values(pieces[-1], places[-1], _LAST_DAY if from_end else _DAY)
        self._at += len(word)
        while self._text.startswith(" ", self._at):
            self._at += 1
        if not from_end:
            return years, frozenset(months), frozenset(days), frozenset()
        if pieces[-1] == "*":
            return years, frozenset(months), frozenset(_values_of(_DAY)), frozenset()
        return years, frozenset(months), frozenset(), frozenset(day - 1 for day in days)

    def _clock(self, *, wanted: bool) -> tuple[frozenset[int], frozenset[int], frozenset[int], bool, bool]:
        """Hours, minutes, seconds, whether it is a period, and whether seconds are given."""
        word = self._text[self._at :]
        zero = frozenset([0])
        if not word and not wanted:
            return zero, zero, zero, False, False
        pieces = word.split(":")
        if not 2 <= len(pieces) <= 3:
            raise _refused(self._at, f"{word[:40]!r} is not a time such as 09:00 or *:0/15")
        values = list[frozenset[int]]()
        at = self._at
        for piece, part in zip(pieces, (_HOUR, _MINUTE, _SECOND), strict=False):
            values.append(frozenset(self._values(piece, at, part)))
            at += len(piece) + 1
        self._at = len(self._text)
        periodic = any(set(piece) & set("*/") for piece in pieces)
        return values[0], values[1], values[2] if len(values) == 3 else zero, periodic, len(values) == 3

    def _values(self, text: str, at: int, part: _Part, made: Callable[[int], int] = int) -> set[int]:
        if text == "*":
            return set(_values_of(part))
        values: set[int] = set()
        for item in text.split(","):
            values.update(self._item(item, at, part, made))
            at += len(item) + 1
        return values

    def _item(self, item: str, at: int, part: _Part, made: Callable[[int], int]) -> range:
        found = _ITEM.fullmatch(item)
        if found is None:
            raise _refused(at, f"{part.name}: {item[:40]!r} is not a number, a range such as 1..5 or a repetition such as 0/15")
        _check_fractions(found, at, part)
        first = made(int(found["first"]))
        last = None if found["last"] is None else made(int(found["last"]))
        for value in (first, first if last is None else last):
            if not part.low <= value <= part.high:
                raise _refused(at, f"{part.name}: {value} is not within {part.low} to {part.high}")
        if last is not None and last < first:
            raise _refused(at, f"{part.name}: {item!r} is a range from {first} down to {last}")
        if found["step"] is None:
            return range(first, (first if last is None else last) + 1)
        step = int(found["step"])
        if last is not None and step:
            return range(first, last + 1, step)
        # Without an end a repetition goes on to the end of the month, and days before it count down to that.
        found_all = range(first, 0, -step) if part is _LAST_DAY and step else range(first, part.high + 1, step or part.high)
        if len(found_all) < 2:
            raise _refused(at, f"{part.name}: {item!r} never comes to a second value")
        return found_all


def _check_fractions(found: re.Match[str], at: int, part: _Part) -> None:
    fractions = [found[name] for name in ("fraction", "last_fraction", "step_fraction") if found[name] is not None]
    if fractions and part is not _SECOND:
        raise _refused(at, f"{part.name}: {found.group()!r} is not a whole number")
    if any(int(fraction) for fraction in fractions):
        raise _refused(at, f"{found.group()!r}: a due time has no fraction of a second")


def _full_year(year: int) -> int:
    """Of a year of one or two digits the one that is meant."""
    return year if year >= _CENTURY else year + (2000 if year < _TURN else 1900)


def _values_of(part: _Part) -> range:
    return range(part.low, part.high + 1)


def _refused(at: int, why: str) -> BadRule:
    return BadRule.at_position(FIELD, at, why)
