"""Composition root of the mailer: storage, then templates, then what sends, then the server; each knows those before it."""

from ulid import ULID

from mailer_svc.config import MailerSettings
from mailer_svc.service import (
    StatusReporting,
)
from mailer_svc.store import SqlStatusReports
from mailer_svc.wiring.archiving import purger
from mailer_svc.wiring.callbacks import Callbacks, incoming_mail
from mailer_svc.wiring.notifying import Notifying
from mailer_svc.wiring.people import unsubscribing_of
from mailer_svc.wiring.sending import Sending
from mailer_svc.wiring.server import mail_server
from mailer_svc.wiring.storage import MailStorage, Templating
from tocsin.clock import Clock
from tocsin.lifecycle import App
from tocsin.mesh.jwks import JwksSource
from tocsin.node import Node


def build(settings: MailerSettings, clock: Clock, *, jwks: JwksSource | None = None) -> App:
    """Puts the mailer together; nothing starts. ``jwks`` replaces auth_svc as the source of keys."""
    node = Node(settings=settings, clock=clock, jwks=jwks)
    storage = MailStorage(node, settings, clock)
    templating = Templating(node, settings, clock, storage)
    sending = Sending(node, settings, clock, storage)
    notifying = Notifying(node, settings, clock, storage, templating, sending)
    reporting = StatusReporting(
        store=SqlStatusReports(database=storage.database, order=storage.order),
        publisher=sending.publisher,
        clock=clock,
        new_id=lambda: str(ULID()),
    )
    unsubscribing = unsubscribing_of(node, clock, database=storage.database)
    callbacks = Callbacks(node, settings, clock, storage, sending, reporting)
    server = mail_server(node, clock, storage, templating, sending, notifying, unsubscribing, reporting, callbacks)
    incoming = incoming_mail(node, settings, reporting, unsubscribing, notifying.replying)
    parts = [
        node.installation_key,
        *storage.parts,
        templating.pool,
        *sending.parts,
        *notifying.parts,
        *callbacks.parts,
        *storage.watches,
        *incoming,
        purger(node, settings, storage.database, clock),
    ]
    return App(name=node.name, components=[*node.components, *parts], server=server)
