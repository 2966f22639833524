"""What monitoring systems send, through the gateway, by the lines of their documentation; and the command line."""

import asyncio
import json
import shlex
from typing import Any

import httpx2
import pytest

from tests.unit.scheduler.test_intake_payloads import ALERTMANAGER, CLOUD, GRAFANA, PAGERDUTY
from tocsin.testing.stack import RunningStack

pytestmark = pytest.mark.e2e

UPTIME = {"monitor": {"id": 7, "name": "Shop"}, "heartbeat": {"status": 0}}
MAPPING = {
    "title": {"paths": ["monitor.name"]},
    "dedupKey": {"paths": ["monitor.id"]},
    "state": {"paths": ["heartbeat.status"]},
    "states": {"0": "TRIGGER", "1": "RESOLVE"},
}


async def made(client: httpx2.AsyncClient, kind: str, **fields: Any) -> tuple[str, str]:
    """A new integration: its name, and its key."""
    answer = await client.post("/v1/integrations", json={"kind": kind, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["name"], answer.json()["key"]


def url_of(stack: RunningStack) -> str:
    """The door."""
    return str(stack.info["http"])


async def nobody(stack: RunningStack, path: str, body: Any, **headers: str) -> httpx2.Response:
    """Sends without a token."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx2.AsyncClient(base_url=url_of(stack), timeout=60, trust_env=False) as client:
        return await client.post(path, content=data, headers={"content-type": "application/json", **headers})


async def test_every_form_comes_in_without_a_token(stack: RunningStack, stranger: httpx2.AsyncClient) -> None:
    """Each at its door; the answer counts what became of the alerts, and the payloads are shown."""
    structured = {"content-type": "application/cloudevents+json"}
    for kind, door, payload, headers in (
        ("ALERTMANAGER", "alertmanager", ALERTMANAGER, {}),
        ("GRAFANA", "grafana", GRAFANA, {}),
        ("CLOUDEVENTS", "cloudevents", CLOUD, structured),
        ("CLOUDEVENTS", "cloudevents", {"a": 1}, {"CE-SpecVersion": "1.0", "CE-Id": "1", "CE-Source": "/s", "CE-Type": "t"}),
        ("GENERIC", "generic", UPTIME, {}),
    ):
        name, key = await made(stranger, kind, **({"mapping": MAPPING} if kind == "GENERIC" else {}))
        answer = await nobody(stack, f"/v1/integrations/{key}/{door}", payload, **headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["opened"] >= 1
        [kept] = (await stranger.get(f"/v1/{name}/payloads")).json()["payloads"]
        assert (kept["outcome"], json.loads(kept["body"])) == ("TAKEN", payload)
        opened = (await stranger.get("/v1/incidents", params={"filter": f'source="{name}"'})).json()["incidents"]
        assert len(opened) == answer.json()["opened"]
        wrong = await nobody(stack, f"/v1/integrations/{'x' * 32}/{door}", payload, **headers)
        assert (wrong.status_code, wrong.json()["code"]) == (404, "NOT_FOUND")


async def test_pagerduty_clients_change_a_url(stack: RunningStack, stranger: httpx2.AsyncClient) -> None:
    """The same statuses and bodies."""
    _, key = await made(stranger, "PAGERDUTY")
    event = PAGERDUTY | {"routing_key": key}
    answer = await nobody(stack, "/v2/enqueue", event)
    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/json")
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "srv01/HTTP"}
    refused = await nobody(stack, "/v2/enqueue", event | {"event_action": "x"})
    assert (refused.status_code, refused.json()["status"], len(refused.json()["errors"])) == (400, "invalid event", 1)
    for body in (b"{", b"", b"\xff", b"[]", {"routing_key": "R" * 32}):
        bad = await nobody(stack, "/v2/enqueue", body)
        assert (bad.status_code, bad.json()["status"]) == (400, "invalid event"), bad.text


async def test_what_is_no_payload_is_told_and_kept(stack: RunningStack, stranger: httpx2.AsyncClient) -> None:
    """Too large, too deep, not UTF-8, no JSON, of the wrong type: 4xx with the field; and nothing is opened."""
    name, key = await made(stranger, "ALERTMANAGER")
    path = f"/v1/integrations/{key}/alertmanager"
    for body, field in (
        (b"", "body"),
        (b'{"version": NaN}', "body"),
        (b"[" * 1_000_000, "body"),
        (b'"\xff"', "body"),
        (json.dumps(ALERTMANAGER | {"version": "9"}).encode(), "version"),
        (json.dumps(ALERTMANAGER | {"alerts": [{"status": 1}]}).encode(), "alerts[0].status"),
    ):
        answer = await nobody(stack, path, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_ARGUMENT"), answer.text
        [violation] = next(detail["fieldViolations"] for detail in answer.json()["details"] if "fieldViolations" in detail)
        assert violation["field"] == field
        kept = (await stranger.get(f"/v1/{name}/payloads")).json()["payloads"][0]
        assert (kept["outcome"], kept["field"], kept["detail"]) == ("REFUSED", field, violation["description"])
    try:
        large = await nobody(stack, path, b" " * 10_000_000)
    except httpx2.TransportError:
        pass  # a close, as RFC 9110, 15.5.14 allows
    else:
        assert large.status_code == 413
    packed = await nobody(stack, path, b"x", **{"content-encoding": "gzip"})
    assert packed.status_code == 415
    assert (await stranger.get("/v1/incidents")).json()["incidents"] == []


async def test_the_command_line_keeps_integrations(stack: RunningStack) -> None:
    """Made with a key that is shown once, tried, looked at, changed, given another key, removed; its own example works."""
    file = stack.state / "mapping.json"
    file.write_text(json.dumps(MAPPING), encoding="utf-8")
    body = stack.state / "payload.json"
    body.write_text(json.dumps(UPTIME), encoding="utf-8")

    async def run(*arguments: str, check: bool = True) -> str:
        done = await asyncio.to_thread(stack.command, "integration", *arguments, check=check)
        assert (done.returncode == 0) == check, done.stdout + done.stderr
        return done.stdout + done.stderr

    first = json.loads(await run("create", "generic", "--id", "uptime", "--mapping", str(file), "--severity", "critical", "--json"))
    assert (await nobody(stack, f"/v1/integrations/{first['key']}/generic", UPTIME)).json()["opened"] == 1
    assert "TRIGGER" in await run("try", "uptime")
    assert "Shop" in await run("try", "uptime", str(body))
    assert "1 opened" in await run("payloads", "uptime")
    assert "paused" in await run("update", "uptime", "--pause", "--display-name", "Uptime")
    assert "Uptime" in await run("list")
    assert json.loads(await run("get", "uptime"))["paused"] is True
    rotated = await run("rotate-key", "uptime")
    assert first["key"] not in rotated
    assert (await nobody(stack, f"/v1/integrations/{first['key']}/generic", UPTIME)).status_code == 404
    await run("delete", "uptime")
    for wrong in (("create", "fax"), ("create", "generic"), ("update", "none"), ("get", "none"), ("try", "none", "/none")):
        await run(*wrong, check=False)
    for kind in ("alertmanager", "grafana", "pagerduty", "cloudevents"):
        shown = json.loads(await run("create", kind, "--id", f"example-{kind}", "--json"))
        line = f"KEY={shown['key']}; URL={shlex.quote(url_of(stack))}; {shown['example']} --fail --silent --show-error"
        done = await asyncio.create_subprocess_exec("bash", "-c", line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        said, _ = await done.communicate()
        assert done.returncode == 0, (line, said)
