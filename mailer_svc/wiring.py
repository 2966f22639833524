"""Composition root of the mailer: storage, then templates, then what sends, then the server; each knows those before it."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ulid import ULID

from mailer_svc.bounces import BounceDoor, BounceListener
from mailer_svc.channels import Parts, table
from mailer_svc.channels.email import return_paths
from mailer_svc.channels.kinds import KindTable
from mailer_svc.channels.mime import Sender as MailSender
from mailer_svc.channels.push import given_key, push_keys
from mailer_svc.clients import SchedulerClient, SchedulerUses, StatusCallbackPoster
from mailer_svc.config import MailerSettings
from mailer_svc.domain import Channels, Priority, RetrySchedule
from mailer_svc.handlers import (
    CallbackHandlers,
    DeliverStreams,
    DeliveryHandlers,
    InboxHandlers,
    NotificationHandlers,
    ProviderHandlers,
    PushHandlers,
    SimpleNotificationHandlers,
    TemplateHandlers,
    UnsubscribeHandlers,
)
from mailer_svc.handlers.health import sending_checks
from mailer_svc.metrics import BounceMetrics, DeliveryMetrics
from mailer_svc.people_wiring import people_handlers, unsubscribing_of
from mailer_svc.ports import Meter, Provider
from mailer_svc.rendering import RenderLimits, RenderPool, TemplateRenderer
from mailer_svc.service import (
    Accepting,
    ChannelLanes,
    ChannelSender,
    Composer,
    Deliveries,
    DeliveryHousekeeper,
    DeliveryPublisher,
    DigestCloser,
    Expansion,
    Fanout,
    Gates,
    HoldReleaser,
    Inbox,
    InstalledProvider,
    NotificationChecks,
    Notifications,
    PiiScreen,
    ProviderCallbacks,
    ProviderFailover,
    Providers,
    Reporter,
    Retention,
    SendingRule,
    StatusCallbacks,
    StatusReporting,
    TemplateChecks,
    Templates,
    TenantLanes,
    Unsubscribing,
)
from mailer_svc.store import (
    ChangeOrder,
    SqlAddressRetirement,
    SqlDeliveryEndings,
    SqlDeliveryHousekeepingStore,
    SqlDeliveryQueue,
    SqlDeliveryReader,
    SqlDigests,
    SqlHeldDeliveries,
    SqlInboxReader,
    SqlJournal,
    SqlNotificationQueue,
    SqlNotificationStore,
    SqlPeopleFacts,
    SqlProviderStore,
    SqlReports,
    SqlStatusCallbackStore,
    SqlStatusReports,
    SqlTemplateStore,
)
from mailer_svc.tracing import TracedJournal, TracedProvider
from tocsin.api.mailer.v1 import (
    callback_service_pb2_grpc,
    delivery_service_pb2_grpc,
    inbox_service_pb2_grpc,
    notification_service_pb2_grpc,
    provider_service_pb2_grpc,
    push_service_pb2_grpc,
    simple_notification_service_pb2_grpc,
    template_service_pb2_grpc,
    unsubscribe_service_pb2_grpc,
)
from tocsin.channels import CHANNELS
from tocsin.clock import Clock
from tocsin.egress.client import HttpClient, HttpLimits
from tocsin.lifecycle import App, Component
from tocsin.mesh.jwks import JwksSource
from tocsin.mesh.server import MeshServer
from tocsin.node import Node
from tocsin.pii import PiiGuard
from tocsin.pii.feed import PolicyFeed
from tocsin.redis import EventBus, Redis
from tocsin.sealing import Sealer

_CALLBACK_SECONDS = 20.0


def build(settings: MailerSettings, clock: Clock, *, jwks: JwksSource | None = None) -> App:
    """Puts the mailer together; nothing starts. ``jwks`` replaces auth_svc as the source of keys."""
    node = Node(settings=settings, clock=clock, jwks=jwks)
    storage = _MailStorage(node, settings, clock)
    templating = _Templating(node, settings, clock, storage)
    sending = _Sending(node, settings, clock, storage)
    notifying = _Notifying(node, settings, clock, storage, templating, sending)
    reporting = StatusReporting(
        store=SqlStatusReports(database=storage.database, order=storage.order),
        publisher=sending.publisher,
        clock=clock,
        new_id=lambda: str(ULID()),
    )
    unsubscribing = unsubscribing_of(node, clock, database=storage.database)
    callbacks = _Callbacks(node, settings, clock, storage, sending, reporting)
    server = _server(node, clock, storage, templating, sending, notifying, unsubscribing, reporting, callbacks)
    returned = _returned_mail(node, settings, reporting, unsubscribing)
    parts = [node.installation_key, *storage.parts, templating.pool, *sending.parts, *notifying.parts, *callbacks.parts, *returned]
    return App(name=node.name, components=[*node.components, *parts], server=server)


class _MailStorage:
    """What is kept: database, Redis, and those who write to more than one table of theirs."""

    def __init__(self, node: Node, settings: MailerSettings, clock: Clock) -> None:
        self.database = node.database(settings)
        self.redis = Redis.of(settings, clock=clock)
        self.hints = EventBus(redis=self.redis, clock=clock)
        self.order = ChangeOrder(self.database)
        self.journal = SqlJournal(database=self.database, clock=clock, order=self.order)
        self.endings = SqlDeliveryEndings(database=self.database, order=self.order)
        self.people = SqlPeopleFacts(database=self.database)
        self.held = SqlHeldDeliveries(database=self.database, order=self.order)
        self.digests = SqlDigests(database=self.database, order=self.order, acceptance=self.journal.acceptance)

    @property
    def parts(self) -> Sequence[Component]:
        """What is opened first, in this order."""
        return (self.database, self.redis, self.hints, self.journal)


class _Templating:
    """What keeps templates and renders them."""

    def __init__(self, node: Node, settings: MailerSettings, clock: Clock, storage: _MailStorage) -> None:
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
        )


class _ProviderParts:
    """The far ends: those of the installation, which settings name, and those of tenants, which are stored."""

    def __init__(self, node: Node, settings: MailerSettings, clock: Clock, storage: _MailStorage, meter: Meter) -> None:
        parts = Parts(
            clock=clock,
            breakers=node.breakers,
            meter=meter,
            key=node.installation_key,
            public_link=settings.public_link,
            web_push_key=given_key(settings),
            egress=settings.allowed_targets,
        )

        def traced(provider: Provider) -> Provider:
            return TracedProvider(provider=provider, telemetry=node.telemetry)

        configured = [(channel.name, one) for channel in table().values() for one in channel.configured(settings)]
        self.installed = [
            InstalledProvider(channel=channel, kind=kind.name, provider=traced(kind.make(name, config, parts)))
            for channel, (name, kind, config) in configured
        ]
        self.kinds = KindTable(
            channels=table().values(), installed=[one for _, one in configured], parts=replace(parts, trusted=False), finish=traced
        )
        sealer = Sealer(lambda: node.installation_key.derive("provider secrets"))
        self.store = SqlProviderStore(database=storage.database, sealer=sealer)
        self.lanes = TenantLanes(store=self.store, kinds=self.kinds, clock=clock)

    def of(self, channel: str) -> ChannelLanes:
        """Who sends for whom in a channel."""
        shared = [one.provider for one in self.installed if one.channel == channel]
        return ChannelLanes(channel=channel, tenants=self.lanes, shared=shared)


class _Sending:
    """What sends messages, tells what became of them, and forgets them in the end."""

    def __init__(self, node: Node, settings: MailerSettings, clock: Clock, storage: _MailStorage) -> None:
        self.publisher = DeliveryPublisher(hints=storage.hints, meter=DeliveryMetrics(node.telemetry.registry))
        self.far_ends = _ProviderParts(node, settings, clock, storage, self.publisher.meter)
        self.senders = _senders(settings, storage, self.far_ends, self.publisher, clock)
        self.channels = _channels(settings, self.senders, self.far_ends.lanes)
        self.providers = Providers(
            store=self.far_ends.store,
            kinds=self.far_ends.kinds,
            lanes=self.far_ends.lanes,
            channels=self.channels,
            installed=self.far_ends.installed,
            clock=clock,
            new_id=lambda: str(ULID()),
        )
        self.push_keys = push_keys(settings, node.installation_key)
        self._reporter = Reporter(reports=SqlReports(database=storage.database), scheduler=SchedulerClient(mesh=node.mesh), clock=clock)
        self._housekeeper = DeliveryHousekeeper(
            store=SqlDeliveryHousekeepingStore(database=storage.database),
            endings=storage.endings,
            channels=self.channels.queued,
            clock=clock,
            retention=_retention(settings),
        )

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self.far_ends.lanes, *self.senders, self._reporter, self._housekeeper)


class _Notifying:
    """What makes deliveries: of messages that come by address, and of notifications."""

    def __init__(
        self, node: Node, settings: MailerSettings, clock: Clock, storage: _MailStorage, templating: _Templating, sending: _Sending
    ) -> None:
        people, channels, publisher = storage.people, sending.channels, sending.publisher
        self._policies = PolicyFeed(mesh=node.mesh, clock=clock, file=settings.state_dir / "pii" / f"{node.name}.bin")
        journal = TracedJournal(journal=storage.journal, telemetry=node.telemetry)
        domain = MailSender.parse(settings.smtp_from).domain
        gates = Gates(people=people, clock=clock)
        composer = Composer(
            templates=templating.templates,
            renderer=templating.renderer,
            channels=channels,
            gates=gates,
            screen=PiiScreen(guard=PiiGuard(book=self._policies.book, alerts=node.alerts)),
            domain=domain,
        )
        self._releaser = HoldReleaser(held=storage.held, gates=gates, channels=channels, publisher=publisher, clock=clock)
        self._closer = DigestCloser(
            digests=storage.digests, gates=gates, channels=channels, publisher=publisher, clock=clock, domain=domain
        )
        self.fanout = Fanout(
            queue=SqlNotificationQueue(database=storage.database),
            journal=journal,
            expansion=Expansion(people=people, channels=channels, clock=clock),
            composer=composer,
            channels=channels,
            publisher=publisher,
            clock=clock,
            owner=str(ULID()),
            sole=storage.database.dialect == "sqlite",
        )
        self.accepting = Accepting(
            journal=journal, composer=composer, channels=channels, publisher=publisher, clock=clock, expand=self.fanout.wake
        )
        self.notifications = Notifications(
            journal=journal,
            store=SqlNotificationStore(database=storage.database),
            checks=NotificationChecks(templates=templating.templates, people=people, channels=channels),
            clock=clock,
            new_key=lambda: str(ULID()),
            expand=self.fanout.wake,
        )

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self._policies, self.fanout, self._releaser, self._closer)


class _Callbacks:
    """What providers tell us, and what we tell the callers of notifications."""

    def __init__(
        self,
        node: Node,
        settings: MailerSettings,
        clock: Clock,
        storage: _MailStorage,
        sending: _Sending,
        reporting: StatusReporting,
    ) -> None:
        client = HttpClient(allowed=settings.allowed_targets, https_only=True, limits=HttpLimits(total_seconds=_CALLBACK_SECONDS))
        self.poster = StatusCallbackPoster(client=client, key=node.installation_key, clock=clock)
        self._told = StatusCallbacks(
            store=SqlStatusCallbackStore(database=storage.database, order=storage.order),
            client=self.poster,
            clock=clock,
            draw=secrets.SystemRandom().random,
        )
        self.received = ProviderCallbacks(
            store=sending.far_ends.store,
            reader=sending.far_ends.kinds,
            reports=reporting,
            alerts=node.alerts,
            clock=clock,
            link=settings.public_link,
        )

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self.poster, self._told)


def _server(
    node: Node,
    clock: Clock,
    storage: _MailStorage,
    templating: _Templating,
    sending: _Sending,
    notifying: _Notifying,
    unsubscribing: Unsubscribing,
    reporting: StatusReporting,
    callbacks: _Callbacks,
) -> MeshServer:
    channels = sending.channels
    streams = DeliverStreams(accepting=notifying.accepting)
    deliveries = Deliveries(
        reader=SqlDeliveryReader(database=storage.database, order=storage.order),
        endings=storage.endings,
        hints=storage.hints,
        clock=clock,
        channels=channels,
    )
    delivery_handlers = DeliveryHandlers(streams=streams, deliveries=deliveries, reports=reporting)
    template_handlers = TemplateHandlers(templates=templating.templates, channels=channels.usable_by)
    provider_handlers = ProviderHandlers(providers=sending.providers)
    inbox_handlers = InboxHandlers(inbox=Inbox(reader=SqlInboxReader(database=storage.database)))
    server = node.server(
        checks={"database": storage.database.check, **(sending_checks(sending.senders) if sending.senders else {})},
        handlers=[
            (delivery_service_pb2_grpc.add_DeliveryServiceServicer_to_server, delivery_handlers),
            (template_service_pb2_grpc.add_TemplateServiceServicer_to_server, template_handlers),
            (inbox_service_pb2_grpc.add_InboxServiceServicer_to_server, inbox_handlers),
            *people_handlers(node, clock, database=storage.database, channels=channels, accepting=notifying.accepting),
            (
                notification_service_pb2_grpc.add_NotificationServiceServicer_to_server,
                NotificationHandlers(notifications=notifying.notifications, secret=lambda tenant: str(callbacks.poster.secret(tenant))),
            ),
            (
                simple_notification_service_pb2_grpc.add_SimpleNotificationServiceServicer_to_server,
                SimpleNotificationHandlers(notifications=notifying.notifications),
            ),
            (
                unsubscribe_service_pb2_grpc.add_UnsubscribeServiceServicer_to_server,
                UnsubscribeHandlers(unsubscribing=unsubscribing),
            ),
            (callback_service_pb2_grpc.add_CallbackServiceServicer_to_server, CallbackHandlers(callbacks=callbacks.received)),
            (provider_service_pb2_grpc.add_ProviderServiceServicer_to_server, provider_handlers),
            (push_service_pb2_grpc.add_PushServiceServicer_to_server, PushHandlers(keys=sending.push_keys)),
        ],
    )
    server.on_drain(streams.drain)
    server.on_drain(templating.pool.drain)
    return server


def _returned_mail(node: Node, settings: MailerSettings, reporting: StatusReporting, unsubscribing: Unsubscribing) -> Sequence[Component]:
    """The listener for mails that come back, if there is to be one."""
    paths = return_paths(settings.smtp_return_path, node.installation_key)
    metrics = BounceMetrics(node.telemetry.registry)
    if not settings.bounce_port or paths is None:
        return ()
    door = BounceDoor(
        paths=paths,
        leave_address=settings.smtp_unsubscribe_address,
        reports=reporting,
        unsubscribing=unsubscribing,
        metrics=metrics,
    )
    return (BounceListener(host=settings.host, port=settings.bounce_port, door=door),)


def _retention(settings: MailerSettings) -> Retention:
    return Retention(
        inbox=settings.inbox_retention_seconds,
        deliveries=settings.delivery_retention_seconds,
        waiting=settings.expiry_seconds,
        interval=settings.cleanup_interval_seconds,
    )


def _senders(
    settings: MailerSettings, storage: _MailStorage, providers: _ProviderParts, publisher: DeliveryPublisher, clock: Clock
) -> list[ChannelSender]:
    """An engine for each channel whose messages are sent: a queue, a failover and claims of its own."""
    rule = _sending_rule(settings, sole=storage.database.dialect == "sqlite")
    return [
        ChannelSender(
            queue=SqlDeliveryQueue(channel=channel.name, database=storage.database, order=storage.order),
            journal=storage.journal,
            providers=ProviderFailover(providers.of(channel.name)),
            addresses=SqlAddressRetirement(database=storage.database),
            publisher=publisher,
            clock=clock,
            rule=rule,
        )
        for channel in table().values()
        if not channel.kept
    ]


def _sending_rule(settings: MailerSettings, *, sole: bool) -> SendingRule:
    retry = RetrySchedule(
        max_deferrals=settings.retry_attempts,
        initial=settings.retry_initial_seconds,
        longest=settings.retry_longest_seconds,
        expiry=settings.expiry_seconds,
    )
    by_priority = {
        Priority.CRITICAL: retry.times(settings.retry_critical_factor),
        Priority.NORMAL: retry,
        Priority.BULK: retry.times(settings.retry_bulk_factor),
    }
    return SendingRule(
        retry=by_priority,
        lease=settings.lease_seconds,
        drain=settings.grace_seconds,
        sole=sole,
        owner=str(ULID()),
        draw=secrets.SystemRandom().random,
    )


def _channels(settings: MailerSettings, senders: Sequence[ChannelSender], lanes: TenantLanes) -> Channels:
    wakes = {sender.channel: sender.wake for sender in senders}
    return Channels(
        (
            channel.channel(settings, wake=wakes.get(channel.name), serves=partial(lanes.serves, channel.name))
            for channel in table().values()
        ),
        default=settings.resolved_default_channel,
    )
