"""Wall times, before any zone: what a rule means on a calendar and a clock that never change.

A wall time is a number of seconds since 1970-01-01T00:00.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from tocsin.recurrence.days import LAST_YEAR, Days, bits, year_of, year_start
from tocsin.recurrence.steps import spend
from tocsin.recurrence.times import Times

DAY: Final = 86_400
MOST_COUNTED: Final = 10_000
# Where none is found within 400 years, it is looked for again a year later.
_SURELY_NONE: Final = 366 * DAY


def local_text(wall: int) -> str:
    """A wall time as people write it."""
    return (datetime(1970, 1, 1) + timedelta(seconds=wall)).isoformat()  # noqa: DTZ001  a local time has no zone of its own


class TooMany(Exception):
    """So many wall times cannot be counted."""


class Pattern(Protocol):
    """Wall times, in order."""

    def next_at(self, wall: int) -> int | None:
        """The first wall time at or after ``wall``; None when there is none within 400 years, after which every calendar repeats."""
        ...

    def nth_from(self, wall: int, number: int) -> int | None:
        """The ``number``-th wall time, from 1, at or after ``wall``; None when there are not so many.

        Raises:
            TooMany: it cannot be found in a bounded number of steps.
        """
        found = self.next_at(wall)
        if number > MOST_COUNTED:
            raise TooMany
        spend(number)
        for _ in range(number - 1):
            found = None if found is None else self.next_at(found + 1)
        return found


class EveryDay(Pattern):
    """One time of day, in seconds since midnight."""

    def __init__(self, time: int) -> None:
        self._time = time

    def next_at(self, wall: int) -> int | None:
        """The time of day on this day, or on the next one when it has passed; computed in one step."""
        return wall + (self._time - wall) % DAY


class Listed(Pattern):
    """Wall times that are given one by one, in order."""

    def __init__(self, wall_times: Sequence[int]) -> None:
        self._wall_times = wall_times

    def next_at(self, wall: int) -> int | None:
        """The first one listed at or after ``wall``, found by bisection."""
        index = bisect_left(self._wall_times, wall)
        return self._wall_times[index] if index < len(self._wall_times) else None


class Remembered(Pattern):
    """A pattern that remembers its next time: merged with others, it is asked again only when that one has passed."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._asked, self._until = 0, -1
        self._found: int | None = None

    def next_at(self, wall: int) -> int | None:
        """The remembered time while ``wall`` has not passed it; else the pattern is asked, at the cost of a step."""
        if not self._asked <= wall <= self._until:
            spend(1)
            found = self._found = self._pattern.next_at(wall)
            self._asked, self._until = wall, wall + _SURELY_NONE if found is None else found
        return self._found

    def nth_from(self, wall: int, number: int) -> int | None:
        """What the pattern counts; nothing is remembered of it."""
        return self._pattern.nth_from(wall, number)


class AnyOf(Pattern):
    """The wall times of several patterns."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns

    def next_at(self, wall: int) -> int | None:
        """The earliest of what the patterns answer; None when none of them has any."""
        return min((found for pattern in self._patterns if (found := pattern.next_at(wall)) is not None), default=None)


class Within(Pattern):
    """The wall times of a pattern from ``first`` to ``last``, both inclusive; None means without end."""

    def __init__(self, pattern: Pattern, *, first: int, last: int | None) -> None:
        self.pattern = pattern
        self._first = first
        self.last = last

    def to(self, last: int | None) -> "Within":
        """The same, to another last wall time."""
        return Within(self.pattern, first=self._first, last=last)

    def next_at(self, wall: int) -> int | None:
        """The pattern's first time at or after ``wall`` and the first bound; None beyond the last one."""
        if self.last is not None and wall > self.last:
            return None
        found = self.pattern.next_at(max(wall, self._first))
        return found if found is not None and (self.last is None or found <= self.last) else None


class OnDays(Pattern):
    """The same times on each of some days."""

    def __init__(self, days: Days, times: Times) -> None:
        self._days = days
        self._times = times

    def next_at(self, wall: int) -> int | None:
        """The next time on the day of ``wall``, if it is one of the days; else the first time of the next of them."""
        day, time = divmod(wall, DAY)
        found = self._days.next(day)
        if found == day:
            then = self._times.next_at(time)
            if then is not None:
                return wall - time + then
            found = self._days.next(day + 1)
        return None if found is None else found * DAY + self._times.first

    def nth_from(self, wall: int, number: int) -> int | None:
        """Counts whole years by their number of days, so that a large ``number`` costs steps by years and not by times."""
        day, time = divmod(wall, DAY)
        if self._days.next(day) == day:
            number += self._times.before(time)
        return nth_on_days(self._days, day, self._times, number)


def nth_on_days(days: Days, day: int, times: Times, number: int) -> int | None:
    """The ``number``-th wall time, from 1, from the beginning of ``day`` on; counts by years."""
    year = year_of(day)
    if number > (LAST_YEAR + 1 - year) * 366 * times.count:
        return None
    rest = days.mask(year) >> (day - year_start(year))
    while rest.bit_count() * times.count < number:
        spend(1)
        number -= rest.bit_count() * times.count
        day = year_start(min(year + 1, LAST_YEAR))
        found = days.next(day) if year < LAST_YEAR else None
        if found is None:
            return None
        year = year_of(found)
        day, rest = year_start(year), days.mask(year)
    which, time = divmod(number - 1, times.count)
    return next((day + bit) * DAY + times.nth(time) for index, bit in enumerate(bits(rest)) if index == which)
