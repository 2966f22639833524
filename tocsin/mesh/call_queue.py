"""The order in which a server begins its calls: what matters most first, a few in each turn of the event loop.

A handler that computes holds the loop, so what was begun before it is served before it, whatever its criticality. Only a few are
therefore begun in a turn, as many as keep it short; the others wait here. Handlers that wait, for a database or another service, make
short turns, and so many of them are begun in one that none waits.

How long a call may wait is the rule of CoDel as Facebook uses it ("Fail at Scale", ACM Queue 13, 8): a burst may wait for as long as the
process is patient. When the oldest has waited too long for all of that time, the process is overloaded, and a call that is not critical may
wait for half of it: less would refuse a few callers who each wait for their turn, of whom none is too many. What would wait for longer, by
what is begun in a second, is refused as it comes; what has waited for longer is refused then.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from tocsin.mesh.policy import Criticality
from tocsin.mesh.shedding import RETRY_SECONDS, SHARES, Overloaded

_TURN_SECONDS: Final = 0.004
"""What a turn of the event loop may take before fewer calls are begun in one."""
_FIRST: Final = 32
_MOST: Final = 1024
_STALL: Final = 0.25
"""Share of the patience that a turn counts for at most: while the process itself stood still, nobody waited for the others."""
_STANDING: Final = 0.5
"""Share of the patience that is left to calls while there is too much to do."""
_ORDER: Final = (Criticality.CRITICAL, Criticality.NORMAL, Criticality.SHEDDABLE)
_UP_TO: Final[Mapping[Criticality, tuple[Criticality, ...]]] = {each: _ORDER[: place + 1] for place, each in enumerate(_ORDER)}
_EMPTY_TURNS: Final = 3
"""Turns in which nothing is begun after one in which something was: asyncio takes gRPC's events at the end of the first, so that what waits
for them runs in the second, where calls are accepted, after what is called here; uvloop is a turn earlier."""
_HOLD_SECONDS: Final = 0.001
"""What all of that may take, turns that are long by something else as well; so long a critical call that was accepted is waited for, whose
message was asked for then and is brought by gRPC's thread."""
_VAIN_SECONDS: Final = 0.1
"""For how long none is waited for after one that did not come: callers who send no message hold up a hundredth of the others' time."""


class Limit(Protocol):
    """How many calls may be under way."""

    value: float

    def ended(self, seconds: float, under_way: int) -> None:
        """A call passed, while so many were under way."""
        ...


class _Waiting(NamedTuple):
    since: float
    turn: "asyncio.Future[bool]"


