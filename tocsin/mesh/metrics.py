"""Metrics of the mesh: rate, errors and duration per method and per attempt, retries, budgets, breakers."""

import math
from collections.abc import Callable, Iterable, Iterator

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tocsin.mesh.breaker import TRANSITIONS, BreakerRegistry
from tocsin.mesh.bulkhead import Bulkheads
from tocsin.mesh.call_queue import CallQueue
from tocsin.mesh.carried_metrics import CarriedCollector, CarriedCount
from tocsin.mesh.faults import Faults
from tocsin.mesh.identity import Keyring
from tocsin.mesh.labels import EndpointLabels
from tocsin.mesh.policy import MethodKind
from tocsin.mesh.rpc_metrics import Durations, RpcCollector
from tocsin.mesh.shedding import Shedder


class ServerMetrics:
    """What a server counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rpcs = RpcCollector("tocsin_server_seconds", "Time of served calls.", side="server", registry=registry)
        self._registry = registry
        text = "Calls that rules of access refused (enforced), or would have refused (tried)."
        self._refused = Counter("tocsin_server_access_refused", text, ("method", "rule", "mode"), registry=registry)
        self._limited = Counter("tocsin_server_rate_limited", "Calls that rates refused.", ("method", "rule"), registry=registry)

    def count_refused(self, path: str, rule: str, mode: str) -> None:
        """Counts a call that a rule of access refused."""
        self._refused.labels(path, rule, mode).inc()

    def count_limited(self, path: str, rule: str) -> None:
        """Counts a call that a rate refused."""
        self._limited.labels(path, rule).inc()

    @property
    def all(self) -> Iterable[Durations]:
        """What is counted of every method."""
        return self._rpcs

    def durations(self, path: str, kind: MethodKind = MethodKind.UNARY_UNARY) -> Durations:
        """What is counted of the method ``path``."""
        return self._rpcs.of(path, kind=kind)

    def count_unknown(self, read: Callable[[], int]) -> None:
        """Shows how many calls came for methods that are not served."""
        self._rpcs.unknown = read

    def watch(self, shedder: Shedder, queue: CallQueue, faults: Faults) -> None:
        """Reads what is in hand, and what was refused or hit, at every scrape."""
        waiting = Gauge(
            "tocsin_server_waiting", "Unary calls that wait for their turn; part of those being served.", registry=self._registry
        )
        waiting.set_function(lambda: queue.waiting)
        Gauge("tocsin_server_in_flight", "Unary calls being served.", registry=self._registry).set_function(lambda: shedder.in_hand)
        self._registry.register(
            CountCollector("tocsin_server_shed", "Calls refused for overload.", lambda: shedder.refused + queue.refused)
        )
        self._registry.register(CountCollector("tocsin_server_faults", "Calls hit by a fault that was asked for.", lambda: faults.injected))


def export_expiry(registry: CollectorRegistry, keyring: Keyring | None) -> None:
    """Shows when the certificate of this process expires; without one, or while there is none to read, NaN."""

    def expiry() -> float:
        found = None if keyring is None else keyring.expiry()
        return math.nan if found is None else found.timestamp()

    text = "When the certificate of this process in the mesh expires, in seconds since the Unix epoch."
    Gauge("tocsin_certificate_expiry_timestamp_seconds", text, registry=registry).set_function(expiry)


def export_policy_file(registry: CollectorRegistry, problem: Callable[[], str]) -> None:
    """Shows whether the policy file can be used."""
    text = "1 while the policy file of the mesh cannot be used, and what it said before stays in force; 0 otherwise."
    Gauge("tocsin_mesh_policy_file_refused", text, registry=registry).set_function(lambda: float(bool(problem())))


class CountCollector(Collector):
    """Shows a count that somebody else keeps."""

    def __init__(self, name: str, documentation: str, read: Callable[[], int]) -> None:
        self._name = name
        self._documentation = documentation
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yields the count."""
        family = CounterMetricFamily(self._name, self._documentation)
        family.add_metric((), self._read())
        yield family


