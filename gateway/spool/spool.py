"""The spool: durable, in order within a lane, bounded in calls and in bytes."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

from gateway.spool.store import Aside, Entry, SpoolStore, Tally
from tocsin.background import Wake
from tocsin.clock import Clock
from tocsin.database import GroupCommit
from tocsin.errors import TocsinError, Unavailable
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_RETRY_SECONDS: Final = 5.0
_BATCH: Final = 100
_BATCH_BYTES: Final = 1 << 20
_ASIDE_SHARE: Final = 4


class SpoolFull(Unavailable):
    """The service is away, and so much waits for it that no more can be taken on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolRule:
    """How much may wait.

    Attributes:
        all: calls and bytes of everybody; a quarter as much may be set aside beside it.
        tenant: calls and bytes of one tenant.
        strangers: calls of all who showed no token.
        address: of those, calls from one address.
    """

    all: Tally
    tenant: Tally
    strangers: int
    address: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """What is in the spool; the oldest call that waits came at ``first``, in microseconds since the Unix epoch, ``age`` seconds ago."""

    waiting: Tally
    first: int | None
    age: float
    aside: Tally


class Spool:
    """Calls that wait for a service that is away; a component."""

    def __init__(self, *, store: SpoolStore, rule: SpoolRule, clock: Clock) -> None:
        """Takes its store.

        Args:
            store: where calls wait.
            rule: how many may.
            clock: tells ages.
        """
        self._store = store
        self._rule = rule
        self._clock = clock
        self._commit = GroupCommit[Entry, None](flush=self._flush)
        self._lanes: dict[str, Tally] = {}
        self._all = Tally()
        self._strangers = Tally()
        self._aside = Tally()
        self._first: int | None = None
        self.news = Wake(clock)
        """Rings when a call is taken on."""

    async def start(self) -> None:
        """Counts what an earlier start has left."""
        self._lanes = await self._store.tallies()
        self._all = _sum(self._lanes.values())
        self._strangers = _sum(tally for lane, tally in self._lanes.items() if is_stranger(lane))
        self._aside = await self._store.aside_tally()
        self._first = await self._store.first_accepted()
        await self._commit.start()

    async def stop(self) -> None:
        """Takes no more."""
        await self._commit.stop()

    @property
    def depth(self) -> int:
        """How many wait."""
        return self._all.calls

    @property
    def lanes(self) -> Sequence[str]:
        """The lanes in which calls wait."""
        return tuple(self._lanes)

    @property
    def state(self) -> SpoolState:
        """What is in it now."""
        age = 0.0 if self._first is None else max(0.0, (self._clock.micros() - self._first) / 1e6)
        return SpoolState(waiting=self._all, first=self._first, age=age, aside=self._aside)

    def waits(self, lane: str) -> bool:
        """Whether calls of the lane wait: a new one must not overtake them."""
        return lane in self._lanes

    async def put(self, entry: Entry) -> None:
        """Takes a call on; it is durable when this returns.

        Raises:
            SpoolFull: too many wait, or too many of its lane.
        """
        self._check(entry)
        self._count(entry.lane, Tally(1, len(entry.request)))
        if self._first is None:
            self._first = entry.accepted
        # A caller that leaves meanwhile must not leave a call behind that is stored and not counted.
        await asyncio.shield(asyncio.ensure_future(self._store_one(entry)))

    async def _store_one(self, entry: Entry) -> None:
        try:
            await self._commit.submit(entry)
        except BaseException:
            self._count(entry.lane, Tally(-1, -len(entry.request)))
            raise
        self.news.set()

    async def take_over(self, entries: Sequence[Entry]) -> None:
        """Takes on what another gateway has left; no bound counts, for it was taken on before."""
        await self._store.add(entries)
        for entry in entries:
            self._count(entry.lane, Tally(1, len(entry.request)))
        self._first = await self._store.first_accepted()
        self.news.set()

    async def oldest(self, lane: str) -> list[Entry]:
        """The calls of a lane that came first, in order."""
        return await self._store.oldest(lane, most=_BATCH, most_bytes=_BATCH_BYTES)

    async def done(self, entries: Sequence[Entry]) -> None:
        """Forgets calls that are over."""
        await self._store.remove([entry.number for entry in entries])
        await self._gone(entries)

    async def set_aside(self, aside: Aside) -> None:
        """Sets a call aside that fails for good. There is room for a quarter of what may wait; beyond it the oldest are dropped."""
        whole = self._rule.all
        dropped = await self._store.put_aside(aside, most=Tally(max(1, whole.calls // _ASIDE_SHARE), whole.bytes // _ASIDE_SHARE))
        if dropped:
            _log.error("spooled calls dropped: too many are set aside", calls=dropped)
        self._aside = await self._store.aside_tally()
        await self._gone([aside.entry])

    async def page(self, *, after: int, most: int, tenant: str) -> list[Aside]:
        """Calls that are set aside, the oldest first, behind a number."""
        return await self._store.aside_page(after=after, most=most, tenant=tenant)

    async def find(self, number: int) -> Aside | None:
        """One of them."""
        return await self._store.aside(number)

    async def retry(self, aside: Aside) -> bool:
        """Lets a call wait again, before all others of its lane; whether it was still set aside."""
        found = await self._store.restore(aside.entry.number)
        if found:
            self._count(aside.entry.lane, Tally(1, len(aside.entry.request)))
            self._first = await self._store.first_accepted()
            self.news.set()
        self._aside = await self._store.aside_tally()
        return found

    async def drop(self, number: int) -> bool:
        """Forgets a call that is set aside; whether it was."""
        found = await self._store.drop(number)
        self._aside = await self._store.aside_tally()
        return found

    async def _flush(self, batch: Sequence[Entry]) -> Sequence[TocsinError | None]:
        await self._store.add(batch)
        return [None] * len(batch)

    async def _gone(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._count(entry.lane, Tally(-1, -len(entry.request)))
        self._first = await self._store.first_accepted()

    def _check(self, entry: Entry) -> None:
        rule, size, lane = self._rule, len(entry.request), self._lanes.get(entry.lane, Tally())
        if is_stranger(entry.lane):
            if self._strangers.calls >= rule.strangers or lane.calls >= rule.address:
                raise SpoolFull(
                    "The service is away, and no more can be taken on from callers without a token.", retry_after=_RETRY_SECONDS
                )
        elif lane.calls >= rule.tenant.calls or lane.bytes + size > rule.tenant.bytes:
            raise SpoolFull("The service is away, and your share of what may wait for it is used up.", retry_after=_RETRY_SECONDS)
        ours = Tally(self._all.calls - self._strangers.calls, self._all.bytes - self._strangers.bytes)
        if not is_stranger(entry.lane) and (ours.calls >= rule.all.calls or ours.bytes + size > rule.all.bytes):
            raise SpoolFull(retry_after=_RETRY_SECONDS)

    def _count(self, lane: str, more: Tally) -> None:
        self._all = _plus(self._all, more)
        if is_stranger(lane):
            self._strangers = _plus(self._strangers, more)
        tally = _plus(self._lanes.get(lane, Tally()), more)
        if tally.calls > 0:
            self._lanes[lane] = tally
        else:
            self._lanes.pop(lane, None)
        if not self._lanes:
            self._first = None


def is_stranger(lane: str) -> bool:
    """Whether the lane is that of an address, from which somebody called without a token."""
    return lane.startswith("@")


def _plus(one: Tally, other: Tally) -> Tally:
    return Tally(one.calls + other.calls, one.bytes + other.bytes)


def _sum(tallies: Iterable[Tally]) -> Tally:
    return reduce(_plus, tallies, Tally())
