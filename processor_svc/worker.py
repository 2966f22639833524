"""The worker: takes jobs from every scheduler, runs them, and reports their results.

A firing has one result: one that is received again while it runs joins the running job, and one that has succeeded here is answered from
memory. A result that the scheduler has not confirmed is sent again on the next stream.
"""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final, Protocol

from processor_svc.domain import Job, JobFailed, JobLease, JobReleased, JobResult, JobSucceeded
from processor_svc.ports import WorkSession, WorkSource
from processor_svc.results import bounded_result, error_text
from processor_svc.streams import ReplicaStreams
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.priority import Priority
from tocsin.telemetry import get_logger

_REMEMBERED: Final = 2000
_UNCONFIRMED: Final = 20_000
_STRETCH: Final = 100
_TICK_SECONDS: Final = 1.0
_CONFIRMATION_SECONDS: Final = 1.0
_SILENT_SECONDS: Final = 5.0
_OTHER_SUSPECT: Final = JobReleased(message="another firing that may end its processor runs here", retry_after=1.0)
_CANCELLED: Final = JobFailed(reason="CANCELLED", message="it was cancelled", retryable=False)
_STOPPED: Final = JobReleased(message="the processor stopped before the job was done", retry_after=0.0)


_log = get_logger(__name__)


class JobRunner(Protocol):
    """Runs a job of any kind of action."""

    async def run(self, job: Job) -> JobResult:
        """Runs the job once."""
        ...


class JobObserver(Protocol):
    """Is called when a job ends."""

    def finished(self, job: Job, end: JobResult, seconds: float) -> None:
        """``job`` ended after ``seconds`` of work."""
        ...


@dataclass(slots=True)
class _Running:
    """A running job, with its latest lease, the scheduler that gets its result, and the task that runs it now."""

    job: Job
    endpoint: str
    begun: float
    extended: float
    task: "asyncio.Task[None] | None" = None
    cancelled: bool = False


@dataclass(slots=True)
class _Endpoint:
    """The state of one scheduler: results to confirm, and its stream."""

    unconfirmed: dict[JobLease, JobResult] = field(default_factory=dict)
    session: WorkSession | None = None
    opened: float | None = None
    heard: bool = False

    def connected(self, now: float) -> bool:
        """Whether the scheduler has sent something, or an older one, which only sends jobs, has not ended the stream for a while."""
        return self.heard or (self.opened is not None and now - self.opened >= _SILENT_SECONDS)


