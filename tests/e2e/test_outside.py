"""What happens outside, through REST: an event, a reading and a ping that does not come end in mails."""

import secrets
from typing import Any

import httpx2
import pytest

from tests.e2e.test_journeys import inbox
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.e2e


async def alarm(client: httpx2.AsyncClient, subject: str, trigger: dict[str, Any]) -> dict[str, Any]:
    """An alarm that mails ``subject``."""
    notify = {"to": ["ann@example.com"], "subject": subject, "text": "It happened."}
    made = await client.post("/v1/alarms", json={"trigger": trigger, "action": {"notify": notify}})
    assert made.status_code == 200, made.text
    return made.json()


async def origins(client: httpx2.AsyncClient, name: str) -> list[str]:
    """Where the alarm's firings come from, in order, once their work is done."""
    page = (await client.get("/v1/firings", params={"filter": f'alarm="{name}"'})).json()
    return [firing["origin"] for firing in reversed(page.get("firings", [])) if firing["state"] == "SUCCEEDED"]


async def test_an_event_becomes_a_mail(client: httpx2.AsyncClient) -> None:
    """On both paths, once for each id; it is counted and logged."""
    subject, topic = f"paid {secrets.token_hex(4)}", f"orders.{secrets.token_hex(4)}.paid"
    made = await alarm(client, subject, {"event": {"topic": topic.replace(".paid", ".*"), "filter": "data.total>100"}})
    for path, identity in (("/v1/events", "e1"), ("/send-event", "e1"), ("/send-event", "e2")):
        answer = await client.post(path, json={"id": topic + identity, "topic": topic, "data": {"total": 120}})
        assert answer.status_code == 200, answer.text
    small = await client.post("/v1/events", json={"topic": topic, "data": {"total": 80}})
    assert small.json().get("matched", 0) == 0

    async def arrived() -> bool:
        return len(await inbox(client, subject)) == 2 and await origins(client, made["name"]) == ["EVENT", "EVENT"]

    await eventually(arrived)
    assert (await client.get("/stats")).json()["topics"][topic] == "3"
    logs = (await client.get("/logs", params={"filter": f'topic="{topic}"'})).json()["logs"]
    assert [(entry["kind"], entry["data"]) for entry in logs] == [("EVENT", {"total": total}) for total in (80, 120, 120)]


async def test_a_reading_raises_and_resolves(client: httpx2.AsyncClient) -> None:
    """Beyond the limit for a while is one mail, back again another; the alarm shows where it stands."""
    subject, metric = f"hot {secrets.token_hex(4)}", f"cellar.{secrets.token_hex(4)}"
    threshold = {"metric": metric, "comparison": "GREATER_THAN", "value": 25, "forDuration": "1s", "hysteresis": 2}
    made = await alarm(client, subject, {"threshold": threshold})
    hot = (await client.post("/v1/readings", json={"metric": metric, "value": 26.5})).json()
    assert (hot["pending"], hot.get("raised", [])) == ([made["name"]], [])

    async def raised() -> bool:
        return (await client.get(f"/v1/{made['name']}")).json()["signal"]["status"] == "RAISED"

    await eventually(raised)
    assert "resolved" not in (await client.post("/v1/readings", json={"metric": metric, "value": 24})).json()
    assert (await client.post("/v1/readings", json={"metric": metric, "value": 22})).json()["resolved"] == [made["name"]]

    async def told() -> bool:
        return await origins(client, made["name"]) == ["RAISED", "RESOLVED"]

    await eventually(told)
    assert (await client.get(f"/v1/{made['name']}")).json()["signal"]["value"] == 22


async def test_a_ping_that_does_not_come_becomes_a_mail(client: httpx2.AsyncClient) -> None:
    """A made key is pinged by GET and POST without a token, as cron jobs do; a chosen one wants the token."""
    subject = f"backup {secrets.token_hex(4)}"
    made = await alarm(client, subject, {"heartbeat": {"every": "1s", "grace": "0s"}})
    key = made["trigger"]["heartbeat"]["key"]

    async def raised() -> bool:
        return await origins(client, made["name"]) == ["RAISED"] and len(await inbox(client, subject)) == 1

    await eventually(raised)
    async with httpx2.AsyncClient(base_url=client.base_url, trust_env=False) as nobody:
        answer = await nobody.get(f"/v1/pings/{key}")
        assert (answer.status_code, answer.json()["resolved"]) == (200, True)
        assert (await nobody.post(f"/v1/pings/{key}")).status_code == 200
        chosen = f"job-{secrets.token_hex(4)}"
        await alarm(client, subject, {"heartbeat": {"every": "3600s", "key": chosen}})
        refused = await nobody.get(f"/v1/pings/{chosen}")
        unknown = await nobody.get("/v1/pings/nothing")
        assert (
            (refused.status_code, refused.json()["detail"])
            == (unknown.status_code, unknown.json()["detail"])
            == (404, unknown.json()["detail"])
        )
        spoiled = await nobody.get(f"/v1/pings/{key}", headers={"Authorization": "Bearer spoiled"})
        assert spoiled.status_code == 200
    assert (await client.get(f"/v1/pings/{chosen}")).status_code == 200
    assert (await client.delete(f"/v1/{made['name']}")).status_code == 200
