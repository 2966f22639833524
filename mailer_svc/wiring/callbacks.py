"""What comes back: callbacks, reports and returned mail; and what callers are told."""

import secrets
from collections.abc import Sequence

from mailer_svc.bounces import AlertMail, BounceDoor, BounceListener, LeavingMail, MailTaker, ReplyMail, ReturnedMail
from mailer_svc.channels.email import reply_paths, return_paths
from mailer_svc.channels.mime import Sender
from mailer_svc.clients import IntakeClient, StatusCallbackPoster
from mailer_svc.config import MailerSettings
from mailer_svc.metrics import BounceMetrics
from mailer_svc.service import (
    ProviderCallbacks,
    StatusCallbacks,
    StatusReporting,
    Unsubscribing,
)
from mailer_svc.service.replying import Replying
from mailer_svc.service.status_callbacks import STATUS_CALLBACKS_AT_ONCE
from mailer_svc.store import (
    SqlStatusCallbackStore,
)
from mailer_svc.wiring.sending import Sending
from mailer_svc.wiring.storage import MailStorage
from tocsin.clock import Clock
from tocsin.egress.client import HttpClient, HttpLimits
from tocsin.lifecycle import Component
from tocsin.node import Node

_CALLBACK_SECONDS = 20.0


class Callbacks:
    """What providers tell us, and what we tell the callers of notifications."""

    def __init__(
        self,
        node: Node,
        settings: MailerSettings,
        clock: Clock,
        storage: MailStorage,
        sending: Sending,
        reporting: StatusReporting,
    ) -> None:
        limits = HttpLimits(connections=STATUS_CALLBACKS_AT_ONCE, total_seconds=_CALLBACK_SECONDS)
        client = HttpClient(allowed=settings.allowed_targets, https_only=True, limits=limits)
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


def incoming_mail(
    node: Node, settings: MailerSettings, reporting: StatusReporting, unsubscribing: Unsubscribing, replying: Replying
) -> Sequence[Component]:
    """The listener for mails that come back, or are for us, if there is to be one."""
    metrics = BounceMetrics(node.telemetry.registry)
    if not settings.bounce_port:
        return ()
    takers: list[MailTaker] = []
    if paths := return_paths(settings.smtp_return_path, node.installation_key):
        takers.append(ReturnedMail(paths=paths, reports=reporting))
    if settings.smtp_unsubscribe_address:
        takers.append(LeavingMail(address=settings.smtp_unsubscribe_address, unsubscribing=unsubscribing))
    if paths := reply_paths(settings.reply_address, node.installation_key):
        takers.append(ReplyMail(paths=paths, replying=replying))
    if settings.intake_domain:
        own = Sender.parse(settings.smtp_from).domain
        takers.append(AlertMail(domain=settings.intake_domain, intake=IntakeClient(mesh=node.mesh), own_domain=own))
    door = BounceDoor(takers=takers, metrics=metrics)
    return (BounceListener(host=settings.host, port=settings.bounce_port, door=door),)
