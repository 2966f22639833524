"""A breaker that only observes, and one that is kept open for a time."""

import pytest

from tocsin.errors import CircuitOpen
from tocsin.mesh.breaker import Breaker, BreakerRegistry, BreakerRule, CallOutcome, CircuitState
from tocsin.testing.clock import FakeClock


def fail(breaker: Breaker, times: int) -> None:
    """So many failures in a row."""
    for _ in range(times):
        breaker.record(breaker.admit(), CallOutcome.FAILURE)


async def test_one_that_observes_opens_and_closes_and_refuses_nothing(clock: FakeClock) -> None:
    """What passes while it is open counts for nothing; probes close it as ever. An order to open refuses all the same."""
    breaker = Breaker(id="x", target="x", rule=BreakerRule(observe_only=True, jitter=0.0), clock=clock)
    fail(breaker, 5)
    assert (breaker.state, breaker.admits) == (CircuitState.OPEN, True)
    fail(breaker, 50)
    assert breaker.snapshot().failures == 5
    await clock.advance(5)
    permits = [breaker.admit() for _ in range(5)]
    assert breaker.state is CircuitState.HALF_OPEN
    for permit in permits:
        breaker.record(permit, CallOutcome.SUCCESS)
    assert breaker.state is CircuitState.CLOSED
    breaker.force(CircuitState.OPEN)
    assert not breaker.admits
    with pytest.raises(CircuitOpen):
        breaker.admit()


async def test_one_that_is_kept_open_for_a_time_is_probed_afterwards(clock: FakeClock) -> None:
    """Until then nothing passes, and the picture says how long; a breaker made meanwhile is kept so for the rest, one made later is not."""
    registry = BreakerRegistry(clock=clock)
    first = registry.get(id="a", target="x")
    registry.force(CircuitState.OPEN, target="x", seconds=300)
    await clock.advance(200)
    second = registry.get(id="b", target="x")
    assert [(item.forced, item.retry_after) for item in registry.snapshot()] == [(True, 100.0), (True, 100.0)]
    await clock.advance(99)
    for breaker in (first, second):
        with pytest.raises(CircuitOpen):
            breaker.admit()
    await clock.advance(1)
    assert registry.get(id="c", target="x").state is CircuitState.CLOSED
    for breaker in (first, second):
        for _ in range(3):
            breaker.record(breaker.admit(), CallOutcome.SUCCESS)
    assert [(item.forced, item.state) for item in registry.snapshot()] == [(False, CircuitState.CLOSED)] * 3


async def test_another_rule_is_taken_while_it_runs(clock: FakeClock) -> None:
    """The state stays; a window of another length begins empty."""
    breaker = Breaker(id="x", target="x", rule=BreakerRule(), clock=clock)
    fail(breaker, 4)
    breaker.adopt(BreakerRule(consecutive_failures=6))
    fail(breaker, 1)
    assert breaker.state is CircuitState.CLOSED
    fail(breaker, 1)
    assert breaker.state is CircuitState.OPEN
    breaker.adopt(BreakerRule(window=20.0))
    assert breaker.state is CircuitState.OPEN
