"""Errors cross the wire and arrive as the same class, with the same facts."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata

from tocsin import errors
from tocsin.errors import CircuitOpen, FieldViolation, InvalidInput, NotFound, TocsinError, Unavailable
from tocsin.mesh import status
from tocsin.mesh.breaker import CallOutcome
from tocsin.mesh.retry import PushedBack

Code = grpc.StatusCode


class AlarmNotFound(NotFound):
    """There is no such alarm."""


def over_the_wire(error: TocsinError) -> TocsinError:
    """What a client raises when a server raised ``error``."""
    return received(status.code_of(error), error.message, status.trailing_metadata(error))


def received(code: grpc.StatusCode, details: str, trailing: status.Metadata = ()) -> TocsinError:
    """What a client makes of a call that ended like this."""
    return status.from_rpc(AioRpcError(code, Metadata(), Metadata(*trailing), details), target="far_svc")


TABLE = [
    (errors.Cancelled, Code.CANCELLED, CallOutcome.IGNORED),
    (errors.InvalidInput, Code.INVALID_ARGUMENT, CallOutcome.SUCCESS),
    (errors.DeadlineExceeded, Code.DEADLINE_EXCEEDED, CallOutcome.FAILURE),
    (errors.NotFound, Code.NOT_FOUND, CallOutcome.SUCCESS),
    (errors.AlreadyExists, Code.ALREADY_EXISTS, CallOutcome.SUCCESS),
    (errors.PermissionDenied, Code.PERMISSION_DENIED, CallOutcome.SUCCESS),
    (errors.ResourceExhausted, Code.RESOURCE_EXHAUSTED, CallOutcome.IGNORED),
    (errors.FailedPrecondition, Code.FAILED_PRECONDITION, CallOutcome.SUCCESS),
    (errors.Aborted, Code.ABORTED, CallOutcome.SUCCESS),
    (errors.OutOfRange, Code.OUT_OF_RANGE, CallOutcome.SUCCESS),
    (errors.Unimplemented, Code.UNIMPLEMENTED, CallOutcome.IGNORED),
    (errors.Internal, Code.INTERNAL, CallOutcome.FAILURE),
    (errors.Unavailable, Code.UNAVAILABLE, CallOutcome.FAILURE),
    (errors.DataLoss, Code.DATA_LOSS, CallOutcome.FAILURE),
    (errors.Unauthenticated, Code.UNAUTHENTICATED, CallOutcome.SUCCESS),
]


@pytest.mark.parametrize(("kind", "code", "outcome"), TABLE)
def test_the_table(kind: type[TocsinError], code: grpc.StatusCode, outcome: CallOutcome) -> None:
    """Each class has its code, arrives as itself, and feeds the breaker as the design says."""
    error = kind("what happened")
    assert status.code_of(error) is code
    arrived = over_the_wire(error)
    assert type(arrived) is kind
    assert (arrived.message, arrived.error_reason) == ("what happened", kind.reason)
    assert status.outcome_of(arrived) is outcome


def test_the_table_is_whole() -> None:
    """Every class of the tree that is not a special case of another has a row."""
    assert {kind for kind, _, _ in TABLE} == {kind for kind in TocsinError.__subclasses__() if kind.__module__ == errors.__name__}


def test_a_state_arrives_with_its_reason() -> None:
    """A subclass of a service is its general class at the other end, and keeps its reason."""
    arrived = over_the_wire(AlarmNotFound(metadata={"alarm": "alarms/1"}))
    assert type(arrived) is NotFound
    assert (arrived.error_reason, arrived.message, arrived.metadata) == (
        "ALARM_NOT_FOUND",
        "There is no such alarm.",
        {"alarm": "alarms/1"},
    )


def test_violations_and_retry_times_arrive() -> None:
    """BadRequest and RetryInfo cross both ways."""
    violations = [FieldViolation("trigger.timeZone", "no such zone"), FieldViolation("to[0]", "not an address")]
    assert over_the_wire(InvalidInput("two fields", violations=violations)).violations == tuple(violations)
    assert over_the_wire(Unavailable(retry_after=1.5)).retry_after == pytest.approx(1.5)


def test_a_rejection_by_a_breaker_forbids_retries() -> None:
    """CIRCUIT_OPEN is UNAVAILABLE with a pushback of -1, and arrives as CircuitOpen."""
    error = CircuitOpen(retry_after=3)
    assert (status.PUSHBACK_KEY, "-1") in status.trailing_metadata(error)
    arrived = over_the_wire(error)
    assert type(arrived) is CircuitOpen
    assert arrived.retry_after == 3


@pytest.mark.parametrize(
    ("pushback", "kind", "retry_after"),
    [("250", Unavailable, 0.25), ("0", Unavailable, 0.0), ("-1", PushedBack, None), ("soon", PushedBack, None)],
)
def test_the_servers_pushback_is_read(pushback: str, kind: type[TocsinError], retry_after: float | None) -> None:
    """Milliseconds, or negative to forbid retries; what is not a number forbids them as well (gRFC A6)."""
    arrived = received(Code.UNAVAILABLE, "busy", ((status.PUSHBACK_KEY, pushback),))
    assert type(arrived) is kind
    assert arrived.retry_after == retry_after


def test_what_grpc_itself_says_does_not_leave() -> None:
    """Its texts name addresses; the message names the service alone."""
    arrived = received(Code.UNAVAILABLE, "failed to connect to all addresses; last error: ipv4:10.1.2.3:9002: refused")
    assert type(arrived) is Unavailable
    assert arrived.message == "far_svc is unavailable."
    assert "10.1.2.3" not in str(status.to_status(arrived))


@pytest.mark.parametrize("raw", [b"\xff\xff garbage", status_pb2.Status(code=5, message="other").SerializeToString()])
def test_details_that_make_no_sense_are_not_believed(raw: bytes) -> None:
    """A status that is unreadable, or says another code than the call, is left aside."""
    arrived = received(Code.ABORTED, "x", ((status.DETAILS_KEY, raw),))
    assert type(arrived) is errors.Aborted
    assert arrived.message == "x"


@pytest.mark.parametrize("code", [Code.UNKNOWN])
def test_an_unknown_failure_is_internal(code: grpc.StatusCode) -> None:
    """UNKNOWN stays what it is, says nothing more, and counts against the far end."""
    arrived = received(code, "boom")
    assert isinstance(arrived, errors.Internal)
    assert (status.code_of(arrived), "boom" in arrived.message) == (code, False)
    assert status.outcome_of(arrived) is CallOutcome.FAILURE


def test_a_missed_deadline_counts_only_if_there_was_time() -> None:
    """A deadline that the caller had cut short says nothing about the far end."""
    assert status.outcome_of(errors.DeadlineExceeded(), truncated=True) is CallOutcome.IGNORED
    assert status.outcome_of(errors.DeadlineExceeded(), truncated=False) is CallOutcome.FAILURE
    assert status.outcome_of(CircuitOpen()) is CallOutcome.IGNORED
    assert status.outcome_of(errors.DataLoss(reason=errors.StoredRowUnreadable.reason)) is CallOutcome.SUCCESS  # as it arrives
    assert status.outcome_of(errors.DataLoss()) is CallOutcome.FAILURE


def test_a_huge_error_fits_into_metadata() -> None:
    """A thousand violations and endless texts stay under the bound of trailing metadata, and the first violations arrive."""
    violations = [FieldViolation(f"field[{number}]", "ü" * 300) for number in range(1000)]
    error = InvalidInput("ü" * 5000, violations=violations, metadata={str(number): "x" * 400 for number in range(100)})
    arrived = over_the_wire(error)
    assert status.to_status(error, trace_id="0" * 32).ByteSize() < 7000
    assert arrived.violations[0].field == "field[0]"
    assert 0 < len(arrived.violations) < 100


def test_the_trace_id_goes_along() -> None:
    """A person can quote it."""
    details = status.to_status(NotFound(), trace_id="ab" * 16).details
    info = error_details_pb2.ErrorInfo()
    assert details[0].Unpack(info)
    assert (info.domain, info.metadata["trace_id"]) == ("tocsin", "ab" * 16)
