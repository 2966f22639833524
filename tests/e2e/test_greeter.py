"""examples/greeter: two services of somebody else's on the mesh, one of which is killed."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import grpc
import httpx2
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from tocsin.testing.waiting import eventually

PYTHON = os.environ.get("MESH_PYTHON", sys.executable)
"""What the example runs by; `make mesh-check` has one with tocsin-mesh alone."""
EXAMPLE = Path(__file__).parents[2] / "examples" / "greeter"


class Greeting:
    """The two processes."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self.started: list[Process] = []
        self._env = {**os.environ, **(env or {})}

    async def start(self, *words: str, **env: str) -> tuple[Process, str, str]:
        """Starts one, and returns it with its address and that of its metrics."""
        process = await asyncio.create_subprocess_exec(PYTHON, *words, cwd=EXAMPLE, env={**self._env, **env}, stdout=PIPE)
        self.started.append(process)
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        found = re.search(r" at (\S+?)(?:, metrics at (\S+))?$", line.strip())
        assert found is not None, line
        return process, found[1], found[2] or ""

    async def end(self) -> None:
        """Kills what is left."""
        for process in self.started:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.fixture
async def greeting() -> AsyncIterator[Greeting]:
    """Nothing runs yet; whatever is left in the end is killed."""
    made = Greeting()
    yield made
    await made.end()


async def test_a_service_of_ones_own_outlives_the_one_that_it_calls(greeting: Greeting) -> None:
    """Its breaker opens when the other is killed, says so, and closes when it is back; both end well when they are asked to."""
    names, at, _ = await greeting.start("names.py", "0")
    greeter, address, metrics = await greeting.start("greeter.py", "0", at)
    async with grpc.aio.insecure_channel(address) as channel, httpx2.AsyncClient() as client:
        # Both messages have one text as their first field, as this one of protobuf's own has.
        greet = channel.unary_unary("/hello.v1.Greeter/Greet", StringValue.SerializeToString, StringValue.FromString)
        last = ""

        async def said(who: str) -> str:
            nonlocal last
            try:
                last = (await greet(StringValue(value=who), timeout=10)).value
            except grpc.aio.AioRpcError as error:
                last = f"{error.code().name}: {error.details()} {dict(error.trailing_metadata()).get('grpc-status-details-bin', b'')!r}"
            return last

        async def says(who: str, words: str) -> bool:
            return words in await said(who)

        await eventually(lambda: says("ann", "Hello Ann."), what="a greeting")
        assert (await said("eve")).startswith("NOT_FOUND: there is nobody called eve")
        names.kill()
        await names.wait()
        await eventually(lambda: says("bo", "CIRCUIT_OPEN"), what="an open circuit")
        assert last.startswith("UNAVAILABLE: The circuit to names is open.")
        names, _, _ = await greeting.start("names.py", at.rpartition(":")[2])
        await eventually(lambda: says("bo", "Hello Captain Bo."), what="a greeting again")
        for before, after in (("closed", "open"), ("half_open", "closed")):
            shown = rf'tocsin_breaker_transitions_total\{{from="{before}",target="names",to="{after}"\}} [1-9]'

            async def counted(shown: str = shown) -> bool:
                return await says("ann", "Hello Ann.") and re.search(shown, (await client.get(metrics)).text) is not None

            await eventually(counted, what=shown)
    for process in (greeter, names):
        process.terminate()
        assert await process.wait() == 0
