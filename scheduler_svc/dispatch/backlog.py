"""The firings that wait: ready ones in queues, those whose next attempt is near in a time index, all others in the store.

Memory holds a bounded number of firings. The others of a priority are behind a cursor (`Overflow`): every unfinished firing of the owned
shards that is not in memory sorts behind it. Reading from the cursor on finds them all; those that are in memory as well are passed over.

Firings of an alarm that go one after the other (`Chains`): the ledger is the queue, and says which one is next, the unfinished one that was
due first. Here is only which one is in memory, and of which alarms the next one is to be looked up.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

from scheduler_svc.dispatch.queues import PriorityQueues
from scheduler_svc.dispatch.routing import Suspects
from scheduler_svc.domain import SERIAL, Priority, QueuedFiring
from scheduler_svc.engine.timeline import TimeIndex
from scheduler_svc.ports import Ledger, Shards
from tocsin.clock import SECOND, Clock
from tocsin.priority import nearest
from tocsin.recurrence import Micros

_PAGE: Final = 5000
_REMEMBERED: Final = 100_000
"""Firings found in the ledger whose result is known: some 10 MB."""

Cursor: TypeAlias = tuple[Micros, str]
_START: Final[Cursor] = (-1, "")


class Overflow:
    """Firings of one priority that are in the store alone. Pure.

    Attributes:
        after: they sort behind this (ready, id); None when there are none.
        at: none of them is ready before this.
    """

    __slots__ = ("_meanwhile", "after", "at")

    def __init__(self) -> None:
        self.after: Cursor | None = None
        self.at: Micros = 0
        self._meanwhile: Cursor | None = None

    def all(self) -> None:
        """Anything may be in the store: a shard is new here."""
        self._lower(_START)

    def add(self, ready: Micros) -> None:
        """A firing that is ready at ``ready`` stays in the store."""
        self._lower((ready, ""))

    def _lower(self, cursor: Cursor) -> None:
        self.after, self.at = (cursor, cursor[0]) if self.after is None else (min(self.after, cursor), min(self.at, cursor[0]))
        self._meanwhile = cursor if self._meanwhile is None else min(self._meanwhile, cursor)

    def begin(self) -> Cursor:
        """Where to read from; what is added from now on may be missing in what is read."""
        self._meanwhile = None
        return self.after or _START

    def read(self, rows: Sequence[QueuedFiring], *, asked: int, taken: int) -> None:
        """Reading ``asked`` firings gave ``rows``, of which the first ``taken`` are in memory now."""
        if taken == len(rows) < asked:
            self.after, self.at = None, 0
        else:
            if taken:
                self.after = (rows[taken - 1].ready, rows[taken - 1].id)
            self.at = rows[min(taken, len(rows) - 1)].ready
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            self._lower(meanwhile)


class Chains:
    """The alarms whose firings wait for one another, as far as one of them is in memory. Pure.

    Attributes:
        asked: alarms whose next firing is to be looked up.
    """

    __slots__ = ("_heads", "asked")

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._heads: dict[str, str] = {}

    def ask(self, alarm: str) -> None:
        """There may be a firing of the alarm that can go; whether it can shows once the one in memory has ended."""
        if alarm not in self._heads:
            self.asked.add(alarm)

    def take(self, most: int) -> list[str]:
        """The alarms that are to be looked up now."""
        taken = sorted(self.asked)[:most]
        self.asked.difference_update(taken)
        return taken

    def again(self, alarms: Collection[str]) -> None:
        """Looking these up has failed."""
        self.asked.update(alarms)

    def begin(self, queued: QueuedFiring) -> bool:
        """The firing's turn has come; False when another one of its alarm is in memory."""
        return self._heads.setdefault(queued.alarm, queued.id) == queued.id

    def leave(self, queued: QueuedFiring) -> None:
        """The firing is in memory no longer."""
        if queued.flags & SERIAL and self._heads.get(queued.alarm) == queued.id:
            del self._heads[queued.alarm]

    def end(self, queued: QueuedFiring) -> None:
        """The firing's work is over: the next one can go."""
        if queued.flags & SERIAL:
            self.leave(queued)
            self.ask(queued.alarm)


