"""Events of an .ics file one by one, with what they are about: for those who take a calendar apart (RFC 5545, section 3.6.1).

The recurrence engine reads of a text only when its events are. Here each comes with its title, its people and its reminders, and with a
text of its own that the engine takes. An occurrence that has another title or other people than its series is an event of its own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tocsin.recurrence.errors import BadRule
from tocsin.recurrence.ical.events import has_events
from tocsin.recurrence.ical.lines import FIELD, Property, Word, logical_lines, name_of, property_of

MOST_LINES_OF_FILE: Final = 1_000_000
MOST_ENTRIES: Final = 10_000

_TIMES: Final = frozenset(
    ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID", "UID", "SEQUENCE", "STATUS")
)
_WORDS: Final = frozenset(("SUMMARY", "DESCRIPTION", "ATTENDEE", "ORGANIZER", "CATEGORIES"))
_OF_AN_ALARM: Final = frozenset(("TRIGGER", "REPEAT", "DURATION"))
_DEEPEST: Final = 8
_MOST_PEOPLE: Final = 200
_LONGEST_TEXT: Final = 8000
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reminder:
    """A VALARM: its TRIGGER as it stands, whether that counts from the end, and whether it rings again."""

    trigger: str
    from_end: bool = False
    repeats: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEntry:
    """An event, or the events of a UID that are about the same.

    Attributes:
        uid: as it stands, or the line for one without.
        line: where it begins.
        summary: its title.
        description: what there is to know.
        attendees: addresses of people, without ``mailto:``, those who declined left out.
        reminders: its VALARMs.
        occurrence: the RECURRENCE-ID if it is one occurrence of a series.
        cancelled: whether all of it is.
        text: a calendar of it alone, for the recurrence engine.
    """

    uid: str
    line: int
    summary: str = ""
    description: str = ""
    attendees: tuple[str, ...] = ()
    reminders: tuple[Reminder, ...] = ()
    occurrence: str = ""
    cancelled: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class CalendarEntries:
    """What a file holds: its name, the zone of its floating times, its events, and lines of components of other kinds."""

    name: str
    zone: str
    entries: tuple[CalendarEntry, ...]
    others: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class _EventLines:
    """A VEVENT as it is read."""

    line: int
    times: list[str] = field(default_factory=list[str])
    zones: set[str] = field(default_factory=set[str])
    values: dict[str, str] = field(default_factory=dict[str, str])
    people: list[str] = field(default_factory=list[str])
    reminders: list[Reminder] = field(default_factory=list[Reminder])
    replaces: Property | None = None

    @property
    def about(self) -> tuple[str, tuple[str, ...]]:
        """What tells whether two are about the same."""
        return self.values.get("SUMMARY", ""), tuple(sorted(self.people))

    @property
    def alone(self) -> bool:
        """Whether it replaces one occurrence of its series, not all from there on."""
        return self.replaces is not None and "RANGE" not in self.replaces.parameters

    @property
    def cancelled(self) -> bool:
        """Whether it does not take place."""
        return self.values.get("STATUS", "").upper() == "CANCELLED"

    @property
    def sequence(self) -> int:
        """How often it was changed."""
        text = self.values.get("SEQUENCE", "")
        return int(text[:9]) if text[:9].isdecimal() else 0


@dataclass(slots=True)
class _Reading:
    """What has been read of a file."""

    name: str = ""
    zone: str = ""
    events: list[_EventLines] = field(default_factory=list[_EventLines])
    zone_texts: dict[str, str] = field(default_factory=dict[str, str])
    others: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])


def calendar_entries(text: str, *, most_lines: int = MOST_LINES_OF_FILE, most: int = MOST_ENTRIES) -> CalendarEntries:
    """The events of a text.

    Raises:
        BadRule: it is no calendar, or has more lines or events than it may; the error tells the line.
    """
    if not has_events(text):
        raise BadRule.at_position(FIELD, 0, "there is no BEGIN:VCALENDAR", line=1)
    found = _read(text, most_lines, most)
    groups: dict[str, list[_EventLines]] = {}
    for event in found.events:
        groups.setdefault(event.values.get("UID") or f"line-{event.line}", []).append(event)
    entries = [entry for uid, events in groups.items() for entry in _entries(uid, events, found)]
    return CalendarEntries(found.name, found.zone, tuple(entries), tuple(found.others))


def _read(text: str, most_lines: int, most: int) -> _Reading:
    found = _Reading()
    open_: list[str] = []
    event, reminder = _EventLines(0), dict[str, Property]()
    zone: list[str] = []
    for word in logical_lines(text, most=most_lines):
        name = name_of(word)
        value = word.text.partition(":")[2].strip().upper() if name in ("BEGIN", "END") else ""
        if "VTIMEZONE" in open_ or value == "VTIMEZONE":
            zone.append(word.text)
        if name == "BEGIN":
            if len(open_) == _DEEPEST:
                raise word.refused(f"components lie more than {_DEEPEST} deep in each other")
            open_.append(value)
            if value == "VEVENT":
                if len(found.events) == most:
                    raise word.refused(f"more than {most} events")
                event = _EventLines(word.source.line)
                found.events.append(event)
            elif value == "VALARM":
                reminder = {}
            elif value in ("VTODO", "VJOURNAL", "VFREEBUSY"):
                found.others.append((value, word.source.line))
        elif name == "END":
            if not open_ or open_[-1] != value:
                raise word.refused(f"{word.text[:40]!r} ends nothing that is open")
            open_.pop()
            if value == "VALARM" and open_[-1:] == ["VEVENT"]:
                _add_reminder(event, reminder)
            elif value == "VTIMEZONE":
                found.zone_texts[_zone_name(zone)] = "\n".join(zone)
                zone = []
        elif open_:
            _take_line(word, name, open_[-1], found, event, reminder)
    if open_:
        raise BadRule.at_position(FIELD, len(text), f"{open_[-1]} is never ended", line=text.count("\n") + 1)
    return found


def _take_line(word: Word, name: str, within: str, found: _Reading, event: _EventLines, reminder: dict[str, Property]) -> None:
    if within == "VCALENDAR" and name in ("X-WR-CALNAME", "X-WR-TIMEZONE"):
        value = _unescaped(property_of(word).value.text)
        found.name, found.zone = (value, found.zone) if name == "X-WR-CALNAME" else (found.name, value.strip())
    elif within == "VALARM" and name in _OF_AN_ALARM:
        reminder[name] = property_of(word)
    elif within == "VEVENT" and name in _TIMES:
        line = property_of(word)
        event.times.append(word.text)
        event.values.setdefault(name, line.value.text.strip())
        if "TZID" in line.parameters:
            event.zones.add(line.parameters["TZID"].text)
        if name == "RECURRENCE-ID":
            event.replaces = line
    elif within == "VEVENT" and name in _WORDS:
        line = property_of(word)
        if name == "ATTENDEE":
            declined = (line.parameters.get("PARTSTAT") or line.name).text.upper() == "DECLINED"
            if not declined and len(event.people) < _MOST_PEOPLE:
                event.people.append(re.sub(r"(?i)\Amailto:", "", line.value.text.strip()))
        else:
            event.values.setdefault(name, _unescaped(line.value.text)[:_LONGEST_TEXT])


def _add_reminder(event: _EventLines, lines: dict[str, Property]) -> None:
    trigger = lines.get("TRIGGER")
    if trigger is not None and len(event.reminders) < _MOST_PEOPLE:
        related = trigger.parameters.get("RELATED")
        from_end = related is not None and related.text.upper() == "END"
        event.reminders.append(Reminder(trigger.value.text.strip().upper(), from_end, "REPEAT" in lines))


def _zone_name(lines: Sequence[str]) -> str:
    return next((line.partition(":")[2].strip() for line in lines if line.upper().startswith("TZID")), "")


def _entries(uid: str, events: Sequence[_EventLines], found: _Reading) -> Iterator[CalendarEntry]:
    """The events of a UID: the series, and its occurrences that are about something else."""
    series = [event for event in events if event.replaces is None]
    master = max(series, key=lambda event: event.sequence) if series else None
    apart = [] if master is None else [one for one in events if one.alone and not one.cancelled and one.about != master.about]
    rest = [event for event in events if event not in apart]
    if master is None:
        for event in events:
            yield _entry(uid, event, [_as_single(event)], found)
        return
    lines = [list(event.times) for event in rest]
    lines[rest.index(master)] += [_excluded(one.replaces) for one in apart if one.replaces is not None]
    yield replace(_entry(uid, master, lines, found), occurrence="")
    for event in apart:
        yield _entry(uid, event, [_as_single(event)], found)


def _entry(uid: str, event: _EventLines, lines: Sequence[Sequence[str]], found: _Reading) -> CalendarEntry:
    zones = [found.zone_texts[name] for name in sorted(_zones_of(lines)) if name in found.zone_texts]
    body = [part for event_lines in lines for part in ("BEGIN:VEVENT", *event_lines, "END:VEVENT")]
    head = [f"X-WR-TIMEZONE:{found.zone}"] if found.zone else []
    return CalendarEntry(
        uid=uid,
        line=event.line,
        summary=" ".join(event.values.get("SUMMARY", "").split()),
        description=event.values.get("DESCRIPTION", "").strip(),
        attendees=tuple(event.people),
        reminders=tuple(event.reminders),
        occurrence=event.values.get("RECURRENCE-ID", ""),
        cancelled=event.cancelled,
        text="\n".join(("BEGIN:VCALENDAR", *head, *zones, *body, "END:VCALENDAR")),
    )


def _zones_of(lines: Sequence[Sequence[str]]) -> set[str]:
    found = (re.search(r';TZID="?([^":;]+)', line, re.IGNORECASE) for event in lines for line in event)
    return {one[1] for one in found if one is not None}


def _as_single(event: _EventLines) -> list[str]:
    """Its lines without that which ties it to a series."""
    return [line for line in event.times if not re.match(r"(?i)(RECURRENCE-ID|UID|SEQUENCE)[;:]", line)]


def _excluded(replaced: Property) -> str:
    """The EXDATE that takes an occurrence out of its series."""
    parameters = "".join(f';{name}="{word.text}"' for name, word in replaced.parameters.items() if name in ("TZID", "VALUE"))
    return f"EXDATE{parameters}:{replaced.value.text}"


def _unescaped(text: str) -> str:
    """A text value as people read it (section 3.3.11)."""
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], text)
