"""Hours of every week, in local time (pure): quiet hours, and the hours of layers of rotations."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from tocsin.recurrence import Interval, UnknownZone, Windows, merged, weekly
from tocsin.recurrence.offsets import Offsets, offsets

DAY_MINUTES: Final = 24 * 60
WEEK_MINUTES: Final = 7 * DAY_MINUTES
_SECONDS: Final = 60


class WeeklyWindow(msgspec.Struct, frozen=True):
    """Hours of one weekday, in local time.

    Attributes:
        weekday: the day that they begin on, 1 (Monday) to 7 (Sunday).
        start: minutes after midnight.
        end: minutes after midnight; not after ``start``: of the next day, so that equal ones are a whole day.
    """

    weekday: Annotated[int, msgspec.Meta(ge=1, le=7)]
    start: Annotated[int, msgspec.Meta(ge=0, lt=DAY_MINUTES)]
    end: Annotated[int, msgspec.Meta(ge=0, lt=DAY_MINUTES)]


@lru_cache(maxsize=1024)
def weekly_windows(times: tuple[WeeklyWindow, ...], zone: str) -> Windows:
    """What the hours hold in a zone: those that touch or overlap are one."""
    weekdays = defaultdict[tuple[int, int], list[int]](list)
    for time in times:
        weekdays[time.start, time.end].append(time.weekday - 1)
    known = offsets_or_utc(zone)
    return Windows(
        [weekly(days, start=start * _SECONDS, end=end * _SECONDS, offsets=known) for (start, end), days in sorted(weekdays.items())]
    )


def cover_the_week(times: Iterable[WeeklyWindow]) -> bool:
    """Whether the hours leave no minute of the week."""
    return any(end - start >= WEEK_MINUTES for start, end in merged(sorted(_three_weeks(times))))


def offsets_or_utc(zone: str) -> Offsets:
    """The zone of a stored name; of one that tzdata does not have (any more), UTC."""
    try:
        return offsets(zone)
    except UnknownZone:
        return offsets("UTC")


def _three_weeks(times: Iterable[WeeklyWindow]) -> Iterator[Interval]:
    """Minutes since Monday 00:00, of the week before, this one and the next."""
    for time in times:
        start = (time.weekday - 1) * DAY_MINUTES + time.start
        length = (time.end - time.start - 1) % DAY_MINUTES + 1
        yield from (Interval(start + shift, start + shift + length) for shift in (-WEEK_MINUTES, 0, WEEK_MINUTES))
