"""The health of services outside of the mesh: shown beside Tocsin's own, and never part of it."""

import asyncio
from collections.abc import Sequence

from gateway.domain import Dependency, HealthLevel, ReplicaStatus, ServiceView
from tocsin.errors import TocsinError
from tocsin.mesh.client import Mesh, Presence


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
        found = await self._mesh.presence(name, address, timeout=self._timeout)
        if found in (Presence.SERVING, Presence.ANSWERS):
            return _status(address, HealthLevel.HEALTHY)
        detail = "it cannot be reached" if found is Presence.AWAY else "it says that it is not serving"
        return _status(address, HealthLevel.UNAVAILABLE, detail)


def _status(address: str, health: HealthLevel, detail: str = "") -> ReplicaStatus:
    reasons = [Dependency(name="service", health=health, detail=detail)] if detail else []
    return ReplicaStatus(address=address, health=health, dependencies=reasons)
