"""What a collector says of a batch that it took: it may have left spans out of it (``partial_success``), by gRPC and by HTTP.

Source: https://opentelemetry.io/docs/specs/otlp/#partial-success
"""

from typing import Final, NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_LONGEST: Final = 200


class PartialSuccess(NamedTuple):
    """Which part of a batch a collector did not take.

    Attributes:
        rejected: how many spans.
        message: why; without spans that were rejected, what it warns of.
    """

    rejected: int = 0
    message: str = ""

    @classmethod
    def of(cls, answer: ExportTraceServiceResponse) -> "PartialSuccess":
        """What an answer says of it."""
        said = answer.partial_success
        return cls(max(0, said.rejected_spans), said.error_message[:_LONGEST])

    @classmethod
    def of_body(cls, kind: str, body: bytes) -> "PartialSuccess":
        """What the body of an answer says; nothing, if it cannot be read: its status has said that the batch was taken."""
        answer = ExportTraceServiceResponse()
        try:
            if kind == JSON:
                json_format.Parse(body, answer, ignore_unknown_fields=True)
            else:
                answer.ParseFromString(body)
        except (DecodeError, json_format.ParseError, RecursionError, ValueError):
            return cls()
        return cls.of(answer)


WHOLE: Final = PartialSuccess()
