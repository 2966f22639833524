"""Processors: they work on firings, and do everything wrong that a processor can do."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scheduler_svc.dispatch import CancelJobs, Confirmed, Drain
from scheduler_svc.domain import End, Failed, Lease, Released, Report, Succeeded
from tests.simulation.loop import Process, SimLoop
from tests.simulation.streams import Answer, Credit, Extend, Finish, Job, Results, Stream

_SECOND: Final = 1_000_000
NONSENSE: Final = "NONSENSE"
"""The reason of failures that no delivery ever had: it must be in no row."""


@dataclass(slots=True)
class Manners:
    """How often a processor misbehaves, each a probability of one job; ``work`` is the mean length of a job in seconds."""

    work: float = 0.05
    fails: float = 0.0
    fatal: float = 0.0
    hangs: float = 0.0
    late: float = 0.0
    released: float = 0.0
    doubled: float = 0.0
    stale: float = 0.0
    nonsense: float = 0.0


class FarEnd:
    """What the work does to the world: idempotent by firing id, as the far end of a webhook would be."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def act(self, firing: str) -> None:
        """Does the work of a firing; again, it changes nothing."""
        self.calls[firing] += 1


class Seen:
    """What processors saw, for the checker."""

    def __init__(self) -> None:
        self.deliveries: Counter[str] = Counter()
        self.confirmed: Counter[str] = Counter()
        self.on_job: Callable[[Job], None] = _ignore_job
        self.on_confirmed: Callable[[str], None] = _ignore_text


def _ignore_job(job: Job) -> None:
    """Nobody looks."""


def _ignore_text(text: str) -> None:
    """Nobody looks."""


