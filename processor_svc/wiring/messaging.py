"""Brokers that actions publish to, and sources whose messages become events."""

import random

from ulid import ULID

from processor_svc.actions import PublishKind
from processor_svc.brokers import Brokers, SourceReader, SourceSpec, source_of
from processor_svc.clients import SchedulerEvents
from processor_svc.config import ProcessorSettings
from processor_svc.metrics import BrokerMetrics
from processor_svc.turns import TenantTurns
from tocsin.clock import Clock
from tocsin.errors import Unavailable
from tocsin.mesh.health import Check, optional
from tocsin.node import Node

_TURN_SECONDS = 5.0
_TENANT_SHARE = 4


class Messaging:
    """The ways to brokers and from them; a component."""

    def __init__(self, node: Node, settings: ProcessorSettings, clock: Clock) -> None:
        specs, sources = settings.named_brokers, settings.named_sources
        metrics = BrokerMetrics(node.telemetry.registry, brokers=specs, sources=[source.name for source in sources])
        self._brokers = Brokers(specs, clock=clock, breaker=lambda name: node.breakers.get(id=f"broker/{name}", target=f"broker/{name}"))
        total = settings.publish_concurrency
        self.publish = PublishKind(
            brokers=self._brokers,
            turns=TenantTurns(total=total, each=max(1, total // _TENANT_SHARE), seconds=_TURN_SECONDS),
            count=metrics.published,
            clock=clock,
            draw=random.Random(),  # noqa: S311  jitter, not a secret
        )
        events, consumer = SchedulerEvents(mesh=node.mesh), str(ULID())
        self._readers = [_reader(spec, consumer, events, metrics, clock) for spec in sources]
        metrics.watch(self._readers)

    @property
    def checks(self) -> dict[str, Check]:
        """What degrades the health of this service: sources that bring nothing."""
        return {"sources": optional(self._check_sources)} if self._readers else {}

    async def _check_sources(self) -> None:
        if faults := [f"{reader.spec.name}: {reader.fault}" for reader in self._readers if reader.fault]:
            raise Unavailable("; ".join(faults))

    async def start(self) -> None:
        """Reads the sources from now on."""
        await self._brokers.start()
        for reader in self._readers:
            await reader.start()

    async def stop(self) -> None:
        """Closes the connections."""
        for reader in self._readers:
            await reader.stop()
        await self._brokers.stop()


def _reader(spec: SourceSpec, consumer: str, events: SchedulerEvents, metrics: BrokerMetrics, clock: Clock) -> SourceReader:
    return SourceReader(spec, make=lambda: source_of(spec, consumer=consumer), events=events, meter=metrics, clock=clock)
