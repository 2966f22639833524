"""Alarms made over REST on the real stack, how late they ring, and what the five processes weigh."""

import asyncio
import json
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.load import post, run
from tocsin.testing.stack import RunningStack

CONNECTIONS = 32
CREATES = 20_000
STEADY_RATE, STEADY_SECONDS = 500, 20


async def measure() -> dict[str, Any]:
    """Rates per second, latencies and lateness in milliseconds, memory in MiB."""
    with tempfile.TemporaryDirectory() as folder, RunningStack(state=Path(folder) / "state") as stack:
        created = await _create(stack)
        lateness = await _lateness(stack)
        return {**created, **lateness, "resident_mib": _resident(stack)}


async def _create(stack: RunningStack) -> dict[str, Any]:
    address = stack.info["http"].removeprefix("http://")
    body = json.dumps(_alarm(datetime.now(UTC) + timedelta(days=300), handler="noop")).encode()
    requests = _forever(post("/v1/alarms", body, host=address, key=stack.api_key))
    await run(address, requests, connections=CONNECTIONS, total=CREATES // 10)
    answers = await run(address, requests, connections=CONNECTIONS, total=CREATES)
    return {
        "creates_per_second": round(answers.rate),
        "create_p50_ms": round(answers.percentile(50), 2),
        "create_p99_ms": round(answers.percentile(99), 2),
        "create_statuses": dict(answers.statuses),
    }


async def _lateness(stack: RunningStack) -> dict[str, Any]:
    """How long after its due time each of an even stream of alarms was fired, and how long after it its work was done."""
    address = stack.info["http"].removeprefix("http://")
    total = STEADY_RATE * STEADY_SECONDS
    first = datetime.now(UTC) + timedelta(seconds=total / 1000 + 5)
    due = (first + timedelta(seconds=number / STEADY_RATE) for number in range(total))
    requests = (
        post(f"/v1/alarms?requestId={uuid.uuid4()}", json.dumps(_alarm(instant, handler="noop")).encode(), host=address, key=stack.api_key)
        for instant in due
    )
    await run(address, requests, connections=CONNECTIONS, total=total)
    await asyncio.sleep(max(0.0, (first - datetime.now(UTC)).total_seconds()) + STEADY_SECONDS + 2)
    firings = await _firings(stack, since=first)
    late = sorted(_milliseconds(firing["dueTime"], firing["fireTime"]) for firing in firings if "fireTime" in firing)
    done = sorted(_milliseconds(firing["dueTime"], firing["completeTime"]) for firing in firings if "completeTime" in firing)
    return {
        "steady_per_second": STEADY_RATE,
        "steady_fired": len(late),
        "steady_expected": total,
        "early": sum(1 for each in late if each < 0),
        "lateness_p50_ms": round(late[len(late) // 2], 1),
        "lateness_p99_ms": round(late[int(len(late) * 0.99)], 1),
        "done_p99_ms": round(done[int(len(done) * 0.99)], 1),
    }


async def _firings(stack: RunningStack, *, since: datetime) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = ""
    async with stack.client() as client:
        while True:
            answer = await client.get(
                "/v1/firings", params={"filter": f'due_time>="{since.isoformat()}"', "pageSize": 1000, "pageToken": token}
            )
            answer.raise_for_status()
            found += answer.json().get("firings", [])
            token = answer.json().get("nextPageToken", "")
            if not token:
                return found


def _alarm(due: datetime, *, handler: str) -> dict[str, Any]:
    return {"trigger": {"at": due.isoformat(), "catchUp": {"mode": "LATEST"}}, "action": {"task": {"handler": handler}}}


def _forever(request: bytes) -> Iterator[bytes]:
    while True:
        yield request


def _milliseconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds() * 1000


def _resident(stack: RunningStack) -> dict[str, float]:
    weights: dict[str, float] = {}
    for service in stack.info["services"]:
        status = Path(f"/proc/{stack.pid(service)}/status").read_text()
        kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        weights[service] = round(kib / 1024, 1)
    return weights


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure()), indent=2))
