"""Fixtures of the mesh's integration tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.mesh.support import Rig
from tocsin.testing.clock import FakeClock


@pytest.fixture
async def rig(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Rig]:
    """A mesh of real servers and clients on free ports."""
    made = Rig(tmp_path, clock)
    yield made
    await made.close()
