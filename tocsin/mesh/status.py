"""The one table between `tocsin.errors` and the wire.

On the wire an error is a google.rpc.Status in ``grpc-status-details-bin`` (AIP-193): ErrorInfo with domain "tocsin" always, BadRequest
when fields were refused, RetryInfo when a time to come back is known. A status without details keeps its text where a handler speaks of
the request; what gRPC itself reports (a refused connection, a reset stream) names addresses: it stays in the exception's cause.
"""

import math
from typing import TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from tocsin import errors
from tocsin.errors import FieldViolation, TocsinError
from tocsin.mesh.breaker import CallOutcome
from tocsin.mesh.limits import RateLimited
from tocsin.mesh.retry import PushedBack

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

DOMAIN = "tocsin"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

# Trailing metadata is bounded on both sides; a status that outgrew it would arrive as RESOURCE_EXHAUSTED.
_MAX_TEXT = 500
_MAX_INFO = 1500
_MAX_DETAILS = 6000

# gRPC's own words, whichever end refused it: "CLIENT: Sent message larger than max (5000000 vs. 4194304)".
_TOO_LARGE = "message larger than max"
_NO_CONNECTION = "connections to all backends failing"


_TABLE: tuple[tuple[type[TocsinError], grpc.StatusCode], ...] = (
    (errors.Cancelled, grpc.StatusCode.CANCELLED),
    (errors.InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (errors.PermissionDenied, grpc.StatusCode.PERMISSION_DENIED),
    (errors.ResourceExhausted, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.FailedPrecondition, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Aborted, grpc.StatusCode.ABORTED),
    (errors.OutOfRange, grpc.StatusCode.OUT_OF_RANGE),
    (errors.Unimplemented, grpc.StatusCode.UNIMPLEMENTED),
    (errors.Internal, grpc.StatusCode.INTERNAL),
    (errors.UnknownFailure, grpc.StatusCode.UNKNOWN),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.DataLoss, grpc.StatusCode.DATA_LOSS),
    (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
)
_CODES = dict(_TABLE)
_CLASSES = {code: kind for kind, code in _TABLE}
_NUMBERS = {code: cast("int", code.value[0]) for code in grpc.StatusCode}

_FAILURES = (errors.Unavailable, errors.Internal, errors.DataLoss)
_NOT_OF_THE_REQUEST = (*_FAILURES, errors.DeadlineExceeded, errors.Cancelled, errors.MessageTooLarge, errors.AnswerTooLarge)
# gRPC says none of these by itself: the words are those of a handler.
_OF_THE_REQUEST = (
    errors.InvalidInput,
    errors.NotFound,
    errors.AlreadyExists,
    errors.FailedPrecondition,
    errors.Aborted,
    errors.OutOfRange,
    errors.PermissionDenied,
    errors.Unauthenticated,
)
_IGNORED = (errors.Cancelled, errors.CircuitOpen, errors.Unimplemented, errors.ResourceExhausted, errors.AnswerTooLarge)


def code_of(error: TocsinError) -> grpc.StatusCode:
    """The code of ``error``: that of the nearest class in the table, INTERNAL when there is none."""
    for kind in type(error).__mro__:
        code = _CODES.get(kind)
        if code is not None:
            return code
    return grpc.StatusCode.INTERNAL


def number_of(error: TocsinError) -> int:
    """The code of ``error`` as google.rpc.Code numbers it."""
    return _NUMBERS[code_of(error)]


def error_of_code(number: int) -> type[TocsinError]:
    """The class of errors with this code; Internal for one that has no class of its own."""
    return next((kind for kind, code in _TABLE if _NUMBERS[code] == number), errors.Internal)


def to_status(error: TocsinError, *, trace_id: str | None = None) -> status_pb2.Status:
    """The google.rpc.Status of ``error``, with its details; what is too long for trailing metadata is cut.

    Args:
        error: what went wrong.
        trace_id: put into ErrorInfo.metadata, so that a person can be asked for it.
    """
    info = error_details_pb2.ErrorInfo(reason=error.error_reason, domain=DOMAIN)
    for key, value in error.metadata.items():
        if info.ByteSize() + len(key) + len(value) < _MAX_INFO:
            info.metadata[key] = value
    if trace_id is not None:
        info.metadata["trace_id"] = trace_id
    status = status_pb2.Status(code=number_of(error), message=error.message[:_MAX_TEXT])
    status.details.add().Pack(info)
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(max(0, math.ceil(error.retry_after * 1e9)))
        status.details.add().Pack(retry)
    if error.error_reason == errors.QuotaExceeded.reason:
        failure = error_details_pb2.QuotaFailure()
        failure.violations.add(subject=f"quotas/{error.metadata.get('quota', '')}", description=error.message[:_MAX_TEXT])
        status.details.add().Pack(failure)
    if error.violations:
        status.details.add().Pack(_bad_request(error.violations, room=_MAX_DETAILS - status.ByteSize()))
    return status


def _bad_request(violations: tuple[FieldViolation, ...], *, room: int) -> error_details_pb2.BadRequest:
    bad = error_details_pb2.BadRequest()
    for item in violations:
        bad.field_violations.add(field=item.field[:_MAX_TEXT], description=item.description[:_MAX_TEXT])
        if bad.ByteSize() > room:
            del bad.field_violations[-1]
            break
    return bad


def trailing_metadata(error: TocsinError, *, trace_id: str | None = None) -> Metadata:
    """The trailing metadata that carries ``error``; a rejection by a breaker forbids retries as well."""
    details = (DETAILS_KEY, error.foreign_status or to_status(error, trace_id=trace_id).SerializeToString())
    if isinstance(error, errors.CircuitOpen | PushedBack):
        return (details, (PUSHBACK_KEY, "-1"))
    if isinstance(error, RateLimited):
        return (details, ("ratelimit", error.standing), ("ratelimit-policy", error.policy))
    return (details,)


def from_rpc(error: grpc.aio.AioRpcError, *, target: str) -> TocsinError:
    """The error that a call to ``target`` raised at the other end, or that gRPC itself reports."""
    raw, pushback = _trailers(error)
    status = _parse(raw)
    if status is None or status.code != _NUMBERS[error.code()]:
        kind = _too_large(error) or _CLASSES.get(error.code(), errors.Internal)
        said = (error.details() or "")[:_MAX_TEXT] if issubclass(kind, _OF_THE_REQUEST) else ""
        found = kind(said or _plain_message(kind, target), metadata={"target": target})
        return _pushed_back(found, pushback)
    return _pushed_back(from_status(status), pushback)


def from_foreign(error: grpc.aio.AioRpcError, *, target: str) -> TocsinError:
    """The error of a call to a server outside of the mesh.

    Its words and all its details survive where it speaks of the request. Where it speaks of itself they may be a stack or an address, and
    stay in the exception's cause; only when to come back survives.
    """
    found = from_rpc(error, target=target)
    if isinstance(found, _NOT_OF_THE_REQUEST):
        kind = type(found)
        return kind(_plain_message(kind, target), retry_after=found.retry_after, metadata={"target": target}, reason=found.error_reason)
    status = _parse(_trailers(error)[0])
    if status is None or status.code != _NUMBERS[error.code()]:
        return type(found)(error.details() or found.message, metadata={"target": target})
    for index in reversed(range(len(status.details))):
        if status.details[index].type_url.endswith("/google.rpc.DebugInfo"):
            del status.details[index]
    found.foreign_status = status.SerializeToString()
    return found


def is_lost(error: grpc.aio.AioRpcError) -> bool:
    """Whether gRPC itself reports that the far end could not be reached or that the connection broke; no server has said so."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and _trailers(error)[0] is None


class UnsentCall(grpc.aio.AioRpcError):
    """A server that ends has begun nothing of a call, and says so: it may go elsewhere."""

    def __init__(self, details: str = "The server ends, and has not begun the call.") -> None:
        """Of a carrier, which tells more of a call than gRPC does."""
        code, nothing = grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata()
        super().__init__(code, nothing, nothing, details=details, debug_error_string=f"{code.name}: {details}")


def is_unsent(error: BaseException | None) -> bool:
    """Whether the far end has seen nothing of a call, so that it may go elsewhere: gRPC had no connection to send it on; `UnsentCall`.

    Only gRPC's text tells the first from a connection that broke. Should the text change, such a call fails as any other that was lost.
    """
    if isinstance(error, UnsentCall):
        return True
    return isinstance(error, grpc.aio.AioRpcError) and is_lost(error) and (error.details() or "").startswith(_NO_CONNECTION)


def _too_large(error: grpc.aio.AioRpcError) -> type[TocsinError] | None:
    """The class of a message that gRPC found too large: it has the code of an exhausted resource, and waiting would not help."""
    words = error.details() or ""
    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or _TOO_LARGE not in words:
        return None
    return errors.AnswerTooLarge if words.startswith("CLIENT: Received") else errors.MessageTooLarge


def from_status(status: status_pb2.Status) -> TocsinError:
    """The error that ``status`` carries, as the class of `tocsin.errors` that it was raised as."""
    kind = error_of_code(status.code)
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    retry_after: float | None = None
    for detail in status.details:
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        elif not detail.Unpack(info):
            detail.Unpack(bad)
    violations = [FieldViolation(item.field, item.description) for item in bad.field_violations]
    if kind is errors.Unavailable and info.reason == errors.CircuitOpen.reason:
        kind = errors.CircuitOpen
    return kind(status.message, violations=violations, retry_after=retry_after, metadata=dict(info.metadata), reason=info.reason or None)


def _trailers(error: grpc.aio.AioRpcError) -> tuple[bytes | None, float | None]:
    """The serialized status and the server's pushback in seconds, negative to forbid retries."""
    raw, pushback = None, None
    for key, value in error.trailing_metadata():
        if key == DETAILS_KEY and isinstance(value, bytes):
            raw = value
        elif key == PUSHBACK_KEY:
            pushback = _pushback_seconds(value)
    return raw, pushback


def _pushback_seconds(value: str | bytes) -> float:
    """Seconds of a pushback; like gRFC A6, what is not a number forbids retries."""
    try:
        return int(value) / 1000
    except ValueError:
        return -1.0


def _pushed_back(error: TocsinError, pushback: float | None) -> TocsinError:
    if pushback is not None and isinstance(error, errors.ResourceExhausted):
        error.retry_after = pushback if pushback >= 0 else None  # without a time to come back nothing tries it again
        return error
    if pushback is None or not isinstance(error, errors.Unavailable):
        return error
    if pushback >= 0:
        error.retry_after = pushback
        return error
    if isinstance(error, errors.CircuitOpen):
        return error
    return PushedBack(error.message, retry_after=error.retry_after, metadata=error.metadata, reason=error.error_reason)


def _parse(raw: bytes | None) -> status_pb2.Status | None:
    if raw is None:
        return None
    try:
        return status_pb2.Status.FromString(raw)
    except DecodeError:
        return None


def _plain_message(kind: type[TocsinError], target: str) -> str:
    if kind is errors.Unavailable:
        return f"{target} is unavailable."
    return f"{target}: {kind().message}"


def outcome_of(error: TocsinError, *, truncated: bool = False) -> CallOutcome:
    """What ``error`` says about the health of the far end.

    Args:
        error: how the attempt ended.
        truncated: the attempt had less than half of the declared timeout, so that a missed deadline says nothing.
    """
    if isinstance(error, errors.DeadlineExceeded):
        return CallOutcome.IGNORED if truncated else CallOutcome.FAILURE
    if isinstance(error, _IGNORED):
        return CallOutcome.IGNORED
    if error.error_reason == errors.StoredRowUnreadable.reason:  # of one row, and of nobody who works
        return CallOutcome.SUCCESS
    return CallOutcome.FAILURE if isinstance(error, _FAILURES) else CallOutcome.SUCCESS
