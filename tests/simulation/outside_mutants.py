"""Broken variants of what takes things from outside; see `tests.simulation.mutants`."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from scheduler_svc.domain import planning
from scheduler_svc.domain.planning import Plan
from scheduler_svc.ports import Moved
from scheduler_svc.service.imports import Import
from scheduler_svc.service.signals import Intake
from scheduler_svc.store import events, imports, pings, triggered
from scheduler_svc.store.signals import Stored
from scheduler_svc.store.tables import alarms, inbound
from scheduler_svc.triggers import threshold
from tests.simulation.broken import everywhere, replaced
from tocsin.bulk.results import ImportResult


def _event_each_time() -> None:
    """An event that comes again is taken for another one."""
    for index in [index for index in inbound.indexes if index.unique]:
        inbound.indexes.discard(index)
    before = triggered.requested_firing_id

    def salted(tenant: str, alarm: str, cause: str) -> str:
        return before(tenant, alarm + os.urandom(4).hex(), cause)

    async def unknown(connection: Any, rows: Sequence[Any]) -> dict[str, Stored]:
        await logged(connection, rows)
        return {}

    logged = events.log_events
    replaced(triggered, "requested_firing_id", salted)
    everywhere(logged, unknown)


def _event_without_rest() -> None:
    """Of an event that lets many alarms go, those are forgotten that do not fit into the first transaction."""

    async def nothing(self: Intake, log: str) -> int:
        del self, log
        return 0

    replaced(Intake, "finish", nothing)


def _event_for_the_paused() -> None:
    """An event fires alarms that are paused."""

    def choose(self: Any, stored: Mapping[str, Any], *, now: int) -> None:
        self.alarms = [stored[listening.alarm] for listening in self.waiting if listening.alarm in stored]

    replaced(vars(events)["_Match"], "choose", choose)


def _without_hysteresis() -> None:
    """A threshold is well as soon as its metric is not beyond the limit."""
    before = threshold.is_back
    everywhere(before, lambda spec, value: before(replace(spec, hysteresis=0.0), value))


def _impatient() -> None:
    """A threshold does not wait until the metric has been beyond the limit for long enough."""
    before = threshold.observed
    everywhere(before, lambda spec, standing, *, value, at: before(replace(spec, for_duration=0), standing, value=value, at=at))


def _never_well() -> None:
    """Nobody is told that something raised is well again."""
    before = triggered.TriggeredFirings.add

    def add(self: Any, alarm: Any, *, origin: Any, **named: Any) -> Any:
        made = before(self, alarm, origin=origin, **named)
        if origin is triggered.Origin.RESOLVED:
            self.firings.remove(made)
        return made

    replaced(triggered.TriggeredFirings, "add", add)


def _ping_without_deadline() -> None:
    """A ping is logged, and moves no deadline."""
    pinging = vars(pings)["_Pinging"]
    before = pinging.write

    async def write(self: Any, connection: Any) -> None:
        self._due.clear()
        await before(self, connection)

    replaced(pinging, "write", write)
    replaced(pinging, "moved", property(lambda self: list[Moved]()))


def _silence_unheard() -> None:
    """A deadline that passes is taken for one at which nobody could ping."""

    def later(schedule: Any, *, now: int, outage: object) -> Plan:
        return Plan((), now + 900_000_000, schedule.ordinal, signal=True)

    replaced(planning, "_signal_plan", later)


def _key_twice() -> None:
    """An import does not look for the alarms that have its keys."""

    async def none(connection: Any, tenant: str, batch: Iterable[Any]) -> dict[str, Any]:
        return {}

    for index in [index for index in alarms.indexes if index.unique]:
        alarms.indexes.discard(index)
    replaced(imports, "_existing", none)


def _line_lost() -> None:
    """An import says that it has all of its lines, and leaves the last one of several out."""
    before = Import.commit

    async def commit(self: Import, batch: Sequence[Any]) -> ImportResult[Any]:
        settled = await before(self, batch[:-1] if len(batch) > 1 else batch)
        settled.created += len(batch) > 1
        return settled

    replaced(Import, "commit", commit)


OUTSIDE: Final[Mapping[str, Callable[[], None]]] = {
    "event-each-time": _event_each_time,
    "event-without-rest": _event_without_rest,
    "event-for-the-paused": _event_for_the_paused,
    "without-hysteresis": _without_hysteresis,
    "impatient": _impatient,
    "never-well": _never_well,
    "ping-without-deadline": _ping_without_deadline,
    "silence-unheard": _silence_unheard,
    "key-twice": _key_twice,
    "line-lost": _line_lost,
}
