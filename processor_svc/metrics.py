"""What Prometheus sees of the worker."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from processor_svc.domain import End, Failed, Job, Released, TaskAction

_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)


class JobMetrics:
    """Counts and times jobs by kind and end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._jobs = Counter("tocsin_processor_jobs", "Jobs by kind of action and by end.", ("kind", "end"), registry=registry)
        self._seconds = Histogram("tocsin_processor_job_seconds", "Length of a job.", ("kind",), registry=registry, buckets=_BUCKETS)
        self._in_flight = Gauge("tocsin_processor_jobs_in_flight", "Jobs that run now.", registry=registry)

    def watch(self, in_flight: Callable[[], float]) -> None:
        """Reads the number of running jobs from ``in_flight`` at every scrape."""
        self._in_flight.set_function(in_flight)

    def finished(self, job: Job, end: End, seconds: float) -> None:
        """``job`` ended after ``seconds`` of work."""
        kind = "task" if isinstance(job.action, TaskAction) else "notify"
        name = "failed" if isinstance(end, Failed) else "released" if isinstance(end, Released) else "succeeded"
        self._jobs.labels(kind, name).inc()
        self._seconds.labels(kind).observe(seconds)
