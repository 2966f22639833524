"""The worker reports each job once, whatever happens to streams and leases."""

import asyncio
from collections.abc import Generator, Sequence

import pytest

from processor_svc.actions.task import TaskAction
from processor_svc.domain import Job, JobFailed, JobLease, JobReleased, JobResult, JobSucceeded, WorkEvent
from processor_svc.worker import Worker
from tocsin.errors import Unavailable
from tocsin.priority import Priority
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


def job(firing: str, token: int = 1, lease_seconds: float = 30.0, priority: Priority = Priority.NORMAL) -> Job:
    """A job of the firing ``firing``."""
    return Job(
        lease=JobLease(firing, token),
        lease_seconds=lease_seconds,
        tenant="t1",
        alarm="",
        attempt=1,
        priority=priority,
        action=TaskAction(handler="any", input={}),
        traceparent="",
    )


class Tasks:
    """Runs each job until the test says how it ends."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ends: dict[str, asyncio.Future[JobResult]] = {}

    async def run(self, job: Job) -> JobResult:
        self.started.append(job.lease.firing)
        return await self.ends.setdefault(job.lease.firing, asyncio.get_running_loop().create_future())

    def end(self, firing: str, end: JobResult) -> None:
        self.ends[firing].set_result(end)


class Log:
    def __init__(self) -> None:
        self.ends: list[JobResult] = []

    def finished(self, job: Job, end: JobResult, seconds: float) -> None:
        self.ends.append(end)


class Stream:
    """A Work stream in memory."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[WorkEvent | Exception] = asyncio.Queue()
        self.credit = 0
        self.ends: list[tuple[JobLease, JobResult]] = []
        self.extended: list[JobLease] = []
        self.ended = False

    def grant(self, credit: int) -> None:
        self.credit += credit

    def finish(self, lease: JobLease, end: JobResult) -> None:
        self.ends.append((lease, end))

    def extend(self, leases: Sequence[JobLease]) -> None:
        self.extended.extend(leases)

    async def receive(self) -> WorkEvent:
        event = await self.events.get()
        if isinstance(event, Exception):
            raise event
        return event

    def end(self) -> None:
        self.ended = True
        self.events.put_nowait(Unavailable("end of stream"))

    def close(self) -> None:
        self.ended = True


class Schedulers:
    """One scheduler; each stream to it is a new `Stream`."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []

    async def endpoints(self) -> Sequence[str]:
        return ["a:1"]

    def connected(self, endpoint: str) -> bool:
        return bool(endpoint)

    async def open(self, endpoint: str) -> Stream:
        self.streams.append(Stream())
        return self.streams[-1]


class Bench:
    """A worker with everything around it in the test's hands."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.tasks, self.log, self.schedulers = Tasks(), Log(), Schedulers()
        self.worker = Worker(
            source=self.schedulers,
            runner=self.tasks,
            observer=self.log,
            clock=clock,
            concurrency=10,
            grace_seconds=0.05,
        )

    async def stream(self, number: int = 0) -> Stream:
        async def opened() -> bool:
            await self.clock.advance(1.0)
            return len(self.schedulers.streams) > number

        while not await opened():
            pass
        return self.schedulers.streams[number]

    async def started(self, firing: str) -> None:
        await eventually(lambda: firing in self.tasks.started)


async def test_credit_comes_back_with_each_end(clock: FakeClock) -> None:
    """The scheduler may send as many jobs as there are places, and one more for each that ended."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    assert stream.credit == 10
    stream.events.put_nowait(WorkEvent(jobs=[job("f1")]))
    await bench.started("f1")
    assert stream.credit == 10
    bench.tasks.end("f1", JobSucceeded({"n": 1}))
    await eventually(lambda: stream.credit == 11)
    assert stream.ends == [(JobLease("f1", 1), JobSucceeded({"n": 1}))]
    await bench.worker.stop()


async def test_a_firing_that_comes_again_while_it_runs_is_joined(clock: FakeClock) -> None:
    """It runs once, and its end goes out under the newest lease."""
    bench = Bench(clock)
    await bench.worker.start()
    first = await bench.stream()
    first.events.put_nowait(WorkEvent(jobs=[job("f1", 1)]))
    await bench.started("f1")
    first.events.put_nowait(Unavailable("cut"))
    second = await bench.stream(1)
    second.events.put_nowait(WorkEvent(jobs=[job("f1", 2)]))
    await eventually(lambda: second.events.empty())
    await asyncio.sleep(0)
    bench.tasks.end("f1", JobSucceeded({}))
    await eventually(lambda: second.ends == [(JobLease("f1", 2), JobSucceeded({}))])
    assert bench.tasks.started == ["f1"]
    await bench.worker.stop()


async def test_a_firing_that_succeeded_here_is_not_run_again(clock: FakeClock) -> None:
    """A redelivery after success is answered from memory."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    stream.events.put_nowait(WorkEvent(jobs=[job("f1", 1)]))
    await bench.started("f1")
    bench.tasks.end("f1", JobSucceeded({"n": 1}))
    await eventually(lambda: len(stream.ends) == 1)
    stream.events.put_nowait(WorkEvent(jobs=[job("f1", 2)]))
    await eventually(lambda: len(stream.ends) == 2)
    assert stream.ends[1] == (JobLease("f1", 2), JobSucceeded({"n": 1}))
    assert bench.tasks.started == ["f1"]
    await bench.worker.stop()


