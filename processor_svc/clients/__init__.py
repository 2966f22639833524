"""The processor's neighbours, as ports: the scheduler's work and queue, and the mailer."""

from processor_svc.clients.mailer import MailerStreams
from processor_svc.clients.scheduler import SchedulerQueue, SchedulerWork

__all__ = ["MailerStreams", "SchedulerQueue", "SchedulerWork"]
