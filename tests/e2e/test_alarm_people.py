"""An alarm to people through all five services: who is told, by mail and by webhook, and why the others are not."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tocsin.standard_webhooks import WebhookSecret, verify
from tocsin.testing.http import HttpSink
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.e2e

SECRET = WebhookSecret(bytes(range(32)))
PEOPLE = ("ann", "bob", "carl", "dora")
NOT_TOLD = {
    ("recipients/bob", "email"): ("OPTED_OUT", "OPTED_OUT: recipients/bob wants no messages of categories/news by email"),
    ("recipients/carl", "email"): ("SUPPRESSED_ADDRESS", "SUPPRESSED_ADDRESS: the address gets no messages: manual"),
    ("recipients/dora", "email"): ("CAPPED", "CAPPED: the recipient has had 1 within 1 h, and wants no more"),
    **{
        (f"recipients/{name}", "webhook"): ("NO_ADDRESS", f"NO_ADDRESS: recipients/{name} has no active address for webhook")
        for name in PEOPLE[1:]
    },
    **{
        ("recipients/ghost", channel): ("UNKNOWN_RECIPIENT", "UNKNOWN_RECIPIENT: there is no recipients/ghost")
        for channel in ("email", "webhook")
    },
    **{("groups/gone", channel): ("UNKNOWN_RECIPIENT", "UNKNOWN_RECIPIENT: there is no groups/gone") for channel in ("email", "webhook")},
}
"""By whom it is for and by which channel: the reason, and the words of the timeline."""


class Caller:
    """What a user asks for over REST, and is answered well."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def ask(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """One call."""
        answer = await self._client.request(method, path, json=body, params=params)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    async def people(self, hook: str) -> None:
        """Four people, of whom one wants no news, one's address is suppressed, and one wants a message an hour; they are a group."""
        for name in PEOPLE:
            addresses = [{"channel": "email", "value": f"{name}@example.com", "state": "ACTIVE"}]
            addresses += [{"channel": "webhook", "value": hook}] if name == "ann" else []
            await self.ask("POST", "/v1/recipients", {"name": f"recipients/{name}", "addresses": addresses})
        await self.ask("POST", "/v1/groups", {"name": "groups/ops"})
        await self.ask("POST", "/v1/groups/ops:addMembers", {"members": [f"recipients/{name}" for name in PEOPLE]})
        await self.ask("POST", "/v1/categories", {"name": "categories/news", "kind": "TRANSACTIONAL", "channels": ["email", "webhook"]})
        off = {"choices": [{"category": "news", "channel": "*", "enabled": False}]}
        await self.ask("PUT", "/v1/recipients/bob/preferences", off)
        await self.ask("POST", "/v1/suppressions", {"channel": "email", "address": "Carl@example.com"})
        await self.ask("PUT", "/v1/recipients/dora/preferences", {"cap": {"count": 1, "window": "3600s"}})

    async def deliveries(self, condition: str) -> list[dict[str, Any]]:
        """Those that meet a filter, with their timelines."""
        page = await self.ask("GET", "/v1/deliveries", filter=condition)
        return [await self.ask("GET", f"/v1/{item['name']}") for item in page["deliveries"]]


async def test_an_alarm_tells_people_and_says_of_everybody_else_why_not(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """From the firing everybody's delivery is found, over REST and by the command; the mail and the webhook came once."""
    env = {
        "TOCSIN_MAILER_SMTP_HOST": "127.0.0.1",
        "TOCSIN_MAILER_SMTP_PORT": str(smtp_sink.port),
        "TOCSIN_MAILER_SMTP_TLS": "none",
        "TOCSIN_MAILER_WEBHOOK_SECRETS": str(SECRET),
        "TOCSIN_EGRESS_ALLOW": "127.0.0.1",
    }
    async with HttpSink() as hook:
        with RunningStack(state=tmp_path / "state", env=env) as stack:
            async with stack.client() as client:
                await told(stack, Caller(client), smtp_sink, hook)


async def told(stack: RunningStack, caller: Caller, mails: SmtpSink, hook: HttpSink) -> None:
    """The alarm rings, and everybody is accounted for."""
    await caller.people(f"{hook.url}/hook")
    await caller.ask(
        "POST", "/v1/notifications", {"recipients": ["recipients/dora"], "channels": ["email"], "subject": "First", "text": "One."}
    )
    await mails.received(1)
    notify = {
        "recipients": ["groups/ops", "recipients/ghost", "groups/gone"],
        "category": "categories/news",
        "subject": "Ring",
        "text": "Up!",
    }
    alarm = await caller.ask("POST", "/v1/alarms", {"trigger": {"every": "1s", "count": 1}, "action": {"notify": notify}})

    async def ended() -> bool:
        page = await caller.ask("GET", "/v1/firings", filter=f'alarm="{alarm["name"]}"')
        states = [item["state"] for item in page["firings"]]
        if states != ["SUCCEEDED"]:
            return False
        found = await caller.deliveries(f'firing="{page["firings"][0]["name"]}"')
        return len(found) == len(NOT_TOLD) + 2 and {item["state"] for item in found} == {"SENT", "SUPPRESSED"}

    await eventually(ended, what="an end of every delivery")
    (firing,) = (await caller.ask("GET", "/v1/firings", filter=f'alarm="{alarm["name"]}"'))["firings"]
    found = await caller.deliveries(f'firing="{firing["name"]}"')
    assert {(item["recipient"], item["channel"]) for item in found if item["state"] == "SENT"} == {
        ("recipients/ann", "email"),
        ("recipients/ann", "webhook"),
    }
    refused = [item for item in found if item["state"] == "SUPPRESSED"]
    assert {(item["recipient"], item["channel"]): (item["reason"], item["timeline"][-1]["detail"]) for item in refused} == NOT_TOLD

    assert [received.recipients for received in mails.messages] == [("dora@example.com",), ("ann@example.com",)]
    assert mails.messages[1].message["Subject"] == "Ring"
    (request,) = hook.requests
    assert verify(request.headers, request.body, secrets=[SECRET], seconds=int(request.headers["webhook-timestamp"]))
    assert (request.json["data"]["recipient"], request.json["data"]["text"]) == ("recipients/ann", "Up!")

    table = await asyncio.to_thread(stack.command, "delivery", "list", "--filter", f'alarm="{alarm["name"]}"')
    for item in refused:
        assert item["name"].removeprefix("deliveries/") in table.stdout
        assert item["reason"] in table.stdout
        shown = await asyncio.to_thread(stack.command, "delivery", "show", item["name"])
        assert item["timeline"][-1]["detail"] in shown.stdout
        assert f"recipient: {item['recipient']}" in shown.stdout
    listed = await asyncio.to_thread(stack.command, "delivery", "list", "--filter", 'reason="CAPPED"', "--json")
    assert [item["recipient"] for item in json.loads(listed.stdout)["deliveries"]] == ["recipients/dora"]
