"""What the scheduler asks of other services."""

from scheduler_svc.clients.mailer import NotifyChecks

__all__ = ["NotifyChecks"]
