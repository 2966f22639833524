"""A tenant from its making to its end, on five real processes: what it has is exported, removed everywhere, and reported."""

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import PASSWORD
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.e2e

LABEL = "the same for both"
EVENT = {"topic": "orders.paid", "data": {"n": 1}}


async def made(operator: httpx2.AsyncClient, stack: RunningStack) -> tuple[str, str]:
    """A new tenant, whose owner has followed the link; its id and the owner's token."""
    email = f"{secrets.token_hex(6)}@example.com"
    answer = await operator.post("/v1/tenants", json={"displayName": LABEL, "ownerEmail": email, "invitation": "LINK"})
    assert answer.status_code == 200, answer.text
    token = answer.json()["link"].rpartition("/")[2]
    async with stack.client() as client:
        accepted = await client.post("/v1/account:acceptInvitation", json={"token": token, "displayName": "Olga", "password": PASSWORD})
        assert accepted.status_code == 200, accepted.text
        signed_in = await client.post("/v1/auth:token", json={"email": email, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
    return answer.json()["tenant"]["name"], signed_in.json()["accessToken"]


async def furnish(client: httpx2.AsyncClient) -> None:
    """Something in each service, alike in both tenants."""
    message = {"notify": {"to": ["ann@example.com"], "subject": LABEL, "text": LABEL}}
    alarms = (
        {"displayName": LABEL, "labels": {"team": LABEL}, "trigger": {"every": "3600s"}, "action": message},
        {"displayName": LABEL, "trigger": {"event": {"topic": "orders.*"}}, "action": message},
        {"displayName": LABEL, "trigger": {"heartbeat": {"every": "3600s"}}, "action": message},
    )
    for path, body in (
        *(("/v1/alarms", alarm) for alarm in alarms),
        ("/v1/recipients", {"displayName": LABEL}),
        ("/v1/events", EVENT),
    ):
        answer = await client.post(path, json=body)
        assert answer.status_code == 200, (path, answer.text)
    assert (await client.put("/v1/records/k", json={"value": LABEL})).status_code == 200


def export(stack: RunningStack, folder: Path, key: str) -> dict[str, list[Any]]:
    """What `tocsin tenant export` writes, checked against its manifest; without the log, which says that it was read."""
    said = json.loads(stack.command("tenant", "export", str(folder), "--json", "--api-key", key).stdout)
    manifest = (folder / "manifest.json").read_bytes()
    assert said["manifestSha256"] == hashlib.sha256(manifest).hexdigest()
    found: dict[str, list[Any]] = {}
    for entry in json.loads(manifest)["files"]:
        data = (folder / entry["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
        found[entry["file"].removesuffix(".ndjson")] = lines = [json.loads(line) for line in data.splitlines()]
        assert len(lines) == entry["lines"]
    return {name: lines for name, lines in found.items() if name not in ("auditLogs", "users.sessions")}


async def test_a_tenant_is_made_exported_and_deleted(stack: RunningStack, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    """Its neighbour, which has the same, has all of it afterwards; the report says what each service has removed."""
    (gone, key), (_, neighbours) = await made(client, stack), await made(client, stack)
    for token in (key, neighbours):
        async with stack.client(key=token) as owner:
            await furnish(owner)

            async def delivered(owner: httpx2.AsyncClient = owner) -> bool:
                found = (await owner.get("/v1/deliveries")).json().get("deliveries", [])
                return [each["state"] for each in found] == ["SENT"]

            await eventually(delivered)
    before = export(stack, tmp_path / "neighbour", neighbours)
    exported = export(stack, tmp_path / "gone", key)
    assert {name: len(lines) for name, lines in exported.items()} == {name: len(lines) for name, lines in before.items()}
    assert {"alarms": 3, "deliveries": 1, "records": 1, "recipients": 1, "users": 1}.items() <= {
        name: len(lines) for name, lines in exported.items()
    }.items()

    stack.command("tenant", "delete", gone, "--at-once", "--confirm", LABEL, "--export", str(tmp_path / "gone"))

    async def over() -> bool:
        return (await client.get(f"/v1/{gone}/deletion")).json()["state"] == "DONE"

    await eventually(over, seconds=90)
    report = (await client.get(f"/v1/{gone}/deletion")).json()
    assert report["exportSha256"] == hashlib.sha256((tmp_path / "gone" / "manifest.json").read_bytes()).hexdigest()
    removed = {each["service"]: {row["kind"]: int(row["count"]) for row in each.get("rows", [])} for each in report["services"]}
    assert removed["scheduler_svc"].items() >= {"alarms": 3, "alarm_labels": 1, "signals": 2, "firings": 1}.items()
    assert removed["mailer_svc"].items() >= {"deliveries": 1, "events": 1, "recipients": 1, "inbox_messages": 1}.items()
    assert removed["processor_svc"] == {"records": 1}
    assert removed["auth_svc"].items() >= {"tenants": 1, "users": 1, "invitations": 1}.items()
    assert (await client.get(f"/v1/{gone}")).status_code == 404
    async with stack.client(key=key) as owner:

        async def unknown() -> bool:
            """Its key is gone with it; a gateway that has not heard of that yet knows of the tenant."""
            refused = await owner.get("/v1/alarms")
            assert refused.status_code == 401 or (refused.status_code, "TENANT_DELETED" in refused.text) == (403, True), refused.text
            return refused.status_code == 401

        await eventually(unknown)
    assert export(stack, tmp_path / "after", neighbours) == before
