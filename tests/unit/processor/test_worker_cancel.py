"""Jobs that are cancelled end, and nothing else does."""

from processor_svc.domain import JobFailed, JobLease, JobSucceeded, WorkEvent
from tests.unit.processor.test_worker import Bench, job
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


async def test_a_job_that_is_cancelled_ends_and_the_others_go_on(clock: FakeClock) -> None:
    """Whether it runs or waits; saying it twice, or of a lease that is over, does nothing."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    stream.events.put_nowait(WorkEvent(jobs=[job("f1", 1), job("f2", 2), job("f3", 3)]))
    for firing in ("f1", "f2", "f3"):
        await bench.started(firing)
    stale, running = JobLease("f2", 1), JobLease("f1", 1)
    stream.events.put_nowait(WorkEvent(cancelled=[running, running, stale, JobLease("unknown", 1)]))
    await eventually(lambda: len(stream.ends) == 1)
    ((lease, end),) = stream.ends
    assert lease == running
    assert isinstance(end, JobFailed)
    assert (end.reason, end.retryable) == ("CANCELLED", False)
    for firing in ("f2", "f3"):
        bench.tasks.end(firing, JobSucceeded({}))
    await eventually(lambda: len(stream.ends) == 3)
    assert bench.worker.in_flight == 0
    stream.events.put_nowait(WorkEvent(jobs=[job("f4", 4)], cancelled=[]))
    await bench.started("f4")
    bench.tasks.end("f4", JobSucceeded({}))
    await eventually(lambda: len(stream.ends) == 4)
    await bench.worker.stop()


async def test_a_job_that_waits_is_cancelled_before_it_begins(clock: FakeClock) -> None:
    """It never does."""
    bench = Bench(clock)
    await bench.worker.start()
    stream = await bench.stream()
    stream.events.put_nowait(WorkEvent(jobs=[job("f1", 1)]))
    stream.events.put_nowait(WorkEvent(cancelled=[JobLease("f1", 1)]))
    await eventually(lambda: len(stream.ends) == 1)
    await bench.worker.stop()
    assert isinstance(stream.ends[0][1], JobFailed)
