"""The database of mailer_svc: tables and queries, one transaction a method."""

from mailer_svc.store.accepting import AcceptanceLog
from mailer_svc.store.addresses import SqlAddressRetirement
from mailer_svc.store.categories import SqlCategories, SqlPreferences
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.deliveries import SqlDeliveryReader
from mailer_svc.store.digests import SqlDigests
from mailer_svc.store.endings import SqlDeliveryEndings
from mailer_svc.store.facts import SqlPeopleFacts
from mailer_svc.store.group_imports import SqlCategoryImports, SqlGroupImports
from mailer_svc.store.groups import SqlGroups
from mailer_svc.store.holds import SqlHeldDeliveries
from mailer_svc.store.housekeeping import SqlDeliveryHousekeepingStore
from mailer_svc.store.inbox import SqlInboxReader
from mailer_svc.store.journal import SqlJournal
from mailer_svc.store.leaving import SqlCategoryChoices
from mailer_svc.store.notifications import SqlNotificationQueue, SqlNotificationStore
from mailer_svc.store.people_imports import SqlRecipientImports, SqlSuppressionImports
from mailer_svc.store.people_tables import metadata
from mailer_svc.store.providers import SqlProviderStore
from mailer_svc.store.queue import SqlDeliveryQueue, SqlQueueHeads
from mailer_svc.store.recipient_addresses import SqlAddresses
from mailer_svc.store.recipients import SqlRecipients
from mailer_svc.store.reports import SqlReports
from mailer_svc.store.rotation_histories import SqlRotationHistories
from mailer_svc.store.rotations import SqlRotations
from mailer_svc.store.row_owners import OWNERS, tenant_rows
from mailer_svc.store.status_callbacks import SqlStatusCallbackStore
from mailer_svc.store.status_reports import SqlStatusReports
from mailer_svc.store.suppressions import SqlSuppressions
from mailer_svc.store.templates import SqlTemplateStore, TemplateExists

__all__ = [
    "OWNERS",
    "AcceptanceLog",
    "ChangeOrder",
    "SqlAddressRetirement",
    "SqlAddresses",
    "SqlCategories",
    "SqlCategoryChoices",
    "SqlCategoryImports",
    "SqlDeliveryEndings",
    "SqlDeliveryHousekeepingStore",
    "SqlDeliveryQueue",
    "SqlDeliveryReader",
    "SqlDigests",
    "SqlGroupImports",
    "SqlGroups",
    "SqlHeldDeliveries",
    "SqlInboxReader",
    "SqlJournal",
    "SqlNotificationQueue",
    "SqlNotificationStore",
    "SqlPeopleFacts",
    "SqlPreferences",
    "SqlProviderStore",
    "SqlQueueHeads",
    "SqlRecipientImports",
    "SqlRecipients",
    "SqlReports",
    "SqlRotationHistories",
    "SqlRotations",
    "SqlStatusCallbackStore",
    "SqlStatusReports",
    "SqlSuppressionImports",
    "SqlSuppressions",
    "SqlTemplateStore",
    "TemplateExists",
    "metadata",
    "tenant_rows",
]
