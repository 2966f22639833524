"""The client of the scheduler's readings; this service is a delegate of its methods."""

import asyncio
from collections.abc import Mapping
from typing import Any

from processor_svc.clients.scheduler import SCHEDULER
from processor_svc.domain import MetricReading
from tocsin.api.scheduler.v1 import trigger_service_pb2, trigger_service_pb2_grpc
from tocsin.clock import SECOND
from tocsin.errors import NotFound
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import acting_for


class SchedulerReadings:
    """Implements `processor_svc.ports.Readings`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub: Any = trigger_service_pb2_grpc.TriggerServiceStub(mesh.channel(SCHEDULER))

    async def latest(self, tenant: str, metric: str) -> MetricReading | None:
        """The reading with the latest time; None without one."""
        with acting_for(tenant):
            try:
                found = await self._stub.GetReading(trigger_service_pb2.GetReadingRequest(metric=metric))
            except NotFound:
                return None
        return MetricReading(found.value, found.time.ToMicroseconds() / SECOND)

    async def record(self, tenant: str, values: Mapping[str, float], *, id: str, source: str) -> None:  # noqa: A002  the word of the contract
        """Records a value of each metric; concurrent calls share a transaction of the scheduler."""
        requests = [
            trigger_service_pb2.RecordReadingRequest(
                reading=trigger_service_pb2.Reading(metric=metric, value=value, id=f"{id}/{place}", source=source)
            )
            for place, (metric, value) in enumerate(values.items())
        ]
        with acting_for(tenant):
            await asyncio.gather(*(self._stub.RecordReading(request) for request in requests))
