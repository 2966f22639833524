"""What the scheduler asks about actions, of other services and of itself."""

from scheduler_svc.clients.mailer import NotifyChecks, SentMessages
from scheduler_svc.clients.policies import PolicyChecks

__all__ = ["NotifyChecks", "PolicyChecks", "SentMessages"]
