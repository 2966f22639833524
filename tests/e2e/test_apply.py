"""`tocsin apply` against a stack that runs: every kind, differences, what is left over, and what is wrong."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import yaml

from tests.e2e.test_people import Command, tocsin
from tocsin.cli.apply.kinds import Kind, kind_of, kinds
from tocsin.cli.apply.server import Server

__all__ = ["tocsin"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
ROOT: Final = Path(__file__).parents[2]
_TASK: Final = {"task": {"handler": "noop"}}
_COMMANDS: Final = re.compile(r"^\$ tocsin (apply .*)$", re.MULTILINE)

DOCUMENTS: Final[list[dict[str, Any]]] = [
    {"kind": "role", "name": "reader", "scopes": ["alarms:read"]},
    {"kind": "identity-provider", "name": "google", "issuer": "https://accounts.google.com", "clientId": "x", "clientSecret": "hidden"},
    {"name": "categories/news"},
    {"kind": "template", "name": "hello", "subject": "Hello", "text": "Hello {{ who }}"},
    {"kind": "calendar", "name": "holidays", "dates": ["2027-12-25", "2027-01-01/2027-01-02"]},
    {"kind": "calendar", "name": "hours", "windows": [{"cron": "0 9 * * MON-FRI", "duration": "8h"}], "timeZone": "Europe/Paris"},
    {
        "name": "recipients/ann",
        "locale": "de-ch",
        "addresses": [{"channel": "email", "value": "Ann@Example.com"}],
        "groups": ["groups/all"],
    },
    {"kind": "recipient", "name": "bob"},
    {
        "kind": "rotation",
        "name": "nights",
        "timeZone": "UTC",
        "layers": [
            {"participants": [{"recipients": ["recipients/ann"]}], "turnUnit": "WEEKS", "turnCount": 1, "start": "2027-01-04T09:00"},
        ],
    },
    {"name": "groups/all", "members": ["rotations/nights", "groups/inner", "recipients/ann"]},
    {"kind": "group", "name": "inner", "members": ["recipients/bob"]},
    {"kind": "policy", "name": "nights", "steps": [{"targets": ["rotations/nights"]}, {"targets": ["groups/all"], "wait": "10m"}]},
    {
        "kind": "route",
        "name": "storage",
        "matchers": [{"label": "team", "value": "storage"}],
        "escalationPolicy": "escalationPolicies/nights",
    },
    {"kind": "dependency", "name": "net", "source": [{"label": "a", "value": "b"}], "target": [{"label": "a", "value": "c"}]},
    {"name": "integrations/graphs", "kind": "GRAFANA"},
    {"channel": "email", "address": "Gone@Example.com"},
    {
        "kind": "silence",
        "comment": "backups",
        "recurrence": {"cron": "0 2 * * SUN", "duration": "2h"},
        "matchers": [{"label": "a", "value": "b"}],
    },
    {"kind": "alarm", "key": "at", "trigger": {"at": "2037-01-01T09:00:00+01:00"}, "action": _TASK, "labels": {"team": "x"}},
    {"kind": "alarm", "key": "daily", "trigger": {"daily": {"time": "14:30"}}, "action": _TASK, "state": "PAUSED"},
    {"kind": "alarm", "key": "every", "trigger": {"every": "5m", "spread": "1m", "dst": {}, "jitter": "0s"}, "action": _TASK},
    {"kind": "alarm", "key": "zoned", "trigger": {"cron": "CRON_TZ=Asia/Tokyo\n0 9 * * *"}, "action": _TASK},
    {"kind": "alarm", "key": "ical", "trigger": {"rrule": "DTSTART;TZID=Europe/Paris:20370101T090000\nRRULE:FREQ=DAILY"}, "action": _TASK},
    {"kind": "alarm", "key": "systemd", "trigger": {"onCalendar": "Mon..Fri 09:00 Europe/Berlin"}, "action": _TASK},
    {"trigger": {"event": {"topic": "a"}}, "action": {"webhook": {"url": "https://example.com/"}}, "key": "event"},
    {"kind": "alarm", "key": "beat", "trigger": {"heartbeat": {"every": "1h", "grace": "5m", "key": "beat"}}, "action": _TASK},
    {
        "kind": "alarm",
        "key": "calendars",
        "priority": "NORMAL",
        "trigger": {"cron": "0 9 * * *", "excludeCalendars": ["calendars/holidays"], "timeZone": "Europe/Paris"},
        "action": {"notify": {"recipients": ["recipients/ann", "groups/all"], "subject": "a", "text": "b"}},
    },
]
"""One of every kind that a file can make, in no order, and alarms of every kind of trigger."""


def _file(path: Path, documents: list[dict[str, Any]]) -> str:
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    return str(path)


def _verdicts(said: str) -> dict[str, str]:
    return {f"{each['kind']} {each['name']}": each["verdict"] for each in json.loads(said)["resources"]}


async def _in_thread(work: Callable[[], None]) -> None:
    await asyncio.to_thread(work)


async def test_a_second_time_nothing_differs(tocsin: Command, stranger: httpx2.AsyncClient, tmp_path: Path) -> None:
    """One of every kind is made, whatever refers to what; then all is as the files say, although the server said more of each."""
    provider = {"kind": "smtp", "config": {"host": "localhost", "sender": "a@example.com", "password": "hidden"}}
    made = [
        (await stranger.post("/v1/providers", json=provider)).json(),
        (await stranger.post("/v1/serviceAccounts", json={"displayName": "ci", "role": "roles/viewer"})).json(),
    ]
    documents = [*made, *DOCUMENTS]
    assert {json.loads(line)["kind"] for line in _kinds_of(documents)} == set(kinds()), "a new kind needs a document here"
    file = _file(tmp_path / "all.yaml", documents)

    def work() -> None:
        first = _verdicts(tocsin("apply", "-f", file, "--json"))
        assert sorted(set(first.values())) == ["created", "unchanged"], first
        assert [name for name, verdict in first.items() if verdict == "unchanged"] == [
            f"{kind} {each['name']}" for kind, each in zip(("provider", "service-account"), made, strict=True)
        ]
        assert tocsin("apply", "-f", file, "--diff").startswith("0 created, 0 changed")
        again = _verdicts(tocsin("apply", "-f", file, "--json"))
        assert {name: verdict for name, verdict in again.items() if verdict != "unchanged"} == {}

    await _in_thread(work)


def _kinds_of(documents: list[dict[str, Any]]) -> list[str]:

    return [json.dumps({"kind": kind_of(each)[0].name}) for each in documents]


async def test_what_the_server_writes_is_taken(tocsin: Command, tmp_path: Path) -> None:
    """Lists as YAML and JSON, and exports, say what is there: nothing differs, and an alarm without a key is known by its name."""
    file = _file(tmp_path / "some.yaml", [each for each in DOCUMENTS if "google" not in json.dumps(each)])

    def work() -> None:
        tocsin("apply", "-f", file)
        tocsin("alarm", "create", "--set", "trigger.every=1h", "--set", "action.task.handler=noop")
        lists = [tmp_path / f"{group}.yaml" for group in ("alarm", "calendar", "recipient", "policy", "silence", "template")]
        for path in lists:
            path.write_text(tocsin(path.stem, "list", "--json"), encoding="utf-8")
        said = tocsin("apply", *(word for path in lists for word in ("-f", str(path))), "--diff", "--json")
        assert json.loads(said)["resources"] == []
        lines = [tmp_path / f"{what}.ndjson" for what in ("alarms", "recipients", "groups", "categories", "suppressions")]
        for path in lines:
            tocsin("export", path.stem, str(path))
        verdicts = _verdicts(tocsin("apply", *(word for path in lines for word in ("-f", str(path))), "--json"))
        assert (len(verdicts), set(verdicts.values())) == (16, {"unchanged"}), verdicts

    await _in_thread(work)


async def test_differences_are_shown_and_made(tocsin: Command, tmp_path: Path) -> None:
    """Field by field; what a file leaves out goes, but for what people do to an alarm, and what is said elsewhere."""
    file = tmp_path / "some.yaml"
    calendar = {"kind": "calendar", "name": "free", "displayName": "Free", "dates": ["2037-01-01"]}
    alarm: dict[str, Any] = {
        "kind": "alarm",
        "key": "a",
        "displayName": "A",
        "labels": {"team": "x"},
        "trigger": {"cron": "0 9 * * *"},
        "action": _TASK,
    }
    ann = {"name": "recipients/ann", "addresses": [{"channel": "email", "value": "ann@example.com"}]}

    def work() -> None:
        said = tocsin("apply", "-f", _file(file, [calendar, alarm, ann]), "--diff", code=1)
        assert "+ calendars/free" in said
        assert '+   trigger: {"cron": "0 9 * * *"}' in said
        tocsin("apply", "-f", str(file))
        tocsin("group", "add", "all")
        tocsin("group", "join", "all", "ann")
        name = json.loads(tocsin("alarm", "list", "--json"))["alarms"][0]["name"]
        tocsin("alarm", "pause", name)
        del calendar["displayName"]
        alarm.update({"trigger": {"cron": "0 10 * * *"}, "labels": {"team": "y", "tier": "1"}})
        said = tocsin("apply", "-f", _file(file, [calendar, alarm, {**ann, "displayName": "Ann"}]), "--diff", code=1)
        for line in (
            '-   displayName: "Free"',
            '~   trigger.cron: "0 9 * * *" → "0 10 * * *"',
            '~   labels.team: "x" → "y"',
            '+   labels.tier: "1"',
        ):
            assert line in said
        assert "\x1b" not in said, "no colours but on a terminal"
        assert "3 changed" in tocsin("apply", "-f", str(file), "--dry-run")
        assert "3 changed" in tocsin("apply", "-f", str(file))
        stored = json.loads(tocsin("alarm", "get", name, "--json"))
        assert (stored["state"], stored["trigger"]["cron"], stored["labels"]) == ("PAUSED", "0 10 * * *", {"team": "y", "tier": "1"})
        shown = json.loads(tocsin("recipient", "get", "ann", "--json"))
        assert (shown["groups"], shown["displayName"], len(shown["addresses"])) == (["groups/all"], "Ann", 1)
        assert "0 changed" in tocsin("apply", "-f", str(file), "--diff")

    await _in_thread(work)


async def test_what_is_left_over_goes(tocsin: Command, tmp_path: Path) -> None:
    """Of its scope alone, in an order that works, never unasked, and also after a run that was cut short."""
    calendar = {"kind": "calendar", "name": "free", "dates": ["2037-01-01"]}
    silence = {
        "kind": "silence",
        "comment": "c",
        "recurrence": {"cron": "0 2 * * *", "duration": "2h"},
        "matchers": [{"label": "a", "value": "b"}],
    }
    alarm = {"kind": "alarm", "key": "a", "trigger": {"cron": "0 9 * * *", "excludeCalendars": ["calendars/free"]}, "action": _TASK}
    gone = {"channel": "email", "address": "gone@example.com"}
    stays = {"kind": "calendar", "name": "stays", "dates": ["2037-01-01"]}
    file = tmp_path / "some.yaml"

    def work() -> None:
        tocsin("calendar", "put", "other", "--date", "2037-01-01")
        tocsin("apply", "-f", _file(file, [calendar, alarm, gone, silence, stays]), "--scope", "team")
        tocsin("apply", "-f", _file(file, [{"kind": "alarm", "key": "b", "trigger": {"every": "1h"}, "action": _TASK}]), "--scope", "else")
        assert "0 changed, 1 unchanged" in tocsin("apply", "-f", str(file)), "the label of a scope stays without one"
        _file(file, [stays])
        said = tocsin("apply", "-f", str(file), "--scope", "team", "--prune", "--diff", code=1)
        assert sorted(re.findall(r"^- (\w+)", said, re.MULTILINE)) == ["alarm", "calendars", "silence", "suppression"]
        tocsin("apply", "-f", str(file), "--prune", "--yes", code=2)
        assert "--yes" in tocsin("apply", "-f", str(file), "--scope", "team", "--prune", code=2)
        assert "1 deleted" in tocsin("apply", "-f", str(file), "--scope", "team", "--prune", "--kinds", "silence", "--yes")
        assert "3 deleted" in tocsin("apply", "-f", str(file), "--scope", "team", "--prune", "--yes")
        assert "0 deleted" in tocsin("apply", "-f", str(file), "--scope", "team", "--prune", "--yes")
        left = json.loads(tocsin("calendar", "list", "--json"))["calendars"]
        assert [each["name"] for each in left] == ["calendars/other", "calendars/stays"]
        assert [each["key"] for each in json.loads(tocsin("alarm", "list", "--json"))["alarms"]] == ["b"]
        assert "1 deleted" in tocsin("apply", "-f", str(file), "--prune", "--kinds", "calendar", "--yes")

    await _in_thread(work)


async def test_what_is_wrong_is_told_before_anything_is_written(tocsin: Command, tmp_path: Path) -> None:
    """With file, document, line and field, also what only the server knows; and what fails does not stop the rest."""
    file = tmp_path / "some.yaml"
    good = "kind: calendar\nname: free\ndates: [2037-01-01]\n---\n"

    def work() -> None:
        for text, words in (
            ("kind: alarm\nkey: a\ntrigger:\n  cron: 0 25 * * *\naction: {task: {handler: noop}}", "document 2, line 8: trigger.cron: "),
            ("kind: alarm\nkey: a\ntrigger:\n  cronn: 0 5 * * *\naction: {task: {handler: noop}}", "line 8: trigger.cronn: unknown field"),
            ("kind: recipient\nname: x\naddresses:\n- channel: email\n  value: nonsense", "line 9: addresses[0].value: "),
            ("kind: calendar\nname: a b\ndates: [2037-01-01]", "document 2, line 6: name: "),
        ):
            file.write_text(good + text, encoding="utf-8")
            assert words in tocsin("apply", "-f", str(file), code=2)
        assert json.loads(tocsin("calendar", "list", "--json"))["calendars"] == []
        file.write_text(
            good + "kind: route\nname: r\nescalationPolicy: escalationPolicies/none\n---\n"
            "kind: policy\nname: p\nsteps: [{targets: [recipients/none]}]"
        )
        said = tocsin("apply", "-f", str(file), code=1)
        assert "calendars/free created" in said
        assert re.search(r"document \d, line \d+: .*escalationPolicies/none", said) or "document 3" in said, said
        assert "stopped" in tocsin("apply", "-f", str(file), "--fail-fast", code=1)
        assert "nothing to apply" in tocsin("apply", "-f", _file(file, []), code=2)

    await _in_thread(work)


async def test_the_guide_does_what_it_says(tocsin: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of docs/apply.md, in order, on the files of examples/schedules."""
    monkeypatch.chdir(ROOT)
    commands = _COMMANDS.findall((ROOT / "docs/apply.md").read_text("utf-8"))
    assert len(commands) >= 4

    def work() -> None:
        for number, command in enumerate(commands):
            tocsin(*command.split("#")[0].split(), code=1 if "--diff" in command and not number else 0)
        assert len(json.loads(tocsin("alarm", "list", "--json"))["alarms"]) == 2

    await _in_thread(work)


async def test_a_run_that_was_cut_short_is_finished_by_the_next(tocsin: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written stays and is known to the scope; the same command does the rest."""
    file = _file(tmp_path / "some.yaml", [{"kind": "calendar", "name": f"c{number}", "dates": ["2037-01-01"]} for number in range(3)])
    create = Server.create

    def cut(self: Server, kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
        if body["name"] == "calendars/c1":
            raise KeyboardInterrupt
        return create(self, kind, body)

    def work() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Server, "create", cut)
            assert "interrupted" in tocsin("apply", "-f", file, "--scope", "team", code=130)
        said = tocsin("apply", "-f", file, "--scope", "team")
        assert "2 created, 0 changed, 1 unchanged" in said

    await _in_thread(work)