class ClientMetrics:
    """What a client counts; a call is one attempt or more."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rpcs = RpcCollector("tocsin_client_attempt_seconds", "Time of attempts.", side="client", registry=registry)
        self._carried = CarriedCollector(registry)
        self._retries = Counter("tocsin_client_retries", "Attempts after the first.", ("target", "method"), registry=registry)
        self._hedges = Counter("tocsin_client_hedges", "Second attempts beside slow ones.", ("target", "method"), registry=registry)
        self._budget = Gauge("tocsin_client_retry_budget", "Tokens left for retries.", ("target",), registry=registry)
        text = "Attempts that have ended at endpoints with labels, by zone, version and code."
        self._subsets = Counter("tocsin_client_subset_attempts", text, ("target", "zone", "version", "code"), registry=registry)
        text = "Copies of calls for a version, by the code that they ended with; FULL and AWAY for those that were not made."
        self._mirrored = Counter("tocsin_client_mirrored", text, ("target", "method", "version", "code"), registry=registry)
        self._rejected = Counter(
            "tocsin_client_rejected", "Attempts that an open circuit did not let pass.", ("target", "method"), registry=registry
        )

    @property
    def all(self) -> Iterable[Durations]:
        """What is counted of every method."""
        return self._rpcs

    def durations(self, target: str, path: str, *, kind: MethodKind = MethodKind.UNARY_UNARY, uri: str = "") -> Durations:
        """What is counted of the method ``path`` of ``target``, whose URI is ``uri``."""
        return self._rpcs.of(target, path, kind=kind, target=uri)

    def carried(self, target: str) -> CarriedCount:
        """Counts the calls to a target that may ride on carriers."""
        return self._carried.of(target)

    def retries(self, target: str, path: str) -> Counter:
        """The retries of a method."""
        return self._retries.labels(target, path)

    def hedges(self, target: str, path: str) -> Counter:
        """The second attempts of a method."""
        return self._hedges.labels(target, path)

    def rejected(self, target: str, path: str) -> Counter:
        """The rejections of a method by its breaker."""
        return self._rejected.labels(target, path)

    def subset(self, target: str, labels: Callable[[], EndpointLabels]) -> "SubsetAttempts":
        """The attempts at a replica of a target; ``labels`` gives what its target says of it now."""
        return SubsetAttempts(self._subsets, target, labels)

    def mirrored(self, target: str, path: str) -> "MirrorCount":
        """Counts the copies of a method's calls."""
        return lambda version, outcome: self._mirrored.labels(target, path, version, outcome).inc()

    def budget(self, target: str) -> Gauge:
        """The retry budget of a target."""
        return self._budget.labels(target)


class SubsetAttempts:
    """Counts the attempts at one replica by what its target says of it."""

    __slots__ = ("_counter", "_counters", "_labels", "_target")

    def __init__(self, counter: Counter, target: str, labels: Callable[[], EndpointLabels]) -> None:
        self._counter = counter
        self._target = target
        self._labels = labels
        self._counters: dict[tuple[EndpointLabels, grpc.StatusCode], Counter] = {}

    def count(self, code: grpc.StatusCode) -> None:
        """Counts an attempt that ended with ``code``."""
        labels = self._labels()
        counter = self._counters.get((labels, code))
        if counter is None:
            counter = self._counters[labels, code] = self._counter.labels(self._target, labels.zone, labels.version, code.name)
        counter.inc()


MirrorCount = Callable[[str, str], None]
"""Counts a copy of a call: the version that it was for, and what became of it."""


class BreakerCollector(Collector):
    """Shows every breaker at the moment of the scrape."""

    def __init__(self, breakers: BreakerRegistry) -> None:
        self._breakers = breakers

    def collect(self) -> Iterator[Metric]:
        """Yields the state and the failures of every breaker."""
        labels = ("breaker", "target")
        states = GaugeMetricFamily("tocsin_breaker_state", "0 closed or idle, 1 half open, 2 open.", labels=labels)
        failures = GaugeMetricFamily("tocsin_breaker_failures", "Failures in the window or in a row.", labels=labels)
        for breaker in self._breakers.snapshot():
            states.add_metric((breaker.id, breaker.target), 0 if breaker.idle else breaker.state)
            failures.add_metric((breaker.id, breaker.target), breaker.failures)
        yield states
        yield failures
        yield self._transitions({breaker.target for breaker in self._breakers.snapshot()})

    def _transitions(self, targets: set[str]) -> Metric:
        """Every change that is possible, from 0 on: what has never been seen cannot be seen to rise."""
        labels = ("target", "from", "to")
        family = CounterMetricFamily("tocsin_breaker_transitions", "Changes of state.", labels=labels)
        counts = self._breakers.transitions
        for target in sorted(targets | {target for target, _, _ in counts}):
            for before, after in TRANSITIONS:
                family.add_metric((target, before.name.lower(), after.name.lower()), counts[target, before, after])
        return family


def export_bulkheads(registry: CollectorRegistry, bulkheads: Bulkheads) -> None:
    """Shows the open streams, and what was refused for its tenant's sake."""
    Gauge("tocsin_server_streams", "Streams of tenants being served.", registry=registry).set_function(lambda: bulkheads.streams)
    text = "Calls refused because their tenant had too many under way, or all of them too many streams."
    registry.register(CountCollector("tocsin_server_bulkhead_refused", text, lambda: bulkheads.refused))


def export_breakers(registry: CollectorRegistry, breakers: BreakerRegistry) -> None:
    """Shows ``breakers`` in ``registry``; further requests change nothing, so that client and server may both ask."""
    if breakers.claim_export():
        registry.register(BreakerCollector(breakers))
