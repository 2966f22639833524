"""Whole events and calendars (RFC 5545, section 3.6): of each event its times are read, and what it is about is not even looked at.

Events of one UID are one: that with the greatest SEQUENCE says when it recurs, and each with a RECURRENCE-ID moves one time of it or,
with RANGE=THISANDFUTURE, all from there on, by as much local time as it moves the first. What is cancelled is taken away. A floating
time is in the zone of X-WR-TIMEZONE, if the trigger names none.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from tocsin.recurrence.errors import BadRule
from tocsin.recurrence.ical.lines import FIELD, MOST_LINES_OF_EVENTS, Property, Word, logical_lines, name_of, property_of
from tocsin.recurrence.ical.reading import RecurrenceText, SetReader, made_set
from tocsin.recurrence.ical.recurrence_set import RecurrenceSet
from tocsin.recurrence.ical.time_zones import Observance, ZoneHint, ZoneNames, known_zone
from tocsin.recurrence.ical.values import EventLength, Moment, length_of
from tocsin.recurrence.offsets import offsets

_BEGIN: Final = re.compile(r"(?:\A\ufeff?|[\r\n])[ \t]*BEGIN:(?:VCALENDAR|VEVENT)[ \t]*(?=[\r\n]|\Z)", re.IGNORECASE)
_MOST_EVENTS: Final = 2000
_DEEPEST: Final = 8
_OF_A_SET: Final = frozenset(("DTSTART", "RRULE", "RDATE", "EXDATE", "EXRULE"))
_OF_AN_EVENT: Final = frozenset(("DTEND", "DURATION", "RECURRENCE-ID", "UID", "SEQUENCE", "STATUS"))
_OF_A_ZONE: Final = frozenset(("TZID", "X-LIC-LOCATION"))
_OF_AN_OBSERVANCE: Final = frozenset(("DTSTART", "TZOFFSETFROM", "TZOFFSETTO", "RRULE"))
_OF_A_CALENDAR: Final = frozenset(("X-WR-TIMEZONE", "CALSCALE"))
_WANTED: Final = {
    "VEVENT": _OF_A_SET | _OF_AN_EVENT,
    "VTIMEZONE": _OF_A_ZONE,
    "STANDARD": _OF_AN_OBSERVANCE,
    "DAYLIGHT": _OF_AN_OBSERVANCE,
    "VCALENDAR": _OF_A_CALENDAR,
}


def has_events(text: str) -> bool:
    """Whether a text holds whole events rather than bare lines."""
    return _BEGIN.search(text) is not None


@dataclass(slots=True)
class _Component:
    """A component: its name, its lines that matter, and what lies in it."""

    begin: Word
    name: str
    lines: list[Property] = field(default_factory=list[Property])
    parts: "list[_Component]" = field(default_factory=list["_Component"])

    def text(self, name: str) -> str:
        """The value of a line; empty without one."""
        return next((line.value.text.strip() for line in self.lines if line.name.text == name), "")

    def line(self, name: str) -> Property | None:
        """The line of a name; None without one."""
        return next((line for line in self.lines if line.name.text == name), None)

    def walk(self, name: str) -> "Iterator[_Component]":
        """The components of a name in it, at any depth."""
        for part in self.parts:
            if part.name == name:
                yield part
            else:
                yield from part.walk(name)


def _components(text: str) -> _Component:
    root: _Component | None = None
    open_: list[_Component] = []
    for word in logical_lines(text, most=MOST_LINES_OF_EVENTS):
        root = root or _Component(word, "")
        name = name_of(word)
        within = open_[-1] if open_ else root
        if name == "BEGIN":
            if len(open_) == _DEEPEST:
                raise word.refused(f"components lie more than {_DEEPEST} deep in each other")
            part = _Component(word, word.text.partition(":")[2].strip().upper())
            within.parts.append(part)
            open_.append(part)
        elif name == "END":
            if not open_ or word.text.partition(":")[2].strip().upper() != within.name:
                raise word.refused(f"{word.text[:40]!r} ends nothing that is open")
            open_.pop()
        elif name in _WANTED.get(within.name, ()):
            within.lines.append(property_of(word))
    if root is None or open_:
        at = open_[-1].begin if open_ else None
        raise at.refused(f"{at.text[:40]!r} is never ended") if at else BadRule.at_position(FIELD, 0, "there is nothing", line=1)
    return root


class EventGroup(NamedTuple):
    """The events of one UID: their recurrence sets, and of each event the lines that say when it is, with IANA zones."""

    sets: list[RecurrenceSet]
    lines: list[list[Property]]


def read_events(text: str) -> RecurrenceText:
    """The recurrence set of each event in a text.

    Raises:
        BadRule: it cannot be read, or there is no event; the error tells where.
    """
    groups, default = read_groups(text)
    return RecurrenceText(tuple(found for group in groups for found in group.sets), default)


def read_groups(text: str) -> tuple[list[EventGroup], str | None]:
    """The events of a text by their UID, and the zone of its floating times.

    Raises:
        BadRule: it cannot be read, or there is no event that is not cancelled; the error tells where.
    """
    root = _components(text)
    names = ZoneNames({hint.text("TZID"): _hint(hint) for hint in root.walk("VTIMEZONE")})
    default = _default_zone(root)
    groups = defaultdict[str, list[_Event]](list)
    for number, part in enumerate(root.walk("VEVENT")):
        if number == _MOST_EVENTS:
            raise part.begin.refused(f"more than {_MOST_EVENTS} events")
        event = _Event(part, names)
        groups[part.text("UID") or f"#{number}"].append(event)
    if not groups:
        raise root.begin.refused("there is no VEVENT")
    found = [EventGroup(sets, [event.lines for event in events]) for events in groups.values() if (sets := list(_joined(events)))]
    if not found:
        raise root.begin.refused("every event is cancelled")
    return found, default


def _default_zone(root: _Component) -> str | None:
    for calendar in root.walk("VCALENDAR"):
        scale = calendar.line("CALSCALE")
        if scale is not None and scale.value.text.strip().upper() != "GREGORIAN":
            raise scale.value.refused(f"CALSCALE: {scale.value.text[:40]!r} is a calendar that is not known here; GREGORIAN is")
        named = calendar.text("X-WR-TIMEZONE")
        if named:
            return known_zone(named)
    return None


def _hint(component: _Component) -> ZoneHint:
    hint = ZoneHint(component.text("X-LIC-LOCATION"))
    for part in component.parts:
        observance = Observance()
        try:
            for line in part.lines:
                observance.read(line)
        except BadRule:
            continue  # it is a hint only: whoever needs it is told that it does not help
        hint.observances.append(observance)
    return hint


class _Event:
    """A VEVENT, read."""

    def __init__(self, component: _Component, names: ZoneNames) -> None:
        self.begin = component.begin
        sequence = component.text("SEQUENCE")
        self.sequence = int(sequence[:9]) if sequence.isdecimal() else 0
        self.cancelled = component.text("STATUS").upper() == "CANCELLED"
        reader = SetReader(names)
        self.lines = [reader.zoned(line) for line in component.lines]
        for line in self.lines:
            if line.name.text in _OF_A_SET:
                reader.read(line)
        reader.check()
        replaced = component.line("RECURRENCE-ID")
        self.replaces = None if replaced is None else reader.moment(replaced)
        self.future = _is_future(replaced)
        self.set = made_set(reader)
        if self.set.start is None and not (self.cancelled and self.replaces is not None):
            raise component.begin.refused("a VEVENT needs a DTSTART")
        self.set = replace(self.set, length=_length(component, reader, self.set.start))


def _is_future(line: Property | None) -> bool:
    wide = None if line is None else line.parameters.get("RANGE")
    if wide is not None and wide.text.upper() != "THISANDFUTURE":
        raise wide.refused(f"RANGE={wide.text}: RFC 5545 knows THISANDFUTURE")
    return wide is not None


def _length(component: _Component, reader: SetReader, start: Moment | None) -> EventLength | None:
    """How long the event lasts; one of a date without an end lasts for the day (section 3.6.1)."""
    ending, lasting = component.line("DTEND"), component.line("DURATION")
    if start is None:
        return None
    if lasting is not None:
        return length_of(lasting.value)
    if ending is None:
        return EventLength(1, 0) if start.dated else None
    end = reader.moment(ending)
    if end.dated != start.dated:
        raise ending.value.refused("DTEND and DTSTART are both dates, or both times")
    if end.day < start.day if start.dated else _second(end) < _second(start):
        raise ending.value.refused("DTEND lies before DTSTART")
    return EventLength(max(1, end.day - start.day), 0) if start.dated else EventLength(0, _second(end) - _second(start))


def _second(moment: Moment) -> int:
    return moment.wall if moment.zone is None else offsets(moment.zone).instant(moment.wall)


def _joined(events: Sequence[_Event]) -> Iterator[RecurrenceSet]:
    """The recurrence set of the events of one UID; those that move something that is not there stand for themselves."""
    master: _Event | None = None
    moving = dict[tuple[int, bool, str | None], _Event]()
    for event in events:
        if event.replaces is None:
            master = event if master is None or event.sequence >= master.sequence else master
            continue
        key = (event.replaces.wall, event.replaces.dated, event.replaces.zone)
        if key not in moving or event.sequence >= moving[key].sequence:
            moving[key] = event
    if master is None:
        yield from (replace(event.set, rules=(), added=()) for event in moving.values() if not event.cancelled)
    elif not master.cancelled:
        yield _moved(master.set, list(moving.values()))


def _moved(found: RecurrenceSet, moving: Sequence[_Event]) -> RecurrenceSet:
    replaced, moved, later = list[Moment](), list[tuple[Moment, EventLength | None]](), list[tuple[Moment, Moment | None]]()
    for event in moving:
        identity, start = event.replaces, event.set.start
        if identity is None:
            continue
        if event.future:
            later.append((identity, None if event.cancelled else start))
            continue
        replaced.append(identity)
        if start is not None and not event.cancelled:
            moved.append((start, event.set.length or found.length))
    later.sort(key=lambda pair: pair[0].wall)
    return replace(found, replaced=tuple(replaced), moved=tuple(moved), later=tuple(later))
