"""What is served."""

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
from mailer_svc.handlers.account_mails import AccountMailHandlers
from mailer_svc.handlers.answering import AnswerHandlers
from mailer_svc.handlers.health import sending_checks
from mailer_svc.service import (
    Deliveries,
    Inbox,
    StatusReporting,
    Unsubscribing,
)
from mailer_svc.service.account_mails import InstallationMails
from mailer_svc.service.alert_readers import AlertReaders
from mailer_svc.store import (
    SqlDeliveryReader,
    SqlInboxReader,
    SqlQueueHeads,
)
from mailer_svc.store.quotas import SqlMessageUsage
from mailer_svc.wiring.callbacks import Callbacks
from mailer_svc.wiring.notifying import Notifying
from mailer_svc.wiring.people import people_handlers
from mailer_svc.wiring.sending import Sending
from mailer_svc.wiring.storage import MailStorage, Templating
from tocsin.api.mailer.v1 import (
    account_mail_service_pb2_grpc,
    answer_service_pb2_grpc,
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
from tocsin.clock import Clock
from tocsin.mesh.health import Check
from tocsin.mesh.server import MeshServer
from tocsin.node import Node


def mail_server(
    node: Node,
    clock: Clock,
    storage: MailStorage,
    templating: Templating,
    sending: Sending,
    notifying: Notifying,
    unsubscribing: Unsubscribing,
    reporting: StatusReporting,
    callbacks: Callbacks,
) -> MeshServer:
    """The server with everything that it serves."""
    channels = sending.channels
    streams = DeliverStreams(accepting=notifying.accepting)
    deliveries = Deliveries(
        reader=SqlDeliveryReader(database=storage.database, order=storage.order),
        endings=storage.endings,
        hints=storage.hints,
        clock=clock,
        channels=channels,
        usage=SqlMessageUsage(storage.database),
    )
    delivery_handlers = DeliveryHandlers(streams=streams, deliveries=deliveries, reports=reporting)
    template_handlers = TemplateHandlers(
        templates=templating.templates, trials=notifying.trials, channels=channels.usable_by, people=storage.people
    )
    provider_handlers = ProviderHandlers(providers=sending.providers)
    inbox_handlers = InboxHandlers(inbox=Inbox(reader=SqlInboxReader(database=storage.database)))
    people, drain_imports = people_handlers(
        node,
        clock,
        database=storage.database,
        channels=channels,
        accepting=notifying.accepting,
        on_call=storage.on_call,
        on_call_watch=storage.on_call_watch,
        rotations=storage.rotations,
        feeds=storage.feeds,
    )
    server = node.server(
        checks={"database": storage.database.check, **_sending_checks(storage, sending, clock)},
        handlers=[
            (delivery_service_pb2_grpc.add_DeliveryServiceServicer_to_server, delivery_handlers),
            (template_service_pb2_grpc.add_TemplateServiceServicer_to_server, template_handlers),
            (inbox_service_pb2_grpc.add_InboxServiceServicer_to_server, inbox_handlers),
            *people,
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
            (
                account_mail_service_pb2_grpc.add_AccountMailServiceServicer_to_server,
                AccountMailHandlers(
                    mails=InstallationMails(accepting=notifying.accepting),
                    readers=AlertReaders(people=storage.people, on_call=storage.on_call, notifications=notifying.notifications),
                ),
            ),
            (answer_service_pb2_grpc.add_AnswerServiceServicer_to_server, AnswerHandlers(answering=notifying.answering)),
            (callback_service_pb2_grpc.add_CallbackServiceServicer_to_server, CallbackHandlers(callbacks=callbacks.received)),
            (provider_service_pb2_grpc.add_ProviderServiceServicer_to_server, provider_handlers),
            (push_service_pb2_grpc.add_PushServiceServicer_to_server, PushHandlers(keys=sending.push_keys)),
        ],
    )
    server.on_drain(streams.drain)
    server.on_drain(drain_imports)
    server.on_drain(templating.pool.drain)
    return server


def _sending_checks(storage: MailStorage, sending: Sending, clock: Clock) -> dict[str, Check]:
    if not sending.senders:
        return {}
    queues = SqlQueueHeads(channels=[sender.channel for sender in sending.senders], database=storage.database)
    return sending_checks(sending.senders, queues, clock)
