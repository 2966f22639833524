"""What calls of grpc.aio do, asked of grpc.aio itself and of the mesh."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool

from tests.integration.mesh.support import CARRIED, METHODS, Echo, EchoStub, Note, Rig, add_echo, riding
from tocsin.mesh.client import direct_call
from tocsin.mesh.library import ServiceProcess
from tocsin.mesh.server import acceptor

CONTRACT = [descriptor_pool.Default().FindFileByName("tocsin/test/v1/echo.proto")]
LOCALLY = "Locally cancelled by application!"


class Script(Echo):
    """Does what the text of a request says."""

    def __init__(self) -> None:
        super().__init__(self._act)
        self.go = asyncio.Event()
        self.came = asyncio.Event()
        self.gone = asyncio.Event()

    async def _act(self, request: Any, context: Any) -> Any:
        self.came.set()
        match request.text:
            case "fail":
                await context.abort(grpc.StatusCode.NOT_FOUND, "no such shelf", (("x-last", "2"),))
            case "wait":
                try:
                    await self.go.wait()
                except asyncio.CancelledError:
                    self.gone.set()
                    raise
            case "tell":
                await context.send_initial_metadata((("x-first", "1"),))
                context.set_trailing_metadata((("x-last", "2"),))
            case _:
                pass
        return request

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Two messages, then what the request asks for."""
        if request.text == "tell":
            context.set_trailing_metadata((("x-last", "2"),))
        for number in range(request.number):
            yield Note(number=number)
        if request.text != "tell":
            await self._act(request, context)

    async def Collect(self, requests: AsyncIterator[Any], context: Any) -> Any:
        """Adds up, or fails at the first request that says so."""
        total = 0
        async for request in requests:
            if request.text:
                await self._act(request, context)
            total += request.number
        return Note(number=total)

    async def Chat(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """Answers until a request says that it is the last."""
        async for request in requests:
            if request.text == "fail":
                await self._act(request, context)
            yield request
            if request.text == "last":
                return


class Side:
    """A stub, with the service behind it."""

    def __init__(self, stub: EchoStub, script: Script) -> None:
        self.stub = stub
        self.script = script


@pytest.fixture(params=["grpc.aio", "mesh", "mesh without inner names", "mesh with carriers"])
async def side(request: pytest.FixtureRequest, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Side]:
    """Client and server of bare grpc.aio, or of the mesh, also as it is with a grpcio that has changed within."""
    script = Script()
    if request.param != "grpc.aio":
        if request.param != "mesh":
            monkeypatch.setattr(direct_call, "LACKS", "all")
            monkeypatch.setattr(acceptor, "LACKS", "all")
        methods = CARRIED if request.param == "mesh with carriers" else METHODS
        await rig.serve(script, methods=methods)
        channel = rig.mesh(methods=methods).channel("echo_svc")
        if methods is CARRIED:
            await riding(channel)
            script.came.clear()
        yield Side(EchoStub(channel), script)
        return
    server = grpc.aio.server()
    add_echo(script, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Side(EchoStub(channel), script)
    await server.stop(None)


def pairs(metadata: Any) -> dict[str, Any]:
    """Metadata as a dictionary."""
    return dict(tuple(metadata))


async def failure(awaitable: Any) -> grpc.aio.AioRpcError:
    """The error of a call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaitable
    return caught.value


async def ends_cancelled(call: Any) -> None:
    """The call was cancelled here, and says so everywhere."""
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (call.done(), call.cancelled(), call.cancel()) == (True, True, False)
    assert (await call.code(), await call.details()) == (grpc.StatusCode.CANCELLED, LOCALLY)


async def test_an_answer_can_be_had_again(side: Side) -> None:
    """With code, details and metadata of both ends."""
    call = side.stub.Greet(Note(text="tell"))
    assert issubclass(type(call), grpc.aio.UnaryUnaryCall)
    assert not call.done()
    assert (await call).text == (await call).text == "tell"
    assert (await call.code(), await call.details()) == (grpc.StatusCode.OK, "")
    assert pairs(await call.initial_metadata())["x-first"] == "1"
    assert pairs(await call.trailing_metadata())["x-last"] == "2"
    assert (call.done(), call.cancelled(), call.cancel()) == (True, False, False)
    await call.wait_for_connection()


async def test_an_error_says_how_the_call_ended(side: Side) -> None:
    """The error and the call agree, and both may be asked again."""
    call = side.stub.Greet(Note(text="fail"))
    for error in (await failure(call), await failure(call), await failure(call.wait_for_connection())):
        assert isinstance(error, grpc.RpcError)
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such shelf")
        assert pairs(error.trailing_metadata())["x-last"] == "2"
        assert pairs(error.initial_metadata()) == {}
        assert "no such shelf" in (error.debug_error_string() or "")
    assert (await call.code(), await call.details()) == (grpc.StatusCode.NOT_FOUND, "no such shelf")
    assert pairs(await call.trailing_metadata())["x-last"] == "2"
    assert "no such shelf" in await call.debug_error_string()
    assert (call.done(), call.cancelled(), call.cancel()) == (True, False, False)


@pytest.mark.parametrize(("text", "code"), [("", grpc.StatusCode.OK), ("fail", grpc.StatusCode.NOT_FOUND)])
async def test_a_call_that_nobody_awaits_is_made(side: Side, text: str, code: grpc.StatusCode) -> None:
    """Its code may be asked instead; the server has seen it."""
    call = side.stub.Greet(Note(text=text))
    assert await call.code() is code
    assert side.script.came.is_set()


async def test_calls_run_at_the_same_time(side: Side) -> None:
    """What was called first does not wait for its await."""
    waiting, other = side.stub.Greet(Note(text="wait")), side.stub.Greet(Note(text="x"))
    assert (await other).text == "x"
    await side.script.came.wait()
    side.script.go.set()
    assert (await waiting).text == "wait"


async def test_a_call_cancelled_before_it_began_is_not_made(side: Side) -> None:
    """Nothing reaches the server."""
    call = side.stub.Greet(Note(text="wait"))
    assert call.cancel()
    assert call.done()
    await ends_cancelled(call)
    assert not side.script.came.is_set()


async def test_a_cancelled_call_interrupts_who_awaits_it(side: Side) -> None:
    """Not the task that awaits: it may go on."""
    call = side.stub.Greet(Note(text="wait"))

    async def waits() -> int:
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    waiting = asyncio.ensure_future(waits())
    await side.script.came.wait()
    assert call.cancel()
    assert await waiting == 0
    await ends_cancelled(call)
    await side.script.gone.wait()


async def test_a_cancelled_task_ends_its_call(side: Side) -> None:
    """And the server hears of it."""
    call = side.stub.Greet(Note(text="wait"))
    waiting = asyncio.ensure_future(call)
    await side.script.came.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await side.script.gone.wait()
    assert await call.code() is grpc.StatusCode.CANCELLED


@pytest.mark.parametrize("name", ["Greet", "Watch"])
async def test_a_deadline_ends_a_call(side: Side, name: str) -> None:
    """With the code of it, for calls of one answer and of many."""
    call = getattr(side.stub, name)(Note(text="wait"), timeout=0.3)
    remaining = call.time_remaining()
    assert remaining is not None
    assert 0 < remaining <= 0.3
    error = await failure(call if name == "Greet" else call.read())
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await call.code(), call.cancelled(), call.done()) == (grpc.StatusCode.DEADLINE_EXCEEDED, False, True)


@pytest.mark.parametrize("end", ["", "fail", "cancel"])
@pytest.mark.parametrize("name", ["Greet", "Watch"])
async def test_listeners_hear_of_the_end_once(side: Side, name: str, end: str) -> None:
    """However it ends; a late listener at once."""
    heard: list[Any] = []
    call = getattr(side.stub, name)(Note(text="wait" if end == "cancel" else end, number=int(end == "cancel")))
    call.add_done_callback(heard.append)
    assert not heard
    if end == "cancel":
        await (side.script.came.wait() if name == "Greet" else call.read())
        call.cancel()
    else:
        await call.code()
    assert heard == [call]
    call.add_done_callback(heard.append)
    assert heard == [call, call]


async def test_a_stream_can_be_read_or_iterated(side: Side) -> None:
    """Both end with the same code, and ``EOF`` stays the end."""
    assert [note.number async for note in side.stub.Watch(Note(number=3))] == [0, 1, 2]
    call: Any = side.stub.Watch(Note(number=2, text="tell"))
    assert issubclass(type(call), grpc.aio.UnaryStreamCall)
    await call.wait_for_connection()
    assert [(await call.read()).number for _ in range(2)] == [0, 1]
    assert await call.read() is grpc.aio.EOF
    assert await call.read() is grpc.aio.EOF
    assert (await call.code(), await call.details(), call.done()) == (grpc.StatusCode.OK, "", True)
    assert pairs(await call.trailing_metadata())["x-last"] == "2"


async def test_a_stream_fails_after_its_messages(side: Side) -> None:
    """The error is raised as often as it is asked for."""
    call = side.stub.Watch(Note(number=1, text="fail"))
    assert (await call.read()).number == 0
    for error in (await failure(call.read()), await failure(call.read())):
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such shelf")
        assert pairs(error.trailing_metadata())["x-last"] == "2"
    assert (await call.code(), await call.details(), call.cancelled()) == (grpc.StatusCode.NOT_FOUND, "no such shelf", False)


async def test_a_stream_is_cancelled(side: Side) -> None:
    """While it is read, which ends by that; and before it is read at all."""
    call = side.stub.Watch(Note(number=1, text="wait"))
    assert (await call.read()).number == 0
    await side.script.came.wait()
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.read()
    await side.script.gone.wait()
    unread = side.stub.Watch(Note(number=1))
    assert unread.cancel()
    for each in (call, unread):
        assert (each.done(), each.cancelled(), each.cancel()) == (True, True, False)
        assert (await each.code(), await each.details()) == (grpc.StatusCode.CANCELLED, LOCALLY)


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("iterated", [True, False])
async def test_a_cancelled_read_ends_its_stream(side: Side, iterated: bool, begun: bool) -> None:
    """Before anything came, and before anything was sent: the server hears of it, and nobody waits for the end of the call."""
    call = side.stub.Watch(Note(text="wait"))
    reading = asyncio.ensure_future(anext(aiter(call)) if iterated else call.read())
    await (side.script.came.wait() if begun else asyncio.sleep(0))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    if begun:
        await side.script.gone.wait()
    assert (await call.code(), await call.details()) == (grpc.StatusCode.CANCELLED, LOCALLY)
    assert (call.done(), call.cancelled(), call.cancel()) == (True, True, False)


async def test_a_cancelled_read_ends_a_stream_of_which_nothing_came_at_all(rig: Rig) -> None:
    """As from servers of grpc.aio's, whose first word is the first message."""
    script = Script()
    server = grpc.aio.server()
    add_echo(script, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with ServiceProcess("front", contract=CONTRACT, targets={"echo": f"127.0.0.1:{port}"}, verifier=rig.verifier()) as process:
            call = EchoStub(process.channel("echo")).Watch(Note(text="wait"))
            reading = asyncio.ensure_future(call.read())
            await script.came.wait()
            reading.cancel()
            await script.gone.wait()
            assert await call.code() is grpc.StatusCode.CANCELLED
            misplaced = grpc.access_token_call_credentials("these need TLS")
            with pytest.raises(grpc.aio.UsageError):
                await EchoStub(process.channel("echo")).Chat(None, None, None, misplaced).read()
    finally:
        await server.stop(None)


async def test_requests_are_written_one_by_one(side: Side) -> None:
    """For one answer; after ``done_writing`` none may follow, and asking for the end again does nothing."""
    call = side.stub.Collect()
    assert issubclass(type(call), grpc.aio.StreamUnaryCall)
    await call.wait_for_connection()
    for number in range(4):
        await call.write(Note(number=number))
    await call.done_writing()
    with pytest.raises(asyncio.InvalidStateError):
        await call.write(Note(number=1))
    await call.done_writing()
    assert (await call).number == 6
    assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("written", [True, False])
async def test_a_stream_of_requests_is_refused_in_its_midst(side: Side, written: bool) -> None:
    """Written or iterated, the refusal arrives with its words."""
    requests = [Note(number=1), Note(text="fail"), Note(number=2)]
    if written:
        call = side.stub.Collect()
        for request in requests[:2]:
            await call.write(request)
    else:
        call = side.stub.Collect(iter(requests))
    error = await failure(call)
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such shelf")


async def test_a_written_call_is_cancelled(side: Side) -> None:
    """Its writer as well as its reader hear of it."""
    call = side.stub.Collect()
    await call.write(Note(number=1))
    assert call.cancel()
    with pytest.raises((asyncio.CancelledError, asyncio.InvalidStateError)):
        await call.write(Note(number=2))
    await ends_cancelled(call)


async def test_a_server_may_end_a_conversation_early(side: Side) -> None:
    """The end is no error; a later write is."""
    call: Any = side.stub.Chat()
    assert issubclass(type(call), grpc.aio.StreamStreamCall)
    await call.write(Note(text="last"))
    assert (await call.read()).text == "last"
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    with pytest.raises(asyncio.InvalidStateError):
        await call.write(Note())


@pytest.mark.parametrize("name", ["Chat", "Collect"])
async def test_two_ways_to_send_do_not_mix(side: Side, name: str) -> None:
    """Requests of an iterator leave nothing to be written."""
    call = getattr(side.stub, name)(iter([Note(number=1)]))
    with pytest.raises(grpc.aio.UsageError):
        await call.write(Note())
    with pytest.raises(grpc.aio.UsageError):
        await call.done_writing()
    call.cancel()


@pytest.mark.parametrize("kind", ["grpc.aio", "mesh"])
async def test_who_cannot_be_reached_is_unavailable(kind: str, rig: Rig) -> None:
    """For calls of every kind, with gRPC's own words for whoever looks for the cause."""
    rig.targets["echo_svc"] = "127.0.0.1:1"
    async with grpc.aio.insecure_channel("127.0.0.1:1") as bare:
        stub = rig.stub() if kind == "mesh" else EchoStub(bare)
        requests = [Note()]
        for ended in (stub.Greet(Note()), stub.Watch(Note()).read(), stub.Collect(iter(requests)), stub.Chat(iter(requests)).read()):
            error = await failure(ended)
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert "127.0.0.1:1" in (error.details() or "")
            assert error.debug_error_string()
