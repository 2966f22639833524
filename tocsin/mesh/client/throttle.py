"""Adaptive throttling at the client: who is refused most of the time stops asking most of the time.

The rule is that of the book *Site Reliability Engineering* (chapter 21, "Handling Overload"): a call is refused locally with the
probability max(0, (requests - K * accepts) / (requests + 1)), over a window. K = 2 lets the far end see as many calls again as it
accepts, so that it notices at once when it can take more.
"""

import random
from collections.abc import Callable
from typing import Final

from tocsin.errors import ResourceExhausted, TocsinError
from tocsin.mesh.shedding import Overloaded

_BUCKETS: Final = 10
_SECONDS: Final = 30.0
_K: Final = 2.0
_LEAST: Final = 20
"""So few requests in a window tell nothing: after an idle time a single refusal would throttle half of the calls."""
_RETRY_SECONDS: Final = 1.0


class Throttled(ResourceExhausted):
    """The service is overloaded and refuses most calls; this call was not sent."""


class Throttle:
    """The calls to one target. Belongs to one event loop."""

    __slots__ = ("_accepts", "_draw", "_now", "_numbers", "_requests", "_until")

    def __init__(self, *, now: Callable[[], float], draw: Callable[[], float] = random.random) -> None:
        """Lets everything pass.

        Args:
            now: monotonic seconds.
            draw: gives a number from 0 to 1.
        """
        self._now = now
        self._draw = draw
        self._until = float("-inf")
        self._numbers = [-1] * _BUCKETS
        self._requests = [0] * _BUCKETS
        self._accepts = [0] * _BUCKETS

    def admit(self) -> None:
        """Lets a call pass, or refuses it.

        Raises:
            Throttled: it must not be made. A call that is refused here counts as a request, as the book has it.
        """
        now = self._now()
        if now < self._until and self._draw() < self.chance():
            self._requests[self._bucket(now)] += 1
            raise Throttled(retry_after=_RETRY_SECONDS)

    def ended(self, error: TocsinError | None) -> None:
        """Counts a call that the far end answered; only `Overloaded` says that it was not accepted.

        A method whose dependency is overloaded says nothing of the others of its target, and what it refuses has cost next to nothing.
        What never reached the far end (an open circuit, a lost connection, a call given up) says nothing of its load and is not counted.
        """
        now = self._now()
        bucket = self._bucket(now)
        self._requests[bucket] += 1
        if error is not None and error.error_reason == Overloaded.reason:
            self._until = now + _SECONDS  # until then a chance is worth computing
        else:
            self._accepts[bucket] += 1

    def chance(self) -> float:
        """The probability that a call is refused now."""
        oldest = int(self._now() * _BUCKETS / _SECONDS) - _BUCKETS
        live = [index for index, number in enumerate(self._numbers) if number > oldest]
        requests, accepts = sum(self._requests[index] for index in live), sum(self._accepts[index] for index in live)
        return max(0.0, (requests - _K * accepts) / (requests + 1)) if requests >= _LEAST else 0.0

    def _bucket(self, now: float) -> int:
        number = int(now * _BUCKETS / _SECONDS)
        index = number % _BUCKETS
        if self._numbers[index] != number:
            self._numbers[index], self._requests[index], self._accepts[index] = number, 0, 0
        return index
