"""Results on their way into the ledger: in batches, the critical ones by themselves, so that they wait for no large batch."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

from scheduler_svc.background import Background
from scheduler_svc.dispatch.session import Session
from scheduler_svc.domain import Report
from tocsin.clock import Clock
from tocsin.errors import Aborted, Unavailable

_RETRY_SECONDS: Final = (0.1, 0.2, 0.5, 1.0)
_BATCHES: Final = 4

Entry: TypeAlias = tuple[Session | None, Report]
"""A report with the session that waits for its confirmation, if one does."""


@dataclass(frozen=True, slots=True)
class _Line:
    """What waits for a commit, in order."""

    name: str
    entries: deque[Entry] = field(default_factory=deque[Entry])
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.filled.set()

    def take(self, most: int) -> list[Entry]:
        taken = [self.entries.popleft() for _ in range(min(len(self.entries), most))]
        self.room.set()
        return taken


class Results:
    """Collects results while a batch of them is committed."""

    def __init__(self, *, commit: Callable[[Sequence[Entry]], Awaitable[None]], most: int, loops: Background, clock: Clock) -> None:
        """Begins empty.

        Args:
            commit: keeps a batch; Unavailable and Aborted mean that it has to be tried again.
            most: results in a batch.
            loops: run the committing, and tell what fails.
            clock: paces new tries.
        """
        self._commit = commit
        self._most = most
        self._loops = loops
        self._clock = clock
        self._others = _Line("results")
        self._critical = _Line("critical results")

    def start(self) -> None:
        """Begins to commit."""
        for line in (self._critical, self._others):
            self._loops.start(line.name, partial(self._commit_forever, line))

    def add(self, entry: Entry, *, critical: bool) -> None:
        """Takes a result."""
        (self._critical if critical else self._others).add(entry)

    async def room(self) -> None:
        """Waits while too many are not committed."""
        for line in (self._critical, self._others):
            while len(line.entries) > _BATCHES * self._most:
                line.room.clear()
                await line.room.wait()

    async def finish(self) -> None:
        """Commits what is left; of what cannot be committed now nobody was told that it is kept, so it will be delivered again."""
        for line in (self._critical, self._others):
            try:
                while line.entries:
                    await self._commit(line.take(self._most))
            except Unavailable:
                line.entries.clear()

    async def _commit_forever(self, line: _Line) -> None:
        while True:
            while not line.entries:
                line.filled.clear()
                await line.filled.wait()
            await self._commit_surely(line, line.take(self._most))

    async def _commit_surely(self, line: _Line, batch: Sequence[Entry]) -> None:
        """Commits a batch, however long the database is away."""
        failures = 0
        while True:
            try:
                await self._commit(batch)
            except (Unavailable, Aborted) as error:
                self._loops.failing[line.name] = error.message
                await self._clock.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                failures += 1
            except asyncio.CancelledError:
                line.entries.extendleft(reversed(batch))
                raise
            else:
                self._loops.worked(line.name)
                return
