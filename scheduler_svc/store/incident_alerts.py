"""Alerts of groups, as rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain.alert_groups import AlertState, IncidentAlert
from scheduler_svc.domain.incident_words import IncidentSeverity
from scheduler_svc.store.incident_tables import ALERT_OPEN, incident_alerts
from scheduler_svc.store.sql import Fields, Statement, insert
from tocsin.recurrence import Micros
from tocsin.stored import NOT_READABLE, known
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_KEY: Final = ("incident", "dedup_key")
_CHANGED: Final = ("state", "severity", "trigger_count", "triggered_at", "resolved_at", "document")
_COLUMNS: Final = (*_KEY, "tenant", "created_at", *_CHANGED)
_FIELDS: Final = ", ".join(f"a.{name}" for name in _COLUMNS)
_KINDS: Final = (str, str, str, int, int, int, int, int, int, str)
_BASE: Final = insert(incident_alerts, _COLUMNS)
_ELSE: Final = f" ON CONFLICT (incident, dedup_key) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _CHANGED)}"
_PUT: Final = Statement(sqlite=_BASE.sqlite + _ELSE, postgresql=_BASE.postgresql + _ELSE)
_OPEN: Final = Statement(
    sqlite=(
        "SELECT a.incident, a.tenant, a.dedup_key FROM json_each(?1) AS w CROSS JOIN incident_alerts a ON a.tenant = w.value ->> 0 "
        f"AND a.dedup_key = w.value ->> 1 AND a.{ALERT_OPEN}"
    ),
    postgresql=(
        "SELECT a.incident, a.tenant, a.dedup_key FROM unnest($1::text::text[], $2::text::text[]) AS w(tenant, dedup_key) "
        f"JOIN incident_alerts a ON a.tenant = w.tenant AND a.dedup_key = w.dedup_key AND a.{ALERT_OPEN}"
    ),
)
_BY_KEY: Final = Statement(
    sqlite=(
        f"SELECT {_FIELDS} FROM json_each(?1) AS w CROSS JOIN incident_alerts a ON a.incident = w.value ->> 0 "
        "AND a.dedup_key = w.value ->> 1"
    ),
    postgresql=(
        f"SELECT {_FIELDS} FROM unnest($1::text::text[], $2::text::text[]) AS w(incident, dedup_key) "
        "JOIN incident_alerts a ON a.incident = w.incident AND a.dedup_key = w.dedup_key"
    ),
)
_CLOSE: Final = Statement(
    sqlite=(
        f"UPDATE incident_alerts SET state = {AlertState.RESOLVED:d}, resolved_at = ?2 "
        f"WHERE incident IN (SELECT value FROM json_each(?1)) AND {ALERT_OPEN}"
    ),
    postgresql=(
        f"UPDATE incident_alerts SET state = {AlertState.RESOLVED:d}, resolved_at = $2 "
        f"WHERE incident = ANY($1::text::text[]) AND {ALERT_OPEN}"
    ),
)


class StoredAlertText(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is in the document of an alert, in the words of an incident's document: by them dependencies find sources in both."""

    key: str
    title: str
    description: str = ""
    labels: dict[str, str] = {}
    source: str = ""
    url: str = ""


_DOCUMENT: Final = msgspec.json.Decoder(StoredAlertText)
_encode: Final = msgspec.json.Encoder().encode


async def groups_of(connection: AsyncConnection, wanted: Iterable[tuple[str, str]]) -> Sequence[Fields]:
    """The incidents of the open alerts of keys (tenant, key), as (incident, tenant, key)."""
    return await _OPEN.pairs(connection, wanted)


async def read_alerts(connection: AsyncConnection, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], IncidentAlert]:
    """The alerts (incident, key) that there are."""
    rows = await _BY_KEY.pairs(connection, sorted(wanted)) if wanted else ()
    return {(row[0], row[1]): alert_of_row(row) for row in rows}


async def put_alerts(connection: AsyncConnection, alerts: Iterable[IncidentAlert]) -> None:
    """Writes alerts, new ones and changed ones; in one order everywhere, so that two transactions never wait for each other.

    Raises:
        IntegrityError: somebody else opened one of the same key at the same moment.
    """
    rows = sorted((_row(alert) for alert in alerts), key=lambda row: (row[0], row[1]))
    # What has ended goes first: its key may be open in another group of the same transaction.
    for state in (AlertState.RESOLVED, AlertState.OPEN):
        await _PUT.many(connection, [row for row in rows if row[4] == state])


async def close_alerts(connection: AsyncConnection, incidents: Collection[str], *, now: Micros) -> None:
    """Ends all alerts of incidents that are over."""
    if incidents:
        await _CLOSE.run(connection, sorted(incidents), now)


def _row(alert: IncidentAlert) -> tuple[Any, ...]:
    said = StoredAlertText(alert.key, alert.title, alert.description, alert.labels, alert.source, alert.url)
    return (
        *(alert.incident, alert.key, alert.tenant, alert.created, int(alert.state), int(alert.severity), alert.count),
        *(alert.triggered, alert.resolved, _encode(said).decode()),
    )


def alert_of_row(row: Fields) -> IncidentAlert:
    """The alert in a row; one whose document nobody can read has no text."""
    incident, key, tenant, created, state, severity, count, triggered, resolved, document = row
    try:
        said = _DOCUMENT.decode(document)
    except NOT_READABLE as error:
        _log.error("a stored alert cannot be read", tenant=tenant, incident=incident, exc_info=error)
        said = StoredAlertText(key, "")
    return IncidentAlert(
        incident=incident,
        tenant=tenant,
        key=key,
        title=said.title,
        description=said.description,
        severity=known(IncidentSeverity, severity),
        labels=said.labels,
        url=said.url,
        source=said.source,
        state=known(AlertState, state),
        count=count,
        created=created,
        triggered=triggered,
        resolved=resolved,
    )


_PAGE: Final = (
    f"SELECT {_FIELDS} FROM incident_alerts a WHERE a.incident = {{0}}1 AND a.tenant = {{0}}2 AND a.dedup_key > {{0}}3 "
    "ORDER BY a.dedup_key LIMIT {0}4"
)
ALERT_PAGE: Final = Statement(sqlite=_PAGE.format("?"), postgresql=_PAGE.format("$"), kinds=_KINDS)
