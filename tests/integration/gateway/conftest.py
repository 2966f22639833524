"""Fixtures of the gateway's tests."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Rig]:
    """As `rig`, one for all tests of a module, which let it run."""
    made = Rig(folder=tmp_path_factory.mktemp("rig"), clock=SystemClock())
    try:
        await made.start(cors_allow_origins=("https://app.example.com",), max_body_bytes=4096)
        yield made
    finally:
        await made.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def shared(module_rig: Rig) -> Rig:
    """The gateway of this module, behind which nothing has been called yet."""
    module_rig.shelf.forget()
    return module_rig


@pytest_asyncio.fixture(loop_scope="module")
async def caller(shared: Rig) -> AsyncGenerator[httpx2.AsyncClient]:
    """As `client`, of the gateway of this module."""
    async with shared.client() as made:
        yield made


@pytest.fixture
async def client(rig: Rig) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client with every scope."""
    async with rig.client() as made:
        yield made
