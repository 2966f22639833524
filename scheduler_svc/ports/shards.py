"""Who owns which shard."""

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from tocsin.recurrence import Micros

Held: TypeAlias = Mapping[int, int]
"""The shards that a replica owns, each with the fencing epoch under which it does."""


class Replica(NamedTuple):
    """A replica that takes part in sharing the shards.

    Attributes:
        owner: identity of this start of its process.
        address: where it runs, for people.
        started: when it came.
        lease_until: when it takes part no longer, unless it says so again.
        live: whether that is still to come, by the clock that decides about leases.
        gone: its lock is free: its process is dead, or cut off from the database.
    """

    owner: str
    address: str
    started: Micros
    lease_until: Micros
    live: bool
    gone: bool


class ShardOwner(NamedTuple):
    """Who owns a shard; nobody when ``owner`` is empty."""

    shard: int
    owner: str
    epoch: int
    lease_until: Micros


class TimeSource(Protocol):
    """Tells the time of the database."""

    async def time(self) -> Micros:
        """Now, by its clock."""
        ...


class ShardStore(TimeSource, Protocol):
    """Who owns which shard, and who takes part."""

    async def renew(self, owner: str, *, lease: Micros, address: str = "", lock: int | None = None) -> Held:
        """Takes part for another ``lease``, as do the shards still owned, which are answered.

        Args:
            owner: identity of this start of the process.
            lease: microseconds from now.
            address: where it runs.
            lock: key of the database's lock that it holds as long as it lives; None: it holds none.
        """
        ...

    async def acquire(self, owner: str, *, lease: Micros, most: int, dead: Mapping[str, Micros], steal: bool) -> Held:
        """Takes up to ``most`` shards that are free; each gets a new epoch.

        Free is what nobody owns, whose lease is over, or whose owner is ``dead`` and has not renewed the lease given there; with
        ``steal`` every shard. One whose firing transaction runs at this moment is left out: ask again.
        """
        ...

    async def give_back(self, owner: str, shards: Collection[int]) -> None:
        """Makes these shards free."""
        ...

    async def release(self, owner: str) -> None:
        """Makes every shard of the owner free, which takes part no longer."""
        ...

    async def replicas(self) -> list[Replica]:
        """Everybody who takes part, or did until the lease ended, in order of identity."""
        ...

    async def owners(self) -> list[ShardOwner]:
        """Every shard in order of its number."""
        ...


class Shards(Protocol):
    """What this replica owns, at this moment."""

    @property
    def owner(self) -> str:
        """The identity of this start of the replica."""
        ...

    @property
    def held(self) -> Held:
        """The shards owned, with their epochs; empty as soon as the lease may have ended."""
        ...


class ShardListener(Protocol):
    """Works on the shards of this replica."""

    def shards_gained(self, shards: Collection[int]) -> None:
        """These are ours now."""
        ...

    def shards_lost(self, shards: Collection[int]) -> None:
        """These are not ours any more."""
        ...


class Liveness(Protocol):
    """Shows the other replicas that this process lives."""

    async def beat(self) -> int | None:
        """The key of the lock that is held now; None when none is. Never fails."""
        ...
