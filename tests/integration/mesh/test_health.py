"""Health is real, MeshService tells the rest, and a server drains before it ends."""

import asyncio
import socket
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, path
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import mesh_service_pb2_grpc as pb_grpc
from tocsin.clock import SystemClock
from tocsin.errors import PermissionDenied, Unauthenticated, Unavailable
from tocsin.mesh.authority import ensure_pki
from tocsin.mesh.breaker import BreakerRegistry, CallOutcome
from tocsin.mesh.context import acting_as
from tocsin.mesh.health import Degraded, Health, optional
from tocsin.mesh.policy import PolicyError
from tocsin.mesh.server import EdgeServer, MeshServer, PortInUse
from tocsin.telemetry import Telemetry
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

SERVING, NOT_SERVING = 1, 2


class Dependency:
    """Something that a service needs; a test breaks it."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def __call__(self) -> None:
        if self.error is not None:
            raise self.error


def bare(rig: Rig, address: str) -> grpc.aio.Channel:
    """A channel without anything of the mesh, with front's certificate."""
    files = rig.settings("front")
    credentials = grpc.ssl_channel_credentials(
        files.tls_ca_file.read_bytes(), files.tls_key_file.read_bytes(), files.tls_cert_file.read_bytes()
    )
    return grpc.aio.secure_channel(address, credentials)


def watch_health(channel: grpc.aio.Channel, service: str = "") -> Any:
    """The standard watch."""
    call = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    return call(health_pb2.HealthCheckRequest(service=service))


@pytest.mark.parametrize("service", ["", "tocsin.test.v1.EchoService"])
async def test_health_follows_the_dependencies(rig: Rig, clock: FakeClock, service: str) -> None:
    """Overall and for each service: NOT_SERVING within a second of a failure, SERVING after it."""
    database = Dependency()
    server = await rig.serve(Echo(), checks={"database": database})
    async with bare(rig, server.address) as channel:
        call = watch_health(channel, service)
        assert (await call.read()).status == SERVING
        database.error = Unavailable("no connection")
        await clock.advance(1)
        assert (await call.read()).status == NOT_SERVING
        assert [(item.name, item.health, item.detail) for item in server.health.dependencies] == [
            ("database", Health.UNAVAILABLE, "no connection"),
            ("certificate", Health.HEALTHY, ""),
            ("background", Health.HEALTHY, ""),
        ]
        database.error = None
        await clock.advance(1)
        assert (await call.read()).status == SERVING


@pytest.mark.parametrize(
    ("error", "health"),
    [
        (None, Health.HEALTHY),
        (Degraded("slow"), Health.DEGRADED),
        (Unavailable(), Health.UNAVAILABLE),
        (RuntimeError("surprise"), Health.UNAVAILABLE),
    ],
)
async def test_the_worst_dependency_decides(rig: Rig, error: Exception | None, health: Health) -> None:
    """A check that breaks in an unexpected way counts as a dependency that does not work."""
    bad, good = Dependency(), Dependency()
    bad.error = error
    server = await rig.serve(Echo(), checks={"bad": bad, "good": good})
    assert server.health.health is health


async def test_an_optional_dependency_degrades(rig: Rig) -> None:
    """The service works on, and says what is missing."""
    redis = Dependency()
    redis.error = Unavailable("redis is away")
    server = await rig.serve(Echo(), checks={"redis": optional(redis)})
    assert (server.health.health, server.health.dependencies[0].detail) == (Health.DEGRADED, "redis is away")
    assert (await rig.stub().Greet(Note(text="still here"))).text == "still here"


async def test_an_unhealthy_service_gets_no_calls_but_says_why(rig: Rig) -> None:
    """Callers fail fast; MeshService answers all the same, past health checks."""
    database = Dependency()
    database.error = Unavailable("disk full")
    servicer = Echo()
    await rig.serve(servicer, checks={"database": database})
    mesh = rig.mesh()
    with pytest.raises(Unavailable):
        await EchoStub(mesh.channel("echo_svc")).Greet(Note())
    assert servicer.calls == 0
    with pytest.raises(PermissionDenied):
        await pb_grpc.MeshServiceStub(mesh.channel("echo_svc")).GetStatus(pb.GetStatusRequest())


