"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tocsin.clock import SECOND, Clock, from_micros, to_micros

_ROUNDS = 20


@dataclass(order=True, slots=True)
class _Sleeper:
    due: int
    number: int
    future: asyncio.Future[None] = field(compare=False)


class FakeClock:
    """A `tocsin.clock.Clock` under a test's control.

    Sleepers wake in the order of their due times, and those of one instant in the order in which they went to sleep.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Begins at ``start``, an aware instant."""
        self._wall = to_micros(start)
        self._monotonic = 0
        self._count = 0
        self._sleepers: list[_Sleeper] = []

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        return from_micros(self._wall)

    def micros(self) -> int:
        """The current instant in microseconds since the Unix epoch."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds that have passed since the clock was made."""
        return self._monotonic / SECOND

    @property
    def sleepers(self) -> int:
        """How many tasks sleep on this clock now."""
        return sum(not sleeper.future.done() for sleeper in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Returns once the clock was moved on by ``seconds``, and by a microsecond at least.

        A wait for what is left of a rounded time would otherwise be over at the same instant, again and again.
        """
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._count += 1
        sleeper = _Sleeper(self._monotonic + max(1, round(seconds * SECOND)), self._count, asyncio.get_running_loop().create_future())
        heapq.heappush(self._sleepers, sleeper)
        await sleeper.future

    async def advance(self, seconds: float) -> None:
        """Moves on by ``seconds``, stopping at each sleeper's due time to let what it wakes run."""
        await _settle()
        end = self._monotonic + round(seconds * SECOND)
        while self._sleepers and self._sleepers[0].due <= end:
            self._move(max(0, self._sleepers[0].due - self._monotonic))
            await _settle()
        self._move(end - self._monotonic)
        await _settle()

    def set(self, instant: datetime) -> None:
        """Jumps to ``instant``; monotonic time follows forward and stands still when the jump is back, as on a real machine.

        Whoever is due wakes as soon as the test waits for something.
        """
        distance = to_micros(instant) - self._wall
        self._move(max(0, distance))
        self._wall = to_micros(instant)

    def _move(self, micros: int) -> None:
        self._wall += micros
        self._monotonic += micros
        while self._sleepers and self._sleepers[0].due <= self._monotonic:
            sleeper = heapq.heappop(self._sleepers)
            if not sleeper.future.done():
                sleeper.future.set_result(None)


class SkewedClock:
    """The clock of a machine whose wall clock is off by ``seconds``; time passes on it as on the clock beneath."""

    def __init__(self, clock: Clock, seconds: float = 0.0) -> None:
        """Positive ``seconds`` are ahead; they may be changed at any time."""
        self.seconds = seconds
        self._clock = clock

    def now(self) -> datetime:
        """The current instant, aware, in UTC, as this machine has it."""
        return from_micros(self.micros())

    def micros(self) -> int:
        """The current instant in microseconds since the Unix epoch, as this machine has it."""
        return self._clock.micros() + round(self.seconds * SECOND)

    def monotonic(self) -> float:
        """That of the clock beneath."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Returns after ``seconds``."""
        await self._clock.sleep(seconds)


async def _settle() -> None:
    """Lets every task run that can run without waiting for the outside world."""
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
