"""`ServiceProcess`: the mesh for services of somebody else's."""

import asyncio
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2, text_format
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.duration_pb2 import Duration

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, add_echo, add_hop, path
from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import mesh_service_pb2_grpc, policy_pb2
from tocsin.config import ConfigError
from tocsin.errors import CircuitOpen, DeadlineExceeded, NotFound, PermissionDenied, Unauthenticated, Unavailable
from tocsin.mesh.context import acting_as
from tocsin.mesh.library import MutualTls, ServerTls, ServiceProcess, contract_policies
from tocsin.mesh.policy import PolicyError
from tocsin.mesh.policy_sources import own_policies
from tocsin.testing.waiting import eventually

CONTRACT = [descriptor_pool.Default().FindFileByName("tocsin/test/v1/echo.proto")]


SILENT = """name: "silent.proto" package: "silent" message_type { name: "M" }
    service { name: "S" method { name: "Do" input_type: ".silent.M" output_type: ".silent.M" } }"""
descriptor_pool.Default().Add(text_format.Parse(SILENT, descriptor_pb2.FileDescriptorProto()))


def silent() -> FileDescriptor:
    """A contract that has no word for the mesh."""
    return descriptor_pool.Default().FindFileByName("silent.proto")


def add_silent(servicer: Any, server: grpc.aio.Server) -> None:
    """Registers the service of `silent`; its messages are empty."""
    handler = grpc.unary_unary_rpc_method_handler(
        servicer.Greet, request_deserializer=empty_pb2.Empty.FromString, response_serializer=empty_pb2.Empty.SerializeToString
    )
    server.add_registered_method_handlers("silent.S", {"Do": handler})


def process(rig: Rig, service: str, *, secured: bool, **values: Any) -> ServiceProcess:
    """A process of ``service``, with the rig's certificates or without."""
    pki: Path = rig.folder / "pki"
    files = {"ca_file": pki / "ca.pem", "cert_file": pki / f"{service}.pem", "key_file": pki / f"{service}-key.pem"}
    tls = MutualTls(**files, trust_domain="tocsin.local") if secured else None
    return ServiceProcess(service, contract=CONTRACT, tls=tls, verifier=rig.verifier(), drain_seconds=0.5, **values)


@pytest.mark.parametrize(("caller", "secured", "allowed"), [("front", True, True), ("other", True, False), ("front", False, False)])
async def test_callers_of_a_method_are_told_by_their_certificates(rig: Rig, caller: str, secured: bool, allowed: bool) -> None:
    """Without certificates nobody can say who calls, so nobody may."""
    async with process(rig, "echo_svc", secured=secured) as callee:
        server = await callee.serve((add_hop, Echo()))
        async with process(rig, caller, secured=secured, targets={"echo_svc": server.address}) as client:
            hop = client.channel("echo_svc").unary_unary("/tocsin.test.v1.HopService/Hop")
            if allowed:
                assert await hop(b"") == b""
            else:
                with pytest.raises(PermissionDenied):
                    await hop(b"")


SECURED = {"no TLS": None, "TLS of the server": False, "mutual TLS": True}


def secured(rig: Rig, service: str, how: str, *, serves: bool) -> MutualTls | ServerTls | None:
    """The TLS of a process; one that only calls has a certificate where both sides show one."""
    pki: Path = rig.folder / "pki"
    own = {"cert_file": pki / f"{service}.pem", "key_file": pki / f"{service}-key.pem"}
    match SECURED[how]:
        case None:
            return None
        case False:
            return ServerTls(**own) if serves else ServerTls(ca_file=pki / "ca.pem")
        case _:
            return MutualTls(ca_file=pki / "ca.pem", trust_domain="tocsin.local", **own)


