"""Every replica is told to end and started again, one after the other, under load: nobody notices."""

import asyncio
import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import grpc
import httpx2
import pytest

from tests.chaos.load import FULL, SERVICES
from tests.chaos.load import Note as Record
from tests.chaos.rolling import PATIENT, Events, GrpcDoors, long_deadlines
from tests.integration.mesh.support import EchoStub, Note, Rig
from tocsin.clock import SystemClock
from tocsin.errors import TocsinError
from tocsin.testing.process import free_port
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually
from tocsin_client import AsyncClient
from tocsin_client import TocsinError as RefusedCall

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900 if FULL else 600)]


ROOT = Path(__file__).resolve().parents[2]
CALLS = 20_000 if FULL else 600
CALLERS = 8
DRAIN_SECONDS = 3.0 if FULL else 0.5
START_SECONDS = 120.0
FAILURES = (TocsinError, RefusedCall, grpc.aio.AioRpcError, httpx2.HTTPError)


class Load:
    """Callers that go on until they are told to end, and at least as often as asked."""

    def __init__(self, call: Callable[[int], Awaitable[str]], *, least: int, callers: int = CALLERS) -> None:
        self._call = call
        self._callers = callers
        self.least = least
        self._numbers = itertools.count()
        self._ending = asyncio.Event()
        self.answers = Counter[str]()
        self.failed = Counter[str]()

    @property
    def made(self) -> int:
        """Calls that have ended."""
        return self.answers.total() + self.failed.total()

    async def run(self) -> None:
        """Calls."""
        await asyncio.gather(*(self._caller() for _ in range(self._callers)))

    def end(self) -> None:
        """Lets the callers end."""
        self._ending.set()

    async def _caller(self) -> None:
        while self.made < self.least or not self._ending.is_set():
            try:
                self.answers[await self._call(next(self._numbers))] += 1
            except FAILURES as error:
                self.failed[f"{type(error).__name__}: {error}"] += 1

    async def answered_by(self, name: str) -> None:
        """Returns when ``name`` has answered."""
        await eventually(lambda: self.answers[name] > 0, seconds=START_SECONDS, what=f"an answer of {name}")


