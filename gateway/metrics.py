"""What Prometheus sees of the gateway: requests at both doors, and the spool."""

from collections.abc import Callable, Iterable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tocsin.telemetry.metrics import TenantCounter


class HttpMetrics:
    """Rate, errors and duration of every route (RED)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "tocsin_gateway_http_seconds",
            "Duration of HTTP requests by route and status.",
            ("method", "route", "status"),
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request."""
        key = method, route, status
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._seconds.labels(method, route, str(status))
        child.observe(seconds)


class EdgeMetrics:
    """Rate, errors and duration of every RPC at the gRPC edge (RED)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "tocsin_gateway_grpc_seconds", "Duration of RPCs at the gRPC edge by method and code.", ("method", "code"), registry=registry
        )

    def observe(self, path: str, code: str, seconds: float) -> None:
        """Counts one RPC."""
        self._seconds.labels(path, code).observe(seconds)


class ConnectionMetrics:
    """Connections of the HTTP server, and those that were refused."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge("tocsin_gateway_http_connections", "Connections of the HTTP server that are open.", registry=registry)
        self._refused = Counter(
            "tocsin_gateway_http_connections_refused",
            "Connections closed by a bound: too many in all, too many from one address, or too slow to ask.",
            ("why",),
            registry=registry,
        )
        for why in ("all", "address", "slow"):
            self._refused.labels(why)

    def watch(self, open_now: Callable[[], float]) -> None:
        """Reads the number of open connections at each scrape."""
        self._open.set_function(open_now)

    def refused(self, why: Literal["all", "address", "slow"]) -> None:
        """Counts one refusal."""
        self._refused.labels(why).inc()


class EdgeConnectionMetrics:
    """Connections of the gRPC edge, and those that were closed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge("tocsin_gateway_grpc_connections", "Connections of the gRPC edge that are open.", registry=registry)
        self._refused = Counter(
            "tocsin_gateway_grpc_connections_refused", "Connections closed because their address had too many.", registry=registry
        )

    def open(self, count: int) -> None:
        """Tells how many there are now."""
        self._open.set(count)

    def refused(self) -> None:
        """Counts one that was closed."""
        self._refused.inc()


class SpoolMetrics:
    """What waits in the spool, read at each scrape, and how forwarded calls ended."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        depth: Callable[[], float],
        size: Callable[[], float],
        oldest: Callable[[], float],
        set_aside: Callable[[], float],
    ) -> None:
        """Registers the metrics.

        Args:
            registry: where.
            depth: calls that wait.
            size: bytes of their requests.
            oldest: age of the oldest one, in seconds.
            set_aside: calls that failed for good.
        """

        def gauge(name: str, meaning: str, read: Callable[[], float]) -> None:
            Gauge(name, meaning, registry=registry).set_function(read)

        gauge("tocsin_gateway_spool_depth", "Calls that wait for a service that is away.", depth)
        gauge("tocsin_gateway_spool_bytes", "Bytes of the requests that wait.", size)
        gauge("tocsin_gateway_spool_oldest_seconds", "Age of the oldest call that waits.", oldest)
        gauge("tocsin_gateway_spool_set_aside", "Calls that failed for good, and wait for an operator.", set_aside)
        self._ends = Counter("tocsin_gateway_spool_forwarded", "Calls forwarded later, by how they ended.", ("end",), registry=registry)
        for end in ("done", "refused", "set_aside"):
            self._ends.labels(end)

    def ended(self, end: Literal["done", "refused", "set_aside"]) -> None:
        """Counts one call that waits no more."""
        self._ends.labels(end).inc()


class LimitMetrics:
    """Calls that rate limits refused, and whether other gateways are counted with."""

    def __init__(self, registry: CollectorRegistry, *, alone: Callable[[], bool], limits: Iterable[tuple[str, str]] = ()) -> None:
        """Registers the metrics.

        Args:
            registry: where.
            alone: whether this gateway counts alone.
            limits: every limit and whose it is; each count starts at 0.
        """
        self._refused = Counter(
            "tocsin_gateway_rate_limited",
            "Calls refused by rate limits, by the limit and whose it is.",
            ("limit", "of"),
            registry=registry,
        )
        for limit, of in limits:
            self._refused.labels(limit, of)
        self._calls = TenantCounter("tocsin_gateway_tenant_calls", "Calls of a tenant at both doors.", registry=registry)
        local = Gauge(
            "tocsin_gateway_rate_limits_local", "1 while this gateway counts alone because Redis is away, else 0.", registry=registry
        )
        local.set_function(lambda: float(alone()))

    def called(self, tenant: str) -> None:
        """Counts a call of a tenant, refused or not."""
        self._calls.add(tenant)

    def refused(self, limit: str, of: Literal["tenant", "address"]) -> None:
        """Counts one refusal."""
        self._refused.labels(limit, of).inc()


class KeyMetrics:
    """Requests with an Idempotency-Key."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._used = Counter(
            "tocsin_gateway_idempotency_keys",
            "Requests with an Idempotency-Key, by what became of them.",
            ("outcome",),
            registry=registry,
        )
        for outcome in ("first", "replayed", "in_use", "reused"):
            self._used.labels(outcome)

    def used(self, outcome: Literal["first", "replayed", "in_use", "reused"]) -> None:
        """Counts one request."""
        self._used.labels(outcome).inc()
