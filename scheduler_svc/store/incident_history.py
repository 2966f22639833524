"""What an audit reads of incidents."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

from scheduler_svc.domain import Origin, Outcome
from scheduler_svc.domain.incident_words import EventKind, IncidentState
from scheduler_svc.domain.silences import Silence
from scheduler_svc.ports.incident_audit import AuditedIncident, IncidentLife, RecordedEvent, StepRow
from scheduler_svc.store.incident_rows import INCIDENT_DECODER
from scheduler_svc.store.silences import silences_ending
from scheduler_svc.store.sql import Fields, Statement, both
from tocsin.database import Database
from tocsin.recurrence import Micros
from tocsin.stored import NOT_READABLE, known

_INCIDENT_KINDS: Final = (str, str, int)
_EVENT_KINDS: Final = (str, int, int, int, str, str, int, str, str)
_ROW_KINDS: Final = (str, int, int, int, str, bytes)
_ONE: Final = both("SELECT id, document, events FROM incidents WHERE tenant = $1 AND id = $2", _INCIDENT_KINDS)
_INCIDENTS: Final = both(
    "SELECT id, document, events FROM incidents WHERE tenant = $1 AND id > $2 "
    f"AND (updated_at >= $3 OR state <> {IncidentState.RESOLVED:d}) ORDER BY id LIMIT $4",
    _INCIDENT_KINDS,
)
_LIVES: Final = Statement(
    sqlite="SELECT id, document, events FROM incidents WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2))",
    postgresql="SELECT id, document, events FROM incidents WHERE tenant = $1 AND id = ANY($2::text[])",
    kinds=_INCIDENT_KINDS,
)
_FIELDS: Final = "incident, number, kind, happened_at, actor, note, step, firing, coalesce(facts, '')"
_REASSIGNED: Final = Statement(
    sqlite=(
        f"SELECT {_FIELDS} FROM incident_events WHERE tenant = ?1 AND incident IN (SELECT value FROM json_each(?2)) "
        f"AND kind = {EventKind.REASSIGNED:d} ORDER BY incident, number"
    ),
    postgresql=(
        f"SELECT {_FIELDS} FROM incident_events WHERE tenant = $1 AND incident = ANY($2::text[]) "
        f"AND kind = {EventKind.REASSIGNED:d} ORDER BY incident, number"
    ),
    kinds=_EVENT_KINDS,
)
_EVENTS: Final = Statement(
    sqlite=(
        f"SELECT {_FIELDS} FROM incident_events WHERE tenant = ?1 AND incident IN (SELECT value FROM json_each(?2)) "
        "AND (incident, number) > (?3, ?4) ORDER BY incident, number LIMIT ?5"
    ),
    postgresql=(
        f"SELECT {_FIELDS} FROM incident_events WHERE tenant = $1 AND incident = ANY($2::text[]) "
        "AND (incident, number) > ($3::text, $4::integer) ORDER BY incident, number LIMIT $5"
    ),
    kinds=_EVENT_KINDS,
)
_NAMED: Final = Statement(
    sqlite=("SELECT firing FROM incident_events WHERE tenant = ?1 AND incident IN (SELECT value FROM json_each(?2)) AND firing <> ''"),
    postgresql="SELECT firing FROM incident_events WHERE tenant = $1 AND incident = ANY($2::text[]) AND firing <> ''",
)
_ROW: Final = "id, due_at, fired_at, outcome, reason, context"
_ROWS: Final = Statement(
    sqlite=(f"SELECT {_ROW} FROM firings WHERE id IN (SELECT value FROM json_each(?2)) AND tenant = ?1 AND origin = {Origin.ESCALATION:d}"),
    postgresql=f"SELECT {_ROW} FROM firings WHERE id = ANY($2::text[]) AND tenant = $1 AND origin = {Origin.ESCALATION:d}",
    kinds=_ROW_KINDS,
)
_EDGE: Final = both(
    "SELECT due_at, id FROM firings WHERE tenant = $1 AND due_at >= $2 AND due_at < $3 AND (due_at, id) > ($2, $4) "
    "ORDER BY due_at, id LIMIT 1 OFFSET $5"
)
_BETWEEN: Final = both(
    f"SELECT {_ROW} FROM firings WHERE tenant = $1 AND due_at >= $2 AND due_at <= $4 "
    f"AND (due_at, id) > ($2, $3) AND (due_at, id) <= ($4, $5) AND origin = {Origin.ESCALATION:d} ORDER BY due_at, id",
    _ROW_KINDS,
)
_LAST_ID: Final = "~"  # sorts behind every id


class SqlIncidentAuditStore:
    """Implements `scheduler_svc.ports.incident_audit.IncidentAuditStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def incidents_after(self, tenant: str, *, after: str, since: Micros, most: int) -> Sequence[AuditedIncident]:
        async with self._database.read() as connection:
            return [_incident(row) for row in await _INCIDENTS.rows(connection, tenant, after, since, most)]

    async def one(self, tenant: str, incident: str) -> AuditedIncident | None:
        async with self._database.read() as connection:
            rows = await _ONE.rows(connection, tenant, incident)
        return _incident(rows[0]) if rows else None

    async def reassignments(self, tenant: str, incidents: Collection[str]) -> Sequence[RecordedEvent]:
        async with self._database.read() as connection:
            return [_event(row) for row in await _REASSIGNED.rows(connection, tenant, list(incidents))]

    async def events(self, tenant: str, incidents: Collection[str], *, after: tuple[str, int], most: int) -> Sequence[RecordedEvent]:
        async with self._database.read() as connection:
            return [_event(row) for row in await _EVENTS.rows(connection, tenant, list(incidents), *after, most)]

    async def rows_of(self, tenant: str, firings: Collection[str]) -> Mapping[str, StepRow]:
        async with self._database.read() as connection:
            return {row[0]: _row(row) for row in await _ROWS.rows(connection, tenant, list(firings))}

    async def rows_between(
        self, tenant: str, *, start: Micros, end: Micros, after: tuple[Micros, str], most: int
    ) -> tuple[Sequence[StepRow], tuple[Micros, str] | None]:
        due, firing = max(after, (start, ""))
        async with self._database.read() as connection:
            edge = await _EDGE.rows(connection, tenant, due, end, firing, most - 1)
            following = (edge[0][0], edge[0][1]) if edge else None
            rows = await _BETWEEN.rows(connection, tenant, due, firing, *(following or (end - 1, _LAST_ID)))
        return [_row(row) for row in rows], following

    async def lives(self, tenant: str, incidents: Collection[str]) -> Mapping[str, IncidentLife]:
        if not incidents:
            return {}
        async with self._database.read() as connection:
            found = [_incident(row) for row in await _LIVES.rows(connection, tenant, sorted(incidents))]
        return {one.id: IncidentLife(one.incident.created, one.incident.resolved) for one in found if one.incident is not None}

    async def named(self, tenant: str, incidents: Collection[str]) -> set[str]:
        async with self._database.read() as connection:
            return {row[0] for row in await _NAMED.rows(connection, tenant, list(incidents))}

    async def silences(self, tenant: str, *, since: Micros) -> Sequence[Silence]:
        async with self._database.read() as connection:
            return await silences_ending(connection, tenant, since=since)


def _incident(row: Fields) -> AuditedIncident:
    identity, document, events = row
    try:
        return AuditedIncident(identity, INCIDENT_DECODER.decode(document), events)
    except NOT_READABLE:
        return AuditedIncident(identity, None, events)


def _event(row: Fields) -> RecordedEvent:
    incident, number, kind, at, actor, note, step, firing, facts = row
    return RecordedEvent(incident, number, known(EventKind, kind), at, actor, note, step, firing, facts)


def _row(row: Fields) -> StepRow:
    firing, due, fired, outcome, reason, context = row
    return StepRow(firing, due, fired, known(Outcome, outcome), reason, _about(context))


def _about(context: bytes | None) -> str:
    """Id of the incident that a firing is about; empty if nobody can say."""
    try:
        told = Struct.FromString(context or b"").fields["incident"].struct_value.fields["name"].string_value
    except DecodeError:
        return ""
    return told.removeprefix("incidents/")
