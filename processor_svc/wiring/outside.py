"""What leaves this installation: webhooks, other requests, and looks whether something works."""

import random

from processor_svc.actions import CheckKind, NotifyKind, WebhookKind
from processor_svc.actions.http_request import http_request_handler
from processor_svc.actions.sensor_test import sensor_test_handler
from processor_svc.clients import MeshHealth, SchedulerReadings
from processor_svc.config import ProcessorSettings
from processor_svc.probes import DnsProbe, GrpcProbe, HttpProbe, Probe, SensorProbe, ServiceProbe, SmtpProbe, TcpProbe
from processor_svc.turns import TenantTurns
from tocsin.clock import Clock
from tocsin.egress.client import HttpClient, HttpLimits
from tocsin.egress.network import Connector, SystemResolver, default_tls
from tocsin.node import Node
from tocsin.standard_webhooks import tenant_secret

_LONGEST_SECONDS = 60.0
_TURN_SECONDS = 5.0
_TENANT_SHARE = 4


class Outside:
    """The kinds of action that go beyond the mesh; a component."""

    def __init__(self, node: Node, settings: ProcessorSettings, clock: Clock, notify: NotifyKind) -> None:
        draw = random.Random()  # noqa: S311  jitter, not a secret
        allowed = settings.allowed_targets
        self._resolver = SystemResolver()
        limits = HttpLimits(connections=settings.webhook_concurrency, connect_seconds=_LONGEST_SECONDS, total_seconds=_LONGEST_SECONDS)
        key = node.installation_key
        turns, client = _turns(settings.webhook_concurrency), HttpClient(allowed=allowed, https_only=True, limits=limits)
        self.http_request = http_request_handler(client=client, turns=turns)
        self.webhooks = WebhookKind(
            client=client,
            allowed=allowed,
            secret=lambda tenant: tenant_secret(key.derive, tenant),
            turns=turns,
            clock=clock,
            draw=draw,
        )
        readings = SchedulerReadings(mesh=node.mesh)
        limits = HttpLimits(connections=settings.check_concurrency, connect_seconds=_LONGEST_SECONDS, total_seconds=_LONGEST_SECONDS)
        self._client = HttpClient(allowed=allowed, limits=limits)
        connector = Connector(allowed=allowed, resolve=self._resolver)
        ports = {
            kind.target: kind(connector=connector, allowed=allowed, tls=default_tls(), clock=clock)
            for kind in (TcpProbe, SmtpProbe, GrpcProbe)
        }
        sensors = SensorProbe(readings=readings, clock=clock)
        self.sensor_test = sensor_test_handler(sensors)
        probes: dict[str, Probe] = {
            **ports,
            "http": HttpProbe(client=self._client, allowed=allowed, clock=clock),
            "dns": DnsProbe(allowed=allowed),
            "sensor": sensors,
            "service": ServiceProbe(health=MeshHealth(mesh=node.mesh)),
        }
        self.checks = CheckKind(
            probes=probes, readings=readings, notify=notify, turns=_turns(settings.check_concurrency), clock=clock, draw=draw
        )

    async def start(self) -> None:
        """Connects to nothing yet."""

    async def stop(self) -> None:
        """Closes the connections."""
        await self.webhooks.stop()
        await self._client.close()
        self._resolver.close()


def _turns(total: int) -> TenantTurns:
    return TenantTurns(total=total, each=max(1, total // _TENANT_SHARE), seconds=_TURN_SECONDS)
