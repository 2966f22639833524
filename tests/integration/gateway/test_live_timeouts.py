"""Timeouts that change while the gateway runs: both doors give calls the time that holds now, less or more than the contract's."""

from collections.abc import Awaitable, Callable

import grpc
import httpx2

from tests.integration.gateway.support import Book, Rig, message_type
from tests.integration.gateway.test_rest import BOOK
from tests.unit.mesh.test_live_policy import rule
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import mesh_service_pb2_grpc as pb_grpc
from tocsin.mesh.context import acting_as

GET = "/shelf.v1.ShelfService/GetBook"


async def order(rig: Rig, timeout: str) -> None:
    """What `tocsin mesh policy set` does: an order to the gateway, and to the service behind it."""
    rig.mesh.policies.order(rule(GET, timeout=timeout), seconds=60)
    with acting_as(rig.token("mesh:write")):
        await pb_grpc.MeshServiceStub(rig.mesh.channel("shelf_svc")).SetPolicy(pb.SetPolicyRequest(rule=rule(GET, timeout=timeout)))


async def left(rig: Rig, call: Callable[[], Awaitable[object]]) -> float:
    """Seconds that a call has when the service gets it."""
    rig.shelf.forget()
    await call()
    return float(rig.shelf.calls[0]["remaining"])


async def test_both_doors_give_the_time_that_holds_now(rig: Rig, client: httpx2.AsyncClient) -> None:
    """The contract says 30 s; orders say 20 s and 300 s; taken back it is 30 s again. The client may still have less."""

    async def rest(**headers: str) -> None:
        assert (await client.get(BOOK, headers=headers)).status_code == 200

    async with grpc.aio.insecure_channel(rig.running.address) as channel:
        get = channel.unary_unary(
            GET, request_serializer=message_type("GetBookRequest").SerializeToString, response_deserializer=Book.FromString
        )

        async def edge() -> None:
            await get(message_type("GetBookRequest")(name="x"), metadata=(("authorization", f"Bearer {rig.token()}"),))

        for timeout, least, most in (("20s", 0, 20), ("300s", 200, 300)):
            await order(rig, timeout)
            for door in (rest, edge):
                assert least < await left(rig, door) <= most, (door, timeout)
        assert await left(rig, lambda: rest(**{"x-request-timeout": "15"})) <= 15
        rig.mesh.policies.reset(method="", caller="")
        for door in (rest, edge):
            assert 20 < await left(rig, door) <= 30, door


async def test_a_timeout_by_order_ends_a_call_at_the_door(rig: Rig, client: httpx2.AsyncClient) -> None:
    """504, after what the order says, although the contract and the client give it more."""
    rig.shelf.act = lambda _: rig.clock.sleep(30)
    assert (await client.get(BOOK, headers={"x-request-timeout": "0.3"})).status_code == 504  # connections on the way stand
    await order(rig, "0.5s")
    answer = await client.get(BOOK)
    assert (answer.status_code, answer.json()["code"]) == (504, "DEADLINE_EXCEEDED")
    assert rig.shelf.calls[-1]["remaining"] <= 0.5
