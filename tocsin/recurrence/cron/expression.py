"""Reads cron expressions.

The language is that of cron in Debian (crontab(5), after Vixie) with what people know from Quartz: seconds as a first field of six, a year
as the last of six or seven, ``?``, ``L``, ``L-3``, ``15W``, ``LW``, ``5L``, ``FRI#L``, ``5#3``; and with the ``H`` of Jenkins. Where the
dialects differ: Sunday is 0 and 7, Monday is 1; of six fields the last one is a year if it has a number of four digits; a range may wrap
around (``FRI-MON``, ``22-2``); day of month and day of week are joined by "or", unless one of them begins with ``*`` or is ``?``, then by
"and".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tocsin.recurrence.cron import fields
from tocsin.recurrence.cron.fields import item_values, number, refused, values
from tocsin.recurrence.cron.words import CronWord

MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIVE: Final = 5
_SIX: Final = 6
_SEVEN: Final = 7
_YEAR: Final = re.compile(r"(?<![0-9])[0-9]{4}(?![0-9])")


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
        years: the years; None: every one.
        both: whether a day must meet the day of month and the day of week; otherwise one is enough.
        periodic: whether it is a period rather than a time: the seconds, minutes or hours have a star or a step.
        by_second: whether seconds are given; otherwise it means whole minutes.
    """

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] = frozenset()
    from_last: frozenset[int] = frozenset()
    nearest: frozenset[int] = frozenset()
    nearest_from_last: frozenset[int] = frozenset()
    months: frozenset[int]
    weekdays: frozenset[int]
    nth: frozenset[tuple[int, int]] = frozenset()
    last: frozenset[int] = frozenset()
    years: frozenset[int] | None = None
    both: bool
    periodic: bool
    by_second: bool = True


def is_hashed(words: Sequence[CronWord]) -> bool:
    """Whether a hash stands for some number of an expression."""
    return any(fields.is_hashed(item) for word in words for item in word.split(","))


def parse_words(words: Sequence[CronWord], seed: str) -> CronExpression:
    """What the words of an expression, which is no macro, say; ``seed`` is what its hashes are drawn from.

    Raises:
        BadRule: it is not valid; the error tells the position.
    """
    by_second, year, rest = arranged(words)
    seconds, minutes, hours, days, months, weekdays = rest
    by_month, by_week = _days(days, seed), _weekdays(weekdays, seed)
    return CronExpression(
        seconds=values(seconds, fields.SECOND, seed),
        minutes=values(minutes, fields.MINUTE, seed),
        hours=values(hours, fields.HOUR, seed),
        months=values(months, fields.MONTH, seed),
        days=by_month["days"],
        from_last=by_month["from_last"],
        nearest=by_month["nearest"],
        nearest_from_last=by_month["nearest_from_last"],
        weekdays=by_week.plain,
        nth=by_week.nth,
        last=by_week.last,
        years=None if year is None or year.text in "*?" else values(year, fields.YEAR, seed),
        both=any(word.text[0] in "*?" for word in (days, weekdays)),
        periodic=any(set(word.text) & set("*/") for word in (seconds, minutes, hours)),
        by_second=by_second,
    )


def arranged(words: Sequence[CronWord]) -> tuple[bool, CronWord | None, Sequence[CronWord]]:
    """Whether seconds are given, the year, and the six fields from seconds to the day of week.

    Raises:
        BadRule: it has another number of fields.
    """
    last = words[-1]
    if len(words) == _SEVEN:
        return True, last, words[:-1]
    if len(words) == _FIVE or (len(words) == _SIX and _YEAR.search(last.text)):
        second = CronWord("0", words[0].at, words[0].line)
        return False, last if len(words) == _SIX else None, [second, *words[:_FIVE]]
    if len(words) == _SIX:
        return True, None, words
    place = words[_SEVEN] if len(words) > _SEVEN else last.part("", len(last.text))
    raise place.refused(
        f"{len(words)} fields: an expression has 5 fields, 6 with the seconds first or a year of four digits last, or 7 with both"
    )


_DAY_ITEMS: Final[dict[str, tuple[str, re.Pattern[str]]]] = {
    "nearest": ("day of month", re.compile(r"([0-9]+)W", re.IGNORECASE)),
    "from_last": ("days before the last", re.compile(r"L(?:-([0-9]+))?", re.IGNORECASE)),
    "nearest_from_last": ("days before the last", re.compile(r"L(?:-([0-9]+))?W", re.IGNORECASE)),
}


def _days(word: CronWord, seed: str) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {"days": set(), **{kind: set() for kind in _DAY_ITEMS}}
    for item in word.split(","):
        for kind, (what, form) in _DAY_ITEMS.items():
            special = form.fullmatch(item.text)
            if special is not None:
                low, high = (1, 31) if kind == "nearest" else (0, 30)
                value = int((special[1] or "0")[:6])
                if not low <= value <= high:
                    raise refused(item, fields.DAY, f"{item.text}: {what} must be within {low}-{high}")
                found[kind].add(value)
                break
        else:
            found["days"].update(item_values(item, fields.DAY, seed))
    return {kind: frozenset(found[kind]) for kind in found}


_NTH: Final = re.compile(r"([0-9]|[A-Z]{3,9})#([0-9]+)", re.IGNORECASE)
_LAST: Final = re.compile(r"([0-9]|[A-Z]{3,9}?)(?:#?)L", re.IGNORECASE)


class _Weekdays(NamedTuple):
    plain: frozenset[int]
    nth: frozenset[tuple[int, int]]
    last: frozenset[int]


def _weekdays(word: CronWord, seed: str) -> _Weekdays:
    plain: set[int] = set()
    last: set[int] = set()
    nth: set[tuple[int, int]] = set()
    for item in word.split(","):
        if (found := _NTH.fullmatch(item.text)) is not None:
            which = int(found[2][:6])
            if not 1 <= which <= 5:
                raise refused(
                    item.part(found[2], found.start(2)), fields.WEEKDAY, f"#{found[2]}: a month has a first to fifth of a weekday"
                )
            nth.add((_weekday(item.part(found[1], 0)), which))
        elif (found := _LAST.fullmatch(item.text)) is not None:
            last.add(_weekday(item.part(found[1], 0)))
        elif item.text.upper() == "L":
            raise refused(item, fields.WEEKDAY, "L needs a weekday, as in 5L or FRIL")
        else:
            plain.update(_monday_first(weekday) for weekday in item_values(item, fields.WEEKDAY, seed))
    return _Weekdays(frozenset(plain), frozenset(nth), frozenset(last))


def _weekday(word: CronWord) -> int:
    return _monday_first(number(word, fields.WEEKDAY))


def _monday_first(weekday: int) -> int:
    return (weekday + 6) % 7
