"""Rules at run time: layers, what is refused, files that are half written, orders that end."""

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.mesh.support import METHODS, path
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.errors import NotFound
from tocsin.mesh import live_policy
from tocsin.mesh.live_policy import LivePolicies, PolicyFileInvalid
from tocsin.mesh.policy import MethodPolicy, digest
from tocsin.mesh.policy_errors import RuleInvalid
from tocsin.mesh.policy_rules import parse
from tocsin.mesh.policy_view import view_of
from tocsin.testing.clock import FakeClock

SAY = path("Say")
SERVICE = "/tocsin.test.v1.EchoService/"


class Rules:
    """The live policies of a process that calls as "front", and its file."""

    def __init__(self, clock: FakeClock, file: Path, *, caller: str = "front") -> None:
        self.file = file
        self.clock = clock
        self.known = dict(METHODS)
        self.live = LivePolicies(caller=caller, known=lambda: self.known, file=file, clock=clock)
        self.changes = 0
        self.live.on_change(self._changed)
        self._written = 0

    def _changed(self) -> None:
        self.changes += 1

    async def write(self, text: str) -> None:
        """Writes the file, and lets it be seen."""
        self.file.write_text(text)
        self._written += 1
        os.utime(self.file, ns=(self._written, self._written))
        await self.live.look()

    def timeout(self, method: str = "Say") -> float:
        """What holds for a call of this process."""
        return self.live.called(METHODS[path(method)]).timeout

    def source(self, name: str, method: str = SAY) -> str:
        """Where a value comes from."""
        return next(value.source for value in self.live.values(METHODS[method]) if value.name == name)


@pytest.fixture
async def rules(clock: FakeClock, tmp_path: Path) -> Rules:
    """With an empty file."""
    made = Rules(clock, tmp_path / "policy.yaml")
    await made.write("rules: []")
    return made


def rule(method: str = SAY, caller: str = "", **policy: object) -> pb.PolicyRule:
    """A rule, its policy as JSON has it."""
    return parse(json.dumps({"rules": [{"method": method, "caller": caller, "policy": policy}]})).rules[0]


async def test_the_more_particular_rule_wins_and_an_order_over_all(rules: Rules) -> None:
    """All, service, method; everybody, caller; file, order: field by field, each with its source."""
    await rules.write(
        """
rules:
  - policy: {timeout: 9s, retry: {maxAttempts: 7}}
  - {method: /tocsin.test.v1.EchoService/, policy: {timeout: 8s}}
  - {method: /tocsin.test.v1.EchoService/Say, policy: {timeout: 7s}}
  - {method: /tocsin.test.v1.EchoService/Say, caller: front, policy: {timeout: 6s}}
  - {method: /tocsin.test.v1.EchoService/Say, caller: other, policy: {timeout: 20s}}
"""
    )
    say, hop = METHODS[SAY], METHODS["/tocsin.test.v1.HopService/Hop"]
    assert (rules.timeout(), rules.timeout("Put"), rules.live.called(hop).timeout) == (6.0, 8.0, 9.0)
    assert rules.live.called(say).retry.max_attempts == 7
    assert rules.live.served(say).timeout == 20.0, "a server waits as long as any caller"
    assert (rules.source("timeout"), rules.source("breaker.open")) == ("file", "default")
    rules.live.order(rule("", balance="BALANCE_ROUND_ROBIN", timeout="3s"), seconds=60)
    assert rules.timeout() == 3.0
    assert (rules.source("timeout"), rules.source("retry.max_attempts"), rules.source("balance")) == ("order", "file", "order")


