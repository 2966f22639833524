"""What is seen and shown of the scheduler's work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scheduler_svc.domain import FiringState, Outcome
from scheduler_svc.domain.incident_words import IncidentTally
from scheduler_svc.ports.ledger import Fired
from tocsin.recurrence import Micros


class Observer(Protocol):
    """Sees what the engine and the dispatcher do, for metrics."""

    def fired(self, fired: Fired, *, now: Micros, seconds: float) -> None:
        """A firing transaction committed after ``seconds``."""
        ...

    def recorded(self, states: Mapping[FiringState, int], *, seconds: float) -> None:
        """A batch of results committed after ``seconds``: how many firings came into which state."""
        ...

    def lost(self, count: int) -> None:
        """Deliveries ended without a result."""
        ...


class IncidentObserver(Protocol):
    """Sees what happens to incidents, for metrics."""

    def happened(self, tally: IncidentTally) -> None:
        """A transaction committed in which this has happened."""
        ...


class CountSink(Protocol):
    """Shows how many alarms and incidents there are, for metrics."""

    def counted(self, alarms: Mapping[str, int]) -> None:
        """Alarms by state."""
        ...

    def incidents_counted(self, incidents: Mapping[str, int]) -> None:
        """Open incidents by severity."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUsage:
    """What this process takes: resident memory in bytes, CPU time in seconds, and when it began."""

    memory: int = 0
    cpu: float = 0.0
    started: Micros | None = None


class Counts(Protocol):
    """What was counted since the replica started."""

    def outcomes(self) -> Mapping[Outcome, int]:
        """Ledger rows by outcome."""
        ...

    def lateness(self) -> Sequence[tuple[float, int]]:
        """Fires by lateness: at most so many seconds, and how many; the smaller ones included, the last one without bound."""
        ...

    def process(self) -> ProcessUsage:
        """What the process takes."""
        ...
