"""The days of a recurrence rule (RFC 5545, section 3.3.10): its periods of a day or longer, and the BY parts that choose days."""

from collections.abc import Iterable
from datetime import date
from typing import Final

from tocsin.recurrence.days import LAST_YEAR, Days, Year, bits, date_of, every, kind_of, run, weekdays_of, year_of, year_start
from tocsin.recurrence.ical.parts import Frequency, Nth, RuleParts, Skip
from tocsin.recurrence.steps import spend
from tocsin.recurrence.times import Times

_WEEK: Final = 7
_MOST_KNOWN: Final = 64


class RuleDays(Days):
    """The days of a rule that begins on a day. BYSETPOS is not looked at."""

    def __init__(self, parts: RuleParts, first_day: int) -> None:
        super().__init__()
        self._parts = parts
        self._first = first_day
        self._chosen = _DayChoice(parts, first_day)
        self._known: dict[Year, int] = {}
        self.week_start = first_day - (first_day + 3 - parts.week_start) % _WEEK

    def work_out(self, year: int) -> int:
        """The chosen days of the year's kind, kept for each kind, that lie in the periods of the interval."""
        parts = self._parts
        if parts.frequency is Frequency.YEARLY and (year - date_of(self._first).year) % parts.interval:
            return 0
        kind = kind_of(year)
        mask = self._known.get(kind)
        if mask is None:
            mask = self._known[kind] = self._chosen.days_in(kind)
        if parts.interval > 1 and mask:
            mask &= self._aligned(year, kind)
        return mask | self._forward(year, kind) if parts.skip is Skip.FORWARD else mask

    def _forward(self, year: int, kind: Year) -> int:
        """The firsts of months to which a day moves that the month before does not have; of December none does."""
        aligned = run(0, kind.length) if self._parts.interval == 1 else self._aligned(year, kind)
        moved = 0
        for _, first, length in kind.months():
            if run(first, length) & aligned == run(first, length) and self._chosen.lacks(kind, first, length):
                moved |= 1 << first + length
        return moved & weekdays_of(kind, self._chosen.plain_weekdays) if self._chosen.plain_weekdays else moved

    def _aligned(self, year: int, kind: Year) -> int:
        """The days of the year that lie in the periods of the interval."""
        parts, start = self._parts, year_start(year)
        match parts.frequency:
            case Frequency.MONTHLY:
                begun = date_of(self._first)
                months = year * 12 - begun.year * 12 - begun.month
                return sum(run(first, length) for month, first, length in kind.months() if (months + month) % parts.interval == 0)
            case Frequency.WEEKLY:
                step = _WEEK * parts.interval
                week = (self.week_start - start) % step
                weeks = every(step, kind.length - week) << week if week < kind.length else 0
                return (weeks * run(0, _WEEK) | run(0, _WEEK) >> (step - week)) & run(0, kind.length)
            case Frequency.DAILY:
                day = (self._first - start) % parts.interval
                return every(parts.interval, kind.length - day) << day if day < kind.length else 0
            case _:
                return run(0, kind.length)


