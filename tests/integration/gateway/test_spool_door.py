"""The spool from outside: the gateway as it is built, on the real contract, while nobody or somebody who never answers stands behind it."""

import asyncio
import socket
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.config import GatewaySettings
from gateway.wiring import build
from tests.integration.starting import no_lame_duck
from tocsin.api.scheduler.v1 import trigger_service_pb2 as pb
from tocsin.clock import SystemClock
from tocsin.lifecycle import App
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.process import free_port
from tocsin.testing.tokens import TokenMint

CLOCK = SystemClock()
SCOPES = ("events:write", "mesh:read", "mesh:write")


class Door:
    """A gateway whose scheduler is away, or hangs."""

    def __init__(self, folder: Path, scheduler: str) -> None:
        self.folder = folder
        self.mint = TokenMint(clock=CLOCK)
        ensure_pki(folder=folder / "pki", services=["gateway"], trust_domain="tocsin.local", clock=CLOCK)
        self._scheduler = scheduler
        self.apps: list[App] = []

    async def start(self) -> httpx2.AsyncClient:
        """Starts one more gateway on the folder; a client of it, without a token."""
        pki, nobody = self.folder / "pki", f"127.0.0.1:{free_port()}"
        targets = {f"{name}_target": nobody for name in ("auth", "processor", "mailer")} | {"scheduler_target": self._scheduler}
        tls = {"tls_ca_file": pki / "ca.pem", "tls_cert_file": pki / "gateway.pem", "tls_key_file": pki / "gateway-key.pem"}
        ports = {"port": 0, "http_port": 0, "metrics_port": 0, "grace_seconds": 0.5}
        given: dict[str, Any] = {"state_dir": self.folder, "spool_file": self.folder / "gateway-spool.db", **targets, **tls, **ports}
        settings = no_lame_duck(GatewaySettings(**given))
        app = build(settings, CLOCK, jwks=self.mint.fetch)
        await app.start()
        self.apps.append(app)
        return httpx2.AsyncClient(base_url=app.http_url, trust_env=False, timeout=60)

    def token(self, tenant: str = "acme") -> dict[str, str]:
        """Who asks."""
        return {"authorization": f"Bearer {self.mint.mint(tenant=tenant, scopes=SCOPES)}"}

    async def stop(self) -> None:
        """Stops all."""
        for app in self.apps:
            await app.stop()


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[Door]:
    """Nobody listens where the scheduler should be."""
    door = Door(tmp_path, f"127.0.0.1:{free_port()}")
    yield door
    await door.stop()


@pytest.fixture
async def hanging(tmp_path: Path) -> AsyncIterator[Door]:
    """Whoever stands where the scheduler should be takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        door = Door(tmp_path, f"127.0.0.1:{server.getsockname()[1]}")
        yield door
        await door.stop()


async def test_what_the_scheduler_would_refuse_is_refused_while_it_is_away(away: Door) -> None:
    """Small and good: 202. Large, deep, or no event: 4xx, and the spool has one call."""
    async with await away.start() as client:
        client.headers.update(away.token())
        good = await client.post("/v1/events", json={"topic": "a.b", "data": {"n": 1}})
        assert (good.status_code, bool(good.json()["id"])) == (202, True)
        bad = [
            {"topic": "a.b", "data": {"a": "x" * 4_000_000}},
            {"topic": "a.b", "data": {f"k{number}": 0 for number in range(200_000)}},
            {"topic": "a.b", "data": {"a": "x" * 100_000}},
            {"topic": "a.b", "source": "\0"},
            {"topic": "no topic"},
        ]
        answers = [await client.post("/v1/events", json=body) for body in bad]
        assert all(400 <= answer.status_code < 500 for answer in answers), answers
        health = (await client.get("/health")).json()
        assert health["spool"]["waiting"] == 1
        assert health["spool"]["setAside"] == 0


async def test_an_impatient_client_is_no_outage(hanging: Door) -> None:
    """`x-request-timeout: 0.001` gets 504, however often, and nothing is taken on."""
    async with await hanging.start() as client:
        client.headers.update(hanging.token())
        for timeout in ({"x-request-timeout": "0.001"}, {"x-request-timeout": "0.3"}, {"grpc-timeout": "200m"}):
            answer = await client.post("/v1/events", json={"topic": "a.b"}, headers=timeout)
            assert (answer.status_code, answer.json()["code"]) == (504, "DEADLINE_EXCEEDED")
        assert (await client.get("/health")).json()["spool"]["waiting"] == 0


async def test_strangers_take_no_place_of_tenants(away: Door) -> None:
    """Three hundred pings of unknown keys without a token: two hundred wait beside the tenants' calls, the others get 503."""
    async with await away.start() as client:
        answers = await asyncio.gather(*(client.get(f"/v1/pings/nobody-{number}") for number in range(300)))
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {202: 200, 503: 100}
        event = await client.post("/v1/events", json={"topic": "a.b"}, headers=away.token())
        assert event.status_code == 202


async def test_two_gateways_on_one_folder_have_a_spool_each(away: Door) -> None:
    """What one has taken on the other does not forward; each tells its own."""
    async with await away.start() as first, await away.start() as second:
        for client, count in ((first, 3), (second, 2)):
            client.headers.update(away.token())
            for _ in range(count):
                assert (await client.post("/v1/readings", json={"metric": "m", "value": 1})).status_code == 202
        told = [(await client.get("/v1/spooledCalls")).json() for client in (first, second)]
        assert [(answer["spool"], answer["waiting"]) for answer in told] == [(1, "3"), (2, "2")]
        assert (await second.get("/v1/spooledCalls/1-1")).status_code == 404
        assert (await second.get("/v1/spooledCalls/nonsense")).status_code == 400
        assert (await second.delete("/v1/spooledCalls/2-99")).status_code == 404
        assert (await second.post("/v1/spooledCalls/2-99:retry", json={})).status_code == 404


async def test_pings_of_healthchecks_wait_with_their_time(away: Door) -> None:
    """A word of an answer, as its clients want it; what was said, when, and the beginning of the body are kept for the scheduler."""
    key = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
    async with await away.start() as client:
        for method, path in (("GET", key), ("HEAD", f"{key}/start"), ("POST", f"{key}/3?rid={key}")):
            answer = await client.request(method, f"/ping/{path}", content=b"x" * 200_000 if method == "POST" else None)
            assert (answer.status_code, answer.text) == (202, "" if method == "HEAD" else "OK")
        with closing(sqlite3.connect(away.folder / "gateway-spool.db")) as kept:
            requests = [pb.ReceivePingRequest.FromString(raw) for (raw,) in kept.execute("SELECT request FROM calls ORDER BY number")]
    assert [(each.method, each.first, each.query, len(each.body.data)) for each in requests] == [
        ("GET", "", "", 0), ("HEAD", "start", "", 0), ("POST", "3", f"rid={key}", 100_000),
    ]  # fmt: skip
    assert all(each.HasField("time") and each.address == "127.0.0.1" for each in requests)
