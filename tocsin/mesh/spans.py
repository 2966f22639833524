"""The span of one RPC, on either side and for each attempt.

Names, attributes and what counts as an error follow OpenTelemetry's semantic conventions for gRPC: every status but OK is an error of a
client's attempt, and only what is the server's own fault is one of the server.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import grpc
from opentelemetry.trace import Span, SpanKind, StatusCode

from tocsin.errors import TocsinError
from tocsin.mesh.status import code_of
from tocsin.telemetry import Telemetry

_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


@contextmanager
def rpc_span(telemetry: Telemetry, path: str, *, kind: SpanKind, traceparent: str | None) -> Generator[Span]:
    """The current span for the length of a block that makes, or serves, one call.

    Args:
        telemetry: of the service.
        path: of the method, "/package.Service/Method".
        kind: SERVER, or CLIENT for one attempt.
        traceparent: the parent; None begins a trace.
    """
    service, _, method = path[1:].partition("/")
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
    with telemetry.span(path[1:], kind=kind, traceparent=traceparent, attributes=attributes) as span:
        try:
            yield span
        except BaseException as error:
            _fail(span, kind, error)
            raise
        span.set_attribute("rpc.grpc.status_code", 0)


def _fail(span: Span, kind: SpanKind, error: BaseException) -> None:
    code = _code(error)
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if kind is SpanKind.SERVER and code not in _FAULTS:
        return
    known = isinstance(error, TocsinError)
    span.set_attribute("error.type", error.error_reason if known else code.name)
    span.set_status(StatusCode.ERROR, error.message if known else None)


def _code(error: BaseException) -> grpc.StatusCode:
    if isinstance(error, TocsinError):
        return code_of(error)
    return grpc.StatusCode.CANCELLED if isinstance(error, asyncio.CancelledError) else grpc.StatusCode.UNKNOWN
