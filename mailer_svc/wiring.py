"""Composition root of the mailer: a parts list."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from ulid import ULID

from mailer_svc.channels import Parts, table
from mailer_svc.channels.mime import Sender as MailSender
from mailer_svc.clients import SchedulerClient, SchedulerUses
from mailer_svc.config import MailerSettings
from mailer_svc.domain import Channels, DeliveryPriority, RetrySchedule
from mailer_svc.handlers import DeliverStreams, DeliveryHandlers, InboxHandlers, TemplateHandlers
from mailer_svc.metrics import DeliveryMetrics
from mailer_svc.rendering import RenderLimits, RenderPool, TemplateRenderer
from mailer_svc.service import (
    Accepting,
    ChannelSender,
    Deliveries,
    DeliveryHousekeeper,
    DeliveryPublisher,
    Inbox,
    ProviderFailover,
    Reporter,
    Retention,
    SendingRule,
    Templates,
)
from mailer_svc.store import (
    ChangeOrder,
    SqlDeliveryEndings,
    SqlDeliveryHousekeepingStore,
    SqlDeliveryQueue,
    SqlDeliveryReader,
    SqlInboxReader,
    SqlJournal,
    SqlReports,
    SqlTemplateStore,
)
from mailer_svc.tracing import TracedJournal, TracedProvider
from tocsin.api.mailer.v1 import delivery_service_pb2_grpc, inbox_service_pb2_grpc, template_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.lifecycle import App
from tocsin.mesh.health import Check, Degraded, optional
from tocsin.mesh.jwks import JwksSource
from tocsin.node import Node
from tocsin.redis import EventBus, Redis

_LONG_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """The database and everything that reads or writes it."""

    database: Database
    order: ChangeOrder
    journal: SqlJournal
    endings: SqlDeliveryEndings


def build(settings: MailerSettings, clock: Clock, *, jwks: JwksSource | None = None) -> App:
    """Puts the mailer together; nothing starts. ``jwks`` replaces auth_svc as the source of keys."""
    node = Node(settings=settings, clock=clock, jwks=jwks)
    store = _store(node.database(settings), clock)
    database = store.database
    redis = Redis.of(settings, clock=clock)
    hints = EventBus(redis=redis, clock=clock)
    pool = RenderPool(
        limits=RenderLimits(
            processes=settings.render_processes, cpu_seconds=settings.render_cpu_seconds, megabytes=settings.render_megabytes
        )
    )
    renderer = TemplateRenderer(pool=pool)
    templates = Templates(
        store=SqlTemplateStore(database=database),
        uses=SchedulerUses(mesh=node.mesh),
        renderer=renderer,
        clock=clock,
        new_uid=lambda: str(ULID()),
    )
    publisher = DeliveryPublisher(hints=hints, meter=DeliveryMetrics(node.telemetry.registry))
    senders = _senders(settings, node, store, publisher, clock)
    channels = _channels(settings, senders)
    accepting = Accepting(
        journal=TracedJournal(journal=store.journal, telemetry=node.telemetry),
        templates=templates,
        renderer=renderer,
        channels=channels,
        publisher=publisher,
        domain=MailSender.parse(settings.smtp_from).domain,
    )
    streams = DeliverStreams(accepting=accepting)
    deliveries = Deliveries(
        reader=SqlDeliveryReader(database=database, order=store.order),
        endings=store.endings,
        hints=hints,
        clock=clock,
        channels=channels,
    )
    inbox = Inbox(reader=SqlInboxReader(database=database))
    retention = Retention(
        inbox=settings.inbox_retention_seconds,
        deliveries=settings.delivery_retention_seconds,
        waiting=settings.expiry_seconds,
        interval=settings.cleanup_interval_seconds,
    )
    housekeeper = DeliveryHousekeeper(
        store=SqlDeliveryHousekeepingStore(database=database),
        endings=store.endings,
        channels=channels.sending,
        clock=clock,
        retention=retention,
    )
    server = node.server(
        checks={"database": database.check, **(_checks(senders) if senders else {})},
        handlers=[
            (delivery_service_pb2_grpc.add_DeliveryServiceServicer_to_server, DeliveryHandlers(streams=streams, deliveries=deliveries)),
            (
                template_service_pb2_grpc.add_TemplateServiceServicer_to_server,
                TemplateHandlers(templates=templates, channels=channels.usable),
            ),
            (inbox_service_pb2_grpc.add_InboxServiceServicer_to_server, InboxHandlers(inbox=inbox)),
        ],
    )
    server.on_drain(streams.drain)
    server.on_drain(pool.drain)
    reporter = Reporter(reports=SqlReports(database=database), scheduler=SchedulerClient(mesh=node.mesh), clock=clock)
    working = [pool, *senders, reporter, housekeeper]
    return App(name=node.name, components=[*node.components, database, redis, hints, store.journal, *working], server=server)


def _store(database: Database, clock: Clock) -> _Store:
    order = ChangeOrder(database)
    return _Store(
        database=database,
        order=order,
        journal=SqlJournal(database=database, clock=clock, order=order),
        endings=SqlDeliveryEndings(database=database, order=order),
    )


def _senders(settings: MailerSettings, node: Node, store: _Store, publisher: DeliveryPublisher, clock: Clock) -> list[ChannelSender]:
    """An engine for each channel that has providers: a queue, a failover and claims of its own."""
    parts = Parts(clock=clock, breakers=node.breakers, meter=publisher.meter)
    rule = _sending_rule(settings, sole=store.database.dialect == "sqlite")
    return [
        ChannelSender(
            queue=SqlDeliveryQueue(channel=channel.name, database=store.database, order=store.order),
            journal=store.journal,
            providers=ProviderFailover([TracedProvider(provider=provider, telemetry=node.telemetry) for provider in providers]),
            publisher=publisher,
            clock=clock,
            rule=rule,
        )
        for channel in table().values()
        if (providers := channel.providers(settings, parts))
    ]


def _sending_rule(settings: MailerSettings, *, sole: bool) -> SendingRule:
    retry = RetrySchedule(
        max_deferrals=settings.retry_attempts,
        initial=settings.retry_initial_seconds,
        longest=settings.retry_longest_seconds,
        expiry=settings.expiry_seconds,
    )
    by_priority = {
        DeliveryPriority.CRITICAL: retry.times(settings.retry_critical_factor),
        DeliveryPriority.NORMAL: retry,
        DeliveryPriority.BULK: retry.times(settings.retry_bulk_factor),
    }
    return SendingRule(
        retry=by_priority,
        lease=settings.lease_seconds,
        drain=settings.grace_seconds,
        sole=sole,
        owner=str(ULID()),
        draw=secrets.SystemRandom().random,
    )


def _channels(settings: MailerSettings, senders: Sequence[ChannelSender]) -> Channels:
    wakes = {sender.channel: sender.wake for sender in senders}
    return Channels(
        (channel.channel(settings, wake=wakes.get(channel.name)) for channel in table().values()),
        default=settings.resolved_default_channel,
    )


def _checks(senders: Sequence[ChannelSender]) -> dict[str, Check]:
    """What health tells of sending: the providers' circuits, and how long the first of each queue has waited."""

    async def providers() -> str:
        faults = [(sender, fault) for sender in senders if (fault := sender.fault())]
        found = "; ".join(fault for _, fault in faults)
        if any([await sender.waiting() is not None for sender, _ in faults]):
            raise Degraded(found)
        return f"{found}; no mail waits" if found else ""

    async def queue() -> str:
        waits = [seconds for sender in senders if (seconds := await sender.waiting()) is not None]
        if not waits:
            return "no mail waits"
        seconds = max(waits)
        words = f"the first mail of the queue has been due for {seconds:.0f} s"
        if seconds > _LONG_SECONDS:
            raise Degraded(words)
        return words

    return {"providers": optional(providers), "queue": optional(queue)}
