"""What the use cases need from the outside, by intent."""

from mailer_svc.ports.holding import ClosedDigest, Digests, HeldClaim, HeldDeliveries, HeldDelivery
from mailer_svc.ports.housekeeping import DeliveryHousekeepingStore
from mailer_svc.ports.notifications import NotificationClaim, NotificationQuery, NotificationQueue, NotificationStore
from mailer_svc.ports.people import (
    ActiveAddress,
    AddressKey,
    AddressRetirement,
    PeopleFacts,
    RecipientFacts,
    SuppressionFacts,
    SuppressionQuery,
    Suppressions,
    TenantKey,
)
from mailer_svc.ports.reading import DeliveryChange, DeliveryQuery, DeliveryReader, InboxReader, Position, Reports, Scheduler
from mailer_svc.ports.sending import (
    AWAY,
    ChangeHints,
    Claim,
    DeliveryEndings,
    DeliveryQueue,
    Journal,
    Meter,
    Provider,
    ProviderLanes,
    Settlement,
)
from mailer_svc.ports.templates import AlarmUses, Renderer, TemplateStore, Uses

__all__ = [
    "AWAY",
    "ActiveAddress",
    "AddressKey",
    "AddressRetirement",
    "AlarmUses",
    "ChangeHints",
    "Claim",
    "ClosedDigest",
    "DeliveryChange",
    "DeliveryEndings",
    "DeliveryHousekeepingStore",
    "DeliveryQuery",
    "DeliveryQueue",
    "DeliveryReader",
    "Digests",
    "HeldClaim",
    "HeldDeliveries",
    "HeldDelivery",
    "InboxReader",
    "Journal",
    "Meter",
    "NotificationClaim",
    "NotificationQuery",
    "NotificationQueue",
    "NotificationStore",
    "PeopleFacts",
    "Position",
    "Provider",
    "ProviderLanes",
    "RecipientFacts",
    "Renderer",
    "Reports",
    "Scheduler",
    "Settlement",
    "SuppressionFacts",
    "SuppressionQuery",
    "Suppressions",
    "TemplateStore",
    "TenantKey",
    "Uses",
]
