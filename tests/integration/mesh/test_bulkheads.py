"""A tenant's streams and floods are its own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.mesh.support import METHODS, Echo, EchoStub, Note, Rig, path
from tocsin.errors import ResourceExhausted
from tocsin.mesh.context import acting_as
from tocsin.testing.waiting import eventually


def waiting(gate: asyncio.Event) -> Echo:
    """A servicer whose watches say one thing and then wait; whose other calls wait when their text says so."""

    async def answer(request: Any, _: Any) -> Any:
        if request.number == 1 or request.text == "wait":
            await gate.wait()
        return request

    return Echo(answer)


async def watch(stub: EchoStub, token: str) -> Any:
    """A stream that has begun."""
    with acting_as(token):
        call = stub.Watch(Note(number=2))
        assert (await call.read()).number == 0
    return call


async def test_streams_never_stand_before_calls(rig: Rig) -> None:
    """A connection carries five calls at a time here, of which one watches its health. Four streams take none of the room of calls."""
    gate = asyncio.Event()
    await rig.serve(waiting(gate), max_concurrent_streams=5)
    stub = rig.stub()
    streams = [await watch(stub, rig.token()) for _ in range(4)]
    with acting_as(rig.token()):
        for _ in range(5):
            answers = await asyncio.gather(*(stub.Say(Note(text=str(number))) for number in range(3)))
            assert [answer.text for answer in answers] == ["0", "1", "2"]
    gate.set()
    for stream in streams:
        assert (await stream.read()).number == 1


async def test_streams_of_one_tenant_are_refused_beyond_its_bound(rig: Rig) -> None:
    """The flood hears it at once, with a time to come back and no retry; the neighbour's stream begins; an end makes room again."""
    gate = asyncio.Event()
    servicer = waiting(gate)
    await rig.serve(servicer, tenant_streams=3, max_streams=5)
    stub, other = rig.stub(), rig.mint.mint(tenant="other", scopes=("echo:read",))
    streams = [await watch(stub, rig.token()) for _ in range(3)]
    for _ in range(20):
        with pytest.raises(ResourceExhausted) as refused:
            await watch(stub, rig.token())
        assert (refused.value.error_reason, refused.value.retry_after) == ("TOO_MANY_CALLS", 1.0)
    assert servicer.calls == 3
    neighbour = await watch(stub, other)
    await watch(stub, other)
    with pytest.raises(ResourceExhausted) as full:
        await watch(stub, other)
    assert full.value.error_reason == "TOO_MANY_STREAMS"
    neighbour.cancel()
    streams.pop().cancel()

    async def again() -> bool:
        try:
            await watch(stub, rig.token())
        except ResourceExhausted:
            return False
        return True

    await eventually(again)
    gate.set()


@pytest.mark.parametrize("end", ["cancel", "finish", "fail"])
async def test_every_end_of_a_stream_gives_its_place_back(rig: Rig, end: str) -> None:
    """Whether the client leaves, the stream ends, or the handler fails."""
    gate = asyncio.Event()
    servicer = waiting(gate)
    if end == "fail":

        async def fail(_: Any, __: Any) -> Any:
            await gate.wait()
            raise ResourceExhausted("told")

        servicer.unary = fail
    await rig.serve(servicer, tenant_streams=1)
    stub = rig.stub()
    for _ in range(3):
        gate.clear()
        with acting_as(rig.token()):
            call = stub.Watch(Note(number=2))
            reading = asyncio.ensure_future(call.read())
            await eventually(lambda: servicer.calls > 0)
        servicer.calls = 0
        if end != "cancel":
            gate.set()
        await _ended(end, call, reading)


async def _ended(end: str, call: Any, reading: "asyncio.Future[Any]") -> None:
    if end == "cancel":
        await reading
        call.cancel()
    elif end == "finish":
        await reading
        assert [note.number async for note in call] == [1]
    else:
        with pytest.raises(ResourceExhausted, match="told"):
            await reading


async def test_a_flood_of_computations_waits_for_itself(rig: Rig) -> None:
    """One tenant's calls take turns, some of them are refused; the neighbour's is served meanwhile, and cheap calls of both are."""
    gate = asyncio.Event()
    await rig.serve(waiting(gate), tenant_compute_calls=1)
    stub = rig.stub()
    with acting_as(rig.token()):
        flood = [asyncio.ensure_future(stub.Weigh(Note(text="wait"))) for _ in range(30)]
        await eventually(lambda: sum(call.done() for call in flood) == 30 - 1 - 8)
        assert (await stub.Say(Note(text="cheap"))).text == "cheap"
    with acting_as(rig.mint.mint(tenant="other", scopes=("echo:read",))):
        assert (await stub.Weigh(Note(text="mine"))).text == "mine"
    gate.set()
    done = await asyncio.gather(*flood, return_exceptions=True)
    refused = [error for error in done if isinstance(error, ResourceExhausted)]
    assert len(refused) == 21
    assert {error.retry_after for error in refused} == {1.0}


async def test_a_reader_that_takes_nothing_is_ended(rig: Rig) -> None:
    """What is sent waits for the reader, so that it takes no memory, and for half a second at most."""
    sent = 0

    async def count(_: Any, __: Any) -> Any:
        nonlocal sent
        sent += 1

    class Large(Echo):
        async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
            """Ten thousand messages of 100 KB."""
            for _ in range(10_000):
                await count(request, context)
                yield Note(text="x" * 100_000)

    await rig.serve(Large(), stream_stall_seconds=0.5, tenant_streams=1)
    stub = rig.stub()
    with acting_as(rig.token()):
        call = stub.Watch(Note())
        await call.read()
        await eventually(lambda: _place_is_free(rig, stub))
        with pytest.raises(ResourceExhausted, match=r"read nothing for 0\.5 s") as ended:
            _ = [note async for note in call]
    assert ended.value.error_reason == "READER_TOO_SLOW"
    assert sent < 200, "the server made messages that nobody took"


async def _place_is_free(rig: Rig, stub: EchoStub) -> bool:
    with acting_as(rig.token()):
        call = stub.Watch(Note())
        try:
            await call.read()
        except ResourceExhausted:
            return False
    call.cancel()
    return True


async def test_a_caller_has_no_more_calls_of_a_method_under_way_than_its_policy_says(rig: Rig) -> None:
    """Two: the third is refused at once, another tenant's is served, and so is another method's; streams count as calls."""
    gate = asyncio.Event()
    servicer = waiting(gate)
    bounded = {path(method): replace(METHODS[path(method)], concurrent_calls=2) for method in ("Say", "Watch")}
    await rig.serve(servicer, methods={**METHODS, **bounded})
    stub, other = rig.stub(), rig.mint.mint(tenant="other", scopes=("echo:read",))
    with acting_as(rig.token()):
        held = [asyncio.ensure_future(stub.Say(Note(text="wait"))) for _ in range(2)]
        await eventually(lambda: servicer.calls == 2, what="two calls under way")
        with pytest.raises(ResourceExhausted) as refused:
            await stub.Say(Note())
        assert refused.value.error_reason == "TOO_MANY_CALLS"
        assert refused.value.metadata["method"] == path("Say")
        await stub.Greet(Note())
    with acting_as(other):
        await stub.Say(Note())
    streams = [await watch(stub, rig.token()) for _ in range(2)]
    with pytest.raises(ResourceExhausted):
        await watch(stub, rig.token())
    gate.set()
    await asyncio.gather(*held)
    with acting_as(rig.token()):
        await stub.Say(Note())
    for stream in streams:
        stream.cancel()
