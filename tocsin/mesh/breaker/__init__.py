"""Circuit breakers: one per (target, method), per database, per provider.

pybreaker is the state machine and the listener surface; the sliding window, the half-open permits and the classification are ours,
because its own calling convention counts a cancelled coroutine as a failure and lets every probe through.
"""

from tocsin.mesh.breaker.circuit import Breaker, BreakerSnapshot, GuardedBlock, Permit
from tocsin.mesh.breaker.registry import BreakerRegistry
from tocsin.mesh.breaker.rule import TRANSITIONS, BreakerRule, CallOutcome, CircuitState, Classify, TransitionCounts, failing_on
from tocsin.mesh.breaker.window import Window

__all__ = [
    "TRANSITIONS",
    "Breaker",
    "BreakerRegistry",
    "BreakerRule",
    "BreakerSnapshot",
    "CallOutcome",
    "CircuitState",
    "Classify",
    "GuardedBlock",
    "Permit",
    "TransitionCounts",
    "Window",
    "failing_on",
]
