"""What of an .ics file a shared calendar keeps: when its events are. What they are about stays out of it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from tocsin.clock import SECOND, from_micros
from tocsin.recurrence.ical.events import read_groups
from tocsin.recurrence.ical.lines import Property
from tocsin.recurrence.ical.recurrence_set import RecurrenceSet
from tocsin.recurrence.offsets import offsets
from tocsin.recurrence.specs import CalendarText, Recurrence, TimeWindow

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wall times have no zone
_DAY = 86_400


def reduced(text: str) -> CalendarText:
    """The dates of the single events of a text, and a window for each that recurs; its zone is that of X-WR-TIMEZONE.

    Raises:
        BadRule: it cannot be read, or there is no event; the error tells where.
    """
    groups, default = read_groups(text)
    dates: list[str] = []
    windows: list[TimeWindow] = []
    for group in groups:
        for found in group.sets:
            if found.single and not found.excluded and not found.excluded_rules:
                dates.append(_date(found))
            else:
                windows.append(TimeWindow(spec=Recurrence(event_text(group.lines))))
                break
    return CalendarText(time_zone=default or "", dates=tuple(dict.fromkeys(dates)), windows=tuple(windows))


def joined(one: CalendarText, other: CalendarText) -> CalendarText:
    """What both say."""
    return replace(
        one,
        time_zone=one.time_zone or other.time_zone,
        dates=tuple(dict.fromkeys((*one.dates, *other.dates))),
        windows=(*one.windows, *other.windows),
    )


def _date(found: RecurrenceSet) -> str:
    """A single event as a date, or a range."""
    start, length = found.start, found.length
    if start is None:
        raise ValueError("a single event has a start")
    if start.dated:
        first = _EPOCH + timedelta(seconds=start.wall)
        last = first + timedelta(days=(length.days if length is not None else 1) - 1)
        return f"{first:%Y-%m-%d}" if last == first else f"{first:%Y-%m-%d}/{last:%Y-%m-%d}"
    if start.zone is None:
        begin, end = start.wall, start.wall + (length.days * _DAY + length.seconds if length is not None else 0)
        return _range(*((_EPOCH + timedelta(seconds=wall)).isoformat() for wall in (begin, end)))
    local = offsets(start.zone)
    begin, end = local.instant(start.wall), local.instant(start.wall + (length.days * _DAY if length is not None else 0))
    end += length.seconds if length is not None else 0
    return _range(*(from_micros(second * SECOND).isoformat().replace("+00:00", "Z") for second in (begin, end)))


def _range(begin: str, end: str) -> str:
    return begin if begin == end else f"{begin}/{end}"


def event_text(lines: Iterable[Iterable[Property]]) -> str:
    """Events with the lines that say when they are, and no other."""
    return "\n".join(line for event in lines for line in ("BEGIN:VEVENT", *map(_line, event), "END:VEVENT"))


def _line(line: Property) -> str:
    parameters = "".join(f';{name}="{word.text}"' for name, word in line.parameters.items() if name in ("TZID", "VALUE", "RANGE"))
    return f"{line.name.text}{parameters}:{line.value.text}"
