"""The processor's neighbours, as ports: the scheduler's work and queue, and the mailer."""

from processor_svc.clients.mailer import MailerStreams
from processor_svc.clients.scheduler import SchedulerQueue
from processor_svc.clients.work import SchedulerWork

__all__ = ["MailerStreams", "SchedulerQueue", "SchedulerWork"]