class Worker:
    """Runs the jobs of every scheduler; a component.

    Each scheduler is granted a credit of ``concurrency`` jobs.
    """

    def __init__(
        self, *, source: WorkSource, runner: JobRunner, observer: JobObserver, clock: Clock, concurrency: int, grace_seconds: float
    ) -> None:
        self._source = source
        self._runner = runner
        self._observer = observer
        self._clock = clock
        self._concurrency = concurrency
        self._grace = grace_seconds
        self._fleet = ReplicaStreams(
            name="scheduler_svc", endpoints=source.endpoints, session=self._session, connected=source.connected, clock=clock
        )
        self._endpoints: dict[str, _Endpoint] = {}
        self._running: dict[str, _Running] = {}
        self._urgent: deque[_Running] = deque()
        self._waiting: deque[_Running] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._relief: asyncio.Handle | None = None
        self._succeeded: OrderedDict[str, JobSucceeded] = OrderedDict()
        self._extending = Background(clock)
        self._jobs = Background(clock)
        self._suspect = ""
        self._purged: frozenset[str] = frozenset()
        self._stopping = False

    @property
    def in_flight(self) -> int:
        """Number of jobs received and not finished."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Number of jobs received and not begun."""
        return len(self._urgent) + len(self._waiting)

    @property
    def connected(self) -> int:
        """Number of open Work streams."""
        now = self._clock.monotonic()
        return sum(endpoint.connected(now) for endpoint in self._endpoints.values())

    async def start(self) -> None:
        """Opens the Work streams."""
        self._stopping = False
        if not self._extending.running:
            self._extending.periodic("lease-extension", _TICK_SECONDS, self._extend_leases, at_once=False)
        await self._fleet.start()

    async def stop(self) -> None:
        """Takes no more jobs, waits for running ones, releases those that outlast the grace period, and sends every result."""
        self._stopping = True
        while self.waiting:
            self._finish(self._next(), _STOPPED)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._extending.stop()
        for endpoint in self._endpoints.values():
            if endpoint.session:
                endpoint.session.end()
        await self._fleet.stop(grace_seconds=_CONFIRMATION_SECONDS)

    def purge_tenants(self, tenants: frozenset[str]) -> None:
        """These tenants are deleted: their jobs are cancelled, and no more of them begin."""
        self._purged = tenants
        for entry in list(self._running.values()):
            if entry.job.tenant in tenants:
                self._cancel(entry.job.lease)

    async def _session(self, address: str) -> None:
        endpoint = self._endpoints.setdefault(address, _Endpoint())
        session = await self._source.open(address)
        for lease, end in endpoint.unconfirmed.items():
            session.finish(lease, end)
        endpoint.session, endpoint.opened = session, self._clock.monotonic()
        taken = sum(1 for running in self._running.values() if running.endpoint == address)
        session.grant(max(0, self._concurrency - taken))
        try:
            await self._receive(address, endpoint, session)
        finally:
            endpoint.session, endpoint.opened, endpoint.heard = None, None, False
            session.close()

    async def _receive(self, address: str, endpoint: _Endpoint, session: WorkSession) -> None:
        while True:
            event = await session.receive()
            endpoint.heard = True
            for lease in event.confirmed:
                endpoint.unconfirmed.pop(lease, None)
            for lease in event.cancelled:
                self._cancel(lease)
            for lease, end in event.refused:
                self._report(address, lease, end)
            for job in event.jobs:
                self._take(address, job)
            self._begin()
            if event.drain:
                # Results of jobs that still run are sent on the next stream.
                endpoint.session = None
                session.end()

    def _take(self, address: str, job: Job) -> None:
        running = self._running.get(job.lease.firing)
        if running is not None:
            running.job, running.endpoint = job, address
            return
        done = self._succeeded.get(job.lease.firing)
        if done is not None:
            self._report(address, job.lease, done)
        elif job.tenant in self._purged:
            self._report(address, job.lease, _CANCELLED)
        elif self._stopping:
            self._report(address, job.lease, _STOPPED)
        elif job.suspect and self._suspect in self._running:
            # Each scheduler sends one suspect at a time. Beside that of another one, nobody could tell who ended this processor.
            self._report(address, job.lease, _OTHER_SUSPECT)
        else:
            self._suspect = job.lease.firing if job.suspect else self._suspect
            now = self._clock.monotonic()
            entry = self._running[job.lease.firing] = _Running(job=job, endpoint=address, begun=now, extended=now)
            (self._urgent if job.priority is Priority.CRITICAL else self._waiting).append(entry)

    def _cancel(self, lease: JobLease) -> None:
        """Ends a job; one that has not begun does not begin. Its handler is told, and killed if it does not end."""
        entry = self._running.get(lease.firing)
        if entry is None or entry.job.lease != lease or entry.cancelled:
            return
        entry.cancelled = True
        if entry.task is not None:
            entry.task.cancel()
            return
        for line in (self._urgent, self._waiting):
            if entry in line:
                line.remove(entry)
        self._finish(entry, _CANCELLED)

    def _begin(self) -> None:
        """Starts a task for the waiting jobs."""
        self._relief = None
        if self.waiting:
            task = self._jobs.once("job", self._work_on)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work_on(self) -> None:
        """Runs waiting jobs one after the other. When one of them awaits, another task takes over, so that jobs that never do share one.

        After `_STRETCH` jobs another task takes over in any case, so that streams are read and written in between.
        """
        for _ in range(_STRETCH):
            if not self.waiting:
                return
            entry = self._next()
            if self.waiting and self._relief is None:
                self._relief = asyncio.get_running_loop().call_soon(self._begin)
            await self._work(entry)

    def _next(self) -> _Running:
        return (self._urgent or self._waiting).popleft()

    async def _work(self, entry: _Running) -> None:
        """Runs one job. An exception is the job's failure, unless the processor stops."""
        task = entry.task = asyncio.current_task()
        try:
            end = await self._runner.run(entry.job)
        except asyncio.CancelledError:
            if task is not None and task.cancelling() > entry.cancelled:
                self._finish(entry, _STOPPED)
                raise
            end = _CANCELLED if entry.cancelled else JobFailed(reason="JOB_FAILED", message="the job cancelled itself", retryable=True)
        except BaseException as error:  # noqa: BLE001  an action is foreign code: even SystemExit is only its own failure
            _log.error("a job failed unexpectedly", firing=entry.job.lease.firing, exc_info=error)
            end = JobFailed(reason="JOB_FAILED", message=error_text(error), retryable=True)
        if entry.cancelled and task is not None:
            task.uncancel()  # the next job of this task is another's
        self._finish(entry, bounded_result(end))

    def _finish(self, entry: _Running, end: JobResult) -> None:
        job = entry.job
        del self._running[job.lease.firing]
        if isinstance(end, JobSucceeded):
            self._remember(job.lease.firing, end)
        self._report(entry.endpoint, job.lease, end)
        self._observer.finished(job, end, self._clock.monotonic() - entry.begun)

    def _remember(self, firing: str, end: JobSucceeded) -> None:
        self._succeeded[firing] = end
        if len(self._succeeded) > _REMEMBERED:
            self._succeeded.popitem(last=False)

    def _report(self, address: str, lease: JobLease, end: JobResult) -> None:
        endpoint = self._endpoints.setdefault(address, _Endpoint())
        endpoint.unconfirmed[lease] = end
        if len(endpoint.unconfirmed) > _UNCONFIRMED:
            # Its lease expired long ago: the scheduler has given the firing to another processor.
            endpoint.unconfirmed.pop(next(iter(endpoint.unconfirmed)))
        if endpoint.session:
            endpoint.session.finish(lease, end)
            if not self._stopping:
                endpoint.session.grant(1)

    async def _extend_leases(self) -> None:
        now = self._clock.monotonic()
        due: dict[str, list[JobLease]] = {}
        for running in self._running.values():
            if now - running.extended >= running.job.lease_seconds / 3:
                running.extended = now
                due.setdefault(running.endpoint, []).append(running.job.lease)
        for address, leases in due.items():
            session = self._endpoints[address].session
            if session:
                session.extend(leases)
