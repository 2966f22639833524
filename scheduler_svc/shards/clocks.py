"""Compares this machine's clock with the database's, which is the same for all replicas."""

from typing import Final

from scheduler_svc.ports import TimeSource
from tocsin.clock import SECOND, Clock
from tocsin.mesh.health import Degraded
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

WARN_SECONDS: Final = 0.5
"""A clock that is off by more is told in health."""
GIVE_UP_SECONDS: Final = 5.0
"""A replica whose clock is off by more lets nothing go: late, by another replica, is better than early."""


class ClockWatch:
    """How far this machine's clock is from the database's.

    ``offset`` is in seconds, positive when this machine is ahead. ``wrong`` says that nothing may be fired by this clock: from
    `GIVE_UP_SECONDS` on, until it is well again by `WARN_SECONDS`.
    """

    def __init__(self, *, source: TimeSource, clock: Clock) -> None:
        """Has not measured yet."""
        self.offset = 0.0
        self.wrong = False
        self._source = source
        self._clock = clock
        self._told = False

    async def measure(self) -> None:
        """Asks once. What the way there and back took is left out of account: it may all have been on one side."""
        before = self._clock.micros()
        there = await self._source.time()
        after = self._clock.micros()
        least, most = sorted((before - there, after - there))
        self.offset = (least if least > 0 else min(most, 0)) / SECOND
        self.wrong = abs(self.offset) > (WARN_SECONDS if self.wrong else GIVE_UP_SECONDS)
        if self.off != self._told:
            self._told = self.off
            (_log.warning if self.off else _log.info)("clock compared with the database's", offset_seconds=self.offset, off=self.off)

    @property
    def off(self) -> bool:
        """Whether the clock is off by more than is well."""
        return abs(self.offset) > WARN_SECONDS

    async def check(self) -> None:
        """For health.

        Raises:
            Degraded: the clock is off.
        """
        if self.off:
            words = f"this machine's clock is {abs(self.offset):.1f} s {'ahead of' if self.offset > 0 else 'behind'} the database's"
            raise Degraded(f"{words}; no alarm fires until this is corrected" if self.wrong else words)
