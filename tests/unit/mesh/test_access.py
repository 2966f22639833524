"""Rules of access: what matches, deny before allow, what is tried, what makes no sense, files that cannot be read at the start."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.mesh.support import METHODS, path
from tests.unit.mesh.test_live_policy import Rules
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.mesh.access import MOST_RULES, AccessRefused, MethodAccess
from tocsin.mesh.live_policy import PolicyFileInvalid, PolicyFileUnread
from tocsin.mesh.policy import policies
from tocsin.mesh.policy_errors import RuleInvalid
from tocsin.mesh.policy_rules import parse
from tocsin.mesh.policy_view import order_of, reset_of, view_of
from tocsin.mesh.principal import Principal
from tocsin.testing.clock import FakeClock

SAY = path("Say")
ECHO = "/tocsin.test.v1.EchoService/"
GATEWAY = "spiffe://tocsin.local/gateway"


@pytest.fixture
async def rules(clock: FakeClock, tmp_path: Path) -> Rules:
    """With an empty file."""
    made = Rules(clock, tmp_path / "policy.yaml")
    await made.write("rules: []")
    return made


def ann(**claims: Any) -> Principal:
    """Ann of acme, who may read and write."""
    return Principal(
        tenant="acme",
        subject="users/ann",
        scopes=frozenset({"echo:read", "echo:write"}),
        time_zone="UTC",
        token="",
        expires=datetime.max.replace(tzinfo=UTC),
        claims=claims,
    )


def access(name: str = "one", action: str = "DENY", methods: Sequence[str] = (SAY,), **conditions: Any) -> dict[str, Any]:
    """A rule as JSON has it."""
    return {"name": name, "action": action, "methods": list(methods), **conditions}


def message(rule: dict[str, Any]) -> Any:
    """A rule as a message."""
    return parse(json.dumps({"access": [rule]})).access[0]


class Door:
    """One method behind the rules."""

    def __init__(self, rules: Rules, method: str = SAY) -> None:
        self.counted: list[tuple[str, str]] = []
        self.found: MethodAccess | None = rules.live.access_to(METHODS[method])

    def passes(self, peer: str = GATEWAY, principal: Principal | None = None) -> bool:
        """Whether a call does."""
        if self.found is None:
            return True
        try:
            self.found.require(peer, principal, count=lambda _, rule, mode: self.counted.append((rule, mode)), now=0.0)
        except AccessRefused:
            return False
        return True


CONDITIONS = [
    ({}, True, True),
    ({"principals": [GATEWAY]}, True, True),
    ({"principals": ["spiffe://tocsin.local/*"]}, True, True),
    ({"principals": ["*/gateway"]}, True, True),
    ({"principals": ["*"]}, True, True),
    ({"principals": ["*/other", "spiffe://tocsin.local/gate"]}, False, False),
    ({"notPrincipals": ["*/gateway"]}, False, False),
    ({"notPrincipals": ["*/other"]}, True, True),
    ({"principals": ["*"], "notPrincipals": ["*/gateway"]}, False, False),
    ({"tenants": ["acme"]}, True, False),
    ({"tenants": ["a*"]}, True, False),
    ({"tenants": ["*"]}, True, False),
    ({"tenants": ["acm", "me"]}, False, False),
    ({"notTenants": ["acme"]}, False, True),
    ({"notTenants": ["*"]}, False, True),
    ({"subjects": ["users/*"]}, True, False),
    ({"subjects": ["apiKeys/*"]}, False, False),
    ({"notSubjects": ["users/*"]}, False, True),
    ({"scopes": ["echo:write"]}, True, False),
    ({"scopes": ["*:write"]}, True, False),
    ({"scopes": ["mesh:*"]}, False, False),
    ({"notScopes": ["echo:write"]}, False, True),
    ({"claims": [{"claim": "amr", "values": ["otp"]}]}, True, False),
    ({"claims": [{"claim": "amr", "values": ["hwk"]}]}, False, False),
    ({"claims": [{"claim": "amr", "notValues": ["otp"]}]}, False, True),
    ({"claims": [{"claim": "level", "values": ["3"]}]}, True, False),
    ({"claims": [{"claim": "staff", "values": ["true"]}]}, True, False),
    ({"claims": [{"claim": "address", "values": ["*"]}]}, False, False),
    ({"claims": [{"claim": "none", "values": ["*"]}]}, False, False),
    ({"claims": [{"claim": "none", "notValues": ["*"]}]}, True, True),
    ({"claims": [{"claim": "amr", "values": ["otp"]}, {"claim": "level", "values": ["4"]}]}, False, False),
    ({"tenants": ["acme"], "principals": ["*/other"]}, False, False),
    ({"tenants": ["acme"], "scopes": ["echo:read"], "principals": ["*/gateway"]}, True, False),
]
"""Conditions; whether they match Ann's call by the gateway, and a call of the gateway's own without a token."""
CLAIMS = {"amr": ["pwd", "otp"], "level": 3, "staff": True, "address": {"city": "Bern"}}


@pytest.mark.parametrize(("conditions", "with_token", "without"), CONDITIONS)
async def test_a_condition_matches(rules: Rules, conditions: dict[str, Any], with_token: bool, without: bool) -> None:
    """One of the values of a condition, all conditions of a rule: alike for what denies and what allows."""
    for action, when_matched in (("DENY", False), ("ALLOW", True)):
        await rules.write(json.dumps({"access": [access(action=action, **conditions)]}))
        assert rules.live.problem == ""
        door = Door(rules)
        assert door.passes(principal=ann(**CLAIMS)) is (when_matched if with_token else not when_matched)
        assert door.passes() is (when_matched if without else not when_matched)


EVALUATION = [
    ([], True, []),
    ([access("d")], False, [("d", "enforced")]),
    ([access("d"), access("a", "ALLOW")], False, [("d", "enforced")]),
    ([access("a", "ALLOW")], True, []),
    ([access("a", "ALLOW", tenants=["other"])], False, [("(no ALLOW rule)", "enforced")]),
    ([access("a", "ALLOW", tenants=["other"]), access("b", "ALLOW", tenants=["acme"])], True, []),
    ([access("d", tenants=["other"]), access("a", "ALLOW", tenants=["acme"])], True, []),
    ([access("a", "ALLOW", [path("Put")], tenants=["other"])], True, []),
    ([access("a", "ALLOW", [ECHO], tenants=["other"])], False, [("(no ALLOW rule)", "enforced")]),
    ([access("a", "ALLOW", [ECHO], tenants=["other"], notMethods=[SAY])], True, []),
    ([access("d", methods=["*"])], False, [("d", "enforced")]),
    ([access("d", methods=["*/Say"])], False, [("d", "enforced")]),
    ([access("d", methods=["/tocsin.test.v1.Echo*"])], False, [("d", "enforced")]),
    ([access("d", methods=["/tocsin.test.v1.HopService/"])], True, []),
    ([access("d", dryRun=True)], True, [("d", "tried")]),
    ([access("d"), access("e", dryRun=True)], False, [("d", "enforced")]),
    ([access("a", "ALLOW", tenants=["other"], dryRun=True)], True, [("(no ALLOW rule)", "tried")]),
    ([access("a", "ALLOW"), access("b", "ALLOW", tenants=["other"], dryRun=True)], True, []),
    (
        [access("a", "ALLOW", tenants=["acme"], dryRun=True), access("b", "ALLOW", tenants=["other"])],
        False,
        [("(no ALLOW rule)", "enforced")],
    ),
]
"""Rules, whether Ann's call passes, and what is counted."""


