"""Calls whose carrier ends before their answer: made once elsewhere if nobody has begun them, else lost, and never made twice.

Each moment is brought about by a server that a test steers; the calls are of a method that is never tried again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.integration.mesh.support import CARRIED, ONCE, Echo, EchoStub, Note, Rig, path, riding
from tests.integration.mesh.test_unsent import InOrder
from tocsin.api.mesh.v1 import carrier_pb2 as pb
from tocsin.errors import Unavailable
from tocsin.mesh import carried
from tocsin.mesh.client.calls import UnaryUnary
from tocsin.mesh.client.channel import MeshChannel
from tocsin.mesh.policy import MethodKind
from tocsin.testing.proxy import FAIR, NetworkFault, Proxy
from tocsin.testing.waiting import eventually

KEY = (MethodKind.UNARY_UNARY, path("Make"), Note.SerializeToString, Note.FromString)
ALWAYS = {name: replace(policy, idempotent=True) for name, policy in CARRIED.items()}
"""As `CARRIED`; every method may be tried again."""

Carry = Callable[[Any, Any], Awaitable[None]]


class Leaver:
    """A server whose carrier does with the first call what a test says; calls by themselves it answers.

    Attributes:
        came: calls that came on its carrier.
        alone: calls of Make that came by themselves.
    """

    def __init__(self, rig: Rig, leave: Carry) -> None:
        self._rig = rig
        self._leave = leave
        self.came = self.alone = 0
        self.go = asyncio.Event()
        servicers: Any = health
        self.health = servicers.aio.HealthServicer()
        self.server = grpc.aio.server()
        self.address = ""

    async def start(self) -> None:
        """Listens with the certificate of echo_svc."""
        bytewise = grpc.unary_unary_rpc_method_handler
        methods = {"Greet": bytewise(self._greet), "Make": bytewise(self._make)}
        self.server.add_registered_method_handlers("tocsin.test.v1.EchoService", methods)
        carry = {"Carry": grpc.stream_stream_rpc_method_handler(self._carry)}
        self.server.add_registered_method_handlers("tocsin.api.mesh.v1.CarrierService", carry)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        await self.serving(health_pb2.HealthCheckResponse.SERVING)
        key, chain, authority = ((self._rig.folder / "pki" / name).read_bytes() for name in ("echo_svc-key.pem", "echo_svc.pem", "ca.pem"))
        credentials = grpc.ssl_server_credentials([(key, chain)], authority, require_client_auth=True)
        self.address = f"127.0.0.1:{self.server.add_secure_port('127.0.0.1:0', credentials)}"
        await self.server.start()

    async def serving(self, status: Any) -> None:
        """Reports whether it serves."""
        await self.health.set("", status)

    async def _greet(self, request: bytes, _: Any) -> bytes:
        return request

    async def _make(self, request: bytes, _: Any) -> bytes:
        self.alone += 1
        return request

    async def _carry(self, _: Any, context: Any) -> None:
        await context.send_initial_metadata((carried.MARK,))
        while (raw := await context.read()) is not cast("Any", grpc.aio.EOF):
            for call in pb.CarriedCalls.FromString(raw).calls:
                if call.method == path("Make"):
                    self.came += 1
                    await self.go.wait()
                    await self._leave(call, context)
                    return
                await context.write(answers(pb.CarriedAnswer(id=call.id, response=call.request)))


def answers(*found: pb.CarriedAnswer, draining: bool = False) -> bytes:
    """One message of a server."""
    return pb.CarriedAnswers(answers=found, draining=draining).SerializeToString()


async def refuse(call: pb.CarriedCall, context: Any) -> None:
    """It does not ride here."""
    await context.write(answers(pb.CarriedAnswer(id=call.id, refused=True)))
    await asyncio.Event().wait()


async def refuse_at_the_end(call: pb.CarriedCall, context: Any) -> None:
    """The server has begun to end."""
    await context.write(answers(pb.CarriedAnswer(id=call.id, refused=True), draining=True))


async def end(call: pb.CarriedCall, context: Any) -> None:
    """In good order: what was written and not read was not taken."""
    del call, context


async def end_at_the_end(call: pb.CarriedCall, context: Any) -> None:
    """Likewise, as a server that ends."""
    del call
    await context.write(answers(draining=True))


async def break_off(call: pb.CarriedCall, context: Any) -> None:
    """With words that gRPC has for a call that was not sent."""
    del call
    await context.abort(grpc.StatusCode.UNAVAILABLE, "connections to all backends failing")


async def cancel(call: pb.CarriedCall, context: Any) -> None:
    """As a server does whose grace is over."""
    del call
    await context.abort(grpc.StatusCode.CANCELLED, "")


async def answer_half(call: pb.CarriedCall, context: Any) -> None:
    """And end in good order, which no server of ours does."""
    await context.write(answers(pb.CarriedAnswer(id=call.id, response=b"\x0a", continued=True)))


async def answer_half_and_refuse(call: pb.CarriedCall, context: Any) -> None:
    """Likewise."""
    await context.write(answers(pb.CarriedAnswer(id=call.id, response=b"\x0a", continued=True), pb.CarriedAnswer(id=call.id, refused=True)))
    await asyncio.Event().wait()


Leaving = Callable[[Carry], Awaitable[Leaver]]


@pytest.fixture
async def leaving(rig: Rig) -> AsyncIterator[Leaving]:
    """Starts servers that leave."""
    made: list[Leaver] = []

    async def start(leave: Carry) -> Leaver:
        made.append(Leaver(rig, leave))
        await made[-1].start()
        return made[-1]

    yield start
    for each in made:
        await each.server.stop(None)


class Pair:
    """One replica that leaves, to which the first attempt goes, and one that serves."""

    def __init__(self, leaver: Leaver, echo: Echo, channel: MeshChannel, make: UnaryUnary) -> None:
        self.leaver = leaver
        self.echo = echo
        self.channel = channel
        self.make = make

    @classmethod
    async def open(cls, rig: Rig, leaver: Leaver, methods: Any = ONCE) -> "Pair":
        """With the carrier to the first one standing."""
        echo = Echo()
        live = (await rig.serve(echo, methods=CARRIED)).address
        mesh = rig.mesh(methods=methods)
        channel = mesh.channel("echo_svc", endpoint=leaver.address)
        await riding(channel)
        make = UnaryUnary(InOrder([channel.way(KEY), mesh.channel("echo_svc", endpoint=live).way(KEY)]))
        return cls(leaver, echo, channel, make)


@pytest.mark.parametrize("leave", [refuse_at_the_end, end_at_the_end])
@pytest.mark.parametrize("methods", [ONCE, ALWAYS], ids=["once", "again"])
async def test_what_a_server_that_ends_has_not_begun_goes_to_another(rig: Rig, leaving: Leaving, leave: Carry, methods: Any) -> None:
    """And not to that server by itself: gRPC's core would cancel it, and nobody could tell whether it was begun."""
    pair = await Pair.open(rig, await leaving(leave), methods)
    pair.leaver.go.set()
    assert (await pair.make(Note(number=7))).number == 7
    assert (pair.leaver.came, pair.leaver.alone, pair.echo.calls) == (1, 0, 1)


