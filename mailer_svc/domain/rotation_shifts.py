"""Shifts by events of calendars: whose they are, and when (pure).

Whose an event is says its title, as Grafana OnCall and PagerDuty write it (``alex, bea``, ``[L1] alex``, ``On Call - Ann Example - Shop``):
an id, a mail address or a name of recipients; or else its attendees.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from mailer_svc.domain.rotations import MAX_SHIFTS, MAX_TOGETHER, RotationShift
from tocsin.clock import DAY
from tocsin.errors import InvalidInput
from tocsin.recurrence import Interval, Recurrence, TimeWindow, Windows, cover_of
from tocsin.recurrence.ical.entries import CalendarEntry, calendar_entries
from tocsin.recurrence.ical.events import read_groups
from tocsin.recurrence.ical.reduction import event_text
from tocsin.recurrence.steps import MOST_NEW_STEPS, asked

MOST_UNMATCHED: Final = 20
"""Events of nobody that a layer keeps for people to see."""

_MOST_LINES: Final = 200_000
_MOST_EVENT: Final = 65_536
_TOGETHER: Final = 400  # events in one text: the engine takes 2,000, and 20,000 lines
_LEVEL: Final = re.compile(r"\[(?:L|CL)([0-9]{1,2})\]\s*", re.IGNORECASE)
_PAGERDUTY: Final = re.compile(r"on[- ]call\s*[-:]\s*(.+)", re.IGNORECASE)
_SEVERAL: Final = re.compile(r"[,;&+/]|\band\b", re.IGNORECASE)
_ZONE: Final = re.compile(r"(?m)^X-WR-TIMEZONE:.*$")
_BEGIN: Final = re.compile(r"BEGIN:VEVENT", re.IGNORECASE)
_END: Final = re.compile(r"END:VEVENT", re.IGNORECASE)
_SHOWN: Final = 120


class ShiftCandidates(NamedTuple):
    """By what an event names people: each of the ways to read its title, and its attendees."""

    readings: tuple[tuple[str, ...], ...]
    attendees: tuple[str, ...]
    level: int


@dataclass(frozen=True, slots=True)
class Directory:
    """Recipients by what calendars call them, in lower case; a name of several is nobody's."""

    found: Mapping[str, str] = field(default_factory=dict[str, str])

    def of(self, name: str) -> str | None:
        """The id of a recipient."""
        return self.found.get(name.casefold())


@dataclass(frozen=True, slots=True)
class CalendarShifts:
    """What the events of a calendar come to."""

    shifts: tuple[RotationShift, ...]
    unmatched: tuple[str, ...]


def candidates_of(entry: CalendarEntry) -> ShiftCandidates:
    """What an event says of whose it is."""
    level = _LEVEL.match(entry.summary)
    title = entry.summary[level.end() :] if level else entry.summary
    readings = [(title,), tuple(part for piece in _SEVERAL.split(title) if (part := piece.strip()))]
    duty = _PAGERDUTY.fullmatch(title.strip())
    if duty is not None:
        readings.append((duty[1].strip(),))
        parts = duty[1].split(" - ")
        readings += [(" - ".join(parts[:end]).strip(),) for end in range(len(parts) - 1, 0, -1)]
    return ShiftCandidates(tuple(reading for reading in readings if reading), entry.attendees, int(level[1]) if level else 0)


def names_in(entries: Sequence[CalendarEntry]) -> frozenset[str]:
    """Everything by which the events may call people."""
    found = (candidates_of(entry) for entry in entries)
    return frozenset(
        name.strip() for one in found for reading in (*one.readings, one.attendees) for name in reading if 0 < len(name.strip()) <= 320
    )


def entries_of(text: str) -> tuple[str, tuple[CalendarEntry, ...]]:
    """The zone of a calendar's floating times, and its events.

    Raises:
        InvalidInput: it is no calendar, or has too many events.
    """
    found = calendar_entries(text, most_lines=_MOST_LINES, most=5 * MAX_SHIFTS)
    return found.zone, found.entries