async def test_one_suspect_runs_at_a_time_whoever_sent_it(clock: FakeClock) -> None:
    """Beside another one it is given back, and others run; when that one is over, the next one does."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    suspects = [job(f"s{number}", number)._replace(suspect=True) for number in (1, 2)]
    stream.events.put_nowait(WorkEvent(jobs=[*suspects, job("f1", 3)]))
    await bench.started("s1")
    await bench.started("f1")
    ((lease, end),) = stream.ends
    assert lease == JobLease("s2", 2)
    assert isinstance(end, JobReleased)
    assert end.retry_after == 1.0
    bench.tasks.end("s1", JobSucceeded({}))
    await eventually(lambda: len(stream.ends) == 2)
    stream.events.put_nowait(WorkEvent(jobs=[suspects[1]]))
    await bench.started("s2")
    await bench.worker.stop()


async def test_an_unconfirmed_end_is_sent_again_and_a_confirmed_one_is_not(clock: FakeClock) -> None:
    """After a broken stream the scheduler hears what it may have missed."""
    bench = Bench(clock)
    await bench.worker.start()
    first = await bench.stream()
    first.events.put_nowait(WorkEvent(jobs=[job("f1"), job("f2")]))
    await bench.started("f2")
    failed = JobFailed(reason="X", message="x", retryable=True)
    bench.tasks.end("f1", JobSucceeded({}))
    bench.tasks.end("f2", failed)
    await eventually(lambda: len(first.ends) == 2)
    first.events.put_nowait(WorkEvent(confirmed=[JobLease("f1", 1)]))
    first.events.put_nowait(Unavailable("cut"))
    second = await bench.stream(1)
    await eventually(lambda: second.ends == [(JobLease("f2", 1), failed)])
    await bench.worker.stop()


async def test_a_long_job_keeps_its_lease(clock: FakeClock) -> None:
    """A third into the lease it is extended."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    stream.events.put_nowait(WorkEvent(jobs=[job("f1", lease_seconds=6.0)]))
    await bench.started("f1")
    for _ in range(4):
        await clock.advance(1.0)
    assert stream.extended
    assert set(stream.extended) == {JobLease("f1", 1)}
    bench.tasks.end("f1", JobSucceeded({}))
    await bench.worker.stop()


async def test_stopping_gives_back_what_does_not_end_in_time(clock: FakeClock) -> None:
    """A job that outlasts the grace is released, and costs no attempt."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    stream.events.put_nowait(WorkEvent(jobs=[job("f1")]))
    await bench.started("f1")
    await bench.worker.stop()
    assert stream.ended
    assert [(lease, type(end)) for lease, end in stream.ends] == [(JobLease("f1", 1), JobReleased)]
    assert bench.worker.in_flight == 0


async def test_a_drained_stream_takes_no_more_ends(clock: FakeClock) -> None:
    """When a scheduler moves on, the end of a running job goes out on the next stream."""
    bench = Bench(clock)
    await bench.worker.start()
    first = await bench.stream()
    first.events.put_nowait(WorkEvent(jobs=[job("f1")]))
    await bench.started("f1")
    first.events.put_nowait(WorkEvent(drain=True))
    await eventually(lambda: first.ended)
    bench.tasks.end("f1", JobSucceeded({}))
    second = await bench.stream(1)
    await eventually(lambda: second.ends == [(JobLease("f1", 1), JobSucceeded({}))])
    assert first.ends == []
    await bench.worker.stop()


async def test_a_result_that_is_too_large_fails_for_good(clock: FakeClock) -> None:
    """The ledger keeps results bounded."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    stream.events.put_nowait(WorkEvent(jobs=[job("f1")]))
    await bench.started("f1")
    bench.tasks.end("f1", JobSucceeded({"text": "x" * 20_000}))
    await eventually(lambda: len(stream.ends) == 1)
    end = stream.ends[0][1]
    assert isinstance(end, JobFailed)
    assert (end.reason, end.retryable) == ("RESULT_TOO_LARGE", False)
    await bench.worker.stop()


