"""Users: they make, change, pause, resume, remove and fire alarms at any moment, and ask again when nobody answers."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from msgspec import structs

from scheduler_svc.domain import Alarm, FiringState, Priority, details
from scheduler_svc.service import Caller, Draft
from tests.simulation.replica import Replica
from tests.simulation.scenario import draft, trigger
from tests.simulation.waiting import waiting
from tocsin.errors import FailedPrecondition, NotFound, TocsinError, Unavailable
from tocsin.recurrence import CatchUp, CatchUpMode, Trigger

Result = TypeVar("Result")
_ATTEMPTS = 6


class Desk(Protocol):
    """How a user reaches a replica."""

    async def call(self, make: Callable[[Replica], Awaitable[Any]]) -> Any:
        """Calls some replica.

        Raises:
            TocsinError: what the replica answers.
            Unavailable: nobody knows whether it took place.
        """
        ...

    def spawn(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Lets something happen meanwhile."""
        ...

    def note(self, *words: object) -> None:
        """Writes down what happens."""
        ...

    def micros(self) -> int:
        """The true time."""
        ...

    def left(self) -> int:
        """Microseconds until the end of the run."""
        ...


class Promises:
    """What users were told."""

    def __init__(self) -> None:
        self.alarms: dict[str, str] = {}
        self.rules: dict[str, Trigger] = {}
        self.removed: set[str] = set()
        self.firings: set[str] = set()
        self.asked: int = 0
        self.unknown: int = 0


