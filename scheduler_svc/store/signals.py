"""Alarms that wait for something from outside, and the log and the counts of what came.

The rows of the alarms are written in the transactions that write the alarms.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from msgspec import structs
from sqlalchemy import ColumnElement, Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Alarm, Firing, Origin
from scheduler_svc.store.mapping import decoded_trigger
from scheduler_svc.store.sql import Fields, Statement, both, insert
from scheduler_svc.store.tables import ACTIVE, inbound, signals
from scheduler_svc.triggers import InboundKind, Logged, Signal, SignalKind, Status, TriggerCounts, kind_of, resumed, topic_of
from tocsin.database import Database, DriverConnection, Lookup
from tocsin.listing import Condition
from tocsin.recurrence import Heartbeat, Micros, Trigger
from tocsin.stored import NOT_READABLE, known
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

LISTENERS: Final = "listeners"
"""Name of the count that grows whenever a tenant's alarms wait for other events than before; see `scheduler_svc.store.triggered`."""
INCIDENT_RULES: Final = "incident rules"
"""Name of the count that grows with every change of a tenant's silences, routes and dependencies; see `store.incident_rules`."""

_COLUMNS: Final = ("alarm", "tenant", "kind", "topic", "secret", "status", "since", "seen_at", "until", "slug")
_INSERT: Final = insert(signals, _COLUMNS, ignore=True)
_THERE: Final = Statement(
    sqlite="SELECT alarm FROM signals WHERE alarm IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT alarm FROM signals WHERE alarm = ANY($1::text[])",
)
_DELETE: Final = both("DELETE FROM signals WHERE alarm = $1")
_DELETE_PINGS: Final = both("DELETE FROM pings WHERE alarm = $1")
_DELETE_ALL, _DELETE_ALL_PINGS = (
    Statement(
        sqlite=f"DELETE FROM {table} WHERE alarm IN (SELECT value FROM json_each(?1))",
        postgresql=f"DELETE FROM {table} WHERE alarm = ANY($1::text[])",
    )
    for table in ("signals", "pings")
)
# The last reading belongs to the metric, not to each alarm that watches it; one that still waits has seen none.
_SIGNAL: Final = (
    "SELECT s.alarm, s.status, s.since, s.secret, coalesce(s.seen_at, r.measured_at), r.value, s.started_at, s.run_id, s.duration "
    "FROM signals s "
    f"LEFT JOIN readings r ON s.kind = {SignalKind.THRESHOLD:d} AND s.status > {Status.WAITING:d} AND r.tenant = s.tenant "
    "AND r.metric = s.topic"
)
_READ: Final = Statement(
    sqlite=f"{_SIGNAL} WHERE s.alarm IN (SELECT value FROM json_each(?1))",
    postgresql=f"{_SIGNAL} WHERE s.alarm = ANY($1::text[])",
)
_OF_ALARM: Final = Lookup(text(f"{_SIGNAL} WHERE s.alarm = :in_alarm"))
SET_SIGNAL_STATE: Final = both("UPDATE signals SET status = $2, since = $3 WHERE alarm = $1")
_BEGIN_ANEW: Final = both("UPDATE signals SET status = $2, since = $3, started_at = NULL, run_id = '' WHERE alarm = $1")
SET_DUE: Final = both("UPDATE alarms SET next_fire_at = $2 WHERE id = $1")
_RESUME: Final = both("UPDATE alarms SET next_fire_at = $2, skip_before = NULL WHERE id = $1")
_RULES: Final = Statement(
    sqlite="SELECT id, trigger_rule FROM alarms WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT id, trigger_rule FROM alarms WHERE id = ANY($1::text[])",
)
_BEGIN_ALL_ANEW: Final = Statement(
    sqlite="UPDATE signals SET status = ?2, since = ?3, started_at = NULL, run_id = '' WHERE alarm = ?1",
    postgresql=(
        "UPDATE signals SET status = v.status, since = v.since, started_at = NULL, run_id = '' "
        "FROM unnest($1::text[], $2::text::smallint[], $3::text::bigint[]) AS v(alarm, status, since) WHERE signals.alarm = v.alarm"
    ),
)
_RESUME_ALL: Final = Statement(
    sqlite="UPDATE alarms SET next_fire_at = ?2, skip_before = NULL WHERE id = ?1",
    postgresql=(
        "UPDATE alarms SET next_fire_at = v.due, skip_before = NULL "
        "FROM unnest($1::text[], $2::text::bigint[]) AS v(alarm, due) WHERE alarms.id = v.alarm"
    ),
)
_ADD: Final = "ON CONFLICT (tenant, name) DO UPDATE SET value = tenant_counts.value + excluded.value"
COUNT_UP: Final = Statement(
    sqlite=f"INSERT INTO tenant_counts (tenant, name, value) VALUES (?1, ?2, ?3) {_ADD}",
    postgresql=(
        f"INSERT INTO tenant_counts (tenant, name, value) SELECT v.* FROM unnest($1::text[], $2::text[], $3::bigint[]) AS v {_ADD}"
    ),
)