@pytest.mark.parametrize("leave", [refuse, end])
async def test_what_a_server_that_stays_has_not_begun_goes_by_itself(rig: Rig, leaving: Leaving, leave: Carry) -> None:
    """On the same connection."""
    pair = await Pair.open(rig, await leaving(leave))
    pair.leaver.go.set()
    assert (await pair.make(Note(number=7))).number == 7
    assert (pair.leaver.came, pair.leaver.alone, pair.echo.calls) == (1, 1, 0)


@pytest.mark.parametrize("leave", [break_off, cancel, answer_half, answer_half_and_refuse])
async def test_what_may_have_been_begun_is_lost(rig: Rig, leaving: Leaving, leave: Carry) -> None:
    """However its carrier ended, and whatever was said: it is not made again anywhere."""
    pair = await Pair.open(rig, await leaving(leave))
    pair.leaver.go.set()
    with pytest.raises(Unavailable):
        await pair.make(Note(number=7))
    assert (pair.leaver.came, pair.leaver.alone, pair.echo.calls) == (1, 0, 0)


async def test_what_may_have_been_begun_is_tried_again_where_its_policy_says_so(rig: Rig, leaving: Leaving) -> None:
    """As with any connection that breaks."""
    pair = await Pair.open(rig, await leaving(break_off), ALWAYS)
    pair.leaver.go.set()
    assert (await pair.make(Note(number=7))).number == 7
    assert (pair.leaver.came, pair.leaver.alone, pair.echo.calls) == (1, 0, 1)


async def test_the_only_replica_that_ends_is_unavailable(rig: Rig, leaving: Leaving) -> None:
    """There is no other, and it takes nothing any more."""
    leaver = await leaving(refuse_at_the_end)
    rig.targets["echo_svc"] = leaver.address
    channel = rig.mesh(methods=ONCE).channel("echo_svc")
    await riding(channel)
    call = asyncio.ensure_future(EchoStub(channel).Make(Note()))
    await eventually(lambda: leaver.came == 1, what="the call")
    await leaver.serving(health_pb2.HealthCheckResponse.NOT_SERVING)
    await eventually(lambda: channel.get_state() is not grpc.ChannelConnectivity.READY, what="the news of it")
    leaver.go.set()
    with pytest.raises(Unavailable):
        await call
    assert (leaver.came, leaver.alone) == (1, 0)


