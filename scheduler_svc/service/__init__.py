"""The scheduler's use cases."""

from scheduler_svc.service.alarms import Alarms, Caller, Draft
from scheduler_svc.service.firings import Firings

__all__ = ["Alarms", "Caller", "Draft", "Firings"]
