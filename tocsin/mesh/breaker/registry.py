"""All circuit breakers of one process."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tocsin.clock import Clock
from tocsin.mesh.breaker.circuit import Breaker, BreakerSnapshot
from tocsin.mesh.breaker.rule import BreakerRule, CircuitState, TransitionCounts

if TYPE_CHECKING:
    import pybreaker


class BreakerRegistry:
    """Makes breakers, and shows them to health, to metrics and to operators.

    Args:
        clock: source of time for every breaker.

    Attributes:
        transitions: how often breakers changed their state.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._listeners: list[pybreaker.CircuitBreakerListener] = []
        self.transitions: TransitionCounts = Counter()
        self._breakers: dict[str, Breaker] = {}
        self._orders: dict[tuple[str, str], tuple[CircuitState, float]] = {}
        self._exported = False

    def get(self, *, id: str, target: str, rule: BreakerRule | None = None) -> Breaker:  # noqa: A002 - as in Breaker
        """The breaker ``id``, made at the first request.

        Args:
            id: its identity in this process.
            target: what it guards.
            rule: when it trips; the mesh's defaults unless given. Read only when the breaker is made.
        """
        breaker = self._breakers.get(id)
        if breaker is None:
            breaker = Breaker(id=id, target=target, rule=rule or BreakerRule(), clock=self._clock, listeners=self._heard_by)
            self._breakers[id] = breaker
            now = self._clock.monotonic()
            for (wanted, identity), (state, until) in self._orders.items():
                if wanted in ("", target) and identity in ("", id) and until > now:
                    breaker.force(state, seconds=until - now)
        return breaker

    def _heard_by(self, breaker: Breaker) -> "Sequence[pybreaker.CircuitBreakerListener]":
        from tocsin.mesh.breaker.transitions import TransitionListener

        return (TransitionListener(breaker.target, self.transitions), *self._listeners)

    def forget(self, prefix: str) -> None:
        """Drops the breakers whose identity begins with ``prefix``: what they guard is gone."""
        for name in [name for name in self._breakers if name.startswith(prefix)]:
            del self._breakers[name]

    def add_listener(self, listener: "pybreaker.CircuitBreakerListener") -> None:
        """Tells ``listener`` about changes of every breaker, those made later included."""
        for breaker in self._breakers.values():
            breaker.add_listener(listener)
        self._listeners.append(listener)

    def claim_export(self) -> bool:
        """True for the first who asks: a process shows its breakers in one registry of metrics."""
        first, self._exported = not self._exported, True
        return first

    def snapshot(self) -> list[BreakerSnapshot]:
        """Every breaker, by identity."""
        return [breaker.snapshot() for _, breaker in sorted(self._breakers.items())]

    def open_targets(self) -> set[str]:
        """Targets with at least one breaker that is not closed."""
        return {breaker.target for breaker in self._breakers.values() if breaker.state is not CircuitState.CLOSED}

    def reset(self, target: str = "", *, id: str = "") -> list[str]:  # noqa: A002 - as in Breaker
        """Closes the breakers of ``target``, or the one with that identity, or all.

        Returns:
            Identities of those that were not closed before, or were kept so by an order.
        """
        chosen = self._chosen(target, id)
        gone = {breaker.id for breaker in chosen}
        self._orders = {order: kept for order, kept in self._orders.items() if not self._covered(order, target, id, gone)}
        return [breaker.id for breaker in chosen if breaker.reset()]

    def force(
        self,
        state: CircuitState,
        *,
        target: str = "",
        id: str = "",  # noqa: A002 - as in Breaker
        seconds: float = float("inf"),
    ) -> list[str]:
        """Keeps the breakers of ``target``, or the one with that identity, open or closed until they are reset; their identities.

        Open ones are kept so for ``seconds`` at most.

        The order holds for breakers that are made later as well: a process makes a breaker with its first call.
        """
        self._orders[target, id] = (state, self._clock.monotonic() + seconds)
        chosen = self._chosen(target, id)
        for breaker in chosen:
            breaker.force(state, seconds=seconds)
        return [breaker.id for breaker in chosen]

    @staticmethod
    def _covered(order: tuple[str, str], target: str, identity: str, gone: set[str]) -> bool:
        """Whether a reset of ``target`` or ``identity`` takes an order back."""
        wanted, named = order
        return (
            order == (target, identity)
            or not (target or identity)
            or (not identity and wanted == target)
            or (bool(named) and named in gone)
        )

    def _chosen(self, target: str, identity: str) -> list[Breaker]:
        return [breaker for name, breaker in sorted(self._breakers.items()) if target in ("", breaker.target) and identity in ("", name)]
