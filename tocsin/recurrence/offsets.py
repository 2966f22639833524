"""A zone as stretches of time with one offset each: within one, local time and instants differ by a constant. All in whole seconds."""

import struct
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from tocsin import zones
from tocsin.recurrence.errors import UnknownZone
from tocsin.zones import zone_file

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_SECOND: Final = int((datetime(1, 1, 2, tzinfo=UTC) - _EPOCH).total_seconds())
"""The first second that rules look at; a day after the calendar begins, so that its local time exists in every zone."""
LAST_SECOND: Final = int((datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds())
"""The last second that rules look at."""

_FOREVER: Final = 1 << 60
_PERIOD: Final = 146_097 * 86_400
"""Seconds after which the Gregorian calendar, and so every rule of daylight time, repeats itself: 400 years."""
_HEADER: Final = struct.Struct(">4s c 15x 6l")


def zone(key: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        UnknownZone: there is none.
    """
    try:
        return zones.zone(key)
    except zones.NoSuchZone as error:
        raise UnknownZone.at("trigger.timeZone", str(error)) from None


class Stretch(NamedTuple):
    """From ``start``, inclusive, to ``end``, exclusive, local time is UTC plus ``offset``; until ``start`` it was plus ``before``."""

    start: int
    end: int
    offset: int
    before: int


class Offsets:
    """The stretches of a zone. What tzdata lists is read from it; what its closing rule says is worked out year by year, when asked for."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._zone = zone(key)
        self._starts: list[int] = [-_FOREVER]
        self._offsets: list[int] = [_offset(self._zone, FIRST_SECOND)]
        data = zone_file(key)
        listed = _listed(data)
        for second in listed:
            self._add(second)
        last = _EPOCH + timedelta(seconds=max(listed, default=0))
        # Without daylight time in the closing rule (section 3.3) nothing changes any more.
        self._rules = b"," in data.rstrip(b"\n").rpartition(b"\n")[2]
        self._year = last.year  # the closing rule begins right behind the last change that is listed
        self._base = _year_start(last.year + 2)

    def at(self, second: int) -> Stretch:
        """The stretch that ``second`` lies in."""
        turns = max(0, (second - self._base) // _PERIOD)
        within = second - turns * _PERIOD
        self._reach(within)
        index = bisect_right(self._starts, within)
        shift = turns * _PERIOD
        end = self._starts[index] + shift if index < len(self._starts) else _FOREVER
        before = self._offsets[index - 2] if index > 1 else self._offsets[0]
        return Stretch(self._starts[index - 1] + shift, end, self._offsets[index - 1], before)

    def after(self, stretch: Stretch) -> Stretch | None:
        """The next stretch; None when nothing changes any more."""
        return None if stretch.end >= _FOREVER or stretch.end > LAST_SECOND else self.at(stretch.end)

    def local(self, second: int) -> int:
        """The local time of an instant."""
        return second + self.at(second).offset

    def begin(self, second: int) -> int:
        """The local time of an instant from which a rule counts: one that the calendar has, in every zone."""
        return self.local(min(max(second, FIRST_SECOND), LAST_SECOND))

    def instant(self, wall: int) -> int:
        """The first instant at which the local time is ``wall`` or, in a gap, later."""
        stretch = self.at(wall - 2 * 86_400)
        while wall - stretch.offset >= stretch.end:
            stretch = self.at(stretch.end)
        return max(wall - stretch.offset, stretch.start)

    def _reach(self, second: int) -> None:
        """Sees to it that the end of the stretch of ``second`` is known."""
        while self._rules and self._year < 9998 and _year_start(self._year) <= second + 400 * 86_400:
            self._add_year(self._year)
            self._year += 1

    def _add_year(self, year: int) -> None:
        # No closing rule has two changes within a month; those that differ by Ramadan are listed, not ruled.
        starts = [datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(13)]
        seconds = [int((start - _EPOCH).total_seconds()) for start in starts]
        known = [_offset(self._zone, second) for second in seconds]
        for index in range(12):
            if known[index] != known[index + 1]:
                self._add(self._change(seconds[index], seconds[index + 1]))

    def _change(self, low: int, high: int) -> int:
        """The first second after ``low`` that has another offset than it, at most ``high``, which has."""
        old = _offset(self._zone, low)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(self._zone, middle) == old else (low, middle)
        return high

    def _add(self, second: int) -> None:
        offset = _offset(self._zone, second)
        if second > self._starts[-1] and offset != self._offsets[-1]:
            self._starts.append(second)
            self._offsets.append(offset)


@lru_cache(maxsize=1024)
def offsets(key: str) -> Offsets:
    """The stretches of the zone of an IANA name.

    Raises:
        UnknownZone: tzdata has none of that name.
    """
    return Offsets(key)


def _offset(zone: ZoneInfo, second: int) -> int:
    local = (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
    return int(local.total_seconds()) if local is not None else 0


@lru_cache(maxsize=16_384)
def _year_start(year: int) -> int:
    return int((datetime(min(year, 9999), 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())


def _listed(data: bytes) -> list[int]:
    """The changes that a compiled zone lists, in its 64-bit part (RFC 9636, section 3)."""
    *_, utc, standard, leaps, times, types, characters = _HEADER.unpack_from(data)
    second = _HEADER.size + times * 5 + types * 6 + characters + leaps * 8 + standard + utc
    times = _HEADER.unpack_from(data, second)[5]
    found = struct.unpack_from(f">{times}q", data, second + _HEADER.size)
    return [change for change in found if FIRST_SECOND < change <= LAST_SECOND]
