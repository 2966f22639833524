"""The Prometheus side: a registry of one process and the tiny HTTP server that shows it.

The server speaks just enough HTTP/1.1 for a scraper and for probes (RFC 9112): GET and HEAD of ``/metrics``, ``/livez``, ``/readyz``
and ``/health``, one request a connection, a bounded head, a time limit. It runs on the service's own event loop: what it answers proves
that the loop turns.
"""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import tocsin

_HEAD_LIMIT: Final = 16 * 1024
_REQUEST_SECONDS: Final = 10.0
_GZIP_FROM: Final = 1024
_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"

VERSION: Final = tocsin.__version__
"""Of this build."""


class StoredDamage(Collector):
    """Counts what was read from a database and is not what any version wrote; of the process, as what reads it has no registry."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = dict.fromkeys(("row", "value"), 0)

    def count(self, what: str) -> None:
        """One more "row" that nobody can read, or "value" of another type than its column's, which was taken for the nearest one."""
        self._counts[what] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        """For a scrape."""
        found = CounterMetricFamily("tocsin_stored_damage", "Stored rows and values that could not be read as they are.", labels=["what"])
        for what, count in self._counts.items():
            found.add_metric([what], count)
        yield found


stored_damage: Final = StoredDamage()
"""That of this process."""


def make_registry() -> CollectorRegistry:
    """A registry with the version of the build and the metrics of the process (memory, CPU, descriptors) and of the interpreter."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(stored_damage)
    Gauge("tocsin_build_info", "1, with the version of this build as its label.", ("version",), registry=registry).labels(VERSION).set(1)
    return registry


class BackgroundFailures:
    """Counts unexpected failures of works; a `tocsin.background.FailureMeter`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._failures = Counter(
            "tocsin_background_failures", "Unexpected failures of work that lives longer than a call.", ("background",), registry=registry
        )

    def known(self, name: str) -> None:
        """There is such a work: its count is 0 from now on."""
        self._failures.labels(name)

    def failed(self, name: str) -> None:
        """One more."""
        self._failures.labels(name).inc()


class SpanCounts:
    """Counts what became of the spans that were recorded; in any thread.

    Attributes:
        exported: those that the collector took.
        queue_full: those that found too many others waiting.
        export_failed: those that the collector did not take.
        rejected: those that it left out of a batch that it took.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.exported = Counter("tocsin_spans_exported", "Spans that the collector of traces took.", registry=registry)
        dropped = Counter(
            "tocsin_spans_dropped", "Spans that were recorded and did not reach the collector.", ("reason",), registry=registry
        )
        self.queue_full = dropped.labels("queue_full")
        self.export_failed = dropped.labels("export_failed")
        self.rejected = dropped.labels("rejected")


class CountsCollector(Collector):
    """Shows counts that somebody else keeps, by one label."""

    def __init__(self, name: str, documentation: str, label: str, counts: Mapping[str, Callable[[], float]]) -> None:
        self._name = name
        self._documentation = documentation
        self._labelnames = (label,)
        self._counts = dict(counts)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yields them."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for value, read in self._counts.items():
            family.add_metric((value,), read())
        yield family


class TenantCounter:
    """Counts by tenant. The first so many that a process saw have their names, all others are one: every value of a label costs memory."""

    def __init__(self, name: str, documentation: str, *, registry: CollectorRegistry, most: int = 200) -> None:
        self._counter = Counter(name, documentation, ("tenant",), registry=registry)
        self._most = most
        self._known: dict[str, Counter] = {}
        self._others: Counter | None = None

    def add(self, tenant: str, count: int = 1) -> None:
        """``count`` more of ``tenant``."""
        child = self._known.get(tenant)
        if child is None:
            child = self._first_of(tenant)
        child.inc(count)

    def _first_of(self, tenant: str) -> Counter:
        if len(self._known) < self._most:
            return self._known.setdefault(tenant, self._counter.labels(tenant))
        if self._others is None:
            self._others = self._counter.labels("(others)")
        return self._others


@dataclass(frozen=True, slots=True)
class _HttpResponse:
    status: HTTPStatus
    body: bytes
    content_type: str = _TEXT
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, *, with_body: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head + self.body if with_body else head


class MetricsServer:
    """Serves ``/metrics``, ``/livez`` (200 while the loop turns), ``/readyz`` (503 while ``ready()`` is false) and ``/health`` in JSON."""

    def __init__(
        self,
        *,
        service: str,
        registry: CollectorRegistry,
        host: str,
        port: int,
        ready: Callable[[], bool],
        failing: Callable[[], Mapping[str, str]],
    ) -> None:
        """Listens nowhere yet.

        Args:
            service: the name of the service.
            registry: what is shown.
            host: address to bind.
            port: 0 for any free one.
            ready: whether this process takes work.
            failing: why works of this process do not work, by name.
        """
        self.port = port
        self._host = host
        self._requested_port = port
        self._service = service
        self._registry = registry
        self._ready = ready
        self._failing = failing
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens; ``port`` is the real port afterwards.

        Raises:
            OSError: the address is in use or cannot be bound.
        """
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self._host, self._requested_port, limit=_HEAD_LIMIT)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and ends open connections."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                answer, with_body = await self._read(reader)
                writer.write(answer.encode(with_body=with_body))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the scraper went away or is too slow; it will come again
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> tuple[_HttpResponse, bool]:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _HttpResponse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b"The head of the request is too large.\n"), True
        request, *lines = head.decode("latin-1").split("\r\n")
        method, _, rest = request.partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1.") or not target.startswith("/"):
            return _HttpResponse(HTTPStatus.BAD_REQUEST, b"This is not HTTP/1.1.\n"), True
        if method not in ("GET", "HEAD"):
            return _HttpResponse(HTTPStatus.METHOD_NOT_ALLOWED, b"Only GET and HEAD.\n", headers=(("Allow", "GET, HEAD"),)), True
        fields = (line.partition(":") for line in lines)
        return self._route(target.partition("?")[0], {name.strip().lower(): value.strip() for name, _, value in fields}), method == "GET"

    def _route(self, path: str, headers: dict[str, str]) -> _HttpResponse:
        if path == "/metrics":
            return self._metrics(headers)
        if path == "/livez":
            return _HttpResponse(HTTPStatus.OK, b"ok\n")
        if path == "/readyz":
            return _HttpResponse(HTTPStatus.OK, b"ok\n") if self._ready() else _HttpResponse(HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n")
        if path in ("/health", "/health/"):
            return self._health()
        return _HttpResponse(HTTPStatus.NOT_FOUND, b"There are /metrics, /livez, /readyz and /health.\n")

    def _health(self) -> _HttpResponse:
        """What this process says about itself; 503 while it takes no work."""
        ready, failing = self._ready(), dict(self._failing())
        status = ("degraded" if failing else "healthy") if ready else "unavailable"
        said = {"status": status, "service": self._service, "version": VERSION} | ({"background": failing} if failing else {})
        body = json.dumps(said, ensure_ascii=True).encode() + b"\n"
        return _HttpResponse(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, body, _JSON)

    def _metrics(self, headers: dict[str, str]) -> _HttpResponse:
        encode, content_type = choose_encoder(headers.get("accept", ""))
        body = encode(self._registry)
        if len(body) < _GZIP_FROM or not gzip_accepted(headers.get("accept-encoding", "")):
            return _HttpResponse(HTTPStatus.OK, body, content_type)
        return _HttpResponse(HTTPStatus.OK, gzip.compress(body, compresslevel=3), content_type, (("Content-Encoding", "gzip"),))
