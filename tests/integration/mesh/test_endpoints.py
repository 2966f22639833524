"""Replicas of one service: a dead, a slow or an erring one is not noticed by idempotent calls."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.mesh.support import IN_TURN, METHODS, Echo, EchoStub, Note, Rig
from tocsin.config import ConfigError
from tocsin.errors import CircuitOpen, NotFound, TocsinError, Unavailable
from tocsin.mesh.breaker import BreakerRegistry, CircuitState
from tocsin.mesh.context import acting_as
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

CALLERS = 8


class Cable:
    """Carries the bytes of every connection to a server, until it is cut as a killed process cuts them: by a reset, and nobody listens."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._to = (host, int(port))
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, path: Path | None = None) -> str:
        """Begins; returns the address, a gRPC target if ``path`` names a socket."""
        if path is not None:
            self._server = await asyncio.start_unix_server(self._carry, path)
            return f"unix:{path}"
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        """Ends everything at once."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        self._writers |= {writer, far_writer}
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.transport.abort()


@pytest.fixture
async def cables() -> AsyncGenerator[list[Cable]]:
    """Cut at the end."""
    made: list[Cable] = []
    yield made
    for cable in made:
        await cable.cut()


async def call_often(method: Any, count: int, *, during: Callable[[int], Any] | None = None, callers: int = CALLERS) -> Counter[str]:
    """Makes ``count`` calls by several callers at once; how they ended. ``during`` is awaited with each number of calls begun."""
    results, numbers = Counter[str](), iter(range(count))

    async def caller() -> None:
        for number in numbers:
            if during is not None:
                await during(number)
            try:
                await method(Note(number=number))
            except TocsinError as error:
                results[error.error_reason] += 1
            else:
                results["ok"] += 1

    await asyncio.gather(*(caller() for _ in range(callers)))
    return results


def states(breakers: BreakerRegistry) -> dict[str, CircuitState]:
    """The state of each replica's breaker."""
    return {item.id.partition("/")[0]: item.state for item in breakers.snapshot()}


async def three(rig: Rig, replicas: Sequence[Echo]) -> list[str]:
    """Starts them behind one target; their addresses."""
    servers = [await rig.serve(replica) for replica in replicas]
    rig.targets["echo_svc"] = "ipv4:" + ",".join(server.address for server in servers)
    return [server.address for server in servers]


async def connected(stub: EchoStub, replicas: Sequence[Echo]) -> None:
    """Returns when each has been called."""

    async def all_called() -> bool:
        await call_often(stub.Greet, 6)
        return all(replica.calls for replica in replicas)

    await eventually(all_called)


async def test_a_replica_that_was_never_there_is_not_noticed(rig: Rig) -> None:
    """400 calls to two that live and one that does not."""
    addresses = await three(rig, [Echo(), Echo()])
    rig.targets["echo_svc"] = f"ipv4:{addresses[0]},127.0.0.1:1,{addresses[1]}"
    assert await call_often(rig.stub().Greet, 400) == {"ok": 400}


async def test_a_replica_that_dies_under_load_is_not_noticed(rig: Rig, cables: list[Cable]) -> None:
    """The connections of one of three are reset in the middle of 600 calls, some of which are under way there."""

    async def busy(request: Any, _: Any) -> Any:
        await asyncio.sleep(0.005)
        return request

    replicas = [Echo(busy) for _ in range(3)]
    addresses = await three(rig, replicas)
    cables.append(Cable(addresses[0]))
    rig.targets["echo_svc"] = f"ipv4:{await cables[0].listen()},{addresses[1]},{addresses[2]}"
    stub, served = rig.stub(), 0
    await connected(stub, replicas)

    async def cut(_: int) -> None:
        nonlocal served
        if not served and replicas[0].calls > 50:
            served = replicas[0].calls
            await cables[0].cut()

    assert await call_often(stub.Greet, 600, during=cut) == {"ok": 600}
    assert served > 50, "it had its share before"
    assert replicas[0].calls <= served + CALLERS


@pytest.mark.parametrize("in_turn", [True, False])
async def test_a_slow_replica_is_not_noticed(rig: Rig, in_turn: bool) -> None:
    """One of three that takes much longer opens no circuit; it answers its share, late, or next to nothing where latency decides."""

    async def slow(request: Any, _: Any) -> Any:
        await asyncio.sleep(0.1 if in_turn else 1.0)  # on a busy machine the others take their time as well
        return request

    replicas = [Echo(slow), Echo(), Echo()]
    await three(rig, replicas)
    stub = rig.stub(methods=IN_TURN if in_turn else METHODS)
    await connected(stub, replicas)
    before = replicas[0].calls
    assert await call_often(stub.Greet, 210) == {"ok": 210}
    share = replicas[0].calls - before
    assert share >= 60 if in_turn else share <= 10


