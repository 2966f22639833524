"""`tocsin alarm purge`, `pause` and `resume`: counted first, and repeated until nothing is left."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]

_CALL = ("POST", "/v1/alarms:purge")
_TURNS = pytest.mark.parametrize(("verb", "done"), [("pause", "paused"), ("resume", "resumed")])


class InTurn(dict[tuple[str, str], tuple[int, Any]]):
    """Answers one after the other."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = list(answers)

    def get(self, key: Any, default: Any = None) -> Any:
        """The next one."""
        return (200, self._answers.pop(0)) if key[1].startswith("/v1/alarms:") else default


def test_nothing_is_removed_without_force(gateway: Gateway, state: Path) -> None:
    """The count and some names are shown."""
    gateway.answers[_CALL] = (200, {"purgeCount": "2", "purgeSample": ["alarms/a", "alarms/b"]})
    done = tocsin("alarm", "purge", "--filter", 'labels.batch="7"', "--state", str(state))
    assert (done.returncode, done.stdout) == (0, "alarms/a\nalarms/b\n2 alarms would be removed; --force removes them.\n"), done.stderr
    assert [asked[3] for asked in gateway.asked] == [{"filter": 'labels.batch="7"', "force": False}]


def test_it_goes_on_while_there_is_more(gateway: Gateway, state: Path) -> None:
    """However many calls it takes; the whole is told."""
    gateway.answers = InTurn({"purgeCount": "70000", "more": True}, {"purgeCount": "30000", "more": True}, {"purgeCount": "1"})
    done = tocsin("alarm", "purge", "--filter", "*", "--force", "--state", str(state))
    assert (done.returncode, done.stdout, done.stderr) == (0, "100001 alarms removed\n", "")
    assert [asked[3] for asked in gateway.asked] == [{"filter": "*", "force": True}] * 3


def test_what_keeps_changing_is_said(gateway: Gateway, state: Path) -> None:
    """It does not go round for ever; programs read the same."""
    gateway.answers = InTurn({"purgeCount": "5", "more": True}, {"more": True})
    done = tocsin("alarm", "purge", "--filter", "*", "--force", "--json", "--state", str(state))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"purgeCount": 5, "more": True})
    assert "changed meanwhile" in done.stderr


def test_a_filter_is_needed(gateway: Gateway, state: Path) -> None:
    """Nobody is asked without one; what the gateway refuses is shown."""
    done = tocsin("alarm", "purge", "--force", "--state", str(state))
    assert (done.returncode, gateway.asked) == (2, [])
    gateway.answers[_CALL] = (400, {"code": "INVALID_ARGUMENT", "detail": "filter: must say which alarms", "details": []})
    done = tocsin("alarm", "purge", "--filter", " ", "--force", "--state", str(state))
    assert done.returncode == 1
    assert "must say which alarms" in done.stderr


@_TURNS
def test_one_alarm_is_turned_by_its_name(gateway: Gateway, state: Path, verb: str, done: str) -> None:
    """Its id is enough; the answer is the alarm."""
    gateway.answers["POST", f"/v1/alarms/a:{verb}"] = (200, {"name": "alarms/a", "state": done.upper()})
    for name in ("a", "alarms/a"):
        shown = tocsin("alarm", verb, name, "--json", "--state", str(state))
        assert (shown.returncode, json.loads(shown.stdout)) == (0, {"name": "alarms/a", "state": done.upper()}), shown.stderr
    assert tocsin("alarm", verb, "a/b/c", "--state", str(state)).returncode == 1


@_TURNS
def test_all_that_match_are_counted_first(gateway: Gateway, state: Path, verb: str, done: str) -> None:
    """The count and some names are shown, and what turns them."""
    gateway.answers["POST", f"/v1/alarms:{verb}"] = (200, {f"{verb}Count": "1", f"{verb}Sample": ["alarms/a"], "more": True})
    shown = tocsin("alarm", verb, "--filter", 'labels.team="payments"', "--state", str(state))
    assert (shown.returncode, shown.stdout) == (0, f"alarms/a\nAt least 1 alarm would be {done}; --force {verb}s them.\n"), shown.stderr
    as_json = tocsin("alarm", verb, "--filter", "*", "-o", "json", "--state", str(state))
    assert json.loads(as_json.stdout) == {f"{verb}Count": 1, "more": True, f"{verb}Sample": ["alarms/a"]}
    assert [asked[3]["force"] for asked in gateway.asked] == [False, False]


@_TURNS
def test_all_that_match_are_turned(gateway: Gateway, state: Path, verb: str, done: str) -> None:
    """However many calls it takes; what keeps changing is said, and does not go round for ever."""
    gateway.answers = InTurn({f"{verb}Count": "70000", "more": True}, {f"{verb}Count": "30000", "more": True}, {"more": True})
    shown = tocsin("alarm", verb, "--filter", "*", "--force", "--state", str(state))
    assert (shown.returncode, shown.stdout) == (0, f"100000 alarms {done}\n")
    assert "changed meanwhile" in shown.stderr
    assert [asked[3] for asked in gateway.asked] == [{"filter": "*", "force": True}] * 3


@_TURNS
@pytest.mark.parametrize("words", [(), ("--force",), ("a", "--filter", "*"), ("a", "--force")])
def test_either_a_name_or_a_filter_is_given(gateway: Gateway, state: Path, verb: str, done: str, words: tuple[str, ...]) -> None:
    """Nobody is asked otherwise."""
    del done
    shown = tocsin("alarm", verb, *words, "--state", str(state))
    assert (shown.returncode, gateway.asked) == (2, [])
    assert "--filter" in shown.stderr


def test_a_pause_says_why(gateway: Gateway, state: Path) -> None:
    """Of one alarm and of many; without a reason none is sent. The calls of the contract that did the same beside it are gone."""
    gateway.answers["POST", "/v1/alarms/1:pause"] = (200, {"name": "alarms/1", "state": "PAUSED", "pauseReason": "moving"})
    gateway.answers["POST", "/v1/alarms:pause"] = (200, {"pauseCount": "1"})
    for words in (("1",), ("--filter", "*", "--force")):
        for reason in ((), ("--reason", "moving")):
            done = tocsin("alarm", "pause", *words, *reason, "--state", str(state))
            assert done.returncode == 0, done.stderr
    whole = {"filter": "*", "force": True}
    assert [asked[3] or {} for asked in gateway.asked] == [{}, {"reason": "moving"}, whole, {**whole, "reason": "moving"}]
    for verb in ("pause-alarms", "resume-alarms"):
        assert tocsin("alarm", verb, "--filter", "*", "--state", str(state)).returncode == 2
