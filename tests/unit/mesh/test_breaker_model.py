"""The breaker against a model that keeps everything and computes nothing cleverly."""

import math
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from tocsin.errors import CircuitOpen
from tocsin.mesh.breaker import Breaker, BreakerRule, CallOutcome, CircuitState, Permit
from tocsin.testing.clock import FakeClock

RULE = BreakerRule(window=10, minimum_calls=6, consecutive_failures=4, open=2, max_open=7, half_open_permits=2, jitter=0)


class Model:
    """What the design says, in so many words: a list of all calls, a list of all probes."""

    def __init__(self) -> None:
        self.state, self.generation, self.backoff = CircuitState.CLOSED, 0, RULE.open
        self.until = 0.0
        self.calls: list[tuple[int, bool, bool]] = []
        self.row = 0
        self.probes: dict[int, float] = {}
        self.successes = 0

    def enter(self, state: CircuitState, now: float) -> None:
        self.state, self.generation, self.probes, self.successes = state, self.generation + 1, {}, 0
        if state is CircuitState.CLOSED:
            self.calls, self.row, self.backoff = [], 0, RULE.open
        elif state is CircuitState.OPEN:
            self.until = now + self.backoff

    def admit(self, number: int, now: float, lifetime: float) -> bool:
        if self.state is CircuitState.OPEN and self.until - now <= 1e-6:
            self.enter(CircuitState.HALF_OPEN, now)
        if self.state is CircuitState.HALF_OPEN:
            if sum(expires > now for expires in self.probes.values()) >= RULE.half_open_permits:
                return False
            self.probes[number] = now + lifetime
        return self.state is not CircuitState.OPEN

    def record(self, number: int, generation: int, outcome: CallOutcome, slow: bool, now: float) -> None:
        if generation != self.generation:
            return
        if self.state is CircuitState.CLOSED and outcome is not CallOutcome.IGNORED:
            failed = outcome is CallOutcome.FAILURE
            self.calls.append((math.floor(now), failed, slow))
            self.row = self.row + 1 if failed else 0
            self.trip(now)
        elif self.state is CircuitState.HALF_OPEN and self.probes.pop(number, -1.0) > now:
            if outcome is CallOutcome.FAILURE or (slow and outcome is CallOutcome.SUCCESS):
                self.backoff = min(self.backoff * 2, RULE.max_open)
                self.enter(CircuitState.OPEN, now)
            elif outcome is CallOutcome.SUCCESS:
                self.successes += 1
                if self.successes == RULE.half_open_permits:
                    self.enter(CircuitState.CLOSED, now)

    def window(self, now: float) -> list[tuple[int, bool, bool]]:
        return [call for call in self.calls if call[0] > math.floor(now) - 10]

    def trip(self, now: float) -> None:
        held = self.window(now)
        failures, slow = sum(call[1] for call in held), sum(call[2] for call in held)
        full = len(held) >= RULE.minimum_calls
        row = max(RULE.minimum_calls, RULE.consecutive_failures) if full else RULE.consecutive_failures
        if self.row >= row or (full and (failures / len(held) > 0.5 or slow / len(held) >= 0.8)):
            self.enter(CircuitState.OPEN, now)


class BreakerMachine(RuleBasedStateMachine):
    """Admits, reports in any order, lets time pass, resets."""

    permits = Bundle("permits")

    @initialize()
    def begin(self) -> None:
        self.clock = FakeClock()
        self.breaker = Breaker(id="b", target="t", rule=RULE, clock=self.clock, draw=lambda: 0.5)
        self.model = Model()
        self.model.generation = 0
        self.number = 0

    @rule(target=permits, lifetime=st.sampled_from([1.0, 3.0, 1000.0]))
    def admit(self, lifetime: float) -> Any:
        self.number += 1
        expected = self.model.admit(self.number, self.clock.monotonic(), lifetime)
        try:
            permit: Permit | None = self.breaker.admit(lifetime)
        except CircuitOpen:
            permit = None
        assert (permit is not None) == expected
        return (self.number, self.model.generation, permit)

    @rule(given=consumes(permits), outcome=st.sampled_from([*CallOutcome, CallOutcome.FAILURE, CallOutcome.FAILURE]), slow=st.booleans())
    def record(self, given: tuple[int, int, Permit | None], outcome: CallOutcome, slow: bool) -> None:
        number, generation, permit = given
        if permit is not None:
            self.breaker.record(permit, outcome, slow=slow)
            self.model.record(number, generation, outcome, slow, self.clock.monotonic())

    @rule(outcomes=st.lists(st.tuples(st.sampled_from([*CallOutcome]), st.booleans()), max_size=12))
    def burst(self, outcomes: list[tuple[CallOutcome, bool]]) -> None:
        for outcome, slow in outcomes:
            self.record(self.admit(1.0), outcome, slow)

    @rule(seconds=st.sampled_from([0.1, 0.9, 1.0, 2.0, 4.0, 7.0, 9.9, 25.0]))
    def wait(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    @rule()
    def reset(self) -> None:
        assert self.breaker.reset() == (self.model.state is not CircuitState.CLOSED)
        self.model.enter(CircuitState.CLOSED, self.clock.monotonic())

    @invariant()
    def agrees(self) -> None:
        snapshot = self.breaker.snapshot()
        assert snapshot.state is self.model.state
        if snapshot.state is CircuitState.CLOSED:
            held = self.model.window(self.clock.monotonic())
            assert snapshot.calls == len(held)
            assert snapshot.failures == max(sum(call[1] for call in held), self.model.row)
        if snapshot.state is CircuitState.OPEN:
            assert snapshot.retry_after == max(0.0, self.model.until - self.clock.monotonic())


class TestBreakerMachine(BreakerMachine.TestCase):
    """The breaker admits and trips exactly as the model does, whatever happens in whatever order."""

    settings = settings(max_examples=60, stateful_step_count=40)
