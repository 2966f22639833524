"""What streams tell a circuit breaker: they are accepted by their initial metadata, and may be quiet for hours."""

import asyncio
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import METHODS, Echo, EchoStub, Note, Rig, path
from tocsin.errors import CircuitOpen, DeadlineExceeded, Unavailable
from tocsin.mesh.breaker import BreakerRegistry, CallOutcome, CircuitState
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


async def hang(_: Any, __: Any) -> None:
    """A quiet stream."""
    await asyncio.Event().wait()


async def fail(_: Any, __: Any) -> None:
    """A stream that ends before its first message."""
    raise Unavailable("not here")


class Watched:
    """A server, and a client whose breakers can be seen."""

    def __init__(self, rig: Rig, clock: FakeClock) -> None:
        self.servicer = Echo()
        self.breakers = BreakerRegistry(clock=clock)
        self.stub = EchoStub(rig.mesh(breakers=self.breakers).channel("echo_svc"))

    def state(self, method: str) -> CircuitState:
        """The state of the method's breaker."""
        return next(item.state for item in self.breakers.snapshot() if item.id.endswith(path(method)))

    async def open(self) -> int:
        """Fails streams until the circuit is open; how many that took."""
        self.servicer.unary, count = fail, 0
        while not self.breakers.open_targets():
            count += 1
            with pytest.raises(Unavailable):
                await self.stub.Watch(Note(number=1)).read()
        return count


@pytest.fixture
async def watched(rig: Rig, clock: FakeClock) -> Watched:
    """A served Echo."""
    await rig.serve(made := Echo())
    found = Watched(rig, clock)
    found.servicer = made
    return found


async def test_a_quiet_stream_is_accepted_at_once(watched: Watched) -> None:
    """Its initial metadata comes before any message."""
    watched.servicer.unary = hang
    call = watched.stub.Watch(Note(number=1))
    async with asyncio.timeout(60):
        await call.initial_metadata()
    assert not call.done()
    call.cancel()


async def test_twelve_watchers_of_a_quiet_tenant_get_in_after_an_outage(watched: Watched, clock: FakeClock) -> None:
    """One accepted stream closes the half-open circuit, so that all of them stand, though none ever has a message."""
    await watched.open()
    with pytest.raises(CircuitOpen):
        await watched.stub.Watch(Note(number=1)).read()
    await clock.advance(7.5)
    watched.servicer.unary, before = hang, watched.servicer.calls
    reads = list[asyncio.Task[Any]]()

    async def watch() -> Any:
        while True:
            try:
                return await watched.stub.Watch(Note(number=1)).read()
            except CircuitOpen:
                await asyncio.sleep(0.01)

    reads = [asyncio.create_task(watch()) for _ in range(12)]
    await eventually(lambda: watched.servicer.calls - before == 12)
    assert watched.state("Watch") is CircuitState.CLOSED
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)


async def test_one_quiet_stream_both_ways_closes_its_circuit(watched: Watched, clock: FakeClock) -> None:
    """As a processor's Work stream, which may have nothing to say for a night after its scheduler was killed."""

    async def silence() -> Any:
        await asyncio.Event().wait()
        yield Note()

    async def one() -> Any:
        yield Note()

    watched.servicer.unary = fail
    while not watched.breakers.open_targets():
        with pytest.raises(Unavailable):
            await watched.stub.Chat(one()).read()
    await clock.advance(7.5)
    read = asyncio.ensure_future(watched.stub.Chat(silence()).read())
    await eventually(lambda: watched.state("Chat") is CircuitState.CLOSED)
    read.cancel()
    await asyncio.gather(read, return_exceptions=True)


async def test_streams_that_are_accepted_and_end_at_once_open_the_circuit(watched: Watched) -> None:
    """Initial metadata alone proves nothing again and again."""
    assert await watched.open() <= 5


async def test_streams_that_reach_their_declared_end_together_open_nothing(watched: Watched) -> None:
    """Twelve quiet streams end by their declared timeout in the same moment."""
    assert await watched.stub.Watch(Note()).read() is grpc.aio.EOF  # the connection stands
    watched.servicer.unary = hang
    ended = await asyncio.gather(*(watched.stub.Glance(Note(number=1)).read() for _ in range(12)), return_exceptions=True)
    assert all(isinstance(error, DeadlineExceeded) for error in ended)
    assert [(item.state, item.failures) for item in watched.breakers.snapshot()] == [(CircuitState.CLOSED, 0)] * 2


async def test_a_probe_that_is_given_up_before_it_was_accepted_holds_nothing(rig: Rig, clock: FakeClock) -> None:
    """Five streams to a port that takes connections and says nothing are cancelled one after the other: each gets its permit."""
    taken = list[Any]()
    silent = await asyncio.start_server(lambda reader, writer: taken.append((reader, writer)), "127.0.0.1", 0)
    rig.targets["echo_svc"] = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    breakers = BreakerRegistry(clock=clock)
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    breaker = breakers.get(id=f"echo_svc{path('Watch')}", target="echo_svc", rule=METHODS[path("Watch")].breaker)
    for _ in range(5):
        breaker.record(breaker.admit(), CallOutcome.FAILURE)
    assert breaker.state is CircuitState.OPEN
    await clock.advance(7.5)
    for _ in range(5):
        read = asyncio.ensure_future(stub.Watch(Note(number=1)).read())
        await eventually(lambda: (breaker.state is CircuitState.HALF_OPEN and not breaker.admits) or bool(taken))
        read.cancel()
        with pytest.raises(asyncio.CancelledError):
            await read
        assert breaker.admits
    silent.close()
    for _, writer in taken:
        writer.close()
