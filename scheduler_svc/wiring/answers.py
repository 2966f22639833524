"""The part of the composition that opens incidents, takes their steps, and takes answers."""

from collections.abc import Callable, Sequence
from typing import Any

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.engine.escalator import Escalator
from scheduler_svc.handlers import (
    EscalationPolicyHandlers,
    IncidentDependencyHandlers,
    IncidentHandlers,
    IncidentRouteHandlers,
    SilenceHandlers,
)
from scheduler_svc.hints import ChangeNotifier
from scheduler_svc.ports import Hints, IncidentObserver
from scheduler_svc.ports.incidents import Act, TriggerDraft
from scheduler_svc.service.escalation_policies import EscalationPolicies
from scheduler_svc.service.incident_rules import IncidentDependencies, IncidentRoutes
from scheduler_svc.service.incidents import IncidentIntake, Incidents
from scheduler_svc.service.silences import Silences
from scheduler_svc.shards import Ownership
from scheduler_svc.store import SqlEscalationPolicyStore, SqlIncidentRuleStore, SqlIncidentStore, SqlSilenceStore
from scheduler_svc.wiring.intake import IntegrationParts
from tocsin.api.scheduler.v1 import (
    escalation_policy_service_pb2_grpc,
    incident_dependency_service_pb2_grpc,
    incident_route_service_pb2_grpc,
    incident_service_pb2_grpc,
    silence_service_pb2_grpc,
)
from tocsin.clock import Clock
from tocsin.database import Database, GroupCommit
from tocsin.lifecycle import Component
from tocsin.mesh.validation import RequestValidator
from tocsin.tenants import TenantBook


class Answers:
    """Incidents, escalation policies, routes, dependencies, silences and integrations."""

    def __init__(
        self,
        database: Database,
        shards: Ownership,
        hints: Hints,
        notifier: ChangeNotifier,
        observer: IncidentObserver,
        clock: Clock,
        settings: SchedulerSettings,
        *,
        book: Callable[[], TenantBook] = TenantBook,
    ) -> None:
        store = SqlIncidentStore(database)
        intake = IncidentIntake(store=store, shards=shards, hints=hints, changed=notifier.changed, observer=observer, clock=clock)
        triggers = GroupCommit[TriggerDraft, Incident | None](flush=intake.trigger)
        acts = GroupCommit[Act, Incident | None](flush=intake.act)
        self.escalator = escalator = Escalator(store=store, act=intake.act, shards=shards, clock=clock)
        policies = SqlEscalationPolicyStore(database)
        self.policies = EscalationPolicies(store=policies, clock=clock)
        self.incidents = Incidents(
            store=store,
            trigger=triggers.submit,
            trigger_all=triggers.submit_all,
            take=intake.trigger,
            act=acts.submit,
            follow=notifier.follow,
            woken=escalator.wake,
            clock=clock,
        )
        self.silences = Silences(store=SqlSilenceStore(database), woken=escalator.wake, clock=clock)
        self.routes = IncidentRoutes(
            store=SqlIncidentRuleStore.of_routes(database), policies=policies, incidents=store, woken=escalator.wake, clock=clock
        )
        self.dependencies = IncidentDependencies(store=SqlIncidentRuleStore.of_dependencies(database), woken=escalator.wake, clock=clock)
        self._integrations = IntegrationParts(database, self.incidents, clock, per_second=settings.intake_payloads_per_second, book=book)
        self.parts: Sequence[Component] = (triggers, acts, *self._integrations.parts, escalator)
        """What runs; what takes steps comes last."""

    def handlers(self, validator: RequestValidator) -> Sequence[tuple[Any, Any]]:
        """What serves them, each with what adds it to a server."""
        return [
            (incident_service_pb2_grpc.add_IncidentServiceServicer_to_server, IncidentHandlers(incidents=self.incidents)),
            (
                escalation_policy_service_pb2_grpc.add_EscalationPolicyServiceServicer_to_server,
                EscalationPolicyHandlers(policies=self.policies, validator=validator),
            ),
            (silence_service_pb2_grpc.add_SilenceServiceServicer_to_server, SilenceHandlers(silences=self.silences, validator=validator)),
            (
                incident_route_service_pb2_grpc.add_IncidentRouteServiceServicer_to_server,
                IncidentRouteHandlers(routes=self.routes, validator=validator),
            ),
            (
                incident_dependency_service_pb2_grpc.add_IncidentDependencyServiceServicer_to_server,
                IncidentDependencyHandlers(dependencies=self.dependencies, validator=validator),
            ),
            *self._integrations.handlers(validator),
        ]
