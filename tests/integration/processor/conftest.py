"""Running neighbours."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.integration.processor.support import SCOPES, Neighbours, calling
from tocsin.mesh.context import acting_as


@pytest.fixture
def tables_of() -> str:
    """Fresh databases have the tables of processor_svc."""
    return "processor_svc"


@pytest.fixture
async def neighbours(tmp_path: Path) -> AsyncGenerator[Neighbours]:
    """Nothing runs yet; calls speak for tenant t1."""
    async with calling(tmp_path) as made:
        with acting_as(made.mint.mint(tenant="t1", scopes=SCOPES)):
            yield made
