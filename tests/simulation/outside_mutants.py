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
from scheduler_svc.triggers import Pinged, PingKind, beats, state, threshold
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


def _start_unheeded() -> None:
    """A job that has begun may take as long as it likes."""
    replaced(beats, "_begun", lambda trigger, spec, signal, due, ping: beats.unstarted_deadline(trigger, signal, due))


def _failure_unheard() -> None:
    """A job that says that it has failed is taken for one that has not."""
    before = beats.beaten

    def beaten(trigger: Any, signal: Any, due: Any, ping: Pinged) -> Any:
        kind = PingKind.SUCCESS if ping.kind is PingKind.FAIL else ping.kind
        return before(trigger, signal, due, replace(ping, kind=kind))

    everywhere(before, beaten)


def _any_end() -> None:
    """Whatever run ends, nothing goes on."""
    before = vars(beats)["_ended"]
    replaced(beats, "_ended", lambda spec, signal, ping: replace(before(spec, signal, ping), started=None, run=""))


def _log_for_an_end() -> None:
    """A line of a job's log counts as its end."""
    before = beats.beaten

    def beaten(trigger: Any, signal: Any, due: Any, ping: Pinged) -> Any:
        return before(trigger, signal, due, replace(ping, kind=PingKind.SUCCESS) if ping.kind is PingKind.LOG else ping)

    everywhere(before, beaten)


def _schedule_from_the_ping() -> None:
    """A heartbeat with a schedule waits for so long after a ping, whenever that came."""
    before = vars(state)["_expected"]

    def expected(trigger: Any, spec: Any, *, begun: int) -> int | None:
        following = before(trigger, spec, begun=begun)
        later = following if following is None or spec.schedule is None else before(trigger, spec, begun=following)
        return following if following is None or later is None or spec.schedule is None else begun + later - following

    replaced(state, "_expected", expected)


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
    "start-unheeded": _start_unheeded,
    "failure-unheard": _failure_unheard,
    "any-end-ends-a-run": _any_end,
    "log-for-an-end": _log_for_an_end,
    "schedule-from-the-ping": _schedule_from_the_ping,
    "key-twice": _key_twice,
    "line-lost": _line_lost,
}
