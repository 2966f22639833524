"""Retries, breakers, replicas, restarts: what a caller does not notice."""

import asyncio
import uuid
from collections import Counter
from typing import Any

import pytest

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, path
from tocsin.errors import CircuitOpen, DeadlineExceeded, NotFound, ResourceExhausted, Unavailable
from tocsin.mesh.breaker import BreakerRegistry, CircuitState
from tocsin.mesh.context import acting_as
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


def flaky(failures: int, error: Exception | None = None) -> Echo:
    """A servicer that fails so many times before it answers."""

    async def answer(request: Any, _: Any) -> Any:
        if servicer.calls <= failures:
            raise error or Unavailable("not yet")
        return request

    servicer = Echo(answer)
    return servicer


async def test_an_idempotent_call_is_tried_again(rig: Rig) -> None:
    """Two failures are not noticed; a third is."""
    servicer = flaky(2)
    await rig.serve(servicer)
    assert (await rig.stub().Greet(Note(text="a"))).text == "a"
    assert servicer.calls == 3


@pytest.mark.parametrize(("error", "calls"), [(Unavailable(), 3), (NotFound(), 1), (ResourceExhausted(), 1), (CircuitOpen(), 1)])
async def test_only_unavailable_is_tried_again(rig: Rig, error: Exception, calls: int) -> None:
    """Three attempts in all; a far end's own open circuit is not hammered."""
    servicer = flaky(99, error)
    await rig.serve(servicer)
    with pytest.raises(type(error)):
        await rig.stub().Greet(Note())
    assert servicer.calls == calls


async def test_a_call_that_is_not_idempotent_is_made_once(rig: Rig) -> None:
    """Nobody knows whether it was done."""
    servicer = flaky(1)
    await rig.serve(servicer)
    with acting_as(rig.token()), pytest.raises(Unavailable):
        await rig.stub().Put(Note())
    assert servicer.calls == 1


@pytest.mark.parametrize("raw", [False, True], ids=["message", "bytes"])
@pytest.mark.parametrize("given", ["", "mine"])
async def test_every_attempt_has_the_same_identity(rig: Rig, given: str, raw: bool) -> None:
    """A call without one gets it before the first attempt, so that a far end that did it, and could not say so, does it once."""
    seen: list[str] = []

    async def answer(request: Any, _: Any) -> Any:
        seen.append(request.inner_note.text)
        if len(seen) < 3:
            raise Unavailable("done, but who knows")
        return request

    await rig.serve(Echo(answer))
    request = Note(text="a", inner_note=Note(number=7, text=given))
    if raw:
        call = rig.mesh().channel("echo_svc").unary_unary(path("Make"))
        reply = Note.FromString(await call(request.SerializeToString()))
    else:
        reply = await rig.stub().Make(request)
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert seen[0] == given if given else uuid.UUID(seen[0]).version == 4
    assert (reply.text, reply.inner_note.number, request.inner_note.text) == ("a", 7, given)


async def test_retries_stay_inside_the_deadline(rig: Rig) -> None:
    """A server that wants its callers to wait longer than they can gets one call."""
    servicer = flaky(99, Unavailable(retry_after=60))
    await rig.serve(servicer)
    with pytest.raises(Unavailable):
        await rig.stub().Greet(Note())
    assert servicer.calls == 1


async def test_a_stream_is_tried_again_until_its_first_message(rig: Rig) -> None:
    """Before the first message a failure is not noticed; after it the stream ends with the error."""

    async def answer(request: Any, _: Any) -> Any:
        if (servicer.calls == 1 and request.number == 0) or request.number == 2:
            raise Unavailable("cut")

    servicer = Echo(answer)
    await rig.serve(servicer)
    call = rig.stub().Watch(Note(number=5))
    assert [(await call.read()).number, (await call.read()).number] == [0, 1]
    with pytest.raises(Unavailable, match="cut"):
        await call.read()
    assert servicer.calls == 2


