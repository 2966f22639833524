"""When a second attempt is made, and when it must not be."""

import asyncio

import grpc
import pytest

from tocsin.mesh.client.hedge import Hedger
from tocsin.mesh.retry import RetryBudget
from tocsin.mesh.rpc_metrics import Durations


class Attempts:
    """Attempts that never answer, but for the second."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self) -> str:
        self.made += 1
        if self.made == 1:
            await asyncio.sleep(3600)
        return "answer"


def usual(calls: int, *, slow_share: int = 20) -> Durations:
    """Successful calls of 4 ms, one of so many of 2 s."""
    durations = Durations("target", "method")
    for number in range(calls):
        durations.observe(grpc.StatusCode.OK, 2.0 if number % slow_share == slow_share - 1 else 0.004)
    return durations


@pytest.mark.parametrize(("calls", "expected"), [(0, None), (99, None), (100, 0.005), (10_000, 0.005)])
def test_the_usual_time_is_that_of_most_successful_calls(calls: int, expected: float | None) -> None:
    """Of twenty calls nineteen take 4 ms: 5 ms is the bound of their bucket; a few calls say nothing."""
    assert usual(calls).successes_within(0.95, least=100) == expected


async def test_the_second_attempt_comes_after_the_usual_time() -> None:
    """Nobody gave a delay, so that of most calls it is."""
    attempts, hedged = Attempts(), list[bool]()
    hedger = Hedger(delay=None, durations=usual(100), budget=RetryBudget(), on_hedge=lambda: hedged.append(True))
    assert await hedger.run(attempts) == "answer"
    assert (attempts.made, len(hedged)) == (2, 1)


@pytest.mark.parametrize(("calls", "spent"), [(0, 0), (100, 150)], ids=["nothing is known", "the budget is spent"])
async def test_no_second_attempt_without_knowledge_or_budget(calls: int, spent: int) -> None:
    """Hedging must not double the load on a service that nobody knows, or that is in trouble."""
    attempts, budget = Attempts(), RetryBudget()
    for _ in range(spent):
        budget.failed()
    hedger = Hedger(delay=None, durations=usual(calls), budget=budget, on_hedge=lambda: None)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hedger.run(attempts), timeout=0.1)
    assert attempts.made == 1
