"""The client of the scheduler's events; this service is a delegate of their method."""

from typing import Any

from google.protobuf import json_format

from processor_svc.clients.scheduler import SCHEDULER
from processor_svc.clients.wire import to_struct
from processor_svc.domain import SourceEvent
from tocsin.api.scheduler.v1 import trigger_service_pb2, trigger_service_pb2_grpc
from tocsin.clock import SECOND
from tocsin.errors import InvalidInput
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import acting_for


class SchedulerEvents:
    """Implements `processor_svc.ports.EventSink`; concurrent calls share a transaction of the scheduler."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub: Any = trigger_service_pb2_grpc.TriggerServiceStub(mesh.channel(SCHEDULER))

    async def publish(self, tenant: str, event: SourceEvent) -> bool:
        """Publishes it."""
        request = trigger_service_pb2.PublishEventRequest(event=_wire(event))
        with acting_for(tenant):
            answer = await self._stub.PublishEvent(request)
        return bool(answer.duplicate)


def _wire(event: SourceEvent) -> trigger_service_pb2.PublishedEvent:
    made = trigger_service_pb2.PublishedEvent(id=event.id, topic=event.topic, source=event.source)
    try:
        made.data.CopyFrom(to_struct(event.data))
        if event.happened is not None:
            made.time.FromMicroseconds(round(event.happened * SECOND))
    except (ValueError, OverflowError, json_format.ParseError):  # such as an integer of four hundred digits
        raise InvalidInput.at("event.data", "has a number that JSON in protobuf cannot say") from None
    return made
