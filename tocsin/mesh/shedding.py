"""Adaptive load shedding: while a server cannot keep up, it refuses at once what it would only answer too late.

By Little's law a server that passes so many calls a second, each taking so long, has rate x time of them in hand. What it managed at its
best within the last seconds is therefore its limit, with no number to be set (the rule of go-zero's adaptive shedder, after the BBR of
TCP). It applies only while the event loop lags: an idle server refuses nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.errors import ResourceExhausted
from tocsin.mesh.policy import Criticality

_BUCKETS: Final = 50
_SECONDS: Final = 5.0
_LEAST: Final = 64
"""Calls in hand that are never too many: calls that wait together, for one commit or for another service, are no overload."""
RETRY_SECONDS: Final = 0.5
SHARES: Final[Mapping[Criticality, float]] = {Criticality.SHEDDABLE: 0.5, Criticality.NORMAL: 1.0, Criticality.CRITICAL: 2.0}
"""How much of the limit each may fill: what matters less is refused first."""


class Overloaded(ResourceExhausted):
    """The service is overloaded."""


class DependencyOverloaded(ResourceExhausted):
    """What the method waits for, such as a database, cannot keep up."""


FOR_LOAD: Final = frozenset({Overloaded.reason, DependencyOverloaded.reason})
"""Reasons of refusals that say that a replica has too much to do."""


@dataclass(slots=True)
class _LoadBucket:
    number: int = -1
    passes: int = 0
    seconds: float = 0.0


class Shedder:
    """Decides which calls a server takes on. Belongs to one event loop."""

    __slots__ = ("_buckets", "_lag", "_least", "_now", "_threshold", "in_hand", "refused")

    def __init__(self, *, lag: Callable[[], float], threshold: float, now: Callable[[], float], least: int = _LEAST) -> None:
        """Takes everything at first.

        Args:
            lag: how late the event loop runs its callbacks now, in seconds.
            threshold: the lag from which on calls may be refused.
            now: monotonic seconds.
            least: calls in hand that are never too many.
        """
        self._least = least
        self._lag = lag
        self._threshold = threshold
        self._now = now
        self._buckets = [_LoadBucket() for _ in range(_BUCKETS)]
        self.in_hand = 0
        self.refused = 0

    def refuses(self, criticality: Criticality) -> bool:
        """Whether there is too much in hand for a call of this criticality."""
        return self._lag() > self._threshold and self.in_hand >= self.limit() * SHARES[criticality]

    def admit(self, criticality: Criticality) -> float:
        """Takes a call on, which must end with `done`; returns when it began.

        Raises:
            Overloaded: there is too much in hand for a call of this criticality.
        """
        if self.refuses(criticality):
            self.refused += 1
            raise Overloaded(retry_after=RETRY_SECONDS)
        self.in_hand += 1
        return self._now()

    def done(self, begun: float, *, passed: bool) -> None:
        """A call that was taken on is over; only one that ``passed`` says how much the server can do."""
        self.in_hand -= 1
        if passed:
            now = self._now()
            bucket = self._bucket(now)
            bucket.passes += 1
            bucket.seconds += now - begun

    def limit(self) -> float:
        """How many calls the server has shown that it can have in hand: the best rate of the window times its least average duration."""
        oldest = self._number(self._now()) - _BUCKETS
        seen = [bucket for bucket in self._buckets if bucket.number > oldest and bucket.passes]
        if not seen:
            return float("inf")
        rate = max(bucket.passes for bucket in seen) * _BUCKETS / _SECONDS
        seconds = min(bucket.seconds / bucket.passes for bucket in seen)
        return max(self._least, rate * seconds)

    def _bucket(self, now: float) -> _LoadBucket:
        number = self._number(now)
        bucket = self._buckets[number % _BUCKETS]
        if bucket.number != number:
            bucket.number, bucket.passes, bucket.seconds = number, 0, 0.0
        return bucket

    @staticmethod
    def _number(now: float) -> int:
        return int(now * _BUCKETS / _SECONDS)
