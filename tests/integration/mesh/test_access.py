"""Rules of access between real processes' servers and clients: by certificate, by token, tried, and never about operators."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from tests.integration.mesh.support import METHODS, Echo, EchoStub, Note, Rig, add_echo, path
from tests.integration.mesh.test_orders import Replicas
from tests.unit.mesh.test_access import access, message
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as admin
from tocsin.errors import PermissionDenied, Unavailable
from tocsin.mesh.context import acting_as
from tocsin.mesh.server import MeshServer
from tocsin.telemetry import Telemetry
from tocsin.testing.clock import FakeClock


async def order(replicas: Replicas, rule: dict[str, Any]) -> admin.OrderReport:
    """Gives every process an order of access, as an operator; again while one does not answer in time, as on a slow machine."""
    orders: Any = replicas.operations
    with acting_as(replicas.rig.token("mesh:read", "mesh:write")):
        async with asyncio.timeout(60):
            while (report := await orders.SetMeshPolicy(admin.SetMeshPolicyRequest(access=message(rule)))).missed:
                pass
    return report


async def named(replicas: Replicas) -> set[tuple[str, str]]:
    """Rules that hold in one replica, and whence, once it answers."""
    orders: Any = replicas.operations
    async with asyncio.timeout(60):
        while (seen := (await orders.GetMeshPolicy(admin.GetMeshPolicyRequest())).processes[1]).missed:
            pass
    return {(one.access.name, one.source) for one in seen.policy.named}


async def refused(call: Any) -> str:
    """The reason that the call is refused for; empty when it passes."""
    try:
        await call
    except PermissionDenied as error:
        return error.error_reason
    return ""


async def test_an_order_closes_what_the_contract_leaves_open_and_nothing_else(rig: Rig, clock: FakeClock) -> None:
    """By caller, tenant and claim, at every replica; operators still reach them and take it back."""
    replicas = Replicas(rig, clock)
    await replicas.start()
    front, other = rig.stub("front"), rig.stub("other")
    with acting_as(rig.token()):
        assert (await refused(front.Say(Note())), await refused(other.Say(Note()))) == ("", "")
        report = await order(replicas, access("no-other", methods=["*"], principals=["*/other"]))
        assert {taken.address for taken in report.taken} == {"gateway", *replicas.addresses}
        assert (await refused(front.Say(Note())), await refused(other.Say(Note()))) == ("", "ACCESS_REFUSED")
        assert await refused(other.Greet(Note())) == "ACCESS_REFUSED", "a public method as well"
        await order(replicas, access("acme-otp", "ALLOW", tenants=["acme"], claims=[{"claim": "amr", "values": ["otp"]}]))
        assert await refused(front.Say(Note())) == "ACCESS_REFUSED"
        assert await refused(front.Put(Note())) == "", "the list of one method closes no other"
    with acting_as(rig.token(claims={"amr": ["pwd", "otp"]})):
        assert await refused(front.Say(Note())) == ""
    orders: Any = replicas.operations
    with acting_as(rig.token("mesh:read", "mesh:write")):
        assert await named(replicas) == {("no-other", "order"), ("acme-otp", "order")}
        async with asyncio.timeout(60):
            while (await orders.ResetMeshPolicy(admin.ResetMeshPolicyRequest(name="no-other"))).missed:
                pass
        assert await named(replicas) == {("acme-otp", "order")}
    with acting_as(rig.token(claims={"amr": ["otp"]})):
        assert await refused(other.Say(Note())) == ""


async def test_a_rule_opens_nothing_that_the_contract_closes(rig: Rig, clock: FakeClock) -> None:
    """Its callers and its scope are asked as before."""
    replicas = Replicas(rig, clock)
    await replicas.start()
    await order(replicas, access("all", "ALLOW", methods=["*"]))
    with acting_as(rig.token()):
        assert await refused(rig.stub("other").Inside(Note())) == "CALLER_REFUSED"
    with acting_as(rig.token("profile:read")):
        assert await refused(rig.stub("front").Say(Note())) == "SCOPE_MISSING"


async def test_a_stream_is_asked_when_it_begins(rig: Rig, clock: FakeClock) -> None:
    """It is refused before its first message."""
    replicas = Replicas(rig, clock)
    await replicas.start()
    await order(replicas, access(methods=[path("Watch"), path("Chat")]))
    front = rig.stub("front")
    with pytest.raises(PermissionDenied):
        async for _ in front.Watch(Note(number=1)):
            pass
    with pytest.raises(PermissionDenied):
        async for _ in front.Chat(iter([Note()])):
            pass


async def test_a_rule_that_is_tried_refuses_nothing_and_is_counted(rig: Rig, clock: FakeClock) -> None:
    """With the rule's name; an enforced one beside it."""
    settings = rig.settings("echo_svc")
    telemetry = Telemetry(service="echo_svc", settings=settings)
    mesh = rig.mesh("echo_svc")
    server = MeshServer(
        service="echo_svc",
        settings=settings,
        clock=clock,
        telemetry=telemetry,
        mesh=mesh,
        verifier=rig.verifier(),
        breakers=Replicas(rig, clock).own,
        checks={},
        handlers=[(add_echo, Echo())],
        methods=METHODS,
    )
    await server.start()
    rig.targets["echo_svc"] = server.address
    mesh.policies.order_named(mesh.policies.access, message(access("trial", dryRun=True)), seconds=60)
    mesh.policies.order_named(mesh.policies.access, message(access("real", methods=[path("Put")])), seconds=60)
    with acting_as(rig.token()):
        assert [await refused(rig.stub().Say(Note())) for _ in range(3)] == [""] * 3
        assert await refused(rig.stub().Put(Note())) == "ACCESS_REFUSED"
    counted = generate_latest(telemetry.registry).decode()
    assert f'tocsin_server_access_refused_total{{method="{path("Say")}",mode="tried",rule="trial"}} 3.0' in counted
    assert f'tocsin_server_access_refused_total{{method="{path("Put")}",mode="enforced",rule="real"}} 1.0' in counted
    await server.stop()


async def test_calls_are_refused_while_nobody_knows_who_may_call(rig: Rig, clock: FakeClock, tmp_path: Path) -> None:
    """The first file that is found cannot be read: UNAVAILABLE, so that callers try another replica; a mended file opens."""
    file = tmp_path / "policy.yaml"
    mesh = rig.mesh("echo_svc", mesh_policy_file=file)
    await mesh.start()
    server = MeshServer(
        service="echo_svc",
        settings=rig.settings("echo_svc"),
        clock=clock,
        telemetry=Telemetry(service="echo_svc", settings=rig.settings("echo_svc")),
        mesh=mesh,
        verifier=rig.verifier(),
        breakers=Replicas(rig, clock).own,
        checks={},
        handlers=[(add_echo, Echo())],
        methods=METHODS,
    )
    await server.start()
    rig.targets["echo_svc"] = server.address
    stub = EchoStub(rig.mesh("front").channel("echo_svc", endpoint=server.address))
    with acting_as(rig.token()):
        assert await refused(stub.Put(Note())) == ""
        file.write_text("access: [")
        await mesh.policies.look()
        with pytest.raises(Unavailable) as told:
            await stub.Put(Note())
        assert told.value.error_reason == "ACCESS_UNKNOWN"
        file.write_text(json.dumps({"access": [access(methods=[path("Weigh")])]}))
        await mesh.policies.look()
        assert await refused(stub.Put(Note())) == ""
        assert await refused(stub.Weigh(Note())) == "ACCESS_REFUSED"
    await server.stop()
