"""Recurrence as in iCalendar (RFC 5545)."""

from tocsin.recurrence.ical.reading import RecurrenceText
from tocsin.recurrence.ical.recurrence_set import RecurrenceSet
from tocsin.recurrence.ical.text import read_recurrence

__all__ = ["RecurrenceSet", "RecurrenceText", "read_recurrence"]
