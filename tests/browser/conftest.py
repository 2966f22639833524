"""A browser, a Tocsin to look at with it, a web server for the example's page, and a push server with a certificate."""

import asyncio
from collections.abc import AsyncIterator, Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx2
import pytest
import pytest_asyncio

from tests.browser.chromium import Chromium
from tests.browser.console import DESK, HOSTILE_HTML, HOSTILE_NAME, sign_in_link
from tests.integration.mailer.support import certificate
from tocsin.testing.http import HttpSink, Reply
from tocsin.testing.stack import RunningStack

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "webpush"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's word
        """Nothing."""


@pytest.fixture
def page_url() -> Generator[str]:
    """Where the example's page is served; localhost counts as secure."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(EXAMPLE)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def push_server(tmp_path: Path) -> AsyncIterator[tuple[HttpSink, Path]]:
    """Stands for the push service of the browser; and the authority that its certificate is of."""
    context, authority = await asyncio.to_thread(certificate, tmp_path)
    async with HttpSink(tls=context) as sink:
        sink.script(Reply(status=201, headers={"location": "https://push.example.net/m/1"}))
        yield sink, authority


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Chromium]:
    """A browser."""
    async with Chromium(profile=tmp_path / "profile") as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stack."""
    return tmp_path_factory.mktemp("console")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(state: Path) -> AsyncIterator[RunningStack]:
    """Tocsin, with something to look at."""
    with RunningStack(state=state / "state") as running:
        with httpx2.Client(base_url=running.info["http"], headers={"authorization": f"Bearer {running.api_key}"}, timeout=60) as client:
            alarm = {"displayName": HOSTILE_NAME, "trigger": {"every": "2s"}, "action": {"task": {"handler": "noop"}}}
            client.post("/v1/alarms", json=alarm).raise_for_status()
            client.post("/v1/incidents", json={"title": "Disk of db-1 is full", "severity": "CRITICAL"}).raise_for_status()
            _people(client)
            _on_call(client)
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(state: Path) -> AsyncIterator[Chromium]:
    """A browser."""
    async with Chromium(profile=state / "profile") as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def home(stack: RunningStack, browser: Chromium, state: Path) -> str:
    """Where the console is, with the browser signed in by the link that a start prints."""
    link = await asyncio.to_thread(sign_in_link, state / "state")
    page = await browser.open(link.replace("127.0.0.1", "localhost"), **DESK)
    await page.value("document.querySelector('button').click()")
    await page.until("!location.pathname.startsWith('/sign-in')")
    return f"{stack.info['http'].replace('127.0.0.1', 'localhost')}/console"


def _people(client: httpx2.Client) -> None:
    """Somebody, a group and a template whose names and texts would do harm."""
    address = {"channel": "email", "value": "hostile@example.com", "state": "ACTIVE"}
    person = {"name": "recipients/hostile", "displayName": HOSTILE_NAME, "attributes": {"plan": HOSTILE_NAME}, "addresses": [address]}
    template = {"name": "templates/hostile", "subject": f"{HOSTILE_NAME} {{{{ name }}}}", "text": "Hello {{ name }}", "html": HOSTILE_HTML}
    client.post("/v1/groups", json={"name": "groups/hostile", "displayName": HOSTILE_NAME}).raise_for_status()
    client.post("/v1/recipients", json={**person, "groups": ["groups/hostile"]}).raise_for_status()
    client.post("/v1/templates", json=template).raise_for_status()
    message = {"recipients": ["recipients/hostile"], "template": "templates/hostile", "variables": {"name": "Ann"}}
    client.post("/v1/notifications", json=message).raise_for_status()


def _on_call(client: httpx2.Client) -> None:
    """Two rotations, a policy, an integration with a payload, a heartbeat, a limit and an event; some with names that would do harm."""
    for name in ("ann", "bob", "eve"):
        address = {"channel": "email", "value": f"{name}@example.com", "state": "ACTIVE"}
        person = {"name": f"recipients/{name}", "displayName": f"{name.title()} Example", "addresses": [address]}
        client.post("/v1/recipients", json=person).raise_for_status()
    daily = {"turnUnit": "DAYS", "turnCount": 1, "handOverTime": "09:00", "start": "2026-01-01T09:00"}
    for rotation, label, people in (("shop", "Shop", ("ann", "bob")), ("hostile", HOSTILE_NAME, ("hostile", "eve"))):
        layer = {"displayName": label[:100], "participants": [{"recipients": [f"recipients/{name}"]} for name in people], **daily}
        given = {"name": f"rotations/{rotation}", "displayName": label, "timeZone": "Europe/Berlin", "layers": [layer]}
        client.post("/v1/rotations", json=given).raise_for_status()
    policy = {
        "name": "escalationPolicies/hostile",
        "displayName": HOSTILE_NAME,
        "steps": [{"targets": ["rotations/hostile"], "wait": "300s"}],
    }
    client.post("/v1/escalationPolicies", json=policy).raise_for_status()
    mapping = {"title": {"paths": ["name"]}, "dedupKey": {"paths": ["id"]}, "state": {"paths": ["state"], "default": "firing"}}
    integration = {"name": "integrations/hostile", "displayName": HOSTILE_NAME, "kind": "GENERIC", "mapping": mapping}
    key = client.post("/v1/integrations", json=integration).raise_for_status().json()["key"]
    client.post(f"/v1/integrations/{key}/generic", json={"name": HOSTILE_NAME, "id": 1}).raise_for_status()
    for trigger in (
        {"heartbeat": {"every": "3600s"}},
        {"threshold": {"metric": "cellar.temperature", "comparison": "GREATER_THAN", "value": 24}},
    ):
        alarm = {"displayName": HOSTILE_NAME, "trigger": trigger, "action": {"task": {"handler": "noop"}}}
        client.post("/v1/alarms", json=alarm).raise_for_status()
    client.post("/v1/readings", json={"metric": "cellar.temperature", "value": 21.5, "source": HOSTILE_NAME}).raise_for_status()
    client.post("/v1/events", json={"topic": "orders.paid", "data": {"who": HOSTILE_NAME}, "source": HOSTILE_NAME}).raise_for_status()
