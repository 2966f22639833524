"""What people have elsewhere comes in by the command, twice, through a running stack; and who is on call goes out to calendar programs."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import icalendar
import pytest
from typer.testing import CliRunner

from tocsin.cli.app import make_app
from tocsin.clock import SystemClock
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
FILES = Path(__file__).parents[1] / "unit" / "cli" / "import_files"
Import = Callable[..., Any]


@pytest.fixture
def bring(stack: RunningStack, stranger: httpx2.AsyncClient) -> Import:
    """Runs `tocsin import` as the administrator of a fresh tenant; its report."""
    runner = CliRunner()
    where = ["--url", str(stack.info["http"]), "--api-key", stranger.headers["authorization"].removeprefix("Bearer ")]

    def run(*arguments: str, code: int = 0) -> Any:
        done = runner.invoke(make_app(["import", *arguments]), ["import", *arguments, "--json", *where])
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout)

    return run


async def test_oncall_comes_in_once(bring: Import, stranger: httpx2.AsyncClient) -> None:
    """People, rotations, overrides, policies and integrations with their keys; the second time nothing changes."""
    first = await asyncio.to_thread(bring, "oncall", str(FILES / "oncall.json"), code=1)
    assert (first["counts"]["created"], first["counts"]["unchanged"]) == (9, 0), first["notTaken"]
    assert first["created"]["integrations/CFRPV98RPR1U8"]["key"]
    rules = (await stranger.get("/v1/recipients/alex/rules")).json()
    assert rules["other"] == [{"channel": "email", "after": "0s"}, {"channel": "sms", "after": "300s"}]
    second = await asyncio.to_thread(bring, "oncall", str(FILES / "oncall.json"), code=1)
    assert second["counts"] == {"created": 0, "changed": 0, "unchanged": 9}
    assert second["notTaken"] == first["notTaken"]
    times = {"from": "2027-01-31T23:00:00Z", "to": "2027-02-01T23:00:00Z"}
    preview = (await stranger.get("/v1/rotations/S3Z477AHDXTMF:preview", params=times)).json()["intervals"]
    who = {(one["startTime"], tuple(one["recipients"])) for one in preview}
    assert ("2027-02-01T07:00:00Z", ("recipients/bea",)) in who, "the first of the month is of the next group"


async def test_checks_ping_by_the_same_path(bring: Import, stranger: httpx2.AsyncClient, stack: RunningStack) -> None:
    """The URL of healthchecks.io works with another host, without a key."""
    policy = {"name": "escalationPolicies/ops", "steps": [{"targets": ["recipients/ann"]}]}
    assert (await stranger.post("/v1/escalationPolicies", json=policy)).status_code == 200
    arguments = ("healthchecks", str(FILES / "checks.json"), "--policy", "ops", "--partial")
    first = await asyncio.to_thread(bring, *arguments)
    assert first["counts"] == {"created": 2, "changed": 0, "unchanged": 0}, first["notTaken"]
    assert (await asyncio.to_thread(bring, *arguments))["counts"] == {"created": 0, "changed": 0, "unchanged": 2}
    async with httpx2.AsyncClient(base_url=str(stack.info["http"])) as anybody:
        assert (await anybody.get("/ping/31365bce-8da9-4729-8ff3-aaa71d56b712")).status_code == 200
    alarms = (await stranger.get("/v1/alarms")).json()["alarms"]
    assert {alarm["displayName"]: alarm["signal"]["status"] for alarm in alarms}["Filesystem Backup"] == "OK"


async def test_jobs_of_a_crontab_ping(bring: Import, stranger: httpx2.AsyncClient, stack: RunningStack) -> None:
    """The printed lines hold pings that are taken; the printed crontab comes in as the same alarms."""
    first = await asyncio.to_thread(bring, "crontab", str(FILES / "crontab"), "--host", "web1", "--partial")
    assert first["counts"]["created"] == 4, first["notTaken"]
    (line,) = [line for line in first["crontab"] if "backup --all" in line]
    ping = line.rpartition(" ")[2].replace("$?", "0").removeprefix(str(stack.info["http"]))
    async with httpx2.AsyncClient(base_url=str(stack.info["http"])) as anybody:
        assert (await anybody.get(ping)).status_code == 200
    second = await asyncio.to_thread(bring, "crontab", str(FILES / "crontab"), "--host", "web1", "--partial")
    assert (second["counts"], second["crontab"]) == ({"created": 0, "changed": 0, "unchanged": 4}, first["crontab"])


async def test_events_and_beats_come_in(bring: Import, stranger: httpx2.AsyncClient) -> None:
    """As alarms, as a shared calendar, and as tasks; each twice."""
    calls = [
        ("ics", str(FILES / "events.ics"), "--to", "ann@example.com"),
        ("ics", str(FILES / "events.ics"), "--calendar", "team"),
        ("celery", str(FILES / "beats.json"), "--publish", "none:jobs"),
    ]
    made = []
    for call in calls:
        first = await asyncio.to_thread(bring, *call, "--partial")
        second = await asyncio.to_thread(bring, *call, "--partial")
        made.append((first["counts"]["created"], second["counts"]["created"], second["counts"]["changed"]))
    assert made[:2] == [(4, 0, 0), (1, 0, 0)]
    assert (await stranger.get("/v1/calendars/team")).json()["timeZone"] == "Europe/Berlin"


async def test_a_feed_is_asked_again_and_again(stranger: httpx2.AsyncClient, stack: RunningStack) -> None:
    """As a calendar program does: without a key, with the ETag, until it is revoked."""
    person = {"name": "recipients/ann", "displayName": "Ann"}
    assert (await stranger.post("/v1/recipients", json=person)).status_code == 200
    layer = {"participants": [{"recipients": ["recipients/ann"]}], "turnUnit": "WEEKS", "turnCount": 1, "start": "2026-01-05T09:00"}
    made = await stranger.post("/v1/rotations", json={"name": "rotations/shop", "timeZone": "Europe/Berlin", "layers": [layer]})
    assert made.status_code == 200, made.text
    url = (await stranger.post("/v1/rotations/shop:createFeed", json={})).json()["url"]
    path = "/v1/feeds/" + url.rpartition("/")[2]
    async with httpx2.AsyncClient(base_url=str(stack.info["http"])) as program:
        first = await program.get(path)
        assert (first.status_code, first.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
        events: Any = icalendar.Calendar.from_ical(first.content).walk("VEVENT")
        soon = SystemClock().now() + timedelta(minutes=1)
        assert [str(one["SUMMARY"]) for one in events if one["DTSTART"].dt <= soon < one["DTEND"].dt] == ["Ann"]
        again = await program.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert "max-age" in first.headers["cache-control"]
        await stranger.post("/v1/rotations/shop:revokeFeed", json={})
        assert (await program.get(path)).status_code == 404
