"""What Prometheus sees of the worker."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from processor_svc.actions.kinds import Actions
from processor_svc.domain import Job, JobFailed, JobReleased, JobResult, JobSucceeded
from processor_svc.hosting import Packages
from processor_svc.worker import Worker
from tocsin.telemetry.distribution import Distribution

_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)
_UNKNOWN = "unknown"


class JobMetrics:
    """Counts and times jobs by kind and end, and by what tells jobs of their kind apart."""

    def __init__(self, registry: CollectorRegistry, *, actions: Actions) -> None:
        """Registers the metrics of the kinds in ``actions``, and of those that nobody knows."""
        self._describe = actions.describe
        self._jobs = Counter("tocsin_processor_jobs", "Jobs by kind of action and by end.", ("kind", "end"), registry=registry)
        self._seconds = Distribution(
            "tocsin_processor_job_seconds", "Length of a job, by handler.", ("kind", "handler"), registry=registry, bounds=_BUCKETS
        )
        # To look a child up by its labels takes longer than to count.
        self._ends = {
            (kind, end.name): self._jobs.labels(kind or _UNKNOWN, end.name)
            for kind in (*actions.names, "")
            for end in (JobSucceeded, JobFailed, JobReleased)
        }
        self._series = {(kind, ""): self._seconds.series(kind or _UNKNOWN, "") for kind in (*actions.names, "")}
        self._registry = registry

    def watch(self, *, worker: Worker, packages: Packages) -> None:
        """Reads sizes from the parts at every scrape."""
        self._gauge("tocsin_processor_jobs_in_flight", "Jobs that are here.", lambda: worker.in_flight)
        self._gauge("tocsin_processor_jobs_waiting", "Jobs that are here and have not begun.", lambda: worker.waiting)
        slots = packages.slots
        self._gauge("tocsin_processor_processes", "Processes for handlers that are not async.", lambda: slots.size)
        self._gauge("tocsin_processor_processes_busy", "Processes that run such a handler.", lambda: slots.busy)
        self._gauge("tocsin_processor_processes_queue", "Jobs that wait for such a process.", lambda: slots.waiting)
        self._gauge("tocsin_processor_packages_failed", "Packages of handlers that did not load.", lambda: len(packages.failed()))
        deaths = "Processes of handlers that died or were killed while something ran in them."
        self._gauge("tocsin_processor_process_deaths", deaths, lambda: packages.deaths)
        self._gauge("tocsin_processor_work_streams", "Work streams that stand.", lambda: worker.connected)

    def _gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        Gauge(name, text, registry=self._registry).set_function(read)

    def finished(self, job: Job, end: JobResult, seconds: float) -> None:
        """``job`` ended after ``seconds`` of work."""
        kind, what = job.action.kind, self._describe(job.action)
        self._ends[kind, end.name].inc()
        series = self._series.get((kind, what))
        if series is None:
            series = self._series[kind, what] = self._seconds.series(kind, what)
        series.add(seconds)
