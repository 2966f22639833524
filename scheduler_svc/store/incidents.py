"""Incidents: each change is one transaction with its timeline, and with the firings that tell people, fenced by the epochs of their shards.

Whoever changes an incident has its row locked, so that an acknowledgement and a step that is due at the same moment come one after the
other: a step is in the ledger before the acknowledgement, or never.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Firing, shard_of
from scheduler_svc.domain.incident_words import AlertEvent, By, Happened, IncidentState
from scheduler_svc.domain.incidents import (
    Incident,
    IncidentChange,
    IncidentNotFound,
    IncidentOver,
    acknowledged,
    advance,
    opened,
    resolved,
    triggered_again,
)
from scheduler_svc.domain.silences import Silence, hold_of
from scheduler_svc.escalating import firing_of_slot, step_firing, update_firing
from scheduler_svc.ports.incidents import Act, Acted, Fence, Handed, TriggerDraft
from scheduler_svc.store.escalation_policies import Plans, take_turns
from scheduler_svc.store.incident_tables import NOT_RESOLVED, incident_events, incidents
from scheduler_svc.store.locks import no_shard, owned
from scheduler_svc.store.silences import holding
from scheduler_svc.store.sql import CHANGE, Fields, Statement, begin_change, both, insert
from scheduler_svc.store.triggered import insert_ad_hoc
from tocsin.database import Database, storable
from tocsin.errors import Aborted, DataLoss, TocsinError
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

INCIDENT_DECODER: Final = msgspec.json.Decoder(Incident)
_COLUMNS: Final = (
    *("id", "tenant", "shard", "state", "severity", "dedup_key", "policy", "source", "created_at", "updated_at", "wake_at", "held_by"),
    *("merged_into", "events", "document"),
)
_CHANGED: Final = ("state", "severity", "policy", "updated_at", "wake_at", "held_by", "merged_into", "events", "document")
_TYPES: Final = ("smallint", "smallint", "text", "bigint", "bigint", "text", "text", "integer", "text")
_INSERT: Final = insert(incidents, _COLUMNS, ignore=True)
_UPDATE: Final = Statement(
    sqlite=f"UPDATE incidents SET {', '.join(f'{name} = ?{place}' for place, name in enumerate(_CHANGED, 2))} WHERE id = ?1",
    postgresql=(
        f"UPDATE incidents SET {', '.join(f'{name} = v.{name}' for name in _CHANGED)} FROM unnest($1::text[], "
        f"{', '.join(f'${place}::{kind}[]' for place, kind in enumerate(_TYPES, 2))}) AS v(id, {', '.join(_CHANGED)}) "
        "WHERE incidents.id = v.id"
    ),
)
_EVENT_COLUMNS: Final = (
    *("incident", "number", "tenant", "kind", "happened_at", "actor", "via", "note", "step", "firing", "request_id"),
    "facts",
)
_INSERT_EVENTS: Final = insert(incident_events, _EVENT_COLUMNS, extra="change_no", extra_value=CHANGE)
_READ: Final = "SELECT id, tenant, events, document FROM incidents"
_LOCKED: Final = Statement(
    sqlite=f"{_READ} WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql=f"{_READ} WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE",
)
_OPEN: Final = Statement(
    sqlite=(
        "SELECT i.id FROM json_each(?1) AS w CROSS JOIN incidents i ON i.tenant = w.value ->> 0 AND i.dedup_key = w.value ->> 1 "
        f"AND i.{NOT_RESOLVED}"
    ),
    postgresql=(
        "SELECT i.id FROM unnest($1::text[], $2::text[]) AS w(tenant, dedup_key) JOIN incidents i ON i.tenant = w.tenant "
        f"AND i.dedup_key = w.dedup_key AND i.{NOT_RESOLVED}"
    ),
)
_REQUESTS: Final = Statement(
    sqlite=(
        "SELECT e.tenant, e.request_id, e.incident FROM json_each(?1) AS w CROSS JOIN incident_events e ON e.tenant = w.value ->> 0 "
        "AND e.request_id = w.value ->> 1 AND e.request_id <> ''"
    ),
    postgresql=(
        "SELECT e.tenant, e.request_id, e.incident FROM unnest($1::text[], $2::text[]) AS w(tenant, request_id) "
        "JOIN incident_events e ON e.tenant = w.tenant AND e.request_id = w.request_id AND e.request_id <> ''"
    ),
)
_PARTS: Final = Statement(
    sqlite="SELECT id FROM incidents WHERE merged_into IN (SELECT value FROM json_each(?1)) AND merged_into <> ''",
    postgresql="SELECT id FROM incidents WHERE merged_into = ANY($1::text[]) AND merged_into <> ''",
)
_DUE: Final = Statement(
    sqlite=(
        "SELECT tenant, id, wake_at FROM incidents WHERE wake_at IS NOT NULL AND wake_at <= ?1 "
        "AND shard IN (SELECT value FROM json_each(?2)) ORDER BY wake_at, id LIMIT ?3"
    ),
    postgresql=(
        "SELECT tenant, id, wake_at FROM incidents WHERE wake_at IS NOT NULL AND wake_at <= $1 AND shard = ANY($2::smallint[]) "
        "ORDER BY wake_at, id LIMIT $3"
    ),
)
_NEXT_WAKE: Final = Statement(
    sqlite="SELECT min(wake_at) FROM incidents WHERE wake_at IS NOT NULL AND shard IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT min(wake_at) FROM incidents WHERE wake_at IS NOT NULL AND shard = ANY($1::smallint[])",
)
_ANSWERS: Final = {AlertEvent.ACKNOWLEDGE: acknowledged, AlertEvent.RESOLVE: resolved}
_LET_LIE: Final = both("UPDATE incidents SET wake_at = NULL WHERE id = $1")


class IncidentWriter:
    """Changes incidents; the half of `scheduler_svc.ports.incidents.IncidentStore` that writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def trigger(self, batch: Sequence[TriggerDraft], fence: Fence) -> Acted:
        async with self._database.transaction() as connection:
            work = _Work(connection, fence)
            seen = await work.requested((draft.incident.tenant, draft.request_id) for draft in batch)
            wanted = [(draft.incident.tenant, draft.incident.key) for draft in batch]
            await work.load([row[0] for row in await _OPEN.pairs(connection, wanted)])
            plans = await take_turns(connection, work.unopened(batch, seen))
            await work.listen({draft.incident.tenant for draft in batch})
            answers = [work.answered(lambda draft=draft: work.trigger(draft, plans, seen)) for draft in batch]
            await work.write()
            return Acted([work.latest(answer) for answer in answers], work.firings)

    async def act(self, batch: Sequence[Act], fence: Fence) -> Acted:
        async with self._database.transaction() as connection:
            work = _Work(connection, fence)
            seen = await work.requested((act.tenant, act.request_id) for act in batch)
            await work.load([*(act.incident for act in batch), *(act.into for act in batch if act.into)])
            plans = await take_turns(connection, [(act.tenant, act.policy) for act in batch if act.policy])
            await work.listen({act.tenant for act in batch})
            answers = [work.answered(lambda act=act: work.act(act, plans, seen)) for act in batch]
            await work.write()
            return Acted([work.latest(answer) for answer in answers], work.firings)

    async def due(self, shards: Collection[int], *, until: Micros, most: int) -> Sequence[tuple[str, str, Micros]]:
        async with self._database.read() as connection:
            rows = await _DUE.rows(connection, until, sorted(shards), most)
        return [(row[0], row[1], row[2]) for row in rows]

    async def next_wake(self, shards: Collection[int]) -> Micros | None:
        async with self._database.read() as connection:
            return (await _NEXT_WAKE.rows(connection, sorted(shards)))[0][0]


