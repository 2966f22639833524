"""A processor between a real scheduler and a real mailer, and a gateway before them, all in this process, over mTLS."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.config import GatewaySettings
from gateway.wiring import build as build_gateway
from mailer_svc.config import MailerSettings
from mailer_svc.wiring import build as build_mailer
from processor_svc.config import ProcessorSettings
from processor_svc.wiring import build as build_processor
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.wiring import build as build_scheduler
from tests.integration.starting import no_lame_duck, prepare_state
from tocsin.api.mailer.v1 import inbox_service_pb2, inbox_service_pb2_grpc
from tocsin.api.mesh.v1 import mesh_service_pb2, mesh_service_pb2_grpc
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, alarm_service_pb2_grpc, firing_service_pb2, firing_service_pb2_grpc
from tocsin.clock import Clock, SystemClock
from tocsin.config import ServiceSettings
from tocsin.lifecycle import App
from tocsin.mesh.authority import ensure_pki
from tocsin.node import Node
from tocsin.testing.process import free_port
from tocsin.testing.tokens import TokenMint

SERVICES = ("gateway", "scheduler_svc", "processor_svc", "mailer_svc")
SCOPES = (
    "alarms:write",
    "alarms:read",
    "firings:read",
    "tasks:write",
    "tasks:read",
    "records:write",
    "records:read",
    "inbox:read",
    "events:write",
    "events:read",
)


class Neighbours:
    """Three services that find one another at fixed ports, and a caller that stands where the gateway does."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.mint = TokenMint(clock=self.clock)
        self.folder = folder
        self.ports = {service: free_port() for service in SERVICES[1:]}
        ensure_pki(folder=folder / "pki", services=SERVICES, trust_domain="tocsin.local", clock=SystemClock())
        self.extra: dict[str, dict[str, Any]] = {}
        """Settings of a service beside those that all have, by its name."""
        self.caller = Node(settings=self._settings(_CallerSettings, "gateway"), clock=self.clock, jwks=self.mint.fetch)
        self.apps: dict[str, App] = {}

    def _settings(self, kind: Any, service: str) -> Any:
        return kind(
            state_dir=self.folder,
            port=self.ports.get(service, 0),
            metrics_port=0,
            grace_seconds=0.5,
            scheduler_target=f"127.0.0.1:{self.ports['scheduler_svc']}",
            processor_target=f"127.0.0.1:{self.ports['processor_svc']}",
            mailer_target=f"127.0.0.1:{self.ports['mailer_svc']}",
            **self.extra.get(service, {}),
        )

    def processor_settings(self) -> ProcessorSettings:
        """The settings that `start` gives the processor."""
        made: ProcessorSettings = self._settings(ProcessorSettings, "processor_svc")
        return made

    async def start(self, *services: str) -> None:
        """Starts new instances of ``services`` on the state that is there."""
        for service in services:
            kind, build = {
                "scheduler_svc": (SchedulerSettings, build_scheduler),
                "processor_svc": (ProcessorSettings, build_processor),
                "mailer_svc": (MailerSettings, build_mailer),
                "gateway": (GatewaySettings, build_gateway),
            }[service]
            await prepare_state(self.folder, service)
            app: App = build(no_lame_duck(self._settings(kind, service)), self.clock, jwks=self.mint.fetch)
            await app.start()
            self.apps[service] = app

    @property
    def url(self) -> str:
        """Where the gateway speaks HTTP."""
        return self.apps["gateway"].http_url

    async def stop(self, *services: str) -> None:
        """Drains and stops ``services``."""
        for service in services:
            await self.apps.pop(service).stop()

    def stub(self, kind: Any, service: str) -> Any:
        """A stub of the caller."""
        return kind(self.caller.mesh.channel(service))

    async def alarm(self, subject: str) -> str:
        """Makes an alarm that rings in a second, once; its resource name."""
        notify = alarm_pb2.Notify(to=["ann@example.com"], subject=subject, text="hello")
        alarm = alarm_pb2.Alarm(action=alarm_pb2.Action(notify=notify))
        alarm.trigger.every.FromSeconds(1)
        alarm.trigger.count = 1
        made = await self.stub(alarm_service_pb2_grpc.AlarmServiceStub, "scheduler_svc").CreateAlarm(
            alarm_service_pb2.CreateAlarmRequest(alarm=alarm)
        )
        return str(made.name)

    async def firing(self, alarm: str) -> firing_service_pb2.Firing | None:
        """The one firing of ``alarm``, once there is one."""
        page = await self.stub(firing_service_pb2_grpc.FiringServiceStub, "scheduler_svc").ListFirings(
            firing_service_pb2.ListFiringsRequest(filter=f'alarm="{alarm}"')
        )
        return page.firings[0] if page.firings else None

    async def health(self, service: str) -> dict[str, str]:
        """What the service says of what it needs: "healthy", or the reason why it is not, by name."""
        status = await self.stub(mesh_service_pb2_grpc.MeshServiceStub, service).GetStatus(mesh_service_pb2.GetStatusRequest())
        return {one.name: one.detail or "healthy" for one in status.dependencies}

    async def subjects(self) -> list[str]:
        """The subjects in the inbox."""
        page = await self.stub(inbox_service_pb2_grpc.InboxServiceStub, "mailer_svc").ListMessages(inbox_service_pb2.ListMessagesRequest())
        return [message.subject for message in page.messages]


@asynccontextmanager
async def calling(folder: Path) -> AsyncGenerator[Neighbours]:
    """Neighbours of which nothing runs yet; what is started ends with them."""
    made = Neighbours(folder)
    for component in made.caller.components:
        await component.start()
    yield made
    for service in list(made.apps):
        await made.stop(service)
    for component in reversed(made.caller.components):
        await component.stop()


class _CallerSettings(ServiceSettings):
    service = "gateway"
