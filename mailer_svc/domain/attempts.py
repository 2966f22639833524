"""What follows from an attempt, and how many may run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from mailer_svc.domain.model import Job, Lane, State


class Result(Enum):
    """How an attempt ended.

    ``PROVIDER_DOWN``: the provider could not be used at all, which says nothing about the message. ``DEFERRED``: this message was not taken
    now. ``REFUSED``: it never will be. ``UNKNOWN``: it was handed over and no answer came. ``NOT_TRIED``: nothing was attempted.
    """

    SENT = "sent"
    PROVIDER_DOWN = "provider_down"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attempt, with the provider's code (0: none) and words."""

    result: Result
    code: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an attempt makes of a delivery. ``wait`` is the number of seconds to the next attempt; None: there is none."""

    state: State
    attempts: int
    deferrals: int
    wait: float | None
    code: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """When and how often a message is tried again.

    Attributes:
        max_deferrals: a message that was deferred so often is dead; failures of the provider as such do not count.
        initial: upper bound of the first wait, in seconds; doubles with every attempt.
        longest: upper bound of every wait, in seconds.
        expiry: seconds after its acceptance a message that still waits is dead (RFC 5321, 4.5.4.1 suggests 4 to 5 days).
    """

    max_deferrals: int = 8
    initial: float = 5.0
    longest: float = 3600.0
    expiry: float = 3 * 86400.0

    def wait(self, attempts: int, draw: Callable[[], float]) -> float:
        """Seconds to wait after the given number of attempts: exponential, the upper half of it at random."""
        bound = min(self.initial * 2.0 ** min(attempts - 1, 32), self.longest)
        return bound * (0.5 + 0.5 * draw())


def next_step(job: Job, outcome: Outcome, *, rule: RetryRule, now: int, draw: Callable[[], float]) -> Step:
    """What follows from the ``outcome`` of an attempt at ``job`` that ended at ``now`` (microseconds)."""
    result = outcome.result
    attempts = job.attempts + 1
    deferrals = job.deferrals + (result is Result.DEFERRED)
    if result is Result.NOT_TRIED:
        state = State.RETRYING if job.attempts else State.ACCEPTED
        return Step(state=state, attempts=job.attempts, deferrals=job.deferrals, wait=0.0, code=outcome.code, detail=outcome.detail)
    final = {Result.SENT: State.SENT, Result.REFUSED: State.DEAD}.get(result)
    detail = outcome.detail
    if result is Result.UNKNOWN and not job.resend:
        final = State.OUTCOME_UNKNOWN
    elif final is None and deferrals >= rule.max_deferrals:
        final, detail = State.DEAD, f"gave up after {attempts} attempts: {detail}"
    elif final is None and (now - job.created) / 1e6 >= rule.expiry:
        final, detail = State.DEAD, f"expired after {attempts} attempts: {detail}"
    elif final is None and result is Result.UNKNOWN:
        detail = f"outcome unknown, sent again as its resend policy says: {detail}"
    wait = None if final else rule.wait(attempts, draw)
    return Step(state=final or State.RETRYING, attempts=attempts, deferrals=deferrals, wait=wait, code=outcome.code, detail=detail)


@dataclass(slots=True)
class LaneLimits:
    """How many messages of each lane may be with a provider at once, so that the less urgent cannot take every connection."""

    capacity: int
    running: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))

    def admits(self, lane: Lane) -> bool:
        """Whether one more of ``lane`` may start: a quarter of the connections, one at least, is kept from bulk, an eighth from normal."""
        if sum(self.running.values()) >= self.capacity:
            return False
        if lane is Lane.CRITICAL:
            return True
        reserved = max(1, self.capacity // 4) if lane is Lane.BULK else self.capacity // 8
        not_more_urgent = sum(count for other, count in self.running.items() if other >= lane)
        return not_more_urgent < max(1, self.capacity - reserved)
