"""The span of one RPC, on either side and for each attempt.

Names, attributes and what counts as an error follow OpenTelemetry's semantic conventions for RPCs (stable since 1.45.0) and gRPC: every
status but OK is an error of a client's attempt, and only what is the server's own fault is one of the server.
"""

import asyncio
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

import grpc
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from tocsin.errors import TocsinError
from tocsin.mesh.rpc_metrics import Durations
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


_NOTHING: Final[Mapping[str, AttributeValue]] = {}
PREVIOUS_ATTEMPTS: Final = "previous-rpc-attempts"
"""Of an attempt: how many came before it (gRFC A72)."""
CARRIED: Final = "tocsin.carried"
"""Of an attempt, and of a call that is served: whether it rode on a carrier (ADR 0061)."""


def rpc_attributes(path: str, extra: Mapping[str, AttributeValue] = _NOTHING) -> dict[str, AttributeValue]:
    """What is known of an RPC before it begins.

    For a release with the names of before the conventions were stable (``rpc.system``, ``rpc.service``) as well.
    """
    service, _, _ = path[1:].partition("/")
    return {"rpc.system.name": "grpc", "rpc.method": path[1:], "rpc.system": "grpc", "rpc.service": service, **extra}


def server_attributes(uri: str, endpoint: str | None = None) -> dict[str, AttributeValue]:
    """Whom a client calls.

    Args:
        uri: gRPC's target.
        endpoint: the address of the one replica that is called, if it is one.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "unix":
        found: dict[str, AttributeValue] = {"server.address": rest.removeprefix("//")}
    else:
        found = _place("server", rest.rpartition("/")[2])
    return found if endpoint is None else {**found, **_place("network.peer", endpoint.rpartition("/")[2] or endpoint)}


def _place(prefix: str, address: str) -> dict[str, AttributeValue]:
    host, _, port = address.rpartition(":")
    if not host or "," in address or not port.isascii() or not port.isdigit():
        return {f"{prefix}.address": address}
    return {f"{prefix}.address": host.strip("[]"), f"{prefix}.port": int(port)}


@contextmanager
def rpc_span(
    telemetry: Telemetry,
    path: str,
    *,
    kind: SpanKind,
    traceparent: str | None,
    attributes: Mapping[str, AttributeValue] = _NOTHING,
    durations: Durations | None = None,
) -> Generator[Span]:
    """The current span for the length of a block that makes, or serves, one call.

    Args:
        telemetry: of the service.
        path: of the method, "/package.Service/Method".
        kind: SERVER, or CLIENT for one attempt.
        traceparent: the parent; None begins a trace.
        attributes: what else is known.
        durations: gets the trace as an exemplar of how long it took.
    """
    with telemetry.span(path[1:], kind=kind, traceparent=traceparent, attributes=rpc_attributes(path, attributes)) as span:
        started, code = time.monotonic(), grpc.StatusCode.OK
        try:
            yield span
        except BaseException as error:
            code = end_rpc_span(span, kind, error)
            raise
        else:
            end_rpc_span(span, kind)
        finally:
            if durations is not None:
                exemplify(span, durations, code, time.monotonic() - started)


def exemplify(span: Span, durations: Durations, code: grpc.StatusCode, seconds: float) -> None:
    """Keeps the trace of a recorded call beside its duration."""
    context = span.get_span_context()
    if context.is_valid:
        durations.exemplify(code, seconds, {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"})


def end_rpc_span(span: Span, kind: SpanKind, error: BaseException | None = None) -> grpc.StatusCode:
    """Notes how a call ended; returns its code."""
    code = grpc.StatusCode.OK if error is None else _code(error)
    span.set_attribute("rpc.response.status_code", code.name)
    span.set_attribute("rpc.grpc.status_code", code.value[0])  # its name of before, for a release
    if error is None or (kind is SpanKind.SERVER and code not in _FAULTS):
        return code
    known = isinstance(error, TocsinError)
    span.set_attribute("error.type", error.error_reason if known else code.name)
    span.set_status(StatusCode.ERROR, error.message if known else None)
    return code


def _code(error: BaseException) -> grpc.StatusCode:
    if isinstance(error, TocsinError):
        return code_of(error)
    return grpc.StatusCode.CANCELLED if isinstance(error, asyncio.CancelledError) else grpc.StatusCode.UNKNOWN
