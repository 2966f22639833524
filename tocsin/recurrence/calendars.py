"""Shared calendars: which stretches of time their dates, ranges and windows are."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Final

from tocsin.clock import SECOND
from tocsin.errors import InvalidInput
from tocsin.recurrence.days import day_of
from tocsin.recurrence.errors import within
from tocsin.recurrence.exclusions import EXCLUDED_TIME, instant_of, wall_of
from tocsin.recurrence.intervals import Cover, FixedIntervals, Interval, Windows
from tocsin.recurrence.making import cover_of
from tocsin.recurrence.offsets import Offsets, offsets
from tocsin.recurrence.specs import CalendarText, Micros

MOST_DATES: Final = 2000
MOST_WINDOWS: Final = 50
_DAY: Final = 86_400
_RANGE: Final = re.compile(r"([^/]+)/([^/]+)")
_FORM: Final = (
    'a date "2026-12-25", a local time "2026-12-25T09:00:00", an instant "2026-12-25T09:00:00Z" or a range of two such as '
    '"2026-12-24/2026-12-26"'
)


def calendar_cover(says: CalendarText, *, time_zone: str) -> Windows:
    """The instants that a calendar holds; ``time_zone`` is that of whoever uses it, if it names none.

    Raises:
        InvalidInput: one of its dates or windows cannot be read.
    """
    key = says.time_zone or time_zone
    covers: list[Cover] = []
    for number, window in enumerate(says.windows):
        try:
            covers.append(cover_of(window, window.time_zone or key))
        except InvalidInput as error:
            raise within(error, f"windows[{number}]") from None
    fixed = list(_intervals(says.dates, offsets(key)))
    return Windows([FixedIntervals(fixed), *covers] if fixed else covers)


def _intervals(dates: Sequence[str], local: Offsets) -> Iterator[Interval]:
    if len(dates) > MOST_DATES:
        raise InvalidInput.at("dates", f"{len(dates)} entries; {MOST_DATES} is the most")
    for number, entry in enumerate(dates):
        field = f"dates[{number}]"
        both = _RANGE.fullmatch(entry)
        first, last = (both[1], both[2]) if both is not None else (entry, entry)
        start, _ = _bounds(first, local, field, entry)
        _, end = _bounds(last, local, field, entry)
        if both is not None and _timed(last):
            end, _ = _bounds(last, local, field, entry)
        if end <= start:
            raise InvalidInput.at(field, f"{entry!r}: the end lies before the start")
        yield Interval(start, end)


def _timed(text: str) -> bool:
    return "T" in text.upper()


def _bounds(text: str, local: Offsets, field: str, entry: str) -> tuple[Micros, Micros]:
    """The first instant of a date or time, and the first one after it: a time lasts a second."""
    found = EXCLUDED_TIME.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError(text)
        if found["time"] is None:
            day = day_of(date.fromisoformat(found["date"]))
            return local.instant(day * _DAY) * SECOND, local.instant((day + 1) * _DAY) * SECOND
        if found["zone"] is None and found["rest"] is None:
            start = local.instant(wall_of(datetime.fromisoformat(text.strip()))) * SECOND
        else:
            start = instant_of(found)
    except ValueError:
        raise InvalidInput.at(field, f"{entry!r} is not {_FORM}") from None
    return start, start + SECOND