@pytest.mark.parametrize(("given", "passes", "counted"), EVALUATION)
async def test_deny_comes_before_allow_and_an_allow_list_closes_the_rest(
    rules: Rules, given: list[dict[str, Any]], passes: bool, counted: list[tuple[str, str]]
) -> None:
    """As Istio's AuthorizationPolicy; what is only tried refuses nothing, and is counted."""
    await rules.write(json.dumps({"access": given}))
    assert rules.live.problem == ""
    door = Door(rules)
    assert door.passes(principal=ann()) is passes
    assert door.counted == counted


@pytest.mark.parametrize("method", ["MeshService/SetPolicy", "MeshAdminService/ResetMeshPolicy", "SpoolAdminService/ListSpooledCalls"])
async def test_nobody_locks_operators_out(rules: Rules, method: str) -> None:
    """No pattern reaches the methods by which rules are taken back, and none may name them."""
    steering = policies()[f"/tocsin.api.mesh.v1.{method}"]
    await rules.write(json.dumps({"access": [access(methods=["*"])]}))
    assert rules.live.access_to(METHODS[SAY]) is not None
    assert rules.live.access_to(steering) is None
    await rules.write(json.dumps({"access": [access(methods=[steering.path])]}))
    assert "operators steer the mesh by them" in rules.live.problem


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (access(name=""), "access[0].name: it must be a name"),
        (access(name="Über"), "access[0].name"),
        (access(name="a" * 64), "access[0].name"),
        (access(action="ACTION_UNSPECIFIED"), "access[0].action: it must be DENY or ALLOW"),
        (access(action="PERMIT"), "no list of rules"),
        (access(methods=[]), "access[0].methods: it must name methods"),
        (access(methods=["Say"]), "access[0].methods[0]: 'Say' begins neither"),
        (access(methods=[path("Sya")]), "access[0].methods[0]: there is no method or service"),
        (access(methods=["/tocsin.test.v1.EchoServise/"]), "there is no method or service"),
        (access(methods=["*/Sya"]), "there is no method or service"),
        (access(methods=["/tocsin*Say"]), "is no pattern"),
        (access(methods=["*Say*"]), "is no pattern"),
        (access(methods=[""]), "access[0].methods[0]"),
        (access(notMethods=["Say"]), "access[0].not_methods[0]"),
        (access(principals=["gateway"]), "access[0].principals[0]: 'gateway' is no pattern of a SPIFFE id"),
        (access(principals=[""]), "access[0].principals[0]"),
        (access(tenants=["a*b"]), "access[0].tenants[0]: 'a*b' is no pattern"),
        (access(notTenants=["**"]), "access[0].not_tenants[0]"),
        (access(claims=[{"values": ["x"]}]), "access[0].claims[0].claim"),
        (access(claims=[{"claim": "amr"}]), "access[0].claims[0]: it must have values or not_values"),
        (access(claims=[{"claim": "amr", "notValues": ["*x*"]}]), "access[0].claims[0].not_values[0]"),
        (access(tenant=["acme"]), "no list of rules"),
    ],
)
async def test_nonsense_is_refused_and_what_was_closed_stays_closed(rules: Rules, rule: dict[str, Any], reason: str) -> None:
    """The file as a whole, and the order; the place is named."""
    await rules.write(json.dumps({"access": [access()]}))
    await rules.write(json.dumps({"access": [rule]}))
    assert reason in rules.live.problem
    assert (Door(rules).passes(), rules.live.closed) == (False, False)
    with pytest.raises(PolicyFileInvalid, match="stays in force"):
        await rules.live.check()
    if "no list" not in reason:
        with pytest.raises(RuleInvalid):
            rules.live.order_named(rules.live.access, message(rule), seconds=60)
    assert rules.live.access.orders == {}


