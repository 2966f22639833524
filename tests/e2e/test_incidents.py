"""An incident through all five services: an alarm opens it, people are asked by mail in turn, and answer by links and replies."""

import asyncio
import json
import re
import smtplib
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.test_alarm_people import Caller
from tocsin.testing.process import free_port
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.e2e

PUBLIC = "https://tocsin.example.org"
POLICY = {
    "name": "escalationPolicies/nights",
    "steps": [{"targets": ["recipients/ann"], "wait": "2s"}, {"targets": ["groups/others"], "wait": "600s"}],
}


async def test_people_are_asked_until_one_answers_by_the_link_and_hear_the_end(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """The second one acknowledges; both hear that, and that it is over; the timeline and the ledger say who was told when."""
    env = {
        "TOCSIN_MAILER_SMTP_HOST": "127.0.0.1",
        "TOCSIN_MAILER_SMTP_PORT": str(smtp_sink.port),
        "TOCSIN_MAILER_SMTP_TLS": "none",
        "TOCSIN_MAILER_SMTP_RETURN_PATH": "back@tocsin.example.org",
        "TOCSIN_MAILER_BOUNCE_PORT": str(port := free_port()),
        "TOCSIN_MAILER_INTAKE_DOMAIN": "alerts.example.org",
        "TOCSIN_PUBLIC_URL": PUBLIC,
    }
    with RunningStack(state=tmp_path / "state", env=env) as stack:
        async with stack.client() as client:
            await night(stack, client, smtp_sink)
            await cluster(stack, Caller(client), smtp_sink)
            await morning(Caller(client), smtp_sink, port)


async def night(stack: RunningStack, client: httpx2.AsyncClient, mails: SmtpSink) -> None:
    """The night of one incident."""
    caller = Caller(client)
    for name in ("ann", "bea"):
        address = {"channel": "email", "value": f"{name}@example.com", "state": "ACTIVE"}
        await caller.ask("POST", "/v1/recipients", {"name": f"recipients/{name}", "addresses": [address]})
    await caller.ask("POST", "/v1/groups", {"name": "groups/others"})
    await caller.ask("POST", "/v1/groups/others:addMembers", {"members": ["recipients/bea"]})
    file = stack.state / "nights.json"
    for text in ("{", "[]", json.dumps(POLICY), json.dumps(POLICY)):  # made, and then changed into the same
        file.write_text(text, encoding="utf-8")
        applied = await asyncio.to_thread(stack.command, "policy", "apply", str(file), check=False)
        assert (applied.returncode == 0) == (text == json.dumps(POLICY)), applied.stdout + applied.stderr
    listed = await asyncio.to_thread(stack.command, "policy", "list")
    assert "recipients/ann (wait 2s) > groups/others (wait 600s)" in listed.stdout
    notify = {"escalationPolicy": POLICY["name"], "subject": "The cellar is too warm", "text": "More than 8 degrees."}
    threshold = {"metric": "cellar.temperature", "comparison": "GREATER_THAN", "value": 8}
    alarm = await caller.ask(
        "POST", "/v1/alarms", {"trigger": {"threshold": threshold}, "action": {"notify": notify}, "priority": "CRITICAL"}
    )
    await caller.ask("POST", "/v1/readings", {"metric": "cellar.temperature", "value": 9.5})
    await mails.received(2)
    assert [mail.recipients for mail in mails.messages] == [("ann@example.com",), ("bea@example.com",)]
    [incident] = (await caller.ask("GET", "/v1/incidents", filter=f'source="{alarm["name"]}"'))["incidents"]
    assert (incident["state"], incident["severity"], incident["title"]) == ("TRIGGERED", "CRITICAL", "The cellar is too warm")

    link = link_of(mails.messages[1])
    page = await client.get(link)
    assert page.status_code == 200
    assert "The cellar is too warm" in page.text
    assert (await caller.ask("GET", f"/v1/{incident['name']}"))["state"] == "TRIGGERED", "a scanner follows links, too"
    answer = await client.post(link, data={"answer": "acknowledge"})
    assert (answer.status_code, "bea" in answer.text) == (200, True)
    taken = await caller.ask("GET", f"/v1/{incident['name']}")
    assert (taken["state"], taken["acknowledgedBy"]) == ("ACKNOWLEDGED", "recipients/bea")
    await mails.received(4)
    assert sorted(mail.recipients[0] for mail in mails.messages[2:4]) == ["ann@example.com", "bea@example.com"]
    assert all("acknowledged by bea" in body(mail) for mail in mails.messages[2:4])
    assert PUBLIC not in body(mails.messages[2]), "what is said afterwards needs no answer"

    await caller.ask("POST", "/v1/readings", {"metric": "cellar.temperature", "value": 5})
    await mails.received(6)
    assert {str(mail.message["Subject"]) for mail in mails.messages[4:]} == {"Resolved: The cellar is too warm"}
    await accounted(stack, caller, incident["name"], alarm["name"])


async def morning(caller: Caller, mails: SmtpSink, port: int) -> None:
    """Ann is told by her own rules, and answers by a reply; what a monitoring system mails opens an incident, too."""
    rules = {"urgent": [{"channel": "inbox"}, {"channel": "email", "after": "1s"}, {"channel": "email", "after": "600s"}]}
    await caller.ask("PUT", "/v1/recipients/ann/rules", rules)
    before = len(mails.messages)
    incident = await caller.ask("POST", "/v1/incidents", {"title": "It is warm again", "escalationPolicy": POLICY["name"]})
    await mails.received(before + 1)
    [mail] = [mail for mail in mails.messages[before:] if mail.recipients == ("ann@example.com",)]
    assert "Or reply: ack, resolve, snooze 1h" in body(mail)
    reply = EmailMessage()
    reply["From"], reply["To"], reply["Subject"] = "ann@example.com", mail.message["Reply-To"], "Re: It is warm again"
    reply.set_content("ack\n\nOn Sunday Tocsin wrote:\n> It is warm again\n")

    def hand_in() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.send_message(reply)

    await asyncio.to_thread(hand_in)
    taken = await caller.ask("GET", f"/v1/{incident['name']}")
    assert (taken["state"], taken["acknowledgedBy"]) == ("ACKNOWLEDGED", "recipients/ann")
    key = (await caller.ask("POST", "/v1/integrations", {"name": "integrations/nagios", "kind": "EMAIL"}))["key"]
    alert = EmailMessage()
    alert["From"], alert["To"], alert["Subject"] = "nagios@example.com", f"{key}@alerts.example.org", "PROBLEM: Fan of db-1"

    def report() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.send_message(alert)

    await asyncio.to_thread(report)
    [opened] = (await caller.ask("GET", "/v1/incidents", filter='source="integrations/nagios"'))["incidents"]
    assert (opened["state"], opened["title"]) == ("TRIGGERED", "PROBLEM: Fan of db-1")
    told = (await caller.ask("GET", "/v1/deliveries", filter='recipient="ann"'))["deliveries"]
    assert [(item["channel"], item["reason"]) for item in told if item["state"] == "HELD"] == [("email", "PERSONAL_RULE")]


async def accounted(stack: RunningStack, caller: Caller, incident: str, alarm: str) -> None:
    """Everything that happened is in the timeline, and everything that was told is in the ledger."""
    events = (await caller.ask("GET", f"/v1/{incident}/events"))["events"]
    assert [event["kind"] for event in events] == [
        *("TRIGGERED", "STEP", "STEP", "EXHAUSTED", "ACKNOWLEDGED", "UPDATE_SENT", "RESOLVED", "UPDATE_SENT"),
    ]
    assert (events[4]["actor"], events[4]["via"]) == ("recipients/bea", "link")
    assert events[6]["actor"] == alarm

    async def done() -> bool:
        told = await caller.ask("GET", "/v1/firings", filter='origin="ESCALATION"')
        return sorted(item["state"] for item in told["firings"]) == ["SUCCEEDED"] * 4

    await eventually(done, what="an end of every firing")
    told = await caller.ask("GET", "/v1/firings", filter='origin="ESCALATION"')
    assert {event["firing"] for event in events if event.get("firing")} == {item["name"] for item in told["firings"]}
    command = ("silence", "add", "--match", "source=alarms/*", "--match", "severity!=info", "--for", "2h", "--comment", "work")
    made = await asyncio.to_thread(stack.command, *command, "--json")
    expired = await asyncio.to_thread(stack.command, "silence", "expire", json.loads(made.stdout)["name"])
    assert "is EXPIRED" in expired.stdout
    silences = await asyncio.to_thread(stack.command, "silence", "list")
    assert "source=alarms/*, severity!=info" in silences.stdout
    shown = await asyncio.to_thread(stack.command, "incident", "show", incident)
    assert "RESOLVED" in shown.stdout
    assert "recipients/bea (link)" in shown.stdout


async def cluster(stack: RunningStack, caller: Caller, mails: SmtpSink) -> None:
    """Alerts of one cluster are one mail to Ann, what joins is one more with the link, and the end is told once; by the command line."""
    route = stack.state / "route.json"
    short = {"wait": "1s", "interval": "1s", "groupBy": ["cluster"], "escalationPolicy": "escalationPolicies/alone"}
    await caller.ask("POST", "/v1/escalationPolicies", {"name": "escalationPolicies/alone", "steps": [{"targets": ["recipients/ann"]}]})
    route.write_text(json.dumps({"name": "incidentRoutes/clusters", "matchers": [{"label": "cluster", "value": "c*"}], **short}))
    run = stack.command
    await asyncio.to_thread(run, "route", "apply", str(route))
    matched = await asyncio.to_thread(run, "route", "match", "--label", "cluster=c1")
    assert "incidentRoutes/clusters takes it, to escalationPolicies/alone" in matched.stdout
    before = len(mails.messages)
    await asyncio.gather(
        *(asyncio.to_thread(run, "incident", "trigger", f"Disk of {host} is full", "--key", host, "--label", "cluster=c1") for host in "ab")
    )
    await mails.received(before + 1)
    await caller.ask("POST", "/v1/incidents", {"title": "Disk of c is full", "dedupKey": "c", "labels": {"cluster": "c1"}})
    await mails.received(before + 2)
    more = mails.messages[before + 1]
    assert "1 more alert" in body(more)
    assert "Disk of c is full" in body(more)
    assert link_of(more)
    [group] = (await caller.ask("GET", "/v1/incidents", filter='state="TRIGGERED"'))["incidents"]
    listed = await asyncio.to_thread(run, "incident", "alerts", group["name"])
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["a", "b", "c"]
    await caller.ask("POST", f"/v1/{group['name']}:resolve", {})
    await mails.received(before + 3)
    assert [mail.recipients for mail in mails.messages[before:]] == [("ann@example.com",)] * 3
    depends = {"name": "incidentDependencies/d", "source": [{"label": "name", "value": "down"}], "target": [{"label": "is", "value": "*"}]}
    (stack.state / "dependency.json").write_text(json.dumps(depends))
    await asyncio.to_thread(run, "dependency", "apply", str(stack.state / "dependency.json"))
    assert "name=down" in (await asyncio.to_thread(run, "dependency", "list")).stdout
    windows = await asyncio.to_thread(run, "silence", "preview", "--cron", "0 2 * * SUN", "--for", "2h", "--count", "3")
    assert len(windows.stdout.splitlines()) == 4


def body(mail: Any) -> str:
    """The text of a mail."""
    return str(mail.message.get_body(("plain",)).get_content())


def link_of(mail: Any) -> str:
    """The path of the link to answer by."""
    found = re.search(rf"{re.escape(PUBLIC)}(/i/\S+)", body(mail))
    assert found is not None, body(mail)
    return found[1]
