"""When a failed call is tried again, how long it waits, and what bounds it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tocsin.errors import (
    Aborted,
    CircuitOpen,
    DataLoss,
    DeadlineExceeded,
    Internal,
    NotFound,
    ResourceExhausted,
    TocsinError,
    Unavailable,
    UnknownFailure,
)
from tocsin.mesh.client.throttle import Throttled
from tocsin.mesh.retry import PushedBack, Retrier, RetryBudget, RetryRule

QUICK = RetryRule(max_attempts=3, initial_backoff=0.001, max_backoff=0.001)


def failing(times: int, error: TocsinError) -> tuple[Callable[[], Awaitable[str]], list[int]]:
    """An attempt that fails so many times, and the record of its runs."""
    runs: list[int] = []

    async def attempt() -> str:
        runs.append(len(runs))
        if len(runs) <= times:
            raise error
        return "done"

    return attempt, runs


def make(rule: RetryRule = QUICK, budget: RetryBudget | None = None) -> tuple[Retrier, list[None]]:
    """A retrier and the record of its retries."""
    retried: list[None] = []
    return Retrier(rule=rule, budget=budget or RetryBudget(), on_retry=lambda: retried.append(None)), retried


def plenty() -> float:
    """A deadline that is far away."""
    return 60.0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable(), True),
        (PushedBack(), False),
        (CircuitOpen(), False),
        (Internal(), False),
        (NotFound(), False),
        (ResourceExhausted(retry_after=1), False),
        (DeadlineExceeded(), False),
        (asyncio.CancelledError(), False),
        (ValueError(), False),
    ],
)
def test_only_an_unreachable_far_end_is_tried_again(error: BaseException, expected: bool) -> None:
    """UNAVAILABLE alone unless the rule says otherwise, and not when a breaker or the server forbids it."""
    assert RetryRule().heals(error) is expected


@pytest.mark.parametrize(
    ("codes", "error", "expected"),
    [
        ({"RESOURCE_EXHAUSTED"}, ResourceExhausted(retry_after=1), True),
        ({"RESOURCE_EXHAUSTED"}, ResourceExhausted(), False),
        ({"RESOURCE_EXHAUSTED"}, Throttled(retry_after=1), False),
        ({"RESOURCE_EXHAUSTED"}, Unavailable(), False),
        ({"ABORTED", "UNAVAILABLE"}, Aborted(), True),
        ({"ABORTED", "UNAVAILABLE"}, Unavailable(), True),
        ({"INTERNAL"}, Internal(), True),
        ({"UNKNOWN"}, UnknownFailure(), True),
        ({"DATA_LOSS"}, DataLoss(), True),
        ({"DEADLINE_EXCEEDED"}, DeadlineExceeded(), True),
        ({"UNAVAILABLE"}, CircuitOpen(), False),
        ({"UNAVAILABLE"}, PushedBack(), False),
        ({"INTERNAL"}, ValueError(), False),
    ],
)
def test_a_rule_names_what_is_tried_again(codes: set[str], error: BaseException, expected: bool) -> None:
    """By code; RESOURCE_EXHAUSTED only when the server has said when to come back (gRFC A6, pushback)."""
    assert RetryRule(codes=frozenset(codes)).heals(error) is expected


def test_an_attempt_that_was_cut_short_is_tried_again() -> None:
    """Where attempts have a time of their own, it is not the call's that has passed."""
    assert RetryRule(attempt_timeout=0.1).heals(DeadlineExceeded())


async def test_the_first_attempt_counts(subtests: pytest.Subtests) -> None:
    """With three attempts in all, two are made after the first; the last error is raised as it is."""
    for failures, made in ((0, 1), (1, 2), (2, 2)):
        with subtests.test(failures=failures):
            error = Unavailable("down")
            attempt, runs = failing(failures, error)
            retrier, retried = make()
            if failures < 2:
                assert await retrier.after(error, attempt, plenty) == "done"
            else:
                with pytest.raises(Unavailable, match="down"):
                    await retrier.after(error, attempt, plenty)
            assert len(runs) == len(retried) == made


async def test_another_error_ends_the_retries() -> None:
    """A retry that meets an answer raises that answer."""
    attempt, runs = failing(9, NotFound("gone"))
    with pytest.raises(NotFound, match="gone"):
        await make()[0].after(Unavailable(), attempt, plenty)
    assert len(runs) == 1


async def test_no_retry_waits_past_the_deadline() -> None:
    """When the wait would use up what remains, the error is raised at once."""
    attempt, runs = failing(0, Unavailable())
    with pytest.raises(Unavailable, match="first"):
        await make()[0].after(Unavailable("first", retry_after=30), attempt, lambda: 1.0)
    assert runs == []


async def test_the_servers_wish_is_waited_for() -> None:
    """A pushback replaces the backoff."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    attempt, _ = failing(0, Unavailable())
    await make()[0].after(Unavailable(retry_after=0.05), attempt, plenty)
    assert loop.time() - started >= 0.05


async def test_concurrent_calls_do_not_mix() -> None:
    """A hundred calls that retry at the same time each return their own result."""
    retrier, _ = make()

    async def call(number: int) -> int:
        failures = iter([Unavailable()])

        async def attempt() -> int:
            await asyncio.sleep(0)
            for error in failures:
                raise error
            return number

        return await retrier.after(Unavailable(), attempt, plenty)

    assert await asyncio.gather(*(call(number) for number in range(100))) == list(range(100))


async def test_cancellation_ends_the_wait() -> None:
    """A caller that goes away while a retry waits leaves nothing behind."""
    attempt, runs = failing(0, Unavailable())
    task = asyncio.create_task(make()[0].after(Unavailable(retry_after=30), attempt, plenty))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert runs == []


def test_the_budget_allows_retries_while_more_than_half_is_left() -> None:
    """A failure takes one token, a success gives a tenth back, never more than there were."""
    budget = RetryBudget(capacity=10, ratio=0.1)
    for _ in range(4):
        budget.failed()
    assert budget.allows()
    budget.failed()
    assert not budget.allows(), "exactly half is not more than half"
    for _ in range(11):
        budget.succeeded()
    assert budget.allows()
    for _ in range(1000):
        budget.succeeded()
    assert budget.tokens == 10
    for _ in range(1000):
        budget.failed()
    assert budget.tokens == 0


async def test_an_empty_budget_forbids_retries() -> None:
    """The error is raised without another attempt."""
    budget = RetryBudget(capacity=2)
    budget.failed()
    attempt, runs = failing(0, Unavailable())
    with pytest.raises(Unavailable):
        await make(budget=budget)[0].after(Unavailable(), attempt, plenty)
    assert runs == []


@pytest.mark.parametrize(
    ("values", "name"),
    [({"max_attempts": 0}, "max_attempts"), ({"initial_backoff": 0}, "initial_backoff"), ({"max_backoff": 0.01}, "initial_backoff")],
)
def test_a_rule_that_makes_no_sense_is_refused(values: dict[str, float], name: str) -> None:
    """The message names the field."""
    with pytest.raises(ValueError, match=name):
        RetryRule(**values)  # pyright: ignore[reportArgumentType] - the point is that the value is wrong
