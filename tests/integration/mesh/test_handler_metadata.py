"""Metadata that handlers send: initial and trailing, of every kind of method, of answers and of errors, as in grpc.aio."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, add_echo
from tests.integration.mesh.test_library import add_silent, silent
from tocsin.errors import NotFound
from tocsin.mesh.library import ServiceProcess
from tocsin.mesh.server.own_metadata import sends_initial_metadata

FIRST, LAST = (("x-first", "1"), ("x-first-bin", b"\x00\xff")), (("x-last", "2"), ("x-last-bin", b"\xfe"))
KINDS = ("Greet", "Collect", "Watch", "Chat")


class Common:
    """Sends metadata in its handlers, after something that it has to wait for; requests say how a call is to end."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def _before(self, context: Any) -> None:
        await asyncio.sleep(0.01)  # as a look into a database would
        await context.send_initial_metadata(FIRST)
        context.set_trailing_metadata(LAST)

    async def _end(self, text: str, context: Any) -> None:
        if text == "abort":
            await context.abort(grpc.StatusCode.NOT_FOUND, "none", LAST)
        if text == "raise":
            raise NotFound("none")
        if text == "wait":
            await self.go.wait()

    async def _unary(self, request: Any, context: Any) -> Any:
        await self._before(context)
        await self._end(request.text, context)
        return request

    async def Collect(self, requests: AsyncIterator[Any], context: Any) -> Any:
        """The first of many."""
        await self._before(context)
        request = await anext(requests)
        await self._end(request.text, context)
        return request

    Say = Make = Put = Weigh = Greet = Hurry = Inside = Look = Try = _unary


class Talkative(Common):
    """Its streams are generators."""

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Two messages."""
        await self._before(context)
        await self._end(request.text, context)
        for number in range(2):
            yield Note(number=number)

    async def Chat(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """Whatever comes."""
        await self._before(context)
        async for request in requests:
            await self._end(request.text, context)
            yield request

    Glance = Watch


class Writing(Common):
    """Its streams are coroutines, which write their messages themselves."""

    async def Watch(self, request: Any, context: Any) -> None:
        """Two messages."""
        await self._before(context)
        await self._end(request.text, context)
        for number in range(2):
            await context.write(Note(number=number))

    async def Chat(self, requests: AsyncIterator[Any], context: Any) -> None:
        """Whatever comes."""
        await self._before(context)
        async for request in requests:
            await self._end(request.text, context)
            await context.write(request)

    Glance = Watch


Serve = Callable[[Any], Awaitable[EchoStub]]


@pytest.fixture(params=["grpc.aio", "mesh"])
async def serve(request: pytest.FixtureRequest, rig: Rig) -> AsyncIterator[Serve]:
    """Serves a servicer by bare grpc.aio, or by the mesh."""
    server, channels = grpc.aio.server(), list[grpc.aio.Channel]()

    async def meshed(servicer: Any) -> EchoStub:
        await rig.serve(servicer)
        return rig.stub()

    async def bare(servicer: Any) -> EchoStub:
        add_echo(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        channels.append(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        return EchoStub(channels[0])

    yield meshed if request.param == "mesh" else bare
    for channel in channels:
        await channel.close()
    await server.stop(None)


def call(stub: EchoStub, kind: str, text: str = "") -> Any:
    """A call of a method."""
    request = Note(text=text)
    return getattr(stub, kind)(request if kind in ("Greet", "Watch") else iter([request]))


async def answers(call: Any, kind: str) -> list[Any]:
    """What it answers."""
    return [await call] if kind in ("Greet", "Collect") else [message async for message in call]


def told(metadata: Any) -> set[tuple[str, Any]]:
    """What came of our own."""
    return {(key, value) for key, value in metadata if key.startswith("x-")}


@pytest.mark.parametrize("servicer", [Talkative, Writing])
@pytest.mark.parametrize("kind", KINDS)
async def test_both_metadata_of_a_handler_arrive(serve: Serve, kind: str, servicer: type[Common]) -> None:
    """Texts and bytes, before the first message and with the status."""
    made = call(await serve(servicer()), kind)
    assert len(await answers(made, kind)) == (2 if kind == "Watch" else 1)
    assert told(await made.initial_metadata()) == set(FIRST)
    assert told(await made.trailing_metadata()) == set(LAST)


@pytest.mark.parametrize("end", ["abort", "raise"])
@pytest.mark.parametrize("kind", KINDS)
async def test_they_arrive_with_an_error(serve: Serve, kind: str, end: str) -> None:
    """However the handler fails after it has sent them."""
    made = call(await serve(Talkative()), kind, end)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answers(made, kind)
    assert told(caught.value.initial_metadata() or ()) == set(FIRST)
    assert told(caught.value.trailing_metadata() or ()) == set(LAST)
    assert told(await made.trailing_metadata()) == set(LAST)


@pytest.mark.parametrize("kind", ["Watch", "Chat"])
async def test_initial_metadata_does_not_wait_for_a_message(serve: Serve, kind: str) -> None:
    """A quiet stream is accepted by it."""
    servicer = Talkative()
    made = call(await serve(servicer), kind, "wait")
    assert told(await made.initial_metadata()) == set(FIRST)
    servicer.go.set()
    await answers(made, kind)


async def test_a_quiet_stream_without_metadata_is_accepted_at_once(rig: Rig) -> None:
    """By the mesh itself, whose breakers wait for that."""
    go = asyncio.Event()

    async def wait(*_: Any) -> None:
        await go.wait()

    await rig.serve(Echo(wait))
    made = rig.stub().Watch(Note(number=1))
    assert told(await made.initial_metadata()) == set()
    go.set()
    assert [message.number async for message in made] == [0]


@pytest.mark.parametrize("fails", [False, True])
async def test_what_the_mesh_says_stands_beside_it(fails: bool) -> None:
    """The limits of a rate in trailing metadata, with an answer and with an error."""

    async def act(request: Any, context: Any) -> Any:
        context.set_trailing_metadata(LAST)
        if fails:
            raise NotFound("none")
        return request

    async with ServiceProcess("echo", contract=[silent()], drain_seconds=0.0) as process:
        server = await process.serve((add_silent, Echo(act)), limits="default=5/h")
        async with grpc.aio.insecure_channel(server.address) as channel:
            made = channel.unary_unary("/silent.S/Do")(b"")
            assert await made.code() is (grpc.StatusCode.NOT_FOUND if fails else grpc.StatusCode.OK)
            trailing = await made.trailing_metadata()
    assert told(trailing) == set(LAST)
    assert dict(trailing)["ratelimit-policy"] == '"class-default";q=5;w=3600'


class Labelled(grpc.aio.ServerInterceptor):
    """Somebody else's: says something before each stream."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Puts its metadata before the handler."""
        found = await continuation(handler_call_details)

        async def labelled(request: Any, context: Any) -> AsyncIterator[Any]:
            await context.send_initial_metadata(FIRST)
            async for message in found.unary_stream(request, context):
                yield message

        if found.unary_stream is None:
            return found
        return grpc.unary_stream_rpc_method_handler(labelled, found.request_deserializer, found.response_serializer)


