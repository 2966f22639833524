"""What the command shows of the scheduler, against a small real gateway."""

import json
from typing import Any

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, tocsin

__all__ = ["gateway"]

SUMMARY: dict[str, Any] = {
    "alarms": "3",
    "expected": "12",
    "found": "12",
    "outcomes": {"FIRED": "10", "LATE": "2"},
    "startTime": "2026-01-01T00:00:00Z",
    "endTime": "2026-01-02T00:00:00Z",
}
MISSING = {"kind": "MISSING", "alarm": "alarms/1", "dueTime": "2026-01-01T09:00:00Z"}
UNEXPECTED = {"kind": "UNEXPECTED", "alarm": "alarms/2", "dueTime": "2026-01-01T10:00:00Z", "firing": "firings/9"}
PERIOD = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")


def streamed(*messages: dict[str, Any]) -> bytes:
    """A stream, as the gateway sends it."""
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


@pytest.fixture
def at(gateway: Gateway) -> tuple[str, ...]:
    """The flags that name the gateway."""
    return ("--url", gateway.url, "--api-key", "k")


def test_an_audit_without_findings_is_an_account(gateway: Gateway, at: tuple[str, ...]) -> None:
    """What was looked at is shown, and the exit code says that all is well."""
    gateway.answers["GET", "/v1/firings:audit"] = (200, streamed({"summary": SUMMARY}))
    done = tocsin("audit", *PERIOD, *at)
    assert (done.returncode, done.stderr) == (0, "")
    shown = {name: rest.strip() for name, _, rest in (line.strip().partition(" ") for line in done.stdout.splitlines())}
    assert (shown["fired"], shown["late"], shown["rows"], shown["missing"], shown["unexpected"]) == ("10", "2", "12", "0", "0")
    assert shown["period"] == "2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z"


def test_an_audit_says_of_what_it_could_not_tell(gateway: Gateway, at: tuple[str, ...]) -> None:
    """A period that begins before what is kept, or ends after now; the one that is taken unless given may be shorter."""
    gateway.answers["GET", "/v1/firings:audit"] = (200, streamed({"summary": SUMMARY}))
    done = tocsin("audit", "--from", "2025-01-01T00:00:00Z", "--to", "2026-01-02T00:00:01Z", *at)
    assert done.returncode == 0
    assert [line.partition(";")[0] for line in done.stderr.splitlines()] == [
        "tocsin: --from: audited from 2026-01-01T00:00:00Z",
        "tocsin: --to: audited to 2026-01-02T00:00:00Z",
    ]
    assert tocsin("audit", *at).stderr == ""


@pytest.mark.parametrize("group", ["policy", "route", "dependency"])
def test_apply_of_one_kind_speaks_of_its_argument(at: tuple[str, ...], group: str) -> None:
    """It has no option --file."""
    done = tocsin(group, "apply", "/nonexistent.yaml", *at)
    assert (done.returncode, "FILE" in done.stderr, "--file" in done.stderr) == (2, True, False), done.stderr


