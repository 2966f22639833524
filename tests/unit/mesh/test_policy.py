"""Policies are read from the contract's options."""

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, text_format

from tocsin.api.mesh.v1 import policy_pb2
from tocsin.mesh.breaker import BreakerRule
from tocsin.mesh.policy import Criticality, MethodKind, MethodPolicy, PolicyError, checked, policies, read
from tocsin.mesh.retry import RetryRule

DEFAULTS = 'timeout { seconds: 2 nanos: 500000000 } rate_class: "read" scope: "a:read" criticality: CRITICALITY_SHEDDABLE'


def load(method: str, defaults: str = DEFAULTS, *, level: str = "IDEMPOTENCY_UNKNOWN", more: str = "", fields: str = "") -> MethodPolicy:
    """The policy of one method with these options."""
    assert policy_pb2.DESCRIPTOR.package == "tocsin.api.mesh.v1"
    text = f"""
    package: "tocsin.api.x.v1"
    message_type {{ name: "In" {fields} }}
    message_type {{ name: "Out" {fields} }}
    service {{ name: "S" options {{ [tocsin.api.mesh.v1.defaults] {{ {defaults} }} }}
      method {{ name: "M" input_type: ".tocsin.api.x.v1.In" output_type: ".tocsin.api.x.v1.Out" {more}
        options {{ idempotency_level: {level} [tocsin.api.mesh.v1.policy] {{ {method} }} }} }} }}
    source_code_info {{ location {{ path: 6 path: 0 path: 2 path: 0 leading_comments: " Does it.\\n" }} }}
    """
    files = descriptor_pb2.FileDescriptorSet(file=[text_format.Parse(text, descriptor_pb2.FileDescriptorProto())])
    return read(files)["/tocsin.api.x.v1.S/M"]


def test_defaults_hold_where_the_method_is_silent() -> None:
    """The service's defaults, and below them the mesh's."""
    policy = load("")
    assert (policy.timeout, policy.rate_class, policy.scope, policy.criticality) == (2.5, "read", "a:read", Criticality.SHEDDABLE)
    assert (policy.retry, policy.breaker) == (RetryRule(), BreakerRule())
    assert (policy.service, policy.method, policy.comment) == ("tocsin.api.x.v1.S", "M", "Does it.")
    assert (policy.request_type, policy.response_type) == ("tocsin.api.x.v1.In", "tocsin.api.x.v1.Out")


def test_the_method_wins_field_by_field() -> None:
    """What the method says replaces the default; the rest stays."""
    policy = load(
        'timeout { seconds: 9 } scope: "a:write" retry { max_attempts: 5 } breaker { window { seconds: 30 } half_open_permits: 1 }'
    )
    assert (policy.timeout, policy.scope, policy.rate_class) == (9.0, "a:write", "read")
    assert policy.retry == RetryRule(max_attempts=5)
    assert policy.breaker == BreakerRule(window=30.0, half_open_permits=1)


@pytest.mark.parametrize(
    ("method", "defaults", "expected"),
    [
        ("public: true", 'scope: "s"', ("", frozenset(), True)),
        ("public: true", 'callers: "x"', ("", frozenset(), True)),
        ('callers: "y"', 'callers: "x"', ("", frozenset({"y"}), False)),
        ('scope: "s"', "public: true", ("s", frozenset(), False)),
        ('callers: "y"', "public: true", ("", frozenset({"y"}), False)),
        ('scope: "s"', 'callers: "x"', ("s", frozenset({"x"}), False)),
    ],
)
def test_who_may_call(method: str, defaults: str, expected: Any) -> None:
    """A method's callers replace the default ones; public drops the default's scope and callers, and the reverse."""
    policy = load(method, defaults)
    assert (policy.scope, policy.callers, policy.public) == expected


@pytest.mark.parametrize(
    ("level", "idempotent", "free"),
    [("IDEMPOTENCY_UNKNOWN", False, False), ("IDEMPOTENT", True, False), ("NO_SIDE_EFFECTS", True, True)],
)
def test_idempotency_is_protobufs_own(level: str, idempotent: bool, free: bool) -> None:
    """Read from idempotency_level."""
    policy = load("", level=level)
    assert (policy.idempotent, policy.side_effect_free) == (idempotent, free)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ("", MethodKind.UNARY_UNARY),
        ("server_streaming: true", MethodKind.UNARY_STREAM),
        ("client_streaming: true", MethodKind.STREAM_UNARY),
        ("client_streaming: true server_streaming: true", MethodKind.STREAM_STREAM),
    ],
)
def test_kinds(more: str, kind: MethodKind) -> None:
    """Which sides stream."""
    assert load("", more=more).kind is kind


