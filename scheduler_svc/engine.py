"""The engine: brings what is due soon into memory, and lets it go on time.

Far alarms stay in the store. The loader brings those due within the horizon into the time index; what is due leaves it in batches, each
through one transaction of the store. A hint about a change reaches the index at once, and when one is lost the loader finds the alarm.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from scheduler_svc.background import Background, Wake
from scheduler_svc.domain import Parcel
from scheduler_svc.planning import Plan, Schedule, plan
from scheduler_svc.ports import Changes, Due, DueStore, Fired, Observer, Pending, Shards
from scheduler_svc.recurrence import END_OF_TIME, Micros, compiled
from scheduler_svc.timeline import Timeline
from tocsin.clock import Clock
from tocsin.errors import Aborted, Unavailable

_SECOND: Final = 1_000_000
_PAGE: Final = 5000
_NEAR_PAGE: Final = 1000
_BEGINNING: Final = (-1, "")
_BUSY_SECONDS: Final = 0.2


class Outlet(Protocol):
    """Where firings go."""

    def offer(self, parcels: Iterable[Parcel]) -> None:
        """Takes firings that are in the ledger."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Bounds of the engine; lengths of time in microseconds.

    Attributes:
        batch_size: alarms in one transaction.
        ledger_batch: ledger rows in one transaction, which catching up may need more of than alarms.
        horizon: how far ahead alarms are in memory.
        index_limit: alarms in memory at most.
        heal_seconds: how often the loader looks for what no hint told of.
        near: how far ahead it looks then.
        grace: with catch-up NONE, a due time that is late by more than this counts as missed.
        tick: width of a bucket of the time index.
    """

    batch_size: int = 1000
    ledger_batch: int = 5000
    horizon: Micros = 60 * _SECOND
    index_limit: int = 200_000
    heal_seconds: float = 1.0
    near: Micros = 2 * _SECOND
    grace: Micros = 30 * _SECOND
    tick: Micros = 10_000


class Engine:
    """Lets alarms go when they are due; a component."""

    def __init__(
        self,
        *,
        store: DueStore,
        shards: Shards,
        outlet: Outlet,
        changes: Changes,
        observer: Observer,
        clock: Clock,
        options: EngineOptions,
    ) -> None:
        self._store = store
        self._shards = shards
        self._outlet = outlet
        self._changes = changes
        self._observer = observer
        self._clock = clock
        self._options = options
        self.timeline = Timeline(tick=options.tick)
        self._loaded = _BEGINNING
        self._in_hand: set[str] = set()
        self._overruled: set[str] = set()
        self._sleeping_until: Micros = 0
        self._wake = Wake(clock)
        self._load_wake = Wake(clock)
        self._loops = Background(clock)
        self.overdue: float = 0.0
        """Age in seconds of the oldest due time that is not in the ledger, when last looked at."""

    # -- life --------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to load and to fire."""
        if not self._loops.running:
            self._loops.start("load", self._load_forever)
            self._loops.start("fire", self._fire_forever)

    async def stop(self) -> None:
        """Ends; a transaction that runs is given up, and so took place or did not."""
        await self._loops.stop()

    @property
    def failing(self) -> dict[str, str]:
        """Loops that do not work, with the reason."""
        return self._loops.failing

    # -- hints ---------------------------------------------------------------------------------------------------------------

    def shards_gained(self, shards: Collection[int]) -> None:
        """These shards are ours now: everything is loaded anew, from the oldest overdue on."""
        if shards:
            self._loaded = _BEGINNING
            self._load_wake.set()

    def shards_lost(self, shards: Collection[int]) -> None:
        """These shards are somebody else's now. Their alarms stay in the index: the transaction refuses them."""

    def hint(self, pending: Pending) -> None:
        """The alarm is due at that time now."""
        self._overruled.add(pending.id) if pending.id in self._in_hand else None
        if pending.due <= self._loaded[0]:
            self._insert(pending)
        else:
            self.timeline.cancel(pending.id)

    def cancel(self, alarm: str) -> None:
        """The alarm fires no more. Were this lost, the transaction would notice."""
        self._overruled.add(alarm) if alarm in self._in_hand else None
        self.timeline.cancel(alarm)

    def _insert(self, pending: Pending) -> None:
        self.timeline.insert(pending.id, pending.due, pending.priority - 1)
        if pending.due < self._sleeping_until:
            self._wake.set()

    # -- loading ---------------------------------------------------------------------------------------------------------------

    async def _load_forever(self) -> None:
        while True:
            await self._load()
            self._loops.worked("load")
            await self._load_wake.wait(self._options.heal_seconds)

    async def _load(self) -> None:
        shards = self._shards.held.keys()
        now = self._clock.micros()
        if not shards:
            return
        await self._load_far(shards, now)
        await self._load_near(shards, now)

    async def _load_far(self, shards: Collection[int], now: Micros) -> None:
        """Extends the index to the horizon, in pages, from where the last one ended."""
        until = now + self._options.horizon
        while self._loaded[0] < now + self._options.horizon // 2 and len(self.timeline) < self._options.index_limit:
            after = self._loaded
            page = await self._store.due(shards, after=after, until=until, most=_PAGE)
            if self._loaded != after:
                continue  # a shard was gained meanwhile: begin again
            for pending in page:
                self._load_one(pending)
            self._loaded = (until + 1, "") if len(page) < _PAGE else (page[-1].due, page[-1].id)

    async def _load_near(self, shards: Collection[int], now: Micros) -> None:
        """Finds what is due very soon, or overdue, and no hint told of."""
        after, oldest = _BEGINNING, now
        while True:
            page = await self._store.due(shards, after=after, until=now + self._options.near, most=_NEAR_PAGE)
            for pending in page:
                self._load_one(pending)
            oldest = min(oldest, page[0].due) if page else oldest
            if len(page) < _NEAR_PAGE or page[-1].due <= now:
                break  # with a backlog that long nothing behind it could be on time
            after = (page[-1].due, page[-1].id)
        self.overdue = max(0.0, (now - oldest) / _SECOND)

    def _load_one(self, pending: Pending) -> None:
        if self.timeline.due_of(pending.id) != pending.due and pending.id not in self._in_hand:
            self._insert(pending)

    # -- firing ------------------------------------------------------------------------------------------------------------------

    async def _fire_forever(self) -> None:
        while True:
            now = self._clock.micros()
            due = self.timeline.next_due()
            if due is None or due > now:
                self._sleeping_until = END_OF_TIME if due is None else due
                await self._wake.wait(None if due is None else (due - now) / _SECOND)
                self._sleeping_until = 0
            elif self._shards.held:
                await self._fire(now)
            else:
                await self._wake.wait(_BUSY_SECONDS)

    async def _fire(self, now: Micros) -> None:
        """Lets one batch go."""
        batch = self.timeline.pop_due(now, self._options.batch_size)
        self._in_hand = {alarm for alarm, _, _ in batch}
        started = self._clock.monotonic()
        try:
            fired = await self._store.fire(
                [(alarm, due) for alarm, due, _ in batch],
                owner=self._shards.owner,
                held=self._shards.held,
                now=now,
                most=self._options.ledger_batch,
                planner=lambda alarm, room: self._plan(alarm, now, room),
            )
        except (Unavailable, Aborted) as error:
            self._put_back(batch)
            self._loops.failing["fire"] = error.message
            await self._clock.sleep(_BUSY_SECONDS)
            return
        except BaseException:
            self._put_back(batch)
            raise
        self._loops.worked("fire")
        self._settle(fired)
        self._observer.fired(fired, now=now, seconds=self._clock.monotonic() - started)
        await self._changes.changed(fired.tenants)

    def _settle(self, fired: Fired) -> None:
        self._outlet.offer(fired.parcels)
        for pending in fired.next:
            if pending.id not in self._overruled and pending.due <= self._loaded[0]:
                self._insert(pending)
        self._in_hand.clear()
        self._overruled.clear()

    def _put_back(self, batch: Iterable[tuple[str, Micros, int]]) -> None:
        for alarm, due, lane in batch:
            if alarm not in self._overruled:
                self.timeline.insert(alarm, due, lane)
        self._in_hand.clear()
        self._overruled.clear()

    def _plan(self, alarm: Due, now: Micros, room: int) -> Plan:
        try:
            schedule = Schedule(
                trigger=compiled(alarm.trigger, alarm.anchor, seed=alarm.id), due=alarm.due, ordinal=alarm.ordinal, skip_before=alarm.skip_before
            )
            return plan(schedule, now=now, most=room, grace=self._options.grace)
        except Exception as error:  # noqa: BLE001  one alarm that cannot be read must not hold up the others; it stays due and is told
            structlog.get_logger(__name__).error("alarm cannot be planned", alarm=alarm.id, exc_info=error)
            return Plan((), alarm.due, alarm.ordinal)
