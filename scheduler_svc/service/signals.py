"""Taking what comes from outside: events, readings, pings."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypedDict, TypeVar

from scheduler_svc.domain import Firing, new_id
from scheduler_svc.domain.fire_quotas import FireAllowance, going
from scheduler_svc.ports import Caused, Held, Hints, Shards, SignalStore
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.conflicts import retry_on_conflict
from scheduler_svc.service.fire_quotas import FireQuotas
from scheduler_svc.service.ping_keys import PingLimit
from scheduler_svc.triggers import (
    EventAnswer,
    LatestReading,
    Logged,
    Measured,
    MetricNotFound,
    PingAnswer,
    Pinged,
    PingKind,
    Published,
    ReadingAnswer,
    TriggerCounts,
    is_uuid,
)
from tocsin.bisection import run_with_bisection
from tocsin.clock import DAY, Clock
from tocsin.errors import TocsinError
from tocsin.listing import Condition
from tocsin.recurrence import Micros
from tocsin.tenants import serves_all

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_OLDEST_PING: Final[Micros] = 7 * DAY
MOST_FIRINGS: Final = 2000
"""Firings of events that one transaction fires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """What a client says about an event; ``data`` and ``body`` are the same, decoded and serialised."""

    topic: str
    id: str = ""
    source: str = ""
    happened: Micros | None = None
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingDraft:
    """What a client says about a reading."""

    metric: str
    value: float
    id: str = ""
    source: str = ""
    measured: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PingDraft:
    """What a client says by a ping, of the heartbeat that ``key`` or, of a tenant that is known, ``slug`` names; see `Pinged`."""

    key: str = ""
    slug: str = ""
    kind: PingKind = PingKind.SUCCESS
    exit_status: int | None = None
    run: str = ""
    happened: Micros | None = None
    method: str = ""
    agent: str = ""
    address: str = ""
    body: bytes = b""
    size: int = 0


class _Here(TypedDict):
    owner: str
    held: Held
    now: Micros


class Intake:
    """Commits what came together, and fires it: the flushes that concurrent calls share.

    A transaction that lost a conflict is made again here: a cron job that pings does so once.
    """

    def __init__(
        self,
        *,
        store: SignalStore,
        shards: Shards,
        hints: Hints,
        clock: Clock,
        fires: FireQuotas,
        serves: Callable[[str], bool] = serves_all,
    ) -> None:
        """Takes what it stands on; ``serves`` says for which tenants pings are taken, see `TenantBook.serves_keys`."""
        self._store = store
        self._fires = fires
        self._serves = serves
        self._shards = shards
        self._hints = hints
        self._clock = clock

    def _here(self) -> _Here:
        return {"owner": self._shards.owner, "held": self._shards.held, "now": self._clock.micros()}

    async def events(self, batch: Sequence[Published]) -> Sequence[EventAnswer | Exception]:
        """Commits events; each is answered when all that it fires is committed.

        Raises:
            Unavailable: this replica owns no shard now.
        """
        answers: list[EventAnswer | Exception] = []
        while len(answers) < len(batch):
            begun = len(answers)
            rest = batch[begun:]
            try:
                caused = await self._publish(rest)
            except Exception:  # those before are committed; only of the rest may one be to blame
                if not begun:
                    raise
                return [*answers, *await run_with_bisection(self.events, rest)]
            await self._hints.caused(caused.firings, caused.moved)
            answers += caused.answers
            for place, log in caused.unfinished.items():
                answers[begun + place] = await self._rest(log, answers[begun + place])
        return answers

    async def _publish(self, batch: Sequence[Published]) -> Caused[EventAnswer]:
        async def publish(allowed: FireAllowance | None) -> Caused[EventAnswer]:
            return await retry_on_conflict(lambda: self._store.publish(batch, **self._here(), most=MOST_FIRINGS, allowed=allowed))

        return await self._fires.within((event.tenant for event in batch), publish, lambda caused: going(caused.firings))

    async def _rest(self, log: str, answer: EventAnswer | Exception) -> EventAnswer | Exception:
        more = await self.finish(log)
        return answer if isinstance(answer, Exception) else answer._replace(matched=answer.matched + more)

    async def finish(self, log: str) -> int:
        """Fires all that still waits for an event; how many firings."""
        count, left = 0, True
        while left:
            firings, left = await self._fires.within((), partial(self._go_on, log), lambda gone: going(gone[0]))
            await self._hints.caused(firings, ())
            count += len(firings)
        return count

    async def _go_on(self, log: str, allowed: FireAllowance | None) -> tuple[list[Firing], bool]:
        return await retry_on_conflict(lambda: self._store.go_on(log, **self._here(), most=MOST_FIRINGS, allowed=allowed))

    async def readings(self, batch: Sequence[Measured]) -> Sequence[ReadingAnswer | TocsinError]:
        """Commits readings.

        Raises:
            Unavailable: this replica owns no shard now.
        """
        return await self._told(await retry_on_conflict(lambda: self._store.record(batch, **self._here())))

    async def pings(self, batch: Sequence[Pinged]) -> Sequence[PingAnswer | TocsinError]:
        """Commits pings.

        Raises:
            Unavailable: this replica owns no shard now.
        """
        return await self._told(await retry_on_conflict(lambda: self._store.ping(batch, **self._here(), serves=self._serves)))

    async def _told(self, caused: Caused[Answer]) -> Sequence[Answer | TocsinError]:
        await self._hints.caused(caused.firings, caused.moved)
        return caused.answers


