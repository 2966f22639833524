"""A sliding count of calls, failures and slow calls (pure)."""

BUCKETS = 10


class Window:
    """Counts over the last ``seconds``, kept in buckets: adding and reading cost the same however many calls there were.

    The oldest bucket falls out whole, so the window covers between nine tenths and the whole of its length.
    """

    __slots__ = ("_buckets", "_slot", "_width", "calls", "failures", "slow")

    def __init__(self, *, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self._slot = 0
        self._buckets = [[0, 0, 0] for _ in range(BUCKETS)]
        self.calls = 0
        self.failures = 0
        self.slow = 0

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Counts one call that ended at ``now`` (monotonic seconds)."""
        self.advance(now)
        bucket = self._buckets[self._slot % BUCKETS]
        bucket[0] += 1
        self.calls += 1
        if failed:
            bucket[1] += 1
            self.failures += 1
        if slow:
            bucket[2] += 1
            self.slow += 1

    def advance(self, now: float) -> None:
        """Drops what is older than the window at ``now``; time that goes back is ignored."""
        slot = int(now / self._width)
        if slot <= self._slot:
            return
        for passed in range(self._slot + 1, min(slot, self._slot + BUCKETS) + 1):
            bucket = self._buckets[passed % BUCKETS]
            self.calls -= bucket[0]
            self.failures -= bucket[1]
            self.slow -= bucket[2]
            bucket[:] = (0, 0, 0)
        self._slot = slot

    def clear(self) -> None:
        """Forgets everything."""
        for bucket in self._buckets:
            bucket[:] = (0, 0, 0)
        self.calls = self.failures = self.slow = 0
