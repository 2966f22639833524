"""Whoever speaks from outside: publishers, sensors and jobs that ping, and users who import files; they ask again when nobody answers."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from msgspec import structs

from scheduler_svc.contexts import packed
from scheduler_svc.domain import Draft
from scheduler_svc.service import Caller
from scheduler_svc.service.imports import Import
from scheduler_svc.service.signals import EventDraft, PingDraft, ReadingDraft
from scheduler_svc.triggers import EventAnswer, PingAnswer, PingKind
from tests.simulation.replica import Replica
from tests.simulation.scenario import Chatter, draft
from tests.simulation.users import Desk, Promises
from tests.simulation.waiting import LEVELS, METRICS, TOPICS, period_of, waiting
from tocsin.bulk.results import ImportResult
from tocsin.errors import Aborted, InvalidInput, NotFound, TocsinError, Unavailable
from tocsin.recurrence import Heartbeat, Trigger

_SECOND: Final = 1_000_000
_TENANTS: Final = ("t1", "t2")
_KEYS: Final = 12
_LONGEST_FILE: Final = 7


class Told(NamedTuple):
    """Something that was accepted: when it was asked and answered, in virtual seconds, and what was answered."""

    asked: float
    answered: float
    tenant: str
    name: str
    answer: Any


@dataclass(slots=True)
class Accepted:
    """What outsiders were told, for the checker: events by id, readings by source, pings by key, imported lines by key; and what is odd."""

    events: list[Told]
    readings: list[Told]
    pings: list[Told]
    lines: list[Told]
    problems: list[str]


class Outsiders:
    """All of them, of two tenants."""

    def __init__(
        self, *, desk: Desk, draw: random.Random, promises: Promises, chatter: Chatter, now: Callable[[], float], counts: Counter[str]
    ) -> None:
        """Says nothing yet.

        Args:
            desk: how a replica is reached.
            draw: source of choices.
            promises: what users were told, heartbeats among it.
            chatter: how much is said.
            now: virtual seconds.
            counts: what was tried and what was accepted.
        """
        self.accepted = Accepted([], [], [], [], [])
        self._desk = desk
        self._draw = draw
        self._promises = promises
        self._chatter = chatter
        self._now = now
        self._counts = counts
        self._numbers = 0
        self._events: list[tuple[Caller, EventDraft]] = []
        self._files: list[tuple[Caller, list[tuple[int, Draft]]]] = []

    def begin(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on from now on, until it is cancelled."""
        if not self._chatter.waiting:
            return [self._import_forever()]
        sensors = [self._measure_forever(tenant, metric) for tenant in _TENANTS for metric in METRICS]
        return [self._publish_forever(), *sensors, self._find_pingers(), self._import_forever()]

    async def _wait(self, mean: float) -> None:
        await asyncio.sleep(self._draw.expovariate(1 / mean))

    async def _ask(
        self, what: str, make: Callable[[Replica], Awaitable[Any]], into: list[Told], tenant: str, name: str, *, attempts: int = 6
    ) -> Any:
        """Asks until there is an answer; None when there is none, or a refusal."""
        for attempt in range(attempts):
            self._counts[f"{what} attempted"] += 1
            self._counts[f"{what} tried again"] += attempt > 0
            asked = self._now()
            try:
                answer = await self._desk.call(make)
            except (Unavailable, Aborted):
                await asyncio.sleep(self._draw.uniform(0.1, 20.0))
                continue
            except NotFound:
                raise
            except TocsinError as error:
                self._desk.note("refused", what, type(error).__name__, error.message)
                return None
            self._counts[f"{what} accepted"] += 1
            into.append(Told(asked, self._now(), tenant, name, answer))
            self._desk.note("accepted", what, name)
            return answer
        return None

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    # -- events -------------------------------------------------------------------------------------------------------------------------

    async def _publish_forever(self) -> None:
        while True:
            await self._wait(self._chatter.events)
            if self._events and self._draw.random() < 0.15:
                caller, event = self._draw.choice(self._events[-20:])  # somebody's queue delivers it once more
            else:
                caller, event = self._event()
                self._events.append((caller, event))
            for _ in range(self._draw.choice([1, 1, 1, 2])):
                self._desk.spawn(self._publish(caller, event, attempts=self._draw.choice([1, 6, 6])))

    def _event(self) -> tuple[Caller, EventDraft]:
        data: dict[str, Any] = {}
        if self._draw.random() < 0.8:
            data["level"] = float(self._draw.randrange(6))
        if self._draw.random() < 0.6:
            data["kind"] = self._draw.choice(["x", "y"])
        event = EventDraft(
            topic=self._draw.choice(TOPICS),
            id=f"event-{self._number()}",
            source=self._draw.choice(["", "till", "web"]),
            data=data,
            body=packed(data) if data else b"",
        )
        return Caller(tenant=self._draw.choice(_TENANTS)), event

    async def _publish(self, caller: Caller, event: EventDraft, *, attempts: int) -> EventAnswer | None:
        return await self._ask(
            "events",
            lambda replica: replica.triggers.publish(caller, event),
            self.accepted.events,
            caller.tenant,
            event.id,
            attempts=attempts,
        )

    # -- readings -----------------------------------------------------------------------------------------------------------------------

    async def _measure_forever(self, tenant: str, metric: str) -> None:
        value = self._draw.choice(LEVELS)
        while True:
            await self._wait(self._chatter.readings)
            value = min(75.0, max(25.0, value + self._draw.choice([-12.0, -4.0, -1.0, 0.0, 1.0, 4.0, 12.0])))
            ago = self._draw.choice([None, None, 0, self._draw.randrange(200 * _SECOND)])
            measured = None if ago is None else self._desk.micros() - ago
            reading = ReadingDraft(metric=metric, value=value, source=f"reading-{self._number()}", measured=measured)
            self._desk.spawn(self._record(Caller(tenant=tenant), reading))

    async def _record(self, caller: Caller, reading: ReadingDraft) -> None:
        await self._ask(
            "readings", lambda replica: replica.triggers.record(caller, reading), self.accepted.readings, caller.tenant, reading.source
        )

    # -- pings --------------------------------------------------------------------------------------------------------------------------

    async def _find_pingers(self) -> None:
        """Somebody pings for every heartbeat that was made."""
        known: set[tuple[str, str]] = set()
        while True:
            for alarm, trigger in tuple(self._promises.rules.items()):
                spec, tenant = trigger.spec, self._promises.alarms.get(alarm)
                if isinstance(spec, Heartbeat) and tenant is not None and (tenant, spec.key) not in known:
                    known.add((tenant, spec.key))
                    self._desk.spawn(self._ping_forever(tenant, spec, known))
            await asyncio.sleep(20.0)

    async def _ping_forever(self, tenant: str, spec: Heartbeat, known: set[tuple[str, str]]) -> None:
        """Pings as often as it is expected, a little later once in a while, and at times not at all for long."""
        made, period = len(spec.key) > 20, period_of(spec)
        while self._desk.left() > 0:
            pause = period / _SECOND * self._draw.uniform(0.7, 1.0)
            if self._draw.random() < 0.1:
                pause = (period + spec.tolerance) / _SECOND * self._draw.choice([1.0, 1.5, 3.0])
            await asyncio.sleep(pause)
            try:
                await self._work("" if made and self._draw.random() < 0.5 else tenant, spec)
            except NotFound:
                break  # its alarm is gone, or waits for something else
        known.discard((tenant, spec.key))

    async def _work(self, tenant: str, spec: Heartbeat) -> None:
        """A run of the job: it may tell that it begins, and may fail; another one may begin before it has ended."""
        draw = self._draw
        run = draw.choice(["", f"run-{self._number()}"])
        if draw.random() < 0.4:
            await self._ping(tenant, PingDraft(key=spec.key, kind=PingKind.START, run=run, happened=self._lately()))
            await asyncio.sleep(spec.tolerance / _SECOND * draw.choice([0.1, 0.5, 0.9, 1.2]))
        if draw.random() < 0.1:
            await self._ping(tenant, PingDraft(key=spec.key, kind=draw.choice([PingKind.LOG, PingKind.START]), run=f"run-{self._number()}"))
        status = draw.choice([None, 1, 255]) if draw.random() < 0.15 else 0
        kind = PingKind.FAIL if status is None else PingKind.SUCCESS
        await self._ping(tenant, PingDraft(key=spec.key, kind=kind, exit_status=status, run=run, happened=self._lately()))

    def _lately(self) -> int | None:
        return self._draw.choice([None, None, self._desk.micros() - self._draw.randrange(3 * _SECOND)])

    async def _ping(self, tenant: str, draft: PingDraft) -> PingAnswer | None:
        return await self._ask(
            "pings", lambda replica: replica.triggers.ping(tenant, draft), self.accepted.pings, tenant, draft.key, attempts=4
        )

    # -- imports ------------------------------------------------------------------------------------------------------------------------

    async def _import_forever(self) -> None:
        while True:
            await self._wait(self._chatter.imports)
            if self._files and self._draw.random() < 0.3:
                caller, lines = self._draw.choice(self._files)  # once more, as it was
            else:
                caller, lines = self._file()
                self._files.append((caller, lines))
            for _ in range(self._draw.choice([1, 1, 1, 2])):
                self._desk.spawn(self._load(caller, lines))

    def _file(self) -> tuple[Caller, list[tuple[int, Draft]]]:
        keys = self._draw.sample(range(_KEYS), self._draw.randrange(1, _LONGEST_FILE))
        lines = [(line, self._line(key)) for line, key in enumerate(keys, 1)]
        return Caller(tenant=self._draw.choice(_TENANTS)), lines

    def _line(self, key: int) -> Draft:
        now, left = self._desk.micros(), self._desk.left()
        made = draft(self._draw, now=now, left=left)
        return structs.replace(made, key=f"key-{key}", trigger=self._trigger(made.trigger, now, left))

    def _trigger(self, otherwise: Trigger, now: int, left: int) -> Trigger:
        return waiting(self._draw, now=now, left=left) if self._draw.random() < self._chatter.waiting else otherwise

    async def _load(self, caller: Caller, lines: list[tuple[int, Draft]]) -> None:
        """Imports a file, batch by batch; a batch that was not answered comes again with the same keys."""
        size = self._draw.choice([1, 3, _LONGEST_FILE])
        for first in range(0, len(lines), size):
            batch = lines[first : first + size]
            told: list[Told] = []
            settled: ImportResult[Any] | None = await self._ask(
                "imports", lambda replica, batch=batch: _put(replica, caller, batch), told, caller.tenant, batch[0][1].key
            )
            if settled is None:
                return
            self._settle(told[0], batch, settled)
        await self._learn(caller)

    def _settle(self, told: Told, batch: list[tuple[int, Draft]], settled: ImportResult[Any]) -> None:
        refused = {line for line, _ in settled.refused}
        self._counts["lines accepted"] += len(batch) - len(refused)
        self._counts["lines refused"] += len(refused)
        for line, said in batch:
            if line not in refused:
                self.accepted.lines.append(told._replace(name=said.key, answer=said.trigger))
        counted = settled.created + settled.updated + settled.unchanged + len(settled.refused)
        if counted != len(batch):
            self.accepted.problems.append(f"an import of {len(batch)} lines accounts for {counted}: {settled}")

    async def _learn(self, caller: Caller) -> None:
        """Finds out which alarms there are, so that users work on them."""
        try:
            page = await self._desk.call(lambda replica: replica.alarms.page(caller, conditions=(), before=None, size=20))
        except TocsinError:
            return
        for alarm in page.alarms:
            if alarm.key and alarm.id not in self._promises.removed:
                self._promises.alarms[alarm.id] = caller.tenant
                self._promises.rules[alarm.id] = alarm.trigger


async def _put(replica: Replica, caller: Caller, lines: list[tuple[int, Draft]]) -> ImportResult[Any]:
    """What a stream of lines does, without the stream."""
    with replica.imports.begin(caller, validate_only=False) as session:
        return await _commit(session, lines)


async def _commit(session: Import, lines: list[tuple[int, Draft]]) -> ImportResult[Any]:
    session.begin_batch()
    wanted, refused = [], []
    for line, said in lines:
        try:
            wanted.append(session.read(line, said))
        except InvalidInput as error:
            refused.append((line, error))
    settled = await session.commit(wanted)
    settled.refused += refused
    return settled