class CallQueue:
    """The calls of one server that have not begun. Belongs to one event loop.

    Attributes:
        under_way: calls that have begun and not ended.
        waiting: how many there are.
        refused: how many waited too long.
    """

    __slots__ = (
        "_armed",
        "_began",
        "_begun",
        "_call_soon",
        "_coming",
        "_counted",
        "_held_since",
        "_late_since",
        "_left",
        "_limit",
        "_lost",
        "_now",
        "_patience",
        "_postponed",
        "_queues",
        "_quota",
        "_rates",
        "_refused_at",
        "_trusts_at",
        "refused",
        "under_way",
        "waiting",
    )

    def __init__(
        self,
        *,
        patience: float,
        now: Callable[[], float],
        limit: Limit | None = None,
        call_soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """Nothing waits.

        Args:
            patience: seconds that a call of normal criticality may wait in a burst; critical ones twice that, sheddable ones half.
            now: monotonic seconds.
            limit: of calls under way, beyond which they wait here; critical ones may be twice as many, sheddable ones half.
            call_soon: calls a function in the next turn of the loop; that of the running loop unless given.
        """
        self._patience = patience
        self._now = now
        self._limit = limit
        self.under_way = 0
        self._call_soon = call_soon
        self._queues: Mapping[Criticality, deque[_Waiting]] = {each: deque() for each in _ORDER}
        self._quota = self._left = _FIRST
        self._armed = False
        self._began = 0.0
        self._late_since: float | None = None
        self._coming = self._postponed = 0
        self._begun: dict[Criticality, int] = dict.fromkeys(_ORDER, 0)
        self._rates: dict[Criticality, float] = dict.fromkeys(_ORDER, 0.0)
        self._held_since = self._lost = 0.0
        self._counted = self._refused_at = self._trusts_at = float("-inf")
        self.waiting = 0
        self.refused = 0

    def accepted(self, criticality: Criticality) -> None:
        """A call was accepted, and will ask for its turn: one that matters more than what waits is waited for, for a moment."""
        if criticality is Criticality.CRITICAL:
            self._coming += 1

    def refuses(self, criticality: Criticality) -> bool:
        """Whether a call that comes now would wait for too long."""
        if not self.waiting:
            return False
        now = self._time()
        bound = self._bound(criticality, now)
        full = self._is_late(now) and len(self._queues[criticality]) > bound * self._rates[criticality]
        if full or any(queue and now - queue[0].since > bound for queue in map(self._queues.__getitem__, _UP_TO[criticality])):
            self._refused_at = now
            return True
        return False

    def turn(self, criticality: Criticality) -> "asyncio.Future[bool] | None":
        """When a call may begin: at once (None), or when `begin` says so. Then it must end with `ended`."""
        if not self._armed:
            self._arm()
        if self._coming and criticality is Criticality.CRITICAL:
            self._coming -= 1
        if self._left > 0 and not self.waiting and self._has_room(criticality):
            self._left -= 1
            self.under_way += 1
            return None
        turn = asyncio.get_running_loop().create_future()
        now = self._time()
        if not self.waiting:
            self._calm(now)
        self._queues[criticality].append(_Waiting(now, turn))
        self.waiting += 1
        return turn

    async def begin(self, turn: "asyncio.Future[bool]") -> float:
        """Waits for a turn; returns when it came.

        Raises:
            Overloaded: the call has waited for too long.
        """
        try:
            begins = await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.result():
                self.ended(0.0, passed=False)  # the turn came just as nobody wanted it any more
            raise
        if not begins:
            raise Overloaded(retry_after=RETRY_SECONDS)
        return self._now()

    def ended(self, begun: float, *, passed: bool) -> None:
        """A call that had its turn is over."""
        limit = self._limit
        if limit is not None and passed:
            limit.ended(self._now() - begun, self.under_way)
        self.under_way -= 1
        if self.waiting and not self._armed:
            self._arm()

    def _time(self) -> float:
        """Now, without the time in which the process stood still."""
        now = self._now()
        stall = now - self._began - _STALL * self._patience if self._armed else 0.0
        return now - self._lost - max(0.0, stall)

    def _has_room(self, criticality: Criticality) -> bool:
        return self._limit is None or self.under_way < self._limit.value * SHARES[criticality]

    def _arm(self) -> None:
        self._armed = True
        self._began = self._now()
        if self._call_soon is None:
            self._call_soon = asyncio.get_running_loop().call_soon
        self._call_soon(self._next)

    def _next(self) -> None:
        """A turn of the loop is over, and with it what was begun in it."""
        took = self._now() - self._began
        self._adapt(self._quota - self._left, took)
        self._lost += max(0.0, took - _STALL * self._patience)
        self._armed, self._left = False, self._quota
        now = self._time()
        if self.waiting:
            self._count(now)
            self._drop(now)
        if not self.waiting:
            self._postponed = 0
            return
        if self._holds(now) or self._begin():
            self._arm()

    def _adapt(self, begun: int, took: float) -> None:
        if took > _TURN_SECONDS:
            self._quota = max(1, begun // 2) if begun else self._quota
        elif begun == self._quota and took < _TURN_SECONDS / 2:
            self._quota = min(_MOST, self._quota + 1 + self._quota // 8)

    def _bound(self, criticality: Criticality, now: float) -> float:
        # What is critical is begun first: it waits for nothing that could be refused in its place.
        short = criticality is not Criticality.CRITICAL and self._is_late(now)
        return self._patience * SHARES[criticality] * (_STANDING if short else 1.0)

    def _is_late(self, now: float) -> bool:
        return self._late_since is not None and now - self._late_since > self._patience

    def _count(self, now: float) -> None:
        """Keeps how many calls of each criticality are begun in a second."""
        passed = now - self._counted
        if passed < self._patience / 2:
            return
        for each, begun in self._begun.items():
            self._rates[each] = (self._rates[each] + begun / passed) / 2
            self._begun[each] = 0
        self._counted = now

    def _drop(self, now: float) -> None:
        """Refuses what has waited for too long, and sees how long the oldest has."""
        oldest = now
        for criticality in reversed(_ORDER):
            queue, bound = self._queues[criticality], self._bound(criticality, now)
            while queue and (queue[0].turn.done() or now - queue[0].since > 2 * bound):
                self._leave(queue, begins=False)
            if queue:
                oldest = min(oldest, queue[0].since)
        if now - oldest <= self._patience * _STANDING / 2:
            self._calm(now)
        elif self._late_since is None:
            self._late_since = now

    def _calm(self, now: float) -> None:
        """Nothing waits for long: as long as calls are refused, that is why."""
        if now - self._refused_at > self._patience / 2:
            self._late_since = None

    def _leave(self, queue: deque[_Waiting], *, begins: bool) -> None:
        turn = queue.popleft().turn
        self.waiting -= 1
        if turn.done():
            return  # its caller has gone
        turn.set_result(begins)
        if begins:
            self._left -= 1
            self.under_way += 1
        else:
            self.refused += 1
            self._refused_at = self._time()

    def _holds(self, now: float) -> bool:
        """Whether nothing may begin in this turn, because something that matters more may be on its way."""
        if self._queues[Criticality.CRITICAL]:
            return False
        if not self._postponed:
            self._held_since = now
        elif now - self._held_since >= _HOLD_SECONDS or (self._postponed >= _EMPTY_TURNS and not self._awaits(now)):
            if self._awaits(now):
                self._trusts_at = now + _VAIN_SECONDS
            self._coming = 0  # their callers have gone, or send no message
            return False
        self._postponed += 1
        return True

    def _awaits(self, now: float) -> bool:
        return self._coming > 0 and now >= self._trusts_at

    def _begin(self) -> bool:
        """Begins what may begin in this turn; whether the next turn is of use."""
        self._postponed = 0
        for criticality in _ORDER:
            queue = self._queues[criticality]
            while queue and self._left > 0 and self._has_room(criticality):
                self._leave(queue, begins=True)
                self._begun[criticality] += 1
        return self._left < self._quota or not self.under_way
