"""What this replica owns at this moment."""

from collections.abc import Collection, Mapping
from typing import Final

from scheduler_svc.ports import Held
from tocsin.clock import Clock

_NOTHING: Final[Held] = {}


class Ownership:
    """What this start of the replica owns now; written by the `ShardKeeper` alone."""

    def __init__(self, *, owner: str, clock: Clock) -> None:
        """Owns nothing.

        Args:
            owner: identity of this start of the process: fresh each time, so that an earlier start is somebody else.
            clock: its monotonic time decides when a lease may have ended.
        """
        self.owner = owner
        self._clock = clock
        self._claimed: dict[int, int] = {}
        self._held: dict[int, int] = {}
        self._until = float("-inf")

    @property
    def held(self) -> Held:
        """The shards to work on with their epochs; empty as soon as the lease may have ended."""
        return self._held if self._clock.monotonic() < self._until else _NOTHING

    @property
    def claimed(self) -> Held:
        """The shards of the last renewal, whether or not the lease has ended since, and also those that are about to be given back."""
        return self._claimed

    @property
    def expired(self) -> bool:
        """Whether the lease of what is claimed may have ended."""
        return bool(self._claimed) and self._clock.monotonic() >= self._until

    def renewed(self, claimed: Mapping[int, int], *, until: float, leaving: Collection[int] = ()) -> None:
        """Owns ``claimed`` until a monotonic time, and works on all but what is ``leaving``."""
        self._claimed = dict(claimed)
        self._until = until
        self.part_with(leaving)

    def part_with(self, leaving: Collection[int]) -> None:
        """Works on all that is claimed but these."""
        self._held = {shard: epoch for shard, epoch in self._claimed.items() if shard not in leaving}

    def gave_back(self, shards: Collection[int]) -> None:
        """These, which were leaving, have gone."""
        for shard in shards:
            self._claimed.pop(shard, None)
