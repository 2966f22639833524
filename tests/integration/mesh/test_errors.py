"""What a caller is told when something goes wrong, and what it is never told."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, add_echo, path
from tocsin import errors
from tocsin.errors import FieldViolation, Internal, InvalidInput, NotFound, TocsinError, Unavailable
from tocsin.mesh.server.acceptor import AcceptingServer
from tocsin.testing.clock import FakeClock


class SecretError(Exception): ...


def raising(error: BaseException) -> Echo:
    """A servicer that fails."""

    async def fail(_: Any, __: Any) -> Any:
        raise error

    return Echo(fail)


async def say(stub: EchoStub) -> Any:
    """One kind of call."""
    return await stub.Greet(Note())


async def watch(stub: EchoStub) -> Any:
    """One kind of call."""
    return [note async for note in stub.Watch(Note(number=1))]


async def chat(stub: EchoStub) -> Any:
    """One kind of call."""
    return [note async for note in stub.Chat([Note()])]


KINDS = [say, watch, chat]


class AlarmPaused(errors.FailedPrecondition):
    """The alarm is paused."""


@pytest.mark.parametrize("call", KINDS)
async def test_an_error_arrives_as_its_class(rig: Rig, call: Callable[[EchoStub], Any]) -> None:
    """Class, reason, message and metadata cross the wire, for unary calls and streams."""
    await rig.serve(raising(AlarmPaused(metadata={"alarm": "7"})))
    with pytest.raises(errors.FailedPrecondition) as raised:
        await call(rig.stub())
    assert (raised.value.error_reason, raised.value.message) == ("ALARM_PAUSED", "The alarm is paused.")
    assert raised.value.metadata["alarm"] == "7"
    assert len(raised.value.metadata["trace_id"]) == 32


@pytest.mark.parametrize("call", KINDS)
async def test_an_unexpected_error_does_not_leak(rig: Rig, call: Callable[[EchoStub], Any], caplog: pytest.LogCaptureFixture) -> None:
    """The caller hears "Internal error."; the text and the traceback stay in the log of the server."""
    await rig.serve(raising(SecretError("password=hunter2")))
    with pytest.raises(Internal) as raised:
        await call(rig.stub())
    assert raised.value.message == "Internal error."
    assert "hunter2" not in f"{raised.value.metadata} {raised.value.__cause__}"
    assert "SecretError" in caplog.text


@pytest.mark.parametrize("call", KINDS)
async def test_a_cancelled_future_in_a_handler_does_not_hang_the_caller(rig: Rig, call: Callable[[EchoStub], Any]) -> None:
    """CancelledError without a cancelled call becomes a status."""
    await rig.serve(raising(asyncio.CancelledError()))
    with pytest.raises(Unavailable) as raised:
        await call(rig.stub())
    assert raised.value.error_reason == "INTERRUPTED"


async def test_an_answer_that_is_no_message_is_an_internal_error(rig: Rig) -> None:
    """A handler that returns nothing does not leak the serializer's complaint."""

    async def nothing(_: Any, __: Any) -> Any:
        return None

    await rig.serve(Echo(nothing))
    with pytest.raises(Internal) as raised:
        await rig.stub().Greet(Note())
    assert raised.value.message == "Internal error."


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
async def test_bytes_that_are_no_message_are_the_callers_fault(rig: Rig, kind: str) -> None:
    """INVALID_ARGUMENT for every kind of method, without a word of the parser's."""
    servicer = Echo()
    await rig.serve(servicer)
    method = {"unary_unary": "Greet", "unary_stream": "Watch", "stream_unary": "Collect", "stream_stream": "Chat"}[kind]
    raw = b"\xff\xff\xff"
    made = getattr(rig.mesh().channel("echo_svc"), kind)(path(method))
    call = made([raw] if kind.startswith("stream") else raw)
    with pytest.raises(InvalidInput) as raised:
        await (call.read() if kind.endswith("stream") else call)
    assert raised.value.error_reason == "REQUEST_MALFORMED"
    assert servicer.calls == 0


async def test_a_request_that_breaks_a_rule_is_refused_with_json_paths(rig: Rig) -> None:
    """Every violation names its field as JSON writes it, and the handler never runs."""
    servicer = Echo()
    await rig.serve(servicer)
    request = Note(number=-1, copy_to=["ann@example.com", "nobody"], inner_note=Note(inner_note=Note(number=-2)))
    with pytest.raises(InvalidInput) as raised:
        await rig.stub().Greet(request)
    assert [item.field for item in raised.value.violations] == ["number", "copyTo[1]", "innerNote.innerNote.number"]
    assert raised.value.violations[0] == FieldViolation("number", "must be greater than or equal to 0")
    assert raised.value.error_reason == "REQUEST_INVALID"
    assert servicer.calls == 0


