"""Who shares the shards, and how many fall to whom. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from scheduler_svc.domain import SHARDS
from scheduler_svc.ports import Replica
from tocsin.recurrence import Micros

_CONFIRM_SECONDS: Final = 1.0
_PATIENCE: Final = 1.25


def fair_share(place: int, replicas: int, *, shards: int = SHARDS) -> int:
    """Shards of the replica at ``place`` (from 0) among so many: nobody has two more than another, and together they have all."""
    return shards // replicas + (place < shards % replicas)


class Membership:
    """The replicas that take part, as this one sees them.

    A replica takes part until its lease is over. It is dead before that if the lock that its process held is free, and stays so for a
    second: after a restart of the database everybody has to take the lock again. And it is dead, whatever the database's clock says, if
    its lease has not moved for longer than a lease by our own monotonic clock: a clock that was set back must not keep the dead alive.
    Both count only while we keep looking: after a time without the database, or frozen, nobody is blamed for what we did not see.
    """

    def __init__(self, *, owner: str, lease_seconds: float) -> None:
        """Knows nobody but ``owner``, the replica itself."""
        self._owner = owner
        self._lease = lease_seconds
        self._seen = float("-inf")
        self._moved: dict[str, tuple[Micros, float]] = {}
        self._gone: dict[str, float] = {}
        self._live: tuple[str, ...] = (owner,)
        self._dead: dict[str, Micros] = {}

    @property
    def live(self) -> Sequence[str]:
        """Everybody who takes part, this replica included, in the same order for all."""
        return self._live

    @property
    def dead(self) -> Mapping[str, Micros]:
        """Who is dead though the lease is not over yet, with the end of that lease."""
        return self._dead

    @property
    def share(self) -> int:
        """Shards that fall to this replica."""
        return fair_share(self._live.index(self._owner), len(self._live))

    def see(self, replicas: Sequence[Replica], *, now: float) -> None:
        """Takes in what the store says at a monotonic time."""
        others = [replica for replica in replicas if replica.owner != self._owner]
        self._remember(others, now)
        late = now - self._lease * _PATIENCE
        self._dead = {
            replica.owner: replica.lease_until
            for replica in others
            if self._gone.get(replica.owner, now) <= now - _CONFIRM_SECONDS or self._moved[replica.owner][1] < late
        }
        living = (replica.owner for replica in others if replica.live and replica.owner not in self._dead)
        self._live = tuple(sorted([self._owner, *living]))

    def _remember(self, others: Sequence[Replica], now: float) -> None:
        moved, gone = (self._moved, self._gone) if now - self._seen <= self._lease / 3 else ({}, {})
        self._seen = now
        self._moved, self._gone = {}, {}
        for replica in others:
            until, since = moved.get(replica.owner, (replica.lease_until, now))
            self._moved[replica.owner] = (replica.lease_until, since if until == replica.lease_until else now)
            if replica.gone:
                self._gone[replica.owner] = gone.get(replica.owner, now)
