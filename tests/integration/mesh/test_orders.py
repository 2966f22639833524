"""An operator's orders reach every replica, and no process that is not there."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.mesh_admin import MeshAdmin
from tests.integration.mesh.support import IN_TURN, METHODS, Echo, EchoStub, Note, Rig, path
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as admin
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.errors import NotFound
from tocsin.mesh.breaker import BreakerRegistry, BreakerRule, CircuitState
from tocsin.mesh.context import acting_as
from tocsin.mesh.faults import Faults
from tocsin.mesh.health import HealthMonitor
from tocsin.mesh.live_policy import LivePolicies
from tocsin.mesh.mesh_service import MeshServicer, Start
from tocsin.mesh.server import MeshServer
from tocsin.mesh.tap import Tap
from tocsin.testing.clock import FakeClock

CIRCUIT = "mailer_svc/tocsin.api.mailer.v1.NotificationService/Send"


class Replicas:
    """Three replicas of one service, each with a circuit to a far end, and the gateway that gives orders."""

    def __init__(self, rig: Rig, clock: FakeClock) -> None:
        self.rig = rig
        self.circuits = [BreakerRegistry(clock=clock) for _ in range(3)]
        self.own = BreakerRegistry(clock=clock)
        self.addresses: list[str] = []
        self.servers: list[MeshServer] = []
        for registry in (*self.circuits, self.own):
            registry.get(id=CIRCUIT, target="mailer_svc", rule=BreakerRule())
        health = HealthMonitor(checks={}, clock=clock)
        own = MeshServicer(
            start=Start.of("gateway", clock),
            health=health,
            breakers=self.own,
            faults=Faults(enabled=False),
            durations=lambda: (),
            clock=clock,
            tap=Tap(clock),
            expiry=None,
            policies=LivePolicies(caller="gateway", known=lambda: METHODS, file=None, clock=clock),
        )
        self.aim(["127.0.0.1:1"])
        self.operations = MeshAdmin(mesh=rig.mesh("gateway"), own=own, services=["echo_svc"], clock=clock, timeout_seconds=5.0)
        self.echoes = [Echo() for _ in range(3)]

    async def start(self) -> None:
        """Starts the three behind one target."""
        for echo, registry in zip(self.echoes, self.circuits, strict=True):
            server = await self.rig.serve(echo, breakers=registry, faults_enabled=True)
            self.servers.append(server)
            self.addresses.append(server.address)
        self.aim(self.addresses)

    def aim(self, addresses: Sequence[str]) -> None:
        """Lets the target be these addresses."""
        self.rig.targets["echo_svc"] = "ipv4:" + ",".join(addresses)

    def states(self) -> list[CircuitState]:
        """Of the circuit, in each replica and at last in the gateway."""
        return [snapshot.state for registry in (*self.circuits, self.own) for snapshot in registry.snapshot()]


@pytest.fixture
async def replicas(rig: Rig, clock: FakeClock) -> Replicas:
    """Three that run."""
    made = Replicas(rig, clock)
    await made.start()
    return made


async def test_orders_about_circuits_reach_every_replica_and_the_gateway(rig: Rig, replicas: Replicas) -> None:
    """Open, close and reset, by the circuit's identity and by the service behind it; the report names each process and what changed."""
    orders: Any = replicas.operations
    with acting_as(rig.token("mesh:write")):
        report = await orders.OpenBreaker(admin.OpenBreakerRequest(id=CIRCUIT))
        assert {(taken.address, tuple(taken.changed)) for taken in report.taken} == {
            (address, (CIRCUIT,)) for address in ("gateway", *replicas.addresses)
        }
        assert replicas.states() == [CircuitState.OPEN] * 4
        await orders.CloseBreaker(admin.CloseBreakerRequest(id=CIRCUIT))
        assert replicas.states() == [CircuitState.CLOSED] * 4
        await orders.OpenBreaker(admin.OpenBreakerRequest(id=CIRCUIT))
        report = await orders.ResetServiceBreakers(admin.ResetServiceBreakersRequest(service="mailer_svc"))
        assert [list(taken.changed) for taken in report.taken] == [[CIRCUIT]] * 4
        assert replicas.states() == [CircuitState.CLOSED] * 4


