"""`tocsin apply` without a server: what files are read as, what counts as a difference, and what goes."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli.apply.kinds import Kind, kind_of, kinds
from tocsin.cli.apply.load import Loaded, load
from tocsin.cli.apply.plan import changes, stale, tops
from tocsin.cli.apply.reader import Bodies, sources
from tocsin.cli.apply.shapes import Shapes, compared, kept, leaves_out, stored, unreadable
from tocsin.cli.apply.shapes import wanted as says
from tocsin.cli.verbs import contract
from tocsin.cli.yaml_loader import YamlRefused, resources
from tocsin.errors import InvalidInput

ALARM = "kind: alarm\nkey: a\ntrigger: {every: 5m}\naction: {task: {handler: noop}}\n"
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc.[]", min_size=1, max_size=3), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=2), VALUES.filter(lambda value: value is not None), max_size=4)


def read(*files: Path) -> Loaded:
    """What files say."""
    with sources([str(file) for file in files]) as found, tempfile.TemporaryFile() as file:
        return load(found, Bodies(file), Shapes(), scope="")


def same(kind: str, wanted: dict[str, Any], present: dict[str, Any], *, zone: str = "UTC") -> list[str]:
    """The paths that differ between a document and what the server answers."""
    found = kinds()[kind]
    there = compared(found, stored(found, present), zone=zone)
    return [change.path for change in changes(there, says(found, Shapes().sent(found, wanted), there, zone=zone))]


def test_the_kinds_are_those_of_the_contract() -> None:
    """Whatever can be made as a document and listed is one; what others refer to comes before it."""
    named = {name for name, rows in contract().items() if rows.get("create", {}).get("body", "*") not in ("", "*") and "list" in rows}
    assert set(kinds()) == named
    order = list(kinds())
    for first, then in (("calendar", "alarm"), ("recipient", "group"), ("rotation", "policy"), ("policy", "route"), ("template", "alarm")):
        assert order.index(first) < order.index(then)
    assert {kind.name for kind in kinds().values() if kind.imports} == {"alarm", "category", "group", "recipient", "suppression"}


@pytest.mark.parametrize(
    ("body", "kind", "name"),
    [
        ({"kind": "calendar", "name": "x"}, "calendar", "calendars/x"),
        ({"kind": "EscalationPolicy", "name": "escalationPolicies/x"}, "policy", "escalationPolicies/x"),
        ({"kind": "GRAFANA", "name": "integrations/x"}, "integration", "integrations/x"),
        ({"kind": "category", "name": "categories/x"}, "category", "categories/x"),
        ({"trigger": {}, "action": {}}, "alarm", None),
        ({"channel": "email", "address": "a@example.com"}, "suppression", None),
        ({"comment": "c", "matchers": []}, "silence", None),
    ],
)
def test_a_document_tells_its_kind(body: dict[str, Any], kind: str, name: str | None) -> None:
    """By the word, by its name, or by what only one kind has."""
    found, rest = kind_of(body)
    assert (found.name, rest.get("name")) == (kind, name)
    assert rest.get("kind") == ("GRAFANA" if kind == "integration" else None)


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"kind": "alram", "key": "x"}, "kind", "no kind of resource: role"),
        ({"key": "x"}, "kind", "says its kind"),
        ({"kind": 5}, "kind", "5 is no kind"),
        ({"kind": "alarm", "name": "calendars/x"}, "name", "alarms/"),
        ({"kind": "alarm", "name": "nightly"}, "name", "give a key"),
        ({"kind": "nonsense", "name": "calendars/x"}, "kind", "of the kind calendar"),
    ],
)
def test_a_document_without_a_kind_is_refused(body: dict[str, Any], field: str, says: str) -> None:
    """With the field, and what there is."""
    with pytest.raises(InvalidInput, match=says) as refused:
        kind_of(body)
    assert refused.value.violations[0].field == field


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.yaml", ALARM + "key: b\n", "a.yaml, line 5: the key 'key' comes twice"),
        ("a.yaml", ALARM.replace("every", "everyx"), "document 1, line 3: trigger.everyx: unknown field"),
        ("a.yaml", ALARM + "---\n" + ALARM, "document 2, line 7: key: alarm a is in"),
        ("a.yaml", "x: &a [1]\ny: [*a, *a]", "line 2: references are not taken"),
        ("a.yaml", ALARM.encode() + b"# \xff\n", "is not UTF-8"),
        ("a.yaml", "kind: alarm\n\tkey: a", "line 2: "),
        ("a.yaml", ALARM.replace("5m", ".nan"), "line 3: trigger.every: "),
        ("a.yaml", ALARM.replace("key: a\n", ""), "key: is required"),
        ("a.yaml", "- 5\n", "document 1, line 1: '5' is no resource"),
        ("a.yaml", "kind: calendar\nname: c", "calendar"),
        ("a.yaml", "kind: group\ndisplayName: c", "name: is required: groups/"),
        ("a.yaml", "a: " + "[" * 200, "nested too deeply"),
        ("a.yaml", "!!python/object/apply:os.system [ls]", "is not taken"),
        ("a.json", '{"kind": "calendar", "name": "c", "name": "d"}', "the key 'name' comes twice"),
        ("a.json", '{"kind": NaN}', "NaN is no number of JSON"),
        ("a.json", "{", "is no JSON"),
        ("a.json", '{"calendars": [5]}', "calendars[0]: is no resource"),
        ("a.ndjson", '{"kind": "alarm"}\n{"kind"\n', "a.ndjson, line 2: is no JSON"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, name: str, text: str | bytes, says: str) -> None:
    """The file, the document, the line, the field and the reason."""
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    problems = [str(problem) for problem in read(file).problems]
    if says != "calendar":
        assert any(says in problem for problem in problems), problems
    assert len(problems) <= 2


def test_a_folder_is_read_by_name(tmp_path: Path) -> None:
    """With its folders; neither other files nor hidden ones; a list of the server is several."""
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b" / "one.yml").write_text("\ufeff" + ALARM, encoding="utf-8")
    (tmp_path / "a.json").write_text(
        json.dumps({"calendars": [{"name": "calendars/x", "dates": ["2037-01-01"]}, {"name": "calendars/y", "dates": ["2037-01-01"]}]})
    )
    for other in (".git/x.yaml", "README.md", ".hidden.yaml", "x.yaml~"):
        (tmp_path / other).write_text("nonsense")
    (tmp_path / "empty.yaml").write_text("# nothing\n---\n---\n")
    loaded = read(tmp_path)
    assert loaded.problems == []
    assert [each.identity for each in loaded.all()] == ["calendars/x", "calendars/y", "a"]


@given(st.lists(OBJECTS, max_size=3))
def test_yaml_reads_what_json_writes(values: list[dict[str, Any]]) -> None:
    """The same values, and the line of each document; JSON is YAML but for surrogates."""
    text = "".join(f"--- {json.dumps(value, ensure_ascii=False)}\n" for value in values)
    assert list(resources(text)) == [(number, value) for number, value in enumerate(values, 1)]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """By a reason, never by another error."""
    with suppress(YamlRefused):
        list(resources(text))


@given(OBJECTS, OBJECTS)
def test_changes_lead_from_one_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """There are none exactly if nothing differs, and to take the fields of the top that they name makes one the other."""
    found = changes(before, after)
    assert (found == []) == (_plain(before) == _plain(after))
    made = {key: value for key, value in before.items() if key not in tops(found)} | {
        key: after[key] for key in tops(found) if key in after
    }
    assert _plain(made) == _plain(after)


def _plain(value: Any) -> str:
    """As JSON; what is null in an object is not there."""
    if isinstance(value, dict):
        return json.dumps({key: _plain(item) for key, item in value.items() if item is not None}, sort_keys=True)
    return json.dumps([_plain(item) for item in value]) if isinstance(value, list) else json.dumps(value)


@given(
    st.sets(st.sampled_from([f"{kind} {number}" for kind in ("alarm", "calendar") for number in range(4)])),
    st.sets(st.sampled_from(["alarm 1", "calendar 2"])),
    st.sets(st.sampled_from(["alarm"])),
)
def test_what_goes_was_applied_and_is_not_wanted(recorded: set[str], wanted: set[str], only: set[str]) -> None:
    """Nothing else, ever."""
    gone = set(stale(recorded, wanted, only))
    assert gone <= recorded
    assert not gone & wanted
    assert all(not only or name.split()[0] in only for name in gone)
    assert only or gone | wanted >= recorded


@pytest.mark.parametrize(
    ("kind", "wanted", "present"),
    [
        ("alarm", {"trigger": {"every": "5m"}}, {"trigger": {"every": "300s", "timeZone": "UTC"}, "priority": "NORMAL", "state": "PAUSED"}),
        ("alarm", {"trigger": {"at": "2037-01-01T09:00:00+01:00"}}, {"trigger": {"at": "2037-01-01T08:00:00Z", "timeZone": "UTC"}}),
        ("alarm", {"trigger": {"daily": {"time": "14:30"}}}, {"trigger": {"daily": {"time": "14:30:00", "recurring": True}}}),
        (
            "alarm",
            {"trigger": {"heartbeat": {"every": 60}}},
            {"trigger": {"heartbeat": {"every": "60s", "key": "k", "notifyResolved": True}}},
        ),
        (
            "alarm",
            {"trigger": {"cron": "@daily", "offset": "0s"}, "labels": {}},
            {"trigger": {"cron": "@daily"}, "labels": {"apply_scope": "x"}},
        ),
        (
            "alarm",
            {"trigger": {"onCalendar": "09:00 Asia/Tokyo"}},
            {"trigger": {"onCalendar": "09:00 Asia/Tokyo", "timeZone": "Asia/Tokyo"}},
        ),
        (
            "route",
            {"name": "incidentRoutes/x"},
            {"name": "incidentRoutes/x", "wait": "30s", "interval": "300s", "repeat": "14400s", "etag": "4"},
        ),
        ("recipient", {"locale": "de-ch"}, {"locale": "de-CH", "timeZone": "UTC", "groups": ["groups/a"]}),
        (
            "recipient",
            {"addresses": [{"channel": "email", "value": "A@Example.com"}]},
            {"addresses": [{"name": "x", "channel": "email", "value": "a@example.com", "state": "ACTIVE"}]},
        ),
        ("group", {"name": "groups/x"}, {"name": "groups/x", "members": ["recipients/a"]}),
        ("calendar", {"ics": "BEGIN:VCALENDAR"}, {"dates": ["2037-01-01"]}),
    ],
)
def test_what_the_server_adds_is_no_difference(kind: str, wanted: dict[str, Any], present: dict[str, Any]) -> None:
    """Defaults, normal forms, and what is left to others."""
    assert same(kind, wanted, present) == []


@pytest.mark.parametrize(
    ("kind", "wanted", "present", "paths"),
    [
        ("alarm", {"state": "ACTIVE"}, {"state": "PAUSED"}, ["state"]),
        ("alarm", {}, {"priority": "HIGH", "displayName": "x"}, ["priority", "displayName"]),
        ("alarm", {"trigger": {"cron": "@daily"}}, {"trigger": {"cron": "@daily", "timeZone": "Europe/Paris"}}, ["trigger.timeZone"]),
        (
            "alarm",
            {"trigger": {"cron": "@daily"}},
            {"trigger": {"heartbeat": {"every": "60s", "key": "k"}}},
            ["trigger.cron", "trigger.heartbeat"],
        ),
        ("route", {"repeat": "0s"}, {"repeat": "14400s"}, ["repeat"]),
        ("recipient", {"groups": []}, {"groups": ["groups/a"]}, []),
        ("recipient", {"groups": ["groups/b"]}, {"groups": ["groups/a"]}, ["groups"]),
        ("policy", {"steps": [{"targets": ["groups/a"]}]}, {"steps": [{"targets": ["groups/a"], "wait": "60s"}]}, ["steps[0].wait"]),
    ],
)
def test_what_differs_is_named(kind: str, wanted: dict[str, Any], present: dict[str, Any], paths: list[str]) -> None:
    """By its path; what a document leaves out and the server has goes."""
    assert same(kind, wanted, present) == paths


def test_what_a_write_would_take_away_is_sent_along() -> None:
    """The key of a heartbeat, of which others know, the label of a scope, and members; never into another trigger."""
    alarm, group = kinds()["alarm"], kinds()["group"]
    there = {"labels": {"apply_scope": "x", "team": "y"}, "trigger": {"heartbeat": {"every": "60s", "key": "k"}}}
    assert kept(alarm, {"trigger": {"heartbeat": {"every": "90s"}}}, there) == {
        "trigger": {"heartbeat": {"every": "90s", "key": "k"}},
        "labels": {"apply_scope": "x"},
    }
    assert kept(alarm, {"trigger": {"cron": "@daily"}, "labels": {"apply_scope": "z"}}, there)["trigger"] == {"cron": "@daily"}
    assert kept(group, {"name": "groups/x"}, {"members": ["recipients/a"]})["members"] == ["recipients/a"]


def test_what_is_never_shown_is_known() -> None:
    """Secrets, and texts that become something else."""
    found: dict[str, Kind] = dict(kinds())
    assert unreadable(found["calendar"], {"ics": "x", "dates": []}, {}) == ["ics"]
    assert unreadable(found["identity-provider"], {"clientSecret": "x"}, {}) == ["clientSecret"]
    assert unreadable(found["rotation"], {"layers": [{"ics": "x"}], "timeZone": "UTC"}, {}) == ["layers"]
    assert unreadable(found["provider"], {"config": {"password": "x"}}, {"config": {"password": "********"}}) == ["config"]
    assert unreadable(found["provider"], {"config": {"password": "********"}}, {"config": {"password": "********"}}) == []


def test_a_silence_is_found_by_what_a_document_of_it_may_say() -> None:
    """With and without what the server fills in."""
    said = {"comment": "c", "startTime": "t", "recurrence": {"cron": "@daily", "timeZone": "UTC"}}
    assert {"comment": "c", "recurrence": {"cron": "@daily"}} in list(leaves_out(kinds()["silence"], said))
    assert len(list(leaves_out(kinds()["silence"], said))) == 4