class Triggers:
    """What the caller's tenant says from outside."""

    def __init__(
        self,
        *,
        store: SignalStore,
        publish: Callable[[Published], Awaitable[EventAnswer]],
        record: Callable[[Measured], Awaitable[ReadingAnswer]],
        ping: Callable[[Pinged], Awaitable[PingAnswer]],
        limit: PingLimit,
        clock: Clock,
    ) -> None:
        """Takes what it stands on.

        Args:
            store: reads counts and the log.
            publish: commits an event together with others that come at the same time.
            record: likewise for a reading.
            ping: likewise for a ping.
            limit: how many pings of one heartbeat are taken.
            clock: source of time.
        """
        self._store = store
        self._publish = publish
        self._record = record
        self._ping = ping
        self._limit = limit
        self._clock = clock

    async def publish(self, caller: Caller, event: EventDraft) -> EventAnswer:
        """Publishes an event; it is committed with its firings when this returns.

        Raises:
            InvalidInput: the database cannot hold it.
            Unavailable: this replica owns no shard now.
        """
        now = self._clock.micros()
        log = new_id(now)
        return await self._publish(
            Published(
                log=log,
                tenant=caller.tenant,
                id=event.id or log,
                topic=event.topic,
                source=event.source,
                happened=now if event.happened is None else event.happened,
                received=now,
                data=event.data,
                body=event.body,
                traceparent=caller.traceparent,
            )
        )

    async def record(self, caller: Caller, reading: ReadingDraft) -> ReadingAnswer:
        """Records a reading; it is committed with what it raises and resolves when this returns.

        A clock that is a little ahead is forgiven: the reading counts as measured now.

        Raises:
            Unavailable: this replica owns no shard now.
        """
        now = self._clock.micros()
        return await self._record(
            Measured(
                log=new_id(now),
                tenant=caller.tenant,
                id=reading.id,
                metric=reading.metric,
                value=reading.value,
                source=reading.source,
                measured=now if reading.measured is None else min(reading.measured, now),
                received=now,
                traceparent=caller.traceparent,
            )
        )

    async def latest(self, caller: Caller, metric: str) -> LatestReading:
        """The reading of a metric with the latest time.

        Raises:
            MetricNotFound: there is none.
        """
        found = await self._store.latest(caller.tenant, metric)
        if found is None:
            raise MetricNotFound
        return found

    async def ping(self, tenant: str, said: PingDraft, *, traceparent: str = "") -> PingAnswer:
        """Takes a ping; ``tenant`` is empty without a token. An exit status other than 0 is a failure.

        Raises:
            HeartbeatNotFound: nobody waits for it, as far as the caller may know.
            TooManyPings: the heartbeat has had too many.
            Unavailable: this replica owns no shard now.
        """
        now = self._clock.micros()
        self._limit.take(f"{tenant}/{said.slug}" if said.slug else said.key)
        happened = now if said.happened is None or said.happened < now - _OLDEST_PING else min(said.happened, now)
        return await self._ping(
            Pinged(
                log=new_id(now),
                tenant=tenant,
                key=said.key.lower() if is_uuid(said.key) else said.key,
                slug=said.slug,
                received=now,
                happened=happened,
                traceparent=traceparent,
                kind=PingKind.FAIL if said.exit_status else said.kind,
                exit_status=said.exit_status,
                run=said.run.lower(),
                method=said.method,
                agent=said.agent,
                address=said.address,
                body=said.body,
                size=said.size,
            )
        )

    async def counts(self, caller: Caller) -> TriggerCounts:
        """What came so far, and what it caused."""
        return await self._store.counts(caller.tenant)

    async def page(self, caller: Caller, *, conditions: Sequence[Condition], before: str | None, size: int) -> list[Logged]:
        """The newest entries of the log that meet all conditions, with ids below ``before``."""
        return await self._store.page(caller.tenant, conditions=conditions, before=before, size=size)
