"""auth_svc in this process, called through the real mesh."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.auth.support import Rig
from tocsin.testing.clock import FakeClock


@pytest.fixture
def tables_of() -> str:
    """Fresh databases have the tables of auth_svc."""
    return "auth_svc"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder that a first start leaves; each test works on a copy, which saves it the migration and the certificates."""
    folder = tmp_path_factory.mktemp("installed")

    async def start_once() -> None:
        first = Rig(folder=folder, clock=FakeClock())
        await first.start()
        await first.stop()

    asyncio.run(start_once())
    return folder


@pytest.fixture
async def rig(installed: Path, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Rig]:
    """A running auth_svc on SQLite, and a way to call it."""
    made = Rig(folder=Path(shutil.copytree(installed, tmp_path / "state")), clock=clock)
    await made.start()
    yield made
    await made.stop()
