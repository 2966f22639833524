"""What is logged and counted when a circuit breaker changes its state; the only module that imports pybreaker at its top."""

from typing import Final

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreaker, CircuitBreakerListener, CircuitBreakerState

from tocsin.mesh.breaker.rule import CircuitState, TransitionCounts
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_STATES: Final = {STATE_CLOSED: CircuitState.CLOSED, STATE_HALF_OPEN: CircuitState.HALF_OPEN, STATE_OPEN: CircuitState.OPEN}


class TransitionListener(CircuitBreakerListener):
    """Logs and counts the changes of one breaker, each once."""

    def __init__(self, target: str, counts: TransitionCounts) -> None:
        """Counts in ``counts``, by target, state before and state after."""
        self._target = target
        self._counts = counts

    def state_change(self, cb: CircuitBreaker, old_state: CircuitBreakerState | None, new_state: CircuitBreakerState) -> None:
        """Called by pybreaker after the change."""
        if old_state is None:
            return
        before, after = _STATES[old_state.name], _STATES[new_state.name]
        self._counts[self._target, before, after] += 1
        say = _log.warning if after is CircuitState.OPEN else _log.info
        say("circuit changed", breaker=cb.name, target=self._target, before=before.name, after=after.name)
