"""Calls of every kind through both chains, over mTLS."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import Echo, Note, Rig, path
from tocsin.clock import SystemClock
from tocsin.errors import InvalidInput, NotFound
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.context import acting_as, peer, principal


async def test_a_unary_call_carries_the_user_and_the_caller(rig: Rig) -> None:
    """A handler sees the verified user of the token and the service of the certificate."""
    seen: list[Any] = []

    async def look(request: Any, _: Any) -> Any:
        seen.append((principal().tenant, principal().scopes, peer()))
        return request

    await rig.serve(Echo(look))
    with acting_as(rig.token("echo:read")):
        reply = await rig.stub().Say(Note(text="hello"))
    assert reply.text == "hello"
    assert seen == [("acme", frozenset({"echo:read", "profile:read"}), "front")]


async def test_a_server_stream_arrives_in_order(rig: Rig) -> None:
    """``async for`` over a stub's stream gives every message."""
    await rig.serve(Echo())
    assert [note.number async for note in rig.stub().Watch(Note(number=5))] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("source", ["list", "generator"])
async def test_a_client_stream_is_sent_from_any_iterable(rig: Rig, source: str) -> None:
    """Plain and asynchronous iterables of requests both work."""

    async def generate() -> Any:
        for number in (1, 2, 3):
            yield Note(number=number)

    await rig.serve(Echo())
    requests = [Note(number=number) for number in (1, 2, 3)] if source == "list" else generate()
    assert (await rig.stub().Collect(requests)).number == 6


async def test_a_bidirectional_stream_answers_while_it_is_written(rig: Rig) -> None:
    """Reads and writes of one call take turns."""
    await rig.serve(Echo())
    call = rig.stub().Chat()
    for number in range(3):
        await call.write(Note(number=number))
        assert (await call.read()).number == number
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_an_error_of_the_request_iterator_is_raised(rig: Rig) -> None:
    """What breaks the caller's own generator is not reported as a cancellation."""

    async def broken() -> Any:
        yield Note(number=1)
        raise ValueError("no more")

    await rig.serve(Echo())
    with pytest.raises(ValueError, match="no more"):
        [note async for note in rig.stub().Chat(broken())]
    with pytest.raises(ValueError, match="no more"):
        await rig.stub().Collect(broken())


async def test_a_cancelled_stream_ends_its_handler(rig: Rig) -> None:
    """``cancel`` reaches the server, and a read after it raises CancelledError."""
    ended = asyncio.Event()

    async def wait(request: Any, _: Any) -> None:
        if request.number == 1:
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

    await rig.serve(Echo(wait))
    call = rig.stub().Watch(Note(number=5))
    assert (await call.read()).number == 0
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.read()
    await ended.wait()


async def test_bytes_pass_unread_and_metadata_comes_back(rig: Rig) -> None:
    """Without serializers a channel carries bytes; ``with_call`` shows what came with the answer."""

    async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
        await context.send_initial_metadata((("x-first", "1"),))
        context.set_trailing_metadata((("x-last", "2"),))
        return request

    await rig.serve(Echo(answer))
    call = rig.mesh().channel("echo_svc").unary_unary(path("Greet"))
    reply = await call.with_call(Note(text="raw").SerializeToString())
    assert Note.FromString(reply.value).text == "raw"
    assert ("x-first", "1") in reply.initial_metadata
    assert ("x-last", "2") in reply.trailing_metadata


async def test_a_stream_of_bytes_reports_errors_like_a_unary_call(rig: Rig) -> None:
    """An error in the middle of a stream is raised as its own class."""

    async def fail(request: Any, _: Any) -> None:
        if request.number == 1:
            raise NotFound("gone")

    await rig.serve(Echo(fail))
    call = rig.mesh().channel("echo_svc").unary_stream(path("Watch"))(Note(number=5).SerializeToString())
    assert Note.FromString(await call.read()).number == 0
    with pytest.raises(NotFound, match="gone"):
        await call.read()


@pytest.mark.parametrize("kind", ["Collect", "Chat", "written"])
async def test_a_refusal_while_requests_are_written_is_not_masked(rig: Rig, kind: str) -> None:
    """A service that ends a call early is heard each time, and no breaker counts it: grpc.aio alone says INTERNAL in most cases."""
    await rig.serve(Echo())
    breakers = BreakerRegistry(clock=SystemClock())
    stub = rig.stub(breakers=breakers)

    async def requests() -> AsyncIterator[Any]:
        yield Note(number=-1)
        for number in range(30):
            yield Note(number=number, text="x" * 1000)
            await asyncio.sleep(0)

    async def write() -> None:
        call = stub.Chat()
        async for request in requests():
            await call.write(request)
        await call.read()

    async def chat() -> None:
        call: Any = stub.Chat(requests())
        async for _ in call:
            pass

    calls: dict[str, Any] = {"Collect": lambda: stub.Collect(requests()), "Chat": chat, "written": write}
    for _ in range(200):
        with pytest.raises(InvalidInput, match="number"):
            await calls[kind]()
    assert [breaker.failures for breaker in breakers.snapshot()] == [0]
