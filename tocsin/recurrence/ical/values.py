"""Dates and times in iCalendar's forms (RFC 5545, sections 3.3.4, 3.3.5 and 3.3.9)."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

from tocsin.recurrence.days import day_of
from tocsin.recurrence.ical.lines import MOST_VALUES, Property, Word

_DAY: Final = 86_400
_DATE: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_DURATION: Final = re.compile(
    r"\+?P(?:(?P<weeks>\d{1,5})W|(?:(?P<days>\d{1,6})D)?(?:T(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,9})S)?)?)",
    re.IGNORECASE,
)
_TIME: Final = re.compile(r"[0-9]{8}T[0-9]{6}(Z?)", re.IGNORECASE)


class EventLength(NamedTuple):
    """How long an event lasts: days of the calendar, and exact seconds behind them."""

    days: int
    seconds: int


class Moment(NamedTuple):
    """A date, or a date with a time.

    Attributes:
        wall: its wall time; midnight of a date.
        dated: whether it is a date.
        zone: the zone that its text names, "UTC" for a time with a Z; None for a floating one.
        word: where it stands.
        period: how long it lasts, if it begins a period.
    """

    wall: int
    dated: bool
    zone: str | None
    word: Word
    period: "EventLength | None" = None

    @property
    def day(self) -> int:
        """Its day, from 1970-01-01."""
        return self.wall // _DAY


def moment_of(word: Word, zone: Word | None) -> Moment:
    """The moment that a word means.

    Raises:
        BadRule: it means none.
    """
    try:
        found = _TIME.fullmatch(word.text)
        if found is not None:
            text = word.text
            hour, minute, second = int(text[9:11]), int(text[11:13]), int(text[13:15])
            if hour > 23 or minute > 59 or second > 60:
                raise ValueError
            # A leap second is the second before it for whoever has none (section 3.3.12).
            wall = day_of(date.fromisoformat(text[:8])) * _DAY + hour * 3600 + minute * 60 + min(second, 59)
            if found[1] and zone is not None:
                raise zone.refused("TZID: a time with a Z has no other zone")
            return Moment(wall, False, "UTC" if found[1] else zone.text if zone is not None else None, word)
        found = _DATE.fullmatch(word.text)
        if found is not None:
            return Moment(day_of(date(int(found[1]), int(found[2]), int(found[3]))) * _DAY, True, None, word)
    except ValueError:
        raise word.refused(f"{word.text} does not exist") from None
    raise word.refused(f"{word.text[:40]!r} is neither a date such as 20261225 nor a time such as 20261225T090000 or 20261225T090000Z")


def length_of(word: Word) -> EventLength:
    """The length that a word means (section 3.3.6).

    Raises:
        BadRule: it means none, or one that is negative.
    """
    found = _DURATION.fullmatch(word.text)
    if found is None or not any(found.groupdict().values()):
        raise word.refused(f"{word.text[:40]!r} is not a length such as PT1H30M, P2D or P1W")
    part = {name: int(value or 0) for name, value in found.groupdict().items()}
    return EventLength(part["weeks"] * 7 + part["days"], part["hours"] * 3600 + part["minutes"] * 60 + part["seconds"])


def moments(line: Property) -> Iterator[Moment]:
    """The moments of a line DTSTART, RDATE or EXDATE; of a period its beginning.

    Raises:
        BadRule: one is malformed, or not of the kind that the line announces.
    """
    kind = line.parameters.get("VALUE")
    wanted = kind.text.upper() if kind is not None else ""
    allowed = ("", "DATE", "DATE-TIME", "PERIOD") if line.name.text == "RDATE" else ("", "DATE", "DATE-TIME")
    if kind is not None and wanted not in allowed:
        raise kind.refused(f"VALUE={kind.text}: {line.name.text} has values of {', '.join(allowed[1:])}")
    for word in line.value.split(",", most=MOST_VALUES):
        period = "/" in word.text
        begin, _, rest = word.partition("/")
        if period != (wanted == "PERIOD"):
            raise word.refused(f"{word.text[:40]!r}: a period needs VALUE=PERIOD, and only a period has a /")
        found = moment_of(begin, line.parameters.get("TZID"))
        if (wanted == "DATE" and not found.dated) or (wanted in ("DATE-TIME", "PERIOD") and found.dated):
            raise word.refused(f"{word.text[:40]!r} is not of the kind {wanted}")
        yield found._replace(period=_period(found, rest, line.parameters.get("TZID"))) if period else found


def _period(begin: Moment, rest: Word, zone: Word | None) -> EventLength:
    """How long a period is, by its end or by its length (section 3.3.9)."""
    if rest.text[:1].upper() in ("P", "+"):
        return length_of(rest)
    end = moment_of(rest, zone)
    if end.dated or end.wall <= begin.wall or end.zone != begin.zone:
        raise rest.refused("a period ends with a time after its start, or has a length")
    return EventLength(0, end.wall - begin.wall)
