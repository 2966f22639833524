"""Time, injected: nothing outside this module reads the machine's clock.

Instants cross the code as aware ``datetime`` in UTC and are stored as integer microseconds since the Unix epoch, which SQLite and
PostgreSQL both keep exactly.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

SECOND: Final = 1_000_000
"""In microseconds, as are `MINUTE`, `HOUR` and `DAY`."""

MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """A source of time that a test can replace."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def micros(self) -> int:
        """The current instant in microseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after ``seconds`` of this clock; at once when it is zero or less."""
        ...


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        return datetime.now(UTC)

    def micros(self) -> int:
        """The current instant in microseconds since the Unix epoch."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds on the operating system's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Returns after ``seconds``, leaving the event loop free meanwhile."""
        await asyncio.sleep(max(0.0, seconds))


def to_micros(instant: datetime) -> int:
    """Microseconds since the Unix epoch of an aware ``instant``; exact."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC instant ``micros`` microseconds after the Unix epoch; exact.

    Raises:
        OverflowError: the instant lies outside the years 1 to 9999.
    """
    return _EPOCH + timedelta(microseconds=micros)