async def test_mesh_service_tells_health_dependencies_and_breakers(rig: Rig, clock: FakeClock) -> None:
    """GetStatus needs the gateway's certificate and no token; ResetBreakers a token with mesh:write."""
    ensure_pki(folder=rig.folder / "pki", services=["gateway"], trust_domain="tocsin.local", clock=SystemClock())
    database, breakers = Dependency(), BreakerRegistry(clock=clock)
    database.error = Unavailable("disk full")
    settings = rig.settings("echo_svc")
    server = MeshServer(
        service="echo_svc",
        settings=settings,
        clock=clock,
        telemetry=Telemetry(service="echo_svc", settings=settings),
        mesh=None,
        verifier=rig.verifier(),
        breakers=breakers,
        checks={"database": database},
        handlers=[],
    )
    guard = breakers.get(id="database", target="database")
    for _ in range(5):
        guard.record(guard.admit(), CallOutcome.FAILURE)
    await server.start()
    rig.targets["echo_svc"] = server.address
    stub = pb_grpc.MeshServiceStub(rig.mesh("gateway").channel("echo_svc"))
    status = await stub.GetStatus(pb.GetStatusRequest())
    assert (status.service, status.health) == ("echo_svc", pb.Status.UNAVAILABLE)
    assert (len(status.incarnation), status.start_time.ToMicroseconds()) == (32, clock.micros())
    assert [(item.name, item.health, item.detail) for item in status.dependencies] == [
        ("database", pb.Status.UNAVAILABLE, "disk full"),
        ("certificate", pb.Status.HEALTHY, ""),
        ("background", pb.Status.HEALTHY, ""),
    ]
    shown = status.circuit_breakers[0]
    assert (shown.id, shown.state, shown.failures) == ("database", pb.CircuitBreaker.OPEN, 5)
    assert shown.HasField("opened_time")
    assert shown.HasField("retry_after")
    with pytest.raises(Unauthenticated):
        await stub.ResetBreakers(pb.ResetBreakersRequest())
    with acting_as(rig.token("mesh:write")):
        assert list((await stub.ResetBreakers(pb.ResetBreakersRequest(target="database"))).reset) == ["database"]
    assert breakers.open_targets() == set()
    await server.stop()


