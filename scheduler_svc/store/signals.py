"""The rows of alarms that wait for something from outside; they are written in the transactions that write the alarms."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Alarm
from scheduler_svc.store.sql import Statement, both, insert
from scheduler_svc.store.tables import signals
from scheduler_svc.triggers import Signal, SignalKind, Status, kind_of, resumed, topic_of
from tocsin.recurrence import Micros
from tocsin.stored import known

LISTENERS: Final = "listeners"
"""Name of the count that grows whenever a tenant's alarms wait for other events than before; see `scheduler_svc.store.subscriptions`."""

_COLUMNS: Final = ("alarm", "tenant", "kind", "topic", "secret", "status", "since", "seen_at", "until")
_INSERT: Final = insert(signals, _COLUMNS, ignore=True)
_THERE: Final = Statement(
    sqlite="SELECT alarm FROM signals WHERE alarm IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT alarm FROM signals WHERE alarm = ANY($1::text[])",
)
_DELETE: Final = both("DELETE FROM signals WHERE alarm = $1")
# The last reading belongs to the metric, not to each alarm that watches it; one that still waits has seen none.
_STANDING: Final = (
    "SELECT s.alarm, s.status, s.since, s.secret, coalesce(s.seen_at, r.measured_at), r.value FROM signals s "
    "LEFT JOIN readings r ON s.kind = 2 AND s.status > 1 AND r.tenant = s.tenant AND r.metric = s.topic"
)
_READ: Final = Statement(
    sqlite=f"{_STANDING} WHERE s.alarm IN (SELECT value FROM json_each(?1))",  # noqa: S608  a constant
    postgresql=f"{_STANDING} WHERE s.alarm = ANY($1::text[])",
)
SET_SIGNAL_STATE: Final = both("UPDATE signals SET status = $2, since = $3 WHERE alarm = $1")
SET_DUE: Final = both("UPDATE alarms SET next_fire_at = $2 WHERE id = $1")
_RESUME: Final = both("UPDATE alarms SET next_fire_at = $2, skip_before = NULL WHERE id = $1")
_ADD: Final = "ON CONFLICT (tenant, name) DO UPDATE SET value = tenant_counts.value + excluded.value"
COUNT_UP: Final = Statement(
    sqlite=f"INSERT INTO tenant_counts (tenant, name, value) VALUES (?1, ?2, ?3) {_ADD}",  # noqa: S608  a constant
    postgresql=(
        "INSERT INTO tenant_counts (tenant, name, value) "  # noqa: S608  a constant
        f"SELECT v.* FROM unnest($1::text[], $2::text[], $3::bigint[]) AS v {_ADD}"
    ),
)

"""Adds to counts of tenants; in the order of tenant and name, so that two transactions never wait for each other."""


async def insert_signals(connection: AsyncConnection, made: Sequence[Alarm]) -> set[str]:
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


async def tell_listeners(connection: AsyncConnection, changed: Iterable[Alarm]) -> None:
    """Makes every replica look anew for who waits for events, before it takes the next one."""
    tenants = {alarm.tenant for alarm in changed if kind_of(alarm.trigger) in (SignalKind.EVENT, SignalKind.PATTERN)}
    await COUNT_UP.many(connection, [(tenant, LISTENERS, 1) for tenant in sorted(tenants)])


async def replace_signal(connection: AsyncConnection, alarm: Alarm) -> bool:
    """Writes the row of an alarm with a new trigger; whether its key was free."""
    await _DELETE.run(connection, alarm.id)
    return not await insert_signals(connection, [alarm])


async def drop_signal(connection: AsyncConnection, alarm: str) -> None:
    """Removes the row of an alarm; one that has none is left alone."""
    await _DELETE.run(connection, alarm)


async def with_signals(connection: AsyncConnection, found: Collection[Alarm]) -> list[Alarm]:
    """The alarms, and where those stand that wait for something from outside."""
    waiting = [alarm.id for alarm in found if not alarm.trigger.calendar]
    if not waiting:
        return list(found)
    stored = {row[0]: row for row in await _READ.rows(connection, waiting)}
    return [_with(alarm, stored.get(alarm.id)) for alarm in found]


def _with(alarm: Alarm, row: Sequence[Any] | None) -> Alarm:
    if row is None:
        return alarm
    _, status, since, secret, seen, value = row
    return replace(alarm, signal=Signal(status=known(Status, status), since=since, secret=secret, seen=seen, value=value))


async def resume_signal(connection: AsyncConnection, alarm: Alarm, *, now: Micros) -> Alarm:
    """Lets an alarm that was just resumed wait anew."""
    (found,) = await with_signals(connection, [alarm])
    if found.signal is None:
        return found
    state, due = resumed(found.trigger, found.signal, now=now)
    await SET_SIGNAL_STATE.run(connection, found.id, int(state.status), state.since)
    await _RESUME.run(connection, found.id, due)
    return replace(found, signal=state, due=due, skip_before=None)


def _row(alarm: Alarm, signal: Signal) -> tuple[Any, ...]:
    """The values of `_COLUMNS`."""
    kind = kind_of(alarm.trigger)
    return (
        *(alarm.id, alarm.tenant, int(kind or 0), topic_of(alarm.trigger, signal), signal.secret),
        *(int(signal.status), signal.since, signal.seen, alarm.trigger.end),
    )
