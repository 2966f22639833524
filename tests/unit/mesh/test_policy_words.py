"""No word of the policy is dead: the mesh reads each of them, and code outside of what is generated acts on it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.unit.mesh.test_policy import load
from tocsin.api.mesh.v1 import policy_pb2
from tocsin.mesh.policy import PolicyError, checked

ROOT = Path(__file__).parents[3]

WORDS = {
    "timeout": ("timeout { seconds: 7 }", "timeout"),
    "retry.max_attempts": ("retry { max_attempts: 7 }", "max_attempts"),
    "retry.initial_backoff": ("retry { initial_backoff { nanos: 1000000 } }", "initial_backoff"),
    "retry.max_backoff": ("retry { max_backoff { seconds: 7 } }", "max_backoff"),
    "retry.codes": ('retry { codes: "ABORTED" }', "codes"),
    "retry.attempt_timeout": ("retry { attempt_timeout { seconds: 1 } }", "attempt_timeout"),
    "breaker.window": ("breaker { window { seconds: 7 } }", "window"),
    "breaker.minimum_calls": ("breaker { minimum_calls: 7 }", "minimum_calls"),
    "breaker.failure_percent": ("breaker { failure_percent: 7 }", "failure_percent"),
    "breaker.slow_percent": ("breaker { slow_percent: 7 }", "slow_percent"),
    "breaker.consecutive_failures": ("breaker { consecutive_failures: 7 }", "consecutive_failures"),
    "breaker.open": ("breaker { open { seconds: 7 } }", "open"),
    "breaker.max_open": ("breaker { max_open { seconds: 7 } }", "max_open"),
    "breaker.half_open_permits": ("breaker { half_open_permits: 7 }", "half_open_permits"),
    "breaker.observe_only": ("breaker { observe_only: true }", "observe_only"),
    "scope": ('scope: "x:y"', "scope"),
    "rate_class": ('rate_class: "bulk"', "rate_class"),
    "criticality": ("criticality: CRITICALITY_CRITICAL", "criticality"),
    "concurrent_calls": ("concurrent_calls: 7", "concurrent_calls"),
    "standing_queue_limit": ("standing_queue_limit: true", "standing_queue_limit"),
    "callers": ('callers: "front"', "callers"),
    "public": ("public: true", "public"),
    "hedge.enabled": ("hedge { enabled: true }", "hedged"),
    "hedge.delay": ("hedge { delay { seconds: 7 } }", "hedge_delay"),
    "delegates": ('delegates: "front"', "delegates"),
    "max_request_bytes": ("max_request_bytes: 7", "max_request_bytes"),
    "path_only": ("path_only: true", "path_only"),
    "identity": ('identity: "name"', "identity"),
    "unaudited": ("unaudited: true", "audited"),
    "balance": ("balance: BALANCE_ROUND_ROBIN", "balance"),
    "shared": ("shared: true", "shared"),
    "carried": ("carried: true", "carried"),
}
"""Each field of the policy: an option that says it, and the attribute of the compiled policy or rule that it becomes."""
FIELDS = """
    field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "resume_token" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
"""


def fields(message: Descriptor, prefix: str = "") -> Iterator[str]:
    """Every field of a message of the contract, and of those within it."""
    for field in message.fields:
        inner = field.message_type if field.type == FieldDescriptor.TYPE_MESSAGE else None
        if inner is not None and inner.full_name.startswith("tocsin."):
            yield from fields(inner, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def reads(tree: ast.AST) -> Iterator[str]:
    """The attributes that are read of something called a policy or a rule."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            of = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id if isinstance(node.value, ast.Name) else ""
            if "policy" in of or "rule" in of or of == "retry":
                yield node.attr


@pytest.fixture(scope="module")
def acted_on() -> set[str]:
    """What code acts on: in the mesh and at the door, without the reading of policies itself."""
    found: set[str] = set()
    for folder in ("tocsin/mesh", "gateway"):
        for file in (ROOT / folder).rglob("*.py"):
            if file != ROOT / "tocsin/mesh/policy.py":
                found.update(reads(ast.parse(file.read_text())))
    tree = ast.parse((ROOT / "tocsin/mesh/retry.py").read_text())
    rule = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "RetryRule")
    heals = next(node for node in rule.body if isinstance(node, ast.FunctionDef) and node.name == "heals")
    found.update(node.attr for node in ast.walk(heals) if isinstance(node, ast.Attribute))
    return found


def test_the_table_has_every_word_of_the_contract() -> None:
    """A new field needs a line above, and with it code that acts on it."""
    assert set(fields(policy_pb2.Policy.DESCRIPTOR)) == set(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_read_and_acted_on(word: str, acted_on: set[str]) -> None:
    """Saying it changes what is compiled, and what is compiled is asked for."""
    option, attribute = WORDS[word]
    common: dict[str, Any] = {"fields": FIELDS, "more": "server_streaming: true"}
    assert load(option, **common) != load("", **common)
    assert attribute in acted_on


def test_a_word_that_nobody_acts_on_is_found(acted_on: set[str]) -> None:
    """What is compiled and never asked for would be told."""
    assert "importance" not in acted_on
    assert {"policy.x", "x"} & set(reads(ast.parse("policy.x; other.y; self.policy.x = 1"))) == {"x"}


@pytest.mark.parametrize("word", ["callers", "delegates"])
def test_a_service_that_does_not_exist_is_told(word: str) -> None:
    """With the method and the names that there are."""
    policies = {"/S/M": load(f'{word}: "frnot"')}
    assert checked(policies)
    assert checked(policies, services=["frnot"])
    with pytest.raises(PolicyError, match=rf"S/M: policy\.{word}: there is no service 'frnot'; known are back, front"):
        checked(policies, services=["front", "back"])


def test_a_name_that_no_certificate_can_bear_is_told() -> None:
    """Whether or not it is known which services there are."""
    with pytest.raises(PolicyError, match="'front end' is no name of a service"):
        checked({"/S/M": load('callers: "front end"')})


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ('retry { codes: "OK" }', "retry.codes: OK cannot be retried; known are ABORTED"),
        ('retry { codes: "UNAVAILABLE" codes: "NOT_FOUND" }', "NOT_FOUND cannot be retried"),
        ("retry { attempt_timeout { } }", "attempt_timeout must be greater than zero"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(option: str, words: str) -> None:
    """With the method that says so."""
    with pytest.raises(PolicyError, match=f"S/M: policy: .*{words}"):
        load(option)
