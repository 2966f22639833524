"""What mailer_svc does: it accepts messages, sends them, shows them, and keeps templates and people."""

from mailer_svc.service.accepting import Accepting
from mailer_svc.service.callbacks import ProviderCallbacks
from mailer_svc.service.composing import Composer
from mailer_svc.service.drafts import TemplateChecks
from mailer_svc.service.expansion import Expansion
from mailer_svc.service.failover import ProviderFailover
from mailer_svc.service.fanout import Fanout
from mailer_svc.service.gap_watch import GapWatch
from mailer_svc.service.gates import Gates
from mailer_svc.service.holding import DigestCloser, HoldReleaser
from mailer_svc.service.housekeeping import DeliveryHousekeeper, Retention
from mailer_svc.service.lanes import ChannelLanes, TenantLanes
from mailer_svc.service.notifications import CountedNotification, NotificationChecks, Notifications
from mailer_svc.service.on_call import OnCall, OnCallAnswer, RotationSchedule
from mailer_svc.service.people import Categories, Groups, RecipientPreferences, SuppressionList, SuppressionRules
from mailer_svc.service.people_imports import PeopleImports
from mailer_svc.service.providers import InstalledProvider, ProviderChange, Providers
from mailer_svc.service.publishing import DeliveryPublisher, Reporter
from mailer_svc.service.push import PushKeys
from mailer_svc.service.queries import Deliveries, Inbox
from mailer_svc.service.recipients import AddressDraft, RecipientDraft, RecipientRules, Recipients
from mailer_svc.service.rotations import Rotations
from mailer_svc.service.screening import PiiScreen
from mailer_svc.service.sending import ChannelSender, SendingRule
from mailer_svc.service.status_callbacks import StatusCallbacks
from mailer_svc.service.status_reporting import StatusReporting
from mailer_svc.service.templates import Templates, Trial
from mailer_svc.service.trials import TrialSender
from mailer_svc.service.unsubscribing import Unsubscribing
from mailer_svc.service.verification import AddressVerification

__all__ = [
    "Accepting",
    "AddressDraft",
    "AddressVerification",
    "Categories",
    "ChannelLanes",
    "ChannelSender",
    "Composer",
    "CountedNotification",
    "Deliveries",
    "DeliveryHousekeeper",
    "DeliveryPublisher",
    "DigestCloser",
    "Expansion",
    "Fanout",
    "GapWatch",
    "Gates",
    "Groups",
    "HoldReleaser",
    "Inbox",
    "InstalledProvider",
    "NotificationChecks",
    "Notifications",
    "OnCall",
    "OnCallAnswer",
    "PeopleImports",
    "PiiScreen",
    "ProviderCallbacks",
    "ProviderChange",
    "ProviderFailover",
    "Providers",
    "PushKeys",
    "RecipientDraft",
    "RecipientPreferences",
    "RecipientRules",
    "Recipients",
    "Reporter",
    "Retention",
    "RotationSchedule",
    "Rotations",
    "SendingRule",
    "StatusCallbacks",
    "StatusReporting",
    "SuppressionList",
    "SuppressionRules",
    "TemplateChecks",
    "Templates",
    "TenantLanes",
    "Trial",
    "TrialSender",
    "Unsubscribing",
]
