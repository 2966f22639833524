"""Machines: a clock of its own each, and the events that travel between them."""

import asyncio
import random
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from tests.simulation.loop import Process, SimLoop
from tocsin.clock import from_micros

_MICROS = 1_000_000


class SimClock:
    """The clock of a machine: its wall time can be wrong and jump, its monotonic time cannot."""

    def __init__(self, *, loop: SimLoop, epoch: int, started: float) -> None:
        """Shows the true time.

        Args:
            loop: source of virtual time.
            epoch: wall time at the loop's beginning, in microseconds.
            started: monotonic seconds at the loop's beginning.
        """
        self._loop = loop
        self._epoch = epoch
        self._started = started
        self.error = 0
        """By how many microseconds the wall time is ahead."""

    def now(self) -> datetime:
        """See `tocsin.clock.Clock`."""
        return from_micros(self.micros())

    def micros(self) -> int:
        """See `tocsin.clock.Clock`."""
        return self._epoch + round(self._loop.time() * _MICROS) + self.error

    def monotonic(self) -> float:
        """See `tocsin.clock.Clock`."""
        return self._started + self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """See `tocsin.clock.Clock`."""
        await asyncio.sleep(max(0.0, seconds))


@dataclass(slots=True)
class Mailbox:
    """What arrives for one subscriber or stream, in order."""

    owner: Process
    items: deque[bytes] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, item: bytes) -> None:
        """Adds something, and wakes who waits."""
        self.items.append(item)
        self.filled.set()

    def __aiter__(self) -> "Mailbox":
        return self

    async def __anext__(self) -> bytes:
        while not self.items:
            self.filled.clear()
            await self.filled.wait()
        return self.items.popleft()


class SimBus:
    """Events between replicas: those of the own process arrive at once, others later, or twice, or never."""

    def __init__(self, *, loop: SimLoop, draw: random.Random, counts: Counter[str]) -> None:
        """Loses nothing at first."""
        self.loop = loop
        self.lost = 0.0
        self.doubled = 0.0
        self.delay = 0.001
        self._draw = draw
        self._counts = counts
        self._boxes: defaultdict[str, list[Mailbox]] = defaultdict(list)

    async def publish(self, topic: str, payload: bytes = b"") -> None:
        """See `scheduler_svc.hints.Events`."""
        for box in tuple(self._boxes.get(topic, ())):
            if box.owner is self.loop.process:
                box.put(payload)
            else:
                self._send(box, payload)

    def _send(self, box: Mailbox, payload: bytes) -> None:
        self._counts["hints"] += 1
        if self._draw.random() < self.lost:
            self._counts["lost hints"] += 1
            return
        copies = 2 if self._draw.random() < self.doubled else 1
        with self.loop.within(box.owner):
            for _ in range(copies):
                self.loop.call_later(self._draw.expovariate(1 / self.delay), box.put, payload)

    @asynccontextmanager
    async def subscribe(self, topic: str, *, poll_seconds: float | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        """See `scheduler_svc.hints.Events`."""
        box = Mailbox(self.loop.process)
        self._boxes[topic].append(box)
        ticking = None if poll_seconds is None else asyncio.ensure_future(_tick(box.put, poll_seconds))
        try:
            yield box
        finally:
            self._boxes[topic].remove(box)
            if ticking is not None:
                ticking.cancel()

    def forget(self, process: Process) -> None:
        """Drops the subscriptions of a process that died."""
        for boxes in self._boxes.values():
            boxes[:] = [box for box in boxes if box.owner is not process]


async def _tick(put: Callable[[bytes], None], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        put(b"")