@pytest.mark.parametrize(("finding", "count"), [(MISSING, "missing"), (UNEXPECTED, "unexpected")])
def test_a_finding_gives_exit_code_1(gateway: Gateway, at: tuple[str, ...], finding: dict[str, Any], count: str) -> None:
    """A script stops; a person sees which alarm, and when."""
    gateway.answers["GET", "/v1/firings:audit"] = (200, streamed({"finding": finding}, {"summary": {**SUMMARY, count: "1"}}))
    done = tocsin("audit", *PERIOD, *at)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].split() == [str(value) for value in (finding["kind"], finding["dueTime"], finding["alarm"])] + (
        [finding["firing"]] if "firing" in finding else []
    )
    lines = tocsin("audit", *PERIOD, *at, "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"finding": finding}, {"summary": {**SUMMARY, count: "1"}}]


def test_many_findings_are_cut_for_people(gateway: Gateway, at: tuple[str, ...]) -> None:
    """A hundred are shown, the others are counted."""
    gateway.answers["GET", "/v1/firings:audit"] = (
        200,
        streamed(*[{"finding": MISSING}] * 130, {"summary": {**SUMMARY, "missing": "130"}}),
    )
    done = tocsin("audit", "--from", "24h ago", *at)
    assert done.stdout.count("MISSING") == 100
    assert "... and 30 more" in done.stdout


def test_an_audit_that_was_cut_is_no_success(gateway: Gateway, at: tuple[str, ...]) -> None:
    """Without its summary nobody knows that everything was looked at."""
    gateway.answers["GET", "/v1/firings:audit"] = (200, streamed({"finding": MISSING}))
    done = tocsin("audit", *PERIOD, *at)
    assert done.returncode == 1
    assert "without a summary" in done.stderr


@pytest.mark.parametrize("words", ["yesterday", "3 parsecs ago", "2026-01-01T00:00:00"])
def test_a_time_that_is_none_is_refused(at: tuple[str, ...], words: str) -> None:
    """The complaint names the option."""
    done = tocsin("audit", "--from", words, *at)
    assert done.returncode == 2
    assert "--from" in done.stderr


def test_a_backfill_goes_on_until_all_is_done(gateway: Gateway, at: tuple[str, ...]) -> None:
    """It calls again where it was left; the counts are of all calls."""
    gateway.answers["POST", "/v1/alarms/1:backfill"] = (200, {"fired": 3, "known": 4})
    done = tocsin("alarm", "backfill", "1", *PERIOD, *at)
    assert (done.returncode, done.stdout) == (0, "3 fired, 4 already in the ledger\n")
    ((_, _, _, body),) = gateway.asked
    assert body == {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-02T00:00:00Z", "limit": 1000}
    gateway.answers["POST", "/v1/alarms/1:backfill"] = (200, {"fired": 5, "nextStartTime": "2026-01-01T05:00:00Z"})
    done = tocsin("alarm", "backfill", "alarms/1", *PERIOD, "--limit", "8", *at)
    assert done.stdout == "10 fired, 0 already in the ledger; continue with --from 2026-01-01T05:00:00Z\n"
    assert [(body["startTime"], body["limit"]) for _, _, _, body in gateway.asked[1:]] == [
        ("2026-01-01T00:00:00Z", 8),
        ("2026-01-01T05:00:00Z", 3),
    ]


def test_a_forecast_is_a_table_of_hours(gateway: Gateway, at: tuple[str, ...]) -> None:
    """Each hour with its fires, its busiest minute and a bar; nothing planned says so."""
    minutes = [
        {"startTime": "2026-01-01T09:00:00Z", "fires": "3"},
        {"startTime": "2026-01-01T09:05:00Z", "fires": "7"},
        {"startTime": "2026-01-01T11:30:00Z", "fires": "5"},
    ]
    gateway.answers["GET", "/v1/forecast"] = (200, {"minutes": minutes, "total": "15"})
    _, nine, eleven = tocsin("forecast", *at).stdout.splitlines()
    assert nine.split() == ["2026-01-01", "09:00Z", "10", "09:05", "(7)", "█" * 40]
    assert eleven.split() == ["2026-01-01", "11:00Z", "5", "11:30", "(5)", "█" * 20]
    gateway.answers["GET", "/v1/forecast"] = (200, {})
    assert tocsin("forecast", *at).stdout == "No planned firings.\n"


def test_stats_are_a_table(gateway: Gateway, at: tuple[str, ...]) -> None:
    """Every number that an operator asks for, in words."""
    answer = {
        "replica": "01J",
        "startTime": "2026-01-01T00:00:00Z",
        "alarms": {"ACTIVE": "10", "PAUSED": "0"},
        "outcomes": {"FIRED": "200"},
        "queued": {"NORMAL": "4"},
        "leased": "2",
        "processors": 1,
        "indexAlarms": "9",
        "horizonSeconds": 60,
        "indexSpread": [{"alarms": "4"}, {"second": 3, "alarms": "5"}],
        "lateness": [
            {"atMostSeconds": 0.01, "fires": "120"},
            {"atMostSeconds": 0.05, "fires": "198"},
            {"atMostSeconds": "Infinity", "fires": "200"},
        ],
        "replicas": [{"owner": "01J", "address": "here:9002", "shards": "0-255", "shardCount": 256}],
        "memoryBytes": str(50 * 1024 * 1024),
        "cpuSeconds": 1.25,
        "tzdataVersion": "2026a",
    }
    gateway.answers["GET", "/v1/scheduler/stats"] = (200, answer)
    done = tocsin("stats", *at)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "10 active, 0 paused",
        "9 alarms within 60 s, at most 5 in a second",
        "50% within 0.01 s, 99% within 0.05 s, 100% within Infinity s of 200",
        "50 MB, 1.2 s of CPU",
        "01J at here:9002: 256 shards 0-255",
    ):
        assert words in done.stdout
    gateway.answers["GET", "/v1/scheduler/stats"] = (200, {})
    assert "no firings" in tocsin("stats", *at).stdout
    assert json.loads(tocsin("stats", *at, "--json").stdout) == {}


def test_replans_are_listed(gateway: Gateway, at: tuple[str, ...]) -> None:
    """Which alarm moved from when to when, and why."""
    one = {"alarm": "alarms/1", "time": "t", "tzdataBefore": "2026a", "tzdataAfter": "2026b", "dueBefore": "x"}
    gateway.answers["GET", "/v1/scheduler/replans"] = (200, {"replans": [one]})
    assert tocsin("replans", *at).stdout.splitlines()[1].split() == ["alarms/1", "t", "2026a", "to", "2026b", "x", "-"]
    gateway.answers["GET", "/v1/scheduler/replans"] = (200, {})
    assert tocsin("replans", *at).stdout == "No due time has changed.\n"
