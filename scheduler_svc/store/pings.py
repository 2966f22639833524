"""Pings, logged in one transaction with the deadlines that they move; and when the service could take none."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.contexts import heartbeat_context
from scheduler_svc.domain import AlarmState, Origin
from scheduler_svc.ports import Caused, Held, Moved
from scheduler_svc.store.ping_log import keep_pings, kept_row
from scheduler_svc.store.signals import INSERT_INBOUND, SET_DUE, Tally
from scheduler_svc.store.sql import Fields, Statement, both, take_turn
from scheduler_svc.store.triggered import Listener, TriggeredFirings, busy, read_listeners
from scheduler_svc.triggers import (
    BeatStep,
    HeartbeatNotFound,
    InboundKind,
    Outage,
    PingAnswer,
    Pinged,
    PingKind,
    Signal,
    SignalKind,
    Status,
    beaten,
    heard,
    listens,
)
from tocsin.database import Database
from tocsin.errors import TocsinError
from tocsin.recurrence import Heartbeat, Micros
from tocsin.stored import known
from tocsin.tenants import serves_all

_CHOSEN: Final = Statement(
    sqlite=(
        "SELECT s.alarm FROM json_each(?1) w "
        f"CROSS JOIN signals s ON s.tenant = w.value ->> 0 AND s.topic = w.value ->> 1 AND s.kind = {SignalKind.HEARTBEAT:d} "
        "AND s.topic <> ''"
    ),
    postgresql=(
        "SELECT s.alarm FROM unnest($1::text[], $2::text[]) AS w(tenant, topic) "
        f"JOIN signals s ON s.tenant = w.tenant AND s.topic = w.topic AND s.kind = {SignalKind.HEARTBEAT:d} AND s.topic <> ''"
    ),
)
_MADE: Final = Statement(
    sqlite="SELECT alarm FROM signals WHERE secret IN (SELECT value FROM json_each(?1)) AND secret <> ''",
    postgresql="SELECT alarm FROM signals WHERE secret = ANY($1::text[]) AND secret <> ''",
)
_NAMED: Final = Statement(
    sqlite=(
        "SELECT s.alarm FROM json_each(?1) w CROSS JOIN signals s ON s.tenant = w.value ->> 0 AND s.slug = w.value ->> 1 AND s.slug <> ''"
    ),
    postgresql=(
        "SELECT s.alarm FROM unnest($1::text[], $2::text[]) AS w(tenant, slug) "
        "JOIN signals s ON s.tenant = w.tenant AND s.slug = w.slug AND s.slug <> ''"
    ),
)
_FIELDS: Final = "alarm, topic, slug, secret, status, since, seen_at, started_at, run_id, duration"
_STATES: Final = Statement(
    sqlite=f"SELECT {_FIELDS} FROM signals WHERE alarm IN (SELECT value FROM json_each(?1))",
    postgresql=f"SELECT {_FIELDS} FROM signals WHERE alarm = ANY($1::text[])",
)
_STARTS: Final = Statement(
    sqlite=(
        "SELECT p.alarm, p.run_id, max(p.sent_at) FROM json_each(?1) w CROSS JOIN pings p ON p.alarm = w.value ->> 0 "
        f"AND p.run_id = w.value ->> 1 AND p.run_id <> '' AND p.kind = {PingKind.START:d} GROUP BY p.alarm, p.run_id"
    ),
    postgresql=(
        "SELECT p.alarm, p.run_id, max(p.sent_at) FROM unnest($1::text[], $2::text[]) AS w(alarm, run_id) JOIN pings p "
        f"ON p.alarm = w.alarm AND p.run_id = w.run_id AND p.run_id <> '' AND p.kind = {PingKind.START:d} GROUP BY p.alarm, p.run_id"
    ),
)
_SEEN: Final = both(
    "UPDATE signals SET status = $2, since = $3, seen_at = $4, started_at = $5, run_id = $6, duration = $7 WHERE alarm = $1"
)
_ENDS: Final = (PingKind.SUCCESS, PingKind.FAIL)
_SHOWN_TEXT: Final = 1000


class PingStore:
    """Takes pings: a part of `scheduler_svc.ports.SignalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ping(
        self, batch: Sequence[Pinged], *, owner: str, held: Held, now: Micros, serves: Callable[[str], bool] = serves_all
    ) -> Caused[PingAnswer]:
        work = _Pinging(TriggeredFirings(owner=owner, held=held, now=now), now=now, serves=serves)
        async with self._database.transaction() as connection:
            await take_turn(connection)
            await work.find(connection, batch)
            answers = [work.take(ping) for ping in batch]
            await work.write(connection)
        return Caused(answers=answers, firings=work.triggered.firings, moved=work.moved)


class _Pinging:
    """One transaction."""

    def __init__(self, triggered: TriggeredFirings, *, now: Micros, serves: Callable[[str], bool]) -> None:
        self._serves = serves
        self.triggered = triggered
        self._now = now
        self._alarms: Mapping[str, Listener] = {}
        self._signals: dict[str, Signal] = {}
        self._chosen: dict[tuple[str, str], str] = {}
        self._named: dict[tuple[str, str], str] = {}
        self._made: dict[str, str] = {}
        self._starts: dict[tuple[str, str], Micros] = {}
        self._due: dict[str, Micros | None] = {}
        self._changed: set[str] = set()
        self._log: list[Fields] = []
        self._kept: list[Fields] = []
        self._tally = Tally()

    @property
    def moved(self) -> list[Moved]:
        """Alarms with another deadline."""
        found = ((self._alarms[alarm], due) for alarm, due in sorted(self._due.items()))
        return [Moved(alarm.id, alarm.shard, alarm.priority, due, alarm.tenant) for alarm, due in found]

    async def find(self, connection: AsyncConnection, batch: Sequence[Pinged]) -> None:
        """Locks the alarms of the keys, and reads how they stand."""
        keys = sorted({ping.key for ping in batch if ping.key})
        known = [(ping.tenant, ping.key) for ping in batch if ping.tenant and ping.key]
        named = [(ping.tenant, ping.slug) for ping in batch if ping.slug]
        ids = {row[0] for row in await _MADE.rows(connection, keys)} if keys else set[str]()
        ids |= {row[0] for row in await _CHOSEN.pairs(connection, known)} if known else set()
        ids |= {row[0] for row in await _NAMED.pairs(connection, named)} if named else set()
        self._alarms = await read_listeners(connection, ids, lock=True)
        for row in await _STATES.rows(connection, sorted(self._alarms)):
            self._know(row)
        found = [(ping, self._alarm_of(ping)) for ping in batch]
        runs = {(alarm.id, ping.run) for ping, alarm in found if alarm is not None and ping.run and ping.kind in _ENDS}
        if runs:
            self._starts = {(row[0], row[1]): row[2] for row in await _STARTS.pairs(connection, sorted(runs))}
        failing = {alarm.id: alarm for ping, alarm in found if alarm is not None and ping.kind is PingKind.FAIL}
        self.triggered.skip_while(await busy(connection, failing.values()))

    def _know(self, row: Fields) -> None:
        alarm, topic, slug, secret, status, since, seen, started, run, duration = row
        self._signals[alarm] = Signal(
            status=known(Status, status), since=since, seen=seen, secret=secret, started=started, run=run, duration=duration
        )
        tenant = self._alarms[alarm].tenant
        self._named[tenant, slug] = alarm
        if secret:
            self._made[secret] = alarm
        else:
            self._chosen[tenant, topic] = alarm

    def _alarm_of(self, ping: Pinged) -> Listener | None:
        if ping.slug:
            found = self._named.get((ping.tenant, ping.slug))
        else:
            found = self._chosen.get((ping.tenant, ping.key)) or self._made.get(ping.key)
        alarm = self._alarms.get(found or "")
        return alarm if alarm is not None and isinstance(alarm.trigger.spec, Heartbeat) else None

    def take(self, ping: Pinged) -> PingAnswer | TocsinError:
        """Moves the deadline of the heartbeat of a ping, raises it or resolves it, and keeps the ping; its error if there is none."""
        alarm = self._alarm_of(ping)
        if alarm is None or not self._serves(alarm.tenant):
            return HeartbeatNotFound()
        before = self._signals[alarm.id]
        active = alarm.state == AlarmState.ACTIVE
        step = BeatStep(heard(before, ping), self._due.get(alarm.id, alarm.due) if active else None)
        if active and listens(alarm.trigger, now=self._now):
            step = beaten(alarm.trigger, before, step.due, ping)
            self._due[alarm.id] = step.due
        self._signals[alarm.id] = step.signal
        self._changed.add(alarm.id)
        fired = self._fire(alarm, step, ping, before)
        self._tally.came(alarm.tenant, "pings")
        topic = "" if ping.key in self._made else ping.key or ping.slug
        entry = (ping.log, alarm.tenant, int(InboundKind.PING), "", topic, "", ping.sent, ping.received, None)
        self._log.append((*entry, fired, None))
        self._kept.append(kept_row(alarm.id, alarm.tenant, ping, self._duration(alarm.id, before, ping)))
        return PingAnswer(alarm.id, step.resolved, step.due)

    def _fire(self, alarm: Listener, step: BeatStep, ping: Pinged, before: Signal) -> int:
        """Fires what the ping raises or resolves; how many firings that is."""
        spec = alarm.trigger.spec
        if step.raised:
            text = ping.body.decode("utf-8", "replace").replace("\x00", "\ufffd")[:_SHOWN_TEXT]
            context = heartbeat_context(
                "RAISED", raised=ping.received, ping=before.seen, reason="FAILED", exit_status=ping.exit_status, text=text
            )
            self._add(alarm, Origin.RAISED, ping, context)
        elif step.resolved and isinstance(spec, Heartbeat) and spec.notify_resolved:
            self._add(alarm, Origin.RESOLVED, ping, heartbeat_context("RESOLVED", raised=before.since, ping=ping.received))
        else:
            return 0
        return 1

    def _add(self, alarm: Listener, origin: Origin, ping: Pinged, context: bytes) -> None:
        cause, trace = f"{origin.name}/{ping.log}", ping.traceparent
        self.triggered.add(alarm, origin=origin, cause=cause, due=ping.received, context=context, traceparent=trace)

    def _duration(self, alarm: str, before: Signal, ping: Pinged) -> Micros | None:
        """How long the run took that the ping ends: one with an id since its own start, whatever began in between."""
        if ping.kind is PingKind.START and ping.run:
            self._starts[alarm, ping.run] = ping.sent
        if ping.kind not in _ENDS:
            return None
        began = self._starts.get((alarm, ping.run)) if ping.run else before.started if not before.run else None
        return None if began is None else max(0, ping.sent - began)

    async def write(self, connection: AsyncConnection) -> None:
        """Writes everything down."""
        for alarm in sorted(self._changed):
            now = self._signals[alarm]
            await _SEEN.run(connection, alarm, int(now.status), now.since, now.seen, now.started, now.run, now.duration)
        for alarm, due in sorted(self._due.items()):
            await SET_DUE.run(connection, alarm, due)
        await INSERT_INBOUND.many(connection, self._log)
        await keep_pings(connection, self._kept)
        await self.triggered.write(connection)
        self._tally.caused(self.triggered.firings)
        await self._tally.write(connection)


_HEARD: Final = "heard"
_OUTAGE: Final = "deaf"
_READ_OUTAGES: Final = Statement(
    sqlite="SELECT name, value FROM facts WHERE name IN ('heard', 'deaf')",
    postgresql="SELECT name, value FROM facts WHERE name IN ('heard', 'deaf') ORDER BY name FOR UPDATE",
)
_KEEP: Final = both("INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")


class SqlOutages:
    """Keeps when some replica could take pings last, and the last outage: implements `scheduler_svc.ports.OutageStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hear(self, *, now: Micros, tolerance: Micros) -> Outage | None:
        async with self._database.transaction() as connection:
            facts = {row[0]: row[1] for row in await _READ_OUTAGES.rows(connection)}
            heard = int(facts[_HEARD]) if _HEARD in facts else now
            outage = Outage(*map(int, facts[_OUTAGE].split("/"))) if _OUTAGE in facts else None
            if now - heard > tolerance:
                outage = Outage(heard, now)
                await _KEEP.run(connection, _OUTAGE, f"{outage.begin}/{outage.end}")
            await _KEEP.run(connection, _HEARD, str(max(now, heard)))
        return outage
