"""One Work stream, as the dispatcher sees it: credit, what it works on, and what is to be sent."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from scheduler_svc.domain import Lease, Parcel


@dataclass(frozen=True, slots=True)
class Jobs:
    """Firings for the processor, each with the token of this delivery."""

    deliveries: Sequence[tuple[Parcel, int]]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Leases whose results are committed, or do not matter any more."""

    leases: Sequence[Lease]


@dataclass(frozen=True, slots=True)
class Drain:
    """The processor shall move on."""


Message = Jobs | Confirmed | Drain


class Session:
    """One connected processor. Never more is sent than it has granted credit for.

    Attributes:
        credit: how many more firings it takes.
        draining: it was told to move on.
        leased: ids of the firings that it works on.
        unconfirmed: results of it that are not committed yet.
    """

    def __init__(self, *, worker: str, number: int) -> None:
        """Begins without credit.

        Args:
            worker: identity of the processor's start.
            number: tells sessions apart.
        """
        self.worker = worker
        self.number = number
        self.credit = 0
        self.draining = False
        self.closed = False
        self.finished = False
        self.leased: set[str] = set()
        self.unconfirmed = 0
        self._outbox: deque[Message] = deque()
        self._filled = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether it takes jobs now."""
        return self.credit > 0 and not (self.draining or self.finished or self.closed)

    def send(self, message: Message) -> None:
        """Queues a message; jobs are bounded by the credit, confirmations by the results that came."""
        if isinstance(message, Confirmed):
            self.unconfirmed -= len(message.leases)
        if not self.closed:
            self._outbox.append(message)
            self._filled.set()

    def finish(self) -> None:
        """The processor says no more: it gets no jobs, but still the confirmations of what it has reported."""
        self.finished = True
        self._filled.set()

    def close(self) -> None:
        """Ends the session: what is queued is not sent any more."""
        self.closed = True
        self._filled.set()

    async def next(self) -> Message | None:
        """The next message to send; None when the session is over."""
        while not self._outbox and not self._over:
            self._filled.clear()
            await self._filled.wait()
        return self._outbox.popleft() if self._outbox and not self.closed else None

    @property
    def _over(self) -> bool:
        return self.closed or (self.finished and not self.unconfirmed)
