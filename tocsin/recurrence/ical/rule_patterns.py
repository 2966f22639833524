"""The wall times of a recurrence rule (RFC 5545, section 3.3.10)."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from math import gcd
from typing import Final

from tocsin.recurrence.days import CYCLE_DAYS, Days, every, year_start
from tocsin.recurrence.ical.parts import Frequency, RuleParts
from tocsin.recurrence.ical.rule_days import PickedDays, RuleDays
from tocsin.recurrence.patterns import DAY, MOST_COUNTED, OnDays, Pattern, TooMany, nth_on_days
from tocsin.recurrence.steps import spend
from tocsin.recurrence.times import ListedTimes, Times, TimesOfDay

_YEAR: Final = 366
_HOUR: Final = 3600
_MINUTE: Final = 60
_LENGTHS: Final = {Frequency.HOURLY: _HOUR, Frequency.MINUTELY: _MINUTE, Frequency.SECONDLY: 1}
# Turns up to so many days are looked through by years; longer ones by the days that have units, of which 400 years have few.
_LONG_TURN: Final = 100_000
# Of so many units in a day nearly every interval finds one soon; of fewer, the days that have one are worked out.
_MANY_UNITS: Final = 5_000
_BIG_MASK: Final = 2

_every: Final = lru_cache(maxsize=256)(every)


class PickedTimes(Pattern):
    """Times that BYSETPOS picks, which differ from day to day."""

    def __init__(self, days: PickedDays) -> None:
        self._days = days

    def next_at(self, wall: int) -> int | None:
        """The next picked time on the day of ``wall``, else the first one of the next day that has any."""
        day, time = divmod(wall, DAY)
        found = self._days.next(day)
        if found == day:
            times = self._days.times_on(day)
            index = bisect_left(times, time)
            if index < len(times):
                return wall - time + times[index]
            found = self._days.next(day + 1)
        return None if found is None else found * DAY + self._days.times_on(found)[0]

    def nth_from(self, wall: int, number: int) -> int | None:
        """Counts the picked times day by day, a step for each day."""
        found = self.next_at(wall)
        while found is not None:
            day, time = divmod(found, DAY)
            times = self._days.times_on(day)
            index = bisect_left(times, time) + number - 1
            if index < len(times):
                return day * DAY + times[index]
            spend(1)
            number = index - len(times) + 1
            found = self.next_at((day + 1) * DAY)
        return None


class EveryNthUnit(Pattern):
    """Every n-th hour, minute or second, on some days, at some times: hours count from the beginning, not from midnight."""

    def __init__(self, *, first: int, length: int, interval: int, days: Days, allowed: int, inner: Times) -> None:
        """Takes the parts.

        Args:
            first: wall time of the beginning.
            length: of a unit, in seconds.
            interval: in units.
            days: the days.
            allowed: the units of a day, as bits.
            inner: the times within a unit.
        """
        self._length = length
        self._units = DAY // length
        self._origin = first // length
        self._interval = interval
        self._days = days
        self._allowed = allowed
        self._inner = inner
        self._good: _GoodDays | None = None
        self._looked = False
        self._shared = gcd(interval, self._units)
        self._turns = interval // self._shared
        """After so many days the units of the interval are the same ones again."""
        self._all = allowed == (1 << self._units) - 1

    def next_at(self, wall: int) -> int | None:
        """The next inner time in the unit of ``wall``, if it is allowed; else the first one of the next allowed unit."""
        unit, inside = divmod(wall, self._length)
        found = self._next_unit(unit)
        if found == unit:
            then = self._inner.next_at(inside)
            if then is not None:
                return wall - inside + then
            found = self._next_unit(unit + 1)
        return None if found is None else found * self._length + self._inner.first

    def nth_from(self, wall: int, number: int) -> int | None:
        """Counts by years where every day has the same units, else by days.

        Raises:
            TooMany: ``number`` is too large to count by days.
        """
        if self._turns > 1:
            return self._counted(wall, number)
        day, time = divmod(wall, DAY)
        if not self._units_on(day):
            return None
        times = self._times_on(day)
        if self._days.next(day) == day:
            number += times.before(time)
        return nth_on_days(self._days, day, times, number)

    def _counted(self, wall: int, number: int) -> int | None:
        """The ``number``-th wall time at or after ``wall``, found by counting days, which after some turns have the same units again."""
        if number > MOST_COUNTED:
            raise TooMany
        found = self.next_at(wall)
        if found is None:
            return None
        day: int | None = found // DAY
        number += self._times_on(found // DAY).before(found % DAY)
        good = self._worked_out()
        if good is not None and self._interval >= self._units and self._turns <= _LONG_TURN:
            at = nth_on_days(good, found // DAY, self._inner, number)  # each of the days has one unit
            return None if at is None else at + _places(self._units_on(at // DAY))[0] * self._length
        counts: dict[int, int] = {}
        while day is not None:
            spend(1)
            here = counts.get(day % self._turns)
            if here is None:
                here = counts[day % self._turns] = self._units_on(day).bit_count() * self._inner.count
            if number <= here:
                return day * DAY + self._times_on(day).nth(number - 1)
            number -= here
            day = self._good_day(day + 1)
        return None

    def _times_on(self, day: int) -> Times:
        return _UnitTimes(_places(self._units_on(day)), self._length, self._inner)

    def _next_unit(self, unit: int) -> int | None:
        day, within = divmod(unit, self._units)
        if self._all:
            near = unit + (self._origin - unit) % self._interval
            if self._days.next(near // self._units) == near // self._units:
                return near
        found = self._days.next(day)
        if found is None:
            return None
        rest = self._units_on(found) >> (within if found == day else 0)
        if rest:
            return found * self._units + (within if found == day else 0) + (rest & -rest).bit_length() - 1
        later = self._good_day(found + 1)
        if later is None:
            return None
        rest = self._units_on(later)
        return later * self._units + (rest & -rest).bit_length() - 1

    def _good_day(self, day: int) -> int | None:
        """The first of the days, from ``day`` on, that has units."""
        good = self._worked_out()
        return self._good_of_many(day) if good is None else good.next(day)

    def _worked_out(self) -> "_GoodDays | None":
        """The days that have units; None when they are so many that working them out does not pay."""
        if not self._looked:
            self._looked = True
            residues = self._residues()
            self._good = None if residues is None else _GoodDays(self._days, residues, self._turns)
        return self._good

    def _good_of_many(self, day: int) -> int | None:
        """Likewise, when most units are allowed: goes from one unit of the interval to the next that lies on one of the days."""
        last = day + CYCLE_DAYS
        while day <= last:
            spend(1)
            unit = day * self._units
            near = (unit + (self._origin - unit) % self._interval) // self._units
            found = self._days.next(near)
            if found is None or (found == near and self._units_on(found)):
                return found
            day = found + (found == near)
        return None

    def _units_on(self, day: int) -> int:
        """The units of a day that are allowed and lie in the interval, as bits."""
        spend(_BIG_MASK if self._length == 1 else 1)
        begin = (self._origin - day * self._units) % self._interval
        if begin >= self._units:
            return 0
        return self._allowed & _every(self._interval, self._units) << begin

    def _residues(self) -> list[int] | None:
        """The days that have units, modulo the turns: a unit of the day belongs to just one of them (Chinese remainder theorem).

        None when there are too many to be worth it.
        """
        if self._turns == 1:
            return [0] if self._units_on(0) else []
        allowed = self._allowed & _every(self._shared, self._units) << self._origin % self._shared
        if allowed.bit_count() > _MANY_UNITS:
            return None
        spend(allowed.bit_count() + self._units // 64)
        inverse = pow(self._units // self._shared, -1, self._turns)
        return sorted({(self._origin - unit) // self._shared * inverse % self._turns for unit in _places(allowed)})


class _GoodDays(Days):
    """Those of some days that have one of some residues, modulo a number of days."""

    def __init__(self, days: Days, residues: Sequence[int], turns: int) -> None:
        super().__init__()
        self._days = days
        self._residues = residues
        self._turns = turns
        short = turns <= _LONG_TURN
        # A turn again and again, until a year fits behind every residue.
        self._repeated = _bits_of(residues) * _every(turns, turns * (2 + _YEAR // turns)) if short else 0

    def work_out(self, year: int) -> int:
        """The days of the year that have one of the residues."""
        return self._days.mask(year) & self._repeated >> year_start(year) % self._turns

    def next(self, day: int) -> int | None:
        """By years for a short turn; for a long one, from one day with a residue to the next."""
        if self._turns <= _LONG_TURN or not self._residues:
            return super().next(day) if self._residues else None
        found: int | None = day
        while True:
            spend(3)
            found = self._days.next(self._with_residue(found))
            if found is None or self._with_residue(found) == found:
                return found

    def _with_residue(self, day: int) -> int:
        residue = day % self._turns
        index = bisect_left(self._residues, residue)
        if index < len(self._residues):
            return day - residue + self._residues[index]
        return day - residue + self._turns + self._residues[0]


class _UnitTimes(Times):
    """Times of day: the same ones within each of some units."""

    def __init__(self, units: Sequence[int], length: int, inner: Times) -> None:
        self._units = units
        self._length = length
        self._inner = inner
        self.count = len(units) * inner.count
        self.first = self.nth(0)

    def nth(self, index: int) -> int:
        """The time with this index: the inner times turn first, the units last."""
        unit, inside = divmod(index, self._inner.count)
        return self._units[unit] * self._length + self._inner.nth(inside)

    def before(self, time: int) -> int:
        """Those of the units before, and the inner ones before ``time`` if its own unit is one of them."""
        unit, inside = divmod(time, self._length)
        index = bisect_left(self._units, unit)
        here = index < len(self._units) and self._units[index] == unit
        return index * self._inner.count + (self._inner.before(inside) if here else 0)

    def next_at(self, time: int) -> int | None:
        """The one whose index is the number of those before ``time``; None behind the last."""
        index = self.before(time)
        return self.nth(index) if index < self.count else None


def rule_pattern(parts: RuleParts, *, first: int, implied: bool) -> Pattern | None:
    """The wall times of a rule, also those before its beginning; None when there are none.

    Args:
        parts: the rule.
        first: wall time of its beginning; what the rule does not say, it does.
        implied: the beginning was not given: then a rule with hours means the full hour, one with minutes the full minute.
    """
    day, time = divmod(first, DAY)
    days = RuleDays(parts, day)
    hour, minute, second = time // _HOUR, time // _MINUTE % 60, time % 60
    if implied and (parts.hours or parts.minutes):
        minute, second = (0 if parts.hours else minute), 0
    hours = parts.hours or (range(24) if parts.frequency >= Frequency.HOURLY else (hour,))
    minutes = parts.minutes or (range(60) if parts.frequency >= Frequency.MINUTELY else (minute,))
    seconds = tuple(min(value, 59) for value in parts.seconds) or (range(60) if parts.frequency is Frequency.SECONDLY else (second,))
    if parts.frequency >= Frequency.HOURLY:
        return _sub_daily(parts, first, days, hours, minutes, seconds)
    times = TimesOfDay(hours, minutes, seconds)
    if not parts.positions:
        return OnDays(days, times)
    if parts.frequency is Frequency.DAILY:
        chosen = _chosen(times, parts.positions)
        return OnDays(days, chosen) if chosen is not None else None
    if not _possible(parts, times.count):
        return None
    picked = PickedDays(parts, days, times)
    return OnDays(picked, times) if times.count == 1 else PickedTimes(picked)


def _sub_daily(
    parts: RuleParts, first: int, days: Days, hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int]
) -> Pattern | None:
    if parts.interval == 1 and not parts.positions:
        return OnDays(days, TimesOfDay(hours, minutes, seconds))
    match parts.frequency:
        case Frequency.HOURLY:
            inner: Times | None = TimesOfDay((0,), minutes, seconds)
            minutes = seconds = (0,)
        case Frequency.MINUTELY:
            inner = TimesOfDay((0,), (0,), seconds)
            seconds = (0,)
        case _:
            inner = TimesOfDay((0,), (0,), (0,))
    if parts.positions:
        inner = _chosen(inner, parts.positions)
    if inner is None:
        return None
    length = _LENGTHS[parts.frequency]
    allowed = _units_of(length, frozenset(hours), frozenset(minutes), frozenset(seconds))
    return EveryNthUnit(first=first, length=length, interval=parts.interval, days=days, allowed=allowed, inner=inner)


def _chosen(times: Times, positions: Sequence[int]) -> Times | None:
    """The times with these positions from 1 or, negative, from the end; None when there are none."""
    indexes = {position - 1 if position > 0 else times.count + position for position in positions}
    chosen = [times.nth(index) for index in sorted(indexes) if 0 <= index < times.count]
    return ListedTimes(chosen) if chosen else None


def _possible(parts: RuleParts, times: int) -> bool:
    """Whether a period can have as many occurrences as BYSETPOS counts."""
    longest = {Frequency.YEARLY: 366, Frequency.MONTHLY: 31, Frequency.WEEKLY: len({nth.weekday for nth in parts.weekdays}) or 1}
    return min(abs(position) for position in parts.positions) <= longest[parts.frequency] * times


def _places(mask: int) -> list[int]:
    """The numbers of the bits that are set, in order; of a long mask sooner than `bits`, which copies it for each of them."""
    return [found.start() for found in re.finditer("1", format(mask, "b")[::-1])]


def _bits_of(numbers: Sequence[int]) -> int:
    """The bits with these numbers; by way of a text, for one by one a long number would be copied for each."""
    digits = bytearray(b"0") * ((numbers[-1] if numbers else 0) + 1)
    for number in numbers:
        digits[-1 - number] = ord("1")
    return int(digits, 2)


@lru_cache(maxsize=256)
def _units_of(length: int, hours: frozenset[int], minutes: frozenset[int], seconds: frozenset[int]) -> int:
    """The units of a day at these hours, minutes and seconds, as bits."""
    within_minute = sum(1 << second // length for second in seconds)
    within_hour = sum(within_minute << minute * _MINUTE // length for minute in minutes)
    return sum(within_hour << hour * _HOUR // length for hour in hours)