async def test_two_rules_of_one_name_are_refused(rules: Rules) -> None:
    """Nobody could say which holds."""
    await rules.write(json.dumps({"access": [access(), access(action="ALLOW")]}))
    assert "access[1].name: there is another rule 'one'" in rules.live.problem


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("access: [{name: one", True),
        ('{"rules": [], "access": [{"name": 1}]}', True),
        ("\xff\xfe", False),
        ("rules: [{policy: {timeout: 0s}}]", False),
        ("", False),
    ],
)
async def test_a_file_that_may_hold_rules_and_was_never_read_closes(clock: FakeClock, tmp_path: Path, text: str, closed: bool) -> None:
    """Until it can be read; the process goes on, and says that it cannot work. A file that was read before is remembered."""
    made = Rules(clock, tmp_path / "policy.yaml")
    await made.live.look()
    assert (made.live.closed, "No such file" in made.live.problem) == (False, True)
    await made.write(text)
    assert (made.live.closed, bool(made.live.problem)) == (closed, True)
    assert view_of(made.live, "").closed is closed
    with pytest.raises(PolicyFileUnread if closed else PolicyFileInvalid):
        await made.live.check()
    await made.write(json.dumps({"access": [access()]}))
    assert (made.live.closed, made.live.problem, Door(made).passes()) == (False, "", False)
    await made.write("access: [")
    assert (made.live.closed, Door(made).passes()) == (False, False)


