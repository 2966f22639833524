"""`Telemetry`: the component that a wiring puts first."""

import asyncio
import random
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanKind, Tracer
from opentelemetry.util.types import AttributeValue

from tocsin.background import Backgrounds
from tocsin.telemetry.metrics import BackgroundFailures, MetricsServer, SpanCounts, make_registry
from tocsin.telemetry.traces import (
    beginning,
    carry,
    current_traceparent,
    format_traceparent,
    is_sampled,
    new_traceparent,
    parse_traceparent,
    trace_id_of,
    uncarry,
)
from tocsin.telemetry.watchdog import LoopWatchdog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from tocsin.telemetry.export import SpanExport


class TelemetryOptions(Protocol):
    """What `Telemetry` reads of a service's settings."""

    @property
    def host(self) -> str:
        """Address to bind."""
        ...

    @property
    def metrics_port(self) -> int:
        """Port of ``/metrics``; 0 for any free one."""
        ...

    @property
    def loop_lag_warning_seconds(self) -> float:
        """How late the event loop may be without a warning."""
        ...

    @property
    def otlp_endpoint(self) -> str | None:
        """OTLP gRPC endpoint, such as ``http://127.0.0.1:4317``; None switches the export off."""
        ...

    @property
    def trace_sample_ratio(self) -> float:
        """Share of the traces without a sampled or refused parent that is recorded, 0 to 1."""
        ...


