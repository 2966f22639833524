"""What the gateway knows of the platform's health; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from tocsin.mesh.breaker.rule import CircuitState

STUCK_SECONDS = 60.0
"""A call in the spool that waits for longer is told as a fault."""


class HealthLevel(IntEnum):
    """Ability to work; a higher number is worse."""

    HEALTHY = 1
    DEGRADED = 2
    UNAVAILABLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """One circuit breaker, as it describes itself."""

    id: str
    target: str
    state: CircuitState
    failures: int
    opened: datetime | None
    idle: bool = False
    last_failure: datetime | None = None

    @property
    def healthy(self) -> bool:
        """Whether nobody is refused by it: closed, or idle since the last failure."""
        return self.idle or self.state is CircuitState.CLOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Something that a service needs, as that service sees it."""

    name: str
    health: HealthLevel
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """What one process of a service says about itself."""

    address: str
    health: HealthLevel
    version: str = ""
    incarnation: str = ""
    started: datetime | None = None
    dependencies: Sequence[Dependency] = ()
    circuits: Sequence[Circuit] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """A service as the gateway sees it: every replica that the resolver names."""

    service: str
    replicas: Sequence[ReplicaStatus]

    @property
    def health(self) -> HealthLevel:
        """UNAVAILABLE if no replica can work, DEGRADED if one cannot or works with a fallback."""
        if all(replica.health is HealthLevel.UNAVAILABLE for replica in self.replicas):
            return HealthLevel.UNAVAILABLE
        if all(replica.health is HealthLevel.HEALTHY for replica in self.replicas):
            return HealthLevel.HEALTHY
        return HealthLevel.DEGRADED


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStatus:
    """What this gateway has taken on while a service was away.

    Attributes:
        waiting: calls that wait to be forwarded.
        bytes: of their requests.
        age_seconds: of the oldest of them.
        set_aside: calls that failed for good, and wait for an operator.
    """

    waiting: int
    bytes: int
    age_seconds: float
    set_aside: int

    @property
    def stuck(self) -> bool:
        """Whether somebody has to look: a call failed for good, or waits for longer than a service is away for a moment."""
        return self.set_aside > 0 or self.age_seconds > STUCK_SECONDS


def overall(views: Sequence[ServiceView], circuits: Sequence[Circuit]) -> HealthLevel:
    """The health of the platform: unavailable only when nothing works, degraded when something does not or is cut off."""
    if all(view.health is HealthLevel.UNAVAILABLE for view in views):
        return HealthLevel.UNAVAILABLE
    if all(view.health is HealthLevel.HEALTHY for view in views) and all(item.healthy for item in circuits):
        return HealthLevel.HEALTHY
    return HealthLevel.DEGRADED


def worst_by_target(targets: Sequence[str], circuits: Sequence[Circuit]) -> dict[str, Circuit]:
    """One circuit for each target: one that refuses calls before an idle one, then the one in the worst state, with the most failures."""
    found = {target: Circuit(id=target, target=target, state=CircuitState.CLOSED, failures=0, opened=None) for target in targets}
    for circuit in circuits:
        if circuit.target in found:
            found[circuit.target] = max(found[circuit.target], circuit, key=lambda item: (not item.healthy, item.state, item.failures))
    return found
