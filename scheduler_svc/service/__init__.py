"""The scheduler's use cases."""

from scheduler_svc.domain import Draft
from scheduler_svc.service.alarms import Alarms, Caller
from scheduler_svc.service.audit import Audits
from scheduler_svc.service.backfill import Backfills
from scheduler_svc.service.bulk_changes import BulkChanges
from scheduler_svc.service.calendars import CalendarRefresher, Calendars
from scheduler_svc.service.exports import Exports
from scheduler_svc.service.firings import Firings
from scheduler_svc.service.imports import Imports
from scheduler_svc.service.preview import Previews

__all__ = [
    "Alarms",
    "Audits",
    "Backfills",
    "BulkChanges",
    "CalendarRefresher",
    "Calendars",
    "Caller",
    "Draft",
    "Exports",
    "Firings",
    "Imports",
    "Previews",
]
