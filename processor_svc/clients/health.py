"""The client of what every service says of itself."""

import asyncio
from typing import Any

from tocsin.api.mesh.v1 import mesh_service_pb2, mesh_service_pb2_grpc
from tocsin.config.settings import service_name
from tocsin.errors import TocsinError
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import detached

_STATUS = mesh_service_pb2.Status


class MeshHealth:
    """Implements `processor_svc.ports.ServiceHealth`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._mesh = mesh

    async def of(self, service: str) -> str:
        """Asks every replica: healthy when all are, unavailable when none can work."""
        target = service_name(service)
        with detached():
            try:
                addresses = await self._mesh.endpoints(target)
            except TocsinError:
                addresses = ()
            found = await asyncio.gather(*(self._ask(target, address) for address in addresses))
        if found and all(health == _STATUS.HEALTHY for health in found):
            return "healthy"
        return "degraded" if any(health in (_STATUS.HEALTHY, _STATUS.DEGRADED) for health in found) else "unavailable"

    async def _ask(self, target: str, address: str) -> int:
        stub: Any = mesh_service_pb2_grpc.MeshServiceStub(self._mesh.channel(target, endpoint=address))
        try:
            return int((await stub.GetStatus(mesh_service_pb2.GetStatusRequest())).health)
        except TocsinError:
            return int(_STATUS.UNAVAILABLE)
