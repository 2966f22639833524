"""Broken variants of the scheduler. The checker must notice each of them, or its silence about the real one means nothing."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from scheduler_svc.dispatch import Confirmed, Dispatcher, ProcessorSession
from scheduler_svc.dispatch.leases import Leases
from scheduler_svc.dispatch.routing import Suspects
from scheduler_svc.domain import Report, firing_id
from scheduler_svc.domain.planning import Plan, plan
from scheduler_svc.engine import Engine
from scheduler_svc.store.due import owned
from scheduler_svc.store.tables import firings
from tests.simulation.broken import everywhere, replaced
from tests.simulation.group_mutants import GROUPS
from tests.simulation.incident_mutants import INCIDENTS
from tests.simulation.machine import SimClock
from tests.simulation.outside_mutants import OUTSIDE
from tests.simulation.scenario import Duty, Flock, Scenario, scenario_of

_OVERDUE: Final = 5_000_000


def _without_fence() -> None:
    """Whoever thinks that it owns a shard may write."""

    async def everything(connection: object, *, owner: str, held: object, wanted: Any) -> set[int]:
        return set(wanted)

    everywhere(owned, everything)


def _without_uniqueness() -> None:
    """The same occurrence gets another row each time."""

    def salted(alarm: str, instant: int) -> str:
        return firing_id(alarm + os.urandom(4).hex(), instant)

    everywhere(firing_id, salted)
    for index in [index for index in firings.indexes if index.unique]:
        firings.indexes.discard(index)


def _forgetting_what_is_overdue() -> None:
    """What passed while nobody looked gets no row."""

    def forgetful(*given: Any, now: int, **named: Any) -> Plan:
        made = plan(*given, now=now, **named)
        return made._replace(rows=tuple(row for row in made.rows if now - row.due < _OVERDUE))

    everywhere(plan, forgetful)


def _dropping_an_occurrence() -> None:
    """Of several due times that are late, the first gets no row."""

    def careless(*given: Any, **named: Any) -> Plan:
        made = plan(*given, **named)
        return made._replace(rows=made.rows[1:]) if len(made.rows) > 1 else made

    everywhere(plan, careless)


def _in_haste() -> None:
    """The engine's clock is two seconds ahead of everybody else's."""
    before = Engine.__init__

    def hasty(self: Engine, *, clock: SimClock, **named: Any) -> None:
        before(self, clock=_Ahead(clock), **named)

    replaced(Engine, "__init__", hasty)


class _Ahead(SimClock):
    def __init__(self, clock: SimClock) -> None:
        self._clock = clock

    def micros(self) -> int:
        return self._clock.micros() + 2_000_000

    def monotonic(self) -> float:
        return self._clock.monotonic()


def _confirming_too_soon() -> None:
    """A result is confirmed before it is committed."""

    async def report(self: Any, session: ProcessorSession, reports: Sequence[Report]) -> None:
        session.unconfirmed += 2 * len(reports)
        for each in reports:
            self._take(session, each)
        session.send(Confirmed([each.lease for each in reports]))
        self._reported.set()

    replaced(Dispatcher, "report", report)


def _without_rescan() -> None:
    """A firing whose transaction committed unseen is not looked for."""
    replaced(Dispatcher, "rescan", lambda self: None)
    replaced(Dispatcher, "_heal", lambda self: setattr(self, "_heal_at", self._clock.monotonic() + 60))


def _blaming_bystanders() -> None:
    """Whatever was lost with a processor is charged with its death."""
    replaced(Suspects, "lost", lambda self, queued: True)


def _believing_anybody() -> None:
    """How a delivery ended is taken from whoever tells it."""
    replaced(Leases, "current", lambda self, lease: self.get(lease.firing))


MUTANTS: Final[Mapping[str, Callable[[], None]]] = {
    "without-fence": _without_fence,
    "without-uniqueness": _without_uniqueness,
    "forgetting-what-is-overdue": _forgetting_what_is_overdue,
    "dropping-an-occurrence": _dropping_an_occurrence,
    "in-haste": _in_haste,
    "confirming-too-soon": _confirming_too_soon,
    "without-doubt": _without_rescan,
    "blaming-bystanders": _blaming_bystanders,
    "believing-anybody": _believing_anybody,
    **OUTSIDE,
    **INCIDENTS,
    **GROUPS,
}
_SOON: Final = {
    "dropping-an-occurrence": (3, 0.03),
    "believing-anybody": (29, 0.03),
    "blaming-bystanders": (45, 0.03),
    "forgetting-what-is-overdue": (10, 0.03),
    "in-haste": (4, 0.03),
    "without-fence": (7, 0.03),
    "without-hysteresis": (10, 0.03),
    "without-uniqueness": (3, 0.1),
    **dict.fromkeys(INCIDENTS, (4, 0.03)),
    "incident-silence-unheeded": (6, 0.03),
    "incident-silence-without-end": (10, 0.03),
    "part-goes-on": (12, 0.03),
    "snooze-forgotten": (10, 0.03),
    "step-after-an-answer": (14, 0.03),
}


_FLOCK: Final = Flock(duty=Duty(triggers=6.0, answers=120.0, silences=60.0, policies=600.0), routes=120.0, dependencies=30.0)
_GROUPS_SOON: Final = {"group-of-any-route": 2, "group-of-any-tenant": 2, "group-repeated-to-who-has-it": 3, "dependency-without-end": 3}


def soon(name: str) -> Scenario:
    """A run in which a variant was noticed last time; when it is not, others will do.

    For those of groups it is one without faults in which little else happens: it takes a second.
    """
    seed, days = _SOON.get(name, (22, 0.03))
    if name not in GROUPS:
        return replace(scenario_of(seed), days=days)
    base = scenario_of(_GROUPS_SOON.get(name, 1))
    quiet = {"duty": replace(base.duty, triggers=0.0), "chatter": replace(base.chatter, waiting=0.0, imports=1e6), "flock": _FLOCK}
    return replace(base, days=0.02, alarms=2, edits=1e6, replicas=1, processors=1, faults=frozenset(), hostile=False, **quiet)