async def test_how_many_calls_a_caller_may_have_under_way_changes_at_run_time(rules: Rules) -> None:
    """At the server; with its source."""
    say = METHODS[SAY]
    assert rules.live.served(say).concurrent_calls == 0
    rules.live.order(rule(concurrentCalls=4), seconds=60)
    assert rules.live.served(say).concurrent_calls == 4
    assert rules.source("concurrent_calls") == "order"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rules: [", "expected"),
        ("rules:\n  - {method: /tocsin.test.v1.EchoService/Sa", "expected"),
        ("- 1", "no list of rules"),
        ("rulez: []", "rulez"),
        ("rules: 5", "no list of rules"),
        ("rules: [{policy: {timeout: soon}}]", "rules"),
        ("rules: [{policy: {timeout: 0s}}]", "rules[0].policy.timeout: it must be more than 0 s"),
        ("rules: [{policy: {timeout: -1s}}]", "rules[0].policy.timeout"),
        ("rules: [{policy: {timeout: 90000s}}]", "at most 3600 s"),
        ("rules: [{policy: {}}]", "rules[0].policy: it says nothing"),
        ("rules: [{policy: {scope: echo:write}}]", "rules[0].policy.scope: it cannot be changed at run time"),
        ("rules: [{policy: {callers: [front]}}]", "rules[0].policy.callers"),
        ("rules: [{policy: {timeout: 1s}}, {policy: {timeout: 2s}}]", "rules[1]: there is another rule about all methods"),
        ("rules: [{method: /tocsin.test.v1.EchoService/Sya, policy: {timeout: 1s}}]", "there is no method or service"),
        ("rules: [{method: Say, policy: {timeout: 1s}}]", "there is no method or service"),
        ("rules: [{policy: {retry: {initialBackoff: 5s}}}]", "initial_backoff must be"),
        ("rules: [{policy: {breaker: {failurePercent: 101}}}]", "failure_percent must be"),
        ("rules: [{method: /tocsin.test.v1.EchoService/Put, policy: {hedge: {enabled: true}}}]", "policy.hedge is for unary methods"),
        ("\x00", "not allowed"),
        ("", "it is empty"),
        ("# soon", "no list of rules"),
    ],
)
async def test_a_bad_file_is_told_with_its_place_and_the_last_good_one_holds(rules: Rules, text: str, reason: str) -> None:
    """Half written, nonsense, contradictory: nothing of it holds; mended, all of it does."""
    await rules.write("rules: [{policy: {timeout: 7s}}]")
    changes = rules.changes
    await rules.write(text)
    assert reason in rules.live.problem
    assert (rules.timeout(), rules.changes) == (7.0, changes)
    with pytest.raises(PolicyFileInvalid, match="stays in force"):
        await rules.live.check()
    assert view_of(rules.live, "").problem == rules.live.problem
    await rules.write("rules: [{policy: {timeout: 5s}}]")
    assert (rules.timeout(), rules.live.problem) == (5.0, "")
    await rules.live.check()


async def test_a_file_that_is_gone_is_told_and_what_it_said_holds(rules: Rules) -> None:
    """As when it is being replaced; one without rules takes them back."""
    await rules.write("rules: [{policy: {timeout: 7s}}]")
    rules.file.unlink()
    await rules.live.look()
    assert (rules.timeout(), "No such file" in rules.live.problem) == (7.0, True)
    await rules.write("rules: []")
    assert (rules.timeout(), rules.live.problem) == (30.0, "")


async def test_an_order_ends_by_itself_or_is_taken_back(rules: Rules) -> None:
    """The one about the same replaces it; the file's value comes back."""
    await rules.write("rules: [{policy: {timeout: 7s}}]")
    assert rules.live.order(rule(timeout="3s"), seconds=60) == [f"{SAY} timeout: 7s -> 3s"]
    assert rules.live.order(rule(timeout="4s"), seconds=60) == [f"{SAY} timeout: 3s -> 4s"]
    await rules.clock.advance(59)
    await rules.live.look()
    assert rules.timeout() == 4.0
    await rules.clock.advance(1)
    await rules.live.look()
    assert rules.timeout() == 7.0
    rules.live.order(rule(timeout="3s"), seconds=60)
    rules.live.order(rule(SERVICE, "front", timeout="3s"), seconds=60)
    assert rules.live.reset(method=SERVICE, caller="") == []
    assert rules.live.reset(method=SERVICE, caller="front") == [(SERVICE, "front")]
    assert rules.live.reset(method="", caller="") == [(SAY, "")]
    assert rules.timeout() == 7.0


async def test_a_trial_and_a_refused_order_change_nothing(rules: Rules) -> None:
    """Both tell what would be, or why not."""
    changes, before = rules.changes, await rules.live.digest()
    assert rules.live.order(rule(timeout="3s"), seconds=60, dry_run=True) == [f"{SAY} timeout: 30s -> 3s"]
    with pytest.raises(RuleInvalid, match=r"rule\.policy\.scope") as refused:
        rules.live.order(rule(scope="x:read"), seconds=60)
    assert refused.value.violations[0].field == "rule.policy.scope"
    with pytest.raises(RuleInvalid, match="max_open must be at least open"):
        rules.live.order(rule("", breaker={"open": "90s"}), seconds=60)
    with pytest.raises(NotFound):
        view_of(rules.live, "/no/such")
    assert (rules.timeout(), rules.changes, rules.live.orders, await rules.live.digest()) == (30.0, changes, {}, before)


