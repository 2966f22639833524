"""Guessing is slowed down; nobody is locked out."""

import pytest

from auth_svc.domain import TooManyAttempts
from auth_svc.throttle import LoginThrottle, ThrottleRule
from tocsin.testing.clock import FakeClock

RULE = ThrottleRule(free=3, longest=8.0, window=100.0, capacity=4)


def _throttle(clock: FakeClock) -> LoginThrottle:
    return LoginThrottle(clock=clock, rule=RULE)


def _wait(throttle: LoginThrottle, account: str = "ann") -> float:
    with pytest.raises(TooManyAttempts) as refused:
        throttle.attempt(account)
    assert refused.value.retry_after is not None
    return refused.value.retry_after


async def test_waits_double_up_to_the_longest(clock: FakeClock) -> None:
    """After the free failures: 1, 2, 4, 8, 8 seconds; an attempt after the wait is let through."""
    throttle = _throttle(clock)
    for _ in range(RULE.free):
        throttle.attempt("ann")
    waits: list[float] = []
    for _ in range(5):
        waits.append(_wait(throttle))
        await clock.advance(waits[-1])
        throttle.attempt("ann")
    assert waits == [1, 2, 4, 8, 8]


async def test_refused_attempts_do_not_prolong_the_wait(clock: FakeClock) -> None:
    """A stranger who hammers an account cannot push its owner's next chance away."""
    throttle = _throttle(clock)
    for _ in range(RULE.free):
        throttle.attempt("ann")
    await clock.advance(0.5)
    assert [_wait(throttle) for _ in range(100)] == [0.5] * 100


def test_attempts_at_the_same_time_count(clock: FakeClock) -> None:
    """A hundred at once are not a hundred free ones: each counts before its password is compared."""
    throttle = _throttle(clock)
    for _ in range(RULE.free):
        throttle.attempt("ann")
    _wait(throttle)


def test_success_forgets(clock: FakeClock) -> None:
    """Whoever knows the password starts afresh."""
    throttle = _throttle(clock)
    for _ in range(10):
        throttle.attempt("ann")
        throttle.succeeded("ann")
    assert len(throttle) == 0


def test_excused_attempt_does_not_count(clock: FakeClock) -> None:
    """An attempt that failed for another reason than the password leaves no trace."""
    throttle = _throttle(clock)
    for _ in range(10):
        throttle.attempt("ann")
        throttle.excused("ann")
    assert len(throttle) == 0
    throttle.excused("never seen")


async def test_time_forgets(clock: FakeClock) -> None:
    """After the window without an attempt the account is free again."""
    throttle = _throttle(clock)
    for _ in range(RULE.free):
        throttle.attempt("ann")
    await clock.advance(RULE.window)
    for _ in range(RULE.free):
        throttle.attempt("ann")


def test_accounts_are_apart(clock: FakeClock) -> None:
    """One account's failures do not slow another down."""
    throttle = _throttle(clock)
    for _ in range(RULE.free):
        throttle.attempt("ann")
    _wait(throttle)
    throttle.attempt("bob")


def test_memory_is_bounded(clock: FakeClock) -> None:
    """A stream of invented names does not grow the memory; the oldest are forgotten first."""
    throttle = _throttle(clock)
    for number in range(1000):
        throttle.attempt(f"nobody-{number}")
    assert len(throttle) == RULE.capacity
