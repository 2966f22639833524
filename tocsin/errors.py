"""The error tree: one vocabulary for every service, and for both ends of a call.

A class stands for one outcome on the wire; `tocsin.mesh.status` maps it to its code. A subclass names a state ("AlarmNotFound") and
carries its own ``reason``, the stable identifier that a program may compare (google.rpc.ErrorInfo.reason, AIP-193). The docstring of
a class is its default message.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

_LONGEST_TEXT = 1000
_MOST_VIOLATIONS = 20
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that was refused: its path in JSON names ("trigger.timeZone", "to[0]"), and why."""

    field: str
    description: str


def sayable(text: str) -> str:
    """``text`` as an error may quote it: what UTF-8 cannot express is escaped, and what is too long is cut."""
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}…"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class TocsinError(Exception):
    """Something went wrong."""

    reason: ClassVar[str] = "ERROR"

    def __init_subclass__(cls) -> None:
        """Gives the subclass its own reason: ``AlarmNotFound`` becomes ``ALARM_NOT_FOUND``."""
        super().__init_subclass__()
        if "reason" not in cls.__dict__:
            cls.reason = _WORD_START.sub("_", cls.__name__).upper()

    def __init__(
        self,
        message: str | None = None,
        *,
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        """Makes the error.

        Args:
            message: what happened, for a person; the violations unless given, or the class's docstring.
            violations: the fields that were refused; the first twenty are kept.
            retry_after: seconds after which a new attempt may succeed.
            metadata: facts for a program (google.rpc.ErrorInfo.metadata).
            reason: replaces the class's reason; used when an error arrives from another service.
        """
        self.violations = tuple(FieldViolation(sayable(item.field), sayable(item.description)) for item in violations[:_MOST_VIOLATIONS])
        told = "; ".join(f"{item.field}: {item.description}" for item in self.violations)
        self.message = sayable(message or told or default_message(type(self)))
        super().__init__(self.message)
        self.retry_after = retry_after
        self.metadata = {key: sayable(value) for key, value in (metadata or {}).items()}
        self.error_reason = reason or type(self).reason
        self.foreign_status = b""
        """A google.rpc.Status as a service outside of the mesh sent it, whose details are passed on as they are; else empty."""
        self.foreign_details: Sequence[Mapping[str, object]] = ()
        """The same details in JSON, as whoever knows their types has converted them."""


def default_message(kind: type[TocsinError]) -> str:
    """What an error of this class says unless it is told: the first line of the docstring."""
    return inspect.cleandoc(kind.__doc__ or "").split("\n", 1)[0]


class InvalidInput(TocsinError):
    """The request is not valid."""

    @classmethod
    def at(cls, field: str, description: str) -> "InvalidInput":
        """The error for one refused ``field``; the message names it."""
        return cls(f"{field}: {description}", violations=[FieldViolation(field, description)])


class ConfigError(InvalidInput):
    """The settings are not valid."""

    def __init__(self, problems: Sequence[str] = ()) -> None:
        """Takes every problem found: each a line that names the environment variable and the reason."""
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class MessageTooLarge(InvalidInput):
    """The request is larger than the method accepts."""


class OutOfRange(TocsinError):
    """The value is out of range."""


class FailedPrecondition(TocsinError):
    """The system is not in the required state."""


class AnswerTooLarge(FailedPrecondition):
    """The response is larger than a message may be; request less."""


class NotFound(TocsinError):
    """There is no such resource."""


class AlreadyExists(TocsinError):
    """The resource exists already."""


class Aborted(TocsinError):
    """The resource was changed concurrently."""


class Unauthenticated(TocsinError):
    """A valid token or API key is required."""


class PermissionDenied(TocsinError):
    """Permission denied."""


class ResourceExhausted(TocsinError):
    """A limit has been reached."""


class QuotaExceeded(ResourceExhausted):
    """The tenant has used up its quota."""

    @classmethod
    def of(cls, quota: str, *, limit: int, used: int, retry_after: float | None = None) -> "QuotaExceeded":
        """The error for one quota ("alarms"), which allows ``limit`` and of which ``used`` are used; it begins anew in so many seconds."""
        facts = {"quota": quota, "limit": str(limit), "used": str(used)}
        words = quota.replace("_", " ")
        return cls(f"The tenant may have {limit:,} {words}, and has {used:,}.", metadata=facts, retry_after=retry_after)


class Cancelled(TocsinError):
    """The caller cancelled the call."""


class DeadlineExceeded(TocsinError):
    """The deadline of the call has passed."""


class Unavailable(TocsinError):
    """The service is unavailable."""


class CircuitOpen(Unavailable):
    """The circuit to this dependency is open."""


class Unimplemented(TocsinError):
    """There is no such method."""


class DataLoss(TocsinError):
    """Stored data is damaged."""


class StoredRowUnreadable(DataLoss):
    """What is stored cannot be read.

    It says nothing of whoever keeps the row: other rows are read as ever, so it opens no circuit, and in a batch it is that of one item.
    """


class Internal(TocsinError):
    """Internal error."""


class UnknownFailure(Internal):
    """The service failed and did not say how."""


class SettingsAtFault(Exception):
    """Marks an error that no restart mends: a setting is wrong, although its form is right. Its text tells which and why."""
