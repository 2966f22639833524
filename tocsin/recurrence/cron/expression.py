"""Reads cron expressions.

The language is that of cron in Debian (crontab(5), after Vixie) with what people know from Quartz: seconds as a first field of six, ``?``,
``L``, ``L-3``, ``15W``, ``LW``, ``5L``, ``5#3``. Where the dialects differ: Sunday is 0 and 7, Monday is 1; a range may wrap around
(``FRI-MON``, ``22-2``); day of month and day of week are joined by "or", unless one of them begins with ``*`` or is ``?``, then by "and".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tocsin.recurrence.errors import BadRule

FIELD: Final = "trigger.cron"
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ITEM: Final = re.compile(r"(?P<first>\*|\?|[0-9]+|[A-Z]+)(?:-(?P<last>[0-9]+|[A-Z]+))?(?:/(?P<step>[0-9]+))?", re.IGNORECASE)


class _Part(NamedTuple):
    """A field of the expression: its name, the values that it may have, and the names of some of them."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_SECOND: Final = _Part("second", 0, 59)
_MINUTE: Final = _Part("minute", 0, 59)
_HOUR: Final = _Part("hour", 0, 23)
_DAY: Final = _Part("day of month", 1, 31)
_MONTH: Final = _Part("month", 1, 12, _MONTHS)
_WEEKDAY: Final = _Part("day of week", 0, 7, _WEEKDAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CronExpression:
    """What an expression says.

    Attributes:
        seconds: seconds of the minute; just 0 with five fields.
        minutes: minutes of the hour.
        hours: hours of the day.
        days: days of the month, from 1.
        from_last: days counted back from the last one of the month, which is 0.
        nearest: days of the month whose nearest weekday (Monday to Friday) in the same month is meant.
        nearest_from_last: likewise, counted back from the last.
        months: months, from 1.
        weekdays: Monday is 0.
        nth: weekday and which one of the month, from 1.
        last: weekdays whose last one of the month is meant.
        both: whether a day must meet the day of month and the day of week; otherwise one is enough.
        periodic: whether it is a period rather than a time: the seconds, minutes or hours have a star or a step.
    """

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    from_last: frozenset[int]
    nearest: frozenset[int]
    nearest_from_last: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    nth: frozenset[tuple[int, int]]
    last: frozenset[int]
    both: bool
    periodic: bool


class _Word(NamedTuple):
    """A piece of the text and where it begins."""

    text: str
    at: int

    def split(self, separator: str) -> Iterator["_Word"]:
        at = self.at
        for text in self.text.split(separator):
            yield _Word(text, at)
            at += len(text) + len(separator)


def parse_cron(text: str) -> CronExpression:
    """What an expression says.

    Raises:
        BadRule: it is not valid; the error tells the position.
    """
    words = [_Word(found.group(), found.start()) for found in re.finditer(r"\S+", text)]
    if words and words[0].text.startswith("@"):
        return parse_cron(_macro(words))
    if len(words) == 5:
        words.insert(0, _Word("0", words[0].at))
    if len(words) != 6:
        at = words[6].at if len(words) > 6 else len(text)
        hint = "; a year cannot be given, use startTime and endTime" if len(words) == 7 else ""
        raise BadRule.at_position(FIELD, at, f"{len(words)} fields: an expression has 5 fields, or 6 with the seconds first{hint}")
    seconds, minutes, hours, days, months, weekdays = words
    clock = [_values(word, part) for word, part in ((seconds, _SECOND), (minutes, _MINUTE), (hours, _HOUR))]
    by_month, by_week = _days(days), _weekdays(weekdays)
    return CronExpression(
        seconds=clock[0],
        minutes=clock[1],
        hours=clock[2],
        months=_values(months, _MONTH),
        days=by_month["days"],
        from_last=by_month["from_last"],
        nearest=by_month["nearest"],
        nearest_from_last=by_month["nearest_from_last"],
        weekdays=by_week.plain,
        nth=by_week.nth,
        last=by_week.last,
        both=any(word.text[0] in "*?" for word in (days, weekdays)),
        periodic=any(set(word.text) & set("*/") for word in (seconds, minutes, hours)),
    )


def _macro(words: Sequence[_Word]) -> str:
    name = words[0]
    if name.text.lower() == "@reboot":
        raise BadRule.at_position(FIELD, name.at, "@reboot: an alarm knows no machine that starts; use a time")
    if name.text.lower() not in MACROS:
        raise BadRule.at_position(FIELD, name.at, f"{name.text} is not known; macros are {', '.join(MACROS)}")
    if len(words) > 1:
        raise BadRule.at_position(FIELD, words[1].at, f"{name.text} stands alone")
    return MACROS[name.text.lower()]


def _values(word: _Word, part: _Part) -> frozenset[int]:
    """The values of a field that has nothing but numbers, names, ranges and steps."""
    return frozenset(value for item in word.split(",") for value in _range(item, part))


def _range(item: _Word, part: _Part) -> list[int]:
    found = _ITEM.fullmatch(item.text)
    if found is None:
        raise _refused(
            item, part, f"{item.text!r} is neither a number, a range nor a step" if item.text else "there is nothing at the comma"
        )
    first, last, step_text = found["first"], found["last"], found["step"]
    if first in "*?":
        low, high = part.low, part.high - (part is _WEEKDAY)
        if last is not None or (first == "?" and (part not in (_DAY, _WEEKDAY) or item.text != "?")):
            raise _refused(item, part, f"{item.text!r}: {first} stands for every value, and ? only for days, alone")
    else:
        low = _number(first, item.at, part)
        high = _end_of(low, last, step_text is not None, item.at + found.start("last"), part)
    step = _step(step_text, item.at + found.start("step"), part)
    return [_wrapped(value, part) for value in range(low, high + 1, step)]


def _end_of(low: int, last: str | None, stepped: bool, at: int, part: _Part) -> int:
    """The last value of a range, beyond the highest when it wraps around."""
    if last is None:
        return part.high - (part is _WEEKDAY and low < 7) if stepped else low
    high = _number(last, at, part)
    return high if high >= low else high + (7 if part is _WEEKDAY else part.high - part.low + 1)


def _wrapped(value: int, part: _Part) -> int:
    if part is _WEEKDAY:
        return value % 7
    return value if value <= part.high else value - (part.high - part.low + 1)


def _number(text: str, at: int, part: _Part) -> int:
    if text.isdecimal():
        value = int(text[:6])
        if not part.low <= value <= part.high:
            raise _refused(_Word(text, at), part, f"{text} is not within {part.low}-{part.high}")
        return value
    if text.upper() in part.names:
        return part.names.index(text.upper()) + (part is _MONTH)
    names = f"a number or one of {', '.join(part.names)}" if part.names else "a number"
    raise _refused(_Word(text, at), part, f"{text!r} is not {names}")


def _step(text: str | None, at: int, part: _Part) -> int:
    if text is None:
        return 1
    step, most = int(text[:6]), part.high - part.low + 1 - (part is _WEEKDAY)
    if not 1 <= step <= most:
        raise _refused(_Word(text, at), part, f"a step of {text} is not within 1-{most}")
    return step


_DAY_ITEMS: Final[dict[str, tuple[str, re.Pattern[str]]]] = {
    "nearest": ("day of month", re.compile(r"([0-9]+)W", re.IGNORECASE)),
    "from_last": ("days before the last", re.compile(r"L(?:-([0-9]+))?", re.IGNORECASE)),
    "nearest_from_last": ("days before the last", re.compile(r"L(?:-([0-9]+))?W", re.IGNORECASE)),
}


def _days(word: _Word) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {"days": set(), **{kind: set() for kind in _DAY_ITEMS}}
    for item in word.split(","):
        for kind, (what, form) in _DAY_ITEMS.items():
            special = form.fullmatch(item.text)
            if special is not None:
                low, high = (1, 31) if kind == "nearest" else (0, 30)
                value = int((special[1] or "0")[:6])
                if not low <= value <= high:
                    raise _refused(item, _DAY, f"{item.text}: {what} must be within {low}-{high}")
                found[kind].add(value)
                break
        else:
            found["days"].update(_range(item, _DAY))
    return {kind: frozenset(values) for kind, values in found.items()}


_NTH: Final = re.compile(r"([0-9]|[A-Z]{3})#([0-9]+)", re.IGNORECASE)
_LAST: Final = re.compile(r"([0-9]|[A-Z]{3})L", re.IGNORECASE)


class _Weekdays(NamedTuple):
    plain: frozenset[int]
    nth: frozenset[tuple[int, int]]
    last: frozenset[int]


def _weekdays(word: _Word) -> _Weekdays:
    plain: set[int] = set()
    last: set[int] = set()
    nth: set[tuple[int, int]] = set()
    for item in word.split(","):
        if (found := _NTH.fullmatch(item.text)) is not None:
            which = int(found[2][:6])
            if not 1 <= which <= 5:
                raise _refused(
                    _Word(found[2], item.at + found.start(2)), _WEEKDAY, f"#{found[2]}: a month has a first to fifth of a weekday"
                )
            nth.add((_monday_first(_number(found[1], item.at, _WEEKDAY)), which))
        elif (found := _LAST.fullmatch(item.text)) is not None:
            last.add(_monday_first(_number(found[1], item.at, _WEEKDAY)))
        elif item.text.upper() == "L":
            raise _refused(item, _WEEKDAY, "L needs a weekday, as in 5L or FRIL")
        else:
            plain.update(_monday_first(weekday) for weekday in _range(item, _WEEKDAY))
    return _Weekdays(frozenset(plain), frozenset(nth), frozenset(last))


def _monday_first(weekday: int) -> int:
    return (weekday + 6) % 7


def _refused(word: _Word, part: _Part, why: str) -> BadRule:
    return BadRule.at_position(FIELD, word.at, f"{part.name}: {why}")
