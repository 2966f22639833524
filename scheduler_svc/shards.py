"""Which virtual shards this replica owns: leases in the store, renewed at a third, fenced by epochs.

An alarm belongs to the shard of its id; only the owner of the shard lets it go. Every firing transaction checks the shard's epoch, which
grows with each change of the owner, so a replica that was frozen past its lease can write nothing any more. It also stops by its own
monotonic clock before the lease ends.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

import structlog

from scheduler_svc.background import Background, Wake
from scheduler_svc.ports import Held, ShardStore
from tocsin.clock import Clock
from tocsin.errors import TocsinError

_NOTHING: Final[Held] = {}
_MARGIN: Final = 0.9
_MICROS: Final = 1_000_000


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
        self._held: dict[int, int] = {}
        self._until = float("-inf")

    @property
    def held(self) -> Held:
        """The shards with their epochs; empty as soon as the lease may have ended."""
        return self._held if self._clock.monotonic() < self._until else _NOTHING

    @property
    def claimed(self) -> Held:
        """The shards of the last renewal, whether or not the lease has ended since."""
        return self._held

    @property
    def expired(self) -> bool:
        """Whether the lease of what is claimed may have ended."""
        return bool(self._held) and not self.held

    def renewed(self, held: Mapping[int, int], *, until: float) -> None:
        """Owns ``held`` until a monotonic time."""
        self._held = dict(held)
        self._until = until


class Listener(Protocol):
    """Works on the shards of this replica."""

    def shards_gained(self, shards: Collection[int]) -> None:
        """These are ours now."""
        ...

    def shards_lost(self, shards: Collection[int]) -> None:
        """These are not ours any more."""
        ...


class ShardKeeper:
    """Takes free shards, renews the leases, and tells the listeners; a component."""

    def __init__(
        self,
        *,
        store: ShardStore,
        ownership: Ownership,
        listeners: Sequence[Listener],
        clock: Clock,
        lease_seconds: float,
        alone: bool,
    ) -> None:
        """Owns nothing before `start`.

        Args:
            store: where the leases are.
            ownership: what it keeps true.
            listeners: who works on the shards.
            clock: source of time.
            lease_seconds: how long a lease lasts.
            alone: True if no other process can use the store: leases that are left belong to a dead one.
        """
        self._store = store
        self._ownership = ownership
        self._listeners = listeners
        self._clock = clock
        self._lease = lease_seconds
        self._alone = alone
        self._loops = Background(clock)
        self._wake = Wake(clock)

    @property
    def failing(self) -> dict[str, str]:
        """The loop, if it does not work, with the reason."""
        return self._loops.failing

    async def start(self) -> None:
        """Takes what is free, and goes on doing so."""
        if not self._loops.running:
            await self._turn()
            self._loops.start("shards", self._keep)

    async def stop(self) -> None:
        """Gives everything back, so that another replica, or the next start, need not wait for the leases to end."""
        if self._loops.running:
            await self._loops.stop()
            lost = self._ownership.claimed
            self._ownership.renewed({}, until=float("-inf"))
            self._tell(gained=(), lost=lost)
            try:
                await self._store.release(self._ownership.owner)
            except TocsinError as error:  # a database that is away must not keep the service from stopping; the leases end by themselves
                structlog.get_logger(__name__).warning("shards not released", error=error.message)

    async def _keep(self) -> None:
        while True:
            await self._wake.wait(self._lease / 3)
            await self._turn()
            self._loops.worked("shards")

    async def _turn(self) -> None:
        """Renews, and takes what is free."""
        begun, now = self._clock.monotonic(), self._clock.micros()
        until = now + round(self._lease * _MICROS)
        before = self._ownership.claimed
        held = dict(await self._store.renew(self._ownership.owner, until=until))
        held |= await self._store.acquire(self._ownership.owner, now=now, until=until, steal=self._alone)
        late = self._ownership.expired  # what was dropped meanwhile, because nothing was held, must be read again
        self._ownership.renewed(held, until=begun + self._lease * _MARGIN)
        kept = set[int]() if late else {shard for shard, epoch in held.items() if before.get(shard) == epoch}
        self._tell(gained=set(held) - kept, lost=set(before) - kept)

    def _tell(self, *, gained: Collection[int], lost: Collection[int]) -> None:
        if gained or lost:
            structlog.get_logger(__name__).info("shards changed", gained=len(gained), lost=len(lost), owned=len(self._ownership.held))
        for listener in self._listeners:
            if lost:
                listener.shards_lost(lost)
            if gained:
                listener.shards_gained(gained)
