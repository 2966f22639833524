"""Spools on files, with a service behind them that a test lets fail."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.idempotency import IdempotentCalls, KeyBounds, SharedKeys
from gateway.metrics import KeyMetrics
from gateway.spool import (
    CallSpooler,
    Forwarder,
    IdempotencyStore,
    Spool,
    SpoolAdmin,
    SpooledCall,
    SpoolFile,
    SpoolRule,
    SpoolStore,
    SpoolTakeover,
    SpoolUse,
    spoolable_methods,
)
from tocsin.api.scheduler.v1 import trigger_service_pb2 as pb
from tocsin.clock import Clock, SystemClock
from tocsin.errors import Unavailable
from tocsin.mesh.context import current as current_call
from tocsin.redis import Redis
from tocsin.sealing import Sealer

EVENT = "/tocsin.api.scheduler.v1.TriggerService/PublishEvent"
PING = "/tocsin.api.scheduler.v1.TriggerService/Ping"
READING = "/tocsin.api.scheduler.v1.TriggerService/RecordReading"
CLOCK = SystemClock()
ROOM = SpoolUse(10_000, 1 << 30)


def rule(*, all: SpoolUse = ROOM, tenant: SpoolUse = ROOM, anonymous: int = 100, address: int = 10) -> SpoolRule:  # noqa: A002  the rule's word
    """A rule with much room."""
    return SpoolRule(all=all, tenant=tenant, anonymous=anonymous, address=address)


class Far:
    """The service behind: away until a test says that it is back.

    Attributes:
        errors: how it fails for topics, for ever or by turns.
        tried: topics in the order in which they came, the failed ones as well.
        seen: tenants and topics of the calls that succeeded.
    """

    def __init__(self) -> None:
        self.away = True
        self.errors: dict[str, Exception] = {}
        self.tried: list[str] = []
        self.seen: list[tuple[str, str]] = []
        self.gate: asyncio.Event | None = None

    def unary(self, path: str) -> Callable[[bytes], Awaitable[bytes]]:
        """What a backend gives.

        Raises:
            LookupError: there is no such method.
        """
        if path not in (EVENT, PING):
            raise LookupError(path)

        async def call(raw: bytes) -> bytes:
            await asyncio.sleep(0)
            if self.away:
                raise Unavailable
            topic = pb.PublishEventRequest.FromString(raw).event.topic if path == EVENT else pb.PingRequest.FromString(raw).key
            self.tried.append(topic)
            if topic in self.errors:
                raise self.errors[topic]
            if self.gate is not None:
                await self.gate.wait()
            served = current_call()
            self.seen.append((served.tenant if served else "", topic))
            return b""

        return call

    @property
    def topics(self) -> list[str]:
        """What succeeded, in order."""
        return [topic for _, topic in self.seen]


def keys_of(
    file: SpoolFile, clock: Clock, *, redis: Redis | None = None, keys: int = 1000, tenant_keys: int = 1000, size: int = 1 << 20
) -> IdempotentCalls:
    """The answers by Idempotency-Key of one gateway."""
    return IdempotentCalls(
        store=IdempotencyStore(file),
        shared=SharedKeys(redis or Redis(url=None, clock=clock), clock=clock),
        sealer=Sealer(lambda: b"installation key of these tests."),
        bounds=KeyBounds(keys=keys, tenant_keys=tenant_keys, size=size),
        clock=clock,
        metrics=KeyMetrics(CollectorRegistry()),
    )


class SpoolRig:
    """A spool over one file, with a forwarder to one service; it can be stopped and opened again."""

    def __init__(self, path: Path, far: Far, *, bounds: SpoolRule | None = None, clock: Clock = CLOCK) -> None:
        self.clock = clock
        self.file = SpoolFile(path=path, clock=clock)
        self.spool = Spool(store=SpoolStore(self.file), rule=bounds or rule(), clock=clock)
        self.forwarder = Forwarder(spool=self.spool, unary=far.unary, clock=clock, registry=CollectorRegistry())
        self.keys = keys_of(self.file, clock)
        self.takeover = SpoolTakeover(file=self.file, spool=self.spool, keys=self.keys, clock=clock)
        self.admin = SpoolAdmin(spool=self.spool, file=self.file)

    def spooler(self, path: str = EVENT) -> CallSpooler:
        """What stands behind the route of an RPC."""
        return CallSpooler(path=path, method=spoolable_methods(self.clock)[path], spool=self.spool, clock=self.clock)

    async def start(self) -> None:
        """Opens it."""
        for part in (self.file, self.keys, self.spool, self.forwarder):
            await part.start()

    async def stop(self) -> None:
        """Closes it; what waits stays."""
        for part in (self.takeover, self.forwarder, self.spool, self.keys, self.file):
            await part.stop()

    async def put(self, topic: str, tenant: str = "acme", *, path: str = EVENT) -> None:
        """Takes an event on."""
        request = pb.PublishEventRequest(event=pb.PublishedEvent(id=topic[:100], topic=topic))
        await self.spool.put(SpooledCall(path, tenant, request.SerializeToString(), "", self.clock.micros(), tenant))
