"""Two gateways on one state folder, while the scheduler is away and both are killed: what was accepted counts, once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.second_gateway import SecondGateway, second_gateway
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.timeout(600)]

READINGS = 240
_LISTED = 1000


async def test_readings_of_two_gateways_count_once(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """With the scheduler killed again and again, each gateway killed once or twice: every reading that got a 2xx is in the log, once."""
    with RunningStack(state=tmp_path / "state") as stack:
        async with second_gateway(stack) as second:
            assert (stack.state / "gateway-spool-2.db").exists()
            accepted, statuses = await _record(stack, second)
            await eventually(lambda: _emptied(stack, second), seconds=120, what="empty spools")
            sources = await _sources(stack)
    counts = Counter(sources)
    account = {
        "attempted": READINGS,
        "accepted": len(accepted),
        "taken on": statuses[202],
        "logged": len(sources),
        "lost": len(set(accepted) - counts.keys()),
        "duplicated": sum(number - 1 for number in counts.values()),
    }
    record_property("account", account)
    assert account["lost"] == account["duplicated"] == 0, account
    assert statuses[202] > 0, "nothing was taken on: this run says nothing about the spool"


async def _record(stack: RunningStack, second: SecondGateway) -> tuple[list[str], Counter[int]]:
    """Records readings, each by one of the gateways in turn, and kills meanwhile; which were accepted, and how they were answered."""
    accepted: list[str] = []
    statuses: Counter[int] = Counter()
    for number in range(READINGS):
        if number % 40 == 10:
            stack.kill("scheduler_svc")
        if number in (60, 150):
            second.kill()
            await second.start()
        if number == 100:
            stack.kill("gateway")
        async with second.client() if number % 2 else stack.client() as client:
            status = await _send(client, f"s{number}")
        statuses[status] += 1
        if 200 <= status < 300:
            accepted.append(f"s{number}")
        await asyncio.sleep(0.02)
    return accepted, statuses


async def _send(client: httpx2.AsyncClient, source: str) -> int:
    """The status of one reading, which is told by its source; while its gateway is away, it is tried again with the same identity."""
    for _ in range(100):
        try:
            body = {"id": source, "metric": "chaos.spool", "value": 1, "source": source}
            return (await client.post("/v1/readings", json=body)).status_code
        except httpx2.TransportError:
            await asyncio.sleep(0.2)
    return 0


async def _sources(stack: RunningStack) -> list[str]:
    async with stack.client() as client:
        try:
            answer = await client.get("/logs", params={"filter": 'kind="READING"', "pageSize": _LISTED})
        except httpx2.TransportError:
            return []
    entries: list[dict[str, Any]] = answer.json().get("logs", []) if answer.status_code == 200 else []
    return [entry["source"] for entry in entries]


async def _emptied(stack: RunningStack, second: SecondGateway) -> bool:
    for make in (stack.client, second.client):
        async with make() as client:
            try:
                if (await client.get("/health")).json()["spool"]["waiting"]:
                    return False
            except httpx2.TransportError:
                return False
    return True
