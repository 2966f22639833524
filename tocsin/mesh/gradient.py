"""A limit of calls under way that follows how long calls take: the gradient of Netflix's concurrency-limits (Gradient2Limit).

While calls take no longer than they did over a long time, the limit grows by a small queue with every call; when they take longer, it
shrinks by the ratio. It needs no number, and finds what a database or another service behind the handlers can bear, which a lag of the
event loop does not show: https://github.com/Netflix/concurrency-limits.
"""

from typing import Final

_TOLERANCE: Final = 1.5
"""Calls may take so many times as long as over a long time before the limit shrinks."""
_QUEUE: Final = 4
_SMOOTHING: Final = 0.2
_LONG: Final = 600
"""Calls over which the long time is averaged."""
_WARM_UP: Final = 10
_MOST: Final = 1000


class GradientLimit:
    """How many calls may be under way. Belongs to one event loop.

    Attributes:
        value: the limit.
    """

    __slots__ = ("_count", "_least", "_long", "value")

    def __init__(self, *, least: int) -> None:
        """Begins with ``least``, below which it never falls."""
        self._least = float(least)
        self._long = 0.0
        self._count = 0
        self.value = float(least)

    def ended(self, seconds: float, under_way: int) -> None:
        """A call passed, while so many were under way."""
        self._count += 1
        weight = 2 / (_LONG + 1) if self._count > _WARM_UP else 1 / self._count
        self._long += (seconds - self._long) * weight
        if seconds <= 0:
            return
        if self._long / seconds > 2:
            self._long *= 0.95  # an overload is over, and calls are faster than they were: the average follows sooner
        if under_way < self.value / 2:
            return  # it is the callers who bound what is under way
        gradient = max(0.5, min(1.0, _TOLERANCE * self._long / seconds))
        wanted = self.value * gradient + _QUEUE
        self.value = max(self._least, min(_MOST, self.value * (1 - _SMOOTHING) + wanted * _SMOOTHING))
