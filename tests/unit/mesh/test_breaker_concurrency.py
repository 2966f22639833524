"""Many tasks and one breaker."""

import asyncio
from datetime import timedelta

import pytest

from tocsin.errors import CircuitOpen
from tocsin.mesh.breaker import Breaker, BreakerRule, CallOutcome, CircuitState, failing_on
from tocsin.testing.clock import FakeClock


class Broken(Exception): ...


CLASSIFY = failing_on(Broken)


async def about_to_probe(clock: FakeClock) -> Breaker:
    """An open breaker whose next call is a probe."""
    breaker = Breaker(id="b", target="t", rule=BreakerRule(jitter=0), clock=clock)
    for _ in range(5):
        breaker.record(breaker.admit(), CallOutcome.FAILURE)
    clock.set(clock.now() + timedelta(seconds=5))
    return breaker


async def test_of_fifty_tasks_at_the_half_open_moment_three_pass(clock: FakeClock) -> None:
    """The others are rejected at once; when the three succeed the breaker is closed for everyone."""
    breaker, release, inside = await about_to_probe(clock), asyncio.Event(), list[int]()

    async def attempt(number: int) -> bool:
        try:
            async with breaker.guard(CLASSIFY):
                inside.append(number)
                await release.wait()
        except CircuitOpen:
            return False
        return True

    tasks = [asyncio.create_task(attempt(number)) for number in range(50)]
    await asyncio.sleep(0)
    assert len(inside) == 3
    release.set()
    assert sum(await asyncio.gather(*tasks)) == 3
    assert breaker.state is CircuitState.CLOSED


async def test_one_failing_probe_reopens_and_the_others_change_nothing(clock: FakeClock) -> None:
    """Probes that succeed after a failed one belong to an earlier generation."""
    breaker = await about_to_probe(clock)
    first, second, third = (breaker.admit() for _ in range(3))
    breaker.record(first, CallOutcome.FAILURE)
    breaker.record(second, CallOutcome.SUCCESS)
    breaker.record(third, CallOutcome.FAILURE)
    assert breaker.state is CircuitState.OPEN
    assert breaker.snapshot().retry_after == pytest.approx(10), "the backoff doubled once"


async def test_a_storm_of_cancellations_neither_trips_nor_leaks_permits(clock: FakeClock) -> None:
    """Cancelled calls are ignored when closed; when half open they give their permits back."""
    breaker = Breaker(id="b", target="t", rule=BreakerRule(jitter=0), clock=clock)

    async def hang() -> None:
        async with breaker.guard(CLASSIFY):
            await asyncio.sleep(60)

    for state in (CircuitState.CLOSED, CircuitState.HALF_OPEN):
        for _ in range(3):
            tasks = [asyncio.create_task(hang()) for _ in range(50 if state is CircuitState.CLOSED else 3)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            assert breaker.state is state
        if state is CircuitState.CLOSED:
            breaker = await about_to_probe(clock)


async def test_cancellation_is_never_replaced(clock: FakeClock) -> None:
    """A cancelled block raises CancelledError even at the moment where the breaker trips."""
    breaker = Breaker(id="b", target="t", rule=BreakerRule(consecutive_failures=1, jitter=0), clock=clock)

    async def hang() -> None:
        async with breaker.guard(CLASSIFY):
            await asyncio.sleep(60)

    hanging = asyncio.create_task(hang())
    await asyncio.sleep(0)
    breaker.record(breaker.admit(), CallOutcome.FAILURE)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert breaker.state is CircuitState.OPEN


async def test_late_results_of_many_tasks_do_not_touch_the_next_generation(clock: FakeClock) -> None:
    """Fifty calls that began before the trip fail while the breaker probes; the probes decide."""
    breaker, release = Breaker(id="b", target="t", rule=BreakerRule(jitter=0), clock=clock), asyncio.Event()

    async def late() -> None:
        async with breaker.guard(CLASSIFY):
            await release.wait()
            raise Broken

    tasks = [asyncio.create_task(late()) for _ in range(50)]
    await asyncio.sleep(0)
    for _ in range(5):
        breaker.record(breaker.admit(), CallOutcome.FAILURE)
    clock.set(clock.now() + timedelta(seconds=5))
    probes = [breaker.admit() for _ in range(3)]
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert breaker.state is CircuitState.HALF_OPEN
    for probe in probes:
        breaker.record(probe, CallOutcome.SUCCESS)
    assert breaker.state is CircuitState.CLOSED
