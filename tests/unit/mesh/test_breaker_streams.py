"""Breakers and what is not a plain call: slow probes, accepted streams, circuits that nobody calls."""

from tests.unit.mesh.test_breaker_rules import half_opened, jump, make, opened, run
from tocsin.mesh.breaker import CallOutcome, CircuitState
from tocsin.testing.clock import FakeClock


def test_a_slow_probe_is_a_failed_probe(clock: FakeClock) -> None:
    """A far end that answers, but always slowly, does not close the circuit again and again."""
    breaker = half_opened(clock)
    breaker.record(breaker.admit(), CallOutcome.SUCCESS, slow=True)
    assert breaker.state is CircuitState.OPEN


def test_one_accepted_stream_closes_a_half_open_breaker(clock: FakeClock) -> None:
    """Its later failure counts in the generation that the proof began."""
    breaker = half_opened(clock)
    permit = breaker.stream_accepted(breaker.admit())
    assert breaker.state is CircuitState.CLOSED
    breaker.record(permit, CallOutcome.FAILURE)
    assert breaker.snapshot().failures == 1


def test_an_accepted_stream_proves_nothing_to_a_closed_or_open_breaker(clock: FakeClock) -> None:
    """In a closed one it counts as no success; an old permit changes nothing in an open one."""
    breaker = make(clock)
    permit = breaker.stream_accepted(breaker.admit())
    assert breaker.snapshot().calls == 0
    run(breaker, [CallOutcome.FAILURE] * 5)
    assert breaker.state is CircuitState.OPEN
    assert breaker.stream_accepted(permit) is permit
    assert breaker.state is CircuitState.OPEN


def test_a_circuit_that_nobody_calls_is_idle(clock: FakeClock) -> None:
    """A minute after it would have let a probe pass; the next failed probe makes it a fault again."""
    breaker = opened(clock)
    assert not breaker.snapshot().idle
    jump(clock, 5 + 59)
    assert not breaker.snapshot().idle
    jump(clock, 2)
    assert breaker.snapshot().idle
    assert breaker.snapshot().last_failure is not None
    breaker.record(breaker.admit(), CallOutcome.FAILURE)
    assert not breaker.snapshot().idle


def test_a_circuit_is_idle_at_once_when_its_far_end_is_back(clock: FakeClock) -> None:
    """What opened it is over, and the next call proves it."""
    breaker = opened(clock)
    breaker.probe_now()
    assert breaker.snapshot().idle


def test_a_forced_circuit_is_never_idle(clock: FakeClock) -> None:
    """Somebody wanted that."""
    breaker = make(clock)
    breaker.force(CircuitState.OPEN)
    jump(clock, 1000)
    assert not breaker.snapshot().idle
