"""One real stack for the end-to-end tests, and tenants of their own for those that count."""

import secrets
from collections.abc import AsyncGenerator, Generator

import httpx2
import pytest

from tocsin.testing.stack import STRANGERS, RunningStack

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningStack]:
    """Five services as `tocsin up` runs them, until this process is through with this folder: idle ones would cost the others CPU."""
    with RunningStack(state=tmp_path_factory.mktemp("e2e") / "state", env=STRANGERS) as running:
        yield running


@pytest.fixture
async def client(stack: RunningStack) -> AsyncGenerator[httpx2.AsyncClient]:
    """REST with the development key: every scope."""
    async with stack.client() as client:
        yield client


@pytest.fixture
async def stranger(stack: RunningStack) -> AsyncGenerator[httpx2.AsyncClient]:
    """REST as the administrator of a fresh tenant."""
    async with stack.client() as client:
        email = f"{secrets.token_hex(6)}@example.com"
        made = await client.post("/v1/auth:register", json={"email": email, "password": PASSWORD})
        assert made.status_code == 200, made.text
        token = await client.post("/v1/auth:token", json={"email": email, "password": PASSWORD})
        assert token.status_code == 200, token.text
    async with stack.client(key=token.json()["accessToken"]) as signed_in:
        yield signed_in
