"""A service in JavaScript (grpc-js) behind the gateway: `make foreign`. Node is the system's; its packages come from npm into var/."""

import asyncio
import importlib.resources
import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from tests.integration.gateway.foreign import POLICIES, SERVICE, kind, write
from tests.integration.gateway.support import Rig, lines
from tests.unit.gateway.contracts import PROTOS
from tocsin.clock import SystemClock

pytestmark = pytest.mark.foreign

MODULES = Path("var/foreign/node_modules").resolve()
PACKAGES = ("@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1")


@pytest.fixture(scope="module")
def modules() -> Path:
    """The packages of Node, installed if they are not there."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.fail("Node is missing: apt-get install nodejs npm")
    if not (MODULES / "@grpc/grpc-js").exists():
        MODULES.parent.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-save", "--prefix", str(MODULES.parent), *PACKAGES]
        subprocess.run(command, check=True, timeout=300)
    return MODULES


@pytest.fixture
async def rig(modules: Path, tmp_path: Path) -> AsyncGenerator[Rig]:
    """A gateway with the service behind it."""
    includes = [PROTOS, importlib.resources.files("google.api").joinpath("../.."), importlib.resources.files("grpc_tools") / "_proto"]
    server = Path(__file__).parent / "server.js"
    node = await asyncio.create_subprocess_exec("node", str(server), str(modules), *map(str, includes), stdout=asyncio.subprocess.PIPE)
    made = Rig(folder=tmp_path, clock=SystemClock())
    try:
        assert node.stdout is not None
        port = int(await asyncio.wait_for(node.stdout.readline(), 60))
        contract, rules = write(tmp_path, f"{POLICIES}\ncontracts: {{billing: {{response_headers: [x-language]}}}}\n")
        await made.start(contracts=(f"{contract}@dns:///localhost:{port}",), policies=rules)
        yield made
    finally:
        await made.stop()
        if node.returncode is None:
            node.terminate()
        await node.wait()


@pytest.fixture
async def client(rig: Rig) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client with every scope."""
    async with rig.client() as made:
        yield made


async def test_unary_calls_and_errors(client: httpx2.AsyncClient) -> None:
    """JSON in and out, identity and metadata, words of errors."""
    answer = await client.get("/v1/customers/7/invoices/9")
    assert answer.json() == {
        "name": "customers/7/invoices/9",
        "totalCents": "9007199254740993",
        "state": "STATE_PAID",
        "lines": [{"text": "acme"}],
    }
    assert answer.headers["x-language"] == "javascript"
    missing = await client.get("/v1/customers/7/invoices/0")
    assert (missing.status_code, missing.json()["message"]) == (404, "no invoice 0")
    created = await client.post("/v1/customers/7/invoices", json={"totalCents": 5, "createTime": "2026-12-01T09:00:00Z"})
    assert created.json() == {"name": "customers/7/invoices/1", "totalCents": "5", "createTime": "2026-12-01T09:00:00Z"}
    absent = await client.post("/v1/texts", json="x")
    assert (absent.status_code, absent.json()["code"]) == (501, "UNIMPLEMENTED")


async def test_streams(client: httpx2.AsyncClient, rig: Rig) -> None:
    """Answers, bytes, uploads, and both ways at the edge."""
    watched = await client.get("/v1/customers/7/invoices:watch")
    assert [item["name"] for item in lines(watched.text)] == [f"customers/7/invoices/{number}" for number in range(3)]
    exported = await client.get("/v1/customers/7/invoices:export")
    assert (exported.content, exported.headers["content-type"]) == (b"a,b\n\x00\xff", "text/csv")
    counted = await client.post("/v1/invoices:import", content=b"{}\n{}\n", headers={"content-type": "application/x-ndjson"})
    assert counted.json() == {"count": "2"}
    invoice: Any = kind("Invoice")
    channel: Any = grpc.aio.insecure_channel(rig.running.address)
    async with channel:
        chat: Any = channel.stream_stream(
            f"/{SERVICE}/Chat", request_serializer=lambda it: it.SerializeToString(), response_deserializer=invoice.FromString
        )
        call = chat(iter([invoice(name="a"), invoice(name="b")]), metadata=(("authorization", f"Bearer {rig.token()}"),))
        assert [answer.name async for answer in call] == ["a", "b"]
