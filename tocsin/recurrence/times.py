"""Times of day as bits: hours, minutes and seconds, every combination of them."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

_HOUR: Final = 3600
_MINUTE: Final = 60


class Times(Protocol):
    """Times within a day or a shorter unit, in seconds from its beginning, in order; there is at least one."""

    count: int
    first: int

    def nth(self, index: int) -> int:
        """The time with this index, from 0."""
        ...

    def before(self, time: int) -> int:
        """How many times lie before ``time``."""
        ...

    def next_at(self, time: int) -> int | None:
        """The first time at or after ``time``; None when there is none."""
        ...


class ListedTimes(Times):
    """Times that are given one by one."""

    def __init__(self, times: Sequence[int]) -> None:
        self._times = times
        self.count = len(times)
        self.first = times[0]

    def nth(self, index: int) -> int:
        """The one listed at this index."""
        return self._times[index]

    def before(self, time: int) -> int:
        """How many of those listed lie before ``time``, by bisection."""
        return bisect_left(self._times, time)

    def next_at(self, time: int) -> int | None:
        """The first one listed at or after ``time``, by bisection; None behind the last."""
        index = bisect_left(self._times, time)
        return self._times[index] if index < self.count else None


class TimesOfDay(Times):
    """Every combination of some hours, minutes and seconds, in seconds since midnight."""

    def __init__(self, hours: Iterable[int], minutes: Iterable[int], seconds: Iterable[int]) -> None:
        """Takes what is combined; none of them may be empty."""
        self.hours, self.minutes, self.seconds = (tuple(sorted(set(values))) for values in (hours, minutes, seconds))
        self._hours, self._minutes, self._seconds = (sum(1 << v for v in values) for values in (self.hours, self.minutes, self.seconds))
        self.count = len(self.hours) * len(self.minutes) * len(self.seconds)
        self.first = self.nth(0)

    def nth(self, index: int) -> int:
        """The combination with this index: seconds turn first, hours last."""
        rest, second = divmod(index, len(self.seconds))
        hour, minute = divmod(rest, len(self.minutes))
        return self.hours[hour] * _HOUR + self.minutes[minute] * _MINUTE + self.seconds[second]

    def before(self, time: int) -> int:
        """Counted from the bits below each part of ``time``; no combination is enumerated."""
        hour, minute, second = time // _HOUR, time // _MINUTE % 60, time % 60
        hours, minutes, seconds = _below(self._hours, hour), _below(self._minutes, minute), _below(self._seconds, second)
        if not self._hours >> hour & 1:
            return hours * len(self.minutes) * len(self.seconds)
        if not self._minutes >> minute & 1:
            return (hours * len(self.minutes) + minutes) * len(self.seconds)
        return (hours * len(self.minutes) + minutes) * len(self.seconds) + seconds

    def next_at(self, time: int) -> int | None:
        """The next second of the same minute, else the first of the next minute, else of the next hour; None behind the last hour."""
        hour, minute, second = time // _HOUR, time // _MINUTE % 60, time % 60
        if self._hours >> hour & 1:
            if self._minutes >> minute & 1:
                found = self._seconds >> second
                if found:
                    return time + _low(found)
            found = self._minutes >> (minute + 1)
            if found:
                return hour * _HOUR + (minute + 1 + _low(found)) * _MINUTE + self.seconds[0]
        found = self._hours >> (hour + 1)
        if not found:
            return None
        return (hour + 1 + _low(found)) * _HOUR + self.minutes[0] * _MINUTE + self.seconds[0]


def _low(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _below(mask: int, bit: int) -> int:
    return (mask & ((1 << bit) - 1)).bit_count()
