"""`tocsin preview`: every form of a rule, from a text, a file or stdin, without a server."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tocsin.cli.app import make_app
from tocsin.recurrence import Cron, OnCalendar, Recurrence, spec_of

EVENT = "BEGIN:VEVENT\nSUMMARY:x\nDTSTART;TZID=W. Europe Standard Time:20270104T090000\nRRULE:FREQ=WEEKLY\nEND:VEVENT\n"


def _previewed(*words: str, given: str | None = None) -> list[str]:
    found = CliRunner().invoke(make_app(["preview"]), ["preview", *words, "--from", "2027-01-01T00:00:00Z", "--json"], input=given)
    assert found.exit_code == 0, found.output
    return [one["time"] for one in json.loads(found.output)["occurrences"]]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("0 9 * * MON", ["2027-01-04T09:00:00Z", "2027-01-11T09:00:00Z"]),
        ("CRON_TZ=Europe/Berlin 0 9 * * MON", ["2027-01-04T08:00:00Z", "2027-01-11T08:00:00Z"]),
        ("Mon *-*-* 09:00:00 Europe/Berlin", ["2027-01-04T08:00:00Z", "2027-01-11T08:00:00Z"]),
        ("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", ["2027-01-04T09:00:00Z", "2027-01-11T09:00:00Z"]),
        (EVENT, ["2027-01-04T08:00:00Z", "2027-01-11T08:00:00Z"]),
        ("DTSTART:20270104T090000Z\\nRRULE:FREQ=WEEKLY", ["2027-01-04T09:00:00Z", "2027-01-11T09:00:00Z"]),
    ],
)
def test_a_rule_is_read_in_each_form(rule: str, expected: list[str], tmp_path: Path) -> None:
    """As a text, from a file, and from stdin."""
    assert _previewed(rule, "--number", "2") == expected
    if "\\n" not in rule:
        file = tmp_path / "rule"
        file.write_text(rule, encoding="utf-8")
        assert _previewed(str(file), "--number", "2") == expected
        assert _previewed("-", "--number", "2", given=rule) == expected


def test_options_move_and_leave_out(tmp_path: Path) -> None:
    """So much before, without a date, and without what an .ics file holds."""
    holidays = tmp_path / "holidays.ics"
    holidays.write_text("BEGIN:VEVENT\nDTSTART;VALUE=DATE:20270102\nEND:VEVENT\n", encoding="utf-8")
    words = ("0 9 * * *", "--number", "2", "--before", "10m", "--exclude", "2027-01-01", "--exclude-ics", str(holidays))
    shown = CliRunner().invoke(make_app(["preview"]), ["preview", *words, "--from", "2027-01-01T00:00:00Z"])
    assert [line.split()[0::2][0] for line in shown.output.splitlines()[1:]] == [
        *("2027-01-01T08:50:00Z", "2027-01-02T08:50:00Z", "2027-01-03T08:50:00Z", "2027-01-04T08:50:00Z")
    ]
    assert [line.split()[-1] for line in shown.output.splitlines()[1:]] == ["excluded", "excluded", "plain", "plain"]


def test_what_is_wrong_is_told_and_a_form_is_guessed() -> None:
    """By the field of the form that it looks like."""
    found = CliRunner().invoke(make_app(["preview"]), ["preview", "0 25 * * *"])
    assert "hour: 25 is not within 0-23" in str(found.exception)
    assert isinstance(spec_of("0 25 * * *"), Cron)
    assert isinstance(spec_of("@fortnightly"), Cron)
    assert isinstance(spec_of("09:00:61"), OnCalendar)
    assert isinstance(spec_of("hourly"), OnCalendar)
    assert isinstance(spec_of("\ufeffbegin:vcalendar"), Recurrence)
