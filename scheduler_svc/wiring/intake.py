"""The part of the composition that takes what monitoring systems send."""

from collections.abc import Callable, Sequence
from typing import Any

from scheduler_svc.domain.intake.integrations import KeptPayload
from scheduler_svc.handlers import IntakeHandlers, IntegrationHandlers
from scheduler_svc.service.incidents import Incidents
from scheduler_svc.service.intake import PayloadIntake
from scheduler_svc.service.intake_limits import IntakeLimits
from scheduler_svc.service.integrations import Integrations
from scheduler_svc.store import SqlEscalationPolicyStore, SqlIntegrationStore
from tocsin.api.scheduler.v1 import intake_service_pb2_grpc, integration_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.database import Database, GroupCommit
from tocsin.lifecycle import Component
from tocsin.mesh.validation import RequestValidator
from tocsin.tenants import TenantBook


class IntegrationParts:
    """Integrations, and what comes to their doors."""

    def __init__(
        self, database: Database, incidents: Incidents, clock: Clock, *, per_second: float, book: Callable[[], TenantBook]
    ) -> None:
        store = SqlIntegrationStore(database)
        payloads = GroupCommit[KeptPayload, None](flush=store.keep, max_batch=50)
        self._integrations = Integrations(store=store, policies=SqlEscalationPolicyStore(database), clock=clock)
        self._intake = PayloadIntake(
            store=store,
            incidents=incidents,
            keep=payloads.submit,
            limits=IntakeLimits(clock=clock, per_second=per_second, burst=10 * per_second),
            book=book,
            clock=clock,
        )
        self.parts: Sequence[Component] = (payloads,)

    def handlers(self, validator: RequestValidator) -> Sequence[tuple[Any, Any]]:
        """What serves them, each with what adds it to a server."""
        return [
            (
                integration_service_pb2_grpc.add_IntegrationServiceServicer_to_server,
                IntegrationHandlers(integrations=self._integrations, validator=validator),
            ),
            (intake_service_pb2_grpc.add_IntakeServiceServicer_to_server, IntakeHandlers(intake=self._intake)),
        ]
