"""Carriers that break, and peers that break them: no call is lost without a word or made twice, and nobody else is hurt."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from math import inf, nan
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import CARRIED, ONCE, Echo, EchoStub, Note, Rig, path, riding
from tocsin.api.mesh.v1 import carrier_pb2 as pb
from tocsin.errors import DeadlineExceeded, TocsinError, Unavailable
from tocsin.mesh import carried
from tocsin.mesh.carried_metrics import CarriedCount
from tocsin.mesh.client.carrier import Carrier
from tocsin.testing.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]


@asynccontextmanager
async def served(folder: Path) -> AsyncGenerator[tuple[Process, str]]:
    """A process that serves, and its address; both shares of what it is told to keep go to ``folder``/kept."""
    command = (sys.executable, "-m", "tests.integration.mesh.served", str(folder))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)
    try:
        assert process.stdout is not None
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Ledger:
    """What was called, with which end."""

    def __init__(self, rig: Rig, stub: EchoStub) -> None:
        self._file = rig.folder / "kept"
        self._stub = stub
        self.answered: set[int] = set()
        self.lost: set[int] = set()
        self.made = 0
        self.over = asyncio.Event()

    async def caller(self) -> None:
        """Calls what may not be tried again, until it is told to end."""
        while not self.over.is_set():
            self.made = number = self.made + 1
            try:
                await self._stub.Make(Note(text="keep", number=number))
            except Unavailable:
                self.lost.add(number)
                await asyncio.sleep(0)
            else:
                self.answered.add(number)

    def kept(self) -> Counter[int]:
        """How often each was done."""
        return Counter(int(line.split()[0]) for line in self._lines())

    def rode(self) -> int:
        """How many came on a carrier."""
        return sum(line.endswith("1") for line in self._lines())

    def _lines(self) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []


async def test_a_server_that_is_killed_loses_what_it_had_and_no_more(rig: Rig) -> None:
    """Each answered call was done once, each lost one at most once; what was not written goes to the other replica."""
    async with served(rig.folder) as (doomed, first), served(rig.folder) as (_, second):
        rig.targets["echo_svc"] = f"ipv4:{first},{second}"
        ledger = Ledger(rig, EchoStub(rig.mesh(methods=ONCE).channel("echo_svc")))
        callers = [asyncio.ensure_future(ledger.caller()) for _ in range(40)]
        await eventually(lambda: ledger.rode() > 200, what="calls that ride")
        doomed.kill()
        await doomed.wait()
        before = ledger.rode()
        await eventually(lambda: ledger.rode() > before + 200, what="calls that ride to the other")
        ledger.over.set()
        await asyncio.gather(*callers)
    kept = ledger.kept()
    assert set(kept.values()) == {1}
    assert ledger.answered <= kept.keys()
    assert kept.keys() <= ledger.answered | ledger.lost
    assert len(ledger.answered) + len(ledger.lost) == ledger.made
    assert len(ledger.lost) <= len(callers), "what was under way when it died, and nothing of what came after"


async def test_calls_to_a_frozen_server_end_in_time(rig: Rig) -> None:
    """And ride again when it thaws."""
    async with served(rig.folder) as (process, address):
        rig.targets["echo_svc"] = address
        channel = rig.mesh(methods=CARRIED).channel("echo_svc")
        await riding(channel)
        stub = EchoStub(channel)
        process.send_signal(signal.SIGSTOP)
        try:
            ends = await asyncio.gather(*(stub.Make(Note(), timeout=0.3) for _ in range(10)), return_exceptions=True)
        finally:
            process.send_signal(signal.SIGCONT)
        assert {type(end) for end in ends if isinstance(end, DeadlineExceeded)} == {type(ends[0])}
        assert all(isinstance(end, DeadlineExceeded) for end in ends)

        async def answers() -> bool:
            try:
                return (await stub.Greet(Note(number=1))).number == 1
            except TocsinError:
                return False

        await eventually(answers, what="an answer after the thaw")


def frame(number: int = 1, **values: Any) -> pb.CarriedCall:
    """A call that may ride."""
    given: dict[str, Any] = {"id": number, "method": path("Greet"), "timeout": 30.0, **values}
    return pb.CarriedCall(**given)


def sent(*calls: pb.CarriedCall, **values: Any) -> bytes:
    """One message."""
    return pb.CarriedCalls(calls=calls, **values).SerializeToString()


MALFORMED = {
    "no message": [b"\xff\xff\xff"],
    "a number again": [sent(frame(1)), sent(frame(1))],
    "a number that is less": [sent(frame(7), frame(3))],
    "no number": [sent(frame(0))],
    "no time": [sent(frame(timeout=0.0))],
    "a time in the past": [sent(frame(timeout=-1.0))],
    "a time that is none": [sent(frame(timeout=nan))],
    "time without end": [sent(frame(timeout=inf))],
    "a key without a value": [sent(frame(metadata=["x-a"]))],
    "a pseudo-header": [sent(frame(metadata=[":path", "/x"]))],
    "a key of gRPC": [sent(frame(metadata=["grpc-timeout", "1S"]))],
    "a binary key": [sent(frame(metadata=["x-bin", "a"]))],
    "a line break": [sent(frame(metadata=["x-a", "a\r\nb: c"]))],
    "a value that is not ASCII": [sent(frame(metadata=["x-a", "é"]))],
    "much metadata": [sent(frame(metadata=["x-a", "a" * carried.MOST_HEADER_BYTES]))],
    "a great request": [sent(frame(request=bytes(carried.MOST_REQUEST_BYTES + 1)))],
    "many calls": [sent(*(frame(number + 1) for number in range(carried.MOST_CALLS + 1)))],
    "many cancellations": [sent(cancelled=range(carried.MOST_CANCELLED + 1))],
}


class Peer:
    """A server, and a bare connection to it."""

    def __init__(self, rig: Rig, echo: Echo, channel: grpc.aio.Channel) -> None:
        self.rig = rig
        self.echo = echo
        self.channel = channel
        self.go = asyncio.Event()
        self.given_up = 0

    def carry(self) -> Any:
        """A carrier of which a test writes every byte."""
        stream: Any = self.channel.stream_stream(carried.CARRY, None, None)
        return stream()

    async def answered(self) -> None:
        """Somebody else is served."""
        assert (await EchoStub(self.rig.mesh(methods=CARRIED).channel("echo_svc")).Greet(Note(number=5))).number == 5


@pytest.fixture
async def peer(rig: Rig) -> AsyncIterator[Peer]:
    """A server whose handler waits when it is told to."""
    echo = Echo()
    server = await rig.serve(echo, methods=CARRIED, stream_stall_seconds=0.5)
    files = [(rig.folder / "pki" / name).read_bytes() for name in ("ca.pem", "front-key.pem", "front.pem")]
    options = [("grpc.ssl_target_name_override", "echo_svc")]
    async with grpc.aio.secure_channel(server.address, grpc.ssl_channel_credentials(*files), options=options) as channel:
        made = Peer(rig, echo, channel)

        async def wait(request: Any, _: Any) -> Any:
            if request.text == "wait":
                try:
                    await made.go.wait()
                except asyncio.CancelledError:
                    made.given_up += 1
                    raise
            return Note(text="x" * 2_000_000) if request.text == "long" else request

        echo.unary = wait
        yield made
        made.go.set()


async def code_of(call: Any) -> grpc.StatusCode:
    """How a stream ends, whatever comes before."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("what", MALFORMED)