async def test_five_failures_open_the_circuit_of_that_method_alone(rig: Rig, clock: FakeClock) -> None:
    """The next call is rejected without being sent; other methods go on; a probe after the pause closes it again."""
    servicer, breakers = flaky(5), BreakerRegistry(clock=clock)
    await rig.serve(servicer)
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    with acting_as(rig.token()):
        for _ in range(5):
            with pytest.raises(Unavailable):
                await stub.Put(Note())
        with pytest.raises(CircuitOpen) as rejected:
            await stub.Put(Note())
        assert servicer.calls == 5
        assert 0 < (rejected.value.retry_after or 0) <= 7.5
        await stub.Greet(Note())
        assert {item.id: item.state for item in breakers.snapshot()} == {
            "echo_svc/tocsin.test.v1.EchoService/Greet": CircuitState.CLOSED,
            "echo_svc/tocsin.test.v1.EchoService/Put": CircuitState.OPEN,
        }
        await clock.advance(7.5)
        for _ in range(3):
            await stub.Put(Note())
    assert breakers.open_targets() == set()


@pytest.mark.parametrize("error", [NotFound(), ResourceExhausted()])
async def test_answers_do_not_open_the_circuit(rig: Rig, clock: FakeClock, error: Exception) -> None:
    """A client's mistake, or a tenant's quota, is no failure of the far end."""
    breakers = BreakerRegistry(clock=clock)
    await rig.serve(flaky(99, error))
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    for _ in range(25):
        with pytest.raises(type(error)):
            await stub.Greet(Note())
    assert breakers.open_targets() == set()


