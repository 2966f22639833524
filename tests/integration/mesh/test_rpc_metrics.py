"""What is counted of calls on a wire, by the names of gRFC A66: both ends count the same bytes."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, path
from tocsin.errors import InvalidInput, TocsinError, Unavailable
from tocsin.mesh.identity import Identity
from tocsin.telemetry import Telemetry
from tocsin.testing.waiting import eventually

CALLS, ATTEMPTS, SERVED = "grpc_client_call", "grpc_client_attempt", "grpc_server_call"
SENT, RECEIVED = "sent_total_compressed_message_size_bytes_sum", "rcvd_total_compressed_message_size_bytes_sum"


class Counted:
    """A client and a server, each with its metrics."""

    def __init__(self, rig: Rig, servicer: Echo) -> None:
        self.servicer = servicer
        self.front, self.back = (Telemetry(service=name, settings=rig.settings(name)) for name in ("front", "echo_svc"))
        self.stub = EchoStub(rig.mesh(telemetry=self.front).channel("echo_svc"))

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of a name with these labels, of both ends."""
        pages = (generate_latest(each.registry).decode() for each in (self.front, self.back))
        samples = (sample for page in pages for family in text_string_to_metric_families(page) for sample in family.samples)
        return sum(each.value for each in samples if each.name == name and _within(labels, each.labels))