async def test_reflection_lists_the_contract(rig: Rig) -> None:
    """The services that are served, for grpcurl and its like."""
    server = await rig.serve(Echo())
    async with bare(rig, server.address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    names = {service.name for service in answers[0].list_services_response.service}
    assert {"tocsin.test.v1.EchoService", "tocsin.api.mesh.v1.MeshService", "grpc.health.v1.Health"} <= names


async def test_a_draining_server_says_so_serves_on_and_ends(rig: Rig) -> None:
    """NOT_SERVING first, then the callbacks, calls during the lame duck, and no watch that holds the end up."""
    server = await rig.serve(Echo(), drain_seconds=2.0, grace_seconds=3600.0)
    told: list[str] = []
    server.on_drain(lambda: told.append("streams"))

    async def broken() -> None:
        raise ValueError

    server.on_drain(broken)
    async with bare(rig, server.address) as channel:
        health = watch_health(channel)
        assert (await health.read()).status == SERVING
        stopping = asyncio.ensure_future(server.stop())
        assert (await health.read()).status == NOT_SERVING
        assert told == ["streams"]
        await channel.unary_unary(path("Greet"))(b"", timeout=60)
        await stopping  # the open watch does not keep it up for the hour of its grace


async def test_calls_under_way_end_before_the_server(rig: Rig) -> None:
    """A handler that needs a while gets its grace."""

    async def slow(request: Any, _: Any) -> Any:
        await asyncio.sleep(0.3)
        return request

    servicer = Echo(slow)
    server = await rig.serve(servicer, grace_seconds=60.0)
    call = asyncio.ensure_future(rig.stub().Greet(Note(text="late")))
    await eventually(lambda: servicer.calls == 1)
    await server.stop()
    assert (await call).text == "late"


async def test_start_and_stop_may_be_called_twice(rig: Rig) -> None:
    """In any order, and the server comes back."""
    server = await rig.serve(Echo())
    await server.start()
    port = server.port
    await server.stop()
    await server.stop()
    await server.start()
    rig.targets["echo_svc"] = server.address
    assert port > 0
    await rig.stub().Greet(Note())


async def test_a_taken_port_is_named_by_its_setting(rig: Rig) -> None:
    """And two servers never share one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortInUse, match=rf"TOCSIN_SCHEDULER_PORT: cannot bind 127\.0\.0\.1:{taken.getsockname()[1]}"):
            await rig.serve(Echo(), port=taken.getsockname()[1])
    server = await rig.serve(Echo())
    with pytest.raises(PortInUse):
        await rig.serve(Echo(), port=server.port)


async def test_a_method_without_policy_or_handler_stops_the_start(rig: Rig) -> None:
    """Every problem is named at once."""

    class Half(Echo):
        def Say(self, request: Any, context: Any) -> Any:
            return request

    def add(servicer: Any, server: grpc.aio.Server) -> None:
        handler = grpc.unary_unary_rpc_method_handler(
            servicer.Say, request_deserializer=Note.FromString, response_serializer=Note.SerializeToString
        )
        server.add_registered_method_handlers("tocsin.test.v1.EchoService", {"Say": handler, "Unknown": handler})

    with pytest.raises(PolicyError) as raised:
        await rig.serve(Half(), add=add)
    assert raised.value.problems == (
        "/tocsin.test.v1.EchoService/Say: its handler is neither a coroutine function nor an asynchronous generator",
        "/tocsin.test.v1.EchoService/Unknown: the contract has no policy for it",
        "/tocsin.test.v1.EchoService/Unknown: its handler is neither a coroutine function nor an asynchronous generator",
    )


@pytest.mark.slow
async def test_keepalive_pings_do_not_cut_the_connection(rig: Rig) -> None:
    """Client and server agree on the interval, so an idle connection that pings stays."""
    await rig.serve(Echo(), keepalive_seconds=1.0)
    channel = rig.mesh(keepalive_seconds=1.0).channel("echo_svc")
    call = EchoStub(channel).Chat()
    await call.write(Note(number=1))
    await call.read()
    await asyncio.sleep(6)
    await call.write(Note(number=2))
    assert (await call.read()).number == 2


async def carry(request: bytes, _: Any) -> bytes:
    """Knows nothing of messages."""
    return b"got " + request


async def test_the_edge_takes_bytes(rig: Rig, clock: FakeClock) -> None:
    """Without client certificates; health and reflection come along; it drains, stops twice and starts again."""
    edge = EdgeServer(
        settings=rig.settings("front"),
        clock=clock,
        handlers={"/any.Service/Method": grpc.unary_unary_rpc_method_handler(carry)},
        port=0,
        reflected=["tocsin.test.v1.EchoService"],
    )
    for _ in range(2):
        await edge.start()
        await edge.start()
        async with grpc.aio.insecure_channel(edge.address) as channel:
            assert await channel.unary_unary("/any.Service/Method")(b"x", timeout=60) == b"got x"
            health = watch_health(channel)
            assert (await health.read()).status == SERVING
            edge.drain()
            assert (await health.read()).status == NOT_SERVING
            health.cancel()
        await edge.stop()
        await edge.stop()
    taken = await rig.serve(Echo())
    clash = EdgeServer(settings=rig.settings("front"), clock=clock, handlers={}, port=taken.port, setting="grpc_port")
    with pytest.raises(PortInUse, match="TOCSIN_SCHEDULER_GRPC_PORT"):
        await clash.start()
