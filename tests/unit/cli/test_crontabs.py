"""`tocsin import crontab`: what jobs become, and their lines."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli.imports.crontabs import CrontabOptions, read_crontab
from tocsin.cli.imports.plan import Audience, ImportPlan
from tocsin.errors import InvalidInput

CRONTAB = (Path(__file__).parent / "import_files" / "crontab").read_text()
NOW = round(datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1e6)
ANN = Audience(("recipients/ann",))


def bodies(plan: ImportPlan) -> dict[str, dict[str, Any]]:
    """The alarms, by their keys."""
    return {one.name: one.body for one in plan.resources}


def options(**changed: Any) -> CrontabOptions:
    """Of the machine web1."""
    numbers = count(1)
    values: dict[str, Any] = {
        "host": "web1",
        "system": False,
        "time_zone": "Europe/Berlin",
        "grace": 1800,
        "url": "https://tocsin.example.com",
        "audience": Audience(),
        "pings": {},
        "new_ping": lambda: f"00000000-0000-0000-0000-{next(numbers):012}",
    }
    return CrontabOptions(**(values | changed))


def test_jobs_become_heartbeats_and_their_lines_ping() -> None:
    """Comments are names, MAILTO is who is told, CRON_TZ the zone; % and comments stay what they are; the others are told."""
    plan = read_crontab(CRONTAB, options(), now=NOW)
    assert [(one["displayName"], one["action"]["notify"]["to"]) for one in bodies(plan).values()] == [
        ("Nightly backup", ["ops@example.com"]),
        ("mail -s 'Good \\% morning' team@example.com%Hello,%the day begins.", ["ops@example.com"]),
        ("exec /opt/sync", ["ops@example.com"]),
        ("poll > /dev/null 2>&1 &", ["ops@example.com"]),
    ]
    send = "; curl -fsS -m 10 --retry 5 -o /dev/null https://tocsin.example.com/ping/00000000-0000-0000-0000-00000000000{}/$?"
    assert plan.crontab[6] == "30 2 * * *\tbackup --all" + send.format(1)
    assert plan.crontab[8] == f"0 9 * * mon-fri mail -s 'Good \\% morning' team@example.com{send.format(2)}%Hello,%the day begins."
    assert plan.crontab[9] == "@hourly ( exec /opt/sync )" + send.format(3)
    assert plan.crontab[10] == "*/5 * * * * ( poll > /dev/null 2>&1 & )" + send.format(4)
    assert plan.crontab[11:] == CRONTAB.splitlines()[11:]
    assert {one.place for one in plan.refused} == {f"line {number}" for number in (12, 13, 14, 16, 18, 19)}


def test_a_crontab_that_pings_already_is_the_same_again() -> None:
    """The keys of the alarms, the ids of the pings and the lines; a new schedule is a change of the same alarm."""
    first = read_crontab(CRONTAB, options(), now=NOW)
    again = read_crontab("\n".join(first.crontab).replace("30 2 * * *", "30 3 * * *"), options(), now=NOW)
    assert bodies(again).keys() == bodies(first).keys()
    assert again.crontab == [line.replace("30 2 * * *", "30 3 * * *") for line in first.crontab]
    known = {name: one["trigger"]["heartbeat"]["key"] for name, one in bodies(first).items()}
    assert read_crontab(CRONTAB, options(pings=known), now=NOW).crontab == first.crontab


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly", ("root", "cd / && run-parts --report /etc/cron.hourly")),
        ("@daily www-data  php cron.php", ("www-data", "php cron.php")),
        ("-*/15 * * * * root quiet", ("root", "quiet")),
        ("17 * * * * root", None),
    ],
)
def test_the_form_of_etc_crontab(line: str, expected: tuple[str, str] | None) -> None:
    """Names the user between the schedule and the command."""
    plan = read_crontab(line, options(system=True, task="cron", audience=ANN), now=NOW)
    inputs = [(one["action"]["task"]["input"]["user"], one["action"]["task"]["input"]["command"]) for one in bodies(plan).values()]
    assert inputs == ([expected] if expected else [])
    assert bool(plan.refused) is (expected is None)


def test_jobs_may_run_here_instead() -> None:
    """By a webhook with what the line says; the crontab is not to run them as well."""
    plan = read_crontab("0 4 * * 1 reindex", options(webhook="https://ci.example.com/hook"), now=NOW)
    (alarm,) = bodies(plan).values()
    assert alarm["trigger"] == {"cron": "0 4 * * 1", "timeZone": "Europe/Berlin"}
    assert alarm["action"]["webhook"]["body"] == {"host": "web1", "user": "", "command": "reindex", "schedule": "0 4 * * 1"}
    assert "twice" in plan.changed[0].reason


def test_what_other_shells_run_is_wrapped_by_hand() -> None:
    """Theirs may not know $?; nor is a # in quotes touched."""
    plan = read_crontab("SHELL=/usr/bin/fish\n@daily a\nSHELL=/bin/sh\n@daily echo 'x # y'\n", options(audience=ANN), now=NOW)
    assert plan.crontab == ["SHELL=/usr/bin/fish", "@daily a", "SHELL=/bin/sh", "@daily echo 'x # y'"]
    assert ["by hand" in one.reason for one in plan.changed] == [True, True]


def test_100_000_lines_are_read() -> None:
    """And one more is refused."""
    line = "* * * * * x\n"
    plan = read_crontab((line * 1000) + "# y\n" * 99_000, options(audience=ANN), now=NOW)
    assert len(bodies(plan)) == 1000, "the same job twice is two"
    with pytest.raises(InvalidInput, match="100000 lines"):
        read_crontab("\n" * 100_001, options(), now=NOW)
