"""What is kept, and what keeps templates and renders them."""

from collections.abc import Sequence

from ulid import ULID

from mailer_svc.clients import HttpCalendars, SchedulerUses
from mailer_svc.config import MailerSettings
from mailer_svc.rendering import RenderLimits, RenderPool, TemplateRenderer
from mailer_svc.service import (
    OnCall,
    Rotations,
    TemplateChecks,
    Templates,
)
from mailer_svc.service.feeds import CalendarFeeds
from mailer_svc.service.on_call_watch import OnCallWatch
from mailer_svc.service.rotation_calendars import CalendarWatch, ShiftReader
from mailer_svc.store import (
    ChangeOrder,
    SqlDeliveryEndings,
    SqlDigests,
    SqlHeldDeliveries,
    SqlJournal,
    SqlPeopleFacts,
    SqlRotationHistories,
    SqlRotations,
    SqlTemplateStore,
    metadata,
)
from mailer_svc.store.feeds import SqlCalendarFeeds
from mailer_svc.store.quotas import MessageQuotas
from mailer_svc.store.rotation_calendars import SqlRotationCalendars
from mailer_svc.store.tables import contents, deliveries
from mailer_svc.templates_builtin import built_in_templates
from tocsin.channels import CHANNELS
from tocsin.clock import Clock
from tocsin.egress.client import HttpClient, HttpLimits
from tocsin.lifecycle import Component
from tocsin.node import Node
from tocsin.redis import EventBus, Redis
from tocsin.tenants.quotas import QuotaAlerts

_CALENDAR_LIMITS = HttpLimits(connections=10, total_seconds=20.0, answer_bytes=1_048_576)


class MailStorage:
    """What is kept: database, Redis, and those who write to more than one table of theirs."""

    def __init__(self, node: Node, settings: MailerSettings, clock: Clock) -> None:
        self.database = node.database(settings)
        self.redis = Redis.of(settings, clock=clock, registry=node.telemetry.registry)
        self.hints = EventBus(redis=self.redis, clock=clock)
        self.order = ChangeOrder(self.database)
        quotas = MessageQuotas(node.tenants.book, alerts=QuotaAlerts(node.alerts))
        self.journal = SqlJournal(database=self.database, clock=clock, order=self.order, quotas=quotas)
        self.endings = SqlDeliveryEndings(database=self.database, order=self.order)
        self.people = SqlPeopleFacts(database=self.database)
        self.histories = SqlRotationHistories(database=self.database)
        self.on_call = OnCall(histories=self.histories, clock=clock)
        rotations = SqlRotations(database=self.database, order=self.order)
        self.on_call_watch = OnCallWatch(on_call=self.on_call, store=rotations, hints=self.hints, clock=clock)
        calendars = SqlRotationCalendars(database=self.database)
        self.shift_reader = ShiftReader(store=calendars, clock=clock)
        self.rotations = Rotations(store=rotations, reader=self.shift_reader, hints=self.hints, clock=clock, new_id=lambda: str(ULID()))
        self._pages = HttpCalendars(client=HttpClient(allowed=settings.allowed_targets, https_only=True, limits=_CALENDAR_LIMITS))
        self._watch = CalendarWatch(
            store=calendars, rotations=rotations, reader=self.shift_reader, source=self._pages, hints=self.hints, clock=clock
        )
        self.feeds = CalendarFeeds(
            store=SqlCalendarFeeds(database=self.database),
            rotations=rotations,
            histories=self.histories,
            clock=clock,
            link=settings.public_link,
            serves=node.tenants.serves_keys,
        )
        self.held = SqlHeldDeliveries(database=self.database, order=self.order, quotas=quotas)
        self._meter = node.storage_meter(self.database, metadata, parts=[(contents, contents.c.delivery, deliveries.c.id)])
        self.digests = SqlDigests(database=self.database, order=self.order, acceptance=self.journal.acceptance)

    @property
    def parts(self) -> Sequence[Component]:
        """What is opened first, in this order."""
        return (self.database, self.redis, self.hints, self.journal, self._meter)

    @property
    def watches(self) -> Sequence[Component]:
        """What reads what people keep elsewhere."""
        return (self._pages, self._watch)


class Templating:
    """What keeps templates and renders them."""

    def __init__(self, node: Node, settings: MailerSettings, clock: Clock, storage: MailStorage) -> None:
        limits = RenderLimits(
            processes=settings.render_processes, cpu_seconds=settings.render_cpu_seconds, megabytes=settings.render_megabytes
        )
        self.pool = RenderPool(limits=limits)
        self.renderer = TemplateRenderer(pool=self.pool)
        self.templates = Templates(
            store=SqlTemplateStore(database=storage.database),
            uses=SchedulerUses(mesh=node.mesh),
            renderer=self.renderer,
            checks=TemplateChecks(renderer=self.renderer, clock=clock, new_uid=lambda: str(ULID()), channels=tuple(CHANNELS)),
            built_in=built_in_templates(),
        )
