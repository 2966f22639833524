"""Recorded spans on their way out of the process; the one place that needs the SDK of OpenTelemetry.

Most processes record nothing: `Telemetry` imports this only where it has something to record, because the SDK takes long to import.

A collector may be away, slow, or full; whoever is called must not feel it. Spans leave in a thread of their own, at most `MOST_SPANS` wait
for that, what finds no place or is not taken is dropped and counted, and the log tells once that it fails and once that it works again.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Tracer

from tocsin import otlp
from tocsin.telemetry.logs import KeptBack, get_logger
from tocsin.telemetry.metrics import SpanCounts
from tocsin.telemetry.otlp_answers import PartialSuccess
from tocsin.telemetry.traces import wanted_span_id, wanted_trace_id

_log = get_logger(__name__)

MOST_SPANS: Final = 2048
"""Spans that wait, those under way included; more are dropped. It is what OpenTelemetry's specification suggests."""
_FLUSH_SECONDS: Final = 2.0
_EXPORTER_LOG: Final = "opentelemetry.exporter.otlp.proto.grpc.exporter"


class SpanExport:
    """What records the spans of one process, and sends them to where its settings say."""

    def __init__(self, *, service: str, endpoint: str | None, processors: Sequence[SpanProcessor], counts: SpanCounts) -> None:
        """Begins to record.

        Args:
            service: the name of the service.
            endpoint: of OTLP, by the protocol that `tocsin.otlp` tells; None: only ``processors`` get the spans.
            processors: receive every span besides the exporter.
            counts: what became of the spans is counted here.
        """
        self._exporter = _CountedExporter(*_otlp(endpoint), endpoint, counts) if endpoint is not None else None
        self._provider = _provider(service, self._exporter, processors)

    @property
    def tracer(self) -> Tracer:
        """Makes the spans."""
        return self._provider.get_tracer("tocsin")

    def close(self) -> None:
        """Hands the last spans to the exporter, for two seconds at most; it blocks."""

        # An exporter that retries against an absent collector would hold the stop for its whole timeout; its own shutdown ends the retries.
        def give_up() -> None:
            if self._exporter is not None:
                self._exporter.shutdown()

        limit = threading.Timer(_FLUSH_SECONDS, give_up)
        limit.start()
        self._provider.shutdown()
        limit.cancel()


class _Ids(RandomIdGenerator):
    """Random ids, but for a trace or a span whose id is known before it begins."""

    def generate_span_id(self) -> int:
        """The id that `beginning` holds ready, or a random one."""
        known = wanted_span_id()
        return int(known, 16) if known else super().generate_span_id()

    def generate_trace_id(self) -> int:
        """The id that `beginning` holds ready, or a random one."""
        known = wanted_trace_id()
        return int(known, 16) if known else super().generate_trace_id()


class _OtlpExporter(Protocol):
    """Sends batches by OTLP, one at a time."""

    @property
    def partial(self) -> PartialSuccess:
        """What the collector said of the last batch that it took."""
        ...

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch."""
        ...

    def shutdown(self) -> None:
        """Ends what is under way."""
        ...


class _CountedExporter(SpanExporter):
    """Another exporter, with a bound on what waits for it and an account of what became of it."""

    def __init__(self, exporter: _OtlpExporter, problem: Callable[[], str], endpoint: str, counts: SpanCounts) -> None:
        self._exporter = exporter
        self._problem = problem
        self._endpoint = endpoint
        self._counts = counts
        self._lock = threading.Lock()  # spans end in the thread of the loop, and leave in that of the processor
        self._waiting = 0
        self._dropped = 0
        self._failing = self._complained = False
        self._full = False  # since something was taken

    def enter(self) -> bool:
        """Whether one more span may wait; one that may not is counted."""
        with self._lock:
            if self._waiting < MOST_SPANS:
                self._waiting += 1
                return True
            self._dropped += 1
            first, self._full = not self._full, True
        self._counts.queue_full.inc()
        if first:
            _log.warning("spans dropped because too many wait", endpoint=self._endpoint, most=MOST_SPANS)
        return False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends them, or drops them."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            well = result is SpanExportResult.SUCCESS
            self._sent(len(spans), well, rejected=self._rejected(len(spans)) if well else 0)
        return result

    def _rejected(self, count: int) -> int:
        """How many of a batch the collector says that it left out; the log tells the first time."""
        partial = self._exporter.partial
        rejected = min(partial.rejected, count)
        if (rejected or partial.message) and not self._complained:
            self._complained = True
            _log.warning("spans rejected", endpoint=self._endpoint, rejected=rejected, error=partial.message)
        return rejected

    def shutdown(self) -> None:
        """Ends what is under way."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True

    def _sent(self, count: int, well: bool, *, rejected: int) -> None:
        with self._lock:
            self._waiting -= count
            self._dropped += 0 if well else count
            changed, self._failing = self._failing is well or (well and self._full), not well
            dropped = self._dropped
            if well:
                self._dropped, self._full = 0, False
        (self._counts.exported if well else self._counts.export_failed).inc(count - rejected)
        self._counts.rejected.inc(rejected)
        if changed and well:
            _log.info("spans exported again", endpoint=self._endpoint, dropped=dropped)
        elif changed:
            _log.warning("spans not exported", endpoint=self._endpoint, error=self._problem())


class _BoundedProcessor(BatchSpanProcessor):
    """Hands spans to an exporter from a thread of its own, as many as may wait for it."""

    def __init__(self, exporter: _CountedExporter) -> None:
        super().__init__(exporter, max_queue_size=MOST_SPANS)
        self._enter = exporter.enter

    def on_end(self, span: ReadableSpan) -> None:
        """Takes a span that is over, or drops it."""
        if self._enter():
            super().on_end(span)


_QUIET: Final = KeptBack()


def _otlp(endpoint: str) -> tuple[_OtlpExporter, Callable[[], str]]:
    """What exports to the endpoint, and what tells in the same thread why it could not."""
    if otlp.protocol() == otlp.HTTP:
        from tocsin.telemetry.otlp_http import HttpSpanExporter  # who speaks gRPC does without it

        posting = HttpSpanExporter(endpoint)
        return posting, lambda: posting.problem
    # A process that only hands its spans to a processor needs neither its memory nor the time that its import takes.
    from tocsin.telemetry.otlp_grpc import GrpcSpanExporter

    _QUIET.keep_back(_EXPORTER_LOG)  # a line for each batch
    return GrpcSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://")), _QUIET.last


def _provider(service: str, exporter: _CountedExporter | None, processors: Sequence[SpanProcessor]) -> TracerProvider:
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # `Telemetry.span` has decided
        id_generator=_Ids(),
        resource=Resource.create({"service.name": service, "service.namespace": "tocsin"}),
        shutdown_on_exit=False,
    )
    for processor in (*([_BoundedProcessor(exporter)] if exporter else []), *processors):
        provider.add_span_processor(processor)
    return provider
