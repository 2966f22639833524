"""A circuit breaker around a provider: when to pause, when to probe, and what to tell an operator."""

from collections.abc import Callable

from mailer_svc.domain import SendJob
from tocsin.mesh.breaker import Breaker, CircuitState, Classify, GuardedBlock


class ProviderCircuit:
    """The part of `mailer_svc.ports.Provider` that every provider has alike."""

    def __init__(self, *, name: str, capacity: int, breaker: Breaker, takes: Callable[[str], bool] = lambda _address: True) -> None:
        self.name = name
        self.capacity = capacity
        self.takes = takes
        self.last_failure = "ordered by an operator"
        self._breaker = breaker

    def guard(self, classify: Classify) -> GuardedBlock:
        """The breaker around one attempt.

        Raises:
            CircuitOpen: on entry, if the attempt must not be made.
        """
        return self._breaker.guard(classify)

    def pause(self) -> float:
        """Seconds in which an attempt makes no sense; 0: it may be tried now."""
        if self._breaker.state is not CircuitState.OPEN:
            return 0.0
        return self._breaker.snapshot().retry_after or 0.0

    def probing(self) -> bool:
        """Whether it has failed and is not known to work again, so that an attempt is a probe."""
        return self._breaker.state is not CircuitState.CLOSED

    def conclusive(self, job: SendJob) -> bool:
        """Whether an attempt that ends in silence says something of the provider: the message may be why, unless it is new."""
        return job.fresh and not self.probing()

    def fault(self) -> str:
        """What is wrong with it; empty while it works."""
        circuit = self._breaker.snapshot()
        if circuit.state is CircuitState.CLOSED:
            return ""
        since = f" since {circuit.opened:%Y-%m-%dT%H:%M:%SZ}" if circuit.opened else ""
        following = f", tried again in {circuit.retry_after:.0f} s" if circuit.retry_after else ""
        return f"the circuit is {circuit.state.name.lower().replace('_', '-')}{since}{following}; last: {self.last_failure}"
