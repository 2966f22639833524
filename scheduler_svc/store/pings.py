"""Pings, logged in one transaction with the deadlines that they move; and when the service could take none."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.contexts import heartbeat_context
from scheduler_svc.domain import AlarmState, Origin
from scheduler_svc.ports import Caused, Held, Moved
from scheduler_svc.store.signals import INSERT_INBOUND, SET_DUE, Tally
from scheduler_svc.store.sql import Fields, Statement, both
from scheduler_svc.store.triggered import Listener, TriggeredFirings, read_listeners
from scheduler_svc.triggers import (
    HeartbeatNotFound,
    InboundKind,
    Outage,
    PingAnswer,
    Pinged,
    SignalKind,
    SignalState,
    Status,
    deadline,
    listens,
)
from tocsin.database import Database
from tocsin.errors import TocsinError
from tocsin.recurrence import Heartbeat, Micros

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
_STATES: Final = Statement(
    sqlite="SELECT alarm, topic, secret, status, since FROM signals WHERE alarm IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT alarm, topic, secret, status, since FROM signals WHERE alarm = ANY($1::text[])",
)
_SEEN: Final = both("UPDATE signals SET status = $2, since = $3, seen_at = $4 WHERE alarm = $1")


class PingStore:
    """Takes pings: a part of `scheduler_svc.ports.SignalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ping(self, batch: Sequence[Pinged], *, owner: str, held: Held, now: Micros) -> Caused[PingAnswer]:
        work = _Pinging(TriggeredFirings(owner=owner, held=held, now=now), now=now)
        async with self._database.transaction() as connection:
            await work.find(connection, batch)
            answers = [work.take(ping) for ping in batch]
            await work.write(connection)
        return Caused(answers=answers, firings=work.triggered.firings, moved=work.moved)


class _Pinging:
    """One transaction."""

    def __init__(self, triggered: TriggeredFirings, *, now: Micros) -> None:
        self.triggered = triggered
        self._now = now
        self._alarms: Mapping[str, Listener] = {}
        self._states: dict[str, SignalState] = {}
        self._chosen: dict[tuple[str, str], str] = {}
        self._made: dict[str, str] = {}
        self._due: dict[str, Micros | None] = {}
        self._seen: dict[str, Micros] = {}
        self._log: list[Fields] = []
        self._tally = Tally()

    @property
    def moved(self) -> list[Moved]:
        """Alarms with another deadline."""
        found = ((self._alarms[alarm], due) for alarm, due in sorted(self._due.items()))
        return [Moved(alarm.id, alarm.shard, alarm.priority, due, alarm.tenant) for alarm, due in found]

    async def find(self, connection: AsyncConnection, batch: Iterable[Pinged]) -> None:
        """Locks the alarms of the keys."""
        known = [ping for ping in batch if ping.tenant]
        ids = {row[0] for row in await _MADE.rows(connection, sorted({ping.key for ping in batch}))}
        if known:
            ids |= {row[0] for row in await _CHOSEN.pairs(connection, [(ping.tenant, ping.key) for ping in known])}
        self._alarms = await read_listeners(connection, ids, lock=True)
        for alarm, topic, secret, status, since in await _STATES.rows(connection, sorted(self._alarms)):
            self._states[alarm] = SignalState(Status(status), since)
            if secret:
                self._made[secret] = alarm
            elif alarm in self._alarms:
                self._chosen[self._alarms[alarm].tenant, topic] = alarm

    def take(self, ping: Pinged) -> PingAnswer | TocsinError:
        """Moves the deadline of the heartbeat of a ping's key, and resolves it if it was raised; its error if there is none."""
        found = self._chosen.get((ping.tenant, ping.key)) or self._made.get(ping.key)
        alarm = self._alarms.get(found or "")
        if alarm is None or not isinstance(alarm.trigger.spec, Heartbeat):
            return HeartbeatNotFound()
        self._seen[alarm.id] = ping.received
        active = alarm.state == AlarmState.ACTIVE
        resolved, due = False, alarm.due if active else None
        if active and listens(alarm.trigger, now=self._now):
            due = self._due[alarm.id] = deadline(alarm.trigger, seen=ping.received)
            resolved = self._resolve(alarm, ping)
        self._tally.came(alarm.tenant, "pings")
        topic = "" if ping.key in self._made else ping.key
        entry = (ping.log, alarm.tenant, int(InboundKind.PING), "", topic, "", ping.received, ping.received, None)
        self._log.append((*entry, int(resolved and alarm.trigger.spec.notify_resolved), None))
        return PingAnswer(alarm.id, resolved, due)

    def _resolve(self, alarm: Listener, ping: Pinged) -> bool:
        """Makes it well; whether it was not."""
        spec, (status, since) = alarm.trigger.spec, self._states[alarm.id]
        if status is Status.OK:
            return False
        self._states[alarm.id] = SignalState(Status.OK, ping.received)
        if status is Status.RAISED and isinstance(spec, Heartbeat) and spec.notify_resolved:
            self.triggered.add(
                alarm,
                origin=Origin.RESOLVED,
                cause=f"RESOLVED/{ping.log}",
                due=ping.received,
                context=heartbeat_context("RESOLVED", raised=since, ping=ping.received),
                traceparent=ping.traceparent,
            )
        return status is Status.RAISED

    async def write(self, connection: AsyncConnection) -> None:
        """Writes everything down."""
        for alarm, seen in sorted(self._seen.items()):
            status, since = self._states[alarm]
            await _SEEN.run(connection, alarm, int(status), since, seen)
        for alarm, due in sorted(self._due.items()):
            await SET_DUE.run(connection, alarm, due)
        await INSERT_INBOUND.many(connection, self._log)
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
