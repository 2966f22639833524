"""One transaction on incidents: those that it has locked, and what becomes of them, of their alerts and of the ledger."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Firing, shard_of
from scheduler_svc.domain.alert_groups import IncidentAlert
from scheduler_svc.domain.grouping import alert_of, first_alert, group_key, group_of, joined, left
from scheduler_svc.domain.incident_parts import with_part
from scheduler_svc.domain.incident_words import AlertEvent, By, EventKind, Happened, IncidentState, IncidentTally, StatusUpdate, StepFiring
from scheduler_svc.domain.incidents import (
    POLICY,
    Incident,
    IncidentChange,
    IncidentNotFound,
    acknowledged,
    advance,
    opened,
    resolved,
    triggered_again,
)
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.domain.rules import TenantRules, words
from scheduler_svc.escalating import firing_of, firing_of_slot
from scheduler_svc.ports.incidents import Act, Fence, Handed, TriggerDraft
from scheduler_svc.store.escalation_policies import Plans
from scheduler_svc.store.incident_alerts import close_alerts, groups_of, put_alerts, read_alerts
from scheduler_svc.store.incident_holds import Holds
from scheduler_svc.store.incident_rows import (
    INCIDENT_DECODER,
    INSERT_EVENTS,
    LET_LIE,
    LOCKED,
    OPEN_BY_KEY,
    PARTS,
    REQUESTS,
    WAKE_HELD,
    write_incidents,
)
from scheduler_svc.store.locks import no_shard, owned
from scheduler_svc.store.sql import Fields, begin_change
from scheduler_svc.store.triggered import insert_ad_hoc
from tocsin.database import storable
from tocsin.errors import DataLoss, TocsinError
from tocsin.stored import NOT_READABLE
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

TURN: Final = 250
"""Incidents that a transaction works on between two turns of others."""
_NO_POLICY: Final = "ESCALATION_POLICY_NOT_FOUND"


class Placed(NamedTuple):
    """A trigger, the route that it takes, and the key of the incident that it would open."""

    draft: TriggerDraft
    route: IncidentRoute | None
    key: str

    @property
    def policy(self) -> str:
        """Id of the policy of that incident; empty: none."""
        return self.draft.incident.policy if self.route is None else self.route.policy


def placed(draft: TriggerDraft, rules: Mapping[str, TenantRules]) -> Placed:
    """Where a trigger goes unless something of its key is open: only one that opens and names no policy asks the routes."""
    incident = draft.incident
    known = rules.get(incident.tenant)
    if known is None or not known.routes or incident.policy or draft.event is not AlertEvent.TRIGGER:
        return Placed(draft, None, incident.key)
    route = known.route(words(incident))
    if route is None or not route.group_by:
        return Placed(draft, route, incident.key)
    return Placed(draft, route, group_key(route, incident.labels))


class IncidentWork:
    """What one transaction does. Everything is changed in memory, then advanced once, then written."""

    def __init__(self, connection: AsyncConnection, fence: Fence, rules: Mapping[str, TenantRules]) -> None:
        """Knows no incident yet.

        Raises:
            Unavailable: this replica owns no shard.
        """
        self.firings: list[Firing] = []
        self.tally = IncidentTally()
        self._connection = connection
        self._fence = fence
        self._rules = rules
        self._known: dict[str, Incident] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._alerts: dict[tuple[str, str], IncidentAlert] = {}
        self._groups: dict[tuple[str, str], str] = {}
        self._numbers: dict[str, int] = {}
        self._damaged: dict[str, tuple[str, str]] = {}
        self._new: set[str] = set()
        self._touched: set[str] = set()
        self._changed_alerts: set[tuple[str, str]] = set()
        self._concerned: dict[str, None] = {}
        self._events: list[tuple[Any, ...]] = []
        self._telling: list[tuple[Incident, StepFiring | StatusUpdate, str]] = []
        self._home = sorted(fence.held)
        if not self._home:
            raise no_shard()

    async def requested(self, requests: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The incidents of the requests that are known."""
        wanted = [request for request in requests if request[1]]
        rows: Sequence[Fields] = await REQUESTS.pairs(self._connection, wanted) if wanted else ()
        found = {(row[0], row[1]): row[2] for row in rows}
        await self.load(found.values())
        return found

    async def load(self, ids: Iterable[str]) -> None:
        """Reads incidents and locks them, in the order of their ids."""
        wanted = sorted(set(ids) - self._known.keys())
        for identity, tenant, key, events, document in await LOCKED.rows(self._connection, wanted) if wanted else ():
            try:
                self._keep(INCIDENT_DECODER.decode(document))
            except NOT_READABLE as error:
                _log.error("a stored incident cannot be read", tenant=tenant, incident=identity, exc_info=error)
                self._damaged[identity] = tenant, key
                await LET_LIE.run(self._connection, identity)
            self._numbers[identity] = events

    async def find(self, batch: Sequence[Placed]) -> None:
        """Reads and locks what is open of the keys: incidents, and the groups of alerts, with the alerts that are known there."""
        own = {(one.draft.incident.tenant, one.draft.incident.key) for one in batch}
        wanted = own | {(one.draft.incident.tenant, one.key) for one in batch}
        grouped = await groups_of(self._connection, sorted(own))
        found = [row[0] for row in await OPEN_BY_KEY.pairs(self._connection, sorted(wanted))]
        await self.load([*found, *(row[0] for row in grouped)])
        for incident, tenant, key in grouped:
            if incident in self._known and self._known[incident].state is not IncidentState.RESOLVED:
                self._groups[tenant, key] = incident
        pairs: set[tuple[str, str]] = set()
        for one in batch:
            there = self._there(one)
            if there is not None and there.group is not None:
                pairs.add((there.id, one.draft.incident.key))
        self._alerts.update(await read_alerts(self._connection, pairs))

    def opening(self, batch: Sequence[Placed], seen: Mapping[tuple[str, str], str]) -> list[tuple[str, str]]:
        """The policies (tenant, policy) of the incidents that the batch may open."""
        flapping = any(one.draft.event is AlertEvent.RESOLVE for one in batch)
        return [
            (one.draft.incident.tenant, one.policy)
            for one in batch
            if one.policy
            and one.draft.event is AlertEvent.TRIGGER
            and (one.draft.incident.tenant, one.draft.request_id) not in seen
            and (flapping or self._there(one) is None)
        ]

    def answered(self, work: Callable[[], str | None]) -> "str | TocsinError | None":
        """The id of the incident that the work gives; its error, which is the caller's alone."""
        try:
            return work()
        except TocsinError as error:
            return error

    def trigger(self, one: Placed, plans: Plans, seen: dict[tuple[str, str], str]) -> str | None:
        """Opens, counts, acknowledges or resolves; the id of the incident."""
        draft = one.draft
        request = (draft.incident.tenant, draft.request_id)
        if draft.request_id and request in seen:
            return seen[request]
        there = self._there(one)
        if there is None:
            self._require_readable(draft.incident.tenant, {draft.incident.key, one.key})
            if draft.event is not AlertEvent.TRIGGER:
                return None
            change = self._open(one, plans)
        elif draft.event is AlertEvent.RESOLVE:
            change = self._end(there, draft)
        elif draft.event is AlertEvent.ACKNOWLEDGE:
            change = acknowledged(there, draft.by, self._fence.now)
        else:
            change = self._count(there, draft)
        self._take(change, draft.request_id)
        if draft.request_id:
            seen[request] = change.incident.id
        return change.incident.id

    def act(self, act: Act, plans: Plans, seen: dict[tuple[str, str], str]) -> str:
        """Changes an incident; its id."""
        if act.request_id and (act.tenant, act.request_id) in seen:
            return seen[act.tenant, act.request_id]
        incident = self._of(act.tenant, act.incident)
        handed = plans.next(act.tenant, act.policy) if act.policy else Handed()
        change = act.change(incident, handed)
        whole = with_part(self._of(act.tenant, act.into), change) if act.into else None
        self._take(change, act.request_id)
        if whole is not None:
            self._take(whole, "")
        if act.request_id:
            seen[act.tenant, act.request_id] = incident.id
        return incident.id

    async def advance(self) -> None:
        """Does what is due by itself for every incident that the transaction is about, and ends what is part of what has ended."""
        now = self._fence.now
        concerned = [self._known[identity] for identity in self._concerned]
        due = [one for one in concerned if one.held_by or ((wake := one.wake) is not None and wake <= now)]
        holds = Holds(self._connection, rules=self._rules, known_incidents=self._known, known_alerts=self._alerts, now=now)
        held = await holds.of(due)
        for place, incident in enumerate(due, 1):
            if place % TURN == 0:
                await asyncio.sleep(0)
            self._take(advance(incident, now, hold=held.get(incident.id)), "")
            if incident.held_by:
                self._touched.add(incident.id)  # it may have been woken for nothing, and is not to be looked at before its time again
        await self._end_parts()

    def latest(self, answer: "str | TocsinError | None") -> "Incident | TocsinError | None":
        """The incident as it is at the end of the transaction."""
        return self._known[answer] if isinstance(answer, str) else answer

    async def write(self) -> None:
        """Writes everything.

        Raises:
            Aborted: somebody else opened an incident or an alert of the same key at the same time.
            Unavailable: a shard is another replica's by now.
        """
        if not self._touched:
            return
        wanted = {self._shard(incident) for incident, _, _ in self._telling}
        if wanted and await owned(self._connection, owner=self._fence.owner, held=self._fence.held, wanted=wanted) != wanted:
            raise no_shard()
        await begin_change(self._connection)
        await asyncio.gather(self._write_rows(), self._make_firings())  # the database works meanwhile
        if self.firings:
            fresh = await insert_ad_hoc(self._connection, self.firings)
            self.firings = [firing for firing in self.firings if firing.id in fresh]

    async def _write_rows(self) -> None:
        new, changed = ([self._known[identity] for identity in sorted(ids)] for ids in (self._new, self._touched - self._new))
        await write_incidents(self._connection, new=new, changed=changed, numbers=self._numbers)
        await INSERT_EVENTS.many(self._connection, self._events)
        await self._write_alerts()

    async def _make_firings(self) -> None:
        """The rows of the ledger by which people are told."""
        for place, (incident, told, firing) in enumerate(self._telling, 1):
            if place % TURN == 0:
                await asyncio.sleep(0)
            self.firings.append(firing_of(incident, told, firing=firing, shard=self._shard(incident), now=self._fence.now))

    async def _write_alerts(self) -> None:
        """Writes alerts, and wakes what was held back by something that is over: whoever takes steps looks at it at once."""
        await put_alerts(self._connection, [self._alerts[key] for key in self._changed_alerts])
        over = [one for one in map(self._known.__getitem__, self._touched) if one.state is IncidentState.RESOLVED]
        await close_alerts(self._connection, [one.id for one in over if one.group is not None], now=self._fence.now)
        less = {one.id for one in over} | {incident for incident, _ in self._changed_alerts if incident not in self._new}
        if less and self._rules:
            await WAKE_HELD.run(self._connection, [f"incidents/{identity}" for identity in sorted(less)], self._fence.now)

    def _there(self, one: Placed) -> Incident | None:
        """What is open of the key of a trigger: an incident, the group of the alert, or the group that it would join."""
        incident = one.draft.incident
        tenant = incident.tenant
        identity = self._groups.get((tenant, incident.key)) or self._keys.get((tenant, incident.key)) or self._keys.get((tenant, one.key))
        return None if identity is None else self._known.get(identity)

    def _open(self, one: Placed, plans: Plans) -> IncidentChange:
        draft, now = one.draft, self._fence.now
        handed, missing = self._plan(one, plans)
        begun = msgspec.structs.replace(draft.incident, plan=handed.plan, turn=handed.turn, policy=one.policy)
        if one.route is not None:
            begun = msgspec.structs.replace(begun, route=one.route.id, key=one.key)
        if one.route is not None and one.route.group_by:
            begun = msgspec.structs.replace(begun, group=group_of(one.route, begun.labels))
        self._new.add(begun.id)
        self._numbers[begun.id] = 0
        change = opened(begun, draft.by)
        if begun.group is not None:
            alert = alert_of(draft.incident, begun)
            self._keep_alert(alert)
            change = change.then(lambda group: first_alert(group, alert, draft.by, now))
        return change._replace(happened=(*change.happened, *missing)) if missing else change

    def _plan(self, one: Placed, plans: Plans) -> tuple[Handed, Sequence[Happened]]:
        """What the policy says. That a route names one that is not there is no reason to lose what is triggered: the timeline says it.

        Raises:
            EscalationPolicyNotFound: the trigger names a policy that is not there.
        """
        if not one.policy:
            return Handed(), ()
        try:
            return plans.next(one.draft.incident.tenant, one.policy), ()
        except TocsinError:
            if one.route is None:
                raise
        return Handed(), (Happened(EventKind.NOTED, self._fence.now, By(POLICY, note=f"{_NO_POLICY}: escalationPolicies/{one.policy}")),)

    def _count(self, there: Incident, draft: TriggerDraft) -> IncidentChange:
        key = draft.incident.key
        if there.group is None or there.key == key:
            return triggered_again(there, draft.by, self._fence.now)
        known = self._alerts.get((there.id, key))
        change, alert = joined(there, known, alert_of(draft.incident, there), draft.by, self._fence.now)
        self._keep_alert(alert)
        return change

    def _end(self, there: Incident, draft: TriggerDraft) -> IncidentChange:
        alert = self._alerts.get((there.id, draft.incident.key))
        if there.group is None or alert is None:
            return resolved(there, draft.by, self._fence.now)
        change, over = left(there, alert, draft.by, self._fence.now)
        self._keep_alert(over)
        return change

    def _of(self, tenant: str, identity: str) -> Incident:
        if identity in self._damaged:
            raise DataLoss(f"incidents/{identity} is stored, and cannot be read.")
        incident = self._known.get(identity)
        if incident is None or incident.tenant != tenant:
            raise IncidentNotFound(f"There is no such incident: incidents/{identity}")
        return incident

    def _require_readable(self, tenant: str, keys: set[str]) -> None:
        """None of the keys is that of an incident that is open and that nobody can read: another one of it cannot be opened beside it."""
        if not self._damaged:
            return
        broken = next((identity for identity, (whose, key) in self._damaged.items() if whose == tenant and key in keys), None)
        if broken is not None:
            raise DataLoss(f"incidents/{broken} is stored, and cannot be read.")

    def _keep(self, incident: Incident) -> None:
        self._known[incident.id] = incident
        if incident.state is not IncidentState.RESOLVED:
            self._keys[incident.tenant, incident.key] = incident.id
        else:
            self._keys.pop((incident.tenant, incident.key), None)

    def _keep_alert(self, alert: IncidentAlert) -> None:
        self._alerts[alert.incident, alert.key] = alert
        self._changed_alerts.add((alert.incident, alert.key))
        if alert.resolved is None:
            self._groups[alert.tenant, alert.key] = alert.incident
        else:
            self._groups.pop((alert.tenant, alert.key), None)

    def _take(self, change: IncidentChange, request_id: str) -> None:
        incident = change.incident
        self._concerned[incident.id] = None
        if not change.happened and self._known.get(incident.id) == incident:
            return
        self._keep(incident)
        self._touched.add(incident.id)
        firings = {happened.slot: firing_of_slot(incident, happened.slot) for happened in change.happened if happened.slot}
        for place, happened in enumerate(change.happened):
            self._add_event(incident, happened, firings.get(happened.slot, ""), request_id if place == 0 else "")
        self._telling += [(incident, told, firings[told.slot]) for told in (*change.steps, *change.updates)]

    def _add_event(self, incident: Incident, happened: Happened, firing: str, request_id: str) -> None:
        number = self._numbers[incident.id]
        self._numbers[incident.id] = number + 1
        self.tally.add(happened, severity=incident.severity, created=incident.created, first=number == 0)
        by = happened.by
        facts = None if happened.facts is None else msgspec.json.encode(happened.facts).decode()
        told = (storable(by.actor), storable(by.via), storable(by.note), happened.step, firing, request_id, facts)
        self._events.append((incident.id, number, incident.tenant, int(happened.kind), happened.at, *told))

    def _shard(self, incident: Incident) -> int:
        """That of the incident, or one of this replica: so the step goes at once, by whoever was asked."""
        return incident.shard if incident.shard in self._fence.held else self._home[shard_of(incident.id) % len(self._home)]

    async def _end_parts(self) -> None:
        ended = {identity for identity in self._touched if self._known[identity].state is IncidentState.RESOLVED}
        while ended:
            parts = {row[0] for row in await PARTS.rows(self._connection, sorted(ended))}
            by = {identity: self._known[identity].resolved_by for identity in ended}
            await self.load(parts)
            ended = self._end_those(parts & self._known.keys(), by)

    def _end_those(self, parts: Collection[str], by: Mapping[str, str]) -> set[str]:
        """Ends parts of what has ended; those that were open."""
        ended = set[str]()
        for identity in sorted(parts):
            part = self._known[identity]
            if part.state is IncidentState.RESOLVED or part.merged_into not in by:
                continue
            self._take(resolved(part, By(by[part.merged_into], note=f"incidents/{part.merged_into}"), self._fence.now), "")
            ended.add(identity)
        return ended
