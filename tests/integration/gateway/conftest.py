"""Fixtures of the gateway's tests."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from tests.integration.gateway.support import Rig
from tocsin.clock import SystemClock


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncGenerator[Rig]:
    """A running gateway on the real clock."""
    made = Rig(folder=tmp_path, clock=SystemClock())
    try:
        await made.start(cors_allow_origins=("https://app.example.com",), max_body_bytes=4096)
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def client(rig: Rig) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client with every scope."""
    async with rig.client() as made:
        yield made
