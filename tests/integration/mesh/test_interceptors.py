"""Interceptors that were written for grpc.aio, at the two places where the mesh takes them."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, add_echo
from tests.integration.mesh.test_library import CONTRACT
from tocsin.errors import InvalidInput, NotFound, Unavailable
from tocsin.mesh.library import ServiceProcess

KINDS = {
    grpc.aio.UnaryUnaryClientInterceptor: "intercept_unary_unary",
    grpc.aio.UnaryStreamClientInterceptor: "intercept_unary_stream",
    grpc.aio.StreamUnaryClientInterceptor: "intercept_stream_unary",
    grpc.aio.StreamStreamClientInterceptor: "intercept_stream_stream",
}


def counting_clients(seen: Counter[str]) -> list[grpc.aio.ClientInterceptor]:
    """One for each kind of call, as grpc.aio wants them: each counts attempts by method."""

    async def intercept(_: Any, continuation: Callable[..., Awaitable[Any]], details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        seen[str(details.method, "utf-8") if isinstance(details.method, bytes) else details.method] += 1
        return await continuation(details, request)

    made: list[Any] = [type(kind.__name__, (kind,), {name: intercept})() for kind, name in KINDS.items()]
    return made


class CountingServer(grpc.aio.ServerInterceptor):
    """Counts calls, and puts a handler of its own before a unary one, as libraries of interceptors do."""

    def __init__(self, seen: list[Any], name: str = "") -> None:
        self.seen = seen
        self.name = name

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Notes the method, then what the handler is given."""
        details = handler_call_details
        self.seen.append((self.name, details.method.rpartition("/")[2], dict(details.invocation_metadata)["x-way"]))
        handler = await continuation(handler_call_details)
        if handler.unary_unary is None:
            return handler

        async def before(request: Any, context: Any) -> Any:
            self.seen.append((self.name, request.text))
            return await handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(before, handler.request_deserializer, handler.response_serializer)


class Wired:
    """A client and a server with interceptors."""

    def __init__(self, stub: EchoStub, echo: Echo, attempts: Counter[str], seen: list[Any]) -> None:
        self.stub = stub
        self.echo = echo
        self.attempts = attempts
        self.seen = seen


@pytest.fixture
async def wired(rig: Rig) -> AsyncIterator[Wired]:
    """Both in plaintext, with two interceptors on the server's side."""
    attempts, seen, echo = Counter[str](), list[Any](), Echo()
    inner = [CountingServer(seen, "outer"), CountingServer(seen, "inner")]
    common: dict[str, Any] = {"contract": CONTRACT, "verifier": rig.verifier(), "drain_seconds": 0.5}
    async with ServiceProcess("echo_svc", server_interceptors=inner, **common) as callee:
        server = await callee.serve((add_echo, echo))
        targets = {"echo_svc": server.address}
        async with ServiceProcess("front", targets=targets, client_interceptors=counting_clients(attempts), **common) as client:
            yield Wired(EchoStub(client.channel("echo_svc")), echo, attempts, seen)


WAY = (("x-way", "1"),)


async def test_calls_of_every_kind_pass_them(wired: Wired) -> None:
    """In the order in which they were given; they see messages and metadata."""
    stub = wired.stub
    assert (await stub.Greet(Note(text="hello"), metadata=WAY)).text == "hello"
    assert wired.seen == [("outer", "Greet", "1"), ("inner", "Greet", "1"), ("outer", "hello"), ("inner", "hello")]
    wired.seen.clear()
    assert [note.number async for note in stub.Watch(Note(number=2), metadata=WAY)] == [0, 1]
    assert (await stub.Collect(iter([Note(number=2), Note(number=3)]), metadata=WAY)).number == 5
    assert [note.number async for note in stub.Chat(iter([Note(number=7)]), metadata=WAY)] == [7]
    call = stub.Chat(metadata=WAY)
    await call.write(Note(number=8))
    assert (await call.read()).number == 8
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert [name for _, name, _ in wired.seen] == ["Watch", "Watch", "Collect", "Collect", "Chat", "Chat", "Chat", "Chat"]
    assert {path.rpartition("/")[2]: count for path, count in wired.attempts.items()} == {"Greet": 1, "Watch": 1, "Collect": 1, "Chat": 2}


async def test_a_client_interceptor_sees_each_attempt(wired: Wired) -> None:
    """Retries pass it as the first attempt did; errors are the same as without it."""
    failures = [Unavailable("not yet"), Unavailable("not yet")]

    async def answer(request: Any, _: Any) -> Any:
        if request.text == "gone":
            raise NotFound("gone for good")
        if failures:
            raise failures.pop()
        return request

    wired.echo.unary = answer
    await wired.stub.Greet(Note(), metadata=WAY)
    assert sum(wired.attempts.values()) == 3
    with pytest.raises(NotFound, match="gone for good"):
        await wired.stub.Greet(Note(text="gone"), metadata=WAY)


async def test_what_the_mesh_refuses_reaches_no_server_interceptor(wired: Wired) -> None:
    """Such as a message that breaks a rule of the contract."""
    with pytest.raises(InvalidInput):
        await wired.stub.Greet(Note(number=-1), metadata=WAY)
    assert wired.seen == []
