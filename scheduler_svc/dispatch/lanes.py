"""What waits for a processor, in memory: a lane for each priority, and within a lane a fair turn for each tenant. Pure.

Fairness is deficit round robin (Shreedhar and Varghese, 1995): each turn earns a tenant a quantum, and a firing costs by its size, so that
neither many firings nor large ones of one tenant hold up the others. A lane is only served while the more urgent ones are empty.
"""

from collections import deque
from collections.abc import Collection, Iterator
from typing import Final

from scheduler_svc.domain import Parcel, Priority

_QUANTUM: Final = 8
_BYTES_PER_UNIT: Final = 4096
_SMALL_SHARE: Final = 16


def cost(parcel: Parcel) -> int:
    """What a firing uses of its tenant's turn."""
    return 1 + len(parcel.action.body) // _BYTES_PER_UNIT


class _Lane:
    """One priority."""

    __slots__ = ("_credits", "_fresh", "_queues", "_sizes", "_turns", "size")

    def __init__(self) -> None:
        self.size = 0
        self._queues: dict[str, deque[Parcel]] = {}
        self._sizes: dict[str, int] = {}
        self._credits: dict[str, int] = {}
        self._turns: deque[str] = deque()
        self._fresh = True

    def size_of(self, tenant: str) -> int:
        return self._sizes.get(tenant, 0)

    def add(self, parcel: Parcel, *, first: bool) -> None:
        tenant = parcel.tenant
        queue = self._queues.get(tenant)
        if queue is None:
            queue = self._queues[tenant] = deque()
            self._credits[tenant] = 0
            self._turns.append(tenant)
        if first:
            queue.appendleft(parcel)
        else:
            queue.append(parcel)
        self._sizes[tenant] = self._sizes.get(tenant, 0) + 1
        self.size += 1

    def forget(self, parcel: Parcel) -> None:
        """One parcel less counts; it stays in its queue until its turn."""
        left = self._sizes[parcel.tenant] - 1
        if left:
            self._sizes[parcel.tenant] = left
        else:
            del self._sizes[parcel.tenant]
        self.size -= 1

    def take(self, queued: dict[str, Parcel], most: int, taken: list[Parcel]) -> None:
        while self._turns and len(taken) < most:
            tenant = self._turns[0]
            queue = self._queues[tenant]
            if self._fresh:
                self._credits[tenant] += _QUANTUM
                self._fresh = False
            self._serve(tenant, queue, queued, most, taken)
            if not queue:
                del self._queues[tenant], self._credits[tenant]
                self._turns.popleft()
                self._fresh = True
            elif len(taken) < most:
                self._turns.rotate(-1)
                self._fresh = True

    def _serve(self, tenant: str, queue: deque[Parcel], queued: dict[str, Parcel], most: int, taken: list[Parcel]) -> None:
        """Takes from one tenant's queue what its credit covers."""
        balance = self._credits[tenant]
        while queue and len(taken) < most:
            parcel = queue[0]
            if queued.get(parcel.id) is not parcel:
                queue.popleft()
                continue
            price = cost(parcel)
            if price > balance:
                break
            balance -= price
            del queued[parcel.id]
            self.forget(parcel)
            taken.append(queue.popleft())
        self._credits[tenant] = balance


class Lanes:
    """All that waits, by priority and tenant."""

    def __init__(self, *, limit: int) -> None:
        """Makes empty lanes.

        Args:
            limit: parcels that a lane holds; a tenant with few in it may still add some when others have filled it.
        """
        self.limit = limit
        self._queued: dict[str, Parcel] = {}
        self._lanes = {int(priority): _Lane() for priority in Priority}

    def __len__(self) -> int:
        return len(self._queued)

    def __contains__(self, firing: object) -> bool:
        return firing in self._queued

    def __iter__(self) -> Iterator[Parcel]:
        return iter(self._queued.values())

    def size(self, priority: int) -> int:
        """Parcels of a priority."""
        return self._lanes[priority].size

    def admits(self, parcel: Parcel) -> bool:
        """Whether there is room for it. A lane filled by one tenant still has some for the others, up to twice its limit."""
        lane = self._lanes[parcel.priority]
        return lane.size < self.limit or (lane.size < 2 * self.limit and lane.size_of(parcel.tenant) < max(1, self.limit // _SMALL_SHARE))

    def push(self, parcel: Parcel, *, first: bool = False) -> None:
        """Adds a parcel at the end of its tenant's queue, or at the front; one that waits already stays where it is."""
        if parcel.id not in self._queued:
            self._queued[parcel.id] = parcel
            self._lanes[parcel.priority].add(parcel, first=first)

    def discard(self, firing: str) -> Parcel | None:
        """Takes a parcel out of turn; None when it does not wait here."""
        parcel = self._queued.pop(firing, None)
        if parcel is not None:
            self._lanes[parcel.priority].forget(parcel)
        return parcel

    def take(self, most: int, *, reserve: int = 0) -> list[Parcel]:
        """The next parcels: the most urgent lane first, the tenants of a lane in turn.

        Args:
            most: how many; zero or less for none.
            reserve: so many more, if they are critical.
        """
        taken: list[Parcel] = []
        for priority, lane in self._lanes.items():
            room = most + reserve if priority == Priority.CRITICAL else most
            if len(taken) < room and lane.size:
                lane.take(self._queued, room, taken)
        return taken

    def drop_shards(self, shards: Collection[int]) -> list[Parcel]:
        """Forgets everything of these shards, which is returned."""
        dropped = [parcel for parcel in self._queued.values() if parcel.shard in shards]
        for parcel in dropped:
            self.discard(parcel.id)
        return dropped
