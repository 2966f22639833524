"""Policies that change while processes run: the calls that begin afterwards keep to them, on both sides."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, path
from tests.integration.mesh.test_orders import Replicas
from tests.unit.mesh.test_live_policy import rule
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as admin
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.errors import DeadlineExceeded, InvalidInput, Unavailable
from tocsin.mesh.breaker import BreakerRegistry, CircuitState
from tocsin.mesh.context import acting_as
from tocsin.testing.clock import FakeClock

FILE = """
rules:
  - method: /tocsin.test.v1.EchoService/Greet
    policy: {timeout: 2s, retry: {maxAttempts: 1}, breaker: {consecutiveFailures: 2}}
"""


async def test_a_file_changes_the_calls_of_a_running_client(rig: Rig, clock: FakeClock, tmp_path: Path) -> None:
    """Timeout, retries and breaker of a method that has been called before; then the contract's again."""
    given: list[float] = []

    async def hang(_: Any, context: Any) -> Any:
        given.append(context.time_remaining())
        await asyncio.Event().wait()

    async def err(_: Any, __: Any) -> Any:
        raise Unavailable("not here")

    echo, file, breakers = Echo(), tmp_path / "policy.yaml", BreakerRegistry(clock=clock)
    await rig.serve(echo)
    mesh = rig.mesh(mesh_policy_file=file, breakers=breakers)
    stub = EchoStub(mesh.channel("echo_svc"))
    await mesh.start()
    assert "No such file" in mesh.policies.problem
    await stub.Greet(Note())
    file.write_text(FILE)
    await mesh.policies.look()
    assert mesh.policies.problem == ""
    echo.unary = hang
    with pytest.raises(DeadlineExceeded):
        await stub.Greet(Note())
    assert max(given) < 10.0, "the contract gives it 30 s, the file 2 s"
    echo.unary, before = err, echo.calls
    with pytest.raises(Unavailable):
        await stub.Greet(Note())
    assert echo.calls == before + 1, "no further attempt"
    assert [item.state for item in breakers.snapshot()] == [CircuitState.OPEN]
    breakers.reset()
    file.write_text("rules: []")
    await mesh.policies.look()
    echo.unary = None
    await stub.Greet(Note())
    echo.unary, before = err, echo.calls
    with pytest.raises(Unavailable):
        await stub.Greet(Note())
    assert echo.calls > before + 1


async def test_an_order_reaches_every_replica_and_the_server_keeps_to_it(rig: Rig, clock: FakeClock) -> None:
    """A longer timeout of one caller is granted by the servers; the report names each process and its changes. A trial changes nothing."""
    replicas = Replicas(rig, clock)
    await replicas.start()
    orders: Any = replicas.operations
    longer = rule(path("Say"), timeout="40s")
    with acting_as(rig.token("mesh:read", "mesh:write")):
        trial = await orders.SetMeshPolicy(admin.SetMeshPolicyRequest(rule=longer, dry_run=True))
        assert not (await orders.GetMeshPolicy(admin.GetMeshPolicyRequest())).processes[1].policy.orders
        report = await orders.SetMeshPolicy(admin.SetMeshPolicyRequest(rule=longer))
        seen = await orders.GetMeshPolicy(admin.GetMeshPolicyRequest(method=path("Say")))
        assert [list(taken.changed) for taken in trial.taken] == [list(taken.changed) for taken in report.taken]
        assert {tuple(taken.changed) for taken in report.taken} == {(f"{path('Say')} timeout: 30s -> 40s",)}
        assert {taken.address for taken in report.taken} == {"gateway", *replicas.addresses}
        values = {value.name: value for process in seen.processes for value in process.policy.methods[0].values}
        assert (values["timeout"].value, values["timeout"].source, values["timeout"].declared) == ("40s", "order", "30s")
        back = await orders.ResetMeshPolicy(admin.ResetMeshPolicyRequest())
        assert {tuple(taken.changed) for taken in back.taken} == {(path("Say"),)}


async def test_an_order_without_sense_is_given_to_nobody(rig: Rig, clock: FakeClock) -> None:
    """The field and the reason are told."""
    replicas = Replicas(rig, clock)
    await replicas.start()
    orders: Any = replicas.operations
    with acting_as(rig.token("mesh:read", "mesh:write")):
        with pytest.raises(InvalidInput, match=r"rule\.method: there is no method"):
            await orders.SetMeshPolicy(admin.SetMeshPolicyRequest(rule=pb.PolicyRule(method="/no/Such", policy=rule(timeout="1s").policy)))
        seen = await orders.GetMeshPolicy(admin.GetMeshPolicyRequest())
    assert not any(process.policy.orders for process in seen.processes)
