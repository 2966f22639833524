"""Replicas of one service: a dead, a slow or an erring one is not noticed by idempotent calls."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig
from tocsin.config import ConfigError
from tocsin.errors import NotFound, TocsinError, Unavailable
from tocsin.mesh.client import Ejection
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

CALLERS = 8
QUICK = Ejection(interval_seconds=0.2, seconds=0.4)


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


async def call_often(method: Any, count: int, *, during: Callable[[int], Any] | None = None) -> Counter[str]:
    """Makes ``count`` calls by eight callers at once; how they ended. ``during`` is awaited with each number of calls begun."""
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

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return results


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

    async def cut(number: int) -> None:
        nonlocal served
        if number == 300:
            served = replicas[0].calls
            await cables[0].cut()

    assert await call_often(stub.Greet, 600, during=cut) == {"ok": 600}
    assert served > 50, "it had its share before"
    assert replicas[0].calls <= served + CALLERS


async def test_a_slow_replica_is_not_noticed(rig: Rig) -> None:
    """One of three that takes twenty times as long answers its share, late, and opens no circuit."""

    async def slow(request: Any, _: Any) -> Any:
        await asyncio.sleep(0.1)
        return request

    replicas = [Echo(slow), Echo(), Echo()]
    await three(rig, replicas)
    stub = rig.stub()
    await connected(stub, replicas)
    before = replicas[0].calls
    assert await call_often(stub.Greet, 210) == {"ok": 210}
    assert replicas[0].calls - before >= 60


async def test_a_replica_that_hangs_is_not_noticed_by_hedged_calls(rig: Rig) -> None:
    """A second attempt goes to another replica than the first, so that the answer comes whichever was asked first."""

    async def hang(_: Any, __: Any) -> Any:
        await asyncio.Event().wait()

    replicas = [Echo(hang), Echo(), Echo()]
    await three(rig, replicas)
    stub = rig.stub()
    assert await call_often(stub.Look, 200) == {"ok": 200}
    assert replicas[0].calls >= 50


async def test_a_replica_that_errs_is_not_noticed_and_is_left_out_until_it_heals(rig: Rig) -> None:
    """Every call to one of three fails: no caller sees it, it is ejected within an interval, and it comes back when it works again."""

    async def err(_: Any, __: Any) -> Any:
        failed.append(None)
        raise Unavailable("not here")

    replicas, failed = [Echo() for _ in range(3)], list[None]()
    await three(rig, replicas)
    stub = EchoStub(rig.mesh(ejection=QUICK).channel("echo_svc"))
    await connected(stub, replicas)
    bad, results = replicas[0], Counter[str]()
    bad.unary = err

    async def ejected() -> bool:
        before = bad.calls
        results.update(await call_often(stub.Greet, 60))
        return len(failed) > 20 and bad.calls == before

    async def back() -> bool:
        before = bad.calls
        results.update(await call_often(stub.Greet, 60))
        return bad.calls - before >= 15

    await eventually(ejected)
    bad.unary = None
    await eventually(back)
    assert results == {"ok": results.total()}
    assert results.total() >= 200


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
    assert replicas[0].calls - before > 20


async def test_errors_of_all_replicas_eject_one_at_most(rig: Rig) -> None:
    """A client that asks for what is not there gets the same answer everywhere, and takes a third of the service away at worst."""

    async def missing(_: Any, __: Any) -> Any:
        raise NotFound

    replicas = [Echo(missing) for _ in range(3)]
    await three(rig, replicas)
    stub = EchoStub(rig.mesh(ejection=Ejection(interval_seconds=0.1, seconds=60)).channel("echo_svc"))

    async def one_out() -> bool:
        before = [replica.calls for replica in replicas]
        assert (await call_often(stub.Greet, 90))["NOT_FOUND"] == 90
        return [replica.calls == calls for replica, calls in zip(replicas, before, strict=True)].count(True) == 1

    await eventually(one_out)
    for _ in range(10):  # more looks: nothing further is ejected
        assert await one_out()
        await asyncio.sleep(0.05)


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
