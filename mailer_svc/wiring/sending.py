"""The far ends, and what sends to them."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ulid import ULID

from mailer_svc.channels import Parts, table
from mailer_svc.channels.email import reply_paths
from mailer_svc.channels.kinds import KindTable
from mailer_svc.channels.push import given_key, push_keys
from mailer_svc.clients import SchedulerClient
from mailer_svc.config import MailerSettings
from mailer_svc.domain import Channels, Priority, RetrySchedule
from mailer_svc.metrics import DeliveryMetrics
from mailer_svc.ports import Meter, Provider
from mailer_svc.service import (
    ChannelLanes,
    ChannelSender,
    DeliveryHousekeeper,
    DeliveryPublisher,
    InstalledProvider,
    ProviderFailover,
    Providers,
    Reporter,
    Retention,
    SendingRule,
    TenantLanes,
)
from mailer_svc.store import (
    SqlAddressRetirement,
    SqlDeliveryHousekeepingStore,
    SqlDeliveryQueue,
    SqlProviderStore,
    SqlReports,
)
from mailer_svc.tracing import TracedProvider
from mailer_svc.wiring.archiving import archiver
from mailer_svc.wiring.storage import MailStorage
from tocsin.channels import CHANNELS
from tocsin.clock import Clock
from tocsin.lifecycle import Component
from tocsin.node import Node
from tocsin.sealing import Sealer


class FarEnds:
    """The far ends: those of the installation, which settings name, and those of tenants, which are stored."""

    def __init__(self, node: Node, settings: MailerSettings, clock: Clock, storage: MailStorage, meter: Meter) -> None:
        parts = Parts(
            clock=clock,
            breakers=node.breakers,
            meter=meter,
            key=node.installation_key,
            public_link=settings.public_link,
            reply_paths=reply_paths(settings.reply_address, node.installation_key),
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


class Sending:
    """What sends messages, tells what became of them, and forgets them in the end."""

    def __init__(self, node: Node, settings: MailerSettings, clock: Clock, storage: MailStorage) -> None:
        self.publisher = DeliveryPublisher(hints=storage.hints, meter=DeliveryMetrics(node.telemetry.registry, channels=CHANNELS))
        self.far_ends = FarEnds(node, settings, clock, storage, self.publisher.meter)
        self.senders = _senders(node, settings, storage, self.far_ends, self.publisher, clock)
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
            archiver=archiver(node, settings, storage.database, clock),
        )

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self.far_ends.lanes, *self.senders, self._reporter, self._housekeeper)


def _senders(
    node: Node, settings: MailerSettings, storage: MailStorage, providers: FarEnds, publisher: DeliveryPublisher, clock: Clock
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
            active=lambda tenant: node.tenants.book().active(tenant),
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


def _retention(settings: MailerSettings) -> Retention:
    return Retention(
        inbox=settings.inbox_retention_seconds,
        deliveries=settings.delivery_retention_seconds,
        rotations=settings.rotation_retention_seconds,
        waiting=settings.expiry_seconds,
        interval=settings.cleanup_interval_seconds,
    )