async def test_what_is_sound_alone_is_refused_on_top_of_something_else(rules: Rules) -> None:
    """An order whose backoff fits the contract, and not the file."""
    await rules.write("rules: [{policy: {retry: {maxBackoff: 0.2s}}}]")
    with pytest.raises(RuleInvalid, match="initial_backoff"):
        rules.live.order(rule(retry={"initialBackoff": "0.5s"}), seconds=60)
    assert not rules.live.orders


async def test_ten_thousand_rules_are_read_and_cost_a_call_nothing(rules: Rules) -> None:
    """Nearly all are about other callers; what holds is worked out when the file is read."""
    others = [{"method": SAY, "caller": f"service-{number}", "policy": {"timeout": "2s"}} for number in range(9_999)]
    await rules.write(json.dumps({"rules": [*others, {"method": SAY, "caller": "front", "policy": {"timeout": "50s"}}]}))
    assert rules.live.problem == ""
    assert rules.timeout() == 50.0
    assert rules.live.served(METHODS[SAY]).timeout == 50.0


async def test_replicas_with_other_rules_have_another_digest(rules: Rules) -> None:
    """And the same again when the rule is gone."""
    before = await rules.live.digest()
    rules.live.order(rule(timeout="3s"), seconds=60)
    assert await rules.live.digest() != before
    rules.live.reset(method="", caller="")
    assert await rules.live.digest() == before


def test_an_order_about_one_method_works_out_that_one_alone(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: the event loop is held for one."""
    seen, called = set[str](), rules.live.called
    monkeypatch.setattr(rules.live, "called", lambda declared: seen.add(declared.path) or called(declared))
    assert rules.live.order(rule(timeout="3s"), seconds=60) == [f"{SAY} timeout: 30s -> 3s"]
    assert seen == {SAY}
    rules.live.order(rule("", timeout="4s"), seconds=60)
    assert seen == METHODS.keys()


async def test_what_an_order_is_not_about_is_not_worked_out_anew(rules: Rules) -> None:
    """An order about one method leaves what is known of the others; one about its service, or all, does not; nor does its end."""
    say, hop = METHODS[SAY], METHODS["/tocsin.test.v1.HopService/Hop"]
    rules.live.order(rule("", timeout="9s"), seconds=600)
    before = rules.live.called(say), rules.live.called(hop), rules.live.served(hop)
    rules.live.order(rule(timeout="3s"), seconds=60)
    assert (rules.live.called(say).timeout, rules.live.served(say).timeout) == (3.0, 3.0)
    assert rules.live.called(hop) is before[1]
    assert rules.live.served(hop) is before[2]
    rules.live.order(rule("/tocsin.test.v1.HopService/", timeout="5s"), seconds=60, dry_run=True)
    assert rules.live.called(hop).timeout == 9.0
    rules.live.order(rule("/tocsin.test.v1.HopService/", timeout="5s"), seconds=60)
    assert (rules.live.called(hop).timeout, rules.live.served(hop).timeout) == (5.0, 5.0)
    rules.live.reset(method=SAY, caller="")
    assert rules.live.called(say).timeout == 9.0
    rules.live.reset(method="", caller="")
    assert (rules.live.called(say), rules.live.called(hop)) == (say, hop)


async def test_a_digest_is_worked_out_beside_the_event_loop_once_for_each_change(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another thread; again after a rule, and after the contract has changed by what the gateway mounts; not for each question."""
    threads = list[int]()

    def digested(methods: Iterable[MethodPolicy], others: Iterable[str]) -> str:
        threads.append(threading.get_ident())
        return digest(methods, others)

    monkeypatch.setattr(live_policy, "digest", digested)
    first = await rules.live.digest()
    assert (await rules.live.digest(), len(threads)) == (first, 1)
    assert threads[0] != threading.get_ident()
    rules.live.order(rule(timeout="3s"), seconds=60)
    assert await rules.live.digest() not in (first, "")
    rules.live.reset(method="", caller="")
    assert (await rules.live.digest(), len(threads)) == (first, 3)
    rules.known["/mounted.Service/Get"] = replace(METHODS[SAY], service="mounted.Service", method="Get")
    assert await rules.live.digest() != first
