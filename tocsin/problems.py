"""The errors of answers: problem documents (RFC 9457) as the classes of `tocsin.errors`."""

from collections.abc import Mapping
from typing import Any, Final, cast

import httpx2

from tocsin import errors
from tocsin.errors import FieldViolation, TocsinError

_ERRORS: Final[Mapping[str, type[TocsinError]]] = {
    "CANCELLED": errors.Cancelled,
    "INVALID_ARGUMENT": errors.InvalidInput,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "NOT_FOUND": errors.NotFound,
    "ALREADY_EXISTS": errors.AlreadyExists,
    "PERMISSION_DENIED": errors.PermissionDenied,
    "RESOURCE_EXHAUSTED": errors.ResourceExhausted,
    "FAILED_PRECONDITION": errors.FailedPrecondition,
    "ABORTED": errors.Aborted,
    "OUT_OF_RANGE": errors.OutOfRange,
    "UNIMPLEMENTED": errors.Unimplemented,
    "INTERNAL": errors.Internal,
    "UNAVAILABLE": errors.Unavailable,
    "DATA_LOSS": errors.DataLoss,
    "UNAUTHENTICATED": errors.Unauthenticated,
}
# For answers that are not problem documents, such as a proxy's.
_STATUSES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error_of(answer: httpx2.Response) -> TocsinError:
    """The error of an answer: of a problem document (RFC 9457), or else of the status code."""
    try:
        problem = members(answer.json())
    except ValueError:
        problem = members(None)
    if "code" not in problem:
        code = _STATUSES.get(answer.status_code, "INTERNAL")
        return _ERRORS[code](f"{answer.request.url.host} answered {answer.status_code} {answer.reason_phrase}")
    return problem_error(problem, retry_after=_seconds(answer.headers.get("retry-after")))


def problem_error(problem: Mapping[str, Any], *, retry_after: float | None = None) -> TocsinError:
    """The error of a problem document."""
    details = {str(item.get("@type", "")).rpartition(".")[2]: item for item in problem.get("details", ())}
    info = details.get("ErrorInfo", {})
    violations = details.get("BadRequest", {}).get("fieldViolations", ())
    return _ERRORS.get(str(problem.get("code")), TocsinError)(
        str(problem.get("detail") or problem.get("message") or problem.get("title") or "the request failed"),
        violations=[FieldViolation(str(item.get("field", "")), str(item.get("description", ""))) for item in violations],
        retry_after=retry_after,
        metadata=info.get("metadata"),
        reason=info.get("reason"),
    )


def members(value: object) -> Mapping[str, Any]:
    """The members of a JSON object; none of anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isdigit() else None
