"""Metrics of the mesh: rate, errors and duration per method and per attempt, retries, budgets, breakers."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tocsin.mesh.breaker import TRANSITIONS, BreakerRegistry
from tocsin.mesh.bulkhead import Bulkheads
from tocsin.mesh.faults import Faults
from tocsin.mesh.identity import Keyring
from tocsin.mesh.shedding import Shedder
from tocsin.telemetry.distribution import Distribution, Series

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Durations:
    """The durations of one method's calls, by code."""

    __slots__ = ("_of_code", "_successes", "codes", "in_flight", "labels")

    def __init__(self, *labels: str, of_code: Callable[[str], Series] = lambda _: Series(BUCKETS)) -> None:
        self.labels = labels
        self.codes: dict[grpc.StatusCode, Series] = {}
        self._of_code = of_code
        self.in_flight = 0
        """Calls that are being served now."""
        self._successes: Series | None = None

    def observe(self, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a call that ended with ``code`` after ``seconds``."""
        self._series(code).add(seconds)

    def succeeded(self, seconds: float) -> None:
        """Counts a call that ended with OK, without looking the code up: an enumeration's hash is a function call."""
        if self._successes is None:
            self._successes = self._series(grpc.StatusCode.OK)
        self._successes.add(seconds)

    def _series(self, code: grpc.StatusCode) -> Series:
        found = self.codes.get(code)
        if found is None:
            found = self.codes[code] = self._of_code(code.name)
        return found

    def successes_within(self, share: float, *, least: int) -> float | None:
        """Seconds that this share of the successful calls did not exceed, rounded up to a bucket; None before ``least`` of them."""
        counts = self.codes[grpc.StatusCode.OK].counts if grpc.StatusCode.OK in self.codes else []
        total = sum(counts)
        if total < least or not total:
            return None
        place = bisect_left(list(accumulate(counts)), share * total)
        return BUCKETS[min(place, len(BUCKETS) - 1)]


class CallDurations:
    """The durations of many methods' calls, shown as one histogram."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self._all = Distribution(name, documentation, (*labels, "code"), registry=registry, bounds=BUCKETS)
        self._durations: dict[tuple[str, ...], Durations] = {}

    def of(self, *labels: str) -> Durations:
        """The durations with these labels."""
        found = self._durations.get(labels)
        if found is None:
            found = self._durations[labels] = Durations(*labels, of_code=partial(self._all.series, *labels))
        return found

    def __iter__(self) -> Iterator[Durations]:
        return iter(tuple(self._durations.values()))


class ServerMetrics:
    """What a server counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = CallDurations("tocsin_server_seconds", "Time of served calls.", ("method",), registry=registry)
        self._registry = registry

    @property
    def all(self) -> Iterable[Durations]:
        """The durations of every method."""
        return self._seconds

    def durations(self, path: str) -> Durations:
        """The durations of the method ``path``."""
        return self._seconds.of(path)

    def watch(self, shedder: Shedder, faults: Faults) -> None:
        """Reads what is in hand, and what was refused or hit, at every scrape."""
        Gauge("tocsin_server_in_flight", "Unary calls being served.", registry=self._registry).set_function(lambda: shedder.in_hand)
        self._registry.register(CountCollector("tocsin_server_shed", "Calls refused for overload.", lambda: shedder.refused))
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
        self._seconds = CallDurations("tocsin_client_attempt_seconds", "Time of attempts.", ("target", "method"), registry=registry)
        self._retries = Counter("tocsin_client_retries", "Attempts after the first.", ("target", "method"), registry=registry)
        self._hedges = Counter("tocsin_client_hedges", "Second attempts beside slow ones.", ("target", "method"), registry=registry)
        self._budget = Gauge("tocsin_client_retry_budget", "Tokens left for retries.", ("target",), registry=registry)
        self._rejected = Counter(
            "tocsin_client_rejected", "Attempts that an open circuit did not let pass.", ("target", "method"), registry=registry
        )

    @property
    def all(self) -> Iterable[Durations]:
        """The durations of the attempts at every method."""
        return self._seconds

    def durations(self, target: str, path: str) -> Durations:
        """The durations of attempts at the method ``path`` of ``target``."""
        return self._seconds.of(target, path)

    def retries(self, target: str, path: str) -> Counter:
        """The retries of a method."""
        return self._retries.labels(target, path)

    def hedges(self, target: str, path: str) -> Counter:
        """The second attempts of a method."""
        return self._hedges.labels(target, path)

    def rejected(self, target: str, path: str) -> Counter:
        """The rejections of a method by its breaker."""
        return self._rejected.labels(target, path)

    def budget(self, target: str) -> Gauge:
        """The retry budget of a target."""
        return self._budget.labels(target)


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
