"""Readings: logged, and judged by every threshold of their metric, in one transaction.

The row of the metric is locked first, so that readings of one metric come one after the other. What watches it is read without locks;
only a threshold that this batch changes is locked and judged once more, by where it stands then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.contexts import packed, reading_context
from scheduler_svc.domain import AlarmState, Origin
from scheduler_svc.ports import Caused, Held, Moved
from scheduler_svc.store.signals import INSERT_INBOUND, SET_DUE, SET_SIGNAL_STATE, Tally
from scheduler_svc.store.sql import Statement, both, take_turn
from scheduler_svc.store.triggered import Listener, TriggeredFirings, busy, read_listeners
from scheduler_svc.triggers import (
    Change,
    InboundKind,
    LatestReading,
    Measured,
    ReadingAnswer,
    SignalKind,
    SignalState,
    Status,
    listens,
    matured,
    observed,
    pending_until,
)
from tocsin.database import Database
from tocsin.recurrence import Micros, Threshold

_SHOWN: Final = 100
_NEVER: Final[Micros] = -(2**62)

_Metric: TypeAlias = tuple[str, str]

_BEGIN: Final = Statement(
    sqlite="INSERT INTO readings (tenant, metric, value, measured_at) VALUES (?1, ?2, 0, ?3) ON CONFLICT DO NOTHING",
    postgresql=(
        "INSERT INTO readings (tenant, metric, value, measured_at) "
        "SELECT v.tenant, v.metric, 0, v.measured FROM unnest($1::text[], $2::text[], $3::bigint[]) AS v(tenant, metric, measured) "
        "ON CONFLICT DO NOTHING"
    ),
)
_LAST: Final = Statement(
    sqlite=(
        "SELECT r.tenant, r.metric, r.measured_at FROM json_each(?1) w "
        "CROSS JOIN readings r ON r.tenant = w.value ->> 0 AND r.metric = w.value ->> 1"
    ),
    postgresql=(
        "SELECT r.tenant, r.metric, r.measured_at FROM readings r WHERE (r.tenant, r.metric) IN "
        "(SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY r.tenant, r.metric FOR NO KEY UPDATE"
    ),
)
_SEEN: Final = Statement(
    sqlite="UPDATE readings SET value = ?3, measured_at = ?4 WHERE tenant = ?1 AND metric = ?2",
    postgresql=(
        "UPDATE readings SET value = v.value, measured_at = v.measured "
        "FROM unnest($1::text[], $2::text[], $3::double precision[], $4::bigint[]) AS v(tenant, metric, value, measured) "
        "WHERE readings.tenant = v.tenant AND readings.metric = v.metric"
    ),
)
_WATCHING: Final = Statement(
    sqlite=(
        "SELECT s.alarm, s.tenant, s.topic, s.status, s.since FROM json_each(?1) w "
        f"CROSS JOIN signals s ON s.tenant = w.value ->> 0 AND s.kind = {SignalKind.THRESHOLD:d} AND s.topic = w.value ->> 1"
    ),
    postgresql=(
        "SELECT s.alarm, s.tenant, s.topic, s.status, s.since FROM unnest($1::text[], $2::text[]) AS w(tenant, metric) "
        f"JOIN signals s ON s.tenant = w.tenant AND s.kind = {SignalKind.THRESHOLD:d} AND s.topic = w.metric"
    ),
)
_RECORDED: Final = Statement(
    sqlite=(
        "SELECT i.tenant, i.event_id FROM json_each(?1) w "
        f"CROSS JOIN inbound i ON i.tenant = w.value ->> 0 AND i.kind = {InboundKind.READING:d} AND i.event_id = w.value ->> 1 "
        "AND i.event_id <> ''"
    ),
    postgresql=(
        "SELECT i.tenant, i.event_id FROM unnest($1::text[], $2::text[]) AS w(tenant, event_id) "
        f"JOIN inbound i ON i.tenant = w.tenant AND i.kind = {InboundKind.READING:d} AND i.event_id = w.event_id AND i.event_id <> ''"
    ),
)
_LATEST: Final = both("SELECT value, measured_at FROM readings WHERE tenant = $1 AND metric = $2")
_STATES: Final = Statement(
    sqlite="SELECT alarm, status, since FROM signals WHERE alarm IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT alarm, status, since FROM signals WHERE alarm = ANY($1::text[])",
)


class _Watch(NamedTuple):
    """A threshold, and where it stands."""

    alarm: str
    metric: _Metric
    state: SignalState


@dataclass(slots=True)
class _Judged:
    """What the readings of a batch do to one threshold."""

    state: SignalState
    changes: list[tuple[Change, Measured]] = field(default_factory=list[tuple[Change, Measured]])
    began: list[Measured] = field(default_factory=list[Measured])


class ReadingStore:
    """Records readings: a part of `scheduler_svc.ports.SignalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, batch: Sequence[Measured], *, owner: str, held: Held, now: Micros) -> Caused[ReadingAnswer]:
        work = _Recording(TriggeredFirings(owner=owner, held=held, now=now), now=now)
        async with self._database.transaction() as connection:
            await take_turn(connection)
            await work.count(connection, batch)
            await work.judge(connection)
            await work.write(connection, batch)
        return Caused(answers=[work.answer(reading) for reading in batch], firings=work.triggered.firings, moved=work.moved)

    async def latest(self, tenant: str, metric: str) -> LatestReading | None:
        async with self._database.read() as connection:
            rows = await _LATEST.rows(connection, tenant, metric)
        return LatestReading(*rows[0]) if rows and rows[0][1] != _NEVER else None


class _Recording:
    """One transaction."""

    def __init__(self, triggered: TriggeredFirings, *, now: Micros) -> None:
        self.triggered = triggered
        self.moved: list[Moved] = []
        self._now = now
        self._counted: dict[_Metric, list[Measured]] = {}
        self._known: set[str] = set()
        self._raised: dict[str, list[str]] = {}
        self._pending: dict[str, list[str]] = {}
        self._resolved: dict[str, list[str]] = {}
        self._matched: dict[str, int] = {}
        self._fresh: set[str] = set()
        self._states: list[tuple[str, int, Micros]] = []

    async def count(self, connection: AsyncConnection, batch: Sequence[Measured]) -> None:
        """Locks the metrics, and tells the readings that count from those that are older than the last."""
        metrics = sorted({(reading.tenant, reading.metric) for reading in batch})
        await _BEGIN.many(connection, [(*metric, _NEVER) for metric in metrics])
        last = {(tenant, metric): measured for tenant, metric, measured in await _LAST.pairs(connection, metrics)}
        self._known = await _known(connection, batch)
        for reading in batch:
            metric = (reading.tenant, reading.metric)
            if reading.log in self._known:
                continue
            if reading.measured >= last[metric]:
                last[metric] = reading.measured
                self._counted.setdefault(metric, []).append(reading)
                self._fresh.add(reading.log)
        await _SEEN.many(connection, [(*metric, found[-1].value, found[-1].measured) for metric, found in sorted(self._counted.items())])

    async def judge(self, connection: AsyncConnection) -> None:
        """Takes every threshold of the metrics through its readings."""
        if not self._counted:
            return
        rows = await _WATCHING.pairs(connection, sorted(self._counted))
        watches = {row[0]: _Watch(row[0], (row[1], row[2]), SignalState(Status(row[3]), row[4])) for row in rows}
        alarms = await read_listeners(connection, watches, lock=False)
        moving = [alarm.id for alarm in alarms.values() if self._moves(alarm, watches[alarm.id])]
        if not moving:
            return
        alarms = await read_listeners(connection, moving, lock=True)
        for identity, status, since in await _STATES.rows(connection, moving):
            watches[identity] = watches[identity]._replace(state=SignalState(Status(status), since))
        self.triggered.skip_while(await busy(connection, alarms.values()))
        for alarm in alarms.values():
            self._apply(alarm, watches[alarm.id])

    def _moves(self, alarm: Listener, watch: _Watch) -> bool:
        judged = self._judge(alarm, watch)
        return judged is not None and judged.state != watch.state

    def _judge(self, alarm: Listener, watch: _Watch) -> _Judged | None:
        """What the readings lead to; None for an alarm that does not listen."""
        spec, readings = alarm.trigger.spec, self._counted.get(watch.metric, [])
        heard = [reading for reading in readings if listens(alarm.trigger, now=reading.measured)]
        if alarm.state != AlarmState.ACTIVE or not isinstance(spec, Threshold) or spec.metric != watch.metric[1] or not heard:
            return None
        judged = _Judged(watch.state)
        for reading in heard:
            before = judged.state
            judged.state, changes = observed(spec, before, value=reading.value, at=reading.measured)
            judged.changes += [(change, reading) for change in changes]
            if judged.state.status is Status.PENDING and before.status is not Status.PENDING:
                judged.began.append(reading)
        judged.state, changes = matured(spec, judged.state, now=self._now)
        judged.changes += [(change, heard[-1]) for change in changes]
        return judged

    def _apply(self, alarm: Listener, watch: _Watch) -> None:
        judged, spec = self._judge(alarm, watch), alarm.trigger.spec
        if judged is None or not isinstance(spec, Threshold) or judged.state == watch.state:
            return
        self._states.append((alarm.id, int(judged.state.status), judged.state.since))
        due, end = pending_until(spec, judged.state), alarm.trigger.end
        due = None if due is not None and end is not None and due >= end else due
        if due != alarm.due:
            self.moved.append(Moved(alarm.id, alarm.shard, alarm.priority, due, alarm.tenant))
        for change, reading in judged.changes:
            self._change(alarm, spec, change, reading)
        for reading in judged.began:
            self._pending.setdefault(reading.log, []).append(alarm.id)

    def _change(self, alarm: Listener, spec: Threshold, change: Change, reading: Measured) -> None:
        up = change.status is Status.RAISED
        said = (self._raised if up else self._resolved).setdefault(reading.log, [])
        if alarm.id not in said:
            said.append(alarm.id)
        if not up and not spec.notify_resolved:
            return
        word = "RAISED" if up else "RESOLVED"
        self._matched[reading.log] = self._matched.get(reading.log, 0) + 1
        self.triggered.add(
            alarm,
            origin=Origin.RAISED if up else Origin.RESOLVED,
            cause=f"{word}/{reading.log}",
            due=change.at,
            context=reading_context(word, reading.metric, reading.value, reading.measured, reading.source),
            traceparent=reading.traceparent,
        )

    async def write(self, connection: AsyncConnection, batch: Sequence[Measured]) -> None:
        """Writes everything down."""
        for state in sorted(self._states):
            await SET_SIGNAL_STATE.run(connection, *state)
        for moved in sorted(self.moved):
            await SET_DUE.run(connection, moved.alarm, moved.due)
        fresh = [reading for reading in batch if reading.log not in self._known]
        await INSERT_INBOUND.many(connection, [self._row(reading) for reading in fresh])
        await self.triggered.write(connection)
        tally = Tally()
        for reading in fresh:
            tally.came(reading.tenant, "readings")
        tally.caused(self.triggered.firings)
        await tally.write(connection)

    def _row(self, reading: Measured) -> tuple[Any, ...]:
        return (
            *(reading.log, reading.tenant, int(InboundKind.READING), reading.id, reading.metric, reading.source),
            *(reading.measured, reading.received, packed({"value": reading.value}), self._matched.get(reading.log, 0), None),
        )

    def answer(self, reading: Measured) -> ReadingAnswer:
        """What the client of a reading is told."""
        changed = (self._raised, self._resolved, self._pending)
        raised, resolved, pending = (tuple(of.get(reading.log, ())[:_SHOWN]) for of in changed)
        return ReadingAnswer(raised, resolved, pending, counted=reading.log in self._fresh, duplicate=reading.log in self._known)


async def _known(connection: AsyncConnection, batch: Sequence[Measured]) -> set[str]:
    """The entries of readings that were recorded before, earlier in the batch as well.

    The metrics are locked: the same reading waits in another replica until this transaction ends.
    """
    identified = [reading for reading in batch if reading.id]
    if not identified:
        return set()
    pairs = sorted({(reading.tenant, reading.id) for reading in identified})
    stored = {(tenant, identity) for tenant, identity in await _RECORDED.pairs(connection, pairs)}
    known: set[str] = set()
    for reading in identified:
        if (reading.tenant, reading.id) in stored:
            known.add(reading.log)
        stored.add((reading.tenant, reading.id))
    return known
