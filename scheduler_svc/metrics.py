"""What Prometheus sees of the scheduler."""

from collections import Counter as CountOf
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from scheduler_svc.dispatch import Dispatcher
from scheduler_svc.domain import FiringState, Outcome, Priority
from scheduler_svc.domain.alert_groups import RESOLVED_IN_WAIT
from scheduler_svc.domain.dependencies import DEPENDENCY
from scheduler_svc.domain.escalation import OUTSIDE_HOURS, TOO_FEW_OCCURRENCES
from scheduler_svc.domain.incident_words import IncidentSeverity, IncidentTally
from scheduler_svc.domain.silences import SILENCED
from scheduler_svc.engine import Engine
from scheduler_svc.ports import Fired, ProcessUsage, Shards
from tocsin.clock import SECOND
from tocsin.recurrence import Micros
from tocsin.telemetry.distribution import Distribution
from tocsin.telemetry.metrics import TenantCounter

_LATENESS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_BATCH: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_ANSWERED: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
_REASONS: Final = ("", OUTSIDE_HOURS, TOO_FEW_OCCURRENCES, SILENCED, DEPENDENCY, RESOLVED_IN_WAIT)
_PROCESS: Final = ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds")


class IncidentMetrics:
    """Counts what happens to incidents: implements `scheduler_svc.ports.IncidentObserver`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge(
            "tocsin_scheduler_incidents", "Open incidents by severity, counted once per cleanup interval.", ("severity",), registry=registry
        )
        opened = Counter("tocsin_scheduler_incidents_opened", "Incidents that were opened, by severity.", ("severity",), registry=registry)
        self._opened = {severity: opened.labels(severity.name.lower()) for severity in IncidentSeverity}
        self._acknowledged = Histogram(
            "tocsin_scheduler_incident_acknowledge_seconds",
            "From the opening of an incident to each acknowledgement.",
            registry=registry,
            buckets=_ANSWERED,
        )
        self._resolved = Counter("tocsin_scheduler_incidents_resolved", "Incidents that were resolved.", registry=registry)
        steps = Counter(
            "tocsin_scheduler_incident_steps", "Steps of incidents that were taken, left out or held back.", ("what",), registry=registry
        )
        self._steps = {reason: steps.labels(reason.lower() or "taken") for reason in _REASONS}
        self._other_steps = steps.labels("other")

    def happened(self, tally: IncidentTally) -> None:
        """Counts what has happened."""
        for severity, count in tally.opened.items():
            self._opened[severity].inc(count)
        for waited in tally.acknowledged:
            self._acknowledged.observe(waited / SECOND)
        self._resolved.inc(tally.resolved)
        for reason, count in tally.steps.items():
            self._steps.get(reason, self._other_steps).inc(count)

    def counted(self, incidents: Mapping[str, int]) -> None:
        """Shows the number of open incidents by severity."""
        for severity, count in incidents.items():
            self._open.labels(severity.lower()).set(count)


class SchedulerMetrics:
    """Counts what the engine and the dispatcher do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._outcomes = Counter("tocsin_scheduler_occurrences", "Ledger rows by outcome.", ("outcome",), registry=registry)
        self._by_outcome = {outcome: self._outcomes.labels(outcome.name.lower()) for outcome in Outcome}
        self._lateness = Distribution(
            "tocsin_scheduler_lateness_seconds", "From the due time to the firing, of what was fired.", registry=registry, bounds=_LATENESS
        )
        self._late = self._lateness.series()
        self._ends = Counter(
            "tocsin_scheduler_attempts", "Ended attempts, by the state of the firing afterwards.", ("state",), registry=registry
        )
        for state in FiringState:
            self._ends.labels(state.name.lower())
        self._of_tenant = TenantCounter("tocsin_scheduler_tenant_fires", "Firings that began, by tenant.", registry=registry)
        self._lost = Counter(
            "tocsin_scheduler_deliveries_lost", "Deliveries to a processor that ended without a result.", registry=registry
        )
        batch = Histogram(
            "tocsin_scheduler_batch_seconds", "Duration of a batch transaction.", ("kind",), registry=registry, buckets=_BATCH
        )
        self._fire_seconds, self._result_seconds = batch.labels("fire"), batch.labels("results")
        self._alarms = Gauge(
            "tocsin_scheduler_alarms", "Stored alarms by state, counted once per cleanup interval.", ("state",), registry=registry
        )
        self._archived = Counter("tocsin_scheduler_archived_firings", "Firings that left the ledger for the archive.", registry=registry)
        self._archive_failing = Gauge(
            "tocsin_scheduler_archive_failing", "1 while finished firings cannot be archived, and so stay in the ledger.", registry=registry
        )
        self._registry = registry
        self.incidents = IncidentMetrics(registry)

    def fired(self, fired: Fired, *, now: Micros, seconds: float) -> None:
        """Counts the rows by outcome, and observes how late each firing was."""
        for outcome, count in fired.outcomes.items():
            self._by_outcome[outcome].inc(count)
        for tenant, count in CountOf(queued.tenant for queued in fired.queued_firings).items():
            self._of_tenant.add(tenant, count)
        for late, count in CountOf(now - queued.due for queued in fired.queued_firings).items():
            self._late.add(late / SECOND, count)
        self._fire_seconds.observe(seconds)

    def recorded(self, states: Mapping[FiringState, int], *, seconds: float) -> None:
        """Counts the firings by state, and observes the seconds."""
        for state, count in states.items():
            self._ends.labels(state.name.lower()).inc(count)
        dead = states.get(FiringState.DEAD, 0)
        if dead:
            self._by_outcome[Outcome.FAILED].inc(dead)
        self._result_seconds.observe(seconds)

    def lost(self, count: int) -> None:
        """Counts deliveries that ended without a result."""
        self._lost.inc(count)

    def counted(self, alarms: Mapping[str, int]) -> None:
        """Shows the number of alarms by state."""
        for state, count in alarms.items():
            self._alarms.labels(state.lower()).set(count)

    def incidents_counted(self, incidents: Mapping[str, int]) -> None:
        """Shows the number of open incidents by severity."""
        self.incidents.counted(incidents)

    def archived(self, rows: int) -> None:
        """Counts what left the ledger for a file."""
        self._archived.inc(rows)

    def archive_failing(self, failing: bool) -> None:
        """Shows whether archiving fails."""
        self._archive_failing.set(int(failing))

    def outcomes(self) -> Mapping[Outcome, int]:
        """Reads the counter of outcomes."""
        counts = {sample.labels["outcome"]: sample.value for sample in _samples(self._outcomes, "_total")}
        return {outcome: int(counts.get(outcome.name.lower(), 0)) for outcome in Outcome}

    def lateness(self) -> Sequence[tuple[float, int]]:
        """Reads the buckets of the histogram."""
        return [(float(sample.labels["le"]), int(sample.value)) for sample in _samples(self._lateness, "_bucket")]

    def process(self) -> ProcessUsage:
        """Reads the collector of the process; what the platform does not tell is left out."""
        registry: Any = self._registry.restricted_registry(_PROCESS)  # its stub leaves the result open
        values: dict[str, float] = {sample.name: sample.value for family in registry.collect() for sample in family.samples}
        memory, cpu, started = (values.get(name, 0.0) for name in _PROCESS)
        return ProcessUsage(memory=int(memory), cpu=cpu, started=round(started * SECOND) if started else None)

    def watch_redis(self, memory: Callable[[], float]) -> None:
        """Reads at every scrape what Redis takes."""
        self._gauge("tocsin_scheduler_redis_memory_bytes", "Memory used by the shared Redis at the last check; 0 without Redis.", memory)

    def watch(self, *, engine: Engine, dispatcher: Dispatcher, shards: Shards) -> None:
        """Reads sizes from the parts at every scrape."""
        depth = Gauge(
            "tocsin_scheduler_queue_depth", "Firings in memory that wait for a processor, by priority.", ("lane",), registry=self._registry
        )
        for priority in Priority:
            depth.labels(priority.name.lower()).set_function(_size(dispatcher, int(priority)))
        self._gauge("tocsin_scheduler_retries_waiting", "Firings in memory that wait for a retry.", lambda: dispatcher.backlog.later)
        self._gauge("tocsin_scheduler_firings_leased", "Firings leased to processors.", lambda: len(dispatcher.leases))
        self._gauge("tocsin_scheduler_processors", "Connected processors.", lambda: dispatcher.sessions)
        self._gauge("tocsin_scheduler_index_alarms", "Alarms in the time index.", lambda: len(engine.timeline))
        self._gauge("tocsin_scheduler_overdue_seconds", "Age of the oldest due time that has not fired.", lambda: engine.overdue)
        self._gauge("tocsin_scheduler_shards_owned", "Shards that this replica owns.", lambda: len(shards.held))

    def watch_replicas(self, count: Callable[[], int]) -> None:
        """Reads at every scrape how many replicas share the shards."""
        self._gauge("tocsin_scheduler_replicas", "Replicas that share the shards, as seen by this one.", count)

    def watch_clock(self, offset: Callable[[], float]) -> None:
        """Reads at every scrape how far this machine's clock is ahead of the database's."""
        self._gauge("tocsin_clock_offset_seconds", "How far this machine's clock is ahead of the database's.", offset)

    def _gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        Gauge(name, text, registry=self._registry).set_function(read)


def _samples(metric: Collector, suffix: str) -> list[Sample]:
    return [sample for family in metric.collect() for sample in family.samples if sample.name.endswith(suffix)]


def _size(dispatcher: Dispatcher, priority: int) -> Callable[[], float]:
    return lambda: dispatcher.backlog.queues.size(priority)
