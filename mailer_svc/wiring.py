"""Composition root of the mailer: a parts list."""

import secrets
from dataclasses import dataclass

from ulid import ULID

from mailer_svc.channels.mime import Sender as MailSender
from mailer_svc.channels.smtp import SmtpConnector, SmtpProvider, SmtpRule, SmtpServer
from mailer_svc.channels.smtp.session import Timeouts
from mailer_svc.clients import SchedulerClient, SchedulerUses
from mailer_svc.config import MailerSettings
from mailer_svc.domain import Channel, DeliveryPriority, RetrySchedule
from mailer_svc.handlers import DeliverStreams, DeliveryHandlers, InboxHandlers, TemplateHandlers
from mailer_svc.metrics import DeliveryMetrics
from mailer_svc.rendering import RenderLimits, RenderPool, TemplateRenderer
from mailer_svc.service import (
    Accepting,
    ChannelSender,
    Deliveries,
    Housekeeping,
    Inbox,
    ProviderFailover,
    Reporter,
    Retention,
    SendingRule,
    Templates,
)
from mailer_svc.smtp_urls import SmtpUrl, TlsMode, parse_urls
from mailer_svc.store import (
    ChangeOrder,
    SqlCleaner,
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
    queue: SqlDeliveryQueue


def build(settings: MailerSettings, clock: Clock, *, jwks: JwksSource | None = None) -> App:
    """Puts the mailer together; nothing starts. ``jwks`` replaces auth_svc as the source of keys."""
    node = Node(settings=settings, clock=clock, jwks=jwks)
    store = _store(node.database(settings), clock)
    database = store.database
    redis = Redis.of(settings, clock=clock)
    hints = EventBus(redis=redis, clock=clock)
    meter = DeliveryMetrics(node.telemetry.registry)
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
    sender = _sender(settings, node, store, hints, meter, clock)
    channels = frozenset(Channel) if sender else frozenset({Channel.INBOX})
    accepting = Accepting(
        journal=TracedJournal(journal=store.journal, telemetry=node.telemetry),
        templates=templates,
        renderer=renderer,
        hints=hints,
        meter=meter,
        default_channel=Channel(settings.default_channel or ("email" if sender else "inbox")),
        email=sender is not None,
        domain=MailSender.parse(settings.smtp_from).domain,
        wake=sender.wake if sender else _nothing,
    )
    streams = DeliverStreams(accepting=accepting)
    deliveries = Deliveries(
        reader=SqlDeliveryReader(database=database, order=store.order),
        queue=store.queue,
        hints=hints,
        clock=clock,
        wake=sender.wake if sender else None,
    )
    inbox = Inbox(reader=SqlInboxReader(database=database))
    retention = Retention(
        inbox=settings.inbox_retention_seconds,
        deliveries=settings.delivery_retention_seconds,
        interval=settings.cleanup_interval_seconds,
    )
    housekeeping = Housekeeping(cleaner=SqlCleaner(database=database), clock=clock, retention=retention)
    server = node.server(
        checks={"database": database.check, **(_checks(sender) if sender else {})},
        handlers=[
            (delivery_service_pb2_grpc.add_DeliveryServiceServicer_to_server, DeliveryHandlers(streams=streams, deliveries=deliveries)),
            (template_service_pb2_grpc.add_TemplateServiceServicer_to_server, TemplateHandlers(templates=templates, channels=channels)),
            (inbox_service_pb2_grpc.add_InboxServiceServicer_to_server, InboxHandlers(inbox=inbox)),
        ],
    )
    server.on_drain(streams.drain)
    server.on_drain(pool.drain)
    reporter = Reporter(reports=SqlReports(database=database), scheduler=SchedulerClient(mesh=node.mesh), clock=clock)
    working = [pool, *([sender] if sender else []), reporter, housekeeping]
    return App(name=node.name, components=[*node.components, database, redis, hints, store.journal, *working], server=server)


def _store(database: Database, clock: Clock) -> _Store:
    order = ChangeOrder(database)
    return _Store(
        database=database,
        order=order,
        journal=SqlJournal(database=database, clock=clock, order=order),
        queue=SqlDeliveryQueue(database=database, order=order),
    )


def _sender(
    settings: MailerSettings, node: Node, store: _Store, hints: EventBus, meter: DeliveryMetrics, clock: Clock
) -> ChannelSender | None:
    """The engine, if there is a provider for it."""
    if not settings.smtp_host:
        return None
    providers = _smtp(settings, node, clock)
    meter.watch_connections(lambda: sum(provider.connections for provider in providers))
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
    return ChannelSender(
        queue=store.queue,
        journal=store.journal,
        providers=ProviderFailover([TracedProvider(provider=provider, telemetry=node.telemetry) for provider in providers]),
        hints=hints,
        meter=meter,
        clock=clock,
        rule=SendingRule(
            retry=by_priority, lease=settings.lease_seconds, drain=settings.grace_seconds, sole=store.database.dialect == "sqlite"
        ),
        owner=str(ULID()),
        draw=secrets.SystemRandom().random,
    )


def _smtp(settings: MailerSettings, node: Node, clock: Clock) -> list[SmtpProvider]:
    """A provider for each server, the preferred one first; each with a breaker of its own."""
    password = settings.smtp_password
    first = SmtpUrl(
        settings.smtp_host,
        settings.resolved_smtp_port,
        TlsMode(settings.smtp_tls),
        settings.smtp_username,
        password.get_secret_value() if password else "",
    )
    further = parse_urls(settings.smtp_fallbacks.get_secret_value()) if settings.smtp_fallbacks else []
    names = ["smtp", *(f"smtp-{place}" for place, _ in enumerate(further, start=2))]
    return [
        SmtpProvider(
            connector=SmtpConnector(server=_server(settings, url)),
            sender=MailSender.parse(settings.smtp_from),
            breaker=node.breakers.get(id=name, target="smtp"),
            rule=SmtpRule(
                connections=settings.smtp_connections, idle_seconds=settings.smtp_idle_seconds, messages=settings.smtp_connection_messages
            ),
            clock=clock,
            name=name,
        )
        for name, url in zip(names, [first, *further], strict=True)
    ]


def _server(settings: MailerSettings, url: SmtpUrl) -> SmtpServer:
    return SmtpServer(
        host=url.host,
        port=url.port,
        tls=url.tls,
        ca_file=settings.smtp_ca_file,
        username=url.username,
        password=url.password,
        helo=settings.smtp_helo,
        connect_seconds=settings.smtp_connect_timeout_seconds,
        timeouts=Timeouts(command=settings.smtp_command_timeout_seconds, end=settings.smtp_end_timeout_seconds),
    )


def _checks(sender: ChannelSender) -> dict[str, Check]:
    """What health tells of sending: the providers' circuits, and how long the first of the queue has waited."""

    async def providers() -> str:
        fault = sender.fault()
        if fault and await sender.waiting() is not None:
            raise Degraded(fault)
        return f"{fault}; no mail waits" if fault else ""

    async def queue() -> str:
        seconds = await sender.waiting()
        if seconds is None:
            return "no mail waits"
        words = f"the first mail of the queue has been due for {seconds:.0f} s"
        if seconds > _LONG_SECONDS:
            raise Degraded(words)
        return words

    return {"providers": optional(providers), "queue": optional(queue)}


def _nothing() -> None:
    """Nobody waits to be woken."""
