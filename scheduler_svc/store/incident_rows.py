"""Rows of incidents: how they are found, locked and written."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain.incidents import Incident
from scheduler_svc.store.incident_tables import NOT_RESOLVED, incident_events, incidents
from scheduler_svc.store.sql import CHANGE, Statement, both, insert
from tocsin.errors import Aborted

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
        f"UPDATE incidents SET {', '.join(f'{name} = v.{name}' for name in _CHANGED)} FROM unnest($1::text::text[], "
        f"{', '.join(f'${place}::text::{kind}[]' for place, kind in enumerate(_TYPES, 2))}) AS v(id, {', '.join(_CHANGED)}) "
        "WHERE incidents.id = v.id"
    ),
)
_EVENT_COLUMNS: Final = (
    *("incident", "number", "tenant", "kind", "happened_at", "actor", "via", "note", "step", "firing", "request_id"),
    "facts",
)
INSERT_EVENTS: Final = insert(incident_events, _EVENT_COLUMNS, extra="change_no", extra_value=CHANGE)
_READ: Final = "SELECT id, tenant, dedup_key, events, document FROM incidents"
LOCKED: Final = Statement(
    sqlite=f"{_READ} WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql=f"{_READ} WHERE id = ANY($1::text::text[]) ORDER BY id FOR UPDATE",
)
OPEN_BY_KEY: Final = Statement(
    sqlite=(
        "SELECT i.id FROM json_each(?1) AS w CROSS JOIN incidents i ON i.tenant = w.value ->> 0 AND i.dedup_key = w.value ->> 1 "
        f"AND i.{NOT_RESOLVED}"
    ),
    postgresql=(
        "SELECT i.id FROM unnest($1::text::text[], $2::text::text[]) AS w(tenant, dedup_key) JOIN incidents i ON i.tenant = w.tenant "
        f"AND i.dedup_key = w.dedup_key AND i.{NOT_RESOLVED}"
    ),
)
REQUESTS: Final = Statement(
    sqlite=(
        "SELECT e.tenant, e.request_id, e.incident FROM json_each(?1) AS w CROSS JOIN incident_events e ON e.tenant = w.value ->> 0 "
        "AND e.request_id = w.value ->> 1 AND e.request_id <> ''"
    ),
    postgresql=(
        "SELECT e.tenant, e.request_id, e.incident FROM unnest($1::text::text[], $2::text::text[]) AS w(tenant, request_id) "
        "JOIN incident_events e ON e.tenant = w.tenant AND e.request_id = w.request_id AND e.request_id <> ''"
    ),
)
PARTS: Final = Statement(
    sqlite="SELECT id FROM incidents WHERE merged_into IN (SELECT value FROM json_each(?1)) AND merged_into <> ''",
    postgresql="SELECT id FROM incidents WHERE merged_into = ANY($1::text::text[]) AND merged_into <> ''",
)
LET_LIE: Final = both("UPDATE incidents SET wake_at = NULL WHERE id = $1")
WAKE_HELD: Final = Statement(
    sqlite="UPDATE incidents SET wake_at = ?2 WHERE held_by <> '' AND held_by IN (SELECT value FROM json_each(?1))",
    postgresql="UPDATE incidents SET wake_at = $2 WHERE held_by <> '' AND held_by = ANY($1::text::text[])",
)
_encode: Final = msgspec.json.Encoder().encode
_PICKED: Final = [_COLUMNS.index(name) for name in _CHANGED]


async def write_incidents(
    connection: AsyncConnection, *, new: Sequence[Incident], changed: Sequence[Incident], numbers: Mapping[str, int]
) -> None:
    """Writes incidents, each in the order of its id; ``numbers`` says how many entries their timelines have.

    Raises:
        Aborted: somebody else opened one of the same key at the same time.
    """
    if await _INSERT.many(connection, [_row(incident, numbers) for incident in new]) < len(new):
        raise Aborted("An incident of the same key was opened at the same moment.")
    rows = [_row(incident, numbers) for incident in changed]
    await _UPDATE.many(connection, [(row[0], *(row[place] for place in _PICKED)) for row in rows])


def _row(incident: Incident, numbers: Mapping[str, int]) -> tuple[Any, ...]:
    return (
        *(incident.id, incident.tenant, incident.shard, int(incident.state), int(incident.severity), incident.key, incident.policy),
        *(incident.source, incident.created, incident.updated, incident.wake, incident.held_by, incident.merged_into),
        *(numbers[incident.id], _encode(incident).decode()),
    )
