"""Versions of a service with real servers: orders steer calls and streams, a canary that fails is not noticed, all is counted."""

import asyncio
from typing import Any

import pytest

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, path
from tests.integration.mesh.test_orders import Replicas
from tests.unit.mesh.test_live_policy import rule
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as admin
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import rules_pb2
from tocsin.errors import InvalidInput, Unavailable
from tocsin.mesh.client import Mesh
from tocsin.mesh.client.endpoint_view import EndpointView
from tocsin.mesh.context import acting_as
from tocsin.mesh.policy_errors import RuleInvalid
from tocsin.mesh.policy_view import order_of, reset_of
from tocsin.telemetry import Telemetry
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

CALLS = 20


def split(percent: float, *, version: str = "2") -> rules_pb2.SplitRule:
    """A share of all calls to a version."""
    return rules_pb2.SplitRule(name="canary", methods=["*"], versions=[rules_pb2.VersionShare(version=version, percent=percent)])


class Canary:
    """Versions 1 and 2 of a service, and a client that counts."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.old, self.new = Echo(), Echo()
        self.telemetry = Telemetry(service="front", settings=rig.settings("front"))
        self.mesh: Mesh = rig.mesh(telemetry=self.telemetry)

    async def start(self) -> EchoStub:
        """Both serve."""
        servers = [await self.rig.serve(echo) for echo in (self.old, self.new)]
        self.rig.targets["echo_svc"] = f"ipv4:{servers[0].address};version=1,{servers[1].address};version=2"
        return EchoStub(self.mesh.channel("echo_svc"))

    def order(self, percent: float) -> None:
        """What `tocsin mesh policy split` does in each process."""
        order_of(self.mesh.policies, pb.SetPolicyRequest(split=split(percent)))

    def endpoint(self, version: str) -> EndpointView:
        """What an operator sees of its one replica."""
        (found,) = [each for each in self.mesh.called_endpoints() if each.labels.version == version]
        return found

    def counted(self, version: str, code: str = "OK") -> float:
        """Attempts that have ended so."""
        labels = {"target": "echo_svc", "zone": "", "version": version, "code": code}
        return self.telemetry.registry.get_sample_value("tocsin_client_subset_attempts_total", labels) or 0.0


@pytest.fixture
async def canary(rig: Rig) -> Canary:
    """Not started."""
    return Canary(rig)


async def warm(stub: EchoStub, canary: Canary) -> None:
    """Returns when both have answered calls and streams."""

    async def answered() -> bool:
        for percent in (0, 100):
            canary.order(percent)
            for _ in range(3):
                await stub.Greet(Note())
                assert [note.number async for note in stub.Watch(Note(number=1))] == [0]
        before = canary.old.calls
        for _ in range(3):
            await stub.Greet(Note())
            assert [note.number async for note in stub.Watch(Note(number=1))] == [0]
        return canary.new.calls > 0 and canary.old.calls == before

    await eventually(answered, seconds=60, what="answers of both versions")


async def test_orders_steer_calls_and_streams_while_they_run(canary: Canary) -> None:
    """All to the new version, none to it, and taken back; each call and each stream is counted once, where it went."""
    stub = await canary.start()
    await warm(stub, canary)
    for percent, version, echo in ((100, "2", canary.new), (0, "1", canary.old)):
        canary.order(percent)
        calls, counted, begun = echo.calls, canary.counted(version), canary.endpoint(version).tally.started
        for _ in range(CALLS):
            await stub.Greet(Note())
            assert [note.number async for note in stub.Watch(Note(number=3))] == [0, 1, 2]
            assert (await stub.Collect(iter([Note(number=1), Note(number=2)]))).number == 3
        assert canary.counted(version) == counted + 3 * CALLS, version
        shown = canary.endpoint(version)
        assert (shown.tally.started, shown.tally.failed, shown.state) == (begun + 3 * CALLS, 0, "READY")
        assert echo.calls == calls + 2 * CALLS, "Collect counts nothing there"
    assert reset_of(canary.mesh.policies, pb.ResetPolicyRequest(name="canary")) == ["canary"]
    old, new = canary.old.calls, canary.new.calls

    async def both() -> bool:
        await stub.Greet(Note())
        return canary.old.calls > old and canary.new.calls > new

    await eventually(both, seconds=60, what="calls at both")


async def test_a_canary_that_fails_is_not_noticed_where_calls_may_be_made_again(canary: Canary) -> None:
    """Each call that meets it goes on to the other version; its failures are counted as its own."""

    async def fail(_: Any, __: Any) -> Any:
        raise Unavailable("a bad release")

    stub = await canary.start()
    await warm(stub, canary)
    canary.order(50)
    canary.new.unary = fail
    for _ in range(4 * CALLS):
        await stub.Greet(Note())
    assert canary.counted("2", "UNAVAILABLE") == canary.endpoint("2").tally.failed > 0
    assert canary.counted("1", "UNAVAILABLE") == canary.endpoint("1").tally.failed == 0


async def test_copies_of_reads_are_never_noticed(canary: Canary) -> None:
    """The new version gets no call and every copy of Look, none of Put; it answers, fails, hangs: callers see the old one alone."""
    hanging = asyncio.Event()

    async def fail(_: Any, __: Any) -> Any:
        raise Unavailable("a bad release")

    async def hang(request: Any, _: Any) -> Any:
        await hanging.wait()
        return request

    def mirrored(code: str) -> float:
        labels = {"target": "echo_svc", "method": path("Look"), "version": "2", "code": code}
        return canary.telemetry.registry.get_sample_value("tocsin_client_mirrored_total", labels) or 0.0

    stub = await canary.start()
    await warm(stub, canary)
    canary.order(0)
    rule_of_all = rules_pb2.MirrorRule(name="shadow", methods=["*"], version="2", percent=100, max_in_flight=4)
    order_of(canary.mesh.policies, pb.SetPolicyRequest(mirror=rule_of_all))
    seen, answered = canary.new.calls, mirrored("OK")
    for number in range(3):
        assert (await stub.Look(Note(number=number))).number == number
    with acting_as(canary.rig.token()):
        await stub.Put(Note())
    await eventually(lambda: mirrored("OK") == answered + 3, seconds=60)
    assert canary.new.calls == seen + 3
    canary.new.unary = fail
    await stub.Look(Note())
    await eventually(lambda: mirrored("UNAVAILABLE") == 1, seconds=60)
    canary.new.unary = hang
    for _ in range(CALLS):
        await stub.Look(Note())
    assert mirrored("FULL") == CALLS - 4
    hanging.set()
    await eventually(lambda: mirrored("OK") == answered + 7, seconds=60)
    assert canary.counted("2", "UNAVAILABLE") == 0, "no attempt of a call"


async def test_a_version_that_nobody_has_is_given_to_nobody(rig: Rig, clock: FakeClock, canary: Canary) -> None:
    """By an order to all processes, and to one whose targets name versions: the field, the reason, and what there is."""
    replicas = Replicas(rig, clock)
    await replicas.start()
    orders: Any = replicas.operations
    with acting_as(rig.token("mesh:write")), pytest.raises(InvalidInput, match=r"rule\.versions\[0\]\.version: no target of this process"):
        await orders.SetMeshPolicy(admin.SetMeshPolicyRequest(split=split(5)))
    await canary.start()
    with pytest.raises(RuleInvalid, match="has the version '3'; there are 1, 2"):
        order_of(canary.mesh.policies, pb.SetPolicyRequest(split=split(5, version="3")))
    with pytest.raises(RuleInvalid, match="give one of rule, access, rate, split, mirror"):
        order_of(canary.mesh.policies, pb.SetPolicyRequest(split=split(5), rule=rule(path("Say"), timeout="1s")))
