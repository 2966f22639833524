"""What the use cases need from the outside, by intent."""

from mailer_svc.ports.housekeeping import DeliveryHousekeepingStore
from mailer_svc.ports.reading import DeliveryChange, DeliveryQuery, DeliveryReader, InboxReader, Position, Reports, Scheduler
from mailer_svc.ports.sending import AWAY, ChangeHints, Claim, DeliveryEndings, DeliveryQueue, Journal, Meter, Provider, Settlement
from mailer_svc.ports.templates import AlarmUses, Renderer, TemplateStore, Uses

__all__ = [
    "AWAY",
    "AlarmUses",
    "ChangeHints",
    "Claim",
    "DeliveryChange",
    "DeliveryEndings",
    "DeliveryHousekeepingStore",
    "DeliveryQuery",
    "DeliveryQueue",
    "DeliveryReader",
    "InboxReader",
    "Journal",
    "Meter",
    "Position",
    "Provider",
    "Renderer",
    "Reports",
    "Scheduler",
    "Settlement",
    "TemplateStore",
    "Uses",
]
