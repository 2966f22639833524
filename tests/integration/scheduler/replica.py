"""One replica of the scheduler without its RPCs, on a clock that the test moves, and a processor that it talks to directly."""

import asyncio
import itertools
import random
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, ClassVar, Final

from prometheus_client import CollectorRegistry

from scheduler_svc.dispatch import Dispatcher, DispatchOptions, Jobs, ProcessorSession
from scheduler_svc.domain import End, Lease, QueuedFiring, Report, Succeeded
from scheduler_svc.engine import Engine, EngineOptions
from scheduler_svc.hints import ChangeNotifier
from scheduler_svc.metrics import SchedulerMetrics
from scheduler_svc.ports import DueStore, Ledger, Pending, ShardStore
from scheduler_svc.service.fire_quotas import FireQuotas
from scheduler_svc.shards import Ownership, ShardKeeper
from tests.integration.scheduler.stores import Stores
from tocsin.clock import Clock
from tocsin.errors import Unavailable
from tocsin.redis import EventBus, Redis
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

_LONGEST_ANSWER_SECONDS: Final = 5.0


class Mortal:
    """Another object whose coroutine methods fail from its death on, as if the process or its database were gone.

    Attributes:
        dead: whether it is.
        dies_after: name of the method that is its last: it takes effect, and nobody hears of it.
        held_back: events that the answer of a method waits for, by its name.
        under_way: calls that the object has not answered yet, of all that there are.
    """

    under_way: ClassVar[int] = 0

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.dead = False
        self.dies_after = ""
        self.held_back: dict[str, asyncio.Event] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        async def call(*args: Any, **given: Any) -> Any:
            if self.dead:
                raise Unavailable("dead")
            Mortal.under_way += 1
            try:
                result = await method(*args, **given)
            finally:
                Mortal.under_way -= 1
            if name in self.held_back:
                await self.held_back[name].wait()
            if name == self.dies_after:
                self.dead = True
            if self.dead:
                raise Unavailable("dead")
            return result

        return call


class Replica:
    """Engine, dispatcher and shard keeper of one process."""

    def __init__(
        self,
        stores: Stores,
        clock: Clock,
        *,
        name: str = "a",
        engine: EngineOptions | None = None,
        dispatch: DispatchOptions | None = None,
        alone: bool = False,
        events: EventBus | None = None,
        fires: FireQuotas | None = None,
    ) -> None:
        self.clock = clock
        self.mortals = [Mortal(stores.due), Mortal(stores.ledger), Mortal(stores.shards)]
        due: DueStore
        ledger: Ledger
        shards: ShardStore
        due, ledger, shards = self.mortals  # pyright: ignore[reportAssignmentType]  they pass everything on
        self.ownership = Ownership(owner=name, clock=clock)
        events = events or EventBus(redis=Redis(url=None, clock=clock), clock=clock)
        notifier = ChangeNotifier(events=events)
        observer = SchedulerMetrics(CollectorRegistry())
        self.dispatcher = Dispatcher(
            ledger=ledger,
            shards=self.ownership,
            changes=notifier,
            observer=observer,
            clock=clock,
            options=dispatch or DispatchOptions(),
            draw=random.Random(1),
        )
        self.engine = Engine(
            store=due,
            shards=self.ownership,
            sink=self.dispatcher,
            changes=notifier,
            observer=observer,
            clock=clock,
            options=engine or EngineOptions(),
            fires=fires,
        )
        self.keeper = ShardKeeper(
            store=shards,
            ownership=self.ownership,
            listeners=(self.engine, self.dispatcher),
            busy=self.dispatcher.leases.shards,
            events=events,
            liveness=None,
            clock=clock,
            lease_seconds=10,
            address=name,
            alone=alone,
        )

    async def start(self) -> "Replica":
        """Starts as the service does."""
        for part in (self.dispatcher, self.engine, self.keeper):
            await part.start()
        return self

    async def stop(self) -> None:
        """Stops as the service does; one that is dead fires of nothing."""
        for part in (self.keeper, self.engine, self.dispatcher):
            with suppress(Unavailable):
                await part.stop()

    async def crash(self) -> None:
        """Dies: whatever it was doing, nothing of it reaches the database any more."""
        for mortal in self.mortals:
            mortal.dead = True
        await self.stop()

    def hint(self, alarm: str, due: int, priority: int = 2) -> None:
        """Tells the engine about an alarm."""
        self.engine.hint(Pending(alarm, due, priority))


_STARTS = itertools.count(1)


class Processor:
    """Takes jobs over a session, and answers each as ``answer`` says; None leaves it unanswered."""

    def __init__(
        self,
        replica: Replica,
        *,
        credit: int = 1000,
        reserve: int = 0,
        kinds: Collection[str] = (),
        worker: str = "",
        answer: Callable[[QueuedFiring], End | None] = lambda _: Succeeded(),
    ) -> None:
        self._replica = replica
        self._answer = answer
        self.got: list[tuple[QueuedFiring, int]] = []
        self.arrived: list[tuple[int, int]] = []
        self.confirmed: set[Lease] = set()
        self.session: ProcessorSession = replica.dispatcher.connect(worker or f"test-{next(_STARTS)}", reserve=reserve, kinds=kinds)
        replica.dispatcher.grant(self.session, credit)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while (message := await self.session.next()) is not None:
            if isinstance(message, Jobs):
                await self._take(message)
            elif hasattr(message, "leases"):
                self.confirmed |= set(message.leases)  # pyright: ignore[reportAttributeAccessIssue]  that is what was asked

    async def _take(self, jobs: Jobs) -> None:
        now = self._replica.clock.micros()
        for queued, token in jobs.deliveries:
            self.got.append((queued, token))
            self.arrived.append((now, queued.due))
            end = self._answer(queued)
            if end is not None:
                await self.report(queued.id, token, end)

    async def report(self, firing: str, token: int, end: End, *, credit: int = 1) -> None:
        """Answers one delivery."""
        await self._replica.dispatcher.report(self.session, [Report(Lease(firing, token), end)])
        self._replica.dispatcher.grant(self.session, credit)

    async def delivery(self, number: int = 1) -> tuple[QueuedFiring, int]:
        """The ``number``-th delivery, once it is there."""
        await eventually(lambda: len(self.got) >= number, what=f"delivery {number}")
        return self.got[number - 1]

    async def leave(self) -> None:
        """Breaks the stream."""
        self._replica.dispatcher.disconnect(self.session)
        await self._task


async def pass_time(clock: FakeClock, seconds: float, condition: Callable[[], Any], *, step: float = 0.5) -> None:
    """Moves the clock on in steps by ``seconds`` in all, then waits for the condition while the clock goes on slowly.

    It stands while the database has a question to answer: no lease ends only because the clock is faster than a busy machine.
    """
    while seconds > 0:
        await _answered()
        await clock.advance(min(step, seconds))
        seconds -= step

    async def holds() -> bool:
        await _answered()
        await clock.advance(0.05)
        answer = condition()
        return bool(await answer if asyncio.iscoroutine(answer) else answer)

    await eventually(holds)


async def _answered() -> None:
    """Returns when no replica waits for a store; after some seconds all the same, for a test may hold an answer up."""
    with suppress(AssertionError):
        await eventually(lambda: not Mortal.under_way, seconds=_LONGEST_ANSWER_SECONDS)
