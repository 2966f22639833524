"""The stores of incidents, with a route that groups, and what may be triggered there."""

from collections.abc import Sequence
from typing import Any

from scheduler_svc.domain import new_id, shard_of
from scheduler_svc.domain.dependencies import IncidentDependency
from scheduler_svc.domain.escalation import EscalationPlan, EscalationPolicy, EscalationStep
from scheduler_svc.domain.incident_words import AlertEvent, By
from scheduler_svc.domain.incidents import Incident, IncidentChange
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.ports.incidents import Act, Fence, TriggerDraft
from scheduler_svc.store import SqlEscalationPolicyStore, SqlIncidentRuleStore, SqlIncidentStore, SqlSilenceStore
from tests.integration.scheduler.stores import NOW, OWNER, Stores
from tocsin.clock import SECOND
from tocsin.errors import Aborted

SENDER = By("integrations/a")
WAIT = 30 * SECOND


class Kept:
    """The stores of incidents beside the others, with a route that groups by cluster."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.incidents = SqlIncidentStore(stores.database)
        self.silences = SqlSilenceStore(stores.database)
        self.routes = SqlIncidentRuleStore.of_routes(stores.database)
        self.dependencies = SqlIncidentRuleStore.of_dependencies(stores.database)

    async def start(self) -> None:
        """Makes a policy of three steps, and the route."""
        steps = tuple(EscalationStep(targets=(f"recipients/{name}",)) for name in ("ann", "bea", "cid"))
        policy = EscalationPolicy(id="p", tenant="t1", plan=EscalationPlan(steps=steps))
        await SqlEscalationPolicyStore(self.stores.database).create(policy)
        await self.route(IncidentRoute(id="r", tenant="t1", policy="p", position=5, group_by=("cluster",)))

    async def route(self, route: IncidentRoute) -> None:
        """Keeps a route."""
        await self.routes.create(route, check=lambda _: None)

    async def depend(self, **fields: Any) -> None:
        """Keeps a dependency: while a cluster is down, warnings of it are not told."""
        values: dict[str, Any] = {
            "id": "d",
            "source": (SilenceMatcher("alertname", "ClusterDown"),),
            "target": (SilenceMatcher("severity", "warning"),),
            "equal": ("cluster",),
            **fields,
        }
        await self.dependencies.create(IncidentDependency(tenant="t1", **values), check=lambda _: None)

    async def trigger(self, *drafts: TriggerDraft, now: int = NOW) -> Sequence[Any]:
        """One transaction, again when somebody else was first."""
        for _ in range(20):
            try:
                return (await self.incidents.trigger(drafts, Fence(OWNER, self.stores.held, now))).answers
            except Aborted:
                continue
        raise AssertionError

    async def act(self, identity: str, change: Any, *, now: int = NOW) -> Any:
        """One act."""
        acted = await self.incidents.act([Act("t1", identity, lambda one, _: change(one))], Fence(OWNER, self.stores.held, now))
        return acted.answers[0]

    async def due(self, now: int) -> list[str]:
        """Ids of what is due, after doing it."""
        found = await self.incidents.due(range(256), until=now, most=10_000)
        acts = [Act(tenant, identity, lambda one, _: IncidentChange(one)) for tenant, identity, _ in found]
        await self.incidents.act(acts, Fence(OWNER, self.stores.held, now))
        return [identity for _, identity, _ in found]

    async def get(self, identity: str) -> Incident:
        """The incident as it is."""
        return await self.incidents.get("t1", identity)

    async def happened(self, identity: str) -> list[str]:
        """The kinds of its events."""
        return [event.kind.name for event in await self.incidents.timeline("t1", identity, after=-1, size=10_000)]

    async def alerts(self, identity: str) -> dict[str, str]:
        """Its alerts, with their states."""
        return {alert.key: alert.state.name for alert in await self.incidents.alerts("t1", identity, after="", size=10_000)}

    async def reasons(self) -> list[str]:
        """Reasons of the ledger's rows, in order."""
        return sorted(row.reason for row in await self.stores.all_firings())


def draft(key: str, *, now: int = NOW, ends: bool = False, request: str = "", **fields: Any) -> TriggerDraft:
    """A trigger that names no policy, of cluster "a" unless it says so."""
    identity = new_id(now)
    values: dict[str, Any] = {"labels": {"cluster": "a", "host": key}, **fields}
    incident = Incident(id=identity, tenant="t1", shard=shard_of(identity), key=key, title=key, created=now, triggered=now, **values)
    return TriggerDraft(incident, SENDER, request, AlertEvent.RESOLVE if ends else AlertEvent.TRIGGER)


def alone(key: str, **fields: Any) -> TriggerDraft:
    """A trigger that names the policy."""
    return draft(key, policy="p", **fields)
