"""When a breaker trips, and what counts as what (pure)."""

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias


class CircuitState(enum.IntEnum):
    """State of a circuit breaker; a higher number is worse, and is what its metric shows."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


TRANSITIONS: Final = (
    (CircuitState.CLOSED, CircuitState.OPEN),
    (CircuitState.OPEN, CircuitState.HALF_OPEN),
    (CircuitState.HALF_OPEN, CircuitState.OPEN),
    (CircuitState.HALF_OPEN, CircuitState.CLOSED),
    (CircuitState.OPEN, CircuitState.CLOSED),
)
"""From which state to which a breaker goes; from open to closed by an order alone."""
TransitionCounts: TypeAlias = Counter[tuple[str, CircuitState, CircuitState]]
"""How often breakers of a target went from one state to another."""


class CallOutcome(enum.Enum):
    """What one attempt says about the health of the far end."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"


Classify = Callable[[Exception], CallOutcome]
"""Says what an exception means for the health of what is guarded. Cancellation never gets here: it is always ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRule:
    """When calls stop being attempted; times in seconds, shares in percent.

    Attributes:
        window: length of the sliding window.
        minimum_calls: calls that the window must hold before a share can trip the breaker.
        failure_percent: trips when the share of failures is strictly greater.
        slow_percent: trips when the share of slow calls is at least this.
        consecutive_failures: trips after so many failures in a row, while the window holds fewer than ``minimum_calls``; then that many.
        open: how long the breaker stays open the first time; doubles with every reopening.
        max_open: upper bound of the time it stays open, jitter included.
        half_open_permits: probes admitted at once, and successes in a row that close it.
        jitter: the open time is drawn from base * (1 - jitter) to base * (1 + jitter), so that replicas do not probe in step.
        observe_only: it opens and closes, is logged and counted, and refuses nothing: to see what a rule would do.
    """

    window: float = 10.0
    minimum_calls: int = 20
    failure_percent: float = 50.0
    slow_percent: float = 80.0
    consecutive_failures: int = 5
    open: float = 5.0
    max_open: float = 60.0
    half_open_permits: int = 3
    jitter: float = 0.5
    observe_only: bool = False

    def __post_init__(self) -> None:
        """Refuses a rule that could never close, or never open.

        Raises:
            ValueError: a number is outside its range; the message names it.
        """
        for name in ("window", "minimum_calls", "consecutive_failures", "open", "half_open_permits"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero")
        for name in ("failure_percent", "slow_percent"):
            if not 0 < getattr(self, name) <= 100:
                raise ValueError(f"{name} must be greater than 0 and at most 100")
        if self.max_open < self.open:
            raise ValueError("max_open must be at least open")
        if not 0 <= self.jitter < 1:
            raise ValueError("jitter must be at least 0 and less than 1")


def failing_on(*failures: type[Exception], ignoring: tuple[type[Exception], ...] = ()) -> Classify:
    """A classification for databases and providers: ``failures`` fail, ``ignoring`` say nothing, any other exception is an answer."""

    def classify(error: Exception) -> CallOutcome:
        if isinstance(error, ignoring):
            return CallOutcome.IGNORED
        return CallOutcome.FAILURE if isinstance(error, failures) else CallOutcome.SUCCESS

    return classify
