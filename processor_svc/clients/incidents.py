"""The client of the scheduler's incidents: what jobs trigger at the same time goes in one call."""

from collections.abc import Sequence
from typing import Final

from processor_svc.domain import IncidentAnswer, IncidentTrigger
from tocsin.api.scheduler.v1 import incident_service_pb2 as pb
from tocsin.api.scheduler.v1 import incident_service_pb2_grpc as rpc
from tocsin.database import GroupCommit
from tocsin.mesh.client import Mesh
from tocsin.priority import Priority

_SEVERITIES: Final = {Priority.CRITICAL: pb.Incident.CRITICAL, Priority.NORMAL: pb.Incident.ERROR, Priority.BULK: pb.Incident.INFO}
_MOST: Final = 500


class SchedulerIncidents:
    """Implements `processor_svc.ports.IncidentTriggers`; a component."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub = rpc.IncidentServiceStub(mesh.channel("scheduler_svc"))
        self._calls = GroupCommit[IncidentTrigger, IncidentAnswer](flush=self._send, max_batch=_MOST)

    async def start(self) -> None:
        """Takes triggers from now on."""
        await self._calls.start()

    async def stop(self) -> None:
        """Takes no more."""
        await self._calls.stop()

    async def trigger(self, trigger: IncidentTrigger) -> IncidentAnswer:
        """What became of it."""
        return await self._calls.submit(trigger)

    async def _send(self, batch: Sequence[IncidentTrigger]) -> Sequence[IncidentAnswer]:
        answer = await self._stub.TriggerIncidents(pb.TriggerIncidentsRequest(triggered=map(_triggered, batch)))
        return [
            IncidentAnswer(incident=one.incident, reason=one.reason, message=one.message, retryable=one.retryable) for one in answer.answers
        ]


def _triggered(trigger: IncidentTrigger) -> pb.TriggerIncidentsRequest.Triggered:
    return pb.TriggerIncidentsRequest.Triggered(
        tenant=trigger.tenant,
        firing=trigger.firing,
        alarm=trigger.alarm.removeprefix("alarms/"),
        resolved=trigger.resolved,
        incident=pb.Incident(
            title=trigger.title,
            description=trigger.description,
            severity=_SEVERITIES.get(Priority(trigger.priority), pb.Incident.ERROR),
            escalation_policy=trigger.policy,
        ),
    )