@pytest.mark.parametrize(("callee", "caller", "tokens"), [*product(SECURED, SECURED, [True]), *((each, each, False) for each in SECURED)])
async def test_connections_are_as_secure_as_was_chosen(rig: Rig, callee: str, caller: str, tokens: bool) -> None:
    """Nothing, TLS of the server alone, or of both, with tokens and without; ends that do not agree do not talk."""
    contract = CONTRACT if tokens else [silent()]
    values: dict[str, Any] = {"contract": contract, "verifier": rig.verifier() if tokens else None, "drain_seconds": 0.5}
    handlers = (add_echo, Echo()) if tokens else (add_silent, Echo())
    async with ServiceProcess("echo_svc", tls=secured(rig, "echo_svc", callee, serves=True), **values) as served:
        server = await served.serve(handlers)
        tls = secured(rig, "front", caller, serves=False)
        async with ServiceProcess("front", tls=tls, targets={"echo_svc": f"localhost:{server.port}"}, **values) as client:
            channel = client.channel("echo_svc")
            call: Any = channel.unary_unary(path("Say") if tokens else "/silent.S/Do")
            # A certificate that nobody asks for does no harm.
            fits = callee == caller or (SECURED[callee] is False and SECURED[caller] is True)
            with acting_as(rig.token()) if tokens else nullcontext():
                if fits:
                    assert await call(b"") == b""
                else:
                    with pytest.raises((Unavailable, DeadlineExceeded)):
                        await call(b"", timeout=1)


async def test_what_is_served_with_tls_needs_a_certificate(rig: Rig) -> None:
    """Said when it is to be served, for who only calls needs none; a file that is no certificate is named at the start."""
    ca = rig.folder / "pki" / "ca.pem"
    async with ServiceProcess("echo_svc", contract=[silent()], tls=ServerTls(ca_file=ca), drain_seconds=0.5) as served:
        with pytest.raises(ValueError, match="cert_file and key_file"):
            await served.serve((add_silent, Echo()))
    (rig.folder / "no.pem").write_text("no certificate")
    wrong = ServiceProcess("front", contract=[silent()], tls=ServerTls(ca_file=rig.folder / "no.pem"))
    with pytest.raises(ValueError, match=r"no\.pem holds no certificate"):
        await wrong.__aenter__()