class PickedDays(Days):
    """The days of a rule whose BYSETPOS picks from the days and times of each year, month or week."""

    def __init__(self, parts: RuleParts, days: RuleDays, times: Times) -> None:
        super().__init__()
        self._parts = parts
        self._days = days
        self._times = times
        self._picked: tuple[int, dict[int, list[int]]] = (0, {})
        self._known: dict[tuple[Year, int], dict[int, list[int]]] = {}

    def work_out(self, year: int) -> int:
        """The days on which a time is picked; the picks of the year are kept for `times_on`."""
        picked = self._pick(year)
        self._picked = (year, picked)
        return sum(1 << day for day in picked)

    def times_on(self, day: int) -> list[int]:
        """The times that are picked on one of the days, in order."""
        year = year_of(day)
        if self._picked[0] != year:
            self.work_out(year)
        return self._picked[1].get(day - year_start(year), [])

    def _pick(self, year: int) -> dict[int, list[int]]:
        """The days of a year, from 0, and the times that are picked on them."""
        kind, mask, back = kind_of(year), self._days.mask(year), 0
        if self._parts.frequency is Frequency.WEEKLY:
            mask, back = self._whole_weeks(year, mask)
        known = self._known.get((kind, mask))
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            days = ([first - back + day for day in bits(mask >> first & run(0, length))] for first, length in self._periods(kind, back))
            known = self._known[kind, mask] = self._picked_of(days, kind)
        return known

    def _periods(self, kind: Year, back: int) -> list[tuple[int, int]]:
        """The first day and the length of each period; weeks begin ``back`` days before the year."""
        match self._parts.frequency:
            case Frequency.YEARLY:
                return [(0, kind.length)]
            case Frequency.WEEKLY:
                return [(week, _WEEK) for week in range(0, back + kind.length, _WEEK)]
            case _:
                return [month[1:] for month in kind.months()]

    def _picked_of(self, periods: Iterable[list[int]], kind: Year) -> dict[int, list[int]]:
        picked: dict[int, list[int]] = {}
        for days in periods:
            spend(len(self._parts.positions) if days else 0)
            for index in self._indexes(len(days) * self._times.count):
                day, time = divmod(index, self._times.count)
                if 0 <= days[day] < kind.length:
                    picked.setdefault(days[day], []).append(self._times.nth(time))
        return picked

    def _indexes(self, total: int) -> list[int]:
        wanted = {position - 1 if position > 0 else total + position for position in self._parts.positions}
        return sorted(index for index in wanted if 0 <= index < total)

    def _whole_weeks(self, year: int, mask: int) -> tuple[int, int]:
        """The days of each week that has days in the year, those of the neighbours among them, and how many lie before January 1."""
        start, length = year_start(year), kind_of(year).length
        back = (start - self._days.week_start) % _WEEK
        before = self._days.mask(year - 1) >> (start - back - year_start(year - 1)) if back and year > 1 else 0
        after = self._days.mask(year + 1) & run(0, _WEEK) if year < LAST_YEAR else 0
        return before | (mask | after << length) << back, back


class _DayChoice:
    """Which days of a year the BY parts choose, whatever the interval."""

    def __init__(self, parts: RuleParts, first_day: int) -> None:
        self._parts = parts
        first = date_of(first_day)
        self._months, self._month_days, self._weekdays = parts.months, parts.month_days, parts.weekdays
        # What a rule does not say, its beginning does.
        if parts.frequency <= Frequency.WEEKLY and not (parts.weekdays or parts.month_days or parts.year_days):
            if parts.frequency is Frequency.WEEKLY or parts.weeks:
                self._weekdays = (Nth(0, first.weekday()),)
            else:
                self._month_days = (first.day,)
                self._month_of(first)
        elif parts.month_days and not (parts.weekdays or parts.year_days or parts.weeks):
            self._month_of(first)

    def _month_of(self, first: date) -> None:
        """The month in which the rule begins, if it is a yearly one that names none; so libical and lib-recur have it."""
        if self._parts.frequency is Frequency.YEARLY and not self._parts.months:
            self._months = (first.month,)

    @property
    def plain_weekdays(self) -> frozenset[int]:
        """The weekdays that it allows, of those that have no ordinal."""
        return frozenset(nth.weekday for nth in self._weekdays if not nth.ordinal)

    def lacks(self, kind: Year, first: int, length: int) -> bool:
        """Whether a month, which begins with day ``first`` of its year, is chosen and lacks one of the days of the month."""
        month = next(number for number, begin, _ in kind.months() if begin == first)
        return (not self._months or month in self._months) and any(day > length for day in self._month_days)

    def days_in(self, kind: Year) -> int:
        """The days of a kind of year."""
        parts, mask = self._parts, run(0, kind.length)
        if self._months:
            mask &= sum(run(first, length) for month, first, length in kind.months() if month in self._months)
        if self._month_days:
            counted = _clipped if parts.skip is Skip.BACKWARD else _counted
            mask &= sum(counted(self._month_days, length) << first for _, first, length in kind.months())
        if parts.year_days:
            mask &= _counted(parts.year_days, kind.length)
        if parts.weeks:
            mask &= _days_of_weeks(parts.weeks, kind, parts.week_start)
        if self._weekdays:
            mask &= self._of_weekdays(kind)
        return mask

    def _of_weekdays(self, kind: Year) -> int:
        mask = weekdays_of(kind, self.plain_weekdays)
        nths = [nth for nth in self._weekdays if nth.ordinal]
        if nths and (self._parts.frequency is Frequency.MONTHLY or self._parts.months):
            return mask | sum(_nth_weekdays(nths, (kind.weekday + first) % _WEEK, length) << first for _, first, length in kind.months())
        return mask | _nth_weekdays(nths, kind.weekday, kind.length)


