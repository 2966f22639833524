"""MeshService: what every service tells about itself, and the operator's orders that it takes."""

from dataclasses import dataclass
from importlib import metadata
from typing import Any

import grpc
from ulid import ULID

from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import mesh_service_pb2_grpc as pb_grpc
from tocsin.clock import Clock
from tocsin.mesh.breaker import BreakerRegistry, BreakerSnapshot, State
from tocsin.mesh.health import Health, HealthMonitor

Context = grpc.aio.ServicerContext[Any, Any]

_HEALTH = {
    Health.HEALTHY: pb.Status.HEALTHY,
    Health.DEGRADED: pb.Status.DEGRADED,
    Health.UNAVAILABLE: pb.Status.UNAVAILABLE,
}
_STATES = {
    State.CLOSED: pb.CircuitBreaker.CLOSED,
    State.OPEN: pb.CircuitBreaker.OPEN,
    State.HALF_OPEN: pb.CircuitBreaker.HALF_OPEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of a process."""

    service: str
    incarnation: str
    version: str
    micros: int

    @classmethod
    def of(cls, service: str, clock: Clock) -> "Start":
        """A start that happens now."""
        return cls(service=service, incarnation=str(ULID()), version=metadata.version("tocsin"), micros=clock.micros())


class MeshServicer(pb_grpc.MeshServiceServicer):
    """Serves MeshService from the process's own state; touches no dependency, so that it answers whatever is down."""

    def __init__(self, *, start: Start, health: HealthMonitor, breakers: BreakerRegistry) -> None:
        self._start = start
        self._health = health
        self._breakers = breakers

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.Status:  # noqa: N802 - the RPC's name
        """The health, the dependencies and the breakers of this process."""
        start = self._start
        status = pb.Status(service=start.service, incarnation=start.incarnation, version=start.version, health=_HEALTH[self._health.health])
        status.start_time.FromMicroseconds(start.micros)
        for item in self._health.dependencies:
            status.dependencies.add(name=item.name, health=_HEALTH[item.health], detail=item.detail)
        status.circuit_breakers.extend(_breaker(snapshot) for snapshot in self._breakers.snapshot())
        return status

    async def ResetBreakers(self, request: pb.ResetBreakersRequest, context: Context) -> pb.ResetBreakersResponse:  # noqa: N802 - the RPC's name
        """Closes the breakers of one target, or all."""
        return pb.ResetBreakersResponse(reset=self._breakers.reset(request.target))


def _breaker(snapshot: BreakerSnapshot) -> pb.CircuitBreaker:
    shown = pb.CircuitBreaker(
        id=snapshot.id, target=snapshot.target, state=_STATES[snapshot.state], failures=snapshot.failures, calls=snapshot.calls
    )
    if snapshot.opened is not None:
        shown.opened_time.FromDatetime(snapshot.opened)
    if snapshot.retry_after is not None:
        shown.retry_after.FromNanoseconds(int(snapshot.retry_after * 1e9))
    return shown
