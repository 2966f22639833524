"""Prometheus metrics of jobs and handler processes."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from processor_svc.actions.kinds import Actions
from processor_svc.brokers import SourceReader
from processor_svc.brokers.reader import ENDS
from processor_svc.domain import Job, JobFailed, JobReleased, JobResult, JobSucceeded
from processor_svc.hosting import Packages
from processor_svc.worker import Worker
from tocsin.telemetry.distribution import Distribution

_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)
_UNKNOWN = "unknown"


class JobMetrics:
    """Counts jobs by kind of action and result, and times them by kind and label (`ActionKind.describe`)."""

    def __init__(self, registry: CollectorRegistry, *, actions: Actions) -> None:
        """Registers the metrics; a series of every kind in ``actions``, and of unknown ones, starts at 0."""
        self._describe = actions.describe
        self._jobs = Counter("tocsin_processor_jobs", "Jobs by kind of action and by end.", ("kind", "end"), registry=registry)
        self._seconds = Distribution(
            "tocsin_processor_job_seconds", "Length of a job, by handler.", ("kind", "handler"), registry=registry, bounds=_BUCKETS
        )
        # Looking a child up by its labels takes longer than counting.
        self._ends = {
            (kind, end.name): self._jobs.labels(kind or _UNKNOWN, end.name)
            for kind in (*actions.names, "")
            for end in (JobSucceeded, JobFailed, JobReleased)
        }
        self._series = {(kind, ""): self._seconds.series(kind or _UNKNOWN, "") for kind in (*actions.names, "")}
        self._registry = registry

    def watch(self, *, worker: Worker, packages: Packages) -> None:
        """Adds gauges that read the worker and the packages at every scrape."""
        self._gauge("tocsin_processor_jobs_in_flight", "Jobs received and not finished.", lambda: worker.in_flight)
        self._gauge("tocsin_processor_jobs_waiting", "Jobs received and not begun.", lambda: worker.waiting)
        slots = packages.slots
        self._gauge("tocsin_processor_processes", "Processes for synchronous handlers.", lambda: slots.size)
        self._gauge("tocsin_processor_processes_busy", "Processes that run a synchronous handler.", lambda: slots.busy)
        self._gauge("tocsin_processor_processes_queue", "Jobs that wait for such a process.", lambda: slots.waiting)
        self._gauge("tocsin_processor_packages_failed", "Handler packages that failed to load.", lambda: len(packages.failed()))
        deaths = "Handler processes that died or were killed while a handler ran in them."
        self._gauge("tocsin_processor_process_deaths", deaths, lambda: packages.deaths)
        self._gauge("tocsin_processor_work_streams", "Open Work streams.", lambda: worker.connected)

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


class BrokerMetrics:
    """Counts messages to brokers and from sources."""

    def __init__(self, registry: CollectorRegistry, *, brokers: Iterable[str], sources: Iterable[str]) -> None:
        """Registers the metrics; a series of each broker and source starts at 0."""
        self._published = Counter(
            "tocsin_processor_published", "Messages to brokers, by how each try ended.", ("broker", "end"), registry=registry
        )
        self._taken = Counter(
            "tocsin_processor_source_messages", "Messages of sources, by what became of them.", ("source", "end"), registry=registry
        )
        self._connected = Gauge("tocsin_processor_source_connected", "Whether a source is connected here.", ("source",), registry=registry)
        for broker in brokers:
            for end in ("confirmed", "refused", "away"):
                self._published.labels(broker, end)
        for source in sources:
            for end in ENDS:
                self._taken.labels(source, end)

    def watch(self, readers: Sequence[SourceReader]) -> None:
        """Shows at every scrape which of them are connected."""
        for reader in readers:
            self._connected.labels(reader.spec.name).set_function(lambda reader=reader: reader.connected)

    def published(self, broker: str, end: str) -> None:
        """A message to a broker ended so."""
        self._published.labels(broker, end).inc()

    def taken(self, source: str, end: str) -> None:
        """A message of a source ended so."""
        self._taken.labels(source, end).inc()
