"""Errors as HTTP: RFC 9457 problem details that carry the google.rpc.Status as extension members."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import grpc

from gateway.transcoding.router import MethodNotAllowed
from tocsin.errors import (
    Aborted,
    DeadlineExceeded,
    InvalidInput,
    MessageTooLarge,
    QuotaExceeded,
    ResourceExhausted,
    TocsinError,
    Unauthenticated,
    Unavailable,
)
from tocsin.mesh.status import DOMAIN, code_of
from tocsin.mesh.tokens import ScopeMissing
from tocsin.protojson.codec import dump_json

PROBLEM_TYPE = "application/problem+json"

# google/rpc/code.proto names the HTTP status of every code.
_STATUS: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
_TYPES = "type.googleapis.com/google.rpc."
_SNAKE: Mapping[str, str] = {"fieldViolations": "field_violations", "retryDelay": "retry_delay"}


class UnsupportedMediaType(InvalidInput):
    """The body must be application/json."""


class NotAcceptable(InvalidInput):
    """No media type of the Accept header is available."""


class BodyTooSlow(DeadlineExceeded):
    """The body did not arrive in time."""


class HeadersTooSlow(DeadlineExceeded):
    """The head of the request did not arrive in time."""


class NoHttpRequest(InvalidInput):
    """This is no HTTP/1.1 request."""


class HeadersInvalid(InvalidInput):
    """A header is malformed or given twice."""


class CredentialMissing(Unauthenticated):
    """A token or an API key is required."""


class IdempotencyKeyReused(InvalidInput):
    """The Idempotency-Key was used for a request with another payload."""


class IdempotencyKeyInUse(Aborted):
    """The first request with this Idempotency-Key is still under way."""


class PreconditionFailed(Aborted):
    """The resource is not what If-Match says."""


_HTTP_ONLY: Mapping[type[TocsinError], int] = {
    MethodNotAllowed: 405,
    NotAcceptable: 406,
    BodyTooSlow: 408,
    PreconditionFailed: 412,
    HeadersTooSlow: 408,
    UnsupportedMediaType: 415,
    IdempotencyKeyReused: 422,
}
# By reason, for a service or gRPC itself may have found it.
_BY_REASON: Mapping[str, int] = {MessageTooLarge.reason: 413}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDetails:
    """An error, ready to be sent."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def http_status(error: TocsinError) -> int:
    """The HTTP status of an error."""
    return _HTTP_ONLY.get(type(error)) or _BY_REASON.get(error.error_reason) or code_status(error)


def code_status(error: TocsinError) -> int:
    """The HTTP status of an error's code alone."""
    return _STATUS.get(code_of(error), 500)


Problem = Callable[[TocsinError, str], ProblemDetails]
"""Makes the answer for an error, and for the identity of its trace, by which the operator finds the request in the logs."""


def problem(error: TocsinError, trace_id: str = "") -> ProblemDetails:
    """The answer for an error."""
    return _shown(error, members(error, trace_id=trace_id))


def snake_problem(error: TocsinError, trace_id: str = "") -> ProblemDetails:
    """The same, its members in snake_case, as a legacy route speaks."""
    found = members(error, trace_id=trace_id)
    found["details"] = [{_SNAKE.get(name, name): value for name, value in detail.items()} for detail in found["details"]]
    return _shown(error, found)


def _shown(error: TocsinError, document: dict[str, Any]) -> ProblemDetails:
    headers = [(b"content-type", PROBLEM_TYPE.encode()), (b"cache-control", b"no-store"), *headers_of(error)]
    return ProblemDetails(status=http_status(error), headers=tuple(headers), body=dump_json(document))


def members(error: TocsinError, *, trace_id: str = "") -> dict[str, Any]:
    """The members of the problem document."""
    status = http_status(error)
    found: dict[str, Any] = {
        "type": f"urn:tocsin:error:{error.error_reason}",
        "title": _title(status),
        "status": status,
        "detail": error.message,
        "code": code_of(error).name,
        "message": error.message,
        "details": _details(error),
    }
    if trace_id:
        found["instance"] = f"urn:tocsin:trace:{trace_id}"
    return found


def _title(status: int) -> str:
    return "Client Closed Request" if status == 499 else HTTPStatus(status).phrase


def _details(error: TocsinError) -> list[dict[str, Any]]:
    """The google.rpc details in protobuf's JSON form (google/rpc/error_details.proto)."""
    if error.foreign_details:
        return [dict(detail) for detail in error.foreign_details]
    info: dict[str, Any] = {"@type": f"{_TYPES}ErrorInfo", "reason": error.error_reason, "domain": DOMAIN}
    if error.metadata:
        info["metadata"] = error.metadata
    details = [info]
    if error.error_reason == QuotaExceeded.reason:
        failed = [{"subject": f"quotas/{error.metadata.get('quota', '')}", "description": error.message}]
        details.append({"@type": f"{_TYPES}QuotaFailure", "violations": failed})
    if error.violations:
        violations = [{"field": item.field, "description": item.description} for item in error.violations]
        details.append({"@type": f"{_TYPES}BadRequest", "fieldViolations": violations})
    if error.retry_after is not None:
        details.append({"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{error.retry_after:.3f}s"})
    return details


def headers_of(error: TocsinError) -> list[tuple[bytes, bytes]]:
    """What an error says in the head of its answer."""
    if isinstance(error, MethodNotAllowed):
        return [(b"allow", ", ".join(error.allowed).encode())]
    if isinstance(error, Unavailable | ResourceExhausted | IdempotencyKeyInUse):
        return [(b"retry-after", str(max(1, math.ceil(error.retry_after or 1))).encode())]
    if isinstance(error, ScopeMissing):
        return [(b"www-authenticate", f'Bearer realm="tocsin", error="insufficient_scope", scope="{error.metadata["scope"]}"'.encode())]
    if isinstance(error, CredentialMissing):
        return [(b"www-authenticate", b'Bearer realm="tocsin"')]
    if isinstance(error, Unauthenticated):
        return [(b"www-authenticate", b'Bearer realm="tocsin", error="invalid_token"')]
    return []
