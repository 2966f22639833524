"""A mail that cannot be delivered is told: by its firing, by an event that an alarm may listen to, and it can be sent again."""

import secrets
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.accounts import accounts_by_mail
from tocsin.testing.smtp import ScriptedReply, SmtpSink, Stage
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


async def _firing(client: httpx2.AsyncClient, alarm: str) -> dict[str, Any]:
    answer = await client.get("/v1/firings", params={"filter": f'alarm="{alarm}"'})
    return (answer.json().get("firings") or [{}])[0]


async def test_a_dead_mail_is_told_and_can_be_sent_again(smtp_sink: SmtpSink, tmp_path: Path) -> None:
    """One of two recipients is refused for good; the other gets its mail. Then the server takes both, and mails about accounts."""
    smtp_sink.script(Stage.RCPT, ScriptedReply(550, "5.1.1 no such user"), times=None, when=lambda line: "dead@" in line)
    env = {
        "TOCSIN_MAILER_SMTP_HOST": "127.0.0.1",
        "TOCSIN_MAILER_SMTP_PORT": str(smtp_sink.port),
        "TOCSIN_MAILER_SMTP_TLS": "none",
        "TOCSIN_AUTH_REGISTRATION": "open",
    }
    with RunningStack(state=tmp_path / "state", env=env) as stack:
        async with stack.client() as client:

            async def make(trigger: dict[str, Any], action: dict[str, Any]) -> str:
                answer = await client.post("/v1/alarms", json={"trigger": trigger, "action": action})
                assert answer.status_code == 200, answer.text
                return str(answer.json()["name"])

            subject = secrets.token_hex(6)
            listener = await make({"event": {"topic": "tocsin.delivery.dead"}}, {"task": {"handler": "noop"}})
            notify = {"to": ["dead@example.com", "ann@example.com"], "subject": subject, "text": "t"}
            alarm = await make({"every": "1s", "count": 1}, {"notify": notify})

            async def told() -> bool:
                deliveries = (await _firing(client, alarm)).get("deliveries", {})
                return deliveries.get("dead") == 1 and deliveries.get("worst") == "DEAD"

            await eventually(told, seconds=60, what="a firing that tells of its dead mail")
            failed = (await _firing(client, alarm))["deliveries"]["failed"]
            assert [item["state"] for item in failed] == ["DEAD"]
            assert "550" in failed[0]["reason"] or "5.1.1" in failed[0]["reason"]

            async def heard() -> bool:
                return (await _firing(client, listener)).get("origin") == "EVENT"

            await eventually(heard, what="an alarm that listens to dead mails")
            smtp_sink.clear()
            again = await client.post(f"/v1/{failed[0]['name']}:retry", json={})
            assert again.status_code == 200, again.text
            (mail,) = await smtp_sink.received(1)
            assert mail.recipients == ("dead@example.com",)
            await accounts_by_mail(stack, smtp_sink)

            async def well() -> bool:
                return (await _firing(client, alarm))["deliveries"].get("dead", 0) == 0

            await eventually(well, what="a firing whose mail was sent after all")
