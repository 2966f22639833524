"""People through the real gateway: the commands, and the REST calls beneath them."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from tocsin.cli.app import make_app
from tocsin.testing.stack import RunningStack

pytestmark = pytest.mark.e2e
Command = Callable[..., str]


@pytest.fixture
def tocsin(stack: RunningStack, stranger: httpx2.AsyncClient) -> Command:
    """Runs a command in this process as the administrator of a fresh tenant; its output."""
    runner = CliRunner()
    where = ["--url", str(stack.info["http"]), "--api-key", stranger.headers["authorization"].removeprefix("Bearer ")]

    def run(*arguments: str, code: int = 0) -> str:
        done = runner.invoke(make_app(arguments), [*arguments, *where])
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    return run


async def test_a_person_is_added_proved_and_asked(tocsin: Command, stranger: httpx2.AsyncClient) -> None:
    """A recipient whose address a code proves; what it wants; its group; and an end."""
    run = tocsin

    def first() -> str:
        assert "recipients/ann created" in run(
            "recipient", "add", "ann", "--name", "Ann", "--address", "email=Ann@Example.com", "--locale", "de-ch"
        )
        run("recipient", "update", "ann", "--time-zone", "Europe/Zurich", "--attributes", '{"plan": "gold"}')
        shown = json.loads(run("recipient", "get", "ann", "--json"))
        assert (shown["locale"], shown["timeZone"], shown["attributes"]) == ("de-CH", "Europe/Zurich", {"plan": "gold"})
        assert "PENDING" in run("recipient", "get", "ann")
        address = shown["addresses"][0]["name"]
        assert "gets a code" in run("recipient", "address", "code", address)
        return address

    address = await asyncio.to_thread(first)
    messages = (await stranger.get("/v1/inbox/messages")).json()["messages"]
    assert [message["to"] for message in messages] == [["ann@example.com"]]
    code = re.search(r"[0-9]{8}", messages[0]["text"])
    assert code is not None
    assert "Geben Sie diesen Code ein" in messages[0]["text"], "in the language of the recipient"
    assert code[0] not in messages[0]["subject"], "which lists of deliveries and previews of a phone show"

    def then() -> None:
        assert "is ACTIVE" in run("recipient", "address", "verify", address, code[0])
        run("recipient", "address", "add", "ann", "email", "second@example.com", "--verified")
        run("group", "add", "oncall", "--name", "On call")
        assert "has 1 member" in run("group", "join", "oncall", "ann")
        assert "recipients/ann" in run("group", "members", "oncall")
        assert "recipients/ann" in run("recipient", "list", "--filter", 'group="oncall" AND display_name="an*"')
        wants = json.loads(
            run(
                "recipient", "preferences", "set", "ann", "--choice", "news/*=off", "--quiet", "daily 10pm-7:00", "--cap", "10/1h", "--json"
            )
        )
        assert wants["choices"] == [{"category": "news", "channel": "*", "enabled": False}]
        assert len(wants["quietHours"]["times"]) == 7
        assert wants["cap"] == {"count": 10, "window": "3600s"}
        assert json.loads(run("recipient", "preferences", "get"))["name"] == "preferences"
        assert "quietHours" in run("recipient", "preferences", "set", "--no-quiet").split()
        run("category", "add", "news", "--kind", "marketing", "--channel", "email", "--digest", "10m")
        run("category", "update", "news", "--name", "News")
        assert "600s" in run("category", "list")
        name = run("suppression", "add", "email", "Gone@Example.com", "--detail", "moved").split()[0]
        assert "gone@example.com" in run("suppression", "list", "--filter", 'reason="MANUAL"')
        run("suppression", "delete", name)
        run("category", "delete", "news")
        run("group", "leave", "oncall", "recipients/ann")
        run("group", "delete", "oncall")
        run("recipient", "address", "remove", address)
        run("recipient", "delete", "ann")
        assert "No recipients" in run("recipient", "list")

    await asyncio.to_thread(then)


def field_of(refused: httpx2.Response) -> str:
    """The field that a problem names, as the caller's body has it."""
    (found,) = (detail["fieldViolations"][0]["field"] for detail in refused.json()["details"] if "fieldViolations" in detail)
    return found


