"""Reading incidents and their timelines."""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Row, literal_column, select

from scheduler_svc.domain.alert_groups import IncidentAlert
from scheduler_svc.domain.incident_words import By, EventKind, IncidentSeverity, IncidentState
from scheduler_svc.domain.incidents import Incident, IncidentNotFound
from scheduler_svc.ports.incidents import IncidentEvent
from scheduler_svc.store.incident_alerts import ALERT_PAGE, alert_of_row
from scheduler_svc.store.incident_rows import INCIDENT_DECODER
from scheduler_svc.store.incident_tables import incident_events, incidents
from scheduler_svc.store.incidents import IncidentWriter
from scheduler_svc.store.sql import SETTLED, Fields, Statement
from scheduler_svc.store.tables import UNFINISHED
from tocsin.clock import to_micros
from tocsin.listing import Condition
from tocsin.stored import NOT_READABLE, known

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_COLUMN_OF: Final = {"escalation_policy": "policy", "create_time": "created_at"}
_READ: Final = "SELECT i.tenant, i.id, i.document FROM"
_BY_ID: Final = Statement(
    sqlite=f"{_READ} json_each(?1) AS w CROSS JOIN incidents i ON i.id = w.value ->> 1 AND i.tenant = w.value ->> 0",
    postgresql=f"{_READ} unnest($1::text[], $2::text[]) AS w(tenant, id) JOIN incidents i ON i.id = w.id AND i.tenant = w.tenant",
)
_BEING_TOLD: Final = (
    f"JOIN incident_events e ON e.incident = w.id AND e.tenant = w.tenant AND e.kind = {EventKind.STEP:d} "
    f"JOIN firings f ON f.id = e.firing AND f.state IN {UNFINISHED}"
)
_TELLING: Final = Statement(
    sqlite=f"SELECT DISTINCT w.tenant, w.id FROM (SELECT value ->> 0 AS tenant, value ->> 1 AS id FROM json_each(?1)) AS w {_BEING_TOLD}",
    postgresql=f"SELECT DISTINCT w.tenant, w.id FROM unnest($1::text[], $2::text[]) AS w(tenant, id) {_BEING_TOLD}",
)
_EVENTS: Final = "SELECT incident, number, kind, happened_at, actor, via, note, step, firing, change_no FROM incident_events"
_CHANGES: Final = Statement(
    sqlite=(
        f"{_EVENTS} WHERE tenant = ?1 AND (change_no, incident, number) > (?2, ?3, ?4) AND change_no < {SETTLED.sqlite} "
        "AND (?5 = '' OR incident = ?5) ORDER BY change_no, incident, number LIMIT ?6"
    ),
    postgresql=(
        f"{_EVENTS} WHERE tenant = $1 AND (change_no, incident, number) > ($2::bigint, $3::text, $4::integer) "
        f"AND change_no < {SETTLED.postgresql} AND ($5::text = '' OR incident = $5) ORDER BY change_no, incident, number LIMIT $6"
    ),
    kinds=(str, int, int, int, str, str, str, int, str, int),
)
_NOW_AT: Final = Statement(sqlite=f"SELECT {SETTLED.sqlite}", postgresql=f"SELECT {SETTLED.postgresql}")


class SqlIncidentStore(IncidentWriter):
    """Incidents of all tenants: implements `scheduler_svc.ports.incidents.IncidentStore`."""

    async def get(self, tenant: str, incident: str) -> Incident:
        query = select(incidents).where(incidents.c.id == incident, incidents.c.tenant == tenant)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise IncidentNotFound
        return _incident(row)

    async def waiting(self, ids: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        async with self._database.read() as connection:
            rows: Sequence[Fields] = await _BY_ID.pairs(connection, sorted(ids)) if ids else ()
        return {(tenant, identity) for tenant, identity, document in rows if _waits(document)}

    async def telling(self, ids: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        async with self._database.read() as connection:
            rows: Sequence[Fields] = await _TELLING.pairs(connection, sorted(ids)) if ids else ()
        return {(tenant, identity) for tenant, identity in rows}

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str, size: int) -> Sequence[Incident]:
        query = select(incidents).where(incidents.c.tenant == tenant, *map(_where, conditions))
        if before:
            query = query.where(incidents.c.id < before)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(incidents.c.id.desc()).limit(size))
            return [_incident(row) for row in rows]

    async def timeline(self, tenant: str, incident: str, *, after: int, size: int) -> Sequence[IncidentEvent]:
        table = incident_events.c
        query = select(incident_events).where(table.incident == incident, table.tenant == tenant, table.number > after)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(table.number).limit(size))
            return [_event(tuple(getattr(row, name) for name in _EVENT_FIELDS)) for row in rows]

    async def alerts(self, tenant: str, incident: str, *, after: str, size: int) -> Sequence[IncidentAlert]:
        async with self._database.read() as connection:
            return [alert_of_row(row) for row in await ALERT_PAGE.rows(connection, incident, tenant, after, size)]

    async def now_at(self) -> int:
        async with self._database.read() as connection:
            return (await _NOW_AT.rows(connection))[0][0]

    async def events(self, tenant: str, *, incident: str, after: tuple[int, str, int], most: int) -> Sequence[IncidentEvent]:
        async with self._database.read() as connection:
            rows = await _CHANGES.rows(connection, tenant, *after, incident, most)
        return [_event(row) for row in rows]


_EVENT_FIELDS: Final = ("incident", "number", "kind", "happened_at", "actor", "via", "note", "step", "firing", "change_no")


def _event(row: Fields) -> IncidentEvent:
    incident, number, kind, at, actor, via, note, step, firing, change = row
    return IncidentEvent(incident, number, known(EventKind, kind), at, By(actor, via, note), step, firing, change)


def _waits(document: str) -> bool:
    try:
        return INCIDENT_DECODER.decode(document).waiting
    except NOT_READABLE:
        return True  # nobody knows that it was answered


def _incident(row: Row[Any]) -> Incident:
    """The incident in a row; of one that nobody can read, what its columns say."""
    try:
        found = INCIDENT_DECODER.decode(row.document)
        if (found.id, found.tenant) != (row.id, row.tenant):  # a page would go on behind the one that it says to be
            raise LookupError
    except NOT_READABLE:
        return Incident(
            id=row.id,
            tenant=row.tenant,
            shard=row.shard,
            key=row.dedup_key,
            title="",
            severity=known(IncidentSeverity, row.severity),
            policy=row.policy,
            source=row.source,
            state=known(IncidentState, row.state),
            created=row.created_at,
            triggered=row.created_at,
            updated=row.updated_at,
            version=0,
        )
    return found


def _where(condition: Condition) -> ColumnElement[bool]:
    column: ColumnElement[Any] = incidents.c[_COLUMN_OF.get(condition.field, condition.field)]
    value: Any = condition.value
    if condition.field == "state":
        value = literal_column(str(int(IncidentState[str(value)])), Integer)  # in the text, so that the partial index is seen to fit
    elif condition.field == "severity":
        value = int(IncidentSeverity[str(value)])
    elif condition.field == "escalation_policy":
        value = str(value).removeprefix("escalationPolicies/")
    elif condition.field == "create_time":
        value = to_micros(condition.value)  # pyright: ignore[reportArgumentType]  the parser gives a time for a field of that kind
    return _OPERATORS[condition.operator](column, value)
