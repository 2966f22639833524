"""What the mailer asks of other services, and tells them."""

from collections.abc import Sequence
from typing import Any

from mailer_svc.domain import DeliveryState, PendingReport
from mailer_svc.ports import Uses
from tocsin.api.scheduler.v1 import (
    dispatch_service_pb2,
    dispatch_service_pb2_grpc,
    firing_service_pb2,
    scheduler_service_pb2,
    scheduler_service_pb2_grpc,
)
from tocsin.mesh.client import Mesh

_STATE = firing_service_pb2.DeliverySummary
_STATES = {DeliveryState.DEAD: _STATE.DEAD, DeliveryState.OUTCOME_UNKNOWN: _STATE.OUTCOME_UNKNOWN}


class SchedulerUses:
    """The scheduler as the one who knows which alarms use a template; see `mailer_svc.ports.AlarmUses`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub = scheduler_service_pb2_grpc.SchedulerServiceStub(mesh.channel("scheduler_svc"))

    async def breaking(self, *, tenant: str, code: str, required: Sequence[str], allowed: Sequence[str]) -> Uses:
        """The alarms that a change would break."""
        request = scheduler_service_pb2.FindTemplateUsesRequest(
            tenant=tenant, template=f"templates/{code}", required=required, allowed=allowed
        )
        answer = await self._stub.FindTemplateUses(request)
        return Uses(tuple(answer.alarms), answer.more)


class SchedulerClient:
    """The scheduler as the one who asked for the messages, and is told what became of them; see `mailer_svc.ports.Scheduler`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub: Any = dispatch_service_pb2_grpc.DispatchServiceStub(mesh.channel("scheduler_svc"))

    async def report(self, reports: Sequence[PendingReport]) -> None:
        """Tells any replica of the scheduler."""
        messages = [
            dispatch_service_pb2.DeliveryReport(
                tenant=report.tenant,
                firing=report.firing,
                delivery=f"deliveries/{report.delivery}",
                state=_STATES.get(report.state, _STATE.ACCEPTED),
                attempts=report.attempts,
                channel=report.channel,
                to=report.to,
                reason=report.reason,
            )
            for report in reports
        ]
        await self._stub.ReportDeliveries(dispatch_service_pb2.ReportDeliveriesRequest(reports=messages))