"""Adds to counts of tenants; in the order of tenant and name, so that two transactions never wait for each other."""


async def insert_signals(connection: DriverConnection, made: Sequence[Alarm]) -> set[str]:
    """Writes the rows of new alarms, or of alarms with a new trigger; the ids of those whose key another heartbeat of the tenant has."""
    rows = [_row(alarm, alarm.signal) for alarm in made if alarm.signal is not None]
    if not rows:
        return set()
    refused: set[str] = set()
    # In one order everywhere: whoever inserts a taken key waits for the transaction that took it.
    if await _INSERT.many(connection, sorted(rows, key=lambda row: (row[1], row[3], row[0]))) < len(rows):
        ids = [row[0] for row in rows]
        refused = set(ids) - {row[0] for row in await _THERE.rows(connection, ids)}
    await tell_listeners(connection, (alarm for alarm in made if alarm.id not in refused))
    return refused


async def tell_listeners(connection: DriverConnection, changed: Iterable[Alarm]) -> None:
    """Makes every replica look anew for who waits for events, before it takes the next one."""
    tenants = {alarm.tenant for alarm in changed if kind_of(alarm.trigger) in (SignalKind.EVENT, SignalKind.PATTERN)}
    await COUNT_UP.many(connection, [(tenant, LISTENERS, 1) for tenant in sorted(tenants)])


async def replace_signal(connection: DriverConnection, alarm: Alarm) -> bool:
    """Writes the row of an alarm with a new trigger; whether its key was free."""
    await _DELETE.run(connection, alarm.id)
    return not await insert_signals(connection, [alarm])


async def drop_signal(connection: DriverConnection, alarm: str) -> None:
    """Removes the row of an alarm, and the pings that are kept of it; one that has none is left alone."""
    await _DELETE.run(connection, alarm)
    await _DELETE_PINGS.run(connection, alarm)


async def drop_signals(connection: DriverConnection, gone: Sequence[str]) -> None:
    """As `drop_signal`, of many alarms."""
    await _DELETE_ALL.run(connection, list(gone))
    await _DELETE_ALL_PINGS.run(connection, list(gone))


async def with_signals(connection: DriverConnection, found: Collection[Alarm]) -> list[Alarm]:
    """The alarms, and where those stand that wait for something from outside."""
    waiting = [alarm.id for alarm in found if not alarm.trigger.calendar]
    if not waiting:
        return list(found)
    stored = {row[0]: row for row in await _READ.rows(connection, waiting)}
    return [_with(alarm, stored.get(alarm.id)) for alarm in found]


async def with_signal(database: Database, alarm: Alarm) -> Alarm:
    """The alarm, and where it stands if it waits for something from outside; by itself, and for a fraction of the cost."""
    if alarm.trigger.calendar:
        return alarm
    found = await database.lookup(_OF_ALARM, {"in_alarm": alarm.id})
    return _with(alarm, found[0] if found else None)


def _with(alarm: Alarm, row: Sequence[Any] | None) -> Alarm:
    if row is None:
        return alarm
    return structs.replace(alarm, signal=_signal_of(row))


def _signal_of(row: Sequence[Any]) -> Signal:
    """The signal in a row of `_SIGNAL`."""
    _, status, since, secret, seen, value, started, run, duration = row
    return Signal(
        status=known(Status, status),
        since=since,
        secret=secret,
        seen=seen,
        value=value,
        started=started,
        run=run,
        duration=duration,
    )


