"""Clients of the scheduler (work and task queue) and of the mailer."""

from processor_svc.clients.mailer import MailerStreams
from processor_svc.clients.scheduler import SchedulerQueue
from processor_svc.clients.work import SchedulerWork

__all__ = ["MailerStreams", "SchedulerQueue", "SchedulerWork"]
