"""Connections that are renewed at an age (GOAWAY): whoever calls notices nothing."""

import asyncio
from typing import Any

from tests.integration.mesh.support import Echo, Note, Rig
from tocsin.mesh.context import acting_as
from tocsin.testing.waiting import eventually


async def test_no_call_fails_by_it_and_streams_end_where_they_are(rig: Rig) -> None:
    """A method that is never retried is called over and over while three connections come and go; a stream from before them goes on."""
    peers: set[str] = set()
    gate, made = asyncio.Event(), 0

    async def note(request: Any, context: Any) -> Any:
        if request.number:
            await gate.wait()
        elif request.text:
            peers.add(context.peer())
        return request

    servicer = Echo(note)
    await rig.serve(servicer, connection_age_seconds=0.5)
    stub = rig.stub()
    stream = stub.Watch(Note(number=3))
    assert (await anext(stream)).number == 0

    async def renewed() -> bool:
        nonlocal made
        made += 1
        with acting_as(rig.token()):
            assert (await stub.Put(Note(text="call"))).text == "call"
        return len(peers) >= 4

    await eventually(renewed, seconds=120, what="calls on four connections")
    assert servicer.calls == made + 1  # each call arrived once: no attempt failed and was made again
    gate.set()
    assert [each.number async for each in stream] == [1, 2]
    assert (await anext(stub.Watch(Note(number=1)))).number == 0


async def test_without_an_age_connections_stay(rig: Rig) -> None:
    """As before."""
    peers: set[str] = set()

    async def note(request: Any, context: Any) -> Any:
        peers.add(context.peer())
        return request

    await rig.serve(Echo(note))
    stub = rig.stub()
    for _ in range(20):
        await stub.Greet(Note())
    assert len(peers) == 1
