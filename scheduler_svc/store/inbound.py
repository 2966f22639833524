"""The log of what came from outside, and the counts of it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Firing, Origin
from scheduler_svc.store.signals import COUNT_UP
from scheduler_svc.store.sql import Fields, Statement, both, insert
from scheduler_svc.store.tables import inbound
from scheduler_svc.triggers import InboundKind, Logged, TriggerCounts
from tocsin.database import Database
from tocsin.listing import Condition
from tocsin.stored import known

_COLUMNS: Final = ("id", "tenant", "kind", "event_id", "topic", "source", "happened_at", "received_at", "data", "matched", "rest")
INSERT_INBOUND: Final = insert(inbound, _COLUMNS, ignore=True)
"""Adds entries to the log: log, tenant, kind, id, topic, source, happened, received, body, matched, rest. A known event is left out."""

_KNOWN: Final = Statement(
    sqlite=(
        "SELECT i.tenant, i.event_id, i.id, i.matched, i.rest FROM json_each(?1) w "
        "CROSS JOIN inbound i ON i.tenant = w.value ->> 0 AND i.kind = 1 AND i.event_id = w.value ->> 1 AND i.event_id <> ''"
    ),
    postgresql=(
        "SELECT i.tenant, i.event_id, i.id, i.matched, i.rest FROM unnest($1::text[], $2::text[]) AS w(tenant, event_id) "
        "JOIN inbound i ON i.tenant = w.tenant AND i.kind = 1 AND i.event_id = w.event_id AND i.event_id <> ''"
    ),
)

_TOPIC: Final = "topic:"
_TOPICS: Final = 100
_NAMES: Final = ("events", "event_firings", "readings", "pings", "raised", "resolved")
_COUNTS: Final = Statement(
    sqlite="SELECT name, value FROM tenant_counts WHERE tenant = ?1 AND name IN (SELECT value FROM json_each(?2))",
    postgresql="SELECT name, value FROM tenant_counts WHERE tenant = $1 AND name = ANY($2::text[])",
)
_TOP: Final = both(
    "SELECT name, value FROM tenant_counts WHERE tenant = $1 AND name >= 'topic:' AND name < 'topic;' ORDER BY value DESC, name LIMIT $2"
)

_LISTENING: Final = both("SELECT count(*) FROM signals s JOIN alarms a ON a.id = s.alarm WHERE s.tenant = $1 AND a.state = 1")


class Tally:
    """Counts of one transaction."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def came(self, tenant: str, name: str, *, topic: str = "") -> None:
        """Counts one thing; an event by its topic, too."""
        self._counts[tenant, name] += 1
        if topic:
            self._counts[tenant, f"{_TOPIC}{topic}"] += 1

    def caused(self, firings: Sequence[Firing]) -> None:
        """Counts firings."""
        names = {Origin.EVENT: "event_firings", Origin.RAISED: "raised", Origin.RESOLVED: "resolved"}
        for firing in firings:
            self._counts[firing.tenant, names[firing.origin]] += 1

    async def write(self, connection: AsyncConnection) -> None:
        """Adds them to those before; in one order everywhere, and last, for the rows stay locked until the transaction ends."""
        await COUNT_UP.many(connection, [(*key, count) for key, count in sorted(self._counts.items())])


class InboundLog:
    """Reads the log and the counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int) -> list[Logged]:
        """See `scheduler_svc.service.signals.SignalStore`."""
        query: Select[Any] = select(inbound).where(inbound.c.tenant == tenant, *map(_where, conditions))
        if before is not None:
            query = query.where(inbound.c.id < before)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(inbound.c.id.desc()).limit(size))
            return [
                Logged(
                    log=row.id,
                    kind=known(InboundKind, row.kind),
                    id=row.event_id or row.id,
                    topic=row.topic,
                    source=row.source,
                    happened=row.happened_at,
                    received=row.received_at,
                    body=row.data or b"",
                    matched=row.matched,
                )
                for row in rows
            ]

    async def counts(self, tenant: str) -> TriggerCounts:
        """See `scheduler_svc.service.signals.SignalStore`."""
        async with self._database.read() as connection:
            counts: dict[str, int] = _pairs(await _COUNTS.rows(connection, tenant, list(_NAMES)))
            topics = _pairs(await _TOP.rows(connection, tenant, _TOPICS))
            listening: int = (await _LISTENING.rows(connection, tenant))[0][0]
        return TriggerCounts(**counts, listening=listening, topics={name.removeprefix(_TOPIC): value for name, value in topics.items()})


def _pairs(rows: Sequence[Fields]) -> dict[str, int]:
    return {row[0]: row[1] for row in rows}


def _where(condition: Condition) -> ColumnElement[bool]:
    if condition.field == "kind":
        kind = InboundKind[str(condition.value)]
        return inbound.c.kind == kind if condition.operator == "=" else inbound.c.kind != kind
    column: ColumnElement[Any] = {"topic": inbound.c.topic, "source": inbound.c.source, "id": inbound.c.event_id}[condition.field]
    return column == condition.value if condition.operator == "=" else column != condition.value


class Stored(NamedTuple):
    """The entry of an event that was published before, and whether it fires all that it matched."""

    log: str
    matched: int
    finished: bool


async def log_events(connection: AsyncConnection, rows: Sequence[Fields]) -> dict[str, Stored]:
    """Adds entries of events; those that were known before, within the same rows as well, by the entry that was not added."""
    # In one order everywhere: whoever inserts a known event waits for the transaction that did before.
    if await INSERT_INBOUND.many(connection, sorted(rows, key=lambda row: (row[1], row[3]))) == len(rows):
        return {}
    found = await _KNOWN.pairs(connection, ((row[1], row[3]) for row in rows))
    stored = {(tenant, identity): Stored(log, matched, rest is None) for tenant, identity, log, matched, rest in found}
    return {row[0]: known for row in rows if (known := stored[row[1], row[3]]).log != row[0]}
