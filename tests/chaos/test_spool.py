"""Events, readings and pings while the scheduler is away, and while the gateway dies on top of it: accepted means fired, once."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.thorough]

EVENTS = 60


async def test_events_are_taken_on_while_the_scheduler_is_away(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """With the scheduler killed again and again and the gateway once: every event that got a 2xx fires its alarm exactly once, in order."""
    with RunningStack(state=tmp_path / "state") as stack:
        async with stack.client() as client:
            made = await client.post(
                "/v1/alarms", json={"trigger": {"event": {"topic": "chaos.*"}}, "action": {"task": {"handler": "noop"}}}
            )
            assert made.status_code == 200, made.text
            alarm = made.json()["name"]
            accepted, statuses = await _publish(stack)
            await eventually(lambda: _fired(client, alarm, len(accepted)), seconds=60)
            firings = await _firings(client, alarm)
    events = [firing["context"]["event"]["id"] for firing in firings]
    account = {
        "attempted": EVENTS,
        "accepted": len(accepted),
        "taken on": statuses[202],
        "fired": len(events),
        "lost": len(set(accepted) - set(events)),
        "duplicated": len(events) - len(set(events)),
        "unexpected": len(set(events) - set(accepted)),
    }
    record_property("account", account)
    assert account["lost"] == account["duplicated"] == account["unexpected"] == 0
    assert statuses[202] > 0, "nothing was taken on: this run says nothing about the spool"


async def _publish(stack: RunningStack) -> tuple[list[str], Counter[int]]:
    """Publishes events one after the other, and kills meanwhile; which were accepted, and how they were answered."""
    accepted: list[str] = []
    statuses: Counter[int] = Counter()
    for number in range(EVENTS):
        if number % 20 == 5:
            stack.kill("scheduler_svc")
        if number == 28:
            stack.kill("gateway")
        event = str(uuid.uuid4())
        async with stack.client() as client:
            status = await _send(client, event)
        statuses[status] += 1
        if 200 <= status < 300:
            accepted.append(event)
        await asyncio.sleep(0.05)
    return accepted, statuses


async def _send(client: httpx2.AsyncClient, event: str) -> int:
    """The status of one event; while the gateway itself is away, it is tried again, as a careful client does."""
    for _ in range(100):
        try:
            return (await client.post("/send-event", json={"id": event, "topic": "chaos.spool", "data": {"n": 1}})).status_code
        except httpx2.TransportError:
            await asyncio.sleep(0.2)
    return 0


async def _fired(client: httpx2.AsyncClient, alarm: str, count: int) -> bool:
    return len(await _firings(client, alarm)) >= count


async def _firings(client: httpx2.AsyncClient, alarm: str) -> list[dict[str, Any]]:
    try:
        answer = await client.get("/v1/firings", params={"filter": f'alarm="{alarm}"', "pageSize": 1000})
    except httpx2.TransportError:
        return []
    return answer.json().get("firings", []) if answer.status_code == 200 else []