async def test_what_is_no_call_ends_its_carrier_alone(peer: Peer, what: str) -> None:
    """With what was wrong; a carrier beside it goes on."""
    good, bad = peer.carry(), peer.carry()
    await good.write(sent(frame(request=Note(text="wait").SerializeToString())))
    for message in MALFORMED[what]:
        await bad.write(message)
    assert await code_of(bad) is grpc.StatusCode.INVALID_ARGUMENT
    assert await bad.details()
    peer.go.set()
    answers = pb.CarriedAnswers.FromString(await good.read()).answers
    assert [(answer.id, answer.code) for answer in answers] == [(1, 0)]
    await good.done_writing()
    assert await code_of(good) is grpc.StatusCode.OK


async def test_methods_that_do_not_ride_are_refused(peer: Peer) -> None:
    """Streams, what looks at the mesh itself, and what is not there; nothing is done."""
    names = [path("Watch"), "/tocsin.api.mesh.v1.MeshService/GetStatus", carried.CARRY, "", "no path"]
    call = peer.carry()
    await call.write(sent(*(frame(number + 1, method=name) for number, name in enumerate(names))))
    found: list[pb.CarriedAnswer] = []
    while len(found) < len(names):
        found += pb.CarriedAnswers.FromString(await call.read()).answers
    assert {(answer.refused, answer.code, answer.response) for answer in found} == {(True, 0, b"")}
    assert not peer.echo.calls
    call.cancel()


async def test_cancellations_of_what_is_not_there_are_ignored(peer: Peer) -> None:
    """They may have crossed with the answers."""
    call = peer.carry()
    await call.write(sent(frame(), cancelled=[1, 9, 2**64 - 1]))
    assert pb.CarriedAnswers.FromString(await call.read()).answers[0].code == 0
    call.cancel()


