"""When a failed call is tried again.

tenacity decides and waits; a call that succeeds at once never meets it. Waits run on the event loop's own time, like the deadlines
that bound them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from tocsin.errors import (
    Aborted,
    CircuitOpen,
    DataLoss,
    DeadlineExceeded,
    Internal,
    ResourceExhausted,
    TocsinError,
    Unavailable,
    UnknownFailure,
)

T = TypeVar("T")


class PushedBack(Unavailable):
    """The server asked not to retry."""


_ERRORS: Final[Mapping[str, type[TocsinError]]] = {
    "UNAVAILABLE": Unavailable,
    "RESOURCE_EXHAUSTED": ResourceExhausted,
    "ABORTED": Aborted,
    "INTERNAL": Internal,
    "UNKNOWN": UnknownFailure,
    "DATA_LOSS": DataLoss,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
}
_THROTTLED: Final = "THROTTLED"
"""Reason of a call that this side has not sent, to spare a server that is overloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How often a call is attempted; backoffs are upper bounds of fully jittered waits, in seconds."""

    max_attempts: int = 3
    initial_backoff: float = 0.05
    max_backoff: float = 1.0
    codes: frozenset[str] = frozenset({"UNAVAILABLE"})
    """Names of the codes that another attempt may heal."""
    attempt_timeout: float | None = None
    """Seconds of one attempt at most; None for what is left of the call's."""

    def __post_init__(self) -> None:
        """Refuses a rule that makes no sense.

        Raises:
            ValueError: a number is outside its range; the message names it.
        """
        if self.max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        if not 0 < self.initial_backoff <= self.max_backoff:
            raise ValueError("initial_backoff must be greater than zero and at most max_backoff")
        if odd := sorted(self.codes - _ERRORS.keys()):
            raise ValueError(f"retry.codes: {', '.join(odd)} cannot be retried; known are {', '.join(sorted(_ERRORS))}")
        if not self.codes:
            raise ValueError("retry.codes must name a code; to retry nothing, set max_attempts to 1")
        if self.attempt_timeout is not None and self.attempt_timeout <= 0:
            raise ValueError("attempt_timeout must be greater than zero")

    def heals(self, error: BaseException) -> bool:
        """Whether another attempt may succeed after ``error``; never when a breaker, the server or this side's throttle forbids it."""
        if isinstance(error, CircuitOpen | PushedBack) or not isinstance(error, TocsinError):
            return False
        if isinstance(error, ResourceExhausted) and (error.retry_after is None or error.error_reason == _THROTTLED):
            return False
        if isinstance(error, DeadlineExceeded) and self.attempt_timeout is not None:
            return True
        if isinstance(error, UnknownFailure):  # in Python an `Internal`, but another code
            return "UNKNOWN" in self.codes
        return any(isinstance(error, _ERRORS[code]) for code in self.codes)


class RetryBudget:
    """Bounds the retries to one target, so that they cannot multiply an overload (the token bucket of gRFC A6).

    A failure that a retry could heal takes one token, a success gives ``ratio`` back; retries pass while more than half is left.
    """

    __slots__ = ("_capacity", "_ratio", "_tokens")

    def __init__(self, *, capacity: float = 200.0, ratio: float = 0.1) -> None:
        self._capacity = capacity
        self._ratio = ratio
        self._tokens = capacity

    @property
    def tokens(self) -> float:
        """What is left."""
        return self._tokens

    def succeeded(self) -> None:
        """Counts a successful attempt."""
        if self._tokens < self._capacity:
            self._tokens = min(self._capacity, self._tokens + self._ratio)

    def failed(self) -> None:
        """Counts an attempt that failed in a way that a retry could heal."""
        self._tokens = max(0.0, self._tokens - 1.0)

    def allows(self) -> bool:
        """Whether a retry may be made now."""
        return self._tokens > self._capacity / 2


class Retrier:
    """Makes the further attempts of one method's calls.

    Args:
        rule: how often and how far apart.
        budget: shared by all methods of the target.
        on_retry: told about each further attempt, for the metrics.
    """

    __slots__ = ("_backoff", "_on_retry", "_rule", "_stop", "attempt_timeout", "budget")

    def __init__(self, *, rule: RetryRule, budget: RetryBudget, on_retry: Callable[[], None]) -> None:
        self.budget = budget
        self.attempt_timeout = rule.attempt_timeout
        self._rule = rule
        self._on_retry = on_retry
        self._stop = stop_after_attempt(rule.max_attempts)
        self._backoff = wait_random_exponential(multiplier=rule.initial_backoff, max=rule.max_backoff)

    def heals(self, error: BaseException) -> bool:
        """Whether another attempt may succeed after ``error``."""
        return self._rule.heals(error)

    async def after(self, first: TocsinError, attempt: Callable[[], Awaitable[T]], remaining: Callable[[], float]) -> T:
        """Goes on after the failed ``first`` attempt.

        Args:
            first: how the first attempt failed.
            attempt: makes one more attempt.
            remaining: seconds that the whole call has left.

        Returns:
            What the first successful attempt returns.

        Raises:
            TocsinError: the error of the last attempt.
        """
        replay = iter((first,))

        async def run() -> T:
            # tenacity runs its function before it decides anything, so the attempt that already failed is played back to it.
            failed = next(replay, None)
            if failed is not None:
                raise failed
            self._on_retry()
            return await attempt()

        def stop(state: RetryCallState) -> bool:
            return self._stop(state) or not self.budget.allows() or state.upcoming_sleep >= remaining()

        # One object per call: a shared one keeps its state in thread-local storage, where concurrent calls mix it up.
        retrying = AsyncRetrying(retry=retry_if_exception(self._rule.heals), wait=self._wait, stop=stop, reraise=True)
        return await retrying(run)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TocsinError) and error.retry_after is not None:
            return error.retry_after
        return self._backoff(state)