@pytest.mark.parametrize(
    ("method", "defaults", "missing"),
    [
        ("", 'rate_class: "r" scope: "s"', "timeout"),
        ("", 'timeout { seconds: 1 } scope: "s"', "rate_class"),
        ("", 'timeout { seconds: 1 } rate_class: "r"', "scope"),
        ('public: true scope: "s"', 'timeout { seconds: 1 } rate_class: "r"', "public"),
    ],
)
def test_what_is_missing_stops_the_start(method: str, defaults: str, missing: str) -> None:
    """The error names the method and the field."""
    policy = load(method, defaults)
    with pytest.raises(PolicyError, match=rf"/tocsin\.api\.x\.v1\.S/M: .*policy\.{missing}"):
        checked({policy.path: policy})


def test_a_value_that_makes_no_sense_is_refused() -> None:
    """The error names the method and the value."""
    with pytest.raises(PolicyError, match=r"S/M: policy: failure_percent must be"):
        load("breaker { failure_percent: 300 }")


def test_the_contract_is_read_once_and_complete() -> None:
    """Every method of the contract has a policy, and MeshService passes no breaker."""
    found = policies()
    assert found is policies()
    assert found["/tocsin.api.mesh.v1.MeshService/GetStatus"].is_control
    assert not found["/tocsin.api.scheduler.v1.AlarmService/CreateAlarm"].is_control
    assert found["/tocsin.api.scheduler.v1.DispatchService/Work"].internal


@pytest.mark.parametrize(
    ("method", "level", "more"),
    [
        ("shared: true", "IDEMPOTENT", "server_streaming: true"),
        ("shared: true", "NO_SIDE_EFFECTS", ""),
        ("shared: true", "NO_SIDE_EFFECTS", "server_streaming: true client_streaming: true"),
        ("shared: true public: true", "NO_SIDE_EFFECTS", "server_streaming: true"),
    ],
    ids=["writes", "unary", "both-ways", "public"],
)
def test_only_a_watch_of_somebody_may_be_shared(method: str, level: str, more: str) -> None:
    """Of anything else there is no one answer for all."""
    policy = load(method, level=level, more=more, fields='field { name: "resume_token" number: 1 type: TYPE_STRING }')
    assert [problem for problem in policy.problems() if "shared" in problem]


@pytest.mark.parametrize(
    "fields", ["", 'field { name: "resume_token" number: 1 type: TYPE_INT64 }', 'field { name: "token" number: 1 type: TYPE_STRING }']
)
def test_a_watch_that_cannot_be_resumed_may_not_be_shared(fields: str) -> None:
    """Nobody could join it."""
    with pytest.raises(PolicyError, match="In has no resume_token"):
        load("shared: true", level="NO_SIDE_EFFECTS", more="server_streaming: true", fields=fields)


def test_a_shared_watch_is_read() -> None:
    """Both messages have a token."""
    fields = 'field { name: "resume_token" number: 1 type: TYPE_STRING }'
    policy = load("shared: true", level="NO_SIDE_EFFECTS", more="server_streaming: true", fields=fields)
    assert (policy.shared, list(policy.problems())) == (True, [])


@pytest.mark.parametrize(
    ("level", "more", "allowed"),
    [
        ("NO_SIDE_EFFECTS", "", True),
        ("IDEMPOTENT", "", False),
        ("IDEMPOTENCY_UNKNOWN", "", False),
        ("NO_SIDE_EFFECTS", "server_streaming: true", False),
    ],
)
def test_only_reading_may_be_hedged(level: str, more: str, allowed: bool) -> None:
    """A second attempt of anything else would do it twice."""
    policy = load("hedge { enabled: true delay { nanos: 20000000 } }", level=level, more=more)
    assert (policy.hedged, policy.hedge_delay) == (True, 0.02)
    assert [problem for problem in policy.problems() if "hedge" in problem] == (
        [] if allowed else ["/tocsin.api.x.v1.S/M: policy.hedge is for unary methods with NO_SIDE_EFFECTS"]
    )
