"""What gRPC tells of a call that is served: its headers, the time that is left, how it ended, how much went over the wire."""

from typing import Any, Final, NamedTuple, TypeAlias, cast

import grpc

from tocsin.mesh.context import current
from tocsin.telemetry import BAGGAGE, TRACEPARENT, TRACESTATE, context_header, extract

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

AUTHORIZATION: Final = "authorization"
# gRPC reports the code that a handler set as it was set: as a member, or as its number.
_CODES: Final[dict[object, grpc.StatusCode]] = {key: code for code in grpc.StatusCode for key in (code, code.value[0])}


class CallHeaders(NamedTuple):
    """What the chain reads of a call's metadata.

    Attributes:
        authorization: as it was sent.
        traceparent: None when there was none, or it is malformed.
        along: what goes with the trace, ``tracestate`` and ``baggage``.
    """

    authorization: str | None
    traceparent: str | None
    along: tuple[tuple[str, str], ...]


def call_headers(context: Context) -> CallHeaders:
    """The headers of a call."""
    authorization: str | None = None
    traceparent: str | None = None
    along: tuple[tuple[str, str], ...] = ()
    for key, value in context.invocation_metadata() or ():
        if key == AUTHORIZATION and isinstance(value, str):
            authorization = value
        elif key == TRACEPARENT:
            traceparent = extract(((key, value),))
        elif key in (TRACESTATE, BAGGAGE):
            along = (*along, *context_header(key, value))
    if along and traceparent is None:
        along = tuple(pair for pair in along if pair[0] != TRACESTATE)  # it says nothing without the trace that it belongs to
    return CallHeaders(authorization, traceparent, along)


def spiffe_id(context: Context) -> str | None:
    """The SPIFFE id on the certificate of the caller: exactly one, or gRPC leaves the property out (SPIFFE X509-SVID, section 2)."""
    identities = context.auth_context().get("peer_spiffe_id")
    return bytes(next(iter(identities))).decode() if identities else None


def address_of(context: Context) -> str:
    """The address of the caller without its port: "ipv4:192.0.2.7"."""
    return context.peer().rpartition(":")[0]


def remaining_seconds(context: Context) -> float | None:
    """Seconds until the caller stops waiting; None when it sent no deadline, which gRPC's stubs do not say."""
    return cast("float | None", context.time_remaining())


def aborted_with(context: Context) -> grpc.StatusCode:
    """The code that a handler aborted with."""
    return _CODES.get(context.code(), grpc.StatusCode.UNKNOWN)


def transferred(first: Any, result: Any) -> tuple[int, int]:
    """Bytes of the messages that the current call sent and received: of one request or answer, and of streams."""
    call = current()
    streamed = None if call is None else call.streamed
    sent, received = (0, 0) if streamed is None else (streamed.sent, streamed.received)
    return len(result) if isinstance(result, bytes) else sent, len(first) if isinstance(first, bytes) else received