async def test_an_interceptor_may_send_it(rig: Rig) -> None:
    """In the place of the handler."""
    await rig.serve(Echo(), interceptors=[Labelled()])
    made = rig.stub().Watch(Note(number=2))
    assert [message.number async for message in made] == [0, 1]
    assert told(await made.initial_metadata()) == set(FIRST)


class Compressing(Echo):
    """Says how its answers are compressed, when it knows what is asked for."""

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Two messages, the second as it is."""
        await asyncio.sleep(0)
        context.set_compression(grpc.Compression.Gzip)
        yield request
        context.disable_next_message_compression()
        yield request


async def test_a_stream_says_how_it_is_compressed(rig: Rig) -> None:
    """Which goes with the initial metadata, so that a server that has sent that could not be told any more."""
    await rig.serve(Compressing())
    assert [message.text async for message in rig.stub().Watch(Note(text="x" * 500))] == ["x" * 500] * 2


async def _send(context: Any) -> None:
    await context.send_initial_metadata(FIRST)


async def _by_another(context: Any) -> None:
    await _send(context)


def _decorated(function: Any) -> Any:
    @functools.wraps(function)
    async def around(*values: Any) -> None:
        await function(*values)

    return around


def _closed_over(function: Any) -> Any:
    async def around(context: Any) -> None:
        await function(context)

    return around


class _Callable:
    async def __call__(self, context: Any) -> None:
        await self._own(context)

    async def _own(self, context: Any) -> None:
        await _by_another(context)


async def _quiet(context: Any) -> None:
    context.set_trailing_metadata(LAST)


async def _around_itself(context: Any) -> None:
    await _around_itself(context)


@pytest.mark.parametrize(
    ("handler", "sends"),
    [
        (_send, True),
        (_by_another, True),
        (_decorated(_by_another), True),
        (_closed_over(_send), True),
        (functools.partial(_by_another, None), True),
        (_Callable(), True),
        (Talkative().Watch, True),
        (Compressing().Watch, True),
        (_quiet, False),
        (_decorated(_quiet), False),
        (_around_itself, False),
        (Echo().Watch, False),
        (len, False),
    ],
)
def test_a_handler_that_sends_it_is_known_by_its_code(handler: Any, sends: bool) -> None:
    """Directly, by a function or a method that it names, behind decorators."""
    assert sends_initial_metadata(handler) is sends
