"""Running schedulers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.scheduler.stores import Stores
from tests.integration.scheduler.support import Rig
from tocsin.testing.clock import FakeClock


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
