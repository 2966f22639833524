"""The scheduler's use cases."""

from scheduler_svc.domain import Draft
from scheduler_svc.service.alarms import Alarms, Caller
from scheduler_svc.service.audit import Audits
from scheduler_svc.service.backfill import Backfills
from scheduler_svc.service.exports import Exports
from scheduler_svc.service.firings import Firings
from scheduler_svc.service.imports import Imports
from scheduler_svc.service.preview import Previews, Shown

__all__ = ["Alarms", "Audits", "Backfills", "Caller", "Draft", "Exports", "Firings", "Imports", "Previews", "Shown"]
