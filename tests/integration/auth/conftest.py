"""auth_svc in this process, called through the real mesh."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.auth.support import Rig
from tocsin.testing.clock import FakeClock


@pytest.fixture
async def rig(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Rig]:
    """A running auth_svc on SQLite, and a way to call it."""
    made = Rig(folder=tmp_path, clock=clock)
    await made.start()
    yield made
    await made.stop()