async def test_a_replica_that_hangs_is_not_noticed_by_hedged_calls(rig: Rig) -> None:
    """A second attempt goes to another replica than the first, so that the answer comes whichever was asked first.

    On a busy machine each call may have one, so they are fewer than the budget of retries allows.
    """

    async def hang(_: Any, __: Any) -> Any:
        await asyncio.Event().wait()

    replicas = [Echo() for _ in range(3)]
    await three(rig, replicas)
    stub = rig.stub(methods=IN_TURN)
    await connected(stub, replicas)  # while only one is, there is no other to ask
    replicas[0].unary, before = hang, replicas[0].calls
    assert await call_often(stub.Look, 90) == {"ok": 90}
    assert replicas[0].calls - before >= 10


async def test_a_replica_that_errs_is_not_noticed_and_is_left_out_until_it_heals(rig: Rig, clock: FakeClock) -> None:
    """Every call to one of two fails: no caller sees it, its circuit opens, and it comes back when it works again."""

    async def err(_: Any, __: Any) -> Any:
        raise Unavailable("not here")

    replicas = [Echo() for _ in range(2)]
    addresses = await three(rig, replicas)
    breakers = BreakerRegistry(clock=clock)
    stub = EchoStub(rig.mesh(breakers=breakers, methods=IN_TURN).channel("echo_svc"))
    await connected(stub, replicas)
    bad, results = replicas[0], Counter[str]()
    bad.unary = err
    results.update(await call_often(stub.Greet, 200))
    assert states(breakers) == {f"echo_svc@{addresses[0]}": CircuitState.OPEN, f"echo_svc@{addresses[1]}": CircuitState.CLOSED}
    failed = bad.calls
    results.update(await call_often(stub.Greet, 200))
    assert bad.calls == failed, "nobody calls it while its circuit is open"
    await clock.advance(7.5)
    results.update(await call_often(stub.Greet, 200))
    assert bad.calls - failed <= 3, "probes alone"
    bad.unary = None
    await clock.advance(60)
    before = bad.calls
    results.update(await call_often(stub.Greet, 200))
    assert bad.calls - before >= 90
    assert results == {"ok": 800}


async def test_a_replica_that_errs_is_not_noticed_by_calls_that_are_made_once(rig: Rig) -> None:
    """What was answered by the bad one before its circuit opened is lost; all later calls go to the good one."""

    async def err(_: Any, __: Any) -> Any:
        raise Unavailable("not here")

    replicas = [Echo(), Echo()]
    await three(rig, replicas)
    stub = rig.stub()
    await connected(stub, replicas)
    replicas[0].unary = err
    with acting_as(rig.token()):
        first = await call_often(stub.Put, 100)
        assert first["UNAVAILABLE"] + first["ok"] == 100
        assert first["UNAVAILABLE"] <= 20 + CALLERS
        assert await call_often(stub.Put, 200) == {"ok": 200}


async def test_a_call_is_refused_only_when_every_circuit_is_open(rig: Rig, clock: FakeClock) -> None:
    """Both fail: then both circuits are open, and nothing is sent."""

    async def err(_: Any, __: Any) -> Any:
        raise Unavailable("not here")

    replicas = [Echo(), Echo()]
    await three(rig, replicas)
    breakers = BreakerRegistry(clock=clock)
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    await connected(stub, replicas)
    for replica in replicas:
        replica.unary = err
    with acting_as(rig.token()):
        await call_often(stub.Put, 100)
        sent = sum(replica.calls for replica in replicas)
        assert await call_often(stub.Put, 50) == {"CIRCUIT_OPEN": 50}
    assert sum(replica.calls for replica in replicas) == sent


async def test_calls_lost_with_one_connection_count_once(rig: Rig, cables: list[Cable], clock: FakeClock) -> None:
    """32 calls are under way at the only replica when its connection is reset: its circuit stays closed."""
    held = asyncio.Event()

    async def hold(request: Any, _: Any) -> Any:
        await held.wait()
        return request

    servicer = Echo(hold)
    server = await rig.serve(servicer)
    cables.append(Cable(server.address))
    rig.targets["echo_svc"] = await cables[0].listen()
    breakers = BreakerRegistry(clock=clock)
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    with acting_as(rig.token()):
        calls = [asyncio.ensure_future(stub.Put(Note())) for _ in range(32)]
        await eventually(lambda: servicer.calls == 32)
        await cables[0].cut()
        ended = await asyncio.gather(*calls, return_exceptions=True)
    held.set()
    assert all(isinstance(error, Unavailable) and not isinstance(error, CircuitOpen) for error in ended)
    assert [(item.state, item.failures) for item in breakers.snapshot()] == [(CircuitState.CLOSED, 1)]


