"""What a collector says of a batch that it took: it may have left spans out of it (``partial_success``), by gRPC and by HTTP.

Source: https://opentelemetry.io/docs/specs/otlp/#partial-success
"""

import json
from typing import Any, Final, NamedTuple

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
        try:
            return cls._of_json(json.loads(body)) if kind == JSON else cls.of(ExportTraceServiceResponse.FromString(body))
        except Exception:  # noqa: BLE001 - whatever a parser says of what it cannot read, of which messages have one of their own
            return cls()

    @classmethod
    def _of_json(cls, answer: Any) -> "PartialSuccess":
        """Names in lowerCamelCase; a number of 64 bits may be a text."""
        said = answer["partialSuccess"]
        message = said.get("errorMessage", "")
        return cls(max(0, int(said.get("rejectedSpans", 0))), message[:_LONGEST] if isinstance(message, str) else "")


WHOLE: Final = PartialSuccess()
