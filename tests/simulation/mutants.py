"""Broken variants of the scheduler. The checker must notice each of them, or its silence about the real one means nothing."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from scheduler_svc.dispatch import Confirmed, Dispatcher, Session
from scheduler_svc.domain import Report, firing_id
from scheduler_svc.engine import Engine
from scheduler_svc.planning import Plan, plan
from scheduler_svc.store.due import owned
from scheduler_svc.store.tables import firings
from tests.simulation.machine import SimClock

_OVERDUE: Final = 5_000_000


def _everywhere(before: object, after: object) -> None:
    """Replaces a function in every module of the scheduler that has it."""
    for module in [module for name, module in sys.modules.items() if name.startswith("scheduler_svc.")]:
        for name in [name for name, value in vars(module).items() if value is before]:
            setattr(module, name, after)


def _without_fence() -> None:
    """Whoever thinks that it owns a shard may write."""

    async def everything(connection: object, *, owner: str, held: object, wanted: Any) -> set[int]:
        return set(wanted)

    _everywhere(owned, everything)


def _without_uniqueness() -> None:
    """The same occurrence gets another row each time."""

    def salted(alarm: str, instant: int) -> str:
        return firing_id(alarm + os.urandom(4).hex(), instant)

    _everywhere(firing_id, salted)
    for index in [index for index in firings.indexes if index.unique]:
        firings.indexes.discard(index)


def _forgetting_what_is_overdue() -> None:
    """What passed while nobody looked gets no row."""

    def forgetful(*given: Any, now: int, **named: Any) -> Plan:
        made = plan(*given, now=now, **named)
        return made._replace(rows=tuple(row for row in made.rows if now - row.due < _OVERDUE))

    _everywhere(plan, forgetful)


def _dropping_an_occurrence() -> None:
    """Of several due times that are late, the first gets no row."""

    def careless(*given: Any, **named: Any) -> Plan:
        made = plan(*given, **named)
        return made._replace(rows=made.rows[1:]) if len(made.rows) > 1 else made

    _everywhere(plan, careless)


def _in_haste() -> None:
    """The engine's clock is two seconds ahead of everybody else's."""
    before = Engine.__init__

    def hasty(self: Engine, *, clock: SimClock, **named: Any) -> None:
        before(self, clock=_Ahead(clock), **named)

    _replace(Engine, "__init__", hasty)


class _Ahead(SimClock):
    def __init__(self, clock: SimClock) -> None:
        self._clock = clock

    def micros(self) -> int:
        return self._clock.micros() + 2_000_000

    def monotonic(self) -> float:
        return self._clock.monotonic()


def _confirming_too_soon() -> None:
    """A result is confirmed before it is committed."""

    async def report(self: Any, session: Session, reports: Sequence[Report]) -> None:
        session.unconfirmed += 2 * len(reports)
        for each in reports:
            self._take(session, each)
        session.send(Confirmed([each.lease for each in reports]))
        self._reported.set()

    _replace(Dispatcher, "report", report)


def _without_doubt() -> None:
    """A firing whose transaction committed unseen is not looked for."""
    _replace(Dispatcher, "doubt", lambda self: None)
    _replace(Dispatcher, "_heal", lambda self: setattr(self, "_heal_at", self._clock.monotonic() + 60))


def _replace(owner: type, name: str, value: object) -> None:
    assert hasattr(owner, name), f"{owner.__name__} has no {name} any more"
    setattr(owner, name, value)


MUTANTS: Final[Mapping[str, Callable[[], None]]] = {
    "without-fence": _without_fence,
    "without-uniqueness": _without_uniqueness,
    "forgetting-what-is-overdue": _forgetting_what_is_overdue,
    "dropping-an-occurrence": _dropping_an_occurrence,
    "in-haste": _in_haste,
    "confirming-too-soon": _confirming_too_soon,
    "without-doubt": _without_doubt,
}
