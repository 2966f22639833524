"""The time index: what is due soon, in memory. Pure.

A calendar queue: entries hang in buckets, one a tick; a heap knows which ticks have a bucket. Insert and cancel touch one dictionary entry,
and a pop takes what is due from the front of a bucket: O(1) an alarm, whatever their number. The heap grows with the number of ticks
within the horizon, not with the alarms. Within a tick entries leave in the order of their due times, and nothing leaves before its time.
Each tenant has an index of its own in each queue, and those with something due take turns: fairness begins before the firing transaction.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeAlias

from tocsin.recurrence import Micros

DEFAULT_TICK: Final[Micros] = 10_000
Popped: TypeAlias = tuple[str, Micros, int, str]
"""A key that left the index, with its due time, its queue and its tenant."""


@dataclass(slots=True)
class _TimeBucket:
    entries: dict[str, Micros] = field(default_factory=dict[str, Micros])
    ordered: bool = True
    last: Micros = 0


class TimeIndex:
    """Ids by due time."""

    __slots__ = ("_buckets", "_due", "_tick", "_ticks")

    def __init__(self, *, tick: Micros = DEFAULT_TICK) -> None:
        self._tick = tick
        self._due: dict[str, Micros] = {}
        self._buckets: dict[int, _TimeBucket] = {}
        self._ticks: list[int] = []

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: object) -> bool:
        return key in self._due

    def due_of(self, key: str) -> Micros | None:
        """When ``key`` is due; None when it is not here."""
        return self._due.get(key)

    def insert(self, key: str, due: Micros) -> None:
        """Puts ``key`` in at ``due``; one that is here already moves."""
        if self._due.get(key) == due:
            return
        self.cancel(key)
        self._due[key] = due
        tick = due // self._tick
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = _TimeBucket()
            heapq.heappush(self._ticks, tick)
        elif bucket.entries and due < bucket.last:
            bucket.ordered = False
        bucket.last = max(bucket.last, due) if bucket.entries else due
        bucket.entries[key] = due

    def cancel(self, key: str) -> bool:
        """Takes ``key`` out; whether it was here."""
        due = self._due.pop(key, None)
        if due is None:
            return False
        del self._buckets[due // self._tick].entries[key]
        return True

    def next_due(self) -> Micros | None:
        """The earliest due time; None when nothing is here."""
        while self._ticks:
            bucket = self._buckets[self._ticks[0]]
            if bucket.entries:
                return next(iter(self._ordered(bucket).values()))
            del self._buckets[heapq.heappop(self._ticks)]
        return None

    def pop_due(self, now: Micros, most: int) -> list[tuple[str, Micros]]:
        """Takes out what is due at ``now`` or before, the earliest first, ``most`` at most."""
        taken: list[tuple[str, Micros]] = []
        while len(taken) < most and (due := self.next_due()) is not None and due <= now:
            bucket = self._buckets[self._ticks[0]]
            ready = list(islice(_until(bucket, now), most - len(taken)))
            for key, _ in ready:
                del bucket.entries[key]
                del self._due[key]
            taken += ready
        return taken

    def __iter__(self) -> Iterator[str]:
        return iter(self._due)

    def add_spread(self, spread: Counter[int], now: Micros, *, width: Micros) -> None:
        """Adds to ``spread`` how many are due in each ``width`` from ``now`` on, by its number; what is overdue is due in the first one."""
        for tick, bucket in self._buckets.items():
            if bucket.entries:
                spread[max(0, (tick * self._tick - now) // width)] += len(bucket.entries)

    @staticmethod
    def _ordered(bucket: _TimeBucket) -> dict[str, Micros]:
        if not bucket.ordered:
            bucket.entries = dict(sorted(bucket.entries.items(), key=_by_due))
            bucket.ordered = True
        return bucket.entries


def _until(bucket: _TimeBucket, now: Micros) -> Iterator[tuple[str, Micros]]:
    for key, due in bucket.entries.items():
        if due > now:
            return
        yield key, due


def _by_due(entry: tuple[str, Micros]) -> Micros:
    return entry[1]


class _Share(TimeIndex):
    """What one tenant has in one queue.

    Attributes:
        queue: of which it is a part.
        tenant: whose it is.
        expected: the due time under which the heap of its queue knows it; None while it has a turn, or is empty.
        turn: whether it is among those that take turns.
    """

    __slots__ = ("expected", "queue", "tenant", "turn")

    def __init__(self, *, queue: "_TimeQueue", tenant: str, tick: Micros) -> None:
        super().__init__(tick=tick)
        self.queue = queue
        self.tenant = tenant
        self.expected: Micros | None = None
        self.turn = False


class _TimeQueue:
    """One priority. Tenants with something due take turns, so that no number of due entries of one holds up another's.

    The others wait in a heap, by the earliest due time of each. Its entries that hold no more are dropped when they come to the top.

    Attributes:
        number: the more urgent, the lower.
        size: keys in it.
        uneven: the last pop took all that was due of one tenant, and left much of another.
    """

    __slots__ = ("_heap", "_now", "_shares", "_tick", "_turns", "number", "size", "uneven")

    def __init__(self, *, number: int, tick: Micros) -> None:
        self.number = number
        self.size = 0
        self.uneven = False
        self._tick = tick
        self._shares: dict[str, _Share] = {}
        self._heap: list[tuple[Micros, str]] = []
        self._turns: deque[_Share] = deque()
        self._now: Micros = 0

    def insert(self, key: str, due: Micros, tenant: str) -> _Share:
        """Puts in a key that is not here."""
        share = self._shares.get(tenant)
        if share is None:
            share = self._shares[tenant] = _Share(queue=self, tenant=tenant, tick=self._tick)
        share.insert(key, due)
        self.size += 1
        if not share.turn and (share.expected is None or due < share.expected):
            self._expect(share, due)
        return share

    def heavier(self, keys: int) -> list[str]:
        """The tenants that have more than so many keys; costs one step a tenant."""
        return [tenant for tenant, share in self._shares.items() if len(share) > keys]

    def next_due(self) -> Micros | None:
        """A due time of a tenant that has a turn; without any, the earliest of all."""
        while True:
            while self._turns:
                due = self._turns[0].next_due()
                if due is not None and due <= self._now:
                    return due
                self._place(self._turns.popleft())
            due = self._next_expected()
            if not self._turns:  # a look at the heap may have given somebody a turn, who is due before it
                return due

    def next_fresh(self, now: Micros) -> Micros | None:
        """The earliest due time of the tenants that have nothing due yet."""
        self._ripen(now)
        return self._next_expected()

    def pop_due(self, now: Micros, most: int) -> list[Popped]:
        """Takes out what is due, from each tenant an equal part, and from each the earliest first."""
        self._ripen(now)
        taken: list[Popped] = []
        served = len(self._turns)
        while self._turns and (room := most - len(taken)) > 0:
            part = max(1, room // len(self._turns))
            for _ in range(min(len(self._turns), room)):
                share = self._turns.popleft()
                taken += [(key, due, self.number, share.tenant) for key, due in share.pop_due(now, part)]
                self._place(share)
        self.size -= len(taken)
        self.uneven = 0 < len(self._turns) < served
        return taken

    def add_spread(self, spread: Counter[int], now: Micros, *, width: Micros) -> None:
        """Adds to ``spread`` the alarms of every tenant."""
        for share in self._shares.values():
            share.add_spread(spread, now, width=width)

    def _ripen(self, now: Micros) -> None:
        """Gives a turn to every tenant that has something due."""
        self._now = now
        while (due := self._next_expected()) is not None and due <= now:
            self._place(self._shares[heapq.heappop(self._heap)[1]])

    def _next_expected(self) -> Micros | None:
        while self._heap:
            due, tenant = self._heap[0]
            share = self._shares.get(tenant)
            holds = share is not None and share.expected == due
            if share is not None and holds and share.next_due() == due:
                return due
            heapq.heappop(self._heap)
            if share is not None and holds:
                self._place(share)
        return None

    def _place(self, share: _Share) -> None:
        """Gives a tenant a turn, lets it wait for its next due time, or forgets it."""
        due = share.next_due()
        share.turn, share.expected = False, None
        if due is None:
            del self._shares[share.tenant]
        elif due <= self._now:
            share.turn = True
            self._turns.append(share)
        else:
            self._expect(share, due)

    def _expect(self, share: _Share, due: Micros) -> None:
        share.expected = due
        heapq.heappush(self._heap, (due, share.tenant))


class Timeline:
    """A queue for each priority: of what is due at once, the more urgent leaves first, and within a queue each tenant in turn."""

    def __init__(self, *, queues: int = 3, tick: Micros = DEFAULT_TICK) -> None:
        self._queues = [_TimeQueue(number=number, tick=tick) for number in range(queues)]
        self._share_of: dict[str, _Share] = {}

    def __len__(self) -> int:
        return len(self._share_of)

    def insert(self, key: str, due: Micros, queue: int, tenant: str = "") -> None:
        """Puts ``key`` in at ``due``; one that is here already moves. Its tenant stays what it was if it is not given."""
        share = self._share_of.get(key)
        if share is not None:
            if share.queue.number == queue and share.due_of(key) == due:
                return
            self.cancel(key)
            tenant = tenant or share.tenant
        self._share_of[key] = self._queues[queue].insert(key, due, tenant)

    def cancel(self, key: str) -> bool:
        """Takes ``key`` out; whether it was here."""
        share = self._share_of.pop(key, None)
        if share is None:
            return False
        share.queue.size -= 1
        return share.cancel(key)

    def size(self, queues: Iterable[int]) -> int:
        """How many keys are in these queues."""
        return sum(self._queues[queue].size for queue in queues)

    def heavier(self, keys: int, queues: Iterable[int]) -> list[str]:
        """The tenants that have more than so many keys in one of these queues; costs one step a tenant."""
        return sorted({tenant for queue in queues for tenant in self._queues[queue].heavier(keys)})

    def next_due(self, queues: Iterable[int] | None = None) -> Micros | None:
        """The earliest due time in these queues, in all of them without; once it is past, that of somebody whose turn it is.

        None when nothing is there.
        """
        chosen = self._queues if queues is None else [self._queues[queue] for queue in queues]
        return min((due for queue in chosen if (due := queue.next_due()) is not None), default=None)

    def uneven(self, queues: Iterable[int]) -> bool:
        """Whether the last pop from these queues took all that was due of one tenant, and left much of another."""
        return any(self._queues[queue].uneven for queue in queues)

    def next_fresh(self, now: Micros, queues: Iterable[int]) -> Micros | None:
        """The earliest due time in these queues of the tenants that have nothing due at ``now``; None when there are none."""
        return min((due for queue in queues if (due := self._queues[queue].next_fresh(now)) is not None), default=None)

    def pop_due(self, now: Micros, most: int, queues: Iterable[int] | None = None) -> list[Popped]:
        """Takes out what is due at ``now`` or before in these queues, the more urgent first, from all tenants alike, ``most`` at most."""
        taken: list[Popped] = []
        for queue in self._queues if queues is None else [self._queues[number] for number in queues]:
            if len(taken) < most:
                taken += queue.pop_due(now, most - len(taken))
        for popped in taken:
            del self._share_of[popped[0]]
        return taken

    def spread(self, now: Micros, *, width: Micros) -> Counter[int]:
        """How many are due in each ``width`` from ``now`` on, by its number, to the precision of a tick; costs one step a tick."""
        spread = Counter[int]()
        for queue in self._queues:
            queue.add_spread(spread, now, width=width)
        return spread

    def __contains__(self, key: object) -> bool:
        return key in self._share_of

    def due_of(self, key: str) -> Micros | None:
        """When ``key`` is due; None when it is not here."""
        share = self._share_of.get(key)
        return None if share is None else share.due_of(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._share_of)