def _within(wanted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    return wanted.items() <= found.items()


@pytest.fixture
async def counted(rig: Rig) -> Counted:
    """Over mutual TLS."""
    servicer = Echo()
    back = Telemetry(service="echo_svc", settings=rig.settings("echo_svc"))
    await rig.serve(servicer, telemetry=back)
    made = Counted(rig, servicer)
    made.back = back
    return made


async def test_both_ends_count_the_same(counted: Counted) -> None:
    """One call, one attempt, one call served; what one end sends the other receives."""
    note = Note(text="x" * 3000)
    await counted.stub.Greet(note)
    mine = {"grpc_method": path("Greet")[1:], "grpc_type": "unary", "grpc_status": "OK"}
    for name in (CALLS, ATTEMPTS, SERVED):
        assert counted.value(f"{name}_duration_seconds_count", **mine) == 1
    assert counted.value(f"{ATTEMPTS}_started_total") == counted.value(f"{SERVED}_started_total") == 1
    for name in (SENT, RECEIVED):
        assert counted.value(f"{ATTEMPTS}_{name}", **mine) == counted.value(f"{SERVED}_{name}", **mine) == len(note.SerializeToString())


async def test_attempts_are_counted_apart_from_the_call(counted: Counted) -> None:
    """Two attempts that fail and one that is answered are one call that succeeded."""

    async def flaky(request: Any, _: Any) -> Any:
        if counted.servicer.calls < 3:
            raise Unavailable
        return request

    counted.servicer.unary = flaky
    await counted.stub.Greet(Note())
    mine = {"grpc_method": path("Greet")[1:]}
    assert counted.value(f"{ATTEMPTS}_duration_seconds_count", grpc_status="UNAVAILABLE", **mine) == 2
    assert counted.value(f"{ATTEMPTS}_duration_seconds_count", grpc_status="OK", **mine) == 1
    assert counted.value(f"{CALLS}_duration_seconds_count", **mine) == 1
    assert counted.value(f"{CALLS}_duration_seconds_count", grpc_status="OK", **mine) == 1


async def test_a_call_that_fails_has_its_code_everywhere(counted: Counted) -> None:
    """The far end's."""

    async def refuse(request: Any, _: Any) -> Any:
        raise InvalidInput

    counted.servicer.unary = refuse
    with pytest.raises(InvalidInput):
        await counted.stub.Greet(Note())
    for name in (CALLS, ATTEMPTS, SERVED):
        assert counted.value(f"{name}_duration_seconds_count", grpc_status="INVALID_ARGUMENT") == 1


async def test_a_call_that_was_given_up_ends_as_well(counted: Counted) -> None:
    """Cancelled by its caller: what was started is never more than what ended and what is under way."""

    async def wait(request: Any, _: Any) -> Any:
        call.cancel()
        return request

    counted.servicer.unary = wait
    call = counted.stub.Greet(Note())
    call.add_done_callback(lambda _: None)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - of asyncio's cancellation
        await call
    for name in (CALLS, ATTEMPTS):
        assert counted.value(f"{name}_duration_seconds_count", grpc_status="CANCELLED") == 1
    assert counted.value(f"{ATTEMPTS}_started_total") == 1


async def test_a_stream_is_counted_at_its_end(counted: Counted) -> None:
    """With all of its messages, one way or both."""
    notes = [Note(number=number) for number in range(1, 9)]
    sent = sum(len(note.SerializeToString()) for note in notes)
    stream = counted.stub.Watch(Note(number=9))
    assert (await anext(stream)).number == 0
    assert counted.value(f"{ATTEMPTS}_duration_seconds_count") == 0
    assert [each.number async for each in stream] == list(range(1, 9))
    mine = {"grpc_type": "server_stream", "grpc_status": "OK"}
    assert counted.value(f"{ATTEMPTS}_{RECEIVED}", **mine) == counted.value(f"{SERVED}_{SENT}", **mine) == sent

    async def all_of_them() -> AsyncIterator[Any]:
        for note in notes:
            yield note

    assert (await counted.stub.Collect(all_of_them())).number == sum(range(1, 9))
    mine["grpc_type"] = "client_stream"
    assert counted.value(f"{ATTEMPTS}_{SENT}", **mine) == counted.value(f"{SERVED}_{RECEIVED}", **mine) == sent
    assert [each.number async for each in counted.stub.Chat(all_of_them())] == list(range(1, 9))
    mine["grpc_type"] = "bidi_stream"
    await eventually(lambda: counted.value(f"{SERVED}_{SENT}", **mine) == sent, seconds=30, what="the end at the server")
    assert counted.value(f"{ATTEMPTS}_{SENT}", **mine) == counted.value(f"{ATTEMPTS}_{RECEIVED}", **mine) == sent
    assert counted.value(f"{CALLS}_duration_seconds_count", **mine) == 1


async def test_streams_that_nobody_reads_to_the_end_end(counted: Counted) -> None:
    """Cancelled, or let go."""
    stream = counted.stub.Watch(Note(number=1000))
    await anext(stream)
    stream.cancel()
    other = counted.stub.Watch(Note(number=1000))
    await anext(other)
    del other
    mine = {"grpc_type": "server_stream", "grpc_status": "CANCELLED"}
    assert counted.value(f"{ATTEMPTS}_duration_seconds_count", **mine) == counted.value(f"{CALLS}_duration_seconds_count", **mine) == 2


async def test_an_answer_that_cannot_be_read_is_an_error(rig: Rig) -> None:
    """INTERNAL, as in gRPC's other languages, for one answer and for one of a stream; grpc.aio's answer is None."""

    def broken(_: bytes) -> Any:
        raise ValueError("no message")

    await rig.serve(Echo())
    channel = rig.mesh().channel("echo_svc")
    one = channel.unary_unary(path("Greet"), Note.SerializeToString, broken)
    with pytest.raises(TocsinError) as caught:
        await one(Note(text="a"))
    assert isinstance(caught.value, grpc.aio.AioRpcError)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    many = channel.unary_stream(path("Watch"), Note.SerializeToString, broken)(Note(number=2))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await many.read()
    assert failed.value.code() is grpc.StatusCode.INTERNAL


async def test_a_method_that_is_not_served_gets_no_label(rig: Rig, counted: Counted) -> None:
    """Whatever a caller makes up is one row."""
    options = [("grpc.ssl_target_name_override", "echo_svc")]
    credentials = Identity.of(rig.settings("front"), service="front").channel_credentials()
    async with grpc.aio.secure_channel(rig.targets["echo_svc"], credentials, options=options) as channel:
        for name in ("/made.Up/One", "/made.Up/Two"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(name)(b"", timeout=30)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert counted.value(f"{SERVED}_started_total", grpc_method="other") == 2
    assert "made.Up" not in generate_latest(counted.back.registry).decode()
