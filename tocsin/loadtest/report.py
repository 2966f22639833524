"""What a load test found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

MIB = 1 << 20


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The least of the ``ordered`` values that ``percent`` of them do not exceed (nearest rank); NaN when there are none."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else float("nan")


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """What a process uses: resident bytes, and seconds of CPU since its start."""

    memory: float
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPhase:
    """A stretch of the test.

    Attributes:
        name: what went on.
        seconds: how long.
        rate: what it is about, per second: alarms stored, or firings done; None when it is about neither.
        memory: resident bytes of each service at its end.
        cpu: cores that each service kept busy.
        responses: seconds that each call took which was made beside it, in order of length.
        errors: calls that failed.
    """

    name: str
    seconds: float
    rate: float | None
    memory: Mapping[str, float]
    cpu: Mapping[str, float]
    responses: Sequence[float]
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Seconds from the due time to the moment of firing, in order of length, of an even stream of alarms."""

    expected: int
    rate: int
    seconds: Sequence[float]

    @property
    def early(self) -> int:
        """How many fired before their due time."""
        return sum(1 for each in self.seconds if each < 0)


@dataclass(slots=True, kw_only=True)
class LoadReport:
    """Everything that was found, phase by phase."""

    alarms: int
    phases: list[LoadPhase] = field(default_factory=list[LoadPhase])
    lateness: Lateness | None = None

    @property
    def total_memory(self) -> float:
        """The most that all services together held at the end of a phase, in bytes."""
        return max(sum(phase.memory.values()) for phase in self.phases)
