"""The limit of calls under way that follows how long calls take, and the queue that keeps to it."""

import asyncio
from collections.abc import Callable

from tocsin.mesh.call_queue import CallQueue
from tocsin.mesh.gradient import GradientLimit
from tocsin.mesh.policy import Criticality


def passed(limit: GradientLimit, *, calls: int, seconds: float, under_way: float = 1.0) -> float:
    """The limit after so many calls, with this share of it under way."""
    for _ in range(calls):
        limit.ended(seconds, int(limit.value * under_way))
    return limit.value


def test_the_limit_grows_while_calls_take_no_longer() -> None:
    """By a small queue with each."""
    limit = GradientLimit(least=20)
    assert passed(limit, calls=100, seconds=0.01) > 90


def test_the_limit_does_not_grow_beyond_what_callers_ask_for() -> None:
    """Few calls under way say nothing about many."""
    limit = GradientLimit(least=20)
    assert passed(limit, calls=1000, seconds=0.01, under_way=0.4) == 20


def test_the_limit_shrinks_when_calls_take_longer() -> None:
    """Down to what is never too many, and up again when the trouble is over."""
    limit = GradientLimit(least=20)
    grown = passed(limit, calls=200, seconds=0.01)
    assert passed(limit, calls=50, seconds=0.2) < grown / 2
    assert passed(limit, calls=10, seconds=1.0) >= 20
    assert passed(limit, calls=1000, seconds=0.01) > grown / 2


def test_a_call_that_took_no_time_by_the_clock_is_no_division_by_zero() -> None:
    """Clocks have a resolution."""
    assert passed(GradientLimit(least=20), calls=10, seconds=0.0) == 20


def test_the_limit_has_an_upper_bound() -> None:
    """However long calls stay fast."""
    assert passed(GradientLimit(least=20), calls=100_000, seconds=0.01) == 1000


async def test_calls_beyond_the_limit_wait_by_what_matters() -> None:
    """Critical calls may be twice as many, sheddable ones half; an end lets the next begin, in a turn of its own."""
    due = list[Callable[[], None]]()
    queue = CallQueue(patience=1.0, now=lambda: 1000.0, limit=GradientLimit(least=4), call_soon=due.append)

    def turn() -> None:
        for _ in range(4):  # but in the last nothing is begun, so that what has come can be weighed
            if due:
                due.pop()()

    assert [queue.turn(Criticality.SHEDDABLE) for _ in range(2)] == [None, None]
    sheddable = queue.turn(Criticality.SHEDDABLE)
    assert sheddable is not None
    turn()
    assert not sheddable.done()
    assert not due, "nothing turns while only an end can make room"
    normal = [queue.turn(Criticality.NORMAL) for _ in range(3)]
    critical = [queue.turn(Criticality.CRITICAL) for _ in range(4)]
    turn()
    assert [each is not None and each.done() for each in critical] == [True] * 4, "twice as many"
    assert [each is not None and each.done() for each in normal] == [False] * 3
    assert queue.under_way == 6
    for _ in range(3):
        queue.ended(999.9, passed=False)
    turn()
    assert [each is not None and each.done() for each in normal] == [True, False, False]


async def test_a_turn_that_comes_to_whoever_has_gone_is_given_back() -> None:
    """The place is free again."""
    due = list[Callable[[], None]]()
    queue = CallQueue(patience=1.0, now=lambda: 1000.0, limit=GradientLimit(least=1), call_soon=due.append)
    assert queue.turn(Criticality.NORMAL) is None
    turn = queue.turn(Criticality.NORMAL)
    assert turn is not None
    waiting = asyncio.ensure_future(queue.begin(turn))
    await asyncio.sleep(0)
    queue.ended(999.9, passed=True)
    while due:
        due.pop()()
    assert queue.under_way == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert queue.under_way == 0
