"""Rates of methods: who is counted with whom, what a change does, what makes no sense."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.mesh.support import METHODS, path
from tests.unit.mesh.test_live_policy import Rules
from tocsin.mesh.limits import LimitRule, LocalLeases, RateLimited, RateLimiter
from tocsin.mesh.policy_errors import RuleInvalid
from tocsin.mesh.policy_rules import parse
from tocsin.mesh.policy_view import view_of
from tocsin.mesh.principal import Principal
from tocsin.mesh.rates import MOST_RATES, RateSubject, class_rates
from tocsin.testing.clock import FakeClock

SAY = path("Say")
GATEWAY, OTHER = "spiffe://tocsin.local/gateway", "spiffe://tocsin.local/other"


@pytest.fixture
async def rules(clock: FakeClock, tmp_path: Path) -> Rules:
    """With an empty file."""
    made = Rules(clock, tmp_path / "policy.yaml")
    await made.write("rules: []")
    return made


def who(peer: str = "", tenant: str = "", address: str = "") -> RateSubject:
    """A caller."""
    end = datetime.max.replace(tzinfo=UTC)
    principal = (
        Principal(tenant=tenant, subject="users/ann", scopes=frozenset(), time_zone="UTC", token="", expires=end) if tenant else None
    )
    return RateSubject(peer, principal, lambda: address)


def rate(name: str = "one", **fields: Any) -> dict[str, Any]:
    """Two calls in ten seconds to Say, as JSON has it."""
    return {"name": name, "methods": [SAY], "calls": 2, "window": "10s", **fields}


def callers(rules: Rules, method: str = SAY) -> Callable[[RateSubject], Any]:
    """Calls the method, as the server does; True when the call passes."""
    limiter = RateLimiter(shared=None, local=LocalLeases(clock=rules.clock), clock=rules.clock)
    counted: list[tuple[str, str]] = []

    async def call(subject: RateSubject) -> bool:
        found = rules.live.rates_of(METHODS[method], limiter)
        if found is None:
            return True
        try:
            await found.take(subject, count=lambda *refused: counted.append(refused))
        except RateLimited as error:
            refused = (method, error.metadata["limit"])
            return counted[-1] != refused
        return True

    return call


COUNTED = [
    ({}, who(tenant="a"), who(GATEWAY, tenant="a"), who(GATEWAY, tenant="b")),
    ({}, who(GATEWAY), who(GATEWAY, address="ipv4:1"), who(OTHER)),
    ({}, who(address="ipv4:1"), who(address="ipv4:1"), who(address="ipv4:2")),
    ({"owner": "TENANT"}, who(GATEWAY), who(OTHER), who(GATEWAY, "a")),
    ({"owner": "CALLER"}, who(GATEWAY, "a"), who(GATEWAY, "b"), who(OTHER, "a")),
    ({"owner": "EVERYBODY", "tenants": ["a", "b"]}, who(tenant="a"), who(tenant="b"), who(tenant="c")),
    ({"owner": "EVERYBODY", "principals": ["*/gateway"]}, who(GATEWAY, "a"), who(GATEWAY), who(OTHER)),
]
"""What a rule says; two callers who are counted together, and one who is not."""


@pytest.mark.parametrize(("fields", "one", "same", "other"), COUNTED)
async def test_who_is_counted_together(
    rules: Rules, fields: dict[str, Any], one: RateSubject, same: RateSubject, other: RateSubject
) -> None:
    """Both use up what there is; the other has not called yet, or is not meant."""
    await rules.write(json.dumps({"rates": [rate(**fields)]}))
    assert rules.live.problem == ""
    call = callers(rules)
    assert [await call(one), await call(same), await call(one), await call(same), await call(other)] == [True, True, False, False, True]
    await rules.clock.advance(10.1)
    assert await call(one)


async def test_a_limit_that_changes_begins_a_new_count(rules: Rules) -> None:
    """One that was reached and is raised lets pass at once; an order in its place ends, and the file's holds again."""
    await rules.write(json.dumps({"rates": [rate()]}))
    call = callers(rules)
    assert [await call(who()) for _ in range(3)] == [True, True, False]
    raised = parse(json.dumps({"rates": [rate(calls=3)]})).rates[0]
    assert rules.live.order_named(rules.live.rates, raised, seconds=5) == ["one: replaces a rule, about 1 methods"]
    assert [await call(who()) for _ in range(4)] == [True, True, True, False]
    assert [(one.rate.calls, one.source) for one in view_of(rules.live, SAY).named] == [(3, "order")]
    await rules.clock.advance(5.0)
    await rules.live.look()
    assert not await call(who())