async def test_the_only_replica_whose_carrier_is_old_serves_on(rig: Rig, leaving: Leaving) -> None:
    """It asks for no more calls on that stream, and is ready."""
    leaver = await leaving(refuse_at_the_end)
    rig.targets["echo_svc"] = leaver.address
    channel = rig.mesh(methods=ONCE).channel("echo_svc")
    await riding(channel)
    leaver.go.set()
    assert (await EchoStub(channel).Make(Note(number=3))).number == 3
    assert (leaver.came, leaver.alone) == (1, 1)


@pytest.mark.parametrize("leave", [refuse, end, refuse_at_the_end, end_at_the_end])
async def test_a_call_that_is_left_on_a_connection_that_closes_takes_the_new_one(rig: Rig, leaving: Leaving, leave: Carry) -> None:
    """Its certificate was renewed meanwhile: the old connection takes no calls."""
    leaver = await leaving(leave)
    rig.targets["echo_svc"] = leaver.address
    channel = rig.mesh(methods=ONCE).channel("echo_svc")
    await riding(channel)
    call = asyncio.ensure_future(EchoStub(channel).Make(Note(number=9)))
    await eventually(lambda: leaver.came == 1, what="the call")
    assert await channel.renew(grace=3600)
    assert channel.retiring
    leaver.go.set()
    assert (await call).number == 9
    assert (leaver.came, leaver.alone) == (1, 1)


async def test_calls_that_outlast_the_grace_of_a_server_are_lost(rig: Rig) -> None:
    """It cancels them; nobody else is asked."""
    begun = asyncio.Event()

    async def never(request: Any, _: Any) -> Any:
        if request.number:
            begun.set()
            await asyncio.Event().wait()
        return request

    doomed, other = Echo(never), Echo()
    server = await rig.serve(doomed, methods=CARRIED, grace_seconds=0.1)
    live = (await rig.serve(other, methods=CARRIED)).address
    mesh = rig.mesh(methods=ONCE)
    channel = mesh.channel("echo_svc", endpoint=server.address)
    await riding(channel)
    make = UnaryUnary(InOrder([channel.way(KEY), mesh.channel("echo_svc", endpoint=live).way(KEY)]))
    call = asyncio.ensure_future(make(Note(number=1)))
    await begun.wait()
    await server.stop()
    with pytest.raises(Unavailable):
        await call
    assert other.calls == 0


async def test_a_handler_that_something_else_cancelled_answers(rig: Rig) -> None:
    """Such as a call of its own, on a connection that was closed: its caller neither hangs nor takes it for a call that was not begun."""

    async def cancelled(request: Any, _: Any) -> Any:
        if request.number:
            raise asyncio.CancelledError
        return request

    echo = Echo(cancelled)
    await rig.serve(echo, methods=CARRIED)
    channel = rig.mesh(methods=ONCE).channel("echo_svc")
    await riding(channel)
    before = echo.calls
    with pytest.raises(Unavailable):
        await EchoStub(channel).Make(Note(number=1))
    assert echo.calls == before + 1
    assert channel.carrying


@pytest.mark.parametrize(("size", "begun"), [(60_000, 0), (1, 1)], ids=["request", "answer"])
async def test_a_connection_that_is_cut_in_a_message_loses_the_call(rig: Rig, size: int, begun: int) -> None:
    """Half of a request was never read, half of an answer is none; neither is made again."""

    async def long(request: Any, _: Any) -> Any:
        return Note(text="a" * 60_000) if request.number else request

    echo, other = Echo(long), Echo()
    server = await rig.serve(echo, methods=CARRIED)
    live = (await rig.serve(other, methods=CARRIED)).address
    async with Proxy(target_port=server.port) as proxy:
        mesh = rig.mesh(methods=ONCE)
        channel = mesh.channel("echo_svc", endpoint=proxy.address)
        await riding(channel)
        make = UnaryUnary(InOrder([channel.way(KEY), mesh.channel("echo_svc", endpoint=live).way(KEY)]))
        before = echo.calls
        proxy.fault = NetworkFault(cut_after=proxy.passed + 20_000)
        with pytest.raises(Unavailable):
            await make(Note(number=1, text="a" * size))
        proxy.fault = FAIR
        assert (echo.calls - before, other.calls) == (begun, 0)
        await riding(channel)