async def test_truncated_deadlines_and_cancellations_do_not_open_the_circuit(rig: Rig, clock: FakeClock) -> None:
    """What the caller did to itself says nothing about the far end."""

    async def hang(_: Any, __: Any) -> Any:
        await asyncio.sleep(60)

    breakers = BreakerRegistry(clock=clock)
    await rig.serve(Echo(hang))
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    for _ in range(6):
        with pytest.raises(DeadlineExceeded):
            await stub.Greet(Note(), timeout=0.05)
        task = asyncio.ensure_future(stub.Greet(Note()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [item.failures for item in breakers.snapshot()] == [0]


async def test_calls_go_round_the_replicas(rig: Rig) -> None:
    """Three replicas behind one target share the calls, and each can be addressed alone."""
    replicas = [Echo() for _ in range(3)]
    servers = [await rig.serve(replica) for replica in replicas]
    rig.targets["echo_svc"] = "ipv4:" + ",".join(server.address for server in servers)
    mesh = rig.mesh()
    assert await mesh.endpoints("echo_svc") == sorted(server.address for server in servers)
    channel = mesh.channel("echo_svc")
    stub = EchoStub(channel)
    await eventually(lambda: _all_called(stub, replicas))
    before = [replica.calls for replica in replicas]
    await EchoStub(mesh.channel("echo_svc", endpoint=servers[1].address)).Greet(Note())
    assert [replica.calls for replica in replicas] == [before[0], before[1] + 1, before[2]]


async def _all_called(stub: EchoStub, replicas: list[Echo]) -> bool:
    await stub.Greet(Note())
    return all(replica.calls for replica in replicas)


async def test_a_replica_that_stops_is_not_noticed(rig: Rig) -> None:
    """While one of two drains and ends under load, every idempotent call succeeds."""
    first, second = await rig.serve(Echo(), drain_seconds=0.3), await rig.serve(Echo())
    rig.targets["echo_svc"] = f"ipv4:{first.address},{second.address}"
    stub, results = rig.stub(), Counter[str]()
    stopping = asyncio.Event()

    async def load() -> None:
        while not stopping.is_set():
            try:
                await stub.Greet(Note())
                results["ok"] += 1
            except Unavailable:
                results["failed"] += 1

    tasks = [asyncio.create_task(load()) for _ in range(4)]
    await eventually(lambda: results["ok"] > 100)
    await first.stop()
    done = results["ok"]
    await eventually(lambda: results["ok"] > done + 100)
    stopping.set()
    await asyncio.gather(*tasks)
    assert results["failed"] == 0


async def test_an_open_circuit_closes_as_soon_as_the_service_is_back(rig: Rig, clock: FakeClock) -> None:
    """The channel reconnects by itself to the same port, and nobody waits for the breaker's timer: the clock does not move here."""
    breakers = BreakerRegistry(clock=clock)
    server = await rig.serve(Echo())
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    await stub.Greet(Note())
    await server.stop()
    while not breakers.open_targets():
        with pytest.raises(Unavailable):
            await stub.Greet(Note())
    with pytest.raises(CircuitOpen):
        await stub.Greet(Note())
    await rig.serve(Echo(), port=server.port)
    await eventually(lambda: _answers(stub))
    for _ in range(2):
        await stub.Greet(Note())
    assert breakers.open_targets() == set()


async def test_a_circuit_that_answers_opened_waits_for_its_timer(rig: Rig, clock: FakeClock) -> None:
    """A connection that stands is no news: the far end itself says that it cannot work."""
    breakers = BreakerRegistry(clock=clock)
    servicer = flaky(99)
    await rig.serve(servicer)
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    while not breakers.open_targets():
        with pytest.raises(Unavailable):
            await stub.Greet(Note())
    made = servicer.calls
    for _ in range(50):
        await asyncio.sleep(0)
        with pytest.raises(CircuitOpen):
            await stub.Greet(Note())
    assert servicer.calls == made


async def _answers(stub: EchoStub) -> bool:
    try:
        await stub.Greet(Note())
    except Unavailable:
        return False
    return True


async def test_a_dead_service_costs_an_error_and_names_no_address(rig: Rig) -> None:
    """The message names the service alone."""
    rig.targets["echo_svc"] = "127.0.0.1:1"
    with pytest.raises(Unavailable) as raised:
        await rig.stub().Greet(Note())
    assert raised.value.message == "echo_svc is unavailable."


async def test_a_mesh_that_was_stopped_says_so_and_can_start_again(rig: Rig) -> None:
    """Stop and start may be called twice, in any order."""
    await rig.serve(Echo())
    mesh = rig.mesh()
    greet = mesh.channel("echo_svc").unary_unary(path("Greet"))
    await mesh.stop()
    await mesh.stop()
    with pytest.raises(Unavailable) as raised:
        await greet(b"")
    assert raised.value.error_reason == "MESH_STOPPED"
    await mesh.start()
    await mesh.start()
    await greet(b"")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("127.0.0.1:9001", ["127.0.0.1:9001"]),
        ("dns:///127.0.0.1:9001", ["127.0.0.1:9001"]),
        ("dns:127.0.0.1:9001", ["127.0.0.1:9001"]),
        ("[::1]:9001", ["[::1]:9001"]),
        ("ipv4:10.0.0.2:1,10.0.0.1:2", ["10.0.0.1:2", "10.0.0.2:1"]),
        ("ipv6:[::2]:1,[::1]:1", ["[::1]:1", "[::2]:1"]),
        ("unix:/run/echo.sock", ["unix:/run/echo.sock"]),
        ("xds:///echo", ["xds:///echo"]),
    ],
)
async def test_endpoints_of_every_kind_of_target(rig: Rig, target: str, expected: list[str]) -> None:
    """Every replica's address, as a target of its own."""
    rig.targets["echo_svc"] = target
    assert await rig.mesh().endpoints("echo_svc") == expected


async def test_a_name_without_an_address_is_unavailable(rig: Rig) -> None:
    """It may get one later."""
    rig.targets["echo_svc"] = "dns:///nowhere.invalid:9001"
    with pytest.raises(Unavailable, match="cannot be resolved"):
        await rig.mesh().endpoints("echo_svc")
