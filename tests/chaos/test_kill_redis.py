"""Redis is killed, stays away and comes back empty: it is never the only copy, so nobody is to notice."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.testing.redis import RedisServer
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

KILLS, LIFE, AWAY = (8, 5.0, 10.0) if FULL else (2, 1.0, 1.5)
"""Kills, seconds between them, and for how many seconds it stays away."""
SECONDS = KILLS * (LIFE + AWAY)
RATE = 25


async def kill_in_turn(redis: RedisServer, client: httpx2.AsyncClient) -> None:
    """Kills the server and starts it again, empty; while it is away, /health tells so."""
    for _ in range(KILLS):
        await asyncio.sleep(LIFE)
        await asyncio.to_thread(redis.kill)
        await asyncio.sleep(AWAY)
        await eventually(partial(is_away, client), what="health to tell that Redis is away")
        await asyncio.to_thread(redis.start)


async def status(client: httpx2.AsyncClient) -> str | None:
    """What the gateway tells of the scheduler's Redis; None when the scheduler had no time to answer it."""
    service: dict[str, Any] = (await client.get("/health")).json()["services"]["scheduler"]
    return service.get("dependencies", {}).get("redis", {}).get("status")


async def is_well(client: httpx2.AsyncClient) -> bool:
    """Whether the scheduler has its Redis."""
    return await status(client) == "healthy"


async def is_away(client: httpx2.AsyncClient) -> bool:
    """Whether the scheduler says that it has not."""
    return await status(client) not in (None, "healthy")


async def test_killing_redis_is_noticed_by_nobody(own_redis_server: RedisServer, tmp_path: Path, record_property: Note) -> None:
    """Not one call is refused while it is away; every mail arrives once; no service ends, and all of them find it again."""
    with RunningStack(state=tmp_path / "state", env={"TOCSIN_REDIS_URL": own_redis_server.url}) as stack:
        async with stack.client() as client:
            load = Load(client)
            await load.steady()
            await asyncio.gather(kill_in_turn(own_redis_server, client), load.run(alarms=int(RATE * SECONDS), seconds=SECONDS))
            account = await load.settle()
            await eventually(lambda: is_well(client), what="Redis to be found again")
            restarts = {service: stack.restarts(service) for service in SERVICES}
        logs = stack.logs()
    record_property("account", f"{KILLS} kills of Redis, answers {dict(load.answers)}: {account}")
    assert set(load.answers) == {200}, "Redis is never the only copy: no call needs it"
    assert restarts == dict.fromkeys(SERVICES, 0)
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