class Telemetry:
    """Traces and metrics of one service process.

    ``registry`` takes the metrics of every other component. ``tracing`` says whether spans are recorded; when it is false, `span` only
    carries the context on. ``lag`` is the event loop's. ``backgrounds`` are the works of the process that live longer than a call. Logging
    is the process's, see `configure_logging`.
    """

    def __init__(self, *, service: str, settings: TelemetryOptions, span_processors: "Sequence[SpanProcessor]" = ()) -> None:
        """Prepares everything; nothing listens and nothing is exported before `start`.

        Args:
            service: the name of the service.
            settings: where to listen and where to export to.
            span_processors: receive every sampled span besides the exporter; tests pass one around an in-memory exporter.
        """
        self.service = service
        self.registry = make_registry()
        self.lag = LoopWatchdog(registry=self.registry, bound=settings.loop_lag_warning_seconds)
        self.backgrounds = Backgrounds(BackgroundFailures(self.registry))
        self.tracing = settings.otlp_endpoint is not None or bool(span_processors)
        self.tracer: Tracer = trace.NoOpTracer()
        self._ready = False
        self._settings = settings
        self._processors = tuple(span_processors)
        self._export: SpanExport | None = None
        self._span_counts = SpanCounts(self.registry)
        self._server = MetricsServer(
            service=service,
            registry=self.registry,
            host=settings.host,
            port=settings.metrics_port,
            ready=lambda: self._ready,
            failing=lambda: self.backgrounds.failing,
        )

    @property
    def port(self) -> int:
        """The port of ``/metrics``; real once started."""
        return self._server.port

    @property
    def metrics_url(self) -> str:
        """Where Prometheus finds this process."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"http://{host}:{self.port}/metrics"

    def set_ready(self, ready: bool) -> None:
        """Says what ``/readyz`` answers: whether this process takes work."""
        self._ready = ready

    async def start(self) -> None:
        """Listens for scrapes.

        Raises:
            OSError: the metrics port is in use.
        """
        await self._server.start()
        await self.lag.start()
        if self._export is None and self.tracing:
            # The SDK takes a twentieth of a second to import, and a process that records nothing does without it.
            from tocsin.telemetry.export import SpanExport

            self._export = SpanExport(
                service=self.service, endpoint=self._settings.otlp_endpoint, processors=self._processors, counts=self._span_counts
            )
            self.tracer = self._export.tracer

    async def stop(self) -> None:
        """Stops listening and hands the last spans to the exporter, for two seconds at most."""
        self._ready = False
        await self.lag.stop()
        await self._server.stop()
        export, self._export = self._export, None
        if export is not None:
            self.tracer = trace.NoOpTracer()
            await asyncio.to_thread(export.close)  # it blocks; the loop goes on meanwhile

    def root(self) -> str | None:
        """The context of a trace that begins here and is not recorded; None when it is, by lot: then its first span begins it.

        What is not recorded never reaches the SDK, which is dear.
        """
        if self.tracing and random.random() < self._settings.trace_sample_ratio:  # noqa: S311  a sample guards nothing
            return None
        return new_traceparent()

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        traceparent: str | None = None,
        begins: str = "",
        links: Sequence[str] = (),
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Generator[Span]:
        """The current span for the length of a block; without tracing it only carries the context on.

        Args:
            name: low in variety, such as the RPC's full name.
            kind: the side of a call.
            traceparent: the parent that came in, or what `root` gave; the current context unless given. Without either, a trace begins
                that is recorded.
            begins: id of a trace that begins here whatever the current context is; whether it is recorded says `samples`.
            links: the ``traceparent`` of other traces that led here, such as the request that made an alarm.
            attributes: facts known at the start.
        """
        parent = traceparent or (self._beginning(begins) if begins else current_traceparent())
        if not self.tracing or (parent is not None and not is_sampled(parent)):
            token = carry(parent)
            try:
                yield trace.INVALID_SPAN
            finally:
                uncarry(token)
            return
        with beginning(begins), self._recorded(name, kind, parent, links, attributes) as span:
            context = span.get_span_context()
            token = carry(format_traceparent(context) if context.is_valid else parent)
            try:
                yield span
            finally:
                uncarry(token)

    def record(
        self,
        name: str,
        *,
        begin: int,
        end: int,
        parent: str | None = None,
        itself: str = "",
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[str] = (),
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> str:
        """Leaves a span of something that is over, if its trace is recorded.

        Args:
            name: low in variety.
            begin: microseconds since the Unix epoch.
            end: likewise.
            parent: the ``traceparent`` above it; None for the root of a trace.
            itself: the ``traceparent`` that it is to be; any child of ``parent`` unless given.
            kind: the side of what crosses processes.
            links: the ``traceparent`` of other traces that led here.
            attributes: facts.

        Returns:
            Its ``traceparent``; ``parent`` when nothing was recorded.
        """
        shown = itself or parent
        if not self.tracing or not shown or not is_sampled(shown):
            return shown or ""
        with beginning(trace_id_of(itself) if itself else "", itself[36:52]):
            span = self.tracer.start_span(name, _context(parent), kind, attributes, _links(links), start_time=begin * 1000)
        span.end(end * 1000)
        context = span.get_span_context()
        return format_traceparent(context) if context.is_valid else shown

    def begin(self, name: str, *, kind: SpanKind, parent: str | None, attributes: Mapping[str, AttributeValue]) -> Span:
        """A span that is recorded and not the current one; whoever began it ends it."""
        return self.tracer.start_span(name, _context(parent), kind, attributes)

    def samples(self, trace_id: str) -> bool:
        """Whether a trace with a known id is recorded: its id is the lot, as in OpenTelemetry, so that every process says the same."""
        return self.tracing and int(trace_id[16:], 16) < self._settings.trace_sample_ratio * 2**64

    def _recorded(
        self, name: str, kind: SpanKind, parent: str | None, links: Sequence[str], attributes: Mapping[str, AttributeValue] | None
    ) -> AbstractContextManager[Span]:
        # What failed is for whoever knows how it failed; a stack trace may quote what is nobody's business.
        return self.tracer.start_as_current_span(
            name, _context(parent), kind, attributes, _links(links), record_exception=False, set_status_on_exception=False
        )

    def _beginning(self, trace_id: str) -> str | None:
        """The context of a trace that begins here and is not recorded; None when it is."""
        return None if self.samples(trace_id) else f"00-{trace_id}-{new_traceparent()[36:]}"


def _context(traceparent: str | None) -> Context:
    parent = parse_traceparent(traceparent)
    return trace.set_span_in_context(NonRecordingSpan(parent) if parent else trace.INVALID_SPAN)


def _links(traceparents: Sequence[str]) -> list[Link]:
    return [Link(context) for value in traceparents if (context := parse_traceparent(value)) is not None]
