"""One message's whole life as its timeline tells it, read over REST and by the command, while the clock is moved."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import httpx2
import pytest
from typer.testing import CliRunner

from tests.integration.processor.support import Neighbours
from tocsin.cli.app import make_app
from tocsin.clock import SystemClock
from tocsin.testing.clock import SkewedClock
from tocsin.testing.http import HttpSink, Reply
from tocsin.testing.process import free_port
from tocsin.testing.waiting import eventually

ACCOUNT: Final = "AC" + "0" * 32
PUBLIC: Final = "https://tocsin.example"
CARD: Final = "4532 9300 0000 0007"
SCOPES: Final = (
    *("recipients:read", "recipients:write", "notifications:read", "notifications:write", "providers:read", "providers:write"),
    *("deliveries:read", "pii:read", "pii:write", "alerts:read"),
)
HOUR: Final = 3600


class House:
    """Gateway, processor and mailer, the clock that they share, and Twilio."""

    def __init__(self, folder: Path, twilio: HttpSink) -> None:
        self.twilio = twilio
        self.clock = SkewedClock(SystemClock())
        self.services = Neighbours(folder, clock=self.clock)
        self.services.extra["mailer_svc"] = {"public_url": PUBLIC, "egress_allow": ("127.0.0.1",)}

    async def start(self) -> None:
        """Starts them, some evening at eleven."""
        evening = datetime.now(UTC).replace(hour=23, minute=0, second=0) + timedelta(days=1)
        self.clock.seconds = (evening - datetime.now(UTC)).total_seconds()
        await self.services.start("processor_svc", "mailer_svc", "gateway")
        self.token = self.services.mint.mint(tenant="t1", scopes=SCOPES, lifetime=48 * HOUR)
        headers = {"authorization": f"Bearer {self.token}"}
        self.client = httpx2.AsyncClient(base_url=self.services.url, headers=headers, trust_env=False, timeout=60)

    async def stop(self) -> None:
        """Ends them."""
        await self.client.aclose()
        await self.services.stop("gateway", "mailer_svc", "processor_svc")

    async def ask(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """A call that is answered well."""
        answer = await self.client.request(method, path, json=body, params=params)
        assert answer.is_success, answer.text
        return answer.json()

    async def provider(self, url: str, name: str) -> str:
        """A provider of the tenant's; its id."""
        config = {"account": ACCOUNT, "auth_token": "token", "sender": "+15005550006", "url": url, "timeout_seconds": 5}
        made = await self.ask("POST", "/v1/providers", {"kind": "twilio", "displayName": name, "config": config})
        return str(made["name"]).replace("providers/", "twilio-")

    async def deliveries(self, notification: str) -> list[dict[str, Any]]:
        """The deliveries of a notification, with their timelines."""
        page = await self.ask("GET", "/v1/deliveries", filter=f'notification="{notification}"')
        return [await self.ask("GET", f"/v1/{item['name']}") for item in page["deliveries"]]

    async def settled(self, notification: str, state: str) -> dict[str, Any]:
        """The only delivery of a notification, once it is in a state."""

        async def there() -> bool:
            return [item["state"] for item in await self.deliveries(notification)] == [state]

        await eventually(there, what=f"{notification} {state}")
        (found,) = await self.deliveries(notification)
        return found

    async def told(self, provider: str, sid: str) -> None:
        """Twilio says that a message arrived, by its signed callback."""
        fields = {"AccountSid": ACCOUNT, "MessageSid": sid, "MessageStatus": "delivered"}
        path = f"/v1/callbacks/{provider}"
        text = f"{PUBLIC}{path}" + "".join(f"{name}{value}" for name, value in sorted(fields.items()))
        signature = base64.b64encode(hmac.new(b"token", text.encode(), hashlib.sha1).digest()).decode()
        headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
        async with httpx2.AsyncClient(base_url=self.services.url, trust_env=False) as anybody:
            answer = await anybody.post(path, content=urlencode(fields), headers=headers)
        assert answer.is_success, answer.text

    async def command(self, *arguments: str) -> list[str]:
        """The lines of a command."""
        where = ["--url", self.services.url, "--api-key", self.token]
        done = await asyncio.to_thread(CliRunner().invoke, make_app(arguments), [*arguments, *where])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output.splitlines()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running one."""
    async with HttpSink() as twilio:
        made = House(tmp_path, twilio)
        await made.start()
        yield made
        await made.stop()


async def test_a_message_is_held_capped_redacted_failed_over_and_delivered(house: House) -> None:
    """At night it waits; in the morning one goes out, without the card number, by the provider that works; the other is one too many."""
    away = await house.provider(f"http://127.0.0.1:{free_port()}", "the one that is away")
    works = await house.provider(house.twilio.url, "the other one")
    await house.ask("PUT", "/v1/pii/policies/messages", {"measure": "REDACT", "area": "MESSAGES"})
    phone = {"channel": "sms", "value": "+41791234567", "state": "ACTIVE"}
    await house.ask("POST", "/v1/recipients", {"name": "recipients/ann", "timeZone": "UTC", "addresses": [phone]})
    night = [{"weekday": day, "start": "22:00", "end": "07:00"} for day in range(1, 8)]
    wants = {"quietHours": {"times": night}, "cap": {"count": 1, "window": "3600s"}}
    await house.ask("PUT", "/v1/recipients/ann/preferences", wants)
    body = {"recipients": ["recipients/ann"], "channels": ["sms"], "subject": "Charged", "text": f"Your card {CARD}"}
    await eventually(lambda: _redacts(house), what="the policy at the mailer")

    sent = (await house.ask("POST", "/v1/notifications", body))["name"]
    held = await house.settled(sent, "HELD")
    morning = f"{held['holdTime'][:10]} 07:00:00Z"
    assert (held["reason"], held["holdTime"][11:]) == ("QUIET_HOURS", "07:00:00Z")
    second = (await house.ask("POST", "/v1/notifications", {**body, "subject": "Again"}))["name"]
    await house.settled(second, "HELD")
    assert house.twilio.requests == []

    house.twilio.script(Reply.of_json({"sid": "SM1", "status": "queued"}, status=201))
    house.clock.seconds += 8 * HOUR + 60
    await house.settled(sent, "SENT")
    capped = await house.settled(second, "SUPPRESSED")
    (request,) = house.twilio.requests
    (said,) = parse_qs(request.body.decode())["Body"]
    assert (CARD in said, "Your card [card]" in said) == (False, True)
    await house.told(works, "SM1")
    delivered = await house.settled(sent, "DELIVERED")

    told = [event.get("detail", "") for event in delivered["timeline"]]
    assert told[3].startswith(f"instead of {away} (no connection")
    assert [(event["state"], event.get("provider", ""), event.get("detail", "")) for event in delivered["timeline"]] == [
        ("HELD", "", f"QUIET_HOURS: recipients/ann has quiet hours until {morning}; PII_REDACTED: card"),
        ("ACCEPTED", "", "its quiet time is over"),
        ("SENDING", works, ""),
        ("SENT", works, told[3]),
        ("DELIVERED", works, "delivered"),
    ]
    assert [(event["state"], event.get("detail", "")) for event in capped["timeline"]] == [
        ("HELD", f"QUIET_HOURS: recipients/ann has quiet hours until {morning}; PII_REDACTED: card"),
        ("SUPPRESSED", "CAPPED: the recipient has had 1 within 1 h, and wants no more"),
    ]
    for item in (delivered, capped):
        shown = await house.command("delivery", "show", item["name"])
        lines = shown[-len(item["timeline"]) :]
        for line, event in zip(lines, item["timeline"], strict=True):
            assert {event["state"], event.get("detail", "")} <= {*line.split("  "), ""}, line
    assert CARD not in json.dumps([delivered, capped])


async def _redacts(house: House) -> bool:
    """Whether the mailer has the policy; it asks the processor for it every two seconds."""
    file = house.services.folder / "pii" / "mailer_svc.bin"
    return file.exists() and b"t1" in file.read_bytes()
