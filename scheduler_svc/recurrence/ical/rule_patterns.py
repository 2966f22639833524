"""The wall times of a recurrence rule (RFC 5545, section 3.3.10)."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from math import gcd
from typing import Final

from scheduler_svc.recurrence.days import Days, year_start
from scheduler_svc.recurrence.ical.parts import Frequency, RuleParts
from scheduler_svc.recurrence.ical.rule_days import PickedDays, RuleDays
from scheduler_svc.recurrence.patterns import DAY, OnDays, Pattern, nth_on_days
from scheduler_svc.recurrence.times import ListedTimes, Times, TimesOfDay

_YEAR: Final = 366
_HOUR: Final = 3600
_MINUTE: Final = 60
_LENGTHS: Final = {Frequency.HOURLY: _HOUR, Frequency.MINUTELY: _MINUTE, Frequency.SECONDLY: 1}
# Turns up to so many days are looked through by years; longer ones by the days that have units, of which 400 years have few.
_LONG_TURN: Final = 100_000
_MOST_STEPS: Final = 5_000


class PickedTimes(Pattern):
    """Times that BYSETPOS picks, which differ from day to day."""

    def __init__(self, days: PickedDays) -> None:
        self._days = days

    def next_at(self, wall: int) -> int | None:
        """See `Pattern`."""
        day, time = divmod(wall, DAY)
        found = self._days.next(day)
        if found == day:
            times = self._days.times_on(day)
            index = bisect_left(times, time)
            if index < len(times):
                return wall - time + times[index]
            found = self._days.next(day + 1)
        return None if found is None else found * DAY + self._days.times_on(found)[0]


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
        self._shared = gcd(interval, self._units)
        self._turns = interval // self._shared
        """After so many days the units of the interval are the same ones again."""
        self._all = allowed == (1 << self._units) - 1

    def next_at(self, wall: int) -> int | None:
        """See `Pattern`."""
        unit, inside = divmod(wall, self._length)
        found = self._next_unit(unit)
        if found == unit:
            then = self._inner.next_at(inside)
            if then is not None:
                return wall - inside + then
            found = self._next_unit(unit + 1)
        return None if found is None else found * self._length + self._inner.first

    def nth_from(self, wall: int, number: int) -> int | None:
        """See `Pattern`."""
        if self._turns > 1:
            return super().nth_from(wall, number)
        day, time = divmod(wall, DAY)
        units = [unit for unit, bit in enumerate(reversed(format(self._units_on(day), "b"))) if bit == "1"]
        if not units:
            return None
        times = _UnitTimes(units, self._length, self._inner)
        if self._days.next(day) == day:
            number += times.before(time)
        return nth_on_days(self._days, day, times, number)

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
        if self._good is None:
            self._good = _GoodDays(self._days, self._residues(), self._turns)
        return self._good.next(day)

    def _units_on(self, day: int) -> int:
        """The units of a day that are allowed and lie in the interval, as bits."""
        begin = (self._origin - day * self._units) % self._interval
        if begin >= self._units:
            return 0
        return self._allowed & _every(self._interval, self._units) << begin

    def _residues(self) -> list[int]:
        """The days that have units, modulo the turns: a unit of the day belongs to just one of them (Chinese remainder theorem)."""
        if self._turns == 1:
            return [0] if self._units_on(0) else []
        allowed = self._allowed & _every(self._shared, self._units) << self._origin % self._shared
        inverse = pow(self._units // self._shared, -1, self._turns)
        units = (unit for unit, bit in enumerate(reversed(format(allowed, "b"))) if bit == "1")
        return sorted({(self._origin - unit) // self._shared * inverse % self._turns for unit in units})


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
        """See `Days`."""
        return self._days.mask(year) & self._repeated >> year_start(year) % self._turns

    def next(self, day: int) -> int | None:
        """See `Days`."""
        if self._turns <= _LONG_TURN or not self._residues:
            return super().next(day) if self._residues else None
        found: int | None = day
        for _ in range(_MOST_STEPS):
            found = self._days.next(self._with_residue(found))
            if found is None or self._with_residue(found) == found:
                return found
        return None

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
        """See `Times`."""
        unit, inside = divmod(index, self._inner.count)
        return self._units[unit] * self._length + self._inner.nth(inside)

    def before(self, time: int) -> int:
        """See `Times`."""
        unit, inside = divmod(time, self._length)
        index = bisect_left(self._units, unit)
        here = index < len(self._units) and self._units[index] == unit
        return index * self._inner.count + (self._inner.before(inside) if here else 0)

    def next_at(self, time: int) -> int | None:
        """See `Times`."""
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


def _bits_of(numbers: Sequence[int]) -> int:
    """The bits with these numbers; by way of a text, for one by one a long number would be copied for each."""
    digits = bytearray(b"0") * ((numbers[-1] if numbers else 0) + 1)
    for number in numbers:
        digits[-1 - number] = ord("1")
    return int(digits, 2)


@lru_cache(maxsize=256)
def _every(interval: int, units: int) -> int:
    """Every n-th of some bits, from the first one."""
    if interval >= units:
        return 1
    return ((1 << interval * (1 + (units - 1) // interval)) - 1) // ((1 << interval) - 1)


@lru_cache(maxsize=256)
def _units_of(length: int, hours: frozenset[int], minutes: frozenset[int], seconds: frozenset[int]) -> int:
    """The units of a day at these hours, minutes and seconds, as bits."""
    within_minute = sum(1 << second // length for second in seconds)
    within_hour = sum(within_minute << minute * _MINUTE // length for minute in minutes)
    return sum(within_hour << hour * _HOUR // length for hour in hours)