class _Work:
    """One transaction: the incidents that it has locked, and what becomes of them."""

    def __init__(self, connection: AsyncConnection, fence: Fence) -> None:
        self.firings: list[Firing] = []
        self._connection = connection
        self._fence = fence
        self._known: dict[str, Incident] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._numbers: dict[str, int] = {}
        self._damaged: set[str] = set()
        self._new: dict[str, Incident] = {}
        self._touched: set[str] = set()
        self._events: list[tuple[Any, ...]] = []
        self._silences: Mapping[str, Sequence[Silence]] = {}
        self._home = sorted(fence.held)
        if not self._home:
            raise no_shard()

    async def requested(self, requests: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The incidents of the requests that are known."""
        wanted = [request for request in requests if request[1]]
        rows: Sequence[Fields] = await _REQUESTS.pairs(self._connection, wanted) if wanted else ()
        found = {(row[0], row[1]): row[2] for row in rows}
        await self.load(found.values())
        return found

    async def load(self, ids: Iterable[str]) -> None:
        """Reads incidents and locks them, in the order of their ids."""
        wanted = sorted(set(ids) - self._known.keys())
        for identity, tenant, events, document in await _LOCKED.rows(self._connection, wanted) if wanted else ():
            try:
                self._keep(INCIDENT_DECODER.decode(document))
            except (msgspec.MsgspecError, ValueError) as error:
                _log.error("a stored incident cannot be read", tenant=tenant, incident=identity, exc_info=error)
                self._damaged.add(identity)
                await _LET_LIE.run(self._connection, identity)
            self._numbers[identity] = events

    def unopened(self, batch: Sequence[TriggerDraft], seen: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
        """The policies of the incidents that the batch opens, one for each, as (tenant, policy)."""
        first: dict[tuple[str, str], TriggerDraft] = {}
        for draft in batch:
            incident = draft.incident
            if draft.event is AlertEvent.TRIGGER and incident.policy and (incident.tenant, draft.request_id) not in seen:
                first.setdefault((incident.tenant, incident.key), draft)
        return [(tenant, draft.incident.policy) for (tenant, key), draft in first.items() if (tenant, key) not in self._keys]

    def answered(self, work: "Any") -> "str | TocsinError | None":
        """The id of the incident that the work gives; its error, which is the caller's alone."""
        try:
            return work()
        except TocsinError as error:
            return error

    def trigger(self, draft: TriggerDraft, plans: Plans, seen: dict[tuple[str, str], str]) -> str | None:
        """Opens, counts, acknowledges or resolves; the id of the incident."""
        incident, request = draft.incident, (draft.incident.tenant, draft.request_id)
        if draft.request_id and request in seen:
            return seen[request]
        there = self._known.get(self._keys.get((incident.tenant, incident.key), ""))
        if draft.event is not AlertEvent.TRIGGER:
            if there is None:
                return None
            change = _ANSWERS[draft.event](there, draft.by, self._fence.now)
        elif there is not None:
            change = triggered_again(there, draft.by, self._fence.now)
        else:
            handed = plans.next(incident.tenant, incident.policy) if incident.policy else Handed()
            begun = msgspec.structs.replace(incident, plan=handed.plan, turn=handed.turn)
            change = opened(begun, draft.by)
            self._new[incident.id] = begun
            self._numbers[incident.id] = 0
        self._take(change.then(self._advance), draft.request_id)
        if draft.request_id:
            seen[request] = change.incident.id
        return change.incident.id

    def act(self, act: Act, plans: Plans, seen: dict[tuple[str, str], str]) -> str:
        """Changes an incident; its id."""
        if act.request_id and (act.tenant, act.request_id) in seen:
            return seen[act.tenant, act.request_id]
        incident = self._of(act.tenant, act.incident)
        handed = plans.next(act.tenant, act.policy) if act.policy else Handed()
        if act.into:
            self._require_whole(act)
        self._take(act.change(incident, handed).then(self._advance), act.request_id)
        if act.request_id:
            seen[act.tenant, act.request_id] = incident.id
        return incident.id

    def latest(self, answer: "str | TocsinError | None") -> "Incident | TocsinError | None":
        """The incident as it is at the end of the transaction."""
        return self._known[answer] if isinstance(answer, str) else answer

    def _of(self, tenant: str, identity: str) -> Incident:
        if identity in self._damaged:
            raise DataLoss(f"incidents/{identity} is stored, and cannot be read.")
        incident = self._known.get(identity)
        if incident is None or incident.tenant != tenant:
            raise IncidentNotFound
        return incident

    def _require_whole(self, act: Act) -> None:
        """What another one becomes part of is open, no part itself, and not that one."""
        other = self._of(act.tenant, act.into)
        if not other.open or act.into == act.incident:
            raise IncidentOver(f"incidents/{act.into} is not open by itself, so that nothing can become part of it.")

    async def listen(self, tenants: Collection[str]) -> None:
        """Reads what holds back the steps of tenants' incidents now."""
        self._silences = await holding(self._connection, tenants, now=self._fence.now)

    def _advance(self, incident: Incident) -> IncidentChange:
        silences = self._silences.get(incident.tenant, ())
        return advance(incident, self._fence.now, hold=hold_of(incident, silences) if silences else None)

    def _keep(self, incident: Incident) -> None:
        self._known[incident.id] = incident
        if incident.state is not IncidentState.RESOLVED:
            self._keys[incident.tenant, incident.key] = incident.id
        else:
            self._keys.pop((incident.tenant, incident.key), None)

    def _take(self, change: IncidentChange, request_id: str) -> None:
        incident = change.incident
        if not change.happened and self._known.get(incident.id) == incident:
            return
        self._keep(incident)
        self._touched.add(incident.id)
        for place, happened in enumerate(change.happened):
            self._add_event(incident, happened, request_id if place == 0 else "")
        shard = self._shard(incident)
        self.firings += [step_firing(incident, taken, shard=shard, now=self._fence.now) for taken in change.steps]
        self.firings += [update_firing(incident, update, shard=shard, now=self._fence.now) for update in change.updates]

    def _add_event(self, incident: Incident, happened: Happened, request_id: str) -> None:
        number = self._numbers[incident.id]
        self._numbers[incident.id] = number + 1
        by, firing = happened.by, firing_of_slot(incident, happened.slot) if happened.slot else ""
        facts = None if happened.facts is None else msgspec.json.encode(happened.facts).decode()
        told = (storable(by.actor), storable(by.via), storable(by.note), happened.step, firing, request_id, facts)
        self._events.append((incident.id, number, incident.tenant, int(happened.kind), happened.at, *told))

    def _shard(self, incident: Incident) -> int:
        """That of the incident, or one of this replica: so the step goes at once, by whoever was asked."""
        return incident.shard if incident.shard in self._fence.held else self._home[shard_of(incident.id) % len(self._home)]

    async def write(self) -> None:
        """Writes everything, and ends what is part of what has ended.

        Raises:
            Aborted: somebody else opened an incident of the same key at the same time.
            Unavailable: a shard is another replica's by now.
        """
        await self._end_parts()
        if not self._touched:
            return
        wanted = {firing.shard for firing in self.firings}
        if wanted and await owned(self._connection, owner=self._fence.owner, held=self._fence.held, wanted=wanted) != wanted:
            raise no_shard()
        await begin_change(self._connection)
        new = [self._row(self._known[identity]) for identity in sorted(self._new)]
        if await _INSERT.many(self._connection, new) < len(new):
            raise Aborted("An incident of the same key was opened at the same moment.")
        changed = [self._row(self._known[identity]) for identity in sorted(self._touched - self._new.keys())]
        picked = [_COLUMNS.index(name) for name in _CHANGED]
        await _UPDATE.many(self._connection, [(row[0], *(row[place] for place in picked)) for row in changed])
        await _INSERT_EVENTS.many(self._connection, self._events)
        if self.firings:
            fresh = await insert_ad_hoc(self._connection, self.firings)
            self.firings = [firing for firing in self.firings if firing.id in fresh]

    async def _end_parts(self) -> None:
        ended = {identity for identity in self._touched if self._known[identity].state is IncidentState.RESOLVED}
        while ended:
            parts = {row[0] for row in await _PARTS.rows(self._connection, sorted(ended))}
            by = {identity: self._known[identity].resolved_by for identity in ended}
            await self.load(parts)
            ended = set[str]()
            for identity in sorted(parts & self._known.keys()):
                part = self._known[identity]
                if part.state is IncidentState.RESOLVED or part.merged_into not in by:
                    continue
                self._take(resolved(part, By(by[part.merged_into], note=f"incidents/{part.merged_into}"), self._fence.now), "")
                ended.add(identity)

    def _row(self, incident: Incident) -> tuple[Any, ...]:
        return (
            *(incident.id, incident.tenant, incident.shard, int(incident.state), int(incident.severity), incident.key, incident.policy),
            *(incident.source, incident.created, incident.updated, incident.wake, incident.held_by, incident.merged_into),
            *(self._numbers[incident.id], msgspec.json.encode(incident).decode()),
        )
