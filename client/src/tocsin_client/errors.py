"""The error tree: one class for each code of google.rpc.Code, and a few for what happens on this side.

Every error says what happened (`message`), its stable identifier (`reason`, such as "ALARM_NOT_FOUND"), the fields that were refused
(`violations`), when a new attempt may succeed (`retry_after`, seconds), and the trace by which an operator finds the request in the
logs (`trace_id`). None holds a credential.
"""

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

_LONGEST_TEXT: Final = 1000
_MOST_VIOLATIONS: Final = 100


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that was refused: its path in JSON names ("trigger.timeZone", "to[0]"), and why."""

    field: str
    description: str


class TocsinError(Exception):
    """The request failed."""

    code: ClassVar[str] = "UNKNOWN"
    """The code of the class, as google.rpc.Code names it."""

    def __init__(
        self,
        message: str = "",
        *,
        reason: str = "",
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
        trace_id: str = "",
        status: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Makes the error.

        Args:
            message: what happened; the violations unless given, or the first line of the class.
            reason: the stable identifier (google.rpc.ErrorInfo.reason).
            violations: the fields that were refused.
            retry_after: seconds after which a new attempt may succeed.
            trace_id: the trace of the request; empty if it never arrived.
            status: the HTTP status; 0 without an answer.
            metadata: facts for a program (google.rpc.ErrorInfo.metadata).
        """
        self.violations = tuple(violations[:_MOST_VIOLATIONS])
        told = "; ".join(f"{item.field}: {item.description}" for item in self.violations)
        self.message = (message or told or inspect.cleandoc(type(self).__doc__ or "").partition("\n")[0])[:_LONGEST_TEXT]
        super().__init__(self.message)
        self.reason = reason
        self.retry_after = retry_after
        self.trace_id = trace_id
        self.status = status
        self.metadata = dict(metadata or {})

    def __str__(self) -> str:
        """The message, with the trace where there is one."""
        return f"{self.message} (trace {self.trace_id})" if self.trace_id else self.message


class InvalidInput(TocsinError):
    """The request is not valid."""

    code = "INVALID_ARGUMENT"

    @classmethod
    def at(cls, field: str, description: str) -> "InvalidInput":
        """The error for one refused field; the message names it."""
        return cls(violations=[FieldViolation(field, description)], reason="INVALID_INPUT")


class NameInvalid(InvalidInput):
    """The resource name is not valid: it was refused before any call."""


class OutOfRange(TocsinError):
    """The value is out of range."""

    code = "OUT_OF_RANGE"


class FailedPrecondition(TocsinError):
    """The system is not in the required state."""

    code = "FAILED_PRECONDITION"


class NotFound(TocsinError):
    """There is no such resource."""

    code = "NOT_FOUND"


class AlreadyExists(TocsinError):
    """The resource exists already."""

    code = "ALREADY_EXISTS"


class Aborted(TocsinError):
    """The resource was changed concurrently."""

    code = "ABORTED"


class Unauthenticated(TocsinError):
    """A valid token or API key is required."""

    code = "UNAUTHENTICATED"


class PermissionDenied(TocsinError):
    """Permission denied."""

    code = "PERMISSION_DENIED"


class ResourceExhausted(TocsinError):
    """A limit has been reached."""

    code = "RESOURCE_EXHAUSTED"


class Cancelled(TocsinError):
    """The call was cancelled."""

    code = "CANCELLED"


class DeadlineExceeded(TocsinError):
    """No answer came in time."""

    code = "DEADLINE_EXCEEDED"


class Unavailable(TocsinError):
    """The service is unavailable."""

    code = "UNAVAILABLE"


class NotSent(Unavailable):
    """The gateway cannot be reached: the request never left."""


class Unimplemented(TocsinError):
    """There is no such method."""

    code = "UNIMPLEMENTED"


class DataLoss(TocsinError):
    """Stored data is damaged."""

    code = "DATA_LOSS"


class Internal(TocsinError):
    """Internal error."""

    code = "INTERNAL"


class UnexpectedAnswer(Internal):
    """The answer is not what the contract says: this may not be a Tocsin gateway, or one of another version."""


_BY_CODE: Final[Mapping[str, type[TocsinError]]] = {kind.code: kind for kind in TocsinError.__subclasses__()}
# For answers that are no problem documents, such as a proxy's.
_BY_STATUS: Final[Mapping[int, type[TocsinError]]] = {
    400: InvalidInput,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    408: DeadlineExceeded,
    409: Aborted,
    413: InvalidInput,
    422: InvalidInput,
    429: ResourceExhausted,
    501: Unimplemented,
    502: Unavailable,
    503: Unavailable,
    504: DeadlineExceeded,
}


def of_answer(status: int, body: bytes, *, host: str, retry_after: str | None = None) -> TocsinError:
    """The error of an answer: of its problem document (RFC 9457), or else of its status."""
    seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    try:
        document = members(json.loads(body))
    except (ValueError, RecursionError):
        document = members(None)
    if "code" in document and "details" in document:
        return of_problem(document, status=status, retry_after=seconds)
    kind = _BY_STATUS.get(status, Internal if status >= 500 else TocsinError)
    return kind(f"{host} answered with status {status}", status=status, retry_after=seconds)


def of_problem(problem: Mapping[str, Any], *, status: int = 0, retry_after: float | None = None) -> TocsinError:
    """The error of a problem document, as `application/problem+json` or the last message of a stream has it."""
    details = {str(item.get("@type", "")).rpartition(".")[2]: item for item in map(members, _items(problem.get("details")))}
    info = details.get("ErrorInfo", {})
    violations = _items(details.get("BadRequest", {}).get("fieldViolations"))
    kind = _BY_CODE.get(str(problem.get("code")), TocsinError)
    return kind(
        str(problem.get("detail") or problem.get("message") or problem.get("title") or ""),
        reason=str(info.get("reason", "")),
        violations=[FieldViolation(str(item.get("field", "")), str(item.get("description", ""))) for item in map(members, violations)],
        retry_after=_delay(details.get("RetryInfo", {}).get("retryDelay")) if retry_after is None else retry_after,
        trace_id=str(problem.get("instance", "")).removeprefix("urn:tocsin:trace:"),
        status=status,
        metadata={str(key): str(value) for key, value in members(info.get("metadata")).items()},
    )


def members(value: object) -> Mapping[str, Any]:
    """The members of a JSON object; none of anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _items(value: object) -> list[Any]:
    """The elements of a JSON array; none of anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def _delay(text: object) -> float | None:
    """The seconds of a duration in JSON, such as "1.5s"."""
    try:
        return float(str(text).removesuffix("s")) if text else None
    except ValueError:
        return None
