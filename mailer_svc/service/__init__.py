"""What mailer_svc does: it accepts messages, sends them, shows them, and keeps templates."""

from mailer_svc.service.accepting import Accepting
from mailer_svc.service.failover import ProviderFailover, SharedLanes
from mailer_svc.service.housekeeping import DeliveryHousekeeper, Retention
from mailer_svc.service.publishing import DeliveryPublisher, Reporter
from mailer_svc.service.queries import Deliveries, Inbox
from mailer_svc.service.sending import ChannelSender, SendingRule
from mailer_svc.service.templates import Templates

__all__ = [
    "Accepting",
    "ChannelSender",
    "Deliveries",
    "DeliveryHousekeeper",
    "DeliveryPublisher",
    "Inbox",
    "ProviderFailover",
    "Reporter",
    "Retention",
    "SendingRule",
    "SharedLanes",
    "Templates",
]
