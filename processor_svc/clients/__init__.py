"""Clients of the scheduler (work, task queue, events, incidents, readings), of the mailer, and of what every service says of itself."""

from processor_svc.clients.events import SchedulerEvents
from processor_svc.clients.health import MeshHealth
from processor_svc.clients.incidents import SchedulerIncidents
from processor_svc.clients.mailer import MailerStreams
from processor_svc.clients.progress import EventProgress
from processor_svc.clients.readings import SchedulerReadings
from processor_svc.clients.scheduler import SchedulerQueue
from processor_svc.clients.work import SchedulerWork

__all__ = [
    "EventProgress",
    "MailerStreams",
    "MeshHealth",
    "SchedulerEvents",
    "SchedulerIncidents",
    "SchedulerQueue",
    "SchedulerReadings",
    "SchedulerWork",
]
