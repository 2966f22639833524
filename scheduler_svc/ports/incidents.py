"""Incidents and escalation policies, as the use cases need them kept."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol, TypeVar

from scheduler_svc.domain import Firing
from scheduler_svc.domain.alert_groups import IncidentAlert
from scheduler_svc.domain.dependencies import IncidentDependency
from scheduler_svc.domain.escalation import EscalationPlan, EscalationPolicy
from scheduler_svc.domain.incident_words import AlertEvent, By, EventKind, IncidentTally
from scheduler_svc.domain.incidents import NO_PLAN, Incident, IncidentChange
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.domain.rules import TenantRules
from scheduler_svc.domain.silences import Silence
from scheduler_svc.ports.shards import Held
from tocsin.errors import TocsinError
from tocsin.listing import Condition
from tocsin.recurrence import Micros


class TriggerDraft(NamedTuple):
    """Something that opens an incident, or counts for one that is open, or says something else of the open one of its key.

    Attributes:
        incident: as it would begin.
        by: who or what triggers it.
        request_id: what makes it count once; empty: it always counts.
        event: what it says; other than a trigger, it has no effect if nothing of the key is open.
    """

    incident: Incident
    by: By
    request_id: str = ""
    event: AlertEvent = AlertEvent.TRIGGER


class Act(NamedTuple):
    """Something that somebody does to an incident, or that is due by itself.

    Attributes:
        change: what it becomes.
        request_id: what makes it count once; empty: it counts each time.
        into: id of another incident, which must be open.
        policy: id of a policy that the change needs.
    """

    tenant: str
    incident: str
    change: "Callable[[Incident, Handed], IncidentChange]"
    request_id: str = ""
    into: str = ""
    policy: str = ""


class Handed(NamedTuple):
    """The policy that an act names: what it says, and whose turn it is."""

    plan: EscalationPlan = NO_PLAN
    turn: int = 0


class IncidentEvent(NamedTuple):
    """An entry of a timeline, as it is stored."""

    incident: str
    number: int
    kind: EventKind
    at: Micros
    by: By
    step: int
    firing: str
    change: int


class Acted(NamedTuple):
    """What a transaction did: an answer to each of what was asked, the firings that it made, and what has happened in it."""

    answers: "Sequence[Incident | TocsinError | None]"
    firings: Sequence[Firing]
    tally: IncidentTally


class Fence(NamedTuple):
    """Where firings go: a start of a replica, its shards with their epochs, and the instant."""

    owner: str
    held: Held
    now: Micros


class IncidentStore(Protocol):
    """Incidents of all tenants. Each change is one transaction with its timeline and with its firings in the ledger."""

    async def trigger(self, batch: Sequence[TriggerDraft], fence: Fence) -> Acted:
        """Opens incidents, counts triggers, acknowledges and resolves; None for what is said of one that is not open.

        Raises:
            Unavailable: a shard is another replica's by now.
        """
        ...

    async def act(self, batch: Sequence[Act], fence: Fence) -> Acted:
        """Changes incidents.

        Raises:
            Unavailable: a shard is another replica's by now.
        """
        ...

    async def rules(self, tenant: str, *, now: Micros) -> TenantRules:
        """The tenant's routes, dependencies and silences."""
        ...

    async def due(
        self, shards: Collection[int], *, until: Micros, most: int, without: Collection[str] = ()
    ) -> Sequence[tuple[str, str, Micros]]:
        """Incidents of the shards for which something is due, as (tenant, id, when), the earliest first; not those of some tenants."""
        ...

    async def next_wake(self, shards: Collection[int], *, without: Collection[str] = ()) -> Micros | None:
        """When something is due next; not for some tenants."""
        ...

    async def put_off(self, incidents: Sequence[tuple[str, str]], *, until: Micros) -> None:
        """Looks at incidents (tenant, id) again then, and not before: a step of each could not be taken."""
        ...

    async def get(self, tenant: str, incident: str) -> Incident:
        """The incident.

        Raises:
            IncidentNotFound: the tenant has none of that id.
        """
        ...

    async def waiting(self, ids: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the incidents (tenant, id) that wait for an answer."""
        ...

    async def telling(self, ids: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the incidents (tenant, id) of which a step has been taken whose firing is not over."""
        ...

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str, size: int) -> Sequence[Incident]:
        """Incidents that meet all conditions, the newest first, behind an id."""
        ...

    async def timeline(self, tenant: str, incident: str, *, after: int, size: int) -> Sequence[IncidentEvent]:
        """Events of an incident behind a number, in order."""
        ...

    async def alerts(self, tenant: str, incident: str, *, after: str, size: int) -> Sequence[IncidentAlert]:
        """Alerts of an incident behind a key, by key."""
        ...

    async def now_at(self) -> int:
        """The number behind every transaction that is settled now."""
        ...

    async def events(self, tenant: str, *, incident: str, after: tuple[int, str, int], most: int) -> Sequence[IncidentEvent]:
        """Settled events behind the cursor (transaction, incident, number), in order."""
        ...


