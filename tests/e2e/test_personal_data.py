"""From a card number in a record to the operator who is told: row, log line, metric, file, command; and the value nowhere."""

import json
from pathlib import Path
from typing import Any

import httpx2
from stdnum import luhn

from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually


def card(number: int) -> str:
    """A card that stands nowhere else in this run."""
    digits = f"45329{number:010d}"
    return digits + luhn.calc_check_digit(digits)


def holding(folder: Path, text: str) -> list[str]:
    """The files under a folder that hold a text."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


async def listed(client: httpx2.AsyncClient, condition: str) -> list[Any]:
    """Alerts that meet a condition."""
    answer = await client.get("/v1/security/alerts", params={"filter": condition})
    assert answer.status_code == 200, answer.text
    return list(answer.json().get("alerts", []))


async def test_a_card_number_in_a_record_is_told(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    """By default it is stored, and somebody is told; blocked, it is nowhere on the disk."""
    kept, refused = card(17), card(4711)
    stored = await client.put("/v1/records/pii-17", json={"value": f"pan {kept}"})
    assert stored.status_code == 200, stored.text
    policy = {"measure": "BLOCK", "area": "RECORDS", "subject": "pii-b*"}
    assert (await client.put("/v1/pii/policies/e2e", json=policy)).status_code == 200
    answer = await client.put("/v1/records/pii-blocked", json={"value": refused})
    assert answer.status_code == 400
    assert "holds personal data: card" in answer.text
    assert refused not in answer.text

    async def told() -> bool:
        found = await listed(client, 'kind="PII_FOUND" AND place="records"')
        return {each["detail"] for each in found} >= {"card: passed", "card: blocked"}

    await eventually(told)
    (alert,) = [each for each in await listed(client, 'kind="PII_FOUND"') if each["latest"] == "records/pii-blocked"]
    reports = stack.state / "error_reports"
    await eventually(lambda: reports.is_dir() and any(alert["name"] in path.read_text() for path in reports.glob("*.txt")))
    assert alert["name"] in stack.logs()
    assert kept not in json.dumps(await listed(client, ""))
    assert not [name for name in holding(stack.state, kept) if "processor_svc.db" not in name]
    assert holding(stack.state, refused) == []
    metrics = httpx2.get(stack.info["services"]["processor_svc"]["metrics"], trust_env=False).text
    assert 'tocsin_security_alerts_total{kind="PII_FOUND"}' in metrics
    shown = stack.command("security", "alerts", "--json")
    assert alert["name"] in shown.stdout
    assert kept not in shown.stdout


async def test_a_flood_of_bad_tokens_is_a_count(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    """Two hundred at the door of the earlier systems: one row, or two where a window ends between them."""
    async with stack.client(key="a.b.c") as stranger:
        for _ in range(200):
            assert (await stranger.get("/verify")).status_code == 401

    async def counted() -> bool:
        return sum(int(each["count"]) for each in await listed(client, 'kind="TOKEN_INVALID" AND place="GET /verify"')) >= 200

    await eventually(counted)
    assert len(await listed(client, 'kind="TOKEN_INVALID" AND place="GET /verify"')) <= 2


async def test_a_text_is_scanned_at_the_door(client: httpx2.AsyncClient) -> None:
    """Over HTTP, with the redacted text."""
    answer = await client.post("/v1/pii:scan", json={"text": "mail ann@example.com"})
    assert answer.json() == {"findings": [{"kind": "EMAIL", "start": 5, "end": 20}], "redacted": "mail [email]"}
