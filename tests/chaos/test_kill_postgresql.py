"""PostgreSQL under all five services is killed and comes back on the same data: refusals while it is away, and nothing else."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

KILLS, LIFE, AWAY = (8, 6.0, (0.0, 1.0, 5.0, 15.0)) if FULL else (2, 1.0, (0.0, 2.0))
"""Kills, seconds between them, and for how many seconds the server stays away, in turn."""
SECONDS = KILLS * (LIFE + sum(AWAY) / len(AWAY))
RATE = 25


async def kill_in_turn(postgres: PostgresServer, client: httpx2.AsyncClient) -> Counter[str]:
    """Kills the server and starts it again on its data; returns what /health called the services while it was away."""
    told: Counter[str] = Counter()
    for kill in range(KILLS):
        await asyncio.sleep(LIFE * random.uniform(0.5, 1.0))
        await asyncio.to_thread(postgres.kill)
        away = AWAY[kill % len(AWAY)]
        await asyncio.sleep(away)
        if away:
            told.update(await databases(client))
        await asyncio.to_thread(postgres.start)
    return told


async def databases(client: httpx2.AsyncClient) -> list[str]:
    """The services whose database is not well, as the gateway tells it."""
    health: dict[str, Any] = (await client.get("/health")).json()
    return [name for name, service in health["services"].items() if service["dependencies"]["database"]["status"] != "healthy"]


async def test_killing_postgresql_loses_and_doubles_nothing(
    own_postgres_server: PostgresServer, tmp_path: Path, record_property: Note
) -> None:
    """While it is away calls are refused with "not now"; no service ends, and all of them go on by themselves."""
    with RunningStack(state=tmp_path / "state", env={"TOCSIN_DATABASE_URL": own_postgres_server.url()}) as stack:
        async with stack.client() as client, stack.client() as another:
            load = Load(client)
            await load.steady()
            told, _ = await asyncio.gather(
                kill_in_turn(own_postgres_server, another), load.run(alarms=int(RATE * SECONDS), seconds=SECONDS)
            )
            account = await load.settle()
            restarts = {service: stack.restarts(service) for service in SERVICES}
        logs = stack.logs()
    record_property("account", f"{KILLS} kills of PostgreSQL, answers {dict(load.answers)}: {account}")
    assert load.refused > 0, "nobody noticed: this run says nothing"
    assert set(told) == {"auth", "scheduler", "processor", "mailer"}
    assert restarts == dict.fromkeys(SERVICES, 0), "a database that is away is no reason to end"
    assert account.accepted == account.attempted
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