class EscalationPolicyStore(Protocol):
    """Escalation policies of all tenants."""

    async def create(self, policy: EscalationPolicy) -> None:
        """Keeps a new one.

        Raises:
            EscalationPolicyExists: there is one of this id.
        """
        ...

    async def get(self, tenant: str, policy: str) -> EscalationPolicy:
        """The policy.

        Raises:
            EscalationPolicyNotFound: the tenant has none of that id.
        """
        ...

    async def missing(self, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the policies (tenant, id) that there are not."""
        ...

    async def page(self, tenant: str, *, after: str, size: int) -> Sequence[EscalationPolicy]:
        """Policies behind an id, by id."""
        ...

    async def replace(self, policy: EscalationPolicy, *, version: int) -> None:
        """Keeps another version of it.

        Raises:
            EscalationPolicyChanged: it is not of that version any more.
        """
        ...

    async def delete(self, tenant: str, policy: str, *, etag: str) -> None:
        """Removes it.

        Raises:
            EscalationPolicyNotFound: the tenant has none of that id.
            EscalationPolicyChanged: ``etag`` is given, and not its own.
        """
        ...


class SilenceStore(Protocol):
    """Silences of all tenants."""

    async def create(self, silence: Silence, *, now: Micros) -> None:
        """Keeps a new one.

        Raises:
            TooManySilences: the tenant has too many that are not over at ``now``.
        """
        ...

    async def get(self, tenant: str, silence: str) -> Silence:
        """The silence.

        Raises:
            SilenceNotFound: the tenant has none of that id.
        """
        ...

    async def page(self, tenant: str, *, before: str, size: int) -> Sequence[Silence]:
        """Silences, the newest first, behind an id."""
        ...

    async def expire(self, tenant: str, silence: str, *, now: Micros) -> Silence:
        """Ends it, unless it has ended, and lets what it held back be looked at; the silence as it is then.

        Raises:
            SilenceNotFound: the tenant has none of that id.
        """
        ...


Rule = TypeVar("Rule", IncidentRoute, IncidentDependency)


class IncidentRuleStore(Protocol[Rule]):
    """Routes, or dependencies, of all tenants."""

    async def create(self, rule: Rule, *, check: Callable[[Sequence[Rule]], None]) -> None:
        """Keeps a new one, if ``check`` does not refuse it beside those that there are.

        Raises:
            IncidentRuleExists: there is one of this id.
            TooManyIncidentRules: the tenant has as many as it may have.
        """
        ...

    async def get(self, tenant: str, rule: str) -> Rule:
        """The rule.

        Raises:
            IncidentRuleNotFound: the tenant has none of that id.
        """
        ...

    async def all(self, tenant: str) -> Sequence[Rule]:
        """All of the tenant, by id."""
        ...

    async def replace(self, rule: Rule, *, version: int, check: Callable[[Sequence[Rule]], None]) -> None:
        """Keeps another version of it, if ``check`` does not refuse it.

        Raises:
            IncidentRuleChanged: it is not of that version any more.
        """
        ...

    async def delete(self, tenant: str, rule: str, *, etag: str, now: Micros) -> None:
        """Removes it.

        Raises:
            IncidentRuleNotFound: the tenant has none of that id.
            IncidentRuleChanged: ``etag`` is given, and not its own.
        """
        ...