class Users:
    """All of them, of two tenants."""

    def __init__(self, *, desk: Desk, draw: random.Random, promises: Promises, share: float) -> None:
        """Know nothing yet; ``share`` of the triggers that they draw wait for something from outside."""
        self._share = share
        self._desk = desk
        self._draw = draw
        self._promises = promises
        self._numbers = 0
        self._rules: dict[str, list[Trigger]] = {}

    async def make(self) -> None:
        """Makes an alarm; asks again with the same request until somebody answers."""
        caller = self._caller()
        drafted = draft(self._draw, now=self._desk.micros(), left=self._desk.left())
        if self._share and self._draw.random() < self._share:
            drafted = structs.replace(drafted, trigger=waiting(self._draw, now=self._desk.micros(), left=self._desk.left()))
        request = self._request()
        made = await self._surely(lambda replica: replica.alarms.create(caller, drafted, request_id=request, digest="d"))
        if made is not None:
            self._promises.alarms[made.id] = caller.tenant
            self._rules[made.id] = [made.trigger]
            self._promises.rules[made.id] = made.trigger
            self._desk.note("made", made.id, made.due)

    async def act(self) -> None:
        """One operation on an alarm that is known, or a task."""
        if not self._promises.alarms or self._draw.random() < 0.1:
            await self._enqueue()
            return
        identity = self._draw.choice(list(self._promises.alarms))
        caller = Caller(tenant=self._promises.alarms[identity])
        deeds = (
            *(self._update, self._catch_up, self._retouch, self._pause, self._pause, self._resume, self._resume),
            *(self._remove, self._fire, self._replay),
        )
        deed = self._draw.choice(deeds)
        self._desk.note("asks", deed.__name__, identity)
        await deed(caller, identity)

    def _caller(self) -> Caller:
        return Caller(tenant=self._draw.choice(["t1", "t2"]))

    def _request(self) -> str:
        self._numbers += 1
        return f"request-{self._numbers}"

    async def _once(self, make: Callable[[Replica], Awaitable[Result]]) -> Result | None:
        self._promises.asked += 1
        try:
            return await self._desk.call(make)
        except Unavailable:
            self._promises.unknown += 1
        except TocsinError as error:
            self._desk.note("refused", type(error).__name__, error.message)
        return None

    async def _surely(self, make: Callable[[Replica], Awaitable[Result]]) -> Result | None:
        for _ in range(_ATTEMPTS):
            self._promises.asked += 1
            try:
                return await self._desk.call(make)
            except Unavailable:
                self._promises.unknown += 1
                await asyncio.sleep(self._draw.uniform(0.1, 20.0))
            except TocsinError as error:
                self._desk.note("refused", type(error).__name__, error.message)
                return None
        return None

    async def _update(self, caller: Caller, identity: str) -> None:
        before = self._rules.setdefault(identity, [])
        if before and self._draw.random() < 0.4:
            fresh = self._draw.choice(before)  # changed back: it means due times that are in the ledger
        elif self._share and self._draw.random() < self._share:
            fresh = waiting(self._draw, now=self._desk.micros(), left=self._desk.left())
        else:
            fresh = trigger(self._draw, now=self._desk.micros(), left=self._desk.left())
        changed = await self._once(
            lambda replica: replica.alarms.update(caller, identity, etag="", merge=lambda alarm: _with(alarm, trigger=fresh))
        )
        if changed is not None:
            before.append(changed.trigger)
            self._promises.rules[identity] = changed.trigger

    async def _catch_up(self, caller: Caller, identity: str) -> None:
        """Changes how the same rule catches up: it begins anew, and can mean due times that are in the ledger."""
        mode = self._draw.choice([CatchUpMode.LATEST, CatchUpMode.ALL, CatchUpMode.NONE])

        def merge(alarm: Alarm) -> Draft:
            return _with(alarm, trigger=replace(alarm.trigger, catch_up=CatchUp(mode=mode)))

        await self._once(lambda replica: replica.alarms.update(caller, identity, etag="", merge=merge))

    async def _retouch(self, caller: Caller, identity: str) -> None:
        """Changes something beside the schedule."""
        priority = self._draw.choice(list(Priority))
        await self._once(
            lambda replica: replica.alarms.update(caller, identity, etag="", merge=lambda alarm: _with(alarm, priority=priority))
        )

    async def _pause(self, caller: Caller, identity: str) -> None:
        await self._once(lambda replica: replica.alarms.pause(caller, identity))

    async def _resume(self, caller: Caller, identity: str) -> None:
        await self._once(lambda replica: replica.alarms.resume(caller, identity))

    async def _remove(self, caller: Caller, identity: str) -> None:
        if self._draw.random() < 0.5:
            return
        try:
            await self._desk.call(lambda replica: replica.alarms.delete(caller, identity, etag=""))
            self._promises.removed.add(identity)
            self._promises.alarms.pop(identity, None)
        except NotFound:
            self._promises.alarms.pop(identity, None)
        except TocsinError:
            self._promises.unknown += 1

    async def _fire(self, caller: Caller, identity: str) -> None:
        request = self._request()
        fired = await self._surely(lambda replica: replica.firings.fire(caller, identity, request_id=request))
        if fired is not None:
            self._promises.firings.add(fired.id)

    async def _enqueue(self) -> None:
        caller, request = self._caller(), self._request()
        drafted = draft(self._draw, now=self._desk.micros(), left=self._desk.left())
        made = await self._surely(
            lambda replica: replica.firings.enqueue(
                caller, drafted.action, priority=drafted.priority, retry=drafted.retry, request_id=request
            )
        )
        if made is not None:
            self._promises.firings.add(made.id)

    async def _replay(self, caller: Caller, identity: str) -> None:
        """Replays a dead firing, if there is one."""
        page = await self._once(lambda replica: replica.firings.page(caller, conditions=(), before=None, size=50))
        dead = [firing.id for firing in page or () if firing.state is FiringState.DEAD]
        if not dead:
            return
        chosen = self._draw.choice(dead)
        try:
            await self._desk.call(lambda replica: replica.firings.replay(caller, chosen))
        except FailedPrecondition:
            pass
        except TocsinError:
            self._promises.unknown += 1


def _with(alarm: Alarm, **fields: Any) -> Draft:
    """What a client that read the alarm writes back."""
    return structs.replace(Draft(alarm.trigger, *details(alarm)), **fields)