async def test_a_replica_that_does_not_answer_is_reported_and_holds_nobody_up(rig: Rig, replicas: Replicas) -> None:
    """The others have taken the order; the operator sees which one has not, and why."""
    replicas.aim([*replicas.addresses, "127.0.0.1:1"])
    with acting_as(rig.token("mesh:write")):
        orders: Any = replicas.operations
        report = await orders.OpenBreaker(admin.OpenBreakerRequest(id=CIRCUIT))
    assert [(missed.service, missed.address) for missed in report.missed] == [("echo_svc", "127.0.0.1:1")]
    assert report.missed[0].reason
    assert len(report.taken) == 4
    assert replicas.states() == [CircuitState.OPEN] * 4


async def test_a_replica_that_comes_later_has_no_orders_and_the_picture_shows_it(rig: Rig, clock: FakeClock, replicas: Replicas) -> None:
    """An order is for the processes that are there (ADR 0011): the operator sees which circuits are kept, process by process."""
    orders: Any = replicas.operations
    with acting_as(rig.token("mesh:write")):
        await orders.OpenBreaker(admin.OpenBreakerRequest(id=CIRCUIT))
    late = BreakerRegistry(clock=clock)
    late.get(id=CIRCUIT, target="mailer_svc", rule=BreakerRule())
    server = await rig.serve(Echo(), breakers=late)
    replicas.aim([*replicas.addresses, server.address])
    picture = await orders.GetMesh(admin.GetMeshRequest())
    kept = {process.address: [circuit.forced for circuit in process.status.circuit_breakers] for process in picture.processes}
    assert kept == {"gateway": [True], server.address: [False], **{address: [True] for address in replicas.addresses}}


async def test_a_picture_comes_at_once_when_a_replica_is_gone_and_when_it_is_back(rig: Rig, clock: FakeClock, replicas: Replicas) -> None:
    """The next picture is due in a million seconds, of which few go by: between two, only connections are looked at."""
    address = replicas.addresses[0]
    watched: Any = replicas.operations.WatchMesh(admin.WatchMeshRequest(interval_seconds=1_000_000))

    async def until(reachable: bool) -> None:
        """Lets time go on until a picture shows the replica so."""
        while True:
            picture = asyncio.ensure_future(anext(watched))
            while not picture.done():
                await clock.advance(0.1)
                await asyncio.sleep(0.01)
            if {process.address: process.reachable for process in picture.result().mesh.processes}[address] == reachable:
                return

    async with asyncio.timeout(120):
        await until(True)
        await replicas.servers[0].stop()
        await until(False)
        await rig.serve(replicas.echoes[0], port=int(address.rpartition(":")[2]))
        await until(True)
    await watched.aclose()


async def test_a_fault_hits_its_share_of_the_calls_to_every_replica(rig: Rig, replicas: Replicas) -> None:
    """40 % of 900 calls fail, at each of the three alike; taken back, none does."""
    fault = pb.Fault(method=path("Put"), percent=40, abort=5)
    stub = EchoStub(rig.mesh(methods=IN_TURN).channel("echo_svc"))
    orders: Any = replicas.operations
    with acting_as(rig.token("echo:read")):
        while not all(echo.calls for echo in replicas.echoes):
            await stub.Put(Note())
    with acting_as(rig.token("mesh:write")):
        report = await orders.InjectFault(admin.InjectFaultRequest(service="echo_svc", fault=fault))
        assert {taken.address for taken in report.taken} == set(replicas.addresses)
    before, results = [echo.calls for echo in replicas.echoes], Counter[str]()

    async def call() -> None:
        try:
            await stub.Put(Note())
        except NotFound as error:
            results[error.error_reason] += 1
        else:
            results["ok"] += 1

    with acting_as(rig.token("echo:read")):
        for _ in range(30):
            await asyncio.gather(*(call() for _ in range(30)))
    # Five standard deviations: 14.7 of 900 calls, 8.5 of 300.
    assert 360 - 74 <= results["FAULT_INJECTED"] <= 360 + 74
    assert results.total() == 900
    passed = [echo.calls - calls for echo, calls in zip(replicas.echoes, before, strict=True)]
    assert all(180 - 43 <= each <= 180 + 43 for each in passed), passed
    with acting_as(rig.token("mesh:write")):
        report = await orders.RemoveFaults(admin.RemoveFaultsRequest())
        assert [list(taken.changed) for taken in report.taken if taken.address != "gateway"] == [[path("Put")]] * 3
    results.clear()
    with acting_as(rig.token("echo:read")):
        await asyncio.gather(*(call() for _ in range(60)))
    assert results == {"ok": 60}
