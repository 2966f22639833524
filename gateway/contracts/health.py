"""The health of services outside of the mesh: shown beside Tocsin's own, and never part of it."""

import asyncio
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2

from gateway.domain import Dependency, HealthLevel, ReplicaStatus, ServiceView
from tocsin.errors import TocsinError
from tocsin.mesh.client import Mesh

_CHECK = "/grpc.health.v1.Health/Check"


class ForeignStatusSource:
    """Asks each endpoint of a service by grpc.health.v1; one that does not speak it can be reached, which is all that is known."""

    def __init__(self, *, mesh: Mesh, timeout_seconds: float) -> None:
        """Makes the source; an endpoint has ``timeout_seconds`` to answer."""
        self._mesh = mesh
        self._timeout = timeout_seconds

    async def views(self) -> Sequence[ServiceView]:
        """Every service of the contracts that are served now."""
        return await asyncio.gather(*(self._view(name) for name in self._mesh.foreign))

    async def _view(self, name: str) -> ServiceView:
        try:
            async with asyncio.timeout(self._timeout):
                addresses = await self._mesh.endpoints(name)
        except (TocsinError, TimeoutError):
            addresses = []
        if not addresses:
            return ServiceView(service=name, replicas=[_status("unresolved", HealthLevel.UNAVAILABLE, "its name has no address")])
        return ServiceView(service=name, replicas=await asyncio.gather(*(self._ask(name, address) for address in addresses)))

    async def _ask(self, name: str, address: str) -> ReplicaStatus:
        check = self._mesh.probe(name, address).unary_unary(
            _CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return _status(address, HealthLevel.UNAVAILABLE, "it cannot be reached")
            return _status(address, HealthLevel.HEALTHY)  # it answers: whether it can work is not said
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return _status(address, HealthLevel.HEALTHY)
        return _status(address, HealthLevel.UNAVAILABLE, "it says that it is not serving")


def _status(address: str, health: HealthLevel, detail: str = "") -> ReplicaStatus:
    reasons = [Dependency(name="service", health=health, detail=detail)] if detail else []
    return ReplicaStatus(address=address, health=health, dependencies=reasons)
