"""auth_svc as a process: what it says when it cannot start, and that a kill costs nothing."""

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Self

import pytest

from auth_svc.domain import is_api_key_secret
from tests.integration.auth.support import Rig
from tocsin.testing.clock import FakeClock

_SECONDS = 110.0


class Service:
    """One process of auth_svc; killed at the end of the block if it still runs."""

    def __init__(self, folder: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        self._folder = folder
        self._env = {**kept, "TOCSIN_STATE_DIR": str(folder), "TOCSIN_AUTH_PORT": "0", "TOCSIN_AUTH_METRICS_PORT": "0", **settings}

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "auth_svc", env=self._env, stderr=asyncio.subprocess.PIPE
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()

    async def ended(self) -> tuple[int | None, str]:
        """Waits until it ends by itself; its exit code and what it said."""
        async with asyncio.timeout(_SECONDS):
            _, said = await self._process.communicate()
        return self._process.returncode, said.decode()

    async def installed(self) -> None:
        """Waits until the first start has written its key."""
        async with asyncio.timeout(_SECONDS):
            while not (self._folder / "dev-api-key").exists():
                assert self._process.returncode is None
                await asyncio.sleep(0.005)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self._process.send_signal(number)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with certificates and nothing else."""
    return Rig(folder=tmp_path / "state", clock=FakeClock()).folder


async def test_garbled_key_stops_the_process(state: Path) -> None:
    """Exit code 78 (EX_CONFIG), one plain sentence with the setting and the file, and no traceback."""
    key = state / "garbled.pem"
    key.write_text("garbage")
    key.chmod(0o600)
    async with Service(state, TOCSIN_AUTH_SIGNING_KEY_FILE=str(key)) as service:
        code, said = await service.ended()
    assert code == 78
    assert f"TOCSIN_AUTH_SIGNING_KEY_FILE: {key} contains no unencrypted private key in PEM" in said
    assert "Traceback" not in said
    assert not (state / "dev-api-key").exists()


async def test_port_in_use_stops_the_process(state: Path) -> None:
    """With the setting that names the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with Service(state, TOCSIN_AUTH_PORT=str(port)) as service:
            code, said = await service.ended()
    assert code == 75
    assert "TOCSIN_AUTH_PORT" in said
    assert str(port) in said


async def test_newer_database_stops_the_process(state: Path) -> None:
    """A schema of a later version is named and left alone."""
    async with Service(state) as service:
        await service.installed()
        service.send(signal.SIGTERM)
        await service.ended()
    with sqlite3.connect(state / "auth_svc.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    async with Service(state) as service:
        code, said = await service.ended()
    assert code
    assert "9999" in said


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.02])
async def test_killed_first_start_is_made_good(state: Path, delay: float) -> None:
    """SIGKILL around the moment in which the key's file appears: the next start makes the key in the file valid."""
    async with Service(state) as service:
        await service.installed()
        await asyncio.sleep(delay)
        service.send(signal.SIGKILL)
    secret = (state / "dev-api-key").read_text()
    assert is_api_key_secret(secret)
    rig = Rig(folder=state, clock=FakeClock())
    await rig.start()
    try:
        assert (await rig.exchange(secret)).access_token
        await rig.sign_in("admin@example.com", rig.secret("admin-password"))
    finally:
        await rig.stop()
