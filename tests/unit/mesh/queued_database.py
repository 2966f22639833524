"""A model of a database behind three methods of different importance, by a clock of its own: for limits of calls that wait for it."""

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tocsin.mesh.policy import Criticality
from tocsin.mesh.shedding import SHARES
from tocsin.mesh.standing import StandingLimit

CRITICAL, NORMAL, SHEDDABLE = Criticality.CRITICAL, Criticality.NORMAL, Criticality.SHEDDABLE
PLACES: Final = 2
WORK: Final = 0.008
CAPACITY: Final = PLACES / WORK
"""Calls a second."""
Draw = Callable[[float, random.Random], float]
Spans = tuple[tuple[float, float], ...]


@dataclass
class QueuedCall:
    """One call of the model."""

    importance: Criticality
    began: float
    limit: StandingLimit
    over: bool = False


@dataclass(kw_only=True)
class QueuedDatabase:
    """Calls come at random, wait in the order of their coming for one of `PLACES`, and leave at their deadline.

    Attributes:
        rate: calls a second, at a time, as multiples of `CAPACITY`.
        seconds: for how long calls come.
        limited: whether the limit holds.
        from_second: when it is switched on, knowing how long calls took before.
        work: how long a call has its place.
        apart: how long a call takes that does not wait for others; 0: it waits for a place.
        stops: spans in which no call gets a place: a lock, a checkpoint.
        failures: spans in which every call fails at once: nothing is there.
        hangs: spans in which calls that come are never answered.
        frozen: spans in which the whole process stands still.
        deadline: for how long callers wait.
        mix: percent of the calls, by importance.
    """

    rate: Callable[[float], float]
    seconds: float = 20.0
    limited: bool = True
    from_second: float = 0.0
    work: Draw = lambda _at, _draw: WORK
    apart: Draw = lambda _at, _draw: 0.0
    stops: Spans = ()
    failures: Spans = ()
    hangs: Spans = ()
    frozen: Spans = ()
    deadline: float = 2.0
    mix: Mapping[Criticality, int] = field(default_factory=lambda: {CRITICAL: 20, NORMAL: 40, SHEDDABLE: 40})

    def __post_init__(self) -> None:
        self.now, self._busy, self._number = 0.0, 0, count()
        self._queue: deque[QueuedCall] = deque()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._draw = random.Random(7)
        self.limits = {each: self._limit() for each in self.mix}
        self.seen: Mapping[Criticality, Counter[str]] = {each: Counter() for each in self.mix}
        self.refused_at: list[float] = []

    def run(self) -> "QueuedDatabase":
        """All of it."""
        draw, at = random.Random(1), 0.0
        while (at := at + draw.expovariate(self.rate(at) * CAPACITY)) < self.seconds:
            importance = draw.choices(tuple(self.mix), tuple(self.mix.values()))[0]
            self._at(at, lambda importance=importance: self._come(importance))
        if self.from_second:
            self._at(self.from_second, self._switch_on)
        for _, end in self.stops:
            self._at(end, self._serve)
        while self._due:
            self.now, _, what = heapq.heappop(self._due)
            what()
        return self

    @property
    def answered(self) -> int:
        """Calls that were, in time."""
        return sum(each["answered"] for each in self.seen.values())

    def share(self, importance: Criticality) -> float:
        """Of the calls that were answered."""
        return self.seen[importance]["answered"] / self.seen[importance].total()

    def _limit(self, usual: float | None = None) -> StandingLimit:
        return StandingLimit(now=lambda: self.now, usual=usual)

    def _switch_on(self) -> None:
        self.limits = {each: self._limit(usual=WORK) for each in self.mix}

    def _at(self, when: float, what: Callable[[], None]) -> None:
        end = next((end for begin, end in self.frozen if begin <= when < end), when)
        heapq.heappush(self._due, (end, next(self._number), what))

    def _within(self, spans: Spans) -> bool:
        return any(begin <= self.now < end for begin, end in spans)

    def _come(self, importance: Criticality) -> None:
        limit = self.limits[importance]
        if self.limited and self.now >= self.from_second and importance is not CRITICAL and limit.refuses(SHARES[importance]):
            self.seen[importance]["refused"] += 1
            self.refused_at.append(self.now)
            return
        limit.under_way += 1
        call = QueuedCall(importance, self.now, limit)
        if self._within(self.failures):
            self._end(call, "failed")
            return
        self._at(self.now + self.deadline, lambda: self._end(call, "expired"))
        if self._within(self.hangs):
            return
        if apart := self.apart(self.now, self._draw):
            self._at(self.now + apart, lambda: self._end(call, "answered"))
        else:
            self._queue.append(call)
            self._serve()

    def _end(self, call: QueuedCall, how: str) -> None:
        if call.over:
            return
        call.over = True
        self.seen[call.importance][how] += 1
        left = max(0.0, call.began + self.deadline - self.now)
        call.limit.ended(call.began, passed=how == "answered", left=left)

    def _serve(self) -> None:
        while self._queue and self._busy < PLACES and not self._within(self.stops):
            call = self._queue.popleft()
            if not call.over:
                self._busy += 1
                self._at(self.now + self.work(self.now, self._draw), lambda call=call: self._done(call))

    def _done(self, call: QueuedCall) -> None:
        self._busy -= 1
        self._end(call, "answered")
        self._serve()
