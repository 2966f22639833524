"""The time index: what is due soon, in memory. Pure.

A calendar queue: entries hang in buckets, one a tick; a heap knows which ticks have a bucket. Insert and cancel touch one dictionary entry,
and a pop takes what is due from the front of a bucket: O(1) an alarm, whatever their number. The heap grows with the number of ticks
within the horizon, not with the alarms. Within a tick entries leave in the order of their due times, and nothing leaves before its time.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeAlias

from scheduler_svc.recurrence import Micros

DEFAULT_TICK: Final[Micros] = 10_000
Popped: TypeAlias = tuple[str, Micros, int]
"""A key that left the index, with its due time and its lane."""


@dataclass(slots=True)
class _Bucket:
    entries: dict[str, Micros] = field(default_factory=dict[str, Micros])
    ordered: bool = True
    last: Micros = 0


class TimeIndex:
    """Ids by due time."""

    def __init__(self, *, tick: Micros = DEFAULT_TICK) -> None:
        self._tick = tick
        self._due: dict[str, Micros] = {}
        self._buckets: dict[int, _Bucket] = {}
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
            bucket = self._buckets[tick] = _Bucket()
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
    def _ordered(bucket: _Bucket) -> dict[str, Micros]:
        if not bucket.ordered:
            bucket.entries = dict(sorted(bucket.entries.items(), key=_by_due))
            bucket.ordered = True
        return bucket.entries


def _until(bucket: _Bucket, now: Micros) -> Iterator[tuple[str, Micros]]:
    for key, due in bucket.entries.items():
        if due > now:
            return
        yield key, due


def _by_due(entry: tuple[str, Micros]) -> Micros:
    return entry[1]


class Timeline:
    """One time index a priority lane: of what is due at once, the more urgent leaves first."""

    def __init__(self, *, lanes: int = 3, tick: Micros = DEFAULT_TICK) -> None:
        self._lanes = [TimeIndex(tick=tick) for _ in range(lanes)]
        self._lane_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._lane_of)

    def insert(self, key: str, due: Micros, lane: int) -> None:
        """Puts ``key`` in at ``due``; one that is here already moves."""
        before = self._lane_of.get(key, lane)
        if before != lane:
            self._lanes[before].cancel(key)
        self._lane_of[key] = lane
        self._lanes[lane].insert(key, due)

    def cancel(self, key: str) -> bool:
        """Takes ``key`` out; whether it was here."""
        lane = self._lane_of.pop(key, None)
        return lane is not None and self._lanes[lane].cancel(key)

    def size(self, lanes: Iterable[int]) -> int:
        """How many keys are in these lanes."""
        return sum(len(self._lanes[lane]) for lane in lanes)

    def next_due(self, lanes: Iterable[int] | None = None) -> Micros | None:
        """The earliest due time in these lanes, in all of them without; None when nothing is there."""
        indexes = self._lanes if lanes is None else [self._lanes[lane] for lane in lanes]
        return min((due for index in indexes if (due := index.next_due()) is not None), default=None)

    def pop_due(self, now: Micros, most: int, lanes: Iterable[int] | None = None) -> list[Popped]:
        """Takes out what is due at ``now`` or before in these lanes, the more urgent first, ``most`` at most."""
        taken: list[Popped] = []
        for lane in range(len(self._lanes)) if lanes is None else lanes:
            if len(taken) < most:
                taken += [(key, due, lane) for key, due in self._lanes[lane].pop_due(now, most - len(taken))]
        for key, _, _ in taken:
            del self._lane_of[key]
        return taken

    def spread(self, now: Micros, *, width: Micros) -> Counter[int]:
        """How many are due in each ``width`` from ``now`` on, by its number, to the precision of a tick; costs one step a tick."""
        spread = Counter[int]()
        for index in self._lanes:
            index.add_spread(spread, now, width=width)
        return spread

    def __contains__(self, key: object) -> bool:
        return key in self._lane_of

    def due_of(self, key: str) -> Micros | None:
        """When ``key`` is due; None when it is not here."""
        lane = self._lane_of.get(key)
        return None if lane is None else self._lanes[lane].due_of(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lane_of)