def shifts_of(entries: Sequence[CalendarEntry], directory: Directory, *, zone: str, now: int) -> CalendarShifts:
    """The shifts of events that are not over; those of nobody, and those that cannot be read, are told.

    Args:
        entries: the events.
        directory: whom they may be about.
        zone: of times without one.
        now: microseconds since the epoch.
    """
    shifts: list[RotationShift] = []
    unmatched: dict[str, None] = {}
    for entry in entries:
        if entry.cancelled:
            continue
        shown = _shown(entry)
        try:
            event = checked_event(_normal(entry.text), zone=zone, since=now - DAY)
        except InvalidInput as error:
            unmatched[f"{shown}: {error.violations[0].description if error.violations else error.message}"] = None
            continue
        if event is None:
            continue
        said = candidates_of(entry)
        people = _people(said, directory)
        if not people:
            unmatched[shown] = None
        elif len(shifts) == MAX_SHIFTS:
            unmatched[f"more than {MAX_SHIFTS} events"] = None
        else:
            shifts.append(RotationShift(people=people, event=event, level=said.level))
    return CalendarShifts(tuple(shifts), tuple(unmatched)[:MOST_UNMATCHED])


def _people(said: ShiftCandidates, directory: Directory) -> tuple[str, ...]:
    """Those whom the first reading names of which all are known; or else the attendees who are."""
    for reading in said.readings:
        found = [directory.of(name) for name in reading]
        if all(found):
            return tuple(dict.fromkeys(one for one in found if one))[:MAX_TOGETHER]
    known = (directory.of(name) for name in said.attendees)
    return tuple(dict.fromkeys(one for one in known if one))[:MAX_TOGETHER]


def _shown(entry: CalendarEntry) -> str:
    title = entry.summary or "(no title)"
    who = f" ({', '.join(entry.attendees[:3])})" if entry.attendees else ""
    return "".join(one if one.isprintable() else " " for one in f"{title}{who}")[:_SHOWN]


def _normal(text: str) -> str:
    """Its events with what says when they are, in IANA zones; the zone of floating times stays beside them."""
    groups, default = read_groups(text)
    events = "\n".join(event_text(group.lines) for group in groups)
    return f"BEGIN:VCALENDAR\nX-WR-TIMEZONE:{default}\n{events}\nEND:VCALENDAR" if default else events


def checked_event(event: str, *, zone: str, since: int | None = None) -> str | None:
    """The text of a shift, if it says when that is; None: it is over by ``since``.

    Raises:
        InvalidInput: it cannot be read, has no length, or costs too much.
    """
    if len(event.encode()) > _MOST_EVENT:
        raise InvalidInput.at("event", f"has more than {_MOST_EVENT // 1024} KiB")

    def ask() -> Interval | None:
        read_groups(event)  # no bare lines: they have no length
        cover = cover_of(TimeWindow(spec=Recurrence(event)), zone)
        start = cover.next_start(0 if since is None else since)
        end = None if start is None else cover.end_at(start)
        return Interval(start, end) if start is not None and end is not None else None

    found = asked(ask, most=MOST_NEW_STEPS)
    if found is None and since is None:
        raise InvalidInput.at("event", "has no time that exists")
    if found is not None and found.end - found.start <= 1_000_000:
        raise InvalidInput.at("event", "has no end: give DTEND or DURATION")
    return event if found is not None else None


class ShiftCover(NamedTuple):
    """When some people are on call."""

    cover: Windows
    people: tuple[str, ...]
    level: int


@lru_cache(maxsize=256)
def shift_covers(shifts: tuple[RotationShift, ...], zone: str) -> tuple[ShiftCover, ...]:
    """When the people of shifts are on call; what cannot be read, any more, is nobody's."""
    texts: dict[tuple[tuple[str, ...], int, str], list[str]] = {}
    for shift in shifts:
        named = _ZONE.search(shift.event)
        texts.setdefault((shift.people, shift.level, named.group().strip() if named else ""), []).append(shift.event)
    return tuple(
        ShiftCover(cover, people, level) for (people, level, named), events in texts.items() for cover in _covers(events, named, zone)
    )


def _covers(events: Sequence[str], named: str, zone: str) -> Iterator[Windows]:
    for start in range(0, len(events), _TOGETHER):
        part = events[start : start + _TOGETHER]
        try:
            yield _cover(part, named, zone)
        except InvalidInput:
            for event in part:
                try:
                    yield _cover([event], named, zone)
                except InvalidInput:
                    continue


def _events_of(calendar: str) -> str:
    """From the first event to the end of the last one; empty if there is none."""
    begin, ends = _BEGIN.search(calendar), list(_END.finditer(calendar))
    return calendar[begin.start() : ends[-1].end()] if begin and ends else ""


def _cover(events: Sequence[str], named: str, zone: str) -> Windows:
    bodies = [body for event in events if (body := _events_of(event))]
    key = named.partition(":")[2] or zone
    return Windows([cover_of(TimeWindow(spec=Recurrence("\n".join(bodies))), key)])
