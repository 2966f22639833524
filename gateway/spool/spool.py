"""The spool: durable, in order within a queue, bounded in calls and in bytes."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

from gateway.spool.store import SetAsideCall, SpooledCall, SpoolStore, SpoolUse
from tocsin.clock import Clock
from tocsin.database import GroupCommit
from tocsin.errors import TocsinError, Unavailable
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

_RETRY_SECONDS: Final = 5.0
_BATCH: Final = 100
_BATCH_BYTES: Final = 1 << 20
_SET_ASIDE_SHARE: Final = 4


class SpoolFull(Unavailable):
    """The service is unavailable and the spool is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolRule:
    """How much may wait.

    Attributes:
        all: calls and bytes of everybody; a quarter as much may be set aside beside it.
        tenant: calls and bytes of one tenant.
        anonymous: calls of all who showed no token.
        address: of those, calls from one address.
    """

    all: SpoolUse
    tenant: SpoolUse
    anonymous: int
    address: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """What is in the spool; the oldest call that waits came at ``first``, in microseconds since the Unix epoch, ``age`` seconds ago."""

    waiting: SpoolUse
    first: int | None
    age: float
    set_aside: SpoolUse


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
        self._commit = GroupCommit[SpooledCall, None](flush=self._flush)
        self._queues: dict[str, SpoolUse] = {}
        self._all = SpoolUse()
        self._anonymous = SpoolUse()
        self._set_aside = SpoolUse()
        self._first: int | None = None
        self.news = Wake(clock)
        """Rings when a call is taken on."""

    async def start(self) -> None:
        """Counts what an earlier start has left."""
        self._queues = await self._store.use_by_queue()
        self._all = _sum(self._queues.values())
        self._anonymous = _sum(use for queue, use in self._queues.items() if is_anonymous(queue))
        self._set_aside = await self._store.set_aside_use()
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
    def queues(self) -> Sequence[str]:
        """The queues in which calls wait."""
        return tuple(self._queues)

    @property
    def state(self) -> SpoolState:
        """What is in it now."""
        age = 0.0 if self._first is None else max(0.0, (self._clock.micros() - self._first) / 1e6)
        return SpoolState(waiting=self._all, first=self._first, age=age, set_aside=self._set_aside)

    def waits(self, queue: str) -> bool:
        """Whether calls of the queue wait: a new one must not overtake them."""
        return queue in self._queues

    async def put(self, entry: SpooledCall) -> None:
        """Takes a call on; it is durable when this returns.

        Raises:
            SpoolFull: too many wait, or too many of its queue.
        """
        self._check(entry)
        self._count(entry.queue, SpoolUse(1, len(entry.request)))
        if self._first is None:
            self._first = entry.accepted
        # A caller that leaves meanwhile must not leave a call behind that is stored and not counted.
        await asyncio.shield(asyncio.ensure_future(self._store_one(entry)))

    async def _store_one(self, entry: SpooledCall) -> None:
        try:
            await self._commit.submit(entry)
        except BaseException:
            self._count(entry.queue, SpoolUse(-1, -len(entry.request)))
            raise
        self.news.set()

    async def take_over(self, entries: Sequence[SpooledCall]) -> None:
        """Takes on what another gateway has left; no bound counts, for it was taken on before."""
        await self._store.add(entries)
        for entry in entries:
            self._count(entry.queue, SpoolUse(1, len(entry.request)))
        self._first = await self._store.first_accepted()
        self.news.set()

    async def oldest(self, queue: str) -> list[SpooledCall]:
        """The calls of a queue that came first, in order."""
        return await self._store.oldest(queue, most=_BATCH, most_bytes=_BATCH_BYTES)

    async def done(self, entries: Sequence[SpooledCall]) -> None:
        """Forgets calls that are over."""
        await self._store.remove([entry.number for entry in entries])
        await self._gone(entries)

    async def set_aside(self, aside: SetAsideCall) -> None:
        """Sets a call aside that fails for good. There is room for a quarter of what may wait; beyond it the oldest are dropped."""
        whole = self._rule.all
        dropped = await self._store.set_aside(
            aside, most=SpoolUse(max(1, whole.calls // _SET_ASIDE_SHARE), whole.bytes // _SET_ASIDE_SHARE)
        )
        if dropped:
            _log.error("set-aside calls dropped", calls=dropped)
        self._set_aside = await self._store.set_aside_use()
        await self._gone([aside.call])

    async def page(self, *, after: int, most: int, tenant: str) -> list[SetAsideCall]:
        """Calls that are set aside, the oldest first, behind a number."""
        return await self._store.set_aside_page(after=after, most=most, tenant=tenant)

    async def find(self, number: int) -> SetAsideCall | None:
        """One of them."""
        return await self._store.aside(number)

    async def retry(self, aside: SetAsideCall) -> bool:
        """Lets a call wait again, before all others of its queue; whether it was still set aside."""
        found = await self._store.restore(aside.call.number)
        if found:
            self._count(aside.call.queue, SpoolUse(1, len(aside.call.request)))
            self._first = await self._store.first_accepted()
            self.news.set()
        self._set_aside = await self._store.set_aside_use()
        return found

    async def drop(self, number: int) -> bool:
        """Forgets a call that is set aside; whether it was."""
        found = await self._store.drop(number)
        self._set_aside = await self._store.set_aside_use()
        return found

    async def forget_tenant(self, tenant: str) -> int:
        """Counts nothing of a tenant any more that is deleted: its rows go with all others that it has; 0, for none went here."""
        use = self._queues.pop(tenant, SpoolUse())
        self._all = _plus(self._all, SpoolUse(-use.calls, -use.bytes))
        self._set_aside = await self._store.set_aside_use()
        self._first = await self._store.first_accepted()
        return 0

    async def _flush(self, batch: Sequence[SpooledCall]) -> Sequence[TocsinError | None]:
        await self._store.add(batch)
        return [None] * len(batch)

    async def _gone(self, entries: Sequence[SpooledCall]) -> None:
        for entry in entries:
            if entry.queue in self._queues:  # unless its tenant was deleted meanwhile
                self._count(entry.queue, SpoolUse(-1, -len(entry.request)))
        self._first = await self._store.first_accepted()

    def _check(self, entry: SpooledCall) -> None:
        rule, size, queue = self._rule, len(entry.request), self._queues.get(entry.queue, SpoolUse())
        if is_anonymous(entry.queue):
            if self._anonymous.calls >= rule.anonymous or queue.calls >= rule.address:
                raise SpoolFull("The service is unavailable and the spool is full for callers without a token.", retry_after=_RETRY_SECONDS)
        elif queue.calls >= rule.tenant.calls or queue.bytes + size > rule.tenant.bytes:
            raise SpoolFull("The service is unavailable and your share of the spool is used up.", retry_after=_RETRY_SECONDS)
        ours = SpoolUse(self._all.calls - self._anonymous.calls, self._all.bytes - self._anonymous.bytes)
        if not is_anonymous(entry.queue) and (ours.calls >= rule.all.calls or ours.bytes + size > rule.all.bytes):
            raise SpoolFull(retry_after=_RETRY_SECONDS)

    def _count(self, queue: str, more: SpoolUse) -> None:
        self._all = _plus(self._all, more)
        if is_anonymous(queue):
            self._anonymous = _plus(self._anonymous, more)
        use = _plus(self._queues.get(queue, SpoolUse()), more)
        if use.calls > 0:
            self._queues[queue] = use
        else:
            self._queues.pop(queue, None)
        if not self._queues:
            self._first = None


def is_anonymous(queue: str) -> bool:
    """Whether the queue is that of an address, from which somebody called without a token."""
    return queue.startswith("@")


def _plus(one: SpoolUse, other: SpoolUse) -> SpoolUse:
    return SpoolUse(one.calls + other.calls, one.bytes + other.bytes)


def _sum(use_by_queue: Iterable[SpoolUse]) -> SpoolUse:
    return reduce(_plus, use_by_queue, SpoolUse())
