"""Calls are seen as they end, from every replica, without what they carried."""

import asyncio
from contextlib import aclosing
from datetime import UTC
from typing import Any

import pytest

from tests.integration.mesh.support import IN_TURN, EchoStub, Note, Rig, path
from tests.integration.mesh.test_orders import Replicas
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as admin
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.errors import NotFound
from tocsin.mesh.context import acting_as
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


@pytest.fixture
async def replicas(rig: Rig, clock: FakeClock) -> Replicas:
    """Three that run."""
    made = Replicas(rig, clock)
    await made.start()
    return made


async def test_calls_of_every_replica_are_seen_with_their_ends(rig: Rig, replicas: Replicas) -> None:
    """Who, what, how it ended, how much; filtered at the server. When the reader leaves, nobody is told any more."""

    async def missing(request: Any, _: Any) -> Any:
        raise NotFound(request.text)

    stub = EchoStub(rig.mesh(methods=IN_TURN).channel("echo_svc"))
    orders: Any = replicas.operations
    seen: list[Any] = []
    with acting_as(rig.token("mesh:read", "echo:read")):
        for echo in replicas.echoes:
            echo.unary = missing
        async with aclosing(orders.WatchCalls(admin.WatchCallsRequest(filter=pb.CallFilter(method="EchoService/Say")))) as stream:
            reading = asyncio.ensure_future(anext(stream))
            await eventually(lambda: all(server.tap.listened for server in replicas.servers))
            while {answer.address for answer in seen} != set(replicas.addresses):
                for method in (stub.Say, stub.Greet):
                    with pytest.raises(NotFound):
                        await method(Note(text="secret"))
                seen.append(await reading)
                reading = asyncio.ensure_future(anext(stream))
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        await eventually(lambda: not any(server.tap.listened for server in replicas.servers))
    calls = [call for answer in seen for call in answer.calls]
    assert {(call.method, call.caller, call.tenant, call.code, call.reason) for call in calls} == {
        (path("Say"), "front", "acme", "NOT_FOUND", "NOT_FOUND")
    }
    assert all(call.request_bytes == len(Note(text="secret").SerializeToString()) for call in calls)
    assert not any(call.response_bytes for call in calls)
    assert "secret" not in str(calls)


async def test_a_replica_that_cannot_be_looked_at_is_named_with_its_reason(rig: Rig, replicas: Replicas) -> None:
    """One is not there; whoever may not look is told so by each, and a service that there is not is refused."""
    replicas.aim([replicas.addresses[0], "127.0.0.1:1"])
    orders: Any = replicas.operations
    with acting_as(rig.token("mesh:read")):
        async with aclosing(orders.WatchCalls(admin.WatchCallsRequest(service="echo"))) as stream:
            first = await anext(stream)
        assert first.address == "127.0.0.1:1"
        assert first.missed
        with pytest.raises(NotFound, match="no service"):
            await anext(orders.WatchCalls(admin.WatchCallsRequest(service="nobody")))
    with acting_as(rig.token("echo:read")):
        answers = [answer async for answer in orders.WatchCalls(admin.WatchCallsRequest(service="echo_svc"))]
    assert {answer.address: bool(answer.missed) for answer in answers} == {replicas.addresses[0]: True, "127.0.0.1:1": True}


async def test_the_picture_tells_clocks_certificates_and_policies(rig: Rig, replicas: Replicas, clock: FakeClock) -> None:
    """What `tocsin mesh check` looks at, of each replica."""
    orders: Any = replicas.operations
    picture = await orders.GetMesh(admin.GetMeshRequest())
    shown = [process for process in picture.processes if process.service == "echo_svc"]
    assert len({process.status.policy_digest for process in shown}) == 1
    assert all(process.status.policy_digest for process in shown)
    assert all(process.status.certificate_expire_time.ToDatetime(UTC) > clock.now() for process in shown)
    assert all(process.HasField("clock_offset") and not process.clock_offset.ToNanoseconds() for process in shown)
