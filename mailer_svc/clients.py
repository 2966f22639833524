"""What the mailer asks of other services."""

from collections.abc import Sequence

from mailer_svc.ports import Uses
from tocsin.api.scheduler.v1 import scheduler_service_pb2, scheduler_service_pb2_grpc
from tocsin.mesh.client import Mesh


class SchedulerUses:
    """The scheduler as the one who knows which alarms use a template; see `mailer_svc.ports.AlarmUses`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub = scheduler_service_pb2_grpc.SchedulerServiceStub(mesh.channel("scheduler_svc"))

    async def breaking(self, *, tenant: str, code: str, required: Sequence[str]) -> Uses:
        """The alarms that a change would break."""
        request = scheduler_service_pb2.FindTemplateUsesRequest(tenant=tenant, template=f"templates/{code}", required=required)
        answer = await self._stub.FindTemplateUses(request)
        return Uses(tuple(answer.alarms), answer.more)
