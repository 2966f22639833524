"""Whatever a handler returns or raises becomes an end that can be said."""

import enum
import math
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf import json_format

from processor_svc.clients.wire import result_batches, to_result
from processor_svc.domain import JobFailed, JobLease, JobReleased, JobSucceeded
from processor_svc.results import bounded_result, error_text
from tocsin.api.scheduler.v1 import dispatch_service_pb2


class Hostile(dict[str, Any]):
    """An object that breaks whoever looks at it."""

    def items(self) -> Any:
        """Ends the process, if it is let."""
        raise SystemExit(3)


class Word(enum.StrEnum):
    """A text that is more than a text."""

    YES = "yes"


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def _recursive() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


UNSAYABLE: Mapping[str, Any] = {
    "a key that is no text": {1: "x"},
    "NaN": {"a": math.nan},
    "infinity": {"a": [1, -math.inf]},
    "a set": {"a": {1, 2}},
    "bytes": {"a": b"x"},
    "an object": {"a": object()},
    "a lone surrogate": {"a": "\ud800"},
    "a lone surrogate in a key": {"\ud800": 1},
    "an integer that would be rounded": {"a": 2**53 + 1},
    "a deep one": _nested(40),
    "a deep list": {"a": [[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]},
    "one in itself": _recursive(),
    "one that ends the process": Hostile(a=1),
    "one inside that ends the process": {"a": Hostile(a=1)},
    "no object at all": [1],
}


@pytest.mark.parametrize("output", UNSAYABLE.values(), ids=UNSAYABLE.keys())
def test_a_result_that_cannot_be_said_is_a_failure_with_the_reason(output: Any) -> None:
    """Never an exception; and the failure itself can be said."""
    end = bounded_result(JobSucceeded(output))
    if output == [1]:
        assert end == JobSucceeded({"value": [1]})
        return
    assert isinstance(end, JobFailed)
    assert (end.reason, end.retryable) == ("RESULT_INVALID", False)
    assert end.message
    assert to_result(JobLease("f", 1), end) is not None


@pytest.mark.parametrize("output", [{"a": "x" * 20_000}, {"a": [0] * 20_000}, {str(n): {} for n in range(5000)}])
def test_a_result_is_bounded(output: Any) -> None:
    """By its bytes, before it is ever copied."""
    end = bounded_result(JobSucceeded(output))
    assert isinstance(end, JobFailed)
    assert end.reason == "RESULT_TOO_LARGE"


def test_what_can_be_said_is_said_as_it_is() -> None:
    """Values of JSON, exact; a text of a richer type as the text that it is."""
    output = {
        "text": "ü\0",
        "int": 2**53,
        "float": 0.5,
        "none": None,
        "true": True,
        "list": (1, "a"),
        "object": {"a": {}},
        "word": Word.YES,
    }
    end = bounded_result(JobSucceeded(output))
    assert end == JobSucceeded({**output, "list": [1, "a"], "word": "yes"})
    result = to_result(JobLease("f", 1), end)
    assert result is not None
    assert json_format.MessageToDict(result.output)["object"] == {"a": {}}


@pytest.mark.parametrize("wait", [math.nan, math.inf, -1.0, 1e300])
def test_a_failure_is_bounded_as_well(wait: float) -> None:
    """Its words, its reason and its wait come from a handler, too."""
    for end in (
        bounded_result(JobFailed(reason="R\ud800" * 200, message="m\ud800\0" * 5000, retryable=True, retry_after=wait)),
        bounded_result(JobReleased(message="m\ud800" * 5000, retry_after=wait)),
    ):
        assert len(end.message) <= 2000  # type: ignore[union-attr]  both have one
        assert to_result(JobLease("f", 1), end) is not None


def test_an_error_that_cannot_say_itself_is_told_by_its_type() -> None:
    """Foreign exceptions may raise in their own words."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit(3)

    assert error_text(Mute()) == "Mute"
    assert error_text(KeyError("x")) == "KeyError: 'x'"


def test_results_that_slip_through_never_end_the_stream() -> None:
    """What protobuf refuses, although it was checked, is told as a failure."""
    result = to_result(JobLease("f", 1), JobSucceeded({1: "x"}))  # type: ignore[dict-item]  what a bug would bring
    assert result is not None
    assert result.failure.reason == "RESULT_INVALID"


def test_messages_with_results_stay_within_their_bounds() -> None:
    """Five hundred large results are several messages, none beyond what a message may hold; nothing is left out."""
    large = JobSucceeded({"text": "x" * 16_000})
    ends = [(JobLease(f"f{n}", 1), to_result(JobLease(f"f{n}", 1), large if n % 2 else JobSucceeded({}))) for n in range(600)]
    requests = list(result_batches(ends))
    assert all(request.ByteSize() < 2 * 1024 * 1024 for request in requests)
    names = [lease.firing for request in requests for lease in request.results.done]
    names += [result.lease.firing for request in requests for result in request.results.results]
    assert sorted(names) == sorted(lease.firing for lease, _ in ends)
    assert isinstance(requests[0], dispatch_service_pb2.WorkRequest)
