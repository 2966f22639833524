"""An OTLP collector that keeps what it is sent."""

import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

CLIENT, SERVER = trace_pb2.Span.SPAN_KIND_CLIENT, trace_pb2.Span.SPAN_KIND_SERVER
PRODUCER, CONSUMER = trace_pb2.Span.SPAN_KIND_PRODUCER, trace_pb2.Span.SPAN_KIND_CONSUMER


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A span as it was exported."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: frozenset[str]
    failed: bool
    attributes: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, service: str, span: trace_pb2.Span) -> Self:
        """Reads what was sent."""
        return cls(
            service=service,
            name=span.name,
            kind=span.kind,
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            links=frozenset(link.span_id.hex() for link in span.links),
            failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
            attributes={each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in span.attributes},
        )


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Listens on a port of its own, in threads of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[Seen] = []
        self.endpoint = ""
        self.partial = trace_service_pb2.ExportTracePartialSuccess()
        """What it says of each batch."""
        self.metadata: dict[str, Any] = {}
        """Headers of what has arrived."""
        self.resources: dict[str, dict[str, str]] = {}
        """The last attributes of each service."""

    def Export(self, request: trace_service_pb2.ExportTraceServiceRequest, context: Any) -> trace_service_pb2.ExportTraceServiceResponse:
        """Takes spans."""
        for resource in request.resource_spans:
            known = {each.key: each.value.string_value for each in resource.resource.attributes}
            service = known["service.name"]
            spans = [Seen.of(service, span) for scope in resource.scope_spans for span in scope.spans]
            with self._lock:
                self._spans += spans
                self.resources[service] = known
        self.metadata |= dict(context.invocation_metadata())
        return trace_service_pb2.ExportTraceServiceResponse(partial_success=self.partial)

    def all(self) -> list[Seen]:
        """What has arrived."""
        with self._lock:
            return [*self._spans]

    def trace(self, trace: str) -> list[Seen]:
        """What has arrived of a trace."""
        with self._lock:
            return [span for span in self._spans if span.trace == trace]


@contextmanager
def listening() -> Generator[Collector]:
    """A collector for the length of a block."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()
