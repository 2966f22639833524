"""What waits for a processor, in memory: a queue for each priority, and within a queue a fair turn for each tenant. Pure.

Fairness is deficit round robin (Shreedhar and Varghese, 1995): each turn earns a tenant a quantum, and a firing costs by its size, so that
neither many firings nor large ones of one tenant hold up the others. A queue is only served while the more urgent ones are empty.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from scheduler_svc.domain import Priority, QueuedFiring
from tocsin.priority import nearest

_QUANTUM: Final = 8
_BYTES_PER_UNIT: Final = 4096
_SMALL_SHARE: Final = 16


def cost(queued: QueuedFiring) -> int:
    """What a firing uses of its tenant's turn."""
    return 1 + len(queued.action.body) // _BYTES_PER_UNIT


class _PriorityQueue:
    """The firings of one priority, by tenant; tenants take turns."""

    __slots__ = ("_credits", "_fresh", "_queues", "_sizes", "_turns", "size")

    def __init__(self) -> None:
        self.size = 0
        self._queues: dict[str, deque[QueuedFiring]] = {}
        self._sizes: dict[str, int] = {}
        self._credits: dict[str, int] = {}
        self._turns: deque[str] = deque()
        self._fresh = True

    def size_of(self, tenant: str) -> int:
        return self._sizes.get(tenant, 0)

    def add(self, queued: QueuedFiring, *, first: bool) -> None:
        tenant = queued.tenant
        queue = self._queues.get(tenant)
        if queue is None:
            queue = self._queues[tenant] = deque()
            self._credits[tenant] = 0
            self._turns.append(tenant)
        if first:
            queue.appendleft(queued)
        else:
            queue.append(queued)
        self._sizes[tenant] = self._sizes.get(tenant, 0) + 1
        self.size += 1

    def forget(self, queued: QueuedFiring) -> None:
        """One firing less counts; it stays in its queue until its turn."""
        left = self._sizes[queued.tenant] - 1
        if left:
            self._sizes[queued.tenant] = left
        else:
            del self._sizes[queued.tenant]
        self.size -= 1

    def take(self, waiting: dict[str, QueuedFiring], most: int, taken: list[QueuedFiring]) -> None:
        while self._turns and len(taken) < most:
            tenant = self._turns[0]
            queue = self._queues[tenant]
            if self._fresh:
                self._credits[tenant] += _QUANTUM
                self._fresh = False
            self._serve(tenant, queue, waiting, most, taken)
            if not queue:
                del self._queues[tenant], self._credits[tenant]
                self._turns.popleft()
                self._fresh = True
            elif len(taken) < most:
                self._turns.rotate(-1)
                self._fresh = True

    def _serve(
        self, tenant: str, queue: deque[QueuedFiring], waiting: dict[str, QueuedFiring], most: int, taken: list[QueuedFiring]
    ) -> None:
        """Takes from one tenant's queue what its credit covers."""
        balance = self._credits[tenant]
        while queue and len(taken) < most:
            queued = queue[0]
            if waiting.get(queued.id) is not queued:
                queue.popleft()
                continue
            price = cost(queued)
            if price > balance:
                break
            balance -= price
            del waiting[queued.id]
            self.forget(queued)
            taken.append(queue.popleft())
        self._credits[tenant] = balance


class PriorityQueues:
    """All that waits, by priority and tenant."""

    def __init__(self, *, limit: int) -> None:
        """Makes empty queues.

        Args:
            limit: queued_firings that a queue holds; a tenant with few in it may still add some when others have filled it.
        """
        self.limit = limit
        self._waiting: dict[str, QueuedFiring] = {}
        self._queues = {int(priority): _PriorityQueue() for priority in Priority}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, firing: object) -> bool:
        return firing in self._waiting

    def __iter__(self) -> Iterator[QueuedFiring]:
        return iter(self._waiting.values())

    def size(self, priority: int) -> int:
        """Firings of a priority that wait here."""
        return self._queues[priority].size

    def admits(self, queued: QueuedFiring) -> bool:
        """Whether there is room for it. A queue filled by one tenant still has some for the others, up to twice its limit."""
        queue = self._queues[nearest(queued.priority)]
        return queue.size < self.limit or (
            queue.size < 2 * self.limit and queue.size_of(queued.tenant) < max(1, self.limit // _SMALL_SHARE)
        )

    def push(self, queued: QueuedFiring, *, first: bool = False) -> None:
        """Adds a firing at the end of its tenant's queue, or at the front; one that waits already stays where it is."""
        if queued.id not in self._waiting:
            self._waiting[queued.id] = queued
            self._queues[nearest(queued.priority)].add(queued, first=first)

    def discard(self, firing: str) -> QueuedFiring | None:
        """Takes a queued out of turn; None when it does not wait here."""
        queued = self._waiting.pop(firing, None)
        if queued is not None:
            self._queues[nearest(queued.priority)].forget(queued)
        return queued

    def take(self, most: int, *, reserve: int = 0) -> list[QueuedFiring]:
        """The next queued_firings: the most urgent queue first, the tenants of a queue in turn.

        Args:
            most: how many; zero or less for none.
            reserve: so many more, if they are critical.
        """
        taken: list[QueuedFiring] = []
        for priority, queue in self._queues.items():
            room = most + reserve if priority == Priority.CRITICAL else most
            if len(taken) < room and queue.size:
                queue.take(self._waiting, room, taken)
        return taken

    def drop(self, which: Callable[[QueuedFiring], bool]) -> list[QueuedFiring]:
        """Forgets those that meet the condition, which are returned."""
        dropped = [queued for queued in self._waiting.values() if which(queued)]
        for queued in dropped:
            self.discard(queued.id)
        return dropped
