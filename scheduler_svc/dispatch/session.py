"""One Work stream, as the dispatcher sees it: credit, what it works on, and what is to be sent."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler_svc.domain import Lease, QueuedFiring
from scheduler_svc.ports import Findings


@dataclass(frozen=True, slots=True)
class Jobs:
    """Firings for the processor, each with the token of this delivery; ``suspect``: one of which processors may die."""

    deliveries: Sequence[tuple[QueuedFiring, int]]
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Leases whose results are committed, or do not matter any more."""

    leases: Sequence[Lease]


@dataclass(frozen=True, slots=True)
class CancelJobs:
    """Jobs that the processor shall end."""

    leases: Sequence[Lease]


@dataclass(frozen=True, slots=True)
class Drain:
    """The processor shall move on."""


@dataclass(frozen=True, slots=True)
class Question:
    """Actions that the processor shall check; its answer names the number."""

    number: int
    bodies: Sequence[bytes]
    tenant: str


Message = Jobs | Confirmed | CancelJobs | Drain | Question

OLD_KINDS: Final = frozenset(("notify", "task"))
"""What a processor knows that does not say what it knows."""


class ProcessorSession:
    """One connected processor. Never more is sent than it has granted credit for, but for the reserve.

    Attributes:
        credit: how many more firings it takes; below zero by as much as critical ones have used of the reserve.
        reserve: how many critical firings it takes beyond its credit.
        kinds: the kinds of action that it knows.
        draining: it was told to move on.
        leased: ids of the firings that it works on.
        suspect: id of the last suspected firing that it got; it works on it while it is among those leased.
        unconfirmed: results of it that are not committed yet.
    """

    def __init__(self, *, worker: str, number: int, reserve: int, kinds: Collection[str], on_ready: Callable[[], None]) -> None:
        """Begins without credit.

        Args:
            worker: identity of the processor's start.
            number: tells sessions apart.
            reserve: how many critical firings it takes beyond its credit.
            kinds: the kinds of action that it knows; none when it is an older one, which does not say.
            on_ready: called when jobs have left, so that it may take others.
        """
        self.reserve = reserve
        self.kinds = frozenset(kinds) or OLD_KINDS
        self._asked = bool(kinds)
        self._questions: dict[int, asyncio.Future[Sequence[Findings] | None]] = {}
        self._on_ready = on_ready
        self.worker = worker
        self.number = number
        self.credit = 0
        self.draining = False
        self.closed = False
        self.finished = False
        self.leased: set[str] = set()
        self.suspect = ""
        self.unconfirmed = 0
        self._outbox: deque[Message] = deque()
        self._jobs = 0
        self._count = 0
        self._filled = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether it takes jobs now. While some have not left yet, it does not: in the queues the urgent ones still overtake."""
        return not (self._jobs or self.draining or self.finished or self.closed)

    def send(self, message: Message) -> None:
        """Queues a message; jobs are bounded by the credit, confirmations by the results that came."""
        if isinstance(message, Confirmed):
            self.unconfirmed -= len(message.leases)
        self._jobs += isinstance(message, Jobs)
        if not self.closed:
            self._outbox.append(message)
            self._filled.set()

    def takes(self, kind: str) -> bool:
        """Whether jobs of this kind of action may be sent to it."""
        return kind in self.kinds and not (self.draining or self.finished or self.closed)

    def answers(self, kind: str) -> bool:
        """Whether it can be asked about actions of this kind, and has not left a question open."""
        return self._asked and not self._questions and self.takes(kind)

    async def ask(self, tenant: str, bodies: Sequence[bytes]) -> Sequence[Findings] | None:
        """What it finds wrong with each of the tenant's actions; None when the stream ends before. One that nobody waits for stays open."""
        self._count += 1
        number, answer = self._count, asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        self.send(Question(number, bodies, tenant))
        return await asyncio.shield(answer)

    def answer(self, number: int, findings: Sequence[Findings]) -> None:
        """Takes what the processor finds wrong, as `ask` wanted; an answer that nobody waits for is dropped."""
        waiting = self._questions.pop(number, None)
        if waiting is not None:
            waiting.set_result(findings)

    def finish(self) -> None:
        """The processor says no more: it gets no jobs, but still the confirmations of what it has reported."""
        self.finished = True
        self._filled.set()

    def close(self) -> None:
        """Ends the session: what is queued is not sent any more."""
        self.closed = True
        for number in tuple(self._questions):
            self._questions.pop(number).set_result(None)
        self._filled.set()

    async def next(self) -> Message | None:
        """The next message to send; None when the session is over."""
        while not self._outbox and not self._over:
            self._filled.clear()
            await self._filled.wait()
        if self.closed or not self._outbox:
            return None
        message = self._outbox.popleft()
        if isinstance(message, Jobs):
            self._jobs -= 1
            self._on_ready()
        return message

    @property
    def _over(self) -> bool:
        return self.closed or (self.finished and not self.unconfirmed)
