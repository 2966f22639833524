"""`tocsin import oncall|healthchecks|crontab|ics|celery`: what files of other systems become, and what cannot be taken."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin
from tocsin.cli.imports.calendar_files import read_calendar_alarms
from tocsin.cli.imports.celery_beats import read_beats
from tocsin.cli.imports.healthchecks import read_checks
from tocsin.cli.imports.oncall import read_oncall
from tocsin.cli.imports.plan import Audience, ImportPlan
from tocsin.cli.imports.reading import MOST_BYTES, read_text
from tocsin.errors import InvalidInput

__all__ = ["gateway", "state"]

FILES = Path(__file__).parent / "import_files"
NOW = round(datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1e6)
ANN = Audience(("recipients/ann", "ops@example.com"))


def text(name: str) -> str:
    """An example."""
    return (FILES / name).read_text()


def bodies(plan: ImportPlan, collection: str = "alarms") -> dict[str, dict[str, Any]]:
    """What would be made, by name."""
    return {one.name: one.body for one in plan.resources if one.collection == collection}


def refused(plan: ImportPlan) -> dict[str, str]:
    """What cannot be taken, by place."""
    return {one.place: one.reason for one in plan.refused}


# -- Grafana OnCall ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oncall() -> ImportPlan:
    """The example export."""
    return read_oncall(text("oncall.json"), name="x", now=NOW)


def test_users_become_recipients(oncall: ImportPlan) -> None:
    """By their user names, or the id of one whose name is no id; mail addresses are vouched for, as there."""
    people = bodies(oncall, "recipients")
    assert list(people) == ["recipients/alex", "recipients/bea", "recipients/U7S8H84ARFTGN"]
    assert people["recipients/alex"]["addresses"] == [{"channel": "email", "value": "alex@example.com", "state": "ACTIVE"}]
    assert people["recipients/alex"]["timeZone"] == "Europe/Berlin"
    assert people["recipients/alex"]["rules"] == {
        "urgent": [{"channel": "sms"}],
        "other": [{"channel": "email"}, {"channel": "sms", "after": "300s"}],
    }
    assert "addresses" not in people["recipients/U7S8H84ARFTGN"]


def test_plain_shifts_become_turns_and_others_recurrences(oncall: ImportPlan) -> None:
    """Levels in order; two shifts of one level are one layer, in which all are on call together who have one."""
    layers = bodies(oncall, "rotations")["rotations/S3Z477AHDXTMF"]["layers"]
    assert layers[0] == {
        "displayName": "Weeks",
        "participants": [{"recipients": ["recipients/bea", "recipients/U7S8H84ARFTGN"]}, {"recipients": ["recipients/alex"]}],
        "turnUnit": "WEEKS",
        "turnCount": 1,
        "start": "2027-01-04T09:00",
    }
    assert layers[1]["hours"] == [{"weekday": 5, "start": "22:00", "end": "06:00"}, {"weekday": 6, "start": "22:00", "end": "06:00"}]
    assert [one["recipients"] for one in layers[2]["shifts"]] == [["recipients/alex"], ["recipients/bea"], ["recipients/bea"]]
    first, second, single = (one["event"] for one in layers[2]["shifts"])
    assert "DTSTART;TZID=Europe/Berlin:20270101T080000" in first
    assert "DTSTART;TZID=Europe/Berlin:20270201T080000" in second
    assert "RRULE:FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=1" in second
    assert "RRULE" not in single


def test_calendars_of_a_schedule_become_layers(oncall: ImportPlan) -> None:
    """Overrides lie above."""
    layers = bodies(oncall, "rotations")["rotations/SBM7DV7BKFUYU"]["layers"]
    assert [one["calendarUrl"] for one in layers] == [
        "https://calendar.example.com/primary.ics",
        "https://calendar.example.com/overrides.ics",
    ]


def test_overrides_to_come_are_taken(oncall: ImportPlan) -> None:
    """At their instants; those that are over are said to be left out."""
    (override,) = [one.body for one in oncall.resources if one.collection == "overrides"]
    assert (override["startTime"], override["endTime"]) == ("2027-01-12T17:00:00Z", "2027-01-12T21:00:00Z")
    assert "on_call_shifts[5]" in {one.place for one in oncall.changed}


def test_a_chain_becomes_a_policy(oncall: ImportPlan) -> None:
    """What it does between two waits is one step, in the order of positions; conditions hold for all that follow."""
    policy = bodies(oncall, "escalationPolicies")["escalationPolicies/F5JU6KJET33FE"]
    hours = [{"start": "09:00", "end": "18:00"}]
    assert policy["steps"] == [
        {"targets": ["rotations/S3Z477AHDXTMF"], "wait": "300s"},
        {"targets": ["recipients/alex", "recipients/bea"], "wait": "300s", "hours": hours},
    ]
    assert (policy["repeat"], policy["timeZone"]) == (5, "UTC")


def test_what_oncall_has_and_we_do_not_is_said(oncall: ImportPlan) -> None:
    """Each with its place."""
    assert set(refused(oncall)) == {
        "schedules[0].shifts",
        "schedules[2]",
        "escalation_policies.results[5]",
        "escalation_policies.results[7]",
        "escalation_policies.results[8]",
        "escalation_chains[1]",
        "routes[0]",
        "personal_notification_rules[3].type",
    }
    assert bodies(oncall, "integrations")["integrations/CZABBIX"]["kind"] == "GENERIC"


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ({"frequency": "daily", "duration": 86400}, {"turnUnit": "DAYS", "turnCount": 1}),
        ({"frequency": "hourly", "interval": 12, "duration": 43200}, {"turnUnit": "HOURS", "turnCount": 12}),
        ({"frequency": "weekly", "interval": 2, "duration": 1209600}, {"turnUnit": "WEEKS", "turnCount": 2}),
        ({"frequency": "daily", "duration": 28800}, {"turnUnit": "DAYS", "hours": 7}),
        ({"frequency": "weekly", "duration": 432000}, {"turnUnit": "WEEKS", "hours": 5}),
        ({"frequency": "weekly", "duration": 28800, "by_day": ["MO", "TH"]}, {"handOverTime": "00:00", "hours": 2}),
        ({"frequency": "weekly", "interval": 2, "duration": 28800}, {"shifts": 2}),
        ({"frequency": "monthly", "duration": 28800}, {"shifts": 2}),
        ({"frequency": "daily", "duration": 86400, "time_zone": "Asia/Tokyo"}, {"shifts": 2}),
        ({"frequency": "daily", "duration": 90000}, {"shifts": 2}),
        ({"frequency": "weekly", "duration": 28800, "until": "2028-01-01T00:00:00"}, {"shifts": 2}),
        ({"frequency": "daily", "duration": 86400, "until": "2028-01-01T00:00:00"}, {"end": "2028-01-01T00:00"}),
    ],
)
def test_kinds_of_shifts(shift: dict[str, Any], expected: dict[str, Any]) -> None:
    """Turns wherever they mean the same, recurrences elsewhere."""
    export = {
        "users": [{"id": "A", "username": "a", "email": "a@x.org"}, {"id": "B", "username": "b", "email": "b@x.org"}],
        "schedules": [{"id": "S", "name": "S", "type": "calendar", "time_zone": "Europe/Berlin", "shifts": ["O"]}],
        "on_call_shifts": [
            {"id": "O", "name": "O", "type": "rolling_users", "start": "2027-01-04T09:00:00", "rolling_users": [["A"], ["B"]], **shift}
        ],
    }
    plan = read_oncall(json.dumps(export), name="x", now=NOW)
    (layer,) = bodies(plan, "rotations")["rotations/S"]["layers"]
    shown = {key: len(value) if isinstance(value, list) else value for key, value in layer.items()}
    assert {key: shown.get(key) for key in expected} == expected
    assert not plan.refused


def test_an_ics_of_a_schedule_becomes_a_rotation() -> None:
    """Its events are the shifts of the one layer."""
    plan = read_oncall(text("events.ics"), name="shop", now=NOW)
    assert bodies(plan, "rotations")["rotations/shop"]["layers"][0]["ics"].startswith("BEGIN:VCALENDAR")
    with pytest.raises(InvalidInput, match="no id"):
        read_oncall(text("events.ics"), name="my shop", now=NOW)


# -- healthchecks --------------------------------------------------------------------------------------------------------------


def test_checks_become_heartbeats_with_the_same_uuid() -> None:
    """The path of the ping URL stays; tags are labels; a schedule has its zone; what is paused stays so."""
    plan = read_checks(text("checks.json"), ANN, now=NOW)
    found = bodies(plan)
    simple = found["healthchecks/31365bce-8da9-4729-8ff3-aaa71d56b712"]
    assert simple["trigger"]["heartbeat"]["key"] == "31365bce-8da9-4729-8ff3-aaa71d56b712"
    assert (simple["trigger"]["heartbeat"]["every"], simple["trigger"]["heartbeat"]["grace"]) == ("3600s", "600s")
    assert simple["labels"] == {"import": "healthchecks", "backup": "true", "fs": "true", "env": "prod"}
    assert simple["action"]["notify"]["recipients"] == ["recipients/ann"]
    assert simple["action"]["notify"]["to"] == ["ops@example.com"]
    assert found["healthchecks/803f680d-e89b-492b-82ef-2be7b774a92d"]["state"] == "PAUSED"
    assert set(refused(plan)) == {"checks[0].success_kw", "checks[2].ping_url", "checks[3].schedule"}
    assert {one.place for one in plan.changed} == {"checks[0].methods", "checks[0].channels", "checks[1].manual_resume"}


# -- calendars and Celery ------------------------------------------------------------------------------------------------------


def test_events_become_alarms_at_their_reminders() -> None:
    """An occurrence with another title is its own event, taken out of the series; times are in the zone of the file."""
    plan = read_calendar_alarms(text("events.ics"), ANN, time_zone="UTC", now=NOW)
    found = bodies(plan)
    assert list(found) == [
        "ics/standup@example.com",
        "ics/standup@example.com/1",
        "ics/standup@example.com/20270111T091500",
        "ics/party@example.com",
    ]
    series = found["ics/standup@example.com"]
    assert series["trigger"]["offset"] == "-600s"
    assert 'EXDATE;TZID="W. Europe Standard Time":20270111T091500' in series["trigger"]["rrule"]
    assert series["action"]["notify"]["text"] == "In the kitchen.\nBring coffee and a good mood."
    assert "20270111T140000" in found["ics/standup@example.com/20270111T091500"]["trigger"]["rrule"]
    assert found["ics/party@example.com"]["trigger"]["timeZone"] == "Europe/Berlin"
    assert set(refused(plan)) == {"line 53", "line 64"}


def test_a_beat_schedule_becomes_alarms() -> None:
    """However Celery writes its schedules: both orders of fields, intervals as seconds, frequency or timedelta."""
    plan = read_beats(text("beats.json"), action="task", time_zone="UTC", now=NOW)
    found = bodies(plan)
    assert {name: one["trigger"] for name, one in found.items()} == {
        "celery/add-every-30-seconds": {"every": "30s"},
        "celery/monday": {"cron": "30 7 * * 1", "timeZone": "Europe/Vienna"},
        "celery/old monday": {"cron": "0 5 * * 1", "timeZone": "Europe/Vienna"},
        "celery/freq": {"every": "90s"},
        "celery/delta": {"every": "93784s"},
        "celery/repr": {"every": "86430s"},
    }
    assert found["celery/add-every-30-seconds"]["action"] == {"task": {"handler": "tasks.add", "input": {"args": [16, 16], "kwargs": {}}}}
    assert len(plan.refused) == 4


def test_a_dump_of_django_celery_beat_becomes_alarms() -> None:
    """Rows find their schedules; what is disabled is paused, what has an end keeps it."""
    plan = read_beats(text("django_beats.json"), action="task", time_zone="UTC", now=NOW)
    found = bodies(plan)
    contacts = found["celery/Importing contacts"]
    assert contacts["trigger"] == {"every": "600s", "endTime": "2030-01-01T00:00:00Z"}
    assert (contacts["state"], contacts["action"]["task"]["input"]) == ("PAUSED", {"args": ["arg1"], "kwargs": {"be_careful": True}})
    assert found["celery/Mornings"]["trigger"] == {"cron": "0 4,5 * * mon-fri", "timeZone": "Asia/Tokyo"}
    assert found["celery/Once"]["trigger"] == {"at": "2027-03-01T09:00:00Z"}
    assert set(refused(plan)) == {"[2].fields", "[10].fields.interval", "[11].fields.args"}


# -- hostile files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04....", "zip"),
        (b"\x1f\x8b....", "gzip"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b"a\nb\xff", "byte 0xff in line 2"),
        (b"a\n\nb\x00", "NUL in line 3"),
        (b" " * (MOST_BYTES + 1), "larger than 16 MiB"),
    ],
)
def test_files_that_are_no_text_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    """With the reason, after no more than may be read."""
    file = tmp_path / "file"
    file.write_bytes(data)
    with pytest.raises(InvalidInput, match=words):
        read_text(str(file))


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    """It is left out."""
    file = tmp_path / "file"
    file.write_bytes(b"\xef\xbb\xbf@daily x")
    assert read_text(str(file)) == "@daily x"


Reader = Callable[[str], ImportPlan]
_JSON: dict[str, Reader] = {
    "oncall": lambda given: read_oncall(given, name="x", now=NOW),
    "healthchecks": lambda given: read_checks(given, ANN, now=NOW),
    "celery": lambda given: read_beats(given, action="task", time_zone="UTC", now=NOW),
}


@pytest.mark.parametrize("kind", _JSON)
@pytest.mark.parametrize("given", ["", "{", "null", "7", '"x"', "[" * 100_000, "9" * 5000, '{"a": NaN'])
def test_what_is_no_document_is_refused(kind: str, given: str) -> None:
    """As a whole, in words."""
    with pytest.raises(InvalidInput):
        _JSON[kind](given)


_ODD: tuple[object, ...] = (None, True, 7, 1e300, "x", "\ud800", "x" * 100_000, [], [[]], [7], {}, {"a": 1})


@pytest.mark.parametrize("odd", _ODD, ids=lambda value: str(value)[:20].encode("ascii", "replace").decode())
@pytest.mark.parametrize(
    ("kind", "file"),
    [("oncall", "oncall.json"), ("healthchecks", "checks.json"), ("celery", "beats.json"), ("celery", "django_beats.json")],
)
def test_any_value_may_be_anything(kind: str, file: str, odd: object) -> None:
    """Each value of each example in turn is something else: that is refused, or what it belongs to, or taken; nothing breaks."""
    for place, document in _bent(json.loads(text(file)), odd):
        plan = ImportPlan()
        with suppress(InvalidInput):
            plan = _JSON[kind](json.dumps(document))
        assert all(one.place and one.reason for one in plan.refused), place
        json.dumps([one.body for one in plan.resources], ensure_ascii=False).encode()


def _bent(document: Any, odd: object) -> list[tuple[str, Any]]:
    """The document, with each of its values replaced in turn."""
    found: list[tuple[str, Any]] = []
    keys = list(document) if isinstance(document, dict) else list(range(len(document))) if isinstance(document, list) else []
    for key in keys:
        changed = dict(document) if isinstance(document, dict) else list(document)
        changed[key] = odd
        found.append((str(key), changed))
        for place, inner in _bent(document[key], odd):
            deeper = dict(document) if isinstance(document, dict) else list(document)
            deeper[key] = inner
            found.append((f"{key}.{place}", deeper))
    return found


@pytest.mark.parametrize("time", ["20260231T000000Z", "00000101T000000Z", "20261231T246000Z", "99999999T999999Z"])
def test_a_reminder_at_no_time_is_refused(time: str) -> None:
    """Where it stands; the other reminders of the event are taken."""
    alarm = "BEGIN:VALARM\nTRIGGER;VALUE=DATE-TIME:{}\nEND:VALARM"
    event = "\n".join(("BEGIN:VEVENT", "UID:1", "DTSTART:20990101T090000Z", *map(alarm.format, (time, "20981231T090000Z")), "END:VEVENT"))
    plan = read_calendar_alarms(f"BEGIN:VCALENDAR\n{event}\nEND:VCALENDAR", ANN, time_zone="UTC", now=NOW)
    assert [(one.place, one.reason) for one in plan.refused] == [("line 2", f"its reminder {time} is a time that does not exist")]
    assert [one.body["trigger"] for one in plan.resources] == [{"at": "2098-12-31T09:00:00Z"}]


# -- the command ---------------------------------------------------------------------------------------------------------------


def test_a_dry_run_asks_no_server_and_says_what_is_lost(tmp_path: Path) -> None:
    """Exit code 1 unless that is fine."""
    arguments = ("import", "celery", str(FILES / "beats.json"), "--dry-run")
    done = tocsin(*arguments, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, len(report["taken"]), len(report["notTaken"]), done.stderr) == (1, 6, 4, "")
    assert tocsin(*arguments, "--partial").returncode == 0
    assert "nothing was made" in tocsin(*arguments).stdout
    assert tocsin("import", "ics", str(FILES / "events.ics"), "--dry-run").returncode == 2, "nobody is told"
    assert tocsin("import", "oncall", str(tmp_path / "none"), "--dry-run").returncode == 1


def test_resources_are_made_once(gateway: Gateway, state: Path, tmp_path: Path) -> None:
    """What is there and says the same is unchanged; a person keeps what they set since; a refusal of the server is told with its place."""
    export = {
        "users": [{"id": "A", "username": "a", "email": "a@x.org"}],
        "escalation_chains": [{"id": "C", "name": "Chain"}],
        "escalation_policies": [{"id": "E", "escalation_chain_id": "C", "type": "notify_persons", "persons_to_notify": ["A"]}],
    }
    file = tmp_path / "export.json"
    file.write_text(json.dumps(export))
    problem = {"code": "ALREADY_EXISTS", "detail": "there", "details": []}
    gateway.answers["POST", "/v1/recipients"] = (409, problem)
    gateway.answers["GET", "/v1/recipients/a"] = (200, {"name": "recipients/a"})
    stored = {"name": "escalationPolicies/C", "etag": "1"}
    gateway.answers["GET", "/v1/escalationPolicies/C"] = (200, stored)
    gateway.answers["PATCH", "/v1/escalationPolicies/C"] = (200, {**stored, "etag": "2"})
    done = tocsin("import", "oncall", str(file), "--state", str(state), "--json")
    assert done.returncode == 0, done.stderr
    assert [one["outcome"] for one in json.loads(done.stdout)["taken"]] == ["unchanged", "unchanged"]
    violation = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "steps", "description": "no"}]}
    gateway.answers["PATCH", "/v1/escalationPolicies/C"] = (400, {"code": "INVALID_ARGUMENT", "detail": "bad", "details": [violation]})
    done = tocsin("import", "oncall", str(file), "--state", str(state), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["notTaken"] == [{"place": "escalation_chains[0]", "name": "Chain", "reason": "steps: no"}]
