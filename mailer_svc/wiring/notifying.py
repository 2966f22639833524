"""What makes deliveries."""

from collections.abc import Sequence

from ulid import ULID

from mailer_svc.channels.email import leave_link
from mailer_svc.channels.mime import Sender as MailSender
from mailer_svc.clients import IncidentClient
from mailer_svc.config import MailerSettings
from mailer_svc.domain.answers import AnswerTokens
from mailer_svc.domain.sealed_links import KEY_BYTES
from mailer_svc.service import (
    Accepting,
    Composer,
    DigestCloser,
    Expansion,
    Fanout,
    GapWatch,
    Gates,
    HoldReleaser,
    NotificationChecks,
    Notifications,
    PiiScreen,
    TrialSender,
)
from mailer_svc.service.answering import ANSWER_PATH, Answering
from mailer_svc.service.digest_texts import templated_text
from mailer_svc.service.replying import Replying
from mailer_svc.service.telling_order import TellingOrder
from mailer_svc.store import (
    SqlDeliveryReader,
    SqlNotificationQueue,
    SqlNotificationStore,
)
from mailer_svc.tracing import TracedJournal
from mailer_svc.wiring.sending import Sending
from mailer_svc.wiring.storage import MailStorage, Templating
from tocsin.clock import Clock
from tocsin.lifecycle import Component
from tocsin.node import Node
from tocsin.pii import PiiGuard
from tocsin.pii.feed import PolicyFeed


class Notifying:
    """What makes deliveries: of messages that come by address, and of notifications."""

    def __init__(
        self, node: Node, settings: MailerSettings, clock: Clock, storage: MailStorage, templating: Templating, sending: Sending
    ) -> None:
        people, channels, publisher = storage.people, sending.channels, sending.publisher
        self._policies = PolicyFeed(mesh=node.mesh, clock=clock, file=settings.state_dir / "pii" / f"{node.name}.bin")
        journal = TracedJournal(journal=storage.journal, telemetry=node.telemetry)
        domain = MailSender.parse(settings.smtp_from).domain
        gates = Gates(people=people, clock=clock)
        incidents = IncidentClient(mesh=node.mesh)
        tokens = AnswerTokens(node.installation_key.derive("answers", length=KEY_BYTES))
        base = settings.public_link(ANSWER_PATH)
        self.answering = Answering(
            tokens=tokens,
            incidents=incidents,
            base=base,
            clock=clock,
            replies=bool(settings.reply_address),
            serves=node.tenants.serves_keys,
        )
        asked = SqlDeliveryReader(database=storage.database, order=storage.order)
        self.replying = Replying(asked=asked, incidents=incidents, clock=clock)
        composer = Composer(
            templates=templating.templates,
            renderer=templating.renderer,
            channels=channels,
            gates=gates,
            screen=PiiScreen(guard=PiiGuard(book=self._policies.book, alerts=node.alerts)),
            answering=self.answering,
            domain=domain,
            leave_link=leave_link(node.installation_key, settings.public_link),
        )
        self._releaser = HoldReleaser(
            held=storage.held, gates=gates, incidents=incidents, channels=channels, publisher=publisher, clock=clock
        )
        self._closer = DigestCloser(
            digests=storage.digests,
            gates=gates,
            channels=channels,
            publisher=publisher,
            clock=clock,
            domain=domain,
            texts=templated_text(templating.templates),
        )
        self.fanout = Fanout(
            queue=SqlNotificationQueue(database=storage.database),
            journal=journal,
            expansion=Expansion(people=people, on_call=storage.on_call, channels=channels, clock=clock),
            order=TellingOrder(people=people, incidents=incidents, clock=clock),
            composer=composer,
            channels=channels,
            publisher=publisher,
            clock=clock,
            owner=str(ULID()),
            sole=storage.database.dialect == "sqlite",
        )
        self._gaps = GapWatch(histories=storage.histories, people=people, journal=journal, clock=clock, expand=self.fanout.wake)
        self.accepting = Accepting(
            journal=journal, composer=composer, channels=channels, publisher=publisher, clock=clock, expand=self.fanout.wake
        )
        self.trials = TrialSender(templates=templating.templates, accepting=self.accepting, channels=channels, new_key=lambda: str(ULID()))
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
        return (self._policies, self.fanout, self._releaser, self._closer, self._gaps)
