"""Spans over OTLP/gRPC, by OpenTelemetry's exporter."""

from typing import Any, cast

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tocsin.telemetry.otlp_answers import WHOLE, PartialSuccess


class GrpcSpanExporter(OTLPSpanExporter):
    """OpenTelemetry's exporter, which would not tell what a collector says of a batch that it took.

    Attributes:
        partial: of the last answer.
    """

    partial: PartialSuccess = WHOLE

    def _initialize_channel_and_stub(self) -> None:
        """Dials, for the first time and anew; the answers of what is called by then pass by here."""
        super()._initialize_channel_and_stub()
        self._client = cast("Any", _Heard(self._client, self))


class _Heard:
    """A stub whose answers are looked at."""

    def __init__(self, stub: Any, exporter: GrpcSpanExporter) -> None:
        self._stub = stub
        self._exporter = exporter

    def Export(self, **values: Any) -> ExportTraceServiceResponse:  # noqa: N802 - the RPC's name
        """Exports a batch."""
        answer: ExportTraceServiceResponse = self._stub.Export(**values)
        self._exporter.partial = PartialSuccess.of(answer)
        return answer
