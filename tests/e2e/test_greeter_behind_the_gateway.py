"""examples/greeter behind the gateway: each of its processes is killed, and what is left says so by metric, span and graph."""

import asyncio
import importlib.resources
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from grpc_tools import protoc

from tests.collector import CLIENT, SERVER, Collector, listening
from tests.e2e.test_greeter import EXAMPLE, Greeting
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.timeout(900)]

ROOT = EXAMPLE.parents[1]
FIND = "/hello.v1.Names/FindName"
RULES = """
methods:
  hello.v1.Greeter: {scope: "alarms:read", breaker: {consecutive_failures: 3, open: 1s, max_open: 1s}}
"""


def compiled(folder: Path) -> Path:
    """The contract of the greeter with what it imports, as the gateway reads it."""
    file = folder / "greeter.binpb"
    known = (EXAMPLE, ROOT, importlib.resources.files("grpc_tools") / "_proto")
    line = ["protoc", *(f"-I{each}" for each in known), "--include_imports", f"--descriptor_set_out={file}", "greeter.proto"]
    assert protoc.main(line) == 0
    return file


class Running:
    """The two processes, their collector, and a gateway before them."""

    def __init__(self, folder: Path, collector: Collector) -> None:
        self.policies = folder / "policies.yaml"
        self.policies.write_text("rules: []")
        self.collector = collector
        self.greeting = Greeting(env={"OTLP_ENDPOINT": collector.endpoint, "POLICIES": str(self.policies)})
        self.names: Any = None
        self.greeter: Any = None
        self.metrics = ""
        self.client: Any = None
        self.last = ""

    async def start_names(self, at: str = "0", **env: str) -> str:
        """Starts the one that is called; returns its port."""
        self.names, address, _ = await self.greeting.start("names.py", at, **env)
        return address.rpartition(":")[2]

    async def start_greeter(self, at: str, names: str) -> str:
        """Starts the one that calls; returns its port."""
        self.greeter, address, self.metrics = await self.greeting.start("greeter.py", at, f"127.0.0.1:{names}")
        return address.rpartition(":")[2]

    async def says(self, words: str) -> bool:
        """Whether a greeting, asked for at the gateway, has these words; or the error."""
        answer = await self.client.post("/hello.v1.Greeter/Greet", json={"id": "ann"}, headers={"connect-protocol-version": "1"})
        self.last = answer.text
        return words in self.last

    async def until(self, words: str) -> None:
        """Returns when a greeting has these words."""
        await eventually(lambda: self.says(words), what=words)

    def spans(self, service: str, kind: int, *, failed: bool) -> Iterator[Any]:
        """What arrived of one service's calls."""
        for span in self.collector.all():
            if (span.service, span.kind, span.failed) == (service, kind, failed):
                yield span


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """All of it; whatever is left in the end is killed."""
    with listening() as collector:
        made = Running(tmp_path, collector)
        try:
            yield made
        finally:
            await made.greeting.end()


async def test_each_of_them_is_killed_and_what_is_left_says_so(running: Running, tmp_path: Path) -> None:
    """Their breakers open and close; a trace begins at the gateway; a timeout changes while it runs."""
    names = await running.start_names()
    greeter = await running.start_greeter("0", names)
    (tmp_path / "rules.yaml").write_text(RULES)
    env = {
        "TOCSIN_GATEWAY_CONTRACTS": f"{compiled(tmp_path)}@127.0.0.1:{greeter}",
        "TOCSIN_GATEWAY_POLICIES": str(tmp_path / "rules.yaml"),
        "TOCSIN_OTLP_ENDPOINT": running.collector.endpoint,
    }
    stack = RunningStack(state=tmp_path / "state", env=env)
    await asyncio.to_thread(stack.start)
    try:
        async with stack.client() as running.client:
            await running.until("Hello Ann.")
            await _is_traced(running)
            await _lives_without_names(running, names)
            await _changes_its_timeout(running, names)
            await _is_missed_by_the_gateway(running, stack, greeter, names)
    finally:
        await asyncio.to_thread(stack.stop)


async def _is_traced(running: Running) -> None:
    """One trace, from the gateway over the greeter to the names."""

    def whole() -> bool:
        return any(
            {"gateway", "greeter"} <= {each.service for each in running.collector.trace(span.trace)}
            for span in running.spans("names", SERVER, failed=False)
        )

    await eventually(whole, what="a trace from the gateway to the names")


async def _lives_without_names(running: Running, names: str) -> None:
    """The caller hears it at once; the metric counts, and the span of the attempt has failed."""
    running.names.kill()
    await running.names.wait()
    await running.until("unavailable")
    async with httpx2.AsyncClient() as scraper:

        async def counted() -> bool:
            shown = (await scraper.get(running.metrics)).text
            return re.search(r'tocsin_breaker_transitions_total\{from="closed",target="names",to="open"\} [1-9]', shown) is not None

        await eventually(counted, what="the metric")
    await eventually(lambda: any(running.spans("greeter", CLIENT, failed=True)), what="a span that failed")
    await running.start_names(names)
    await running.until("Hello Ann.")


async def _changes_its_timeout(running: Running, names: str) -> None:
    """Shorter than the one that is called takes, and long enough again; nothing is restarted but what is slow."""
    running.names.terminate()
    assert await running.names.wait() == 0
    await running.start_names(names, DELAY="0.3")
    await running.until("Hello Ann.")
    rule = {"method": FIND, "policy": {"timeout": "0.1s"}}
    running.policies.write_text(json.dumps({"rules": [rule]}))
    await running.until("deadline_exceeded")
    running.policies.write_text(json.dumps({"rules": []}))
    await running.until("Hello Ann.")


async def _is_missed_by_the_gateway(running: Running, stack: RunningStack, greeter: str, names: str) -> None:
    """Its breaker is open in `tocsin mesh graph` while it is asked for, and it is greeted again when it is back."""
    running.greeter.kill()
    await running.greeter.wait()
    await running.until("unavailable")

    async def shown() -> bool:
        graph = asyncio.create_task(asyncio.to_thread(stack.command, "mesh", "graph", "--seconds", "1", "--format", "json"))
        while not graph.done():
            await running.says("")
        edges = json.loads((await graph).stdout)["edges"]
        return any(edge["called"] == "greeter" and edge["circuitOpen"] for edge in edges)

    await eventually(shown, what="an open circuit in the graph")
    await running.start_greeter(greeter, names)
    await running.until("Hello Ann.")
