"""Rates that a server enforces: for a service without a door, and by order."""

import asyncio
import json
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, path
from tests.integration.mesh.test_library import add_silent, silent
from tests.integration.mesh.test_orders import Replicas
from tests.unit.mesh.test_rates import rate
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as admin
from tocsin.errors import ResourceExhausted
from tocsin.mesh.context import acting_as
from tocsin.mesh.library import ServiceProcess
from tocsin.mesh.policy_rules import parse
from tocsin.testing.clock import FakeClock


async def test_a_service_without_a_door_bounds_its_callers() -> None:
    """By rate class, of each address where nobody says who calls; a class that there is not stops the start."""
    async with ServiceProcess("echo", contract=[silent()], drain_seconds=0.5) as process:
        with pytest.raises(ValueError, match="there is no limit 'read'"):
            await process.serve((add_silent, Echo()), limits="read=2/h")
        server = await process.serve((add_silent, Echo()), limits="default=2/h")
        async with grpc.aio.insecure_channel(server.address) as channel:
            call = channel.unary_unary("/silent.S/Do")
            assert [await call(b""), await call(b"")] == [b"", b""]
            with pytest.raises(grpc.aio.AioRpcError) as told:
                await call(b"")
    assert told.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    fields = dict(told.value.trailing_metadata())
    assert fields["ratelimit-policy"] == '"class-default";q=2;w=3600'
    retry = error_details_pb2.RetryInfo()
    status = fields["grpc-status-details-bin"]
    assert isinstance(status, bytes)
    assert any(each.Unpack(retry) for each in status_pb2.Status.FromString(status).details)
    assert 3500 < retry.retry_delay.ToSeconds() <= 3600


async def test_an_order_bounds_every_replica(rig: Rig, clock: FakeClock) -> None:
    """What is over is told when to come back; the first answers tell what is left."""
    replicas = Replicas(rig, clock)
    await replicas.start()
    orders: Any = replicas.operations
    given = parse(json.dumps({"rates": [rate(methods=[path("Put")])]})).rates[0]
    with acting_as(rig.token("mesh:read", "mesh:write")):
        async with asyncio.timeout(60):
            while (report := await orders.SetMeshPolicy(admin.SetMeshPolicyRequest(rate=given))).missed:
                pass  # on a slow machine a replica may not answer in time
        assert {taken.address for taken in report.taken} == {"gateway", *replicas.addresses}
    stub = EchoStub(rig.mesh("front").channel("echo_svc", endpoint=replicas.addresses[0]))
    with acting_as(rig.token()):
        for left in (1, 0):
            call = stub.Put(Note())
            await call
            assert dict(await call.trailing_metadata())["ratelimit"] == f'"one";r={left};t=10'
        over = stub.Put(Note())
        with pytest.raises(ResourceExhausted) as told:
            await over
        assert told.value.error_reason == "RATE_LIMITED"
        assert told.value.retry_after == pytest.approx(10, abs=0.5)
        assert told.value.metadata["calls"] == "2"
        assert dict(await over.trailing_metadata())["ratelimit-policy"] == '"one";q=2;w=10'
        assert await over.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        other = EchoStub(rig.mesh("front").channel("echo_svc", endpoint=replicas.addresses[1]))
        await other.Put(Note())  # each process counts by itself
        await clock.advance(10.1)
        await stub.Put(Note())
