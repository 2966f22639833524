"""Long computations beside the calls."""

from typing import Final

from tocsin.clock import Clock

_STEPS: Final = 32


class Breath:
    """Lets others run every few steps."""

    __slots__ = ("_clock", "_steps")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps = 0

    async def __call__(self, steps: int = 1) -> None:
        """Counts steps of some ten microseconds each."""
        self._steps += steps
        if self._steps >= _STEPS:
            self._steps = 0
            await self._clock.sleep(0)
