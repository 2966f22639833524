"""Stretches of time instead of instants: when it is quiet, who is on call, when maintenance goes on.

An interval holds its start and not its end. `Intervals` begin at each due time of a rule and have a length; `Windows` hold what any of
several of them holds. Every answer costs a bounded number of questions to the rules, and each of those a bounded number of steps.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import Final, NamedTuple, Protocol

from tocsin.clock import HOUR, SECOND
from tocsin.recurrence.days import OnWeekdays
from tocsin.recurrence.local_times import LocalTimeRule
from tocsin.recurrence.offsets import Offsets
from tocsin.recurrence.patterns import OnDays
from tocsin.recurrence.rule import Rule
from tocsin.recurrence.search import around
from tocsin.recurrence.specs import END_OF_TIME, Gap, Micros, Occurrence, Overlap
from tocsin.recurrence.steps import spend
from tocsin.recurrence.times import TimesOfDay

_DAY: Final = 86_400
_MOST_CHANGE: Final[Micros] = 48 * HOUR
"""By more than this no zone has ever changed its clocks."""
_MOST_JOINED: Final = 400
"""So many intervals that follow each other without a gap are looked at by one question."""


class Interval(NamedTuple):
    """From ``start``, inclusive, to ``end``, exclusive."""

    start: Micros
    end: Micros


class Length(Protocol):
    """How long the interval lasts that begins with an occurrence; one that begins later never ends earlier.

    So a length in local time needs a rule whose local times come in order: `Overlap.FIRST`, and not `Gap.OFFSET`.
    """

    longest: Micros
    """No interval is longer."""

    def end_of(self, found: Occurrence) -> Micros:
        """Where it ends."""
        ...


class Elapsed(Length):
    """The same time for all of them, whatever the clocks do meanwhile (RFC 5545, section 3.8.5.3: of a DTEND)."""

    def __init__(self, length: Micros) -> None:
        self.longest = length

    def end_of(self, found: Occurrence) -> Micros:
        """The start, and the length."""
        return found.due + self.longest


class Nominal(Length):
    """Days of the calendar, to the same local time, and then an exact time (RFC 5545, section 3.3.6: of a DURATION)."""

    def __init__(self, *, days: int, time: Micros, offsets: Offsets) -> None:
        self._days = days
        self._time = time
        self._offsets = offsets
        self.longest = days * _DAY * SECOND + time + _MOST_CHANGE

    def end_of(self, found: Occurrence) -> Micros:
        """The same local time on the last day, or the first instant after a gap there, and the time."""
        start = found.due // SECOND
        wall = self._offsets.local(start) if found.wall is None else found.wall
        return max(found.due, self._offsets.instant(wall + self._days * _DAY) * SECOND) + self._time


class UntilTime(Length):
    """To the next time of day in a zone: the one of the same day if it comes after the start, else of the day after."""

    longest: Micros = _DAY * SECOND + _MOST_CHANGE

    def __init__(self, time: int, offsets: Offsets) -> None:
        """Takes the time, in seconds since midnight, and the zone."""
        self._time = time
        self._offsets = offsets

    def end_of(self, found: Occurrence) -> Micros:
        """The first instant of that time, or the first one after a gap that it lies in."""
        start = found.due // SECOND
        wall = self._offsets.local(start) if found.wall is None else found.wall
        end = wall + (self._time - wall - 1) % _DAY + 1
        return max(found.due, self._offsets.instant(end) * SECOND)


class Cover(Protocol):
    """A set of instants."""

    def end_at(self, instant: Micros) -> Micros | None:
        """An instant until which all from ``instant`` on belong to it; None when ``instant`` does not. There it may go on all the same."""
        ...

    def next_start(self, instant: Micros) -> Micros | None:
        """The first instant at or after ``instant`` that belongs to it; None when none does."""
        ...


class Intervals(Cover):
    """An interval from each due time of a rule on; they may touch, and overlap."""

    def __init__(self, rule: Rule, length: Length) -> None:
        self._rule = rule
        self._length = length

    def at(self, instant: Micros) -> Interval | None:
        """The interval that holds an instant; of several the one that began last."""
        last, _ = around(self._rule, instant - self._length.longest, instant)
        if last is None:
            return None
        end = self._length.end_of(last)
        return Interval(last.due, end) if end > instant else None

    def between(self, start: Micros, end: Micros) -> Iterator[Interval]:
        """Every interval that shares an instant with the range from ``start``, inclusive, to ``end``, exclusive, by their starts."""
        for found in self._rule.between(start - self._length.longest, end):
            spend(1)
            until = self._length.end_of(found)
            if until > max(start, found.due):
                yield Interval(found.due, until)

    def next_boundary(self, instant: Micros) -> Micros | None:
        """The first instant after ``instant`` at which an interval begins or ends; None when none does any more."""
        start = self._next_full(instant)
        ends = (interval.end for interval in self.between(instant, instant + 1))
        return min((*ends, *(() if start is None else (start,))), default=None)

    def end_at(self, instant: Micros) -> Micros | None:
        """The end of the last interval that holds the instant: none that began before it ends later."""
        found = self.at(instant)
        return None if found is None else found.end

    def next_start(self, instant: Micros) -> Micros | None:
        """The instant itself when an interval holds it, else the start of the next one that is not empty."""
        if self.end_at(instant) is not None:
            return instant
        return self._next_full(instant - 1)

    def _next_full(self, instant: Micros) -> Micros | None:
        """The start of the next interval after the instant that is not empty."""
        found = self._rule.next_after(instant)
        while found is not None and self._length.end_of(found) <= found.due:
            spend(1)
            found = self._rule.next_after(found.due)
        return None if found is None else found.due


class FixedIntervals(Cover):
    """Intervals that are given one by one."""

    def __init__(self, intervals: Iterable[Interval]) -> None:
        self._intervals = list(merged(sorted(intervals)))

    def end_at(self, instant: Micros) -> Micros | None:
        """By bisection."""
        index = bisect_right(self._intervals, (instant, END_OF_TIME + 1)) - 1
        end = self._intervals[index].end if index >= 0 else instant
        return end if end > instant else None

    def next_start(self, instant: Micros) -> Micros | None:
        """By bisection."""
        if self.end_at(instant) is not None:
            return instant
        index = bisect_right(self._intervals, (instant, END_OF_TIME + 1))
        return self._intervals[index].start if index < len(self._intervals) else None


class Windows(Cover):
    """What any of several covers holds."""

    def __init__(self, covers: Sequence[Cover]) -> None:
        self._covers = covers

    def end_at(self, instant: Micros) -> Micros | None:
        """The end of the stretch that holds the instant: intervals that overlap, or touch, are one.

        Of a stretch of more than 400 intervals an earlier instant: whoever needs the end asks there again.
        """
        end, reached = instant, None
        for _ in range(_MOST_JOINED):
            spend(1)
            found = max((until for cover in self._covers if (until := cover.end_at(end)) is not None), default=None)
            if found is None:
                break
            end = reached = found
        return reached

    def next_start(self, instant: Micros) -> Micros | None:
        """The earliest of what the covers answer."""
        return min((found for cover in self._covers if (found := cover.next_start(instant)) is not None), default=None)

    def stretches(self, start: Micros, end: Micros) -> Iterator[Interval]:
        """What it holds between ``start`` and ``end``, cut to them, in order; no two touch."""
        return merged(self._pieces(start, end))

    def _pieces(self, start: Micros, end: Micros) -> Iterator[Interval]:
        begin = self.next_start(start)
        while begin is not None and begin < end:
            until = self.end_at(begin)
            if until is None:
                return
            yield Interval(begin, min(until, end))
            begin = self.next_start(until)

    def next_boundary(self, instant: Micros) -> Micros | None:
        """The first instant after ``instant`` at which it begins or ends to hold; None when it never does."""
        end = self.end_at(instant)
        if end is None:
            return self.next_start(instant + 1)
        while (further := self.end_at(end)) is not None:
            spend(1)
            end = further
        return end if end <= END_OF_TIME else None


def merged(intervals: Iterable[Interval]) -> Iterator[Interval]:
    """Intervals, in order of their starts, in which those that overlap or touch are one; empty ones are left out."""
    latest: Interval | None = None
    for found in intervals:
        if found.end <= found.start:
            continue
        if latest is not None and found.start <= latest.end:
            latest = Interval(latest.start, max(latest.end, found.end))
            continue
        if latest is not None:
            yield latest
        latest = found
    if latest is not None:
        yield latest


def united(*several: Iterable[Interval]) -> Iterator[Interval]:
    """What any of several ordered rows of intervals holds."""
    return merged(merge(*several))


def common(one: Iterable[Interval], other: Iterable[Interval]) -> Iterator[Interval]:
    """What both of two rows hold; each is ordered, and its intervals do not overlap."""
    these, those = iter(one), iter(other)
    left, right = next(these, None), next(those, None)
    while left is not None and right is not None:
        start, end = max(left.start, right.start), min(left.end, right.end)
        if start < end:
            yield Interval(start, end)
        if left.end <= right.end:
            left = next(these, None)
        else:
            right = next(those, None)


def without(one: Iterable[Interval], other: Iterable[Interval]) -> Iterator[Interval]:
    """What the first of two rows holds and the second does not; each is ordered, and its intervals do not overlap."""
    those = iter(other)
    taken = next(those, None)
    for start, end in one:
        at = start
        while taken is not None and taken.start < end:
            if taken.start > at:
                yield Interval(at, taken.start)
            at = max(at, taken.end)
            if taken.end > end:
                break
            taken = next(those, None)
        if at < end:
            yield Interval(at, end)


def weekly(weekdays: Iterable[int], *, start: int, end: int, offsets: Offsets) -> Intervals:
    """On each of some weekdays from a local time to the next local time ``end``; equal ones are a whole day.

    Args:
        weekdays: the days that they begin on; Monday is 0.
        start: seconds since midnight.
        end: seconds since midnight.
        offsets: the zone.
    """
    pattern = OnDays(OnWeekdays(weekdays), TimesOfDay((start // 3600,), (start // 60 % 60,), (start % 60,)))
    return Intervals(LocalTimeRule(pattern=pattern, offsets=offsets, gap=Gap.SHIFT, overlap=Overlap.FIRST), UntilTime(end, offsets))
