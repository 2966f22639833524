"""`ServiceProcess`: the mesh for services of somebody else's."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor

from tests.integration.mesh.support import Echo, EchoStub, Note, Rig, add_echo, add_hop, path
from tocsin.config import ConfigError
from tocsin.errors import NotFound, PermissionDenied, Unauthenticated
from tocsin.mesh.context import acting_as
from tocsin.mesh.library import MutualTls, ServiceProcess, contract_policies
from tocsin.mesh.policy import PolicyError

CONTRACT = [descriptor_pool.Default().FindFileByName("tocsin/test/v1/echo.proto")]


def silent() -> FileDescriptor:
    """A contract that has no word for the mesh."""
    text = """name: "silent.proto" package: "silent" message_type { name: "M" }
        service { name: "S" method { name: "Do" input_type: ".silent.M" output_type: ".silent.M" } }"""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(text, descriptor_pb2.FileDescriptorProto()))
    return pool.FindFileByName("silent.proto")


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
