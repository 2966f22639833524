"""How calls are spread over the replicas of a service: what each replica costs, and how a new one is warmed up.

The default is the less costly of two that are drawn (Mitzenmacher, The Power of Two Choices), where a replica costs the peak-EWMA of its
latency times the root of the calls under way there: a peak counts at once, and is forgotten with later answers or over seconds. (Finagle
and Linkerd multiply by the calls themselves. But latency has the waiting in it: replicas with 16 calls each then look like one that is 16
times slower, and it gets calls that would have been answered elsewhere long before.)

Beside it there is round robin. Streams go in turn: what their first message takes says nothing of what they cost.
"""

from collections.abc import Callable
from math import exp, sqrt
from typing import Final

_FORGET_SECONDS: Final = 10.0
"""After so long an old latency counts e times less (Finagle's default): a replica that was slow is tried again."""
_NOISE_SECONDS: Final = 0.001
"""Latencies that differ by less say nothing."""
_MOST_WEIGHT: Final = 0.95
"""And it counts e times less after twenty further answers: where calls come by the thousand, one hiccup must not last for seconds."""
_NOISE: Final = 1.25
"""Nor do costs whose ratio is smaller: of equal replicas the one with the last hiccup must not be left out."""
_REFUSED: Final = 4.0
"""A refusal is quick, and must not draw more calls: it makes the replica cost so many times more."""
_UNKNOWN_SECONDS: Final = 1e6
"""Of a replica that has not answered its first call yet: it gets no second one while another replica is known."""
_SLOW_START_SECONDS: Final = 10.0
_COLDEST: Final = 0.1
"""The share that a replica gets at first, which grows to its whole share within `_SLOW_START_SECONDS` (as Envoy's slow start)."""


class EndpointLoad:
    """What one method of one replica costs. Belongs to one event loop."""

    __slots__ = ("_now", "_seconds", "_stamp", "pending")

    def __init__(self, now: Callable[[], float]) -> None:
        """Knows nothing yet.

        Args:
            now: monotonic seconds.
        """
        self._now = now
        self._seconds: float | None = None
        self._stamp = 0.0
        self.pending = 0
        """Attempts under way."""

    def started(self) -> None:
        """An attempt begins."""
        self.pending += 1

    def ended(self, seconds: float) -> None:
        """An attempt was answered after ``seconds``."""
        self.pending -= 1
        now = self._now()
        known = self._seconds
        if known is not None and seconds < known:
            weight = min(_MOST_WEIGHT, exp((self._stamp - now) / _FORGET_SECONDS))
            seconds = known * weight + seconds * (1.0 - weight)
        self._seconds, self._stamp = seconds, now

    def refused(self, seconds: float, *, most: float) -> None:
        """An attempt was refused, or failed, after ``seconds``; it makes the replica cost no more than one that takes ``most`` seconds."""
        self.pending -= 1
        now = self._now()
        self._seconds, self._stamp = min(most, max(seconds, _REFUSED * (self._latency(now) + _NOISE_SECONDS))), now

    def given_up(self, seconds: float) -> None:
        """An attempt was given up by its caller after ``seconds``: an answer takes at least as long."""
        self.pending -= 1
        now = self._now()
        if seconds > self._latency(now):
            self._seconds, self._stamp = seconds, now

    def cost(self) -> float:
        """What one more call would cost, in seconds by which replicas are compared; less is better."""
        if self._seconds is None:
            return _UNKNOWN_SECONDS * self.pending
        return (self._latency(self._now()) + _NOISE_SECONDS) * sqrt(self.pending + 1)

    def _latency(self, now: float) -> float:
        return 0.0 if self._seconds is None else self._seconds * exp((self._stamp - now) / _FORGET_SECONDS)


def cheaper(one: float, other: float, draw: Callable[[], float]) -> bool:
    """Whether the first of two costs is to be chosen; between costs that say nothing a number from 0 to 1 decides."""
    low, high = (one, other) if one <= other else (other, one)
    if high < low * _NOISE or low == high:
        return draw() < 0.5
    return one < other


class SlowStart:
    """Warms replicas up: one that has just begun to serve gets a small share first. Belongs to one event loop."""

    __slots__ = ("_now", "_since", "_until")

    def __init__(self, now: Callable[[], float]) -> None:
        """Knows no replica.

        Args:
            now: monotonic seconds.
        """
        self._now = now
        self._since: dict[str, float] = {}
        self._until = float("-inf")

    def seen(self, name: str, *, serving: bool) -> None:
        """Takes note whether a replica serves."""
        if not serving:
            self._since.pop(name, None)
        elif name not in self._since:
            now = self._since[name] = self._now()
            self._until = now + _SLOW_START_SECONDS

    @property
    def ongoing(self) -> bool:
        """Whether any replica may be cold."""
        return self._until > float("-inf") and self._now() < self._until

    def warmth(self, name: str) -> float:
        """The share that a replica gets of what it will get, from 0.1 to 1."""
        since = self._since.get(name)
        return _COLDEST if since is None else min(1.0, max(_COLDEST, (self._now() - since) / _SLOW_START_SECONDS))
