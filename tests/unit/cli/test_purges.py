"""`tocsin alarm purge`: counted first, and repeated until nothing is left."""

import json
from pathlib import Path
from typing import Any

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]

_CALL = ("POST", "/v1/alarms:purge")


class InTurn(dict[tuple[str, str], tuple[int, Any]]):
    """Answers one after the other."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = list(answers)

    def get(self, key: Any, default: Any = None) -> Any:
        """The next one."""
        return (200, self._answers.pop(0)) if key == _CALL else default


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