async def test_jobs_that_end_at_once_do_not_hold_up_those_that_wait(clock: FakeClock) -> None:
    """Every job of a batch begins, however many before it wait; one that waited goes on, and what comes later begins as well."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    names = [f"f{number}" for number in range(9)]
    for name in names[::2]:
        bench.tasks.ends[name] = done = asyncio.get_running_loop().create_future()
        done.set_result(JobSucceeded({}))
    stream.events.put_nowait(WorkEvent(jobs=[job(name) for name in names]))
    await eventually(lambda: len(stream.ends) == 5)
    assert bench.tasks.started == names
    assert (bench.worker.in_flight, bench.worker.waiting) == (4, 0)
    stream.events.put_nowait(WorkEvent(jobs=[job("g1"), job("g2")]))
    await bench.started("g2")
    for name in (*names[1::2], "g1", "g2"):
        bench.tasks.end(name, JobSucceeded({}))
    await eventually(lambda: len(stream.ends) == 11)
    assert bench.worker.in_flight == 0
    await bench.worker.stop()


async def test_a_critical_job_goes_before_those_that_wait(clock: FakeClock) -> None:
    """However many came before it: between two stretches of jobs the streams are read, and it is next."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    names = [f"f{number}" for number in range(1000)]
    for name in (*names, "urgent"):
        bench.tasks.ends[name] = done = asyncio.get_running_loop().create_future()
        done.set_result(JobSucceeded({}))
    stream.events.put_nowait(WorkEvent(jobs=[job(name) for name in names]))
    stream.events.put_nowait(WorkEvent(jobs=[job("urgent", priority=Priority.CRITICAL)]))
    await eventually(lambda: len(stream.ends) == 1001)
    assert bench.tasks.started.index("urgent") < 500
    assert [name for name in bench.tasks.started if name != "urgent"] == names
    await bench.worker.stop()


@pytest.mark.parametrize(
    "error", [KeyError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), MemoryError()]
)
async def test_whatever_a_job_raises_is_its_own_failure(clock: FakeClock, error: BaseException) -> None:
    """The jobs behind it run, and credit comes back for each."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    bench.tasks.ends["bad"] = _Raises(error)  # type: ignore[assignment]  anything that can be awaited
    bench.tasks.ends["good"] = done = asyncio.get_running_loop().create_future()
    done.set_result(JobSucceeded({}))
    stream.events.put_nowait(WorkEvent(jobs=[job("bad"), job("good")]))
    await eventually(lambda: len(stream.ends) == 2)
    ends = dict(stream.ends)
    bad = ends[JobLease("bad", 1)]
    assert isinstance(bad, JobFailed)
    assert (bad.reason, bad.retryable) == ("JOB_FAILED", True)
    assert ends[JobLease("good", 1)] == JobSucceeded({})
    assert stream.credit == 12
    await bench.worker.stop()


class _Raises:
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __await__(self) -> Generator[None, None, JobResult]:
        yield
        raise self._error


async def test_a_job_that_could_not_be_read_is_reported_and_gives_its_place_back(clock: FakeClock) -> None:
    """It fails by itself, and a scheduler hears of it again until it confirms."""
    bench = Bench(clock)
    await bench.worker.start()
    first = await bench.stream()
    assert bench.worker.connected == 0
    failed = JobFailed(reason="CONTEXT_UNREADABLE", message="x", retryable=False)
    first.events.put_nowait(WorkEvent(jobs=[job("f1")], refused=[(JobLease("f0", 1), failed)]))
    await bench.started("f1")
    assert bench.worker.connected == 1
    assert (first.ends, first.credit) == ([(JobLease("f0", 1), failed)], 11)
    first.events.put_nowait(Unavailable("cut"))
    second = await bench.stream(1)
    assert second.ends == [(JobLease("f0", 1), failed)]
    assert bench.worker.connected == 0
    await bench.worker.stop()


async def test_a_stream_to_an_older_scheduler_counts_as_open_although_it_is_silent(clock: FakeClock) -> None:
    """Before it greeted a stream, a scheduler sent nothing but jobs: the processor must not be degraded until the first one."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    assert bench.worker.connected == 0
    await clock.advance(5.0)
    assert bench.worker.connected == 1
    stream.events.put_nowait(Unavailable("cut"))
    await bench.stream(1)
    assert bench.worker.connected == 0
    await bench.worker.stop()


async def test_a_cancelled_job_ends_and_others_go_on(clock: FakeClock) -> None:
    """One that runs, one that waits, and nothing of another lease; each gives its place back, and the worker takes further jobs."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    stream.events.put_nowait(WorkEvent(jobs=[job("f1"), job("f2")]))
    await bench.started("f1")
    await bench.started("f2")
    stream.events.put_nowait(WorkEvent(cancelled=[JobLease("f1", 7), JobLease("nobody", 1)]))
    stream.events.put_nowait(WorkEvent(jobs=[job("f3")], cancelled=[JobLease("f1", 1)]))
    await eventually(lambda: len(stream.ends) == 1)
    await bench.started("f3")
    ((lease, end),) = stream.ends
    assert (lease.firing, isinstance(end, JobFailed) and end.reason) == ("f1", "CANCELLED")
    assert bench.tasks.ends["f1"].cancelled()
    for firing in ("f2", "f3"):
        bench.tasks.end(firing, JobSucceeded(output={}))
    await eventually(lambda: {lease.firing for lease, _ in stream.ends} == {"f1", "f2", "f3"})
    assert (stream.credit, bench.worker.in_flight) == (13, 0)
    await bench.worker.stop()
