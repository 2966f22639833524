"""The loader: brings alarms that are due within the horizon from the store into the time index, in the order of their due times.

Memory is bounded by a limit of the index. A tenant whose alarms fill it must not keep out those of the others: they are then read past it,
up to twice the limit.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from scheduler_svc.domain import Priority
from scheduler_svc.engine.timeline import Timeline
from scheduler_svc.ports import DueStore, Pending
from tocsin.recurrence import Micros

_PAGE: Final = 5000
_NEAR_PAGE: Final = 1000
_BEGINNING: Final = (-1, "")
_LIGHT_SHARE: Final = 16
_LOOK_PAST: Final[Micros] = 5_000_000
_URGENT: Final = (0,)
_ALL: Final = (0, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBounds:
    """What is loaded; lengths of time in microseconds.

    Attributes:
        horizon: how far ahead alarms are in memory.
        near: how far ahead those are looked for that no hint told of.
        limit: alarms in memory at most.
    """

    horizon: Micros
    near: Micros
    limit: int


@dataclass(slots=True)
class _Reach:
    """How far the loader has come. Critical alarms have a reach of their own, so that no number of others keeps them out of the index.

    Attributes:
        urgent: whether it is that of critical alarms.
        end: the cursor behind what is in the index.
        light: the same of the tenants that have few alarms there, when others have filled it.
    """

    urgent: bool
    end: tuple[Micros, str] = _BEGINNING
    light: tuple[Micros, str] = _BEGINNING

    @property
    def queues(self) -> tuple[int, ...]:
        """Those that it fills."""
        return _URGENT if self.urgent else _ALL

    @property
    def farthest(self) -> Micros:
        """Up to when somebody's alarms are in the index."""
        return max(self.end, self.light)[0]


class Loader:
    """Reads the store; one reading at a time."""

    def __init__(self, *, store: DueStore, timeline: Timeline, take: Callable[[Pending], None], bounds: LoadBounds) -> None:
        """Begins at the oldest overdue alarm.

        Args:
            store: where alarms are.
            timeline: the index; only its sizes are looked at.
            take: puts an alarm into the index, unless it is known.
            bounds: what is loaded.
        """
        self._store = store
        self._timeline = timeline
        self._take = take
        self._bounds = bounds
        self._reaches = (_Reach(urgent=True), _Reach(urgent=False))
        self._next_look_past: Micros = 0

    def begin_again(self) -> None:
        """Loads everything anew, from the oldest overdue on."""
        for reach in self._reaches:
            reach.end = reach.light = _BEGINNING

    def passed(self, pending: Pending) -> bool:
        """Whether an alarm that is due then would not be read any more."""
        urgent, others = self._reaches
        critical = pending.priority == Priority.CRITICAL
        return pending.due <= (max(urgent.farthest, others.farthest) if critical else others.farthest)

    async def load(self, shards: Collection[int], now: Micros) -> Micros:
        """Extends the index to the horizon, and finds what no hint told of.

        Returns:
            When the oldest alarm was due that has not fired yet; ``now`` without one.
        """
        oldest = now
        for reach in self._reaches:
            oldest = min(oldest, await self._load_near(reach, shards, now))
            await self._load_far(reach, shards, now)
        return oldest

    async def _load_far(self, reach: _Reach, shards: Collection[int], now: Micros) -> None:
        """Extends the index to the horizon, in pages, from where the last one ended."""
        until = now + self._bounds.horizon
        while reach.end[0] < now + self._bounds.horizon // 2 and self._timeline.size(reach.queues) < self._bounds.limit:
            after = reach.end
            page = await self._store.due(shards, after=after, until=until, most=_PAGE, urgent=reach.urgent)
            if reach.end == after:  # otherwise a shard was gained meanwhile: begin again
                reach.end = self._take_page(page, until)
        if reach.end[0] < now + self._bounds.near:
            await self._load_light(reach, shards, now)

    async def _load_light(self, reach: _Reach, shards: Collection[int], now: Micros) -> None:
        """Goes on for the tenants with few alarms in an index that others have filled."""
        until, limit = now + self._bounds.horizon, self._bounds.limit
        reach.light = max(reach.light, reach.end)
        while reach.light[0] < now + self._bounds.horizon // 2 and self._timeline.size(reach.queues) < 2 * limit:
            heavy = self._timeline.heavier(limit // _LIGHT_SHARE, reach.queues)
            if not heavy:
                return
            after = reach.light
            page = await self._store.due(shards, after=after, until=until, most=_PAGE, urgent=reach.urgent, without=heavy)
            if reach.light == after:
                reach.light = self._take_page(page, until)

    def _take_page(self, page: list[Pending], until: Micros) -> tuple[Micros, str]:
        for pending in page:
            self._take(pending)
        return (until + 1, "") if len(page) < _PAGE else (page[-1].due, page[-1].id)

    async def _load_near(self, reach: _Reach, shards: Collection[int], now: Micros) -> Micros:
        """Finds what is due very soon, or overdue, and no hint told of; when the oldest was due."""
        after, oldest, heavy, until = _BEGINNING, now, list[str](), now + self._bounds.near
        while True:
            page = await self._store.due(shards, after=after, until=until, most=_NEAR_PAGE, urgent=reach.urgent, without=heavy)
            for pending in page:
                self._take(pending)
            oldest = min(oldest, page[0].due) if page else oldest
            if len(page) < _NEAR_PAGE:
                return oldest
            after = (page[-1].due, page[-1].id)
            if after[0] <= now:
                # With a backlog that long nothing behind it could be on time, unless it is that of a few tenants alone.
                if heavy or not (heavy := self._backlogged(now)):
                    return oldest
                after = _BEGINNING

    def _backlogged(self, now: Micros) -> list[str]:
        """The tenants that make up a backlog; now and then only, for to look past them costs the database more than a page."""
        if now < self._next_look_past:
            return []
        self._next_look_past = now + _LOOK_PAST
        return self._timeline.heavier(_NEAR_PAGE // 2, _ALL)