async def test_one_connection_has_few_carriers(peer: Peer) -> None:
    """More are refused, and their calls go by themselves."""
    open_ones = [peer.carry() for _ in range(4)]
    for each in open_ones:
        assert carried.MARK in tuple(await each.initial_metadata())
    assert await code_of(peer.carry()) is grpc.StatusCode.RESOURCE_EXHAUSTED
    open_ones.pop().cancel()

    async def opens() -> bool:
        fresh = peer.carry()
        found = carried.MARK in tuple(await fresh.initial_metadata())
        fresh.cancel()
        return found

    await eventually(opens, what="room for another")
    for each in open_ones:
        each.cancel()


async def test_a_flood_of_calls_waits_at_its_peer(peer: Peer) -> None:
    """A carrier is not read on while so many of its calls are under way; others are served meanwhile."""
    call = peer.carry()
    waits = Note(text="wait").SerializeToString()

    async def flood() -> None:
        for first in range(1, 100_000, carried.MOST_CALLS):
            await call.write(sent(*(frame(first + more, request=waits) for more in range(carried.MOST_CALLS))))

    flooding = asyncio.ensure_future(flood())
    await eventually(lambda: peer.echo.calls >= 2 * carried.MOST_UNDER_WAY, what="as many as there may be")
    await peer.answered()
    assert peer.echo.calls <= 2 * carried.MOST_UNDER_WAY + carried.MOST_CALLS + 1
    call.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    await peer.answered()


async def test_who_does_not_read_answers_is_cut_off(peer: Peer) -> None:
    """After the time that any stream gets; others are served meanwhile."""
    call = peer.carry()
    longs, waits = (Note(text=text).SerializeToString() for text in ("long", "wait"))
    await call.write(sent(*(frame(number + 1, request=longs) for number in range(20)), frame(21, request=waits)))
    await peer.answered()
    await eventually(lambda: peer.given_up == 1, what="the end of the carrier")
    assert await code_of(call) is grpc.StatusCode.RESOURCE_EXHAUSTED
    await peer.answered()


class Rider:
    """Keeps how a call ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def answered(self, answer: pb.CarriedAnswer) -> None:
        """An answer."""
        self.ends.append(f"answered {answer.id}")

    def left(self) -> None:
        """Nobody has seen it."""
        self.ends.append("left")

    def lost(self, details: str) -> None:
        """It may have been seen."""
        del details
        self.ends.append("lost")

    def dropped(self) -> None:
        """It was cancelled here."""
        self.ends.append("dropped")


class Scripted:
    """A server of carriers that does what a test says, beside one that is none."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.end: grpc.StatusCode | None = None
        self.raw: bytes | None = None
        self.go = asyncio.Event()

    async def carry(self, _: Any, context: Any) -> None:
        """Takes one message, then ends as it is told."""
        await context.send_initial_metadata((carried.MARK,))
        message = pb.CarriedCalls.FromString(await context.read())
        self.came += [call.id for call in message.calls]
        await self.go.wait()
        if self.raw is not None:
            await context.write(self.raw)
            await asyncio.Event().wait()
        if self.end is not None:
            await context.abort(self.end, "as it was told")


@pytest.mark.parametrize(
    ("end", "raw", "wanted"),
    [
        (None, None, "left"),
        (grpc.StatusCode.UNAVAILABLE, None, "lost"),
        (grpc.StatusCode.INTERNAL, None, "lost"),
        (None, b"\xff\xff", "lost"),
        (None, pb.CarriedAnswers(answers=[pb.CarriedAnswer(id=99)]).SerializeToString(), ""),
    ],
)
async def test_calls_learn_how_their_carrier_ended(end: Any, raw: bytes | None, wanted: str) -> None:
    """In good order the server has answered all that it took; else what was written is lost. An answer to nobody is none."""
    script = Scripted()
    script.end, script.raw = end, raw
    server = grpc.aio.server()
    handlers = {"Carry": grpc.stream_stream_rpc_method_handler(script.carry)}
    server.add_registered_method_handlers("tocsin.api.mesh.v1.CarrierService", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    over = asyncio.Event()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream: Any = channel.stream_stream(carried.CARRY, None, None)
        carrier = Carrier(stream(), count=CarriedCount(), closing=lambda *_: None, closed=lambda _: over.set())
        await eventually(lambda: carrier.stands, what="the carrier")
        rider = Rider()
        carrier.begin(rider, method="/a/b", headers=[], timeout=30.0, request=b"")
        await eventually(lambda: script.came == [1], what="the call")
        script.go.set()
        if wanted:
            await asyncio.wait_for(over.wait(), 60)
            assert rider.ends == [wanted]
            assert not carrier.has_room
        else:
            assert not rider.ends
    if not wanted:
        await asyncio.wait_for(over.wait(), 60)
        assert rider.ends == ["dropped"]
    await server.stop(None)
