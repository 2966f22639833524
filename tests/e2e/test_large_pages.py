"""Lists, exports and watches of items so large that a page of them is no message."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
import pytest

from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

COUNT: Final = 25
TEXT: Final = "x" * 200_000


async def walk(client: httpx2.AsyncClient, path: str, field: str) -> list[dict[str, Any]]:
    """All items of a list, by as few pages as it takes."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        answer = await client.get(path, params={"pageSize": 1000, "pageToken": token})
        assert answer.status_code == 200, (path, answer.text[:500])
        page = answer.json()
        items = page.get(field, [])
        assert len(answer.content) < 3_000_000 or len(items) == 1
        found += items
        token = page.get("nextPageToken", "")
        if not token:
            return found


async def alarms(client: httpx2.AsyncClient) -> None:
    """25 alarms with 200 KB of text, which ring into the inbox."""
    for number in range(COUNT):
        due = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        notify = {"to": ["ann@example.com"], "subject": f"n {number}", "text": TEXT, "channels": ["inbox"]}
        body = {"displayName": f"large {number}", "trigger": {"at": due}, "action": {"notify": notify}}
        made = await client.post("/v1/alarms", json=body)
        assert made.status_code == 200, made.text[:500]


async def templates(client: httpx2.AsyncClient) -> None:
    """25 templates with as much."""
    for number in range(COUNT):
        made = await client.post("/v1/templates", json={"name": f"templates/large-{number}", "subject": "s", "text": TEXT})
        assert made.status_code == 200, made.text[:500]


async def records(client: httpx2.AsyncClient) -> None:
    """80 records of 60 KB."""
    for number in range(80):
        made = await client.put(f"/v1/records/large-{number}", json={"value": TEXT[:60_000]})
        assert made.status_code == 200, made.text[:500]


async def tasks(client: httpx2.AsyncClient) -> None:
    """80 tasks with 60 KB of input."""
    for _ in range(80):
        made = await client.post("/v1/tasks", json={"handler": "uppercase", "input": {"text": TEXT[:60_000]}})
        assert made.status_code == 200, made.text[:500]


async def events(client: httpx2.AsyncClient) -> None:
    """400 events of 15 KB."""
    for number in range(400):
        sent = await client.post("/v1/events", json={"id": f"e-{number}", "topic": "large", "data": {"text": TEXT[:15_000]}})
        assert sent.status_code == 200, sent.text[:500]


@pytest.mark.parametrize(
    ("make", "path", "field", "count"),
    [
        (alarms, "/v1/alarms", "alarms", COUNT),
        (templates, "/v1/templates", "templates", COUNT),
        (records, "/v1/records", "records", 80),
        (tasks, "/v1/tasks", "tasks", 80),
        (events, "/v1/triggers:logs", "logs", 400),
    ],
)
async def test_a_list_of_large_items_is_read_to_its_end(
    stranger: httpx2.AsyncClient, make: Callable[[httpx2.AsyncClient], Coroutine[Any, Any, None]], path: str, field: str, count: int
) -> None:
    """No page is refused; every item comes once."""
    await make(stranger)
    items = await walk(stranger, path, field)
    assert len(items) == count
    assert len({json.dumps(item, sort_keys=True) for item in items}) == count


async def test_what_large_alarms_leave_behind_is_read_to_its_end(stranger: httpx2.AsyncClient) -> None:
    """Export, watch, firings, deliveries and the inbox."""
    watched = asyncio.create_task(_watch(stranger))
    await alarms(stranger)
    exported = await stranger.get("/v1/alarms:export", headers={"accept": "application/x-ndjson"})
    assert exported.status_code == 200
    assert sum(len(json.loads(line).get("alarms", [json.loads(line)])) for line in exported.text.splitlines() if line) == COUNT

    async def arrived() -> bool:
        return len(await walk(stranger, "/v1/inbox/messages", "messages")) == COUNT

    await eventually(arrived, seconds=60)
    assert len(await walk(stranger, "/v1/firings", "firings")) == COUNT
    assert len(await walk(stranger, "/v1/deliveries", "deliveries")) == COUNT
    assert await asyncio.wait_for(watched, 60) >= COUNT


async def _watch(client: httpx2.AsyncClient) -> int:
    done: set[str] = set()
    async with client.stream("GET", "/v1/firings:watch", headers={"accept": "application/x-ndjson"}, timeout=60) as answer:
        async for line in answer.aiter_lines():
            if line.strip() and json.loads(line)["firing"].get("state") == "SUCCEEDED":
                done.add(json.loads(line)["firing"]["name"])
                if len(done) == COUNT:
                    break
    return len(done)
