"""Events: logged, matched and fired in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.contexts import event_context, plain
from scheduler_svc.domain import AlarmState, Firing, Origin
from scheduler_svc.domain.fire_quotas import FireAllowance
from scheduler_svc.ports import Caused, Held
from scheduler_svc.store.signals import Stored, Tally, log_events
from scheduler_svc.store.sql import Fields, Statement, both, take_turn
from scheduler_svc.store.triggered import Listener, Subscriptions, TriggeredFirings, busy, read_listeners
from scheduler_svc.triggers import EventAnswer, InboundKind, Published, Subscription, listens
from tocsin.database import Database
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_SHOWN: Final = 100
_UNFINISHED: Final = both("SELECT id FROM inbound WHERE rest IS NOT NULL AND received_at < $1 ORDER BY id LIMIT $2")
_FIELDS: Final = "id, tenant, event_id, topic, source, happened_at, received_at, data, rest"
_REST: Final = Statement(
    sqlite=f"SELECT {_FIELDS} FROM inbound WHERE id = ?1 AND rest IS NOT NULL",
    postgresql=f"SELECT {_FIELDS} FROM inbound WHERE id = $1 AND rest IS NOT NULL FOR UPDATE",
)
_GO_ON: Final = both("UPDATE inbound SET matched = matched + $2, rest = $3 WHERE id = $1")


@dataclass(slots=True)
class _Match:
    """An event with those whom it it may fire; ``rest`` is the last of them when there are more."""

    event: Published
    waiting: Sequence[Subscription]
    rest: str | None
    alarms: list[Listener] = field(default_factory=list[Listener])
    firings: list[Firing] = field(default_factory=list[Firing])

    def choose(self, stored: Mapping[str, Listener], *, now: Micros) -> None:
        """Takes those that still have the trigger that was matched, are active, and listen now."""
        for listening in self.waiting:
            alarm = stored.get(listening.alarm)
            if (
                alarm is not None
                and alarm.since == listening.since
                and alarm.state == AlarmState.ACTIVE
                and listens(alarm.trigger, now=now)
            ):
                self.alarms.append(alarm)

    def fire(self, triggered: TriggeredFirings, *, now: Micros) -> None:
        """Adds a firing of each chosen alarm to the transaction, with the event as its context."""
        if not self.alarms:
            return
        event = self.event
        context = event_context(identity=event.id, topic=event.topic, source=event.source, happened=event.happened, body=event.body)
        cause = f"event/{event.id}"
        for alarm in self.alarms:
            self.firings.append(
                triggered.add(alarm, origin=Origin.EVENT, cause=cause, due=now, context=context, traceparent=event.traceparent)
            )

    def row(self) -> tuple[Any, ...]:
        """The entry in the log."""
        event = self.event
        return (
            *(event.log, event.tenant, int(InboundKind.EVENT), event.id, event.topic, event.source, event.happened, event.received),
            *(event.body or None, len(self.alarms), self.rest),
        )

    def unfinished(self, known: Stored | None) -> str:
        """The entry in the log of an event with more to fire; empty without."""
        if known is not None:
            return "" if known.finished else known.log
        return "" if self.rest is None else self.event.log

    def answer(self, known: Stored | None) -> EventAnswer:
        """What its client is told; ``known`` is the entry of an event that was published before."""
        if known is not None:
            return EventAnswer(self.event.id, (), known.matched, duplicate=True)
        return EventAnswer(self.event.id, tuple(firing.id for firing in self.firings[:_SHOWN]), len(self.firings), duplicate=False)


class EventStore:
    """Publishes events: a part of `scheduler_svc.ports.SignalStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners = Subscriptions()

    async def publish(
        self, batch: Sequence[Published], *, owner: str, held: Held, now: Micros, most: int, allowed: FireAllowance | None = None
    ) -> Caused[EventAnswer]:
        triggered, tally = TriggeredFirings(owner=owner, held=held, now=now, allowed=allowed), Tally()
        async with self._database.transaction() as connection:
            await take_turn(connection)
            matches = await self._match(connection, batch, most)
            alarms = await read_listeners(connection, (one.alarm for match in matches for one in match.waiting), lock=False)
            for match in matches:
                match.choose(alarms, now=now)
            known = await log_events(connection, [match.row() for match in matches])
            fresh = [match for match in matches if match.event.log not in known]
            triggered.skip_while(await busy(connection, alarms.values()))
            for match in fresh:
                match.fire(triggered, now=now)
                tally.came(match.event.tenant, "events", topic=match.event.topic)
            await triggered.write(connection)
            tally.caused(triggered.firings)
            await tally.write(connection)
        left = {place: match.unfinished(known.get(match.event.log)) for place, match in enumerate(matches)}
        return Caused(
            answers=[match.answer(known.get(match.event.log)) for match in matches],
            firings=triggered.firings,
            unfinished={place: log for place, log in left.items() if log},
        )

    async def _match(self, connection: AsyncConnection, batch: Iterable[Published], most: int) -> list[_Match]:
        """The first events that fit, with who waits for them; the first one always does, though not all who wait for it may."""
        versions = await self._listeners.versions(connection, (event.tenant for event in batch))
        matches: list[_Match] = []
        room = most
        for event in batch:
            waiting = await self._listeners.of(connection, event, versions)
            if len(waiting) > room and matches:
                break
            matches.append(_first(event, waiting, most))
            room -= len(waiting)
        return matches

    async def go_on(
        self, log: str, *, owner: str, held: Held, now: Micros, most: int, allowed: FireAllowance | None = None
    ) -> tuple[list[Firing], bool]:
        triggered, tally = TriggeredFirings(owner=owner, held=held, now=now, allowed=allowed), Tally()
        async with self._database.transaction() as connection:
            await take_turn(connection)
            rows = await _REST.rows(connection, log)
            if not rows:
                return [], False
            event, rest = _published(rows[0])
            versions = await self._listeners.versions(connection, [event.tenant])
            waiting = [one for one in await self._listeners.of(connection, event, versions) if one.alarm > rest]
            match = _first(event, waiting, most)
            alarms = await read_listeners(connection, (one.alarm for one in match.waiting), lock=False)
            match.choose(alarms, now=now)
            triggered.skip_while(await busy(connection, alarms.values()))
            match.fire(triggered, now=now)
            await _GO_ON.run(connection, log, len(match.alarms), match.rest)
            await triggered.write(connection)
            tally.caused(triggered.firings)
            await tally.write(connection)
        return triggered.firings, match.rest is not None

    async def unfinished(self, *, before: Micros, most: int) -> list[str]:
        async with self._database.read() as connection:
            return [row[0] for row in await _UNFINISHED.rows(connection, before, most)]


def _first(event: Published, waiting: Sequence[Subscription], most: int) -> _Match:
    first = waiting[:most]
    return _Match(event, first, first[-1].alarm if len(first) < len(waiting) else None)


def _published(row: Fields) -> tuple[Published, str]:
    """An event as it was logged, and how far it came; what nobody can read of it is left out: it holds up no other."""
    log, tenant, identity, topic, source, happened, received, body, rest = row
    try:
        data = plain(Struct.FromString(body)) if body else {}
    except (DecodeError, TypeError) as error:
        _log.error("a stored event cannot be read", entry=log, exc_info=error)
        body, data = b"", {}
    event = Published(
        log=log, tenant=tenant, id=identity, topic=topic, source=source, happened=happened, received=received, data=data, body=body or b""
    )
    return event, rest