class Processor:
    """One start of a processor. Ends that nobody confirmed go out again on the next stream to the same replica."""

    def __init__(
        self,
        *,
        name: str,
        loop: SimLoop,
        process: Process,
        draw: random.Random,
        manners: Manners,
        far_end: FarEnd,
        seen: Seen,
        counts: Counter[str],
        concurrency: int,
        lease_seconds: float,
        deadly: Callable[[Job], bool],
        die: Callable[[], None],
    ) -> None:
        self.name = name
        self._deadly = deadly
        self._die = die
        self.process = process
        self.streams: dict[str, Stream] = {}
        self._loop = loop
        self._draw = draw
        self._manners = manners
        self._far_end = far_end
        self._seen = seen
        self._counts = counts
        self._concurrency = concurrency
        self._lease = lease_seconds
        self._unconfirmed: dict[str, dict[Lease, End]] = {}
        self._running: dict[str, tuple[str, Lease]] = {}
        self._suspect: Job | None = None

    def begin(self) -> None:
        """Starts to extend the leases of long work."""
        with self._loop.within(self.process):
            self._loop.create_task(self._extend())

    def connect(self, replica: str, open_stream: Callable[[Callable[[Answer], None], Callable[[], None]], Stream]) -> None:
        """Opens a stream to a replica that it has none to."""
        if replica in self.streams:
            return

        def heard(answer: Answer) -> None:
            self._hear(replica, answer)

        stream = open_stream(heard, lambda: self._gone(replica, stream))
        self.streams[replica] = stream
        owed = self._unconfirmed.setdefault(replica, {})
        if owed:
            self._counts["results sent again"] += len(owed)
            stream.say(Results([Report(lease, end) for lease, end in owed.items()]))
        stream.say(Credit(self._concurrency))

    def _gone(self, replica: str, stream: Stream) -> None:
        if self.streams.get(replica) is stream:
            del self.streams[replica]

    def _hear(self, replica: str, answer: Answer) -> None:
        if isinstance(answer, Confirmed):
            for lease in answer.leases:
                end = self._unconfirmed.get(replica, {}).pop(lease, None)
                if isinstance(end, Succeeded):
                    self._seen.confirmed[lease.firing] += 1
                    self._seen.on_confirmed(lease.firing)
        elif isinstance(answer, Drain):
            stream = self.streams.get(replica)
            if stream is not None:
                stream.say(Finish())
        elif not isinstance(answer, CancelJobs):  # a job that nobody wants any more may end as well
            for job in answer:
                self._take(replica, job)

    # -- work ------------------------------------------------------------------------------------------------------------------------

    def _take(self, replica: str, job: Job) -> None:
        self._seen.deliveries[job.lease.firing] += 1
        self._seen.on_job(job)
        if job.suspect and self._suspect is not None:
            self._counts["suspects given back"] += 1
            self._report(replica, job.lease, Released(message="another suspect runs here", wait=_SECOND))
            return
        self._suspect = job if job.suspect else self._suspect
        with self._loop.within(self.process):
            self._loop.create_task(self._work(replica, job))

    async def _work(self, replica: str, job: Job) -> None:
        try:
            await self._run(replica, job)
        finally:
            self._suspect = None if self._suspect is job else self._suspect

    async def _run(self, replica: str, job: Job) -> None:
        if self._deadly(job):
            self._counts["deadly jobs"] += 1
            self._die()
            return
        manners = self._manners
        if manners.nonsense and self._draw.random() < manners.nonsense:
            self._babble(replica, job.lease)
        roll = self._draw.random()
        edges = (manners.hangs, manners.late, manners.fails, manners.fatal, manners.released)
        deeds = (self._hang, self._late, self._fail, self._break, self._release)
        for edge, deed in zip(edges, deeds, strict=True):
            if roll < edge:
                await deed(replica, job)
                return
            roll -= edge
        self._running[job.lease.firing] = (replica, job.lease)
        await asyncio.sleep(self._draw.expovariate(1 / manners.work))
        self._running.pop(job.lease.firing, None)
        self._succeed(replica, job)

    def _succeed(self, replica: str, job: Job) -> None:
        self._far_end.act(job.lease.firing)
        self._report(replica, job.lease, Succeeded(job.lease.firing.encode()))

    async def _hang(self, replica: str, job: Job) -> None:
        """Never answers; after a while it gives up, and takes another job instead."""
        self._counts["hanging jobs"] += 1
        await asyncio.sleep(4 * self._lease)
        if replica in self.streams:
            self.streams[replica].say(Credit(1))

    async def _late(self, replica: str, job: Job) -> None:
        """Answers after its lease is over, when somebody else has the firing; once in a while it extends the lease and so may."""
        self._counts["late results"] += 1
        if self._draw.random() < 0.3:
            self._running[job.lease.firing] = (replica, job.lease)
        await asyncio.sleep(self._lease * self._draw.uniform(1.0, 3.0))
        self._running.pop(job.lease.firing, None)
        self._succeed(replica, job)

    async def _fail(self, replica: str, job: Job) -> None:
        self._counts["failed jobs"] += 1
        await asyncio.sleep(self._draw.expovariate(1 / self._manners.work))
        wait = self._draw.choice([None, None, 0, self._draw.randrange(90 * _SECOND)])
        self._report(replica, job.lease, Failed(reason="TOLD_TO", message="it failed", retry_after=wait))

    async def _break(self, replica: str, job: Job) -> None:
        self._counts["fatal jobs"] += 1
        self._report(replica, job.lease, Failed(reason="FATAL", message="it cannot work", retryable=False))

    async def _release(self, replica: str, job: Job) -> None:
        self._counts["released jobs"] += 1
        wait = self._draw.choice([0, 0, self._draw.randrange(60 * _SECOND)])
        await asyncio.sleep(self._draw.expovariate(1 / self._manners.work))
        self._report(replica, job.lease, Released(message="" if wait == 0 else "busy", wait=wait))

    def _report(self, replica: str, lease: Lease, end: End) -> None:
        self._unconfirmed.setdefault(replica, {})[lease] = end
        stream = self.streams.get(replica)
        if stream is None:
            return
        reports = [Report(lease, end)]
        if self._draw.random() < self._manners.doubled:
            self._counts["duplicate results"] += 1
            reports *= 2
        if self._draw.random() < self._manners.stale:
            self._counts["stale results"] += 1
            reports.append(Report(Lease(lease.firing, max(0, lease.token - 1)), Failed(reason="STALE", message="of an older delivery")))
        stream.say(Results(reports))
        stream.say(Credit(1))

    def _babble(self, replica: str, lease: Lease) -> None:
        """Tells what no processor should, while the job is under way and its true end cannot yet outdo it.

        It is of firings that nobody gave it, and of a delivery of this one that never was; in texts that nobody can store.
        """
        self._counts["nonsense"] += 1
        odd = Failed(
            reason=NONSENSE,
            message="\0\ud800" * self._draw.choice([1, 10_000]),
            retry_after=self._draw.choice([None, -1, 2**62]),
            retryable=self._draw.random() < 0.5,
        )
        never = Lease(lease.firing, lease.token + 1000)
        reports = [
            Report(Lease("nobody", 7), odd),
            Report(Lease("", -1), Released(message="\0", wait=-(2**62))),
            Report(Lease("nobody", 2**62), Succeeded(b"\xff\xfe" * 10)),
            Report(never, odd),
        ]
        stream = self.streams.get(replica)
        if stream is not None:
            stream.say(Extend([Lease("nobody", -1), never]))
            stream.say(Results(reports))

    async def _extend(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            for replica, stream in tuple(self.streams.items()):
                leases = [lease for where, lease in self._running.values() if where == replica]
                if leases:
                    stream.say(Extend(leases))