async def test_each_message_of_a_stream_is_validated(rig: Rig) -> None:
    """Good messages before a bad one are answered; the bad one ends the stream."""
    await rig.serve(Echo())
    call = rig.stub().Chat([Note(number=1), Note(number=-1), Note(number=2)])
    assert (await call.read()).number == 1
    with pytest.raises(InvalidInput, match="number: must be"):
        await call.read()


async def test_an_unknown_method_is_unimplemented(rig: Rig) -> None:
    """The server has no such method; the contract has none either, so a channel refuses it before anything is sent."""
    server = await rig.serve(Echo())
    with pytest.raises(ValueError, match="has no policy"):
        rig.mesh().channel("echo_svc").unary_unary("/tocsin.test.v1.EchoService/Nope")
    identity = rig.settings("front")
    credentials = grpc.ssl_channel_credentials(
        identity.tls_ca_file.read_bytes(), identity.tls_key_file.read_bytes(), identity.tls_cert_file.read_bytes()
    )
    async with grpc.aio.secure_channel(server.address, credentials) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary("/tocsin.test.v1.EchoService/Nope")(b"")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_handler_may_abort_by_itself(rig: Rig) -> None:
    """gRPC's own way out still works."""

    async def abort(_: Any, context: grpc.aio.ServicerContext) -> Any:
        await context.abort(grpc.StatusCode.NOT_FOUND, "by hand")

    await rig.serve(Echo(abort))
    with pytest.raises(NotFound):
        await rig.stub().Greet(Note())


@pytest.mark.parametrize("size", [3000, 200_000])
async def test_messages_over_the_bound_are_refused(rig: Rig, clock: FakeClock, size: int) -> None:
    """The server's bound counts; the next call is served."""
    await rig.serve(Echo(), max_message_bytes=100_000)
    stub = rig.stub()
    call = stub.Greet(Note(inner_note=Note(text="x" * (size // 2), copy_to=["a@example.com"] * (size // 2 // 15))))
    if size < 100_000:
        assert (await call).inner_note.copy_to
    else:
        with pytest.raises(errors.MessageTooLarge):
            await call
    await stub.Greet(Note())


async def test_metadata_over_the_bound_is_refused(rig: Rig) -> None:
    """A flood of headers does not reach the handler; the next call is served."""
    servicer = Echo()
    await rig.serve(servicer, max_metadata_bytes=4096)
    stub = rig.stub()
    with pytest.raises(TocsinError):
        await stub.Greet(Note(), metadata=[("x-flood", "y" * 10_000)])
    assert servicer.calls == 0
    await stub.Greet(Note())


async def test_a_server_whose_loop_of_acceptance_failed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not live on without accepting: whoever waits for its end hears why."""

    def fail(*_: Any) -> None:
        raise MemoryError("no room for a call")

    server = AcceptingServer(options=[])
    add_echo(raising(Unavailable()), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    monkeypatch.setattr("tocsin.mesh.server.acceptor._Acceptor._begin", fail)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary(path("Greet"))(b"", timeout=1)
    with pytest.raises(MemoryError, match="no room for a call"):
        await asyncio.wait_for(server.wait_for_termination(), 60)


async def test_a_message_that_is_too_large_is_no_rate_limit(rig: Rig) -> None:
    """Which end finds it does not matter: it is said that the message is too large, and no call like it will ever succeed."""

    async def answer(_: Any, __: Any) -> Any:
        return Note(text="x" * 50_000)

    await rig.serve(Echo(answer), max_message_bytes=20_000)
    with pytest.raises(errors.FailedPrecondition, match="50004 bytes; a message may have 20000") as large_answer:
        await rig.stub().Greet(Note())
    with pytest.raises(errors.MessageTooLarge) as large_request:
        await rig.stub().Greet(Note(text="x" * 50_000))
    with pytest.raises(errors.MessageTooLarge) as never_sent:
        await EchoStub(rig.mesh(max_message_bytes=20_000).channel("echo_svc")).Greet(Note(text="x" * 50_000))
    assert large_answer.value.error_reason == "ANSWER_TOO_LARGE"
    assert {found.value.error_reason for found in (large_request, never_sent)} == {"MESSAGE_TOO_LARGE"}
