"""mailer_svc in this process, a processor's stream to it, and a gateway's client side."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mailer_svc.config import MailerSettings
from mailer_svc.wiring import build
from tests.integration.callers import mesh_of
from tests.integration.starting import no_lame_duck, prepare_state
from tocsin.api.mailer.v1 import (
    category_service_pb2_grpc,
    delivery_service_pb2,
    delivery_service_pb2_grpc,
    feed_service_pb2_grpc,
    group_service_pb2_grpc,
    inbox_service_pb2,
    inbox_service_pb2_grpc,
    notification_service_pb2,
    notification_service_pb2_grpc,
    preference_service_pb2_grpc,
    recipient_service_pb2_grpc,
    rotation_service_pb2_grpc,
    simple_notification_service_pb2_grpc,
    suppression_service_pb2_grpc,
    template_service_pb2,
    template_service_pb2_grpc,
)
from tocsin.api.mesh.v1 import mesh_service_pb2, mesh_service_pb2_grpc
from tocsin.clock import Clock, SystemClock
from tocsin.lifecycle import App
from tocsin.mesh.authority import ensure_pki
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import acting_as
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.tokens import TokenMint
from tocsin.testing.waiting import eventually

SCOPES = (
    "deliveries:read",
    "deliveries:write",
    "inbox:read",
    "notifications:read",
    "notifications:write",
    "recipients:read",
    "recipients:write",
    "templates:read",
    "templates:write",
)
State = delivery_service_pb2.Delivery.State


def message(key: int = 1, **fields: Any) -> delivery_service_pb2.OutgoingMessage:
    """A good message; ``fields`` replace its own."""
    values: dict[str, Any] = {"key": key, "tenant": "t1", "firing": f"f{key}", "alarm": "alarms/a1", "to": "ann@example.com", "lane": 2}
    if "template" not in fields:
        values["inline"] = delivery_service_pb2.InlineContent(subject="Stand-up", text="In five minutes.")
    return delivery_service_pb2.OutgoingMessage(**{**values, **fields})


class Rig:
    """A state folder, mailer_svc on it, and callers."""

    def __init__(self, *, folder: Path, clock: Clock | None = None, **settings: Any) -> None:
        self.folder = folder
        self.clock = clock or SystemClock()
        self.mint = TokenMint(clock=self.clock)
        self.tenant = "t1"
        self._settings = settings
        self._meshes: list[Mesh] = []
        self.app: App | None = None
        ensure_pki(
            folder=folder / "pki",
            services=["auth_svc", "mailer_svc", "processor_svc", "scheduler_svc", "gateway"],
            trust_domain="tocsin.local",
            clock=SystemClock(),
        )

    async def start(self, **settings: Any) -> None:
        """Starts mailer_svc; ``settings`` are added to those before."""
        self._settings |= settings
        common: dict[str, Any] = {"state_dir": self.folder, "port": 0, "metrics_port": 0, "grace_seconds": 0}
        await prepare_state(self.folder, "mailer_svc")
        self.app = build(no_lame_duck(MailerSettings(**common | self._settings)), self.clock, jwks=self.mint.fetch)
        await self.app.start()
        self.connect(self.app.address)

    def connect(self, address: str) -> None:
        """Makes the stubs for a mailer at ``address``."""
        self._address = address
        gateway: Any = self.mesh_of("gateway").channel("mailer_svc")
        self.deliveries: Any = delivery_service_pb2_grpc.DeliveryServiceStub(gateway)
        self.templates: Any = template_service_pb2_grpc.TemplateServiceStub(gateway)
        self.simple: Any = simple_notification_service_pb2_grpc.SimpleNotificationServiceStub(gateway)
        self.notifications: Any = notification_service_pb2_grpc.NotificationServiceStub(gateway)
        self.mesh: Any = mesh_service_pb2_grpc.MeshServiceStub(gateway)
        self.recipients: Any = recipient_service_pb2_grpc.RecipientServiceStub(gateway)
        self.rotations: Any = rotation_service_pb2_grpc.RotationServiceStub(gateway)
        self.feeds: Any = feed_service_pb2_grpc.FeedServiceStub(gateway)
        self.groups: Any = group_service_pb2_grpc.GroupServiceStub(gateway)
        self.categories: Any = category_service_pb2_grpc.CategoryServiceStub(gateway)
        self.preferences: Any = preference_service_pb2_grpc.PreferenceServiceStub(gateway)
        self.suppressions: Any = suppression_service_pb2_grpc.SuppressionServiceStub(gateway)
        self.inbox: Any = inbox_service_pb2_grpc.InboxServiceStub(gateway)
        processor: Any = self.mesh_of("processor_svc").channel("mailer_svc")
        self.processor: Any = delivery_service_pb2_grpc.DeliveryServiceStub(processor)

    async def stop(self) -> None:
        """Stops everything."""
        for mesh in self._meshes:
            await mesh.stop()
        self._meshes.clear()
        if self.app is not None:
            await self.app.stop()

    def mesh_of(self, name: str) -> Mesh:
        """The client side of a service."""
        mesh = mesh_of(name, folder=self.folder, mailer_target=self._address)
        self._meshes.append(mesh)
        return mesh

    def user(self, tenant: str = "", *, scopes: Iterable[str] = SCOPES) -> Any:
        """The context in which calls are made for a user of ``tenant``, that of the rig unless given."""
        return acting_as(self.mint.mint(tenant=tenant or self.tenant, scopes=scopes))

    async def deliver(
        self, *messages: delivery_service_pb2.OutgoingMessage, contexts: Sequence[str] = ()
    ) -> list[delivery_service_pb2.DeliverAck]:
        """Hands one batch in; the acknowledgements by key."""
        stream = DeliverStream(self)
        await stream.send(*messages, contexts=contexts)
        acks = await stream.acks(len(messages))
        await stream.finish()
        return sorted(acks, key=lambda ack: ack.key)

    async def notify(self, tenant: str = "", *, request_id: str = "", **fields: Any) -> notification_service_pb2.Notification:
        """Sends a notification; ``fields`` replace its own."""
        values: dict[str, Any] = {} if "template" in fields else {"subject": "Stand-up", "text": "In five minutes."}
        request = notification_service_pb2.SendNotificationRequest(
            notification=notification_service_pb2.Notification(**values | fields), request_id=request_id
        )
        with self.user(tenant):
            return await self.notifications.SendNotification(request)

    async def notification(self, name: str, tenant: str = "") -> notification_service_pb2.Notification:
        """One notification."""
        with self.user(tenant):
            return await self.notifications.GetNotification(notification_service_pb2.GetNotificationRequest(name=name))

    async def expanded(self, name: str, tenant: str = "") -> notification_service_pb2.Notification:
        """The notification, once all its deliveries are made."""

        async def there() -> bool:
            return (await self.notification(name, tenant)).state == notification_service_pb2.Notification.COMPLETED

        await eventually(there, what=f"{name} COMPLETED")
        return await self.notification(name, tenant)

    async def get(self, name: str, tenant: str = "") -> delivery_service_pb2.Delivery:
        """One delivery."""
        with self.user(tenant):
            return await self.deliveries.GetDelivery(delivery_service_pb2.GetDeliveryRequest(name=name))

    async def health(self) -> dict[str, tuple[str, str]]:
        """What the mailer says of what it needs: health and detail, by name."""
        status = await self.mesh.GetStatus(mesh_service_pb2.GetStatusRequest())
        names = mesh_service_pb2.Status.Health
        return {item.name: (names.Name(item.health), item.detail) for item in status.dependencies}

    async def settled(self, name: str, state: "delivery_service_pb2.Delivery.State.ValueType") -> delivery_service_pb2.Delivery:
        """The delivery, once it is ``state``."""

        async def there() -> bool:
            return (await self.get(name)).state == state

        await eventually(there, what=f"{name} in state {State.Name(state)}")
        return await self.get(name)

    async def messages(self, tenant: str = "") -> list[inbox_service_pb2.InboxMessage]:
        """The inbox, up to 1000 messages."""
        with self.user(tenant):
            page = await self.inbox.ListMessages(inbox_service_pb2.ListMessagesRequest(page_size=1000))
        return list(page.messages)

    async def template(self, name: str = "templates/greeting", *, tenant: str = "", **fields: Any) -> template_service_pb2.Template:
        """Makes a template."""
        values: dict[str, Any] = {"name": name, "subject": "Hi {{ name }}", "text": "Hello {{ name }}.\n", **fields}
        given = template_service_pb2.Template(**values)
        with self.user(tenant):
            return await self.templates.CreateTemplate(template_service_pb2.CreateTemplateRequest(template=given))


class DeliverStream:
    """A Deliver stream, held by hand."""

    def __init__(self, rig: Rig) -> None:
        self._outgoing: asyncio.Queue[delivery_service_pb2.DeliverRequest | None] = asyncio.Queue()
        self.call: Any = rig.processor.Deliver(self._requests())
        self.responses = aiter(self.call)
        self.drained = False

    async def _requests(self) -> Any:
        while (request := await self._outgoing.get()) is not None:
            yield request

    async def send(self, *messages: delivery_service_pb2.OutgoingMessage, contexts: Sequence[str] = ()) -> None:
        """Sends one batch."""
        await self._outgoing.put(delivery_service_pb2.DeliverRequest(messages=messages, contexts=contexts))

    async def acks(self, count: int) -> list[delivery_service_pb2.DeliverAck]:
        """The next ``count`` acknowledgements or those until the end."""
        found: list[delivery_service_pb2.DeliverAck] = []
        while len(found) < count:
            response = await anext(self.responses, None)
            if response is None:
                break
            found.extend(response.acks)
            self.drained = self.drained or response.drain
        return found

    async def finish(self) -> list[delivery_service_pb2.DeliverResponse]:
        """Ends our side; what came until the end."""
        await self._outgoing.put(None)
        return [response async for response in self.responses]


def smtp_settings(sink: SmtpSink, **settings: Any) -> dict[str, Any]:
    """Settings that send mail to ``sink``, quickly."""
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": sink.port,
        "smtp_tls": "none",
        "smtp_from": "Tocsin <tocsin@example.org>",
        "smtp_helo": "mailer.test",
        "smtp_connections": 4,
        "retry_initial_seconds": 0.05,
        **settings,
    }


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """The TLS context of a server named localhost, and the authority to trust for it."""
    pki = folder / "smtp-pki"
    ensure_pki(folder=pki, services=["sink"], trust_domain="tocsin.local", clock=SystemClock())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki / "sink.pem", pki / "sink-key.pem")
    return context, pki / "ca.pem"
