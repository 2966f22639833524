"""Two gateways on one state folder, while the scheduler is away and both are killed: what was accepted counts, once."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tocsin.testing.process import accepts, free_port
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

READINGS = 240
_LISTED = 1000


class SecondGateway:
    """Another gateway beside that of a stack: the same settings, ports of its own."""

    def __init__(self, stack: RunningStack) -> None:
        self._env = stack.environment("gateway")
        self.port = free_port()
        ports = {"HTTP_PORT": self.port, "PORT": free_port(), "METRICS_PORT": free_port()}
        self._env |= {f"TOCSIN_GATEWAY_{name}": str(port) for name, port in ports.items()}
        self._log = stack.state / "logs" / "gateway-second.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._key = stack.api_key

    async def start(self) -> None:
        """Returns once it listens."""
        self._spawn()
        await eventually(lambda: accepts(self.port), seconds=60, what="the second gateway")

    def _spawn(self) -> None:
        line = [sys.executable, "-m", "tocsin.cli", "serve", "gateway"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(line, env=self._env, stdout=log, stderr=log)

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def client(self) -> httpx2.AsyncClient:
        """A REST client of it."""
        headers = {"Authorization": f"Bearer {self._key}"}
        return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=10.0, trust_env=False)


@asynccontextmanager
async def second_gateway(stack: RunningStack) -> AsyncGenerator[SecondGateway]:
    """One that runs while the context lasts."""
    gateway = SecondGateway(stack)
    await gateway.start()
    try:
        yield gateway
    finally:
        gateway.kill()


async def test_readings_of_two_gateways_count_once(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """With the scheduler killed again and again, each gateway killed once or twice: every reading that got a 2xx is in the log, once."""
    with RunningStack(state=tmp_path / "state") as stack:
        async with second_gateway(stack) as second:
            assert (stack.state / "gateway-spool-2.db").exists()
            accepted, statuses = await _record(stack, second)
            await eventually(lambda: _emptied(stack, second), seconds=120, what="empty spools")
            sources = await _sources(stack)
    counts = Counter(sources)
    account = {
        "attempted": READINGS,
        "accepted": len(accepted),
        "taken on": statuses[202],
        "logged": len(sources),
        "lost": len(set(accepted) - counts.keys()),
        "duplicated": sum(number - 1 for number in counts.values()),
    }
    record_property("account", account)
    assert account["lost"] == account["duplicated"] == 0, account
    assert statuses[202] > 0, "nothing was taken on: this run says nothing about the spool"


async def _record(stack: RunningStack, second: SecondGateway) -> tuple[list[str], Counter[int]]:
    """Records readings, each by one of the gateways in turn, and kills meanwhile; which were accepted, and how they were answered."""
    accepted: list[str] = []
    statuses: Counter[int] = Counter()
    for number in range(READINGS):
        if number % 40 == 10:
            stack.kill("scheduler_svc")
        if number in (60, 150):
            second.kill()
            await second.start()
        if number == 100:
            stack.kill("gateway")
        async with second.client() if number % 2 else stack.client() as client:
            status = await _send(client, f"s{number}")
        statuses[status] += 1
        if 200 <= status < 300:
            accepted.append(f"s{number}")
        await asyncio.sleep(0.02)
    return accepted, statuses


async def _send(client: httpx2.AsyncClient, source: str) -> int:
    """The status of one reading, which is told by its source; while its gateway is away, it is tried again with the same identity."""
    for _ in range(100):
        try:
            body = {"id": source, "metric": "chaos.spool", "value": 1, "source": source}
            return (await client.post("/v1/readings", json=body)).status_code
        except httpx2.TransportError:
            await asyncio.sleep(0.2)
    return 0


async def _sources(stack: RunningStack) -> list[str]:
    async with stack.client() as client:
        try:
            answer = await client.get("/logs", params={"filter": 'kind="READING"', "pageSize": _LISTED})
        except httpx2.TransportError:
            return []
    entries: list[dict[str, Any]] = answer.json().get("logs", []) if answer.status_code == 200 else []
    return [entry["source"] for entry in entries]


async def _emptied(stack: RunningStack, second: SecondGateway) -> bool:
    for make in (stack.client, second.client):
        async with make() as client:
            try:
                if (await client.get("/health")).json()["spool"]["waiting"]:
                    return False
            except httpx2.TransportError:
                return False
    return True
