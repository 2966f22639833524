"""Where leases come from: a count of this process alone, or one that several share."""

from collections import OrderedDict, deque
from typing import Final, NamedTuple, Protocol

from tocsin.clock import Clock
from tocsin.mesh.limits.rule import LimitRule

MOST_KEYS: Final = 10_000
"""Tenants or addresses that are remembered for each limit; a flood of others drops those that were silent for longest."""


class LeaseAnswer(NamedTuple):
    """Whether there was a lease; how many are left in the window, and in how many seconds the oldest of it comes back."""

    granted: bool
    left: int
    resets_in: float


class LocalLeases:
    """Moving windows of this process. Those that `limits` has in memory sweep over every key at every hit."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._taken: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    @property
    def size(self) -> int:
        """Windows that are in memory."""
        return len(self._taken)

    def take(self, rule: LimitRule, key: str) -> LeaseAnswer:
        """A lease, if the window has one."""
        now, most = self._clock.monotonic(), rule.leases
        taken = self._taken.setdefault((rule.name, key), deque())
        self._taken.move_to_end((rule.name, key))
        while len(self._taken) > MOST_KEYS:
            self._taken.popitem(last=False)
        while taken and taken[0] <= now - rule.seconds:
            taken.popleft()
        if granted := len(taken) < most:
            taken.append(now)
        return LeaseAnswer(granted, most - len(taken), taken[0] + rule.seconds - now)


class SharedLeases(Protocol):
    """One count of several processes."""

    @property
    def configured(self) -> bool:
        """Whether there is any."""
        ...

    @property
    def available(self) -> bool:
        """Whether it answered the last time."""
        ...

    async def take(self, rule: LimitRule, key: str) -> LeaseAnswer | None:
        """A lease, if the window has one; None when the count is away."""
        ...
