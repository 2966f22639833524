"""Recorded spans on their way out of the process; the one place that needs the SDK of OpenTelemetry.

Most processes record nothing: `Telemetry` imports this only where it has something to record, because the SDK takes long to import.
"""

import threading
from collections.abc import Sequence
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Tracer

from tocsin.telemetry.traces import wanted_span_id, wanted_trace_id

_FLUSH_SECONDS: Final = 2.0


class SpanExport:
    """What records the spans of one process, and sends them to where its settings say."""

    def __init__(self, *, service: str, endpoint: str | None, processors: Sequence[SpanProcessor]) -> None:
        """Begins to record.

        Args:
            service: the name of the service.
            endpoint: OTLP gRPC endpoint; None: only ``processors`` get the spans.
            processors: receive every span besides the exporter.
        """
        self._exporter = _exporter(endpoint)
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


def _exporter(endpoint: str | None) -> SpanExporter | None:
    if endpoint is None:
        return None
    # A process that only hands its spans to a processor needs neither its memory nor the time that its import takes.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))


def _provider(service: str, exporter: SpanExporter | None, processors: Sequence[SpanProcessor]) -> TracerProvider:
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # `Telemetry.span` has decided
        id_generator=_Ids(),
        resource=Resource.create({"service.name": service, "service.namespace": "tocsin"}),
        shutdown_on_exit=False,
    )
    for processor in (*([BatchSpanProcessor(exporter)] if exporter else []), *processors):
        provider.add_span_processor(processor)
    return provider
