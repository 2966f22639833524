"""Days as bits: a year is one number of 366 bits, and a search goes by years, not by days.

A day is counted from 1970-01-01. There are only so many kinds of years (leap or not, and the weekday of January 1), so what a rule means in
one is worked out once. The Gregorian calendar repeats after 400 years: what is not found within them does not exist.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from tocsin.recurrence.steps import spend

_EPOCH: Final = date(1970, 1, 1).toordinal()
_LENGTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
LAST_YEAR: Final = 9999
CYCLE_YEARS: Final = 400
CYCLE_DAYS: Final = 146_097
_FIRST_DAY: Final = 1 - _EPOCH
_LAST_DAY: Final = date(LAST_YEAR, 12, 31).toordinal() - _EPOCH


class Year(NamedTuple):
    """What tells kinds of years apart: leap or not, the weekday of January 1 (Monday is 0), and whether its neighbours are leap years."""

    leap: bool
    weekday: int
    after_leap: bool
    before_leap: bool

    @property
    def length(self) -> int:
        """Days in the year."""
        return 366 if self.leap else 365

    def months(self) -> Iterator[tuple[int, int, int]]:
        """Month, day of the year of its first day from 0, and length."""
        first = 0
        for month, days in enumerate(_LENGTHS, 1):
            length = days + (self.leap and month == 2)
            yield month, first, length
            first += length


@lru_cache(maxsize=16_384)
def year_start(year: int) -> int:
    """The day of January 1."""
    return date(year, 1, 1).toordinal() - _EPOCH


def year_of(day: int) -> int:
    """The year that a day lies in."""
    return date.fromordinal(day + _EPOCH).year


def date_of(day: int) -> date:
    """The date of a day."""
    return date.fromordinal(day + _EPOCH)


def day_of(when: date) -> int:
    """The day of a date."""
    return when.toordinal() - _EPOCH


@lru_cache(maxsize=16_384)
def kind_of(year: int) -> Year:
    """The kind of a year."""
    return Year(_leap(year), (year_start(year) + 3) % 7, _leap(year - 1), _leap(year + 1))


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, in order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def run(first: int, length: int) -> int:
    """A mask of ``length`` bits from ``first`` on."""
    return ((1 << length) - 1) << first


def every(interval: int, length: int) -> int:
    """A mask of every n-th of ``length`` bits, from the first one."""
    if interval >= length:
        return 1 if length > 0 else 0
    return ((1 << interval * (1 + (length - 1) // interval)) - 1) // ((1 << interval) - 1)


@lru_cache(maxsize=64)
def weekdays_of(kind: Year, weekdays: frozenset[int]) -> int:
    """The days of a year that are one of the weekdays (Monday is 0)."""
    week = sum(1 << (weekday - kind.weekday) % 7 for weekday in weekdays)
    return sum(week << 7 * number for number in range(53)) & run(0, kind.length)


class Days(ABC):
    """A set of days."""

    def __init__(self) -> None:
        self._latest: tuple[int, int] = (0, 0)

    @abstractmethod
    def work_out(self, year: int) -> int:
        """The days of a year, as bits."""

    def mask(self, year: int) -> int:
        """The days of a year, as bits; remembers the last answer, for the next question is mostly about the same year."""
        known, mask = self._latest
        if known != year:
            mask = self.work_out(year)
            self._latest = (year, mask)
        return mask

    def next(self, day: int) -> int | None:
        """The first day at or after ``day``; None when there is none within 400 years."""
        if day > _LAST_DAY:
            return None
        day = max(day, _FIRST_DAY)
        year = year_of(day)
        rest = self.mask(year) >> (day - year_start(year))
        if rest:
            return day + (rest & -rest).bit_length() - 1
        for later in range(year + 1, min(year + CYCLE_YEARS, LAST_YEAR) + 1):
            spend(1)
            mask = self.mask(later)
            if mask:
                return year_start(later) + (mask & -mask).bit_length() - 1
        return None


class OnWeekdays(Days):
    """Every day that is one of some weekdays (Monday is 0)."""

    def __init__(self, weekdays: Iterable[int]) -> None:
        super().__init__()
        self._weekdays = frozenset(weekdays)

    def work_out(self, year: int) -> int:
        """Those of the year; its neighbours make no difference."""
        return weekdays_of(kind_of(year)._replace(after_leap=False, before_leap=False), self._weekdays)
