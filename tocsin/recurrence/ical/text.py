"""Reads the text of a recurrence, whichever of its forms it has."""

from functools import lru_cache

from tocsin.recurrence.ical.events import has_events, read_events
from tocsin.recurrence.ical.lines import properties
from tocsin.recurrence.ical.reading import RecurrenceText, read_lines


@lru_cache(maxsize=16)
def read_recurrence(text: str) -> RecurrenceText:
    """What a text says: lines RRULE, DTSTART, RDATE, EXDATE, EXRULE, or a whole VEVENT or VCALENDAR.

    Raises:
        BadRule: it is not valid; the error tells where.
    """
    return read_events(text) if has_events(text) else read_lines(properties(text))
