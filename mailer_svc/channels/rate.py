"""So many messages a second, and no more."""

from tocsin.clock import Clock

_BURST_SECONDS = 1.0


class TokenBucket:
    """A token for each message; they come at a steady rate, and those of a second are kept."""

    def __init__(self, *, per_second: float, clock: Clock) -> None:
        """A full bucket.

        Args:
            per_second: the rate; 0: there is none, and everybody gets a token at once.
            clock: source of time.
        """
        self._rate = per_second
        self._clock = clock
        self._most = max(1.0, per_second * _BURST_SECONDS)
        self._tokens = self._most
        self._at = clock.monotonic()

    def take(self, *, longest: float) -> float:
        """Takes a token; how many seconds to wait until it is there.

        More than ``longest``: none was taken.
        """
        if not self._rate:
            return 0.0
        now = self._clock.monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        wait = max(0.0, (1.0 - self._tokens) / self._rate)
        if wait <= longest:
            self._tokens -= 1.0
        return wait