async def test_bytes_that_are_no_text_close_at_the_start(clock: FakeClock, tmp_path: Path) -> None:
    """Nobody knows what they were to be."""
    made = Rules(clock, tmp_path / "policy.yaml")
    made.file.write_bytes(b"\xff\xfe\x00")
    os.utime(made.file, ns=(1, 1))
    await made.live.look()
    assert made.live.closed


async def test_an_order_stands_in_the_place_of_a_rule_and_ends(rules: Rules) -> None:
    """By its name: what the file closes can be tried only, for a time; then the file holds again. The source is shown."""
    await rules.write(json.dumps({"access": [access()]}))
    digest = await rules.live.digest()
    eased = pb.SetPolicyRequest(access=message(access(dryRun=True)))
    eased.ttl.seconds = 60
    trial = pb.SetPolicyRequest(dry_run=True)
    trial.MergeFrom(eased)
    assert order_of(rules.live, trial) == ["one: replaces a rule, about 1 methods"]
    assert not Door(rules).passes()
    order_of(rules.live, eased)
    assert Door(rules).passes()
    assert await rules.live.digest() != digest, "`mesh check` sees that another process differs"
    seen = view_of(rules.live, SAY)
    assert [(one.access.name, one.source, one.methods) for one in seen.named] == [("one", "order", 1)]
    assert [order.access.name for order in seen.orders] == ["one"]
    assert list(view_of(rules.live, path("Put")).named) == []
    await rules.clock.advance(60)
    await rules.live.look()
    assert (Door(rules).passes(), await rules.live.digest()) == (False, digest)
    order_of(rules.live, pb.SetPolicyRequest(access=message(access("two"))))
    assert reset_of(rules.live, pb.ResetPolicyRequest(name="one")) == []
    assert reset_of(rules.live, pb.ResetPolicyRequest(method=SAY)) == []
    assert reset_of(rules.live, pb.ResetPolicyRequest()) == ["two"]


@pytest.mark.parametrize("given", [{}, {"rule": pb.PolicyRule(method=SAY), "access": message(access())}])
async def test_an_order_is_about_one_thing(rules: Rules, given: dict[str, Any]) -> None:
    """Of policies and access; none, or both, is a mistake."""
    with pytest.raises(RuleInvalid, match="give one of"):
        order_of(rules.live, pb.SetPolicyRequest(**given))


async def test_rules_about_one_method_are_bounded(rules: Rules) -> None:
    """Each call asks them in turn; a rule may name as many values as are wanted."""
    many = [access(f"r{number}", methods=[path("Put")], tenants=[f"t{number}"]) for number in range(MOST_RULES)]
    await rules.write(json.dumps({"access": [*many, access("mine", tenants=["acme"])]}))
    assert rules.live.problem == ""
    assert rules.live.access_to(METHODS[SAY]) is not None
    await rules.write(json.dumps({"access": [*many, access("other", methods=["*/Put"])]}))
    assert f"more than {MOST_RULES} rules are about {path('Put')}" in rules.live.problem
    wide = [access(f"r{number}", methods=[path("Put")], tenants=[f"t{each}" for each in range(100)]) for number in range(100)]
    await rules.write(json.dumps({"access": wide}))
    assert rules.live.problem == ""
    assert Door(rules, path("Put")).passes(principal=ann())
