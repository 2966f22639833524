"""Recurrence as in iCalendar (RFC 5545)."""

from tocsin.recurrence.ical.recurrence_set import RecurrenceSet, read_recurrence

__all__ = ["RecurrenceSet", "read_recurrence"]