async def test_one_of_two_that_is_killed_costs_the_calls_that_were_under_way_there(rig: Rig, cables: list[Cable]) -> None:
    """32 callers of a method that is not idempotent, one of two replicas cut off in the middle: no call is refused by a circuit."""

    async def busy(request: Any, _: Any) -> Any:
        await asyncio.sleep(0.005)
        return request

    replicas = [Echo(busy), Echo(busy)]
    addresses = await three(rig, replicas)
    cables.append(Cable(addresses[0]))
    rig.targets["echo_svc"] = f"ipv4:{await cables[0].listen()},{addresses[1]}"
    stub = rig.stub()
    await connected(stub, replicas)

    async def cut(number: int) -> None:
        if number == 300:
            await cables[0].cut()

    with acting_as(rig.token()):
        results = await call_often(stub.Put, 1200, during=cut, callers=32)
    assert results["ok"] >= 1200 - 32
    assert results["CIRCUIT_OPEN"] == 0


async def test_answers_of_any_kind_take_no_replica_out(rig: Rig) -> None:
    """A client that asks for what is not there goes on being answered by all of them."""

    async def missing(_: Any, __: Any) -> Any:
        raise NotFound

    replicas = [Echo(missing) for _ in range(3)]
    await three(rig, replicas)
    stub = rig.stub(methods=IN_TURN)
    await eventually(lambda: _all_asked(stub, replicas))
    before = [replica.calls for replica in replicas]
    assert (await call_often(stub.Greet, 90))["NOT_FOUND"] == 90
    assert all(replica.calls - calls >= 20 for replica, calls in zip(replicas, before, strict=True))


async def _all_asked(stub: EchoStub, replicas: Sequence[Echo]) -> bool:
    await call_often(stub.Greet, 6)
    return all(replica.calls for replica in replicas)


async def test_a_stream_is_begun_again_at_another_replica(rig: Rig) -> None:
    """As long as no message came; 200 streams."""

    async def err(_: Any, __: Any) -> Any:
        raise Unavailable("not here")

    replicas = [Echo() for _ in range(3)]
    await three(rig, replicas)
    stub = rig.stub()
    await connected(stub, replicas)
    replicas[0].unary, before = err, replicas[0].calls

    async def first(_: Any) -> Any:
        call = stub.Watch(Note(number=1))
        assert (await call.read()).number == 0
        call.cancel()

    assert await call_often(first, 200) == {"ok": 200}
    assert replicas[0].calls - before >= 5, "until its circuit opened"


async def test_a_replica_that_reports_not_serving_gets_no_calls(rig: Rig, clock: FakeClock) -> None:
    """Its own check takes it out, and back in; nobody sees an error meanwhile."""
    works = True

    async def database() -> None:
        if not works:
            raise Unavailable("the database is away")

    ill, well = Echo(), Echo()
    first, second = await rig.serve(ill, checks={"database": database}), await rig.serve(well)
    rig.targets["echo_svc"] = f"ipv4:{first.address},{second.address}"
    stub, results = rig.stub(), Counter[str]()
    await connected(stub, [ill, well])

    async def shares(expected: bool) -> bool:
        await clock.advance(1)
        before = ill.calls
        results.update(await call_often(stub.Greet, 20))
        return (ill.calls > before) is expected

    works = False
    await eventually(lambda: shares(False))
    works = True
    await eventually(lambda: shares(True))
    assert results == {"ok": results.total()}


@pytest.mark.parametrize("scheme", ["{}", "dns:///{}", "dns:{}", "dns:///localhost:{port}", "ipv4:{}", "ipv4:{},{}"])
async def test_targets_of_every_kind_reach_the_service(rig: Rig, scheme: str) -> None:
    """The certificate is checked for the service's name, whatever was dialled."""
    server = await rig.serve(Echo())
    rig.targets["echo_svc"] = scheme.format(server.address, server.address, port=server.port)
    mesh = rig.mesh()
    await mesh.start()
    assert (await EchoStub(mesh.channel("echo_svc")).Greet(Note(text="a"))).text == "a"


async def test_a_unix_socket_reaches_the_service(rig: Rig, cables: list[Cable]) -> None:
    """With the same certificates as over TCP."""
    server = await rig.serve(Echo())
    cables.append(Cable(server.address))
    rig.targets["echo_svc"] = await cables[0].listen(rig.folder / "echo.sock")
    mesh = rig.mesh()
    await mesh.start()
    assert (await EchoStub(mesh.channel("echo_svc")).Greet(Note(text="a"))).text == "a"


async def test_xds_without_a_control_plane_stops_the_start(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the service and the variables; with one, gRPC takes the target, and the rest is between the two."""
    for name in ("GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    rig.targets["echo_svc"] = "xds:///echo"
    with pytest.raises(ConfigError, match=r"echo_svc, 'xds:///echo': .*GRPC_XDS_BOOTSTRAP"):
        await rig.mesh().start()
    monkeypatch.setenv("GRPC_XDS_BOOTSTRAP", str(rig.folder / "missing.json"))
    mesh = rig.mesh()
    await mesh.start()
    with pytest.raises(Unavailable) as refused:
        await EchoStub(mesh.channel("echo_svc")).Greet(Note())
    assert "xds" in str(refused.value.__cause__).lower()