async def resume_signal(connection: DriverConnection, alarm: Alarm, *, now: Micros) -> Alarm:
    """Lets an alarm that was just resumed wait anew."""
    (found,) = await with_signals(connection, [alarm])
    if found.signal is None:
        return found
    state, due = resumed(found.trigger, found.signal, now=now)
    await _BEGIN_ANEW.run(connection, found.id, int(state.status), state.since)
    await _RESUME.run(connection, found.id, due)
    return structs.replace(found, signal=state, due=due, skip_before=None)


async def resume_signals(connection: DriverConnection, ids: Sequence[str], *, now: Micros) -> dict[str, Micros | None]:
    """As `resume_signal`, of many alarms; the due times of those that wait for something from outside."""
    stored = {row[0]: _signal_of(row) for row in await _READ.rows(connection, list(ids))}
    rules = await _RULES.rows(connection, list(stored)) if stored else ()
    triggers = {alarm: trigger for alarm, rule in rules if (trigger := _trigger_of(alarm, rule)) is not None and not trigger.calendar}
    anew = {alarm: resumed(trigger, stored[alarm], now=now) for alarm, trigger in triggers.items()}
    await _BEGIN_ALL_ANEW.many(connection, [(alarm, int(state.status), state.since) for alarm, (state, _) in anew.items()])
    due = {alarm: due for alarm, (_, due) in anew.items()}
    await _RESUME_ALL.many(connection, list(due.items()))
    return due


def _trigger_of(alarm: str, rule: str) -> Trigger | None:
    """The trigger in a rule; None where nobody can read it, and the alarm waits as it did."""
    try:
        return decoded_trigger(rule)
    except NOT_READABLE as error:
        _log.error("a stored rule cannot be read", alarm=alarm, exc_info=error)
        return None


def _row(alarm: Alarm, signal: Signal) -> tuple[Any, ...]:
    """The values of `_COLUMNS`."""
    kind = kind_of(alarm.trigger)
    return (
        *(alarm.id, alarm.tenant, int(kind or 0), topic_of(alarm.trigger, signal), signal.secret),
        *(int(signal.status), signal.since, signal.seen, alarm.trigger.end),
        alarm.trigger.spec.slug if isinstance(alarm.trigger.spec, Heartbeat) else "",
    )


_INBOUND_COLUMNS: Final = ("id", "tenant", "kind", "event_id", "topic", "source", "happened_at", "received_at", "data", "matched", "rest")
INSERT_INBOUND: Final = insert(inbound, _INBOUND_COLUMNS, ignore=True)
"""Adds entries to the log: log, tenant, kind, id, topic, source, happened, received, body, matched, rest. A known event is left out."""

_KNOWN: Final = Statement(
    sqlite=(
        "SELECT i.tenant, i.event_id, i.id, i.matched, i.rest FROM json_each(?1) w "
        f"CROSS JOIN inbound i ON i.tenant = w.value ->> 0 AND i.kind = {InboundKind.EVENT:d} AND i.event_id = w.value ->> 1 "
        "AND i.event_id <> ''"
    ),
    postgresql=(
        "SELECT i.tenant, i.event_id, i.id, i.matched, i.rest FROM unnest($1::text[], $2::text[]) AS w(tenant, event_id) "
        f"JOIN inbound i ON i.tenant = w.tenant AND i.kind = {InboundKind.EVENT:d} AND i.event_id = w.event_id AND i.event_id <> ''"
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

_LISTENING: Final = both(f"SELECT count(*) FROM signals s JOIN alarms a ON a.id = s.alarm WHERE s.tenant = $1 AND a.state = {ACTIVE}")


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
        """Counts firings by what triggered them: an event, or a signal that was raised or resolved."""
        names = {Origin.EVENT: "event_firings", Origin.RAISED: "raised", Origin.RESOLVED: "resolved"}
        for firing in firings:
            self._counts[firing.tenant, names[firing.origin]] += 1

    async def write(self, connection: AsyncConnection) -> None:
        """Adds them to those before; in one order everywhere, and last, for the rows stay locked until the transaction ends."""
        await COUNT_UP.many(connection, [(*key, count) for key, count in sorted(self._counts.items())])


class InboundLog:
    """Reads the log and the counts: a part of `scheduler_svc.ports.SignalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int) -> list[Logged]:
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
