"""PostgreSQL under all five services is killed and comes back on the same data: refusals while it is away, and nothing else."""

import asyncio
import random
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

KILLS, LIFE, AWAY = (8, 6.0, (0.0, 1.0, 5.0, 15.0)) if FULL else (2, 1.0, (0.0, 2.0))
"""Kills, seconds between them, and for how many seconds the server stays away, in turn."""
SECONDS = KILLS * (LIFE + sum(AWAY) / len(AWAY))
RATE = 25
STORING = {"auth", "scheduler", "processor", "mailer"}
"""The services that have a database."""


async def kill_in_turn(postgres: PostgresServer, client: httpx2.AsyncClient) -> None:
    """Kills the server and starts it again on its data; while it is away, /health tells so of every service that stores something."""
    for kill in range(KILLS):
        await asyncio.sleep(LIFE * random.uniform(0.5, 1.0))
        await asyncio.to_thread(postgres.kill)
        away = AWAY[kill % len(AWAY)]
        await asyncio.sleep(away)
        if away:
            await eventually(partial(all_tell, client), seconds=60, what="every service to tell that its database is away")
        await asyncio.to_thread(postgres.start)


async def all_tell(client: httpx2.AsyncClient) -> bool:
    """Whether all of them do, as the gateway hears it; one that has no time to answer it has none of its dependencies in that moment."""
    await asyncio.sleep(0.1)
    services: dict[str, Any] = (await client.get("/health")).json()["services"]
    stores = {name: service.get("dependencies", {}).get("database") for name, service in services.items()}
    return {name for name, store in stores.items() if store and store["status"] != "healthy"} == STORING


async def test_killing_postgresql_loses_and_doubles_nothing(
    own_postgres_server: PostgresServer, tmp_path: Path, record_property: Note
) -> None:
    """While it is away calls are refused with "not now"; no service ends, and all of them go on by themselves."""
    with RunningStack(state=tmp_path / "state", env={"TOCSIN_DATABASE_URL": own_postgres_server.url()}) as stack:
        async with stack.client() as client, stack.client() as another:
            load = Load(client)
            await load.steady()
            await asyncio.gather(kill_in_turn(own_postgres_server, another), load.run(alarms=int(RATE * SECONDS), seconds=SECONDS))
            account = await load.settle()
            restarts = {service: stack.restarts(service) for service in SERVICES}
        logs = stack.logs()
    record_property("account", f"{KILLS} kills of PostgreSQL, answers {dict(load.answers)}: {account}")
    assert load.refused > 0, "nobody noticed: this run says nothing"
    assert restarts == dict.fromkeys(SERVICES, 0), "a database that is away is no reason to end"
    assert account.accepted == account.attempted
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
