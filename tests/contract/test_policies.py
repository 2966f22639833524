"""Every RPC of every package says how it is to be treated."""

from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from tocsin.mesh.policy import Kind, MethodPolicy, contract, read

SERVICES = {"gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"}
RATE_CLASSES = {"auth", "read", "write", "list", "compute", "stream", "bulk", "internal"}
POLICIES = read(contract())


EACH = [pytest.param(policy, id=path.removeprefix("/tocsin.api.")) for path, policy in POLICIES.items()]


def http_rules() -> dict[str, list[str]]:
    """The HTTP methods bound to each RPC."""
    bound: dict[str, list[str]] = {}
    for file in contract().file:
        for service in file.service:
            for method in service.method:
                extension: Any = annotations_pb2.http  # its stub says less than it is
                rule = method.options.Extensions[extension]
                verbs = [item.WhichOneof("pattern") for item in (rule, *rule.additional_bindings)]
                bound[f"/{file.package}.{service.name}/{method.name}"] = [verb for verb in verbs if verb]
    return bound


HTTP = http_rules()


def test_the_contract_is_not_empty() -> None:
    """The walk below would pass on nothing."""
    packages = {policy.service.split(".")[2] for policy in POLICIES.values()}
    assert packages == {"mesh", "auth", "scheduler", "processor", "mailer"}
    assert len(POLICIES) > 40


GETS_THAT_ACT = {"/tocsin.api.scheduler.v1.TriggerService/Ping"}
"""A cron job says that it is alive with a bare `curl URL`; saying so twice is the same as once."""


@pytest.mark.parametrize("policy", EACH)
def test_it_is_complete(policy: MethodPolicy) -> None:
    """A timeout, a scope or public or callers, a rate class."""
    assert list(policy.problems()) == []


@pytest.mark.parametrize("policy", EACH)
def test_it_is_commented(policy: MethodPolicy) -> None:
    """A comment that is a sentence."""
    assert policy.comment.endswith("."), "the comment of the RPC is missing, or not a sentence"


@pytest.mark.parametrize("policy", EACH)
def test_its_words_exist(policy: MethodPolicy) -> None:
    """Callers are services, rate classes are known, scopes are "noun:read" or "noun:write"."""
    assert policy.callers <= SERVICES
    assert policy.rate_class in RATE_CLASSES
    noun, _, verb = policy.scope.partition(":")
    assert policy.scope == "" or (noun.isalpha() and verb in {"read", "write"})


@pytest.mark.parametrize("policy", EACH)
def test_internal_methods_stay_inside(policy: MethodPolicy) -> None:
    """A method with callers has no HTTP rule; every other unary or server-streaming one has."""
    if policy.internal:
        assert HTTP[policy.path] == []
    elif policy.kind in (Kind.UNARY_UNARY, Kind.UNARY_STREAM):
        assert HTTP[policy.path], "a public method without a REST route"


@pytest.mark.parametrize("policy", EACH)
def test_http_and_idempotency_agree(policy: MethodPolicy) -> None:
    """GET promises that nothing changes (RFC 9110, 9.2.1), so the method must be marked NO_SIDE_EFFECTS."""
    if "get" in HTTP[policy.path] and policy.path not in GETS_THAT_ACT:
        assert policy.side_effect_free
    if policy.side_effect_free and policy.scope:
        assert policy.scope.endswith(":read")


@pytest.mark.parametrize("policy", EACH)
def test_timeouts_fit_the_kind(policy: MethodPolicy) -> None:
    """A unary call ends within half a minute; it bounds how long a server drains."""
    if policy.kind is Kind.UNARY_UNARY:
        assert policy.timeout <= 30


def test_the_descriptors_carry_comments() -> None:
    """Source info is part of the compiled contract; documentation and this suite need it."""
    own = [file for file in contract().file if file.package.startswith("tocsin.api.")]
    assert own
    assert all(isinstance(file, descriptor_pb2.FileDescriptorProto) and file.source_code_info.location for file in own)