async def test_a_method_counts_against_each_of_its_limits(rules: Rules) -> None:
    """By path, service, pattern and class; the one that is reached says so, and no method but its own is bounded."""
    given = [rate("all", methods=["/tocsin.test.v1.EchoService/"], calls=3), rate("reads", methods=["*"], rateClass="read", calls=100)]
    await rules.write(json.dumps({"rates": given}))
    say, put, weigh = callers(rules), callers(rules, path("Put")), callers(rules, path("Weigh"))
    assert [await say(who()) for _ in range(4)] == [True, True, True, False]
    assert await put(who()), "a limiter of its own here, as in another process"
    assert [await weigh(who()) for _ in range(4)] == [True, True, True, False]
    assert {one.rate.name for one in view_of(rules.live, path("Weigh")).named} == {"all"}
    assert {one.rate.name for one in view_of(rules.live, SAY).named} == {"all", "reads"}


async def test_limits_of_the_start_are_changed_by_their_names(rules: Rules) -> None:
    """As serve(limits=...) gives them: the file's stand in their place."""
    rules.live.rates.build(class_rates({"read": LimitRule.of("read", 1, 1)}))
    call = callers(rules)
    assert [await call(who()) for _ in range(2)] == [True, False]
    assert [(one.rate.name, one.source) for one in view_of(rules.live, SAY).named] == [("class-read", "code")]
    await rules.write(json.dumps({"rates": [rate("class-read", calls=100)]}))
    assert all([await call(who()) for _ in range(50)])


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (rate(calls=0), "rates[0].calls: it must be 1 to 1,000,000,000"),
        (rate(calls=-1), "rates[0].calls"),
        (rate(calls=10**9 + 1), "rates[0].calls"),
        (rate(window="0s"), "rates[0].window: it must be whole seconds"),
        (rate(window="1.5s"), "rates[0].window"),
        (rate(window="90000s"), "rates[0].window"),
        (rate(owner="NOBODY"), "no list of rules"),
        (rate(owner=9), "rates[0].owner: there is no owner 9"),
        (rate(name="One"), "rates[0].name"),
        (rate(methods=[]), "rates[0].methods: it must name methods"),
        (rate(methods=["/tocsin.test.v1.EchoService/Sya"]), "there is no method or service"),
        (rate(methods=["/tocsin.api.mesh.v1.MeshService/"]), "operators steer the mesh by them"),
        (rate(tenants=["a*b"]), "rates[0].tenants[0]"),
        (rate(principals=[""]), "rates[0].principals[0]"),
    ],
)
async def test_nonsense_is_refused_and_what_was_bounded_stays_so(rules: Rules, rule: dict[str, Any], reason: str) -> None:
    """With its place; the last good file holds."""
    await rules.write(json.dumps({"rates": [rate()]}))
    await rules.write(json.dumps({"rates": [rule]}))
    assert reason in rules.live.problem
    call = callers(rules)
    assert [await call(who()) for _ in range(3)] == [True, True, False]


async def test_limits_of_one_method_are_bounded(rules: Rules) -> None:
    """Each call counts against all of them."""
    await rules.write(json.dumps({"rates": [rate(f"r{number}") for number in range(MOST_RATES)]}))
    assert rules.live.problem == ""
    with pytest.raises(RuleInvalid, match=f"more than {MOST_RATES} limits"):
        rules.live.order_named(rules.live.rates, parse(json.dumps({"rates": [rate("more")]})).rates[0], seconds=5)
