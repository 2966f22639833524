"""The gRPC side: messages of the contract to the words of the domain and back."""

from mailer_svc.handlers.callbacks import CallbackHandlers
from mailer_svc.handlers.categories import CategoryHandlers
from mailer_svc.handlers.deliver import DeliverStreams
from mailer_svc.handlers.deliveries import DeliveryHandlers
from mailer_svc.handlers.groups import GroupHandlers
from mailer_svc.handlers.inbox import InboxHandlers
from mailer_svc.handlers.notifications import NotificationHandlers
from mailer_svc.handlers.preferences import PreferenceHandlers
from mailer_svc.handlers.providers import ProviderHandlers
from mailer_svc.handlers.push import PushHandlers
from mailer_svc.handlers.recipients import RecipientHandlers
from mailer_svc.handlers.rotations import RotationHandlers
from mailer_svc.handlers.simple_notifications import SimpleNotificationHandlers
from mailer_svc.handlers.simple_recipients import SimpleRecipientHandlers
from mailer_svc.handlers.suppressions import SuppressionHandlers
from mailer_svc.handlers.templates import TemplateHandlers
from mailer_svc.handlers.unsubscribing import UnsubscribeHandlers

__all__ = [
    "CallbackHandlers",
    "CategoryHandlers",
    "DeliverStreams",
    "DeliveryHandlers",
    "GroupHandlers",
    "InboxHandlers",
    "NotificationHandlers",
    "PreferenceHandlers",
    "ProviderHandlers",
    "PushHandlers",
    "RecipientHandlers",
    "RotationHandlers",
    "SimpleNotificationHandlers",
    "SimpleRecipientHandlers",
    "SuppressionHandlers",
    "TemplateHandlers",
    "UnsubscribeHandlers",
]
