"""Deadlines shrink from hop to hop, and nothing runs past them."""

import asyncio
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import Echo, Note, Rig, add_hop, path
from tocsin.errors import DeadlineExceeded
from tocsin.mesh.context import Call, detached, enter, remaining


def hop(mesh: Any) -> Any:
    """The internal method of a chain of services."""
    return mesh.channel("echo_svc").unary_unary("/tocsin.test.v1.HopService/Hop")


async def test_the_budget_shrinks_over_three_hops(rig: Rig) -> None:
    """Each hop sees less than the one before: what it spent, and the margin for the way back."""
    seen: list[float] = []
    own: list[Any] = []

    async def forward(request: Any, _: Any) -> Any:
        left = remaining()
        assert left is not None
        seen.append(left)
        if len(seen) < 3:
            await asyncio.sleep(0.3)
            await own[0](b"")
        return request

    await rig.serve(Echo(forward), add=add_hop)
    own.append(hop(rig.mesh("echo_svc")))
    await hop(rig.mesh())(b"", timeout=4)
    assert len(seen) == 3
    # gRPC sends the timeout of the call before once more when it is at most 3 % longer: 300 ms less arrive as 180 ms less at worst.
    assert seen[0] <= 4
    assert seen[0] - seen[1] >= 0.18
    assert seen[1] - seen[2] >= 0.18


@pytest.mark.parametrize(("left", "allowed"), [(0.05, False), (30.0, True)])
async def test_with_too_little_time_nothing_is_sent(rig: Rig, left: float, allowed: bool) -> None:
    """Below 100 ms a call is refused at once."""
    servicer = Echo()
    await rig.serve(servicer)
    stub = rig.stub()
    await stub.Greet(Note())
    enter(Call(deadline=asyncio.get_running_loop().time() + left))
    if allowed:
        await stub.Greet(Note())
    else:
        with pytest.raises(DeadlineExceeded):
            await stub.Greet(Note())
    assert servicer.calls == 1 + allowed


async def test_work_of_the_service_itself_has_the_declared_time(rig: Rig) -> None:
    """``detached`` leaves the deadline of the request behind."""
    await rig.serve(Echo())
    stub = rig.stub()
    enter(Call(deadline=asyncio.get_running_loop().time() - 1))
    with pytest.raises(DeadlineExceeded):
        await stub.Greet(Note())
    with detached():
        await stub.Greet(Note())
        assert remaining() is None


async def test_a_callers_timeout_ends_the_handler(rig: Rig) -> None:
    """The caller gets DEADLINE_EXCEEDED, and the handler is cancelled."""
    ended = asyncio.Event()

    async def hang(request: Any, _: Any) -> Any:
        if request.text == "quick":
            return request
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    await rig.serve(Echo(hang))
    stub = rig.stub()
    await stub.Look(Note(text="quick"))  # the connection stands
    with pytest.raises(DeadlineExceeded):
        await stub.Greet(Note(), timeout=2)
    await ended.wait()


@pytest.mark.parametrize("timeout", [None, 3600])
async def test_a_caller_without_a_sensible_deadline_gets_the_declared_one(rig: Rig, timeout: float | None) -> None:
    """The server bounds what its caller does not."""
    seen: list[float | None] = []

    async def hang(_: Any, __: Any) -> Any:
        seen.append(remaining())
        await asyncio.sleep(60)

    server = await rig.serve(Echo(hang))
    settings = rig.settings("front")
    credentials = grpc.ssl_channel_credentials(
        settings.tls_ca_file.read_bytes(), settings.tls_key_file.read_bytes(), settings.tls_cert_file.read_bytes()
    )
    async with grpc.aio.secure_channel(server.address, credentials) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(path("Hurry"))(b"", timeout=timeout)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert seen[0] is not None
    assert seen[0] <= 2.0


async def test_a_handlers_own_timeout_error_is_not_the_calls(rig: Rig) -> None:
    """TimeoutError of something else is unexpected, hence internal."""

    async def fail(_: Any, __: Any) -> Any:
        raise TimeoutError

    await rig.serve(Echo(fail))
    with pytest.raises(Exception, match="Internal error"):
        await rig.stub().Greet(Note())