async def test_what_is_wrong_is_told_alike(tocsin: Command, stranger: httpx2.AsyncClient) -> None:
    """By REST as a problem with its field, by a command with its exit code."""
    refused = await stranger.post("/v1/recipients", json={"name": "recipients/x", "addresses": [{"channel": "email", "value": "x"}]})
    assert (refused.status_code, field_of(refused)) == (400, "addresses[0].value")
    assert (await stranger.post("/v1/recipients", json={"name": "recipients/eve", "displayName": "Eve"})).is_success
    kept = await stranger.patch("/v1/recipients/eve", json={"displayName": "E", "addresses": []})
    assert (kept.status_code, kept.json()["displayName"]) == (200, "E")
    refused = await stranger.patch("/v1/recipients/eve", json={"addresses": [{"channel": "email", "value": "eve@example.com"}]})
    assert (refused.status_code, field_of(refused)) == (400, "addresses")
    always = [{"weekday": day, "start": "00:00", "end": "00:00"} for day in range(1, 8)]
    refused = await stranger.put("/v1/preferences", json={"quietHours": {"times": always}})
    assert (refused.status_code, field_of(refused)) == (400, "quietHours.times")
    assert (await stranger.get("/v1/recipients/nobody/preferences")).status_code == 404

    def commands() -> None:
        tocsin("recipient", "add", "--address", "email=x", code=1)
        for wrong in (("--choice", "news=off"), ("--quiet", "noon"), ("--cap", "10"), ()):
            tocsin("recipient", "preferences", "set", "ann", *wrong, code=2)
        tocsin("recipient", "update", "ann", code=2)
        tocsin("recipient", "get", "alarms/x", code=1)

    await asyncio.to_thread(commands)


async def test_people_are_imported_and_exported_by_the_file(tocsin: Command, tmp_path: Path) -> None:
    """A table goes in, lines come out, and go in again without a change; the same for addresses that get nothing."""
    table, lines, bad = tmp_path / "people.csv", tmp_path / "people.ndjson", tmp_path / "bad.ndjson"
    table.write_text("name,displayName,email,verified\nrecipients/ann,Ann,ann@example.com,true\nrecipients/bob,Bob,nonsense,\n")
    gone = tmp_path / "gone.csv"
    gone.write_text("channel,address,reason\nemail,gone@example.com,BOUNCE\n")

    def commands() -> None:
        assert "1 created" in tocsin("import", "recipients", str(table), "--errors", str(bad), code=1)
        refused = json.loads(bad.read_text())
        assert (refused["line"], refused["field"]) == ("3", "addresses[0].value")
        tocsin("export", "recipients", str(lines))
        assert json.loads(lines.read_text())["addresses"][0]["state"] == "ACTIVE"
        assert "1 unchanged" in tocsin("import", "recipients", str(lines))
        assert "1 created" in tocsin("import", "suppressions", str(gone))
        assert "gone@example.com" in tocsin("export", "suppressions")
        teams, kinds = tmp_path / "teams.csv", tmp_path / "kinds.csv"
        teams.write_text("name,displayName,members\ngroups/all,All,groups/ops\ngroups/ops,Ops,recipients/ann;recipients/nobody\n")
        assert "1 created, 0 updated, 0 unchanged, 1 refused" in tocsin("import", "groups", str(teams), code=1)
        teams.write_text("name,displayName,members\ngroups/ops,Ops,recipients/ann\n")
        assert "1 updated" in tocsin("import", "groups", str(teams))
        assert "2 groups exported" in tocsin("export", "groups", str(lines))
        assert "2 unchanged" in tocsin("import", "groups", str(lines), "--dry-run")
        kinds.write_text("name,kind\ncategories/news,MARKETING\n")
        assert "1 created" in tocsin("import", "categories", str(kinds))
        assert "1 category exported" in tocsin("export", "categories", str(lines))
        assert "1 unchanged" in tocsin("import", "categories", str(lines))
        tocsin("import", "recipients", code=2)
        tocsin("import", "pigeons", str(lines), code=2)

    await asyncio.to_thread(commands)


async def test_an_alarm_for_people_who_are_not_there_is_taken_with_a_warning(stranger: httpx2.AsyncClient) -> None:
    """By field and reason, at creation, change and validation; once they are there, nothing is said."""
    notify = {
        "recipients": ["recipients/later", "groups/later", "rotations/later"],
        "category": "categories/later",
        "subject": "s",
        "text": "t",
    }
    layer = {"start": "2026-01-05T09:00:00", "turnUnit": "WEEKS", "turnCount": 1, "participants": [{"recipients": ["recipients/later"]}]}
    alarm = {"displayName": "early", "trigger": {"every": "3600s"}, "action": {"notify": notify}}
    made = (await stranger.post("/v1/alarms", json=alarm)).json()
    fields = [*(f"action.notify.recipients[{place}]" for place in range(3)), "action.notify.category"]
    assert [warning["field"] for warning in made["warnings"]] == fields
    assert "UNKNOWN_RECIPIENT" in made["warnings"][0]["reason"]
    assert "NOBODY_ON_CALL" in made["warnings"][2]["reason"]
    assert "transactional" in made["warnings"][3]["reason"]
    checked = (await stranger.post("/v1/alarms:validate", json={"trigger": alarm["trigger"], "action": alarm["action"]})).json()
    assert [warning["field"] for warning in checked["warnings"]] == fields
    assert "problems" not in checked
    for path, body in (
        ("recipients", {"name": "recipients/later"}),
        ("groups", {"name": "groups/later"}),
        ("rotations", {"name": "rotations/later", "timeZone": "UTC", "layers": [layer]}),
        ("categories", {"name": "categories/later"}),
    ):
        assert (await stranger.post(f"/v1/{path}", json=body)).status_code == 200
    again = (await stranger.post("/v1/alarms", json=alarm)).json()
    assert "warnings" not in again, again
