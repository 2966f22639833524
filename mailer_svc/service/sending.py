"""The engine that sends what one channel has: claims due messages by priority, attempts them side by side, and stores what came of it.

A message passes three durable points: the claim, which ends by itself; the mark right before its content is sent, after which nobody could
know what a vanished process did; and the outcome. A process that dies before the mark costs a delay, one that dies after it an
``OUTCOME_UNKNOWN``, and never a second copy (docs/adr/0007).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from mailer_svc.domain import (
    DeliveryState,
    Priority,
    PriorityLimits,
    RetrySchedule,
    SendJob,
    SendResult,
    next_step,
)
from mailer_svc.ports import AddressRetirement, DeliveryQueue, Journal, Settlement
from mailer_svc.service.failover import ProviderFailover
from mailer_svc.service.publishing import DeliveryPublisher
from mailer_svc.service.settling import OutcomeSettler, safely
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)
_BUFFER = 200
_SWEEP = 500
_PROBES = 3  # as many as a half-open circuit lets pass
_IDLE_SECONDS = 30.0
_SHORTEST_HOLD = 5_000_000
_LONGEST_HOLD = 300_000_000
_SETTLE_SECONDS = 5.0  # what is known is worth more than a quick end


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingRule:
    """How the engine works; times in seconds.

    Attributes:
        retry: when and how often a message is tried again, by priority.
        lease: a claim ends after this unless renewed; what a dead replica held is taken over then.
        poll: how often to look for due messages when nobody says that there are any.
        drain: how long `ChannelSender.stop` waits for attempts under way.
        sole: no other process uses the database, so at start whatever is claimed was claimed by a predecessor that is dead.
        owner: names this start of this process, and no other.
        draw: source of jitter, 0 to 1.
    """

    retry: Mapping[Priority, RetrySchedule]
    lease: float = 30.0
    poll: float = 1.0
    drain: float
    sole: bool
    owner: str
    draw: Callable[[], float]


class ChannelSender:
    """Sends what waits in one channel; a component. What one channel does never holds another."""

    def __init__(
        self,
        *,
        queue: DeliveryQueue,
        journal: Journal,
        providers: ProviderFailover,
        addresses: AddressRetirement,
        publisher: DeliveryPublisher,
        clock: Clock,
        rule: SendingRule,
        active: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Makes it.

        Args:
            queue: what waits in the channel.
            journal: marks and outcomes.
            providers: where to.
            addresses: learns which addresses are gone.
            publisher: tells watchers, and counts.
            clock: source of time.
            rule: how it works.
            active: whether a tenant may send; what one has that may not is held.
        """
        self._active = active
        self.channel = queue.channel
        self._queue = queue
        self._journal = journal
        self._providers = providers
        self._publisher = publisher
        self._clock = clock
        self._rule = rule
        self._ready: dict[Priority, deque[SendJob]] = {priority: deque() for priority in Priority}
        self._limits = PriorityLimits(providers.capacity)
        self._held: dict[str, SendJob] = {}
        self._wake = Wake(clock)
        self._idle: deque[asyncio.Future[None]] = deque()
        self._stopping = True
        self._workers = Background(clock)
        self._loops = Background(clock)
        self._outcomes = OutcomeSettler(
            queue=queue, journal=journal, addresses=addresses, publisher=publisher, clock=clock, ended=self._let_go
        )

    def wake(self) -> None:
        """Says that something may be due."""
        self._wake.set()

    def fault(self) -> str:
        """What is wrong with the providers, for an operator; empty while all of them work."""
        return self._providers.fault()

    async def start(self) -> None:
        """Takes up what waits."""
        if not self._stopping:
            return
        self._stopping = False
        if self._rule.sole:
            await self._queue.end_other_claims(owner=self._rule.owner, now=self._clock.micros())
            await self._sweep()
        await self._providers.start()
        for _ in range(self._providers.capacity):
            self._workers.supervised("sending", self._work)
        self._loops.supervised("feed", self._feed)
        self._loops.periodic("claims", self._rule.lease / 3, self._keep, at_once=False)

    async def stop(self) -> None:
        """Claims nothing more, lets attempts under way end, and gives back the rest."""
        if self._stopping:
            return
        self._stopping = True
        await self._loops.stop()
        self._wake_workers(len(self._idle))
        await self._workers.stop(grace_seconds=self._rule.drain)
        await self._outcomes.stop(grace_seconds=max(self._rule.drain, _SETTLE_SECONDS))
        await self._providers.stop()
        waiting = [job.id for jobs in self._ready.values() for job in jobs]
        for jobs in self._ready.values():
            jobs.clear()
        self._held.clear()
        if waiting:
            with contextlib.suppress(TocsinError):  # the lease ends by itself
                await self._queue.release(owner=self._rule.owner, ids=waiting, now=self._clock.micros())

    async def _feed(self) -> None:
        """Keeps the workers supplied."""
        while True:
            pause = self._providers.pause()
            full = False if pause else await self._claim()
            report_progress()
            if not full:
                poll = _IDLE_SECONDS if self._providers.idle() else self._rule.poll
                await self._wake.wait(min(pause or poll, poll))

    async def _claim(self) -> bool:
        """Claims for each priority at which something is due and room; True if there may be more right now.

        While no provider is known to work, a few at a time, and those first that were not refused before.
        """
        if not self._providers.probing():
            return await self._claim_some(_BUFFER)
        if not await self._claim_some(_PROBES, fresh=True):
            await self._claim_some(_PROBES)
        return False

    async def _claim_some(self, most: int, *, fresh: bool = False) -> bool:
        """Claims up to ``most`` for each priority; True if one of them gave as many as it could take, or a probe was found."""
        rooms = {priority: min(most, _BUFFER - len(jobs)) for priority, jobs in self._ready.items() if len(jobs) <= _BUFFER // 2}
        now, lease = self._clock.micros(), round(self._rule.lease * 1e6)
        more = False
        for priority in await self._queue.due_priorities(now=now, fresh=fresh) if rooms else ():
            room = rooms.get(priority, 0)
            if not room:
                continue
            jobs, unreadable = await self._queue.claim_due(
                owner=self._rule.owner, priority=priority, limit=room, now=now, lease=lease, fresh=fresh
            )
            self._publisher.meter.settled(self.channel, DeliveryState.DEAD, unreadable)
            more = more or (bool(jobs) if fresh else len(jobs) == room)
            self._held.update((job.id, job) for job in jobs)
            self._ready[priority].extend(jobs)
            self._wake_workers(len(jobs))
        return more

    async def _work(self) -> None:
        while (job := await self._next()) is not None:
            try:
                await self._attempt(job)
            except Exception as error:  # noqa: BLE001 - a mistake of ours must cost one message a lease, not the service a worker
                _log.error("attempt failed", delivery=job.id, exc_info=error)
                self._held.pop(job.id, None)
            finally:
                self._limits.running[job.priority] -= 1
                self._wake_workers(1)

    async def _next(self) -> SendJob | None:
        """The most urgent message that may be sent now; None when the engine stops."""
        while not self._stopping:
            for priority, jobs in self._ready.items():
                if jobs and self._limits.admits(priority):
                    self._limits.running[priority] += 1
                    if len(jobs) == _BUFFER // 2:
                        self._wake.set()
                    return jobs.popleft()
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(woken)
            await woken
        return None

    def _wake_workers(self, count: int) -> None:
        """Lets so many idle workers look for something to do."""
        while self._idle and count > 0:
            woken = self._idle.popleft()
            if not woken.done():
                woken.set_result(None)
                count -= 1

    def _let_go(self, identity: str) -> None:
        self._held.pop(identity, None)

    async def _attempt(self, job: SendJob) -> None:
        if not self._active(job.tenant):
            await self._hold(job)
            return
        started = self._clock.monotonic()
        provider, outcome = await self._providers.send(job, hand_over=partial(self._journal.hand_over, job))
        if outcome.result is SendResult.NOT_TRIED and not self._rule.retry[job.priority].expired(job, now=self._clock.micros()):
            later = self._clock.micros() + round(max(self._rule.poll, outcome.retry_after or 0.0) * 1e6)
            await safely(self._queue.release(owner=self._rule.owner, ids=[job.id], now=later))
            self._held.pop(job.id, None)
            return
        self._publisher.meter.attempted(provider, outcome.result.value, self._clock.monotonic() - started)
        # The connection is free: the outcome shares a transaction with the marks of the mails that follow.
        step = next_step(job, outcome, rule=self._rule.retry[job.priority], now=self._clock.micros(), draw=self._rule.draw)
        self._outcomes.settle(Settlement(job=job, step=step, provider=provider), outcome)

    async def _hold(self, job: SendJob) -> None:
        """Puts a message off whose tenant may not send: by as long as it has waited, so that many that are held cost little."""
        now = self._clock.micros()
        wait = min(max(now - job.created, _SHORTEST_HOLD), _LONGEST_HOLD)
        await safely(self._queue.hold(owner=self._rule.owner, ids=[job.id], now=now, until=now + wait))
        self._held.pop(job.id, None)

    async def _keep(self) -> None:
        """Renews claims, and ends those of the dead; in this order, lest it takes itself for one of them after a long stall."""
        if self._held:
            until = self._clock.micros() + round(self._rule.lease * 1e6)
            await self._queue.renew(owner=self._rule.owner, ids=list(self._held), until=until)
        await self._sweep()

    async def _sweep(self) -> None:
        now = self._clock.micros()
        wait = round(self._rule.retry[Priority.NORMAL].wait(1, self._rule.draw, result=SendResult.LOST) * 1e6)
        while await self._queue.expire_handed_over(now=now, wait=wait, limit=_SWEEP) == _SWEEP:
            pass
        for priority, count in (await self._queue.depths()).items():
            self._publisher.meter.depth(self.channel, priority, count)