class Replica:
    """A process of the test service on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{(port := free_port())}"
        self._command = [sys.executable, "-m", "tests.integration.mesh.served", str(folder), str(port), str(DRAIN_SECONDS)]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Returns its name once it listens."""
        self._process = await asyncio.create_subprocess_exec(*self._command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            assert (await self._process.stdout.readline()).decode().strip() == self.address
        return str(self._process.pid)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return await asyncio.wait_for(process.wait(), START_SECONDS)


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncGenerator[list[Replica]]:
    """Two of the test service, not started."""
    made = [Replica(tmp_path) for _ in range(2)]
    yield made
    for replica in made:
        await replica.stop(signal.SIGKILL)


async def test_replicas_of_a_mesh_service_are_restarted_unnoticed(tmp_path: Path, replicas: list[Replica], record_property: Record) -> None:
    """Calls that may be retried and calls that may not: each is answered, while both processes are replaced one after the other."""
    rig = Rig(tmp_path, SystemClock())
    rig.targets["echo_svc"] = "ipv4:" + ",".join(replica.address for replica in replicas)
    names = list(await asyncio.gather(*(replica.start() for replica in replicas)))
    stub = EchoStub(rig.mesh().channel("echo_svc"))

    async def call(number: int) -> str:
        if number % 4:
            return str((await stub.Greet(Note(text="who"))).number)
        total = await stub.Collect(Note(number=each) for each in range(4))  # tried once
        assert total.number == 6
        return "collected"

    load = Load(call, least=CALLS)
    running = asyncio.create_task(load.run())
    codes: list[int] = []
    for name in names:
        await load.answered_by(name)
    for replica in replicas:
        codes.append(await replica.stop())
        names.append(await replica.start())
        await load.answered_by(names[-1])
    load.end()
    await running
    await rig.close()
    collected = load.answers["collected"]
    record_property("account", f"restarted 2 of 2: calls {load.made}, failed {load.failed.total()}, of them never retried {collected}")
    assert load.failed == {}
    assert codes == [0, 0]
    assert load.made >= CALLS
    assert collected >= CALLS // 5
    assert all(load.answers[name] for name in names), "each of the four processes has answered"


@pytest.fixture
def settings_of_both(tmp_path: Path) -> Mapping[str, str]:
    """Deadlines that no machine is too slow for."""
    file = tmp_path / "policy.yaml"
    file.write_text(long_deadlines())
    return {"TOCSIN_MESH_POLICY_FILE": str(file)}


@pytest.mark.e2e
@pytest.mark.thorough
async def test_every_service_is_restarted_unnoticed(request: pytest.FixtureRequest, record_property: Record) -> None:
    """SIGTERM to each of the ten processes in turn: no call fails at any door, each event fires once, and one watch hears of it once."""
    stacks: tuple[RunningStack, RunningStack] = request.getfixturevalue("pair")
    key, retried = stacks[0].api_key, Counter[str]()
    async with AsyncExitStack() as opened:
        ways = [await opened.enter_async_context(stack.client(key=key)) for stack in stacks]
        clients = [await opened.enter_async_context(AsyncClient(stack.info["http"], key, retry=PATIENT, timeout=120.0)) for stack in stacks]
        doors = GrpcDoors([stack.info["grpc"] for stack in stacks], key)
        opened.push_async_callback(doors.close)
        events = Events(doors, clients)
        await opened.enter_async_context(events.watched())
        loads = {
            "REST": Load(partial(over_rest, ways, retried), least=CALLS),
            "gRPC": Load(doors.call, least=CALLS),
            "events": Load(events.publish, least=CALLS // 10, callers=2),
        }
        async with under(*loads.values()):
            restarted = [await restart(stack, service, ways) for service in SERVICES for stack in stacks]
        await events.settle()
        made = ", ".join(f"{name} {load.made} calls of which {load.failed.total()} failed" for name, load in loads.items())
        again = f"REST asked the other gateway {dict(retried)}, gRPC again {dict(doors.again)}"
        record_property("account", f"restarted {len(restarted)} of 10: {made}; {again}; events {events.account}, heard {len(events.heard)}")
        failed = {name: dict(load.failed) for name, load in loads.items() if load.failed}
        assert not failed, "\n".join((str(failed), *map(RunningStack.logs, stacks)))
    assert all(load.made >= load.least for load in loads.values())
    assert len(loads["gRPC"].answers) == 5, "each of the services behind the gateways was called"
    assert events.account.verdict == "valid", events.account.faults()
    assert events.heard == dict.fromkeys(events.account.accepted, 1)
    assert set(events.changes.values()) == {1}, "no change was told twice"


@asynccontextmanager
async def under(*loads: Load) -> AsyncGenerator[None]:
    """Callers go on for as long as the body runs; then all have ended."""
    running = asyncio.gather(*(load.run() for load in loads))
    try:
        yield
    finally:
        for load in loads:
            load.end()
        await running


async def over_rest(ways: Sequence[httpx2.AsyncClient], retried: Counter[str], number: int) -> str:
    """A call as a load balancer passes it on: a gateway that has hung up, or does not listen, is passed over."""
    first, second = ways if number % 2 else reversed(ways)
    try:
        answer = await ask(first, number)
    except httpx2.TransportError as error:
        retried[type(error).__name__] += 1
        answer = await ask(second, number)
    answer.raise_for_status()
    return str(answer.status_code)


async def ask(client: httpx2.AsyncClient, number: int) -> httpx2.Response:
    """One of the calls that people make: most read, some write, with an identity that makes them safe to repeat."""
    kind = number % 10
    if kind == 0:
        return await client.put(f"/v1/records/rolling-{number % 500}", json={"value": str(number)})
    if kind == 1:
        return await client.post("/v1/alarms:preview", json={"trigger": {"cron": "0 9 * * *"}, "count": 3})
    return await client.get(("/v1/alarms", "/v1/records", "/v1/templates", "/v1/firings")[number % 4], params={"pageSize": 5})


async def restart(stack: RunningStack, service: str, doors: Sequence[httpx2.AsyncClient]) -> str:
    """Ends one process in good order, and returns when its successor serves and is seen through every gateway."""
    pid = stack.pid(service)
    os.kill(pid, signal.SIGTERM)
    # Without a process it has no pid at all.
    await eventually(lambda: stack.info["services"][service]["pid"] not in (None, pid), seconds=START_SECONDS, what=f"another {service}")

    async def whole() -> bool:
        try:
            answers = [await door.get("/health") for door in doors]
        except httpx2.TransportError:
            return False
        return all(answer.status_code == 200 and answer.json()["status"] == "healthy" for answer in answers)

    await eventually(whole, seconds=START_SECONDS, what="a healthy mesh")
    await asyncio.sleep(1.5)  # as a roll-out waits between two replicas: until every client has found the new one
    return service
