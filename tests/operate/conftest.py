"""Programs of the system that send to Tocsin, and a stack that they send to."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tocsin.testing.process import free_port
from tocsin.testing.redis import RedisServer
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

INSTALL = "apt-get install --yes --no-install-recommends prometheus-alertmanager"
SMTP_PORT = free_port()
"""Where mails go; a test that wants them taken has a server there."""
_NAMES = ("prometheus-alertmanager", "alertmanager")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Generator[RunningStack]:
    """Five services as `tocsin up` runs them, with a Redis; what is counted now and then is counted every second."""
    env = {
        "TOCSIN_REDIS_URL": redis_server.url,
        "TOCSIN_SCHEDULER_CLEANUP_INTERVAL_SECONDS": "1",
        "TOCSIN_MAILER_SMTP_HOST": "127.0.0.1",
        "TOCSIN_MAILER_SMTP_PORT": str(SMTP_PORT),
        "TOCSIN_MAILER_SMTP_TLS": "none",
    }
    with RunningStack(state=tmp_path_factory.mktemp("operate") / "state", env=env) as running:
        yield running


class Alertmanager:
    """A real Alertmanager that tells one webhook, as soon as it can."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def alert(self, *alerts: dict[str, object]) -> None:
        """Says what Prometheus would say."""
        async with httpx2.AsyncClient(base_url=self.url) as client:
            answer = await client.post("/api/v2/alerts", json=list(alerts))
            assert answer.status_code == 200, answer.text


@asynccontextmanager
async def alertmanager(folder: Path, config: str) -> AsyncGenerator[Alertmanager]:
    """Runs one by a configuration.

    Raises:
        pytest.fail: there is none; the text is the line that installs it.
    """
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.fail(f"there is no Alertmanager; install one: {INSTALL}")
    file = folder / "alertmanager.yml"
    await asyncio.to_thread(file.write_text, config, encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    flags = (f"--config.file={file}", f"--storage.path={folder / 'data'}", f"--web.listen-address={url.removeprefix('http://')}")
    process = await asyncio.create_subprocess_exec(program, *flags, "--cluster.listen-address=", stderr=asyncio.subprocess.DEVNULL)
    try:
        async with httpx2.AsyncClient(base_url=url) as client:

            async def ready() -> bool:
                with contextlib.suppress(httpx2.TransportError):
                    return (await client.get("/-/ready")).status_code == 200
                return False

            await eventually(ready, what="an Alertmanager that is ready")
        yield Alertmanager(url)
    finally:
        process.terminate()
        await process.wait()
