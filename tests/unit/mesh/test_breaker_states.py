"""What can be done to a circuit breaker in each of its states is what docs/states.md draws."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Final

from tests.integration.states import NOTHING, drawn
from tocsin.errors import CircuitOpen
from tocsin.mesh.breaker import Breaker, BreakerRule, CallOutcome, CircuitState
from tocsin.testing.clock import FakeClock

RULE: Final = BreakerRule(jitter=0.0)


def attempts(outcome: CallOutcome, *, slow: bool = False, count: int = 1) -> Callable[[Breaker], object]:
    """Attempts that end so."""

    def do(breaker: Breaker) -> None:
        for _ in range(count):
            breaker.record(breaker.admit(), outcome, slow=slow)

    return do


OPERATIONS: Final[list[Callable[[Breaker], object]]] = [
    *(attempts(outcome) for outcome in CallOutcome),
    *(attempts(outcome, count=RULE.half_open_permits) for outcome in CallOutcome),
    attempts(CallOutcome.FAILURE, count=RULE.consecutive_failures),
    attempts(CallOutcome.SUCCESS, slow=True, count=RULE.minimum_calls),
    lambda breaker: breaker.admit(),
    lambda breaker: breaker.stream_accepted(breaker.admit()),
    lambda breaker: breaker.reset(),
    lambda breaker: breaker.force(CircuitState.OPEN),
    lambda breaker: breaker.force(CircuitState.CLOSED),
]


class Watched(Breaker):
    """A breaker that remembers each state that it was in."""

    __slots__ = ("states",)
    states: list[CircuitState]

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "_state":
            self.states = [*getattr(self, "states", []), self.state]


def made(clock: FakeClock, state: CircuitState) -> Watched:
    """A breaker in that state."""
    breaker = Watched(id="b", target="t", rule=RULE, clock=clock)
    if state is not CircuitState.CLOSED:
        attempts(CallOutcome.FAILURE, count=RULE.consecutive_failures)(breaker)
    if state is CircuitState.HALF_OPEN:
        clock.set(clock.now() + timedelta(seconds=RULE.max_open))
        breaker.record(breaker.admit(), CallOutcome.IGNORED)
    assert breaker.state is state
    return breaker


def test_breaker(clock: FakeClock) -> None:
    """Every attempt and every order in every state, at once and after the wait."""
    found = {(NOTHING, CircuitState.CLOSED.name)}
    for state in CircuitState:
        for operation in OPERATIONS:
            for wait in (0.0, RULE.max_open):
                breaker = made(clock, state)
                clock.set(clock.now() + timedelta(seconds=wait))
                with suppress(CircuitOpen):
                    operation(breaker)
                names = [each.name for each in breaker.states]
                found |= {(before, after) for before, after in pairwise(names) if before != after}
    assert found == drawn("Circuit breaker")
