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
from tests.simulation.scenario import Chatter, Duty, Flock, Scenario, scenario_of

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
_NOBODY: Final = Duty(triggers=0.0, answers=60.0, silences=60.0, policies=600.0)
_BUSY: Final = Duty(triggers=6.0, answers=12.0, silences=60.0, policies=300.0)
_FLOCK: Final = Flock(duty=replace(_BUSY, answers=120.0, policies=600.0), routes=120.0, dependencies=30.0)
_LOUD: Final = Chatter(waiting=0.9, events=8.0, readings=10.0, imports=60.0, most=2)
_SOON: Final = {
    "step-in-another-transaction": (4, 0.03),
    "part-goes-on": (12, 0.03),
    "dropping-an-occurrence": (3, 0.03),
    "in-haste": (4, 0.03),
    "without-fence": (22, 0.04),
    "without-uniqueness": (25, 0.04),
    "believing-anybody": (2, 0.04),
    "blaming-bystanders": (5, 0.03),
}
_CALM: Final = {
    "group-of-any-route": 2,
    "group-of-any-tenant": 2,
    "group-repeated-to-who-has-it": 9,
    "dependency-without-end": 2,
    "any-end-ends-a-run": 3,
}
_TROUBLE: Final = {"wait-from-the-plan": "outages", "event-without-rest": "crashes"}
"""What has to go wrong before some of those variants are noticed that are tried in a run in which little else happens."""
_OTHERS: Final = frozenset({"step-in-another-transaction", "part-goes-on"})
"""Variants that are noticed in a run in which much happens."""


def soon(name: str) -> Scenario:
    """A run in which a variant was noticed last time; when it is not, others will do.

    For those of incidents, of groups and of what comes from outside it is one in which little else happens: it takes a second.
    """
    seed, days = _SOON.get(name, (22, 0.03))
    if name not in {**INCIDENTS, **GROUPS, **OUTSIDE} or name in _OTHERS:
        return replace(scenario_of(seed), days=days)
    base = scenario_of(_CALM.get(name, 1))
    quiet = replace(base, days=0.02, alarms=2, edits=1e6, replicas=1, processors=1, hostile=False, pace=120.0, duty=_NOBODY)
    calm = replace(quiet, faults=frozenset({_TROUBLE[name]} if name in _TROUBLE else ()), flock=replace(_FLOCK, duty=_NOBODY))
    if name in OUTSIDE:
        return replace(calm, days=0.01, alarms=20, edits=60.0, chatter=_LOUD)
    silent = replace(calm, chatter=replace(base.chatter, waiting=0.0, imports=1e6))
    return replace(silent, flock=_FLOCK) if name in GROUPS else replace(silent, duty=_BUSY)