@pytest.mark.parametrize(
    ("package", "values", "told"),
    [
        ("cryptography", {"tls": ServerTls()}, "tls: .* pip install 'tocsin-mesh\\[tls\\]'"),
        ("opentelemetry.sdk", {"otlp_endpoint": "http://127.0.0.1:4317"}, "otlp_endpoint: .* pip install 'tocsin-mesh\\[otlp\\]'"),
    ],
)
def test_a_package_that_is_not_installed_is_told_with_its_extra(
    package: str, values: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, with the argument that needs it, not at the first connection."""
    monkeypatch.setattr("tocsin.mesh.library.find_spec", lambda name: None if name == package else object())
    with pytest.raises(ConfigError, match=told):
        ServiceProcess("front", contract=[silent()], **values)


def test_a_process_knows_its_own_contract_and_that_of_the_mesh() -> None:
    """And nothing of Tocsin's, whose services it does not call; without targets there is nobody to call."""
    process = ServiceProcess("front", contract=[silent()])
    with pytest.raises(LookupError, match="there is no target for auth_svc"):
        process.channel("auth_svc")
    assert set(own_policies()) >= {"/tocsin.api.mesh.v1.MeshService/GetStatus"}
    assert not [path for path in own_policies() if not path.startswith("/tocsin.api.mesh.v1.")]


async def test_tokens_are_verified_by_what_the_service_gives(rig: Rig) -> None:
    """As in Tocsin's own services: scope and all."""
    async with process(rig, "echo_svc", secured=False) as callee:
        server = await callee.serve((add_echo, Echo()))
        async with process(rig, "front", secured=False, targets={"echo_svc": server.address}) as client:
            stub = EchoStub(client.channel("echo_svc"))
            with pytest.raises(Unauthenticated):
                await stub.Say(Note())
            with acting_as(rig.token()):
                assert (await stub.Say(Note(text="x"))).text == "x"


async def test_the_words_of_a_handler_arrive(rig: Rig) -> None:
    """A service that knows nothing of `tocsin.errors` aborts as grpc.aio has it."""

    async def abort(request: Any, context: Any) -> Any:
        del request
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such shelf")

    async with process(rig, "echo_svc", secured=False) as callee:
        server = await callee.serve((add_echo, Echo(abort)))
        async with process(rig, "front", secured=False, targets={"echo_svc": server.address}) as client:
            with pytest.raises(NotFound, match="no such shelf"):
                await EchoStub(client.channel("echo_svc")).Greet(Note())


def test_a_contract_that_says_nothing_is_public_and_bounded() -> None:
    """Fifteen seconds, no token, no retries of what may not be done twice."""
    (policy,) = contract_policies([silent()]).values()
    assert (policy.path, policy.timeout, policy.public, policy.idempotent) == ("/silent.S/Do", 15.0, True, False)


def test_a_scope_needs_somebody_who_verifies_tokens() -> None:
    """Said at the start, with each method, not at the first call."""
    with pytest.raises(PolicyError) as raised:
        contract_policies(CONTRACT)
    assert f"{path('Say')}: policy.scope needs a verifier of tokens" in raised.value.problems
    assert not [problem for problem in raised.value.problems if "Hop" in problem]
    assert contract_policies(CONTRACT, tokens=True)[path("Say")].scope == "echo:read"


async def test_what_cannot_start_leaves_nothing_behind(rig: Rig) -> None:
    """A target that is none is an error at the start; the port of the metrics is free again."""
    wrong = process(rig, "front", secured=False, targets={"echo_svc": "127.0.0.1:port"})
    with pytest.raises(ConfigError, match="echo_svc"):
        await wrong.__aenter__()
    async with process(rig, "front", secured=False, metrics_port=int(wrong.metrics_url.split(":")[-1].partition("/")[0])):
        pass


async def test_a_process_of_ones_own_prefers_its_zone_and_splits_versions(rig: Rig, tmp_path: Path) -> None:
    """One replica in each zone: calls stay at home, and a file sends all of them to the version that is elsewhere."""
    file, near, far = tmp_path / "policies.yaml", Echo(), Echo()
    file.write_text("splits: []")
    with pytest.raises(ConfigError, match="zone: 'a b' is no name of a zone"):
        await process(rig, "front", secured=False, zone="a b").__aenter__()
    async with process(rig, "echo_svc", secured=False) as callee, process(rig, "other", secured=False) as elsewhere:
        servers = [await callee.serve((add_echo, near)), await elsewhere.serve((add_echo, far))]
        target = f"ipv4:{servers[0].address};zone=a;version=1,{servers[1].address};zone=b;version=2"
        async with process(rig, "front", secured=False, targets={"echo_svc": target}, zone="a", policy_file=file) as caller:
            stub = EchoStub(caller.channel("echo_svc"))

            async def stays(home: Echo, other: Echo) -> bool:
                before = home.calls, other.calls
                for _ in range(10):
                    await stub.Greet(Note())
                return (home.calls, other.calls) == (before[0] + 10, before[1])

            await eventually(lambda: stays(near, far), seconds=60, what="calls that stay at home")
            share = '{version: "2", percent: 100}'
            file.write_text(f"splits: [{{name: moved, methods: ['*'], versions: [{share}]}}]")
            await eventually(lambda: stays(far, near), seconds=60, what="calls to the version elsewhere")


async def test_a_file_changes_policies_while_the_process_runs(rig: Rig, tmp_path: Path) -> None:
    """A timeout that is too short for the handler, and then one that is not; what is no rule changes nothing."""

    async def slow(request: Any, context: Any) -> Any:
        await asyncio.sleep(0.2)
        return request

    file = tmp_path / "policies.yaml"
    file.write_text("rules: []")
    async with process(rig, "echo_svc", secured=False) as callee:
        server = await callee.serve((add_echo, Echo(slow)))
        async with process(rig, "front", secured=False, targets={"echo_svc": server.address}, policy_file=file) as client:
            stub = EchoStub(client.channel("echo_svc"))
            assert (await stub.Greet(Note(text="x"))).text == "x"

            async def ends() -> str:
                try:
                    return (await stub.Greet(Note(text="x"))).text
                except DeadlineExceeded:
                    return "too late"
                except CircuitOpen:
                    return "not tried"

            async def too_late() -> bool:
                return await ends() == "too late"

            async def in_time() -> bool:
                return await ends() == "x"

            rule = f"rules: [{{method: {path('Greet')}, policy: {{timeout: %s}}}}]"
            file.write_text(rule % "0.1s")
            await eventually(too_late)
            file.write_text("rules: [{")
            file.write_text(rule % "10s")
            await eventually(in_time)


async def test_operators_see_calls_and_change_policies_of_a_process(rig: Rig) -> None:
    """By MeshService: who they are says their certificate. Nobody else is told anything, and without certificates nobody is."""
    async with process(rig, "echo_svc", secured=True, operators=["front"]) as callee:
        server = await callee.serve((add_echo, Echo()))
        targets = {"echo_svc": server.address}
        async with process(rig, "other", secured=True, targets=targets) as client:
            stranger: Any = mesh_service_pb2_grpc.MeshServiceStub(client.channel("echo_svc"))
            with pytest.raises(PermissionDenied):
                await stranger.GetPolicy(pb.GetPolicyRequest(method=path("Greet")))
        async with process(rig, "front", secured=True, targets=targets) as client:
            operations: Any = mesh_service_pb2_grpc.MeshServiceStub(client.channel("echo_svc"))
            assert (await operations.GetStatus(pb.GetStatusRequest())).service == "echo_svc"
            tap = operations.TapCalls(pb.TapCallsRequest())
            reading = asyncio.ensure_future(tap.read())
            await eventually(lambda: server.tap.listened)
            await EchoStub(client.channel("echo_svc")).Greet(Note(text="x"))
            assert [(call.method, call.caller, call.code) for call in (await reading).calls] == [(path("Greet"), "front", "OK")]
            tap.cancel()
            rule = pb.PolicyRule(method=path("Greet"), policy=policy_pb2.Policy(timeout=Duration(seconds=2)))
            order = pb.SetPolicyRequest(rule=rule, ttl=Duration(seconds=60))
            await operations.SetPolicy(order)
            told = (await operations.GetPolicy(pb.GetPolicyRequest(method=path("Greet")))).methods[0].values
            assert ("timeout", "2s", "order") in {(each.name, each.value, each.source) for each in told}


class Unwritten:
    """As generated code leaves a method; one of a servicer's own must be asynchronous."""

    def __init__(self, module: str) -> None:
        def greet(request: Any, context: Any) -> None:
            raise NotImplementedError(request, context)

        greet.__module__ = module
        self.Greet = greet


async def test_a_method_that_nobody_has_written_is_unimplemented(caplog: pytest.LogCaptureFixture) -> None:
    """As of grpc.aio: the others are served, and the log names it. A handler that is written, but not asynchronous, stops the start."""
    async with ServiceProcess("silent", contract=[silent()], drain_seconds=0.5) as callee:
        with pytest.raises(PolicyError, match=r"/silent\.S/Do: its handler is neither"):
            await callee.serve((add_silent, Unwritten("shop")))
    async with ServiceProcess("silent", contract=[silent()], drain_seconds=0.5) as callee:
        server = await callee.serve((add_silent, Unwritten("silent_pb2_grpc")))
        assert "method not implemented" in caplog.text
        async with grpc.aio.insecure_channel(server.address) as channel:
            with pytest.raises(grpc.aio.AioRpcError, match=r"/silent\.S/Do is not implemented") as refused:
                await channel.unary_unary("/silent.S/Do")(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


class Synchronous(grpc.ServerInterceptor, grpc.UnaryUnaryClientInterceptor):
    """As most packages have them."""

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Does nothing."""
        return continuation(handler_call_details)

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Likewise."""
        return continuation(client_call_details, request)


@pytest.mark.parametrize(("argument", "kind"), [("client_interceptors", "ClientInterceptor"), ("server_interceptors", "ServerInterceptor")])
def test_interceptors_that_grpc_aio_would_not_call_are_refused(argument: str, kind: str) -> None:
    """At once, by their class: grpc.aio refuses them when the first call is made, or fails in the midst of one."""
    given: dict[str, Any] = {argument: [Synchronous()]}
    with pytest.raises(ConfigError, match=rf"{argument}: Synchronous is no grpc\.aio\.{kind}"):
        ServiceProcess("silent", contract=[silent()], **given)
