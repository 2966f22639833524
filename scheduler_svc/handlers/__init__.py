"""The scheduler's RPCs: protobuf in, protobuf out, no logic."""

from scheduler_svc.handlers.alarms import AlarmHandlers
from scheduler_svc.handlers.calendars import CalendarHandlers
from scheduler_svc.handlers.dispatch import DispatchHandlers
from scheduler_svc.handlers.escalation_policies import EscalationPolicyHandlers
from scheduler_svc.handlers.firings import FiringHandlers
from scheduler_svc.handlers.forecast import ForecastHandlers
from scheduler_svc.handlers.incident_dependencies import IncidentDependencyHandlers
from scheduler_svc.handlers.incident_routes import IncidentRouteHandlers
from scheduler_svc.handlers.incidents import IncidentHandlers
from scheduler_svc.handlers.intake import IntakeHandlers
from scheduler_svc.handlers.integrations import IntegrationHandlers
from scheduler_svc.handlers.scheduler import SchedulerHandlers
from scheduler_svc.handlers.screening import EventScreen
from scheduler_svc.handlers.silences import SilenceHandlers
from scheduler_svc.handlers.triggers import TriggerHandlers

__all__ = [
    "AlarmHandlers",
    "CalendarHandlers",
    "DispatchHandlers",
    "EscalationPolicyHandlers",
    "EventScreen",
    "FiringHandlers",
    "ForecastHandlers",
    "IncidentDependencyHandlers",
    "IncidentHandlers",
    "IncidentRouteHandlers",
    "IntakeHandlers",
    "IntegrationHandlers",
    "SchedulerHandlers",
    "SilenceHandlers",
    "TriggerHandlers",
]
