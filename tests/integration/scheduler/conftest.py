"""Running schedulers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from scheduler_svc.dispatch import DispatchOptions
from scheduler_svc.domain import Firing
from tests.integration.scheduler.replica import Replica
from tests.integration.scheduler.stores import OWNER, SECOND, Stores, firing
from tests.integration.scheduler.support import Rig
from tocsin.testing.clock import FakeClock

Start = Callable[..., Awaitable[Replica]]
Add = Callable[..., Awaitable[list[Firing]]]


@pytest.fixture
def tables_of() -> str:
    """Fresh databases have the tables of scheduler_svc."""
    return "scheduler_svc"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A scheduler on SQLite, on the system's clock."""
    made = Rig(folder=tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def stores(database_url: str, clock: FakeClock) -> AsyncIterator[Stores]:
    """The stores on each kind of database, with every shard taken."""
    made = Stores(database_url, clock)
    await made.start()
    yield made
    await made.database.stop()


@pytest.fixture
async def start(stores: Stores, clock: FakeClock) -> AsyncIterator[Start]:
    """Starts replicas that own all shards, and stops them in the end."""
    replicas: list[Replica] = []

    async def begin(**options: int) -> Replica:
        replica = Replica(stores, clock, name=OWNER, dispatch=DispatchOptions(**options), alone=True)
        replicas.append(replica)
        return await replica.start()

    yield begin
    for replica in replicas:
        await replica.stop()


@pytest.fixture
def add(stores: Stores) -> Add:
    """Puts firings into the ledger."""

    async def enqueue(count: int = 1, **fields: object) -> list[Firing]:
        ones = [firing(**fields) for _ in range(count)]
        await stores.ledger.enqueue(ones, owner=OWNER, held=await stores.shards.renew(OWNER, lease=10 * SECOND))
        return ones

    return enqueue
