"""Long computations that yield to the event loop."""

from typing import Final

from tocsin.clock import Clock
from tocsin.recurrence import TooCostly, spent

_STEPS: Final = 32
_COUNTED: Final = 1000


class CooperativeYield:
    """Lets others run every few steps, and ends a computation that takes too many.

    What is asked of rules counts its own steps (`tocsin.recurrence.spent`), of about a microsecond each: between two turns of others
    lie a thousand of them and what one question may cost at most.
    """

    __slots__ = ("_clock", "_left", "_seen", "_steps")

    def __init__(self, clock: Clock, *, most: int | None = None) -> None:
        """Takes the clock, and how many counted steps the whole computation may take; None: as many as it needs."""
        self._clock = clock
        self._steps = 0
        self._seen = spent()
        self._left = most

    async def __call__(self, steps: int = 1) -> None:
        """Counts steps of some ten microseconds each, beside those that were counted meanwhile.

        Raises:
            TooCostly: the computation has no steps left.
        """
        self._steps += steps
        counted = spent() - self._seen
        if self._left is not None and counted > self._left:
            raise TooCostly.at("trigger", "is too costly to compute for so many due times; request fewer, or simplify the rule")
        if self._steps >= _STEPS or counted >= _COUNTED:
            self._steps = 0
            await self._clock.sleep(0)
            self._left = None if self._left is None else self._left - counted
            self._seen = spent()
