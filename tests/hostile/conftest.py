"""One real stack on each kind of database, for all tests that attack one from outside."""

import asyncio
import os
from collections.abc import Generator
from typing import Final

import pytest

from tocsin.testing.postgres import PostgresServer
from tocsin.testing.stack import STRANGERS, RunningStack
from tocsin.testing.waiting import eventually

FULL: Final = os.environ.get("HOSTILE") == "full"
"""Whether all attacks are made, on either database; else a sample on SQLite."""


@pytest.fixture(scope="package", params=["sqlite", "postgresql"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningStack]:
    """Five services as `tocsin up` runs them, until this process is through with this folder."""
    state = tmp_path_factory.mktemp("hostile") / "state"
    if request.param == "sqlite":
        with RunningStack(state=state, env=STRANGERS) as running:
            _await_processor(running)
            yield running
        return
    server = PostgresServer()
    server.start()
    try:
        with RunningStack(state=state, env={**STRANGERS, "TOCSIN_DATABASE_URL": server.url()}) as running:
            _await_processor(running)
            yield running
    finally:
        server.close()


def _await_processor(stack: RunningStack) -> None:
    """Returns once health is well: services that take calls are up, and scheduler_svc may still wait for its first processor."""

    async def well() -> bool:
        async with stack.client() as client:
            return (await client.get("/health")).json()["status"] == "healthy"

    asyncio.run(eventually(well, seconds=60, what="health of the whole stack"))
