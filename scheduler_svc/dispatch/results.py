"""Results on their way into the ledger: in batches, the critical ones by themselves, so that they wait for no large batch."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from scheduler_svc.dispatch.session import Confirmed, ProcessorSession
from scheduler_svc.domain import Lease, Report
from tocsin.background import Background, report_progress, report_stall
from tocsin.clock import Clock
from tocsin.errors import Aborted, Unavailable
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_RETRY_SECONDS: Final = (0.1, 0.2, 0.5, 1.0)
_FLOODED: Final = 16
_HURRIED_SHARE: Final = 4


class Entry(NamedTuple):
    """A report with the session that waits for its confirmation, if one does, and when it came."""

    session: ProcessorSession | None
    report: Report
    at: Micros = 0


@dataclass(slots=True)
class _Line:
    """What waits for a commit, in order.

    Attributes:
        limit: entries in the next batch.
        failures: in a row.
    """

    name: str
    limit: int
    entries: deque[Entry] = field(default_factory=deque[Entry])
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.filled.set()

    async def wait(self) -> None:
        while not self.entries:
            self.filled.clear()
            await self.filled.wait()

    def take(self, most: int) -> list[Entry]:
        taken = [self.entries.popleft() for _ in range(min(len(self.entries), self.limit, most))]
        self.room.set()
        return taken

    def put_back(self, batch: Sequence[Entry]) -> None:
        self.entries.extendleft(reversed(batch))


class Results:
    """Collects results while a batch of them is committed. None is lost: it is committed, or refused."""

    def __init__(
        self,
        *,
        commit: Callable[[Sequence[Entry]], Awaitable[None]],
        refuse: Callable[[Entry], None],
        hurried: Callable[[], bool],
        most: int,
        loops: Background,
        clock: Clock,
    ) -> None:
        """Begins empty.

        Args:
            commit: keeps a batch; Unavailable and Aborted mean that it has to be tried again.
            refuse: takes a result that cannot be kept, for another reason: it failed alone, again and again.
            hurried: whether something critical is under way. Batches of others are small then: it runs on the same processors.
            most: results in a batch.
            loops: run the committing, and tell what fails.
            clock: paces new tries.
        """
        self._commit = commit
        self._refuse = refuse
        self._hurried = hurried
        self._most = most
        self._loops = loops
        self._clock = clock
        self._others = _Line("results", most)
        self._critical = _Line("results-critical", most)

    def start(self) -> None:
        """Begins to commit."""
        for line in (self._critical, self._others):
            self._loops.supervised(line.name, partial(self._commit_forever, line))

    def add(self, entry: Entry, *, critical: bool) -> None:
        """Takes a result."""
        (self._critical if critical else self._others).add(entry)

    @property
    def crowded(self) -> bool:
        """Whether results that are not critical wait for the batches after the next: then nothing is gained by more of them."""
        return len(self._others.entries) > self._most

    async def room(self) -> None:
        """Waits while far too many are not committed: more than processors send that take no jobs while it is `crowded`.

        A reader that waits here does not see the critical results either that are behind the others in its stream.
        """
        for line in (self._critical, self._others):
            while len(line.entries) > _FLOODED * self._most:
                line.room.clear()
                await line.room.wait()

    async def finish(self) -> None:
        """Commits what is left; of what cannot be committed now nobody was told that it is kept, so it will be delivered again."""
        for line in (self._critical, self._others):
            try:
                while line.entries:
                    await self._commit(line.take(self._most))
            except Exception as error:  # noqa: BLE001  whatever keeps one line from its end must not keep the other
                _log.warning("results not stored", line=line.name, exc_info=error)
                line.entries.clear()

    async def _commit_forever(self, line: _Line) -> None:
        while True:
            await line.wait()
            batch = line.take(max(1, self._most // _HURRIED_SHARE) if line is self._others and self._hurried() else self._most)
            try:
                await self._commit(batch)
            except asyncio.CancelledError:
                line.put_back(batch)
                raise
            except Exception as error:  # noqa: BLE001  a batch that is dropped would be with nobody, and not done
                self._fail(line, batch, error)
                await self._clock.sleep(_RETRY_SECONDS[min(line.failures, len(_RETRY_SECONDS)) - 1])
            else:
                report_progress()
                line.limit, line.failures = min(self._most, 2 * line.limit), 0

    def _fail(self, line: _Line, batch: Sequence[Entry], error: Exception) -> None:
        """Sees to it that the batch is tried again, however long the database is away.

        A failure of another kind may come of one result. Then smaller batches follow, until that one is alone and, at last, refused.
        """
        line.failures += 1
        if isinstance(error, Unavailable | Aborted):
            report_stall(error.message, self._clock)
            line.put_back(batch)
            return
        report_stall(type(error).__name__, self._clock)
        if len(batch) == 1 and line.failures < len(_RETRY_SECONDS):
            line.put_back(batch)
            return
        _log.error("results cannot be stored", line=line.name, results=len(batch), exc_info=error)
        line.failures = 1
        if len(batch) > 1:
            line.limit = len(batch) // 2
            line.put_back(batch)
        else:
            self._refuse(batch[0])


def confirm_results(batch: Sequence[Entry]) -> None:
    """Confirms the leases of a batch to the sessions that wait for it."""
    by_session: defaultdict[int, list[Lease]] = defaultdict(list)
    sessions: dict[int, ProcessorSession] = {}
    for session, report, _ in batch:
        if session is not None:
            sessions[session.number] = session
            by_session[session.number].append(report.lease)
    for number, leases in by_session.items():
        sessions[number].send(Confirmed(leases))
