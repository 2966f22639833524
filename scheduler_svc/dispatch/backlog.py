"""The firings that wait: ready ones in lanes, those whose next attempt is near in a time index, all others in the store."""

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Final

from scheduler_svc.dispatch.chains import Chains
from scheduler_svc.dispatch.lanes import Lanes
from scheduler_svc.dispatch.spill import Spill
from scheduler_svc.domain import SERIAL, Parcel, Priority
from scheduler_svc.ports import Ledger, Shards
from scheduler_svc.recurrence import Micros
from scheduler_svc.timeline import TimeIndex
from tocsin.clock import Clock

_SECOND: Final = 1_000_000
_PAGE: Final = 5000


class Backlog:
    """What waits for a processor. Memory is bounded: ``limit`` firings of each lane, and as many that wait for their next attempt."""

    def __init__(self, *, ledger: Ledger, shards: Shards, clock: Clock, limit: int, horizon: Micros, out: Callable[[str], bool]) -> None:
        """Begins empty.

        Args:
            ledger: where everything that waits is kept.
            shards: whose firings may be here.
            clock: source of time.
            limit: firings of one lane in memory.
            horizon: a firing whose next attempt is further away waits in the store alone; microseconds.
            out: whether a firing is with a processor, or its result is about to be committed.
        """
        self.lanes = Lanes(limit=limit)
        self.chains = Chains()
        self._ledger = ledger
        self._shards = shards
        self._clock = clock
        self._limit = limit
        self._horizon = horizon
        self._out = out
        self._later: dict[str, Parcel] = {}
        self._later_index = TimeIndex()
        self._spills = {int(priority): Spill() for priority in Priority}
        self._settled: set[str] | None = None

    @property
    def later(self) -> int:
        """Firings in memory whose next attempt is to come."""
        return len(self._later)

    def knows(self, firing: str) -> bool:
        """Whether the firing is in memory, here or with a processor."""
        return firing in self.lanes or firing in self._later or self._out(firing)

    def add(self, parcel: Parcel) -> None:
        """Takes a firing that is in the ledger, unless it is in memory; for one that waits for others, it is looked up whose turn it is."""
        if parcel.flags & SERIAL:
            self.chains.ask(parcel.alarm)
        elif not self.knows(parcel.id):
            self.place(parcel)

    def place(self, parcel: Parcel) -> None:
        """Puts a parcel whose turn it is where it belongs: a lane, the time index, or nowhere but the store."""
        now = self._clock.micros()
        if parcel.ready <= now and self.lanes.admits(parcel):
            self.lanes.push(parcel)
        elif now < parcel.ready <= now + self._horizon and len(self._later) < self._limit:
            self._later[parcel.id] = parcel
            self._later_index.insert(parcel.id, parcel.ready)
        else:
            self.chains.leave(parcel)
            self._spills[parcel.priority].add(parcel.ready)

    def put_back(self, parcel: Parcel) -> None:
        """A parcel that was out is ready again, before all others of its tenant."""
        if parcel.shard in self._shards.held:
            self.lanes.push(parcel, first=True)
        else:
            self.chains.leave(parcel)

    def discard(self, firing: str) -> Parcel | None:
        """Forgets a firing; None when it does not wait here."""
        self._later_index.cancel(firing)
        return self.lanes.discard(firing) or self._later.pop(firing, None)

    def settle(self, firing: str) -> None:
        """A result was committed: what a reading of the store that runs now says of this firing may be old."""
        if self._settled is not None:
            self._settled.add(firing)

    def read_all(self) -> None:
        """Anything may be in the store: a shard is new here."""
        for spill in self._spills.values():
            spill.all()

    def drop_shards(self, shards: Collection[int]) -> None:
        """Forgets everything of these shards."""
        later = [parcel for parcel in self._later.values() if parcel.shard in shards]
        for parcel in later:
            self.discard(parcel.id)
        for parcel in (*later, *self.lanes.drop_shards(shards)):
            self.chains.leave(parcel)

    def ripen(self) -> None:
        """Moves what has become ready into its lane."""
        for firing, _ in self._later_index.pop_due(self._clock.micros(), len(self._later)):
            self.place(self._later.pop(firing))

    @property
    def starving(self) -> bool:
        """Whether firings in the store could be read now."""
        now = self._clock.micros()
        return bool(self.chains.asked) or any(
            self._starves(priority, spill) and spill.at <= now for priority, spill in self._spills.items()
        )

    def _starves(self, priority: int, spill: Spill) -> bool:
        return spill.after is not None and bool(self._shards.held) and self.lanes.size(priority) <= self._limit // 2

    async def refill(self) -> bool:
        """Reads a page of each lane that has room and something in the store; whether anything was read."""
        now = self._clock.micros()
        hungry = [(priority, spill) for priority, spill in self._spills.items() if self._starves(priority, spill) and spill.at <= now]
        for priority, spill in hungry:
            await self._read(priority, spill)
        alarms = self.chains.take(_PAGE)
        if alarms:
            await self._read_heads(alarms)
        return bool(hungry or alarms)

    async def _read(self, priority: int, spill: Spill) -> None:
        asked = min(self._limit, _PAGE)
        horizon = self._clock.micros() + self._horizon
        after = spill.begin()
        with self._noting() as settled:
            rows = await self._ledger.waiting(self._shards.held.keys(), priority=priority, after=after, until=horizon, most=asked)
        taken = self._take_in(rows, settled)
        spill.read(rows, asked=asked, taken=taken)
        if spill.after is None:
            spill.add(horizon)  # what is ready after that was not asked for

    def _take_in(self, rows: Sequence[Parcel], settled: Collection[str]) -> int:
        """Places rows in order, as long as there is room; how many are in memory, wait for others, or do not matter any more."""
        now, held = self._clock.micros(), self._shards.held
        for taken, parcel in enumerate(rows):
            if self.knows(parcel.id) or parcel.id in settled or parcel.shard not in held:
                continue
            if parcel.flags & SERIAL:
                self.chains.ask(parcel.alarm)
                continue
            full = len(self._later) >= self._limit if parcel.ready > now else not self.lanes.admits(parcel)
            if full:
                return taken
            self.place(parcel)
        return len(rows)

    async def _read_heads(self, alarms: Collection[str]) -> None:
        """Places the next firing of each of these alarms."""
        try:
            with self._noting() as settled:
                rows = await self._ledger.heads(self._shards.held.keys(), alarms=alarms)
        except BaseException:
            self.chains.again(alarms)
            raise
        for parcel in rows:
            if parcel.id in settled:
                self.chains.ask(parcel.alarm)
            elif parcel.shard in self._shards.held and not self.knows(parcel.id) and self.chains.begin(parcel):
                self.place(parcel)

    @contextmanager
    def _noting(self) -> Generator[set[str]]:
        """Collects the firings whose results are committed meanwhile."""
        settled = self._settled = set()
        try:
            yield settled
        finally:
            self._settled = None

    def next_look(self) -> float:
        """Seconds until something becomes ready that nobody rings for; infinite when nothing does."""
        now = self._clock.micros()
        times = [spill.at for priority, spill in self._spills.items() if self._starves(priority, spill)]
        due = self._later_index.next_due()
        if due is not None:
            times.append(due)
        return (min(times) - now) / _SECOND if times else float("inf")

    def oldest(self) -> Micros | None:
        """When the oldest firing was due that waits in a lane."""
        return min((parcel.due for parcel in self.lanes), default=None)
