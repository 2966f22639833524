"""Processor, scheduler and broker are killed while messages become events, and events messages: each way, each one arrives."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis_client

from tests.chaos.load import FULL, Note
from tocsin.testing.redis import RedisServer
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

MESSAGES, ROUNDS, PAUSE = (20_000, 12, 0.002) if FULL else (300, 1, 0.01)
IN, OUT = "orders", "seen"


@pytest.fixture
def broker() -> Generator[RedisServer]:
    """A Redis that forgets nothing that it has answered."""
    server = RedisServer(durable=True)
    server.start()
    yield server
    server.close()


async def _fill(broker: RedisServer, written: list[int]) -> None:
    """Adds messages, each once, though it may be there twice when its answer was lost: with the same id of its sender."""
    async with redis_client.Redis(host="127.0.0.1", port=broker.port) as client:
        while len(written) < MESSAGES:
            number = len(written)
            try:
                await client.xadd(IN, {"body": json.dumps({"n": number}), "order": f"o-{number}"})
            except (OSError, redis_client.RedisError):
                await asyncio.sleep(0.05)
                continue
            written.append(number)
            await asyncio.sleep(PAUSE)


async def _seen(broker: RedisServer) -> list[tuple[str, int]]:
    async with redis_client.Redis(host="127.0.0.1", port=broker.port) as client:
        found: Any = await client.xrange(OUT)
    return [(fields[b"id"].decode(), int(json.loads(fields[b"body"])["data"]["context"]["event"]["data"]["n"])) for _, fields in found]


async def test_each_message_is_an_event_once_and_each_event_a_message(tmp_path: Path, broker: RedisServer, record_property: Note) -> None:
    """What comes in is one event each; what goes out is all there, and what is there twice bears the same id."""
    first = RunningStack(state=tmp_path / "state")
    with first:
        async with first.client() as client:
            tenant = (await client.get("/v1/tenant")).json()["name"].partition("/")[2]
    url = f"redis://127.0.0.1:{broker.port}/0"
    env = {
        "TOCSIN_SCHEDULER_LEASE_SECONDS": "10" if FULL else "2",
        "TOCSIN_PROCESSOR_BROKERS": f"bus={url}?tenants={tenant}&maxlen=1000000",
        "TOCSIN_PROCESSOR_SOURCES": f"orders={url}/{IN}?tenant={tenant}&event=orders.received&id=order&claim=1",
    }
    with RunningStack(state=tmp_path / "state", env=env, port_base=first.port_base) as stack:
        async with stack.client() as client:
            action = {"publish": {"broker": "bus", "to": OUT}}
            made = await client.post("/v1/alarms", json={"trigger": {"event": {"topic": "orders.received"}}, "action": action})
            assert made.is_success, made.text
        written: list[int] = []
        kills = await _fill_and_kill(stack, broker, written)

        async def arrived() -> bool:
            return len({number for _, number in await _seen(broker)}) == MESSAGES

        await eventually(arrived, seconds=200.0 if not FULL else 600.0)
        async with stack.client() as client:
            stats = (await client.get("/v1/triggers:stats")).json()
    seen = await _seen(broker)
    numbers = dict(seen)
    doubled = sum(count - 1 for count in Counter(identity for identity, _ in seen).values())
    record_property(
        "account", f"{kills} kills; {len(written)} in, {stats['events']} events, {len(numbers)} out, {doubled} again by the same id"
    )
    assert int(stats["events"]) == MESSAGES
    assert int(stats["eventFirings"]) == MESSAGES
    assert sorted(numbers.values()) == list(range(MESSAGES))


async def _fill_and_kill(stack: RunningStack, broker: RedisServer, written: list[int]) -> int:
    """Kills one after the other at random moments, all while messages come in; how often."""
    filling, kills = asyncio.create_task(_fill(broker, written)), 0
    for number in range(ROUNDS * 3):
        part = (number + 1) * MESSAGES // (ROUNDS * 3 + 1)
        await eventually(lambda part=part: len(written) >= part, seconds=120.0)
        await asyncio.sleep(random.uniform(0.0, 0.1))
        victim = ("processor_svc", "scheduler_svc", "broker")[number % 3]
        if victim == "broker":
            broker.kill()
            await asyncio.to_thread(broker.start)
        else:
            stack.kill(victim)
        kills += 1
    await filling
    return kills