class Backlog:
    """What waits for a processor. Memory is bounded: ``limit`` firings of each queue, and as many that wait for their next attempt."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        shards: Shards,
        suspects: Suspects,
        clock: Clock,
        limit: int,
        horizon: Micros,
        out: Callable[[str], bool],
    ) -> None:
        """Begins empty.

        Args:
            ledger: where everything that waits is kept.
            shards: whose firings may be here.
            suspects: those that wait for a processor of their own.
            clock: source of time.
            limit: firings of one queue in memory.
            horizon: a firing whose next attempt is further away waits in the store alone; microseconds.
            out: whether a firing is with a processor, or its result is about to be committed.
        """
        self.queues = PriorityQueues(limit=limit)
        self.chains = Chains()
        self._ledger = ledger
        self._shards = shards
        self._suspects = suspects
        self._clock = clock
        self._limit = limit
        self._horizon = horizon
        self._out = out
        self._later: dict[str, QueuedFiring] = {}
        self._later_index = TimeIndex()
        self._overflows = {int(priority): Overflow() for priority in Priority}
        self._settled: set[str] | None = None
        self._tried: dict[str, Micros] = {}
        self._stopped: frozenset[str] = frozenset()

    @property
    def later(self) -> int:
        """Firings in memory whose next attempt is to come."""
        return len(self._later)

    def knows(self, firing: str) -> bool:
        """Whether the firing is in memory, here or with a processor."""
        return firing in self.queues or firing in self._later or self._out(firing)

    def add(self, queued: QueuedFiring) -> None:
        """Takes a firing that is in the ledger, unless it is in memory; for one that waits for others, it is looked up whose turn it is.

        An offer may be late: its transaction had committed long before it could say so, and the firing was found, and worked on, meanwhile.
        A replayed one is ready later than it was.
        """
        if queued.tenant in self._stopped:
            return
        if queued.flags & SERIAL:
            self.chains.ask(queued.alarm)
        elif queued.ready > self._tried.get(queued.id, -1) and not self.knows(queued.id):
            self.place(queued)

    def place(self, queued: QueuedFiring) -> None:
        """Puts a queued whose turn it is where it belongs: a queue, the time index, or nowhere but the store."""
        now = self._clock.micros()
        if queued.tenant in self._stopped:
            self.chains.leave(queued)
        elif queued.ready <= now and self.queues.admits(queued):
            self.queues.push(queued)
        elif now < queued.ready <= now + self._horizon and len(self._later) < self._limit:
            self._later[queued.id] = queued
            self._later_index.insert(queued.id, queued.ready)
        else:
            self.chains.leave(queued)
            self._overflows[nearest(queued.priority)].add(queued.ready)

    def put_back(self, queued: QueuedFiring) -> None:
        """A firing that was out is ready again, before all others of its tenant."""
        if queued.shard in self._shards.held and queued.tenant not in self._stopped:
            self.queues.push(queued, first=True)
        else:
            self.chains.leave(queued)

    def discard(self, firing: str) -> QueuedFiring | None:
        """Forgets a firing; None when it does not wait here."""
        self._later_index.cancel(firing)
        return self.queues.discard(firing) or self._later.pop(firing, None)

    def settle(self, firing: str, queued: QueuedFiring | None) -> None:
        """A result was committed: what a reading of the store that runs now says of this firing may be old, and so may an offer of it."""
        if self._settled is not None:
            self._settled.add(firing)
        if queued is None or queued.found:
            self._tried[firing] = self._clock.micros() if queued is None else queued.ready
            if len(self._tried) > _REMEMBERED:
                del self._tried[next(iter(self._tried))]

    def read_all(self) -> None:
        """Anything may be in the store: a shard is new here."""
        for overflow in self._overflows.values():
            overflow.all()

    def drop_shards(self, shards: Collection[int]) -> None:
        """Forgets everything of these shards."""
        self._drop(lambda queued: queued.shard in shards)

    def stop_tenants(self, tenants: frozenset[str]) -> None:
        """Everything of these tenants, and of no other, waits in the store from now on."""
        self._stopped, before = tenants, self._stopped
        if tenants - before:
            self._drop(lambda queued: queued.tenant in tenants)
        if before - tenants:
            self.read_all()

    def _drop(self, which: Callable[[QueuedFiring], bool]) -> None:
        later = [queued for queued in self._later.values() if which(queued)]
        for queued in later:
            self.discard(queued.id)
        for queued in (*later, *self.queues.drop(which), *self._suspects.drop(which)):
            self.chains.leave(queued)

    def ripen(self) -> None:
        """Moves what has become ready into its queue."""
        for firing, _ in self._later_index.pop_due(self._clock.micros(), len(self._later)):
            self.place(self._later.pop(firing))

    @property
    def starving(self) -> bool:
        """Whether firings in the store could be read now."""
        now = self._clock.micros()
        return bool(self.chains.asked) or any(
            self._starves(priority, overflow) and overflow.at <= now for priority, overflow in self._overflows.items()
        )

    def _starves(self, priority: int, overflow: Overflow) -> bool:
        return overflow.after is not None and bool(self._shards.held) and self.queues.size(priority) <= self._limit // 2

    async def refill(self) -> bool:
        """Reads a page of each queue that has room and something in the store; whether anything was read."""
        now = self._clock.micros()
        hungry = [
            (priority, overflow)
            for priority, overflow in self._overflows.items()
            if self._starves(priority, overflow) and overflow.at <= now
        ]
        for priority, overflow in hungry:
            await self._read(priority, overflow)
        alarms = self.chains.take(_PAGE)
        if alarms:
            await self._read_heads(alarms)
        return bool(hungry or alarms)

    async def _read(self, priority: int, overflow: Overflow) -> None:
        asked = min(self._limit, _PAGE)
        horizon = self._clock.micros() + self._horizon
        after = overflow.begin()
        with self._noting() as settled:
            rows = await self._ledger.waiting(
                self._shards.held.keys(), priority=priority, after=after, until=horizon, most=asked, without=sorted(self._stopped)
            )
        taken = self._take_in(rows, settled)
        overflow.read(rows, asked=asked, taken=taken)
        if overflow.after is None:
            overflow.add(horizon)  # what is ready after that was not asked for

    def _take_in(self, rows: Sequence[QueuedFiring], settled: Collection[str]) -> int:
        """Places rows in order, as long as there is room; how many are in memory, wait for others, or do not matter any more."""
        now, held = self._clock.micros(), self._shards.held
        for taken, queued in enumerate(rows):
            if self.knows(queued.id) or queued.id in settled or queued.shard not in held or queued.tenant in self._stopped:
                continue
            if queued.flags & SERIAL:
                self.chains.ask(queued.alarm)
                continue
            full = len(self._later) >= self._limit if queued.ready > now else not self.queues.admits(queued)
            if full:
                return taken
            queued.found = True
            self.place(queued)
        return len(rows)

    async def _read_heads(self, alarms: Collection[str]) -> None:
        """Places the next firing of each of these alarms."""
        try:
            with self._noting() as settled:
                rows = await self._ledger.heads(self._shards.held.keys(), alarms=alarms)
        except BaseException:
            self.chains.again(alarms)
            raise
        for queued in rows:
            if queued.tenant in self._stopped:
                continue
            if queued.id in settled:
                self.chains.ask(queued.alarm)
            elif queued.shard in self._shards.held and not self.knows(queued.id) and self.chains.begin(queued):
                self.place(queued)

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
        times = [overflow.at for priority, overflow in self._overflows.items() if self._starves(priority, overflow)]
        due = self._later_index.next_due()
        if due is not None:
            times.append(due)
        return (min(times) - now) / SECOND if times else float("inf")

    def oldest(self) -> Micros | None:
        """When the oldest firing was due that waits in a queue."""
        return min((queued.due for queued in self.queues), default=None)