def _counted(numbers: Iterable[int], length: int) -> int:
    """Days by their numbers from 1 or, negative, from the end; those that do not exist are left out."""
    days = {number - 1 if number > 0 else length + number for number in numbers}
    return sum(1 << day for day in days if 0 <= day < length)


def _clipped(numbers: Iterable[int], length: int) -> int:
    """Likewise; of those beyond the last day it is the last one."""
    return _counted([min(number, length) for number in numbers], length)


def _nth_weekdays(nths: Iterable[Nth], weekday: int, length: int) -> int:
    """The n-th weekdays of a span of ``length`` days that begins with ``weekday``."""
    days: set[int] = set()
    for ordinal, wanted in nths:
        first = (wanted - weekday) % _WEEK
        last = length - 1 - (weekday + length - 1 - wanted) % _WEEK
        days.add(first + _WEEK * (ordinal - 1) if ordinal > 0 else last + _WEEK * (ordinal + 1))
    return sum(1 << day for day in days if 0 <= day < length)


def _days_of_weeks(weeks: Iterable[int], kind: Year, week_start: int) -> int:
    """The days of a year that lie in weeks with these numbers; week 1 is the first that has four days in its year."""
    wanted, mask = set(weeks), 0
    first = _first_week(kind.weekday, week_start)
    after = kind.length + _first_week((kind.weekday + kind.length) % _WEEK, week_start)
    for days_begin, days_end, number, count in (
        (0, first, *_last_number(kind, week_start)),
        *((day, day + _WEEK, index, (after - first) // _WEEK) for index, day in enumerate(range(first, after, _WEEK), 1)),
        (after, kind.length, 1, _weeks_after(kind, week_start)),
    ):
        if number in wanted or number - count - 1 in wanted:
            mask |= run(max(days_begin, 0), max(0, min(days_end, kind.length) - max(days_begin, 0)))
    return mask


def _first_week(weekday: int, week_start: int) -> int:
    """Where week 1 of a year that begins with ``weekday`` begins, from its first day."""
    back = (weekday - week_start) % _WEEK
    return -back if back <= 3 else _WEEK - back


def _last_number(kind: Year, week_start: int) -> tuple[int, int]:
    """The number of the last week of the year before, twice: it is also how many it has."""
    length = 366 if kind.after_leap else 365
    weeks = (length + _first_week(kind.weekday, week_start) - _first_week((kind.weekday - length) % _WEEK, week_start)) // _WEEK
    return weeks, weeks


def _weeks_after(kind: Year, week_start: int) -> int:
    """How many weeks the year after has."""
    length = 366 if kind.before_leap else 365
    weekday = (kind.weekday + kind.length) % _WEEK
    return (length + _first_week((weekday + length) % _WEEK, week_start) - _first_week(weekday, week_start)) // _WEEK
