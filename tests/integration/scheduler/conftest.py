"""Running schedulers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.scheduler.support import Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A scheduler on SQLite, on the system's clock."""
    made = Rig(folder=tmp_path)
    await made.start()
    yield made
    await made.stop()
