"""A small contract of its own, with every kind of method and policy, and servers and clients that speak it over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from tocsin.api import validate
from tocsin.api.mesh.v1 import policy_pb2
from tocsin.clock import Clock, SystemClock
from tocsin.config import ServiceSettings
from tocsin.mesh.authority import ensure_pki
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.client.channel import MeshChannel
from tocsin.mesh.jwks import JwksCache
from tocsin.mesh.policy import Balance, MethodKind, MethodPolicy, read
from tocsin.mesh.server import MeshServer
from tocsin.mesh.tokens import TokenVerifier
from tocsin.telemetry import Telemetry
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint

_LOADED = (validate, policy_pb2)  # their options are used below

_CONTRACT = """
name: "tocsin/test/v1/echo.proto" package: "tocsin.test.v1" syntax: "proto3"
dependency: "tocsin/api/mesh/v1/policy.proto" dependency: "buf/validate/validate.proto"
message_type {
  name: "Note"
  field { name: "text" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL
          options { [buf.validate.field] { string { max_len: 100000 } } } }
  field { name: "number" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL
          options { [buf.validate.field] { int32 { gte: 0 } } } }
  field { name: "copy_to" number: 3 type: TYPE_STRING label: LABEL_REPEATED
          options { [buf.validate.field] { repeated { items { string { email: true } } } } } }
  field { name: "inner_note" number: 4 type: TYPE_MESSAGE type_name: ".tocsin.test.v1.Note" label: LABEL_OPTIONAL }
}
service {
  name: "EchoService"
  options { [tocsin.api.mesh.v1.defaults] { timeout { seconds: 30 } rate_class: "read" scope: "echo:read" } }
  method { name: "Say" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note"
           options { idempotency_level: IDEMPOTENT } }
  method { name: "Make" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note"
           options { idempotency_level: IDEMPOTENT [tocsin.api.mesh.v1.policy] { public: true identity: "inner_note.text" } } }
  method { name: "Put" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note" }
  method { name: "Weigh" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note"
           options { [tocsin.api.mesh.v1.policy] { rate_class: "compute" } } }
  method { name: "Greet" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note"
           options { idempotency_level: NO_SIDE_EFFECTS [tocsin.api.mesh.v1.policy] { public: true } } }
  method { name: "Hurry" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note"
           options { idempotency_level: NO_SIDE_EFFECTS [tocsin.api.mesh.v1.policy] { public: true timeout { seconds: 2 } } } }
  method { name: "Inside" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note"
           options { [tocsin.api.mesh.v1.policy] { callers: "front" } } }
  method { name: "Look" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note"
           options { idempotency_level: NO_SIDE_EFFECTS
                     [tocsin.api.mesh.v1.policy] { public: true hedge { enabled: true delay { nanos: 50000000 } } } } }
  method { name: "Try" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note"
           options { idempotency_level: NO_SIDE_EFFECTS
                     [tocsin.api.mesh.v1.policy] { public: true retry { codes: "ABORTED" codes: "RESOURCE_EXHAUSTED"
                       initial_backoff { nanos: 1000000 } attempt_timeout { seconds: 1 } } } } }
  method { name: "Watch" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note" server_streaming: true
           options { idempotency_level: NO_SIDE_EFFECTS
                     [tocsin.api.mesh.v1.policy] { public: true rate_class: "stream" timeout { seconds: 60 } } } }
  method { name: "Glance" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note" server_streaming: true
           options { idempotency_level: NO_SIDE_EFFECTS [tocsin.api.mesh.v1.policy] { public: true timeout { seconds: 1 } } } }
  method { name: "Collect" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note" client_streaming: true
           options { [tocsin.api.mesh.v1.policy] { public: true timeout { seconds: 60 } } } }
  method { name: "Chat" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note"
           client_streaming: true server_streaming: true
           options { [tocsin.api.mesh.v1.policy] { public: true timeout { seconds: 60 } } } }
}
service {
  name: "HopService"
  options { [tocsin.api.mesh.v1.defaults] { timeout { seconds: 4 } rate_class: "internal" callers: "front" callers: "echo_svc" } }
  method { name: "Hop" input_type: ".tocsin.test.v1.Note" output_type: ".tocsin.test.v1.Note" }
}
"""

FILE = text_format.Parse(_CONTRACT, descriptor_pb2.FileDescriptorProto())
descriptor_pool.Default().Add(FILE)
Note: Any = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("tocsin.test.v1.Note"))
METHODS = read(descriptor_pb2.FileDescriptorSet(file=[FILE]), package="tocsin.test.")
IN_TURN = {path: replace(policy, balance=Balance.ROUND_ROBIN) for path, policy in METHODS.items()}
"""Replicas take turns, whatever they cost."""

CARRIED = {path: replace(policy, carried=policy.kind is MethodKind.UNARY_UNARY) for path, policy in METHODS.items()}
"""Calls of every unary method may ride."""

ONCE = {name: replace(policy, idempotent=policy.idempotent and policy.method != "Make") for name, policy in CARRIED.items()}
"""As `CARRIED`; Make is never tried again."""

Unary = Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]


def path(method: str) -> str:
    """The full path of a method of EchoService."""
    return f"/tocsin.test.v1.EchoService/{method}"


async def riding(channel: MeshChannel) -> None:
    """Returns when calls of ``channel`` ride: the first ones go by themselves, and make it open a carrier."""
    greet = EchoStub(channel).Greet
    async with asyncio.timeout(60):
        while not channel.carrying:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await greet(Note(text="open"))
            await asyncio.sleep(0.01)


class EchoStub:
    """What a generated stub would be."""

    def __init__(self, channel: Any) -> None:
        args = {"request_serializer": Note.SerializeToString, "response_deserializer": Note.FromString, "_registered_method": True}
        self.Say = channel.unary_unary(path("Say"), **args)
        self.Make = channel.unary_unary(path("Make"), **args)
        self.Put = channel.unary_unary(path("Put"), **args)
        self.Weigh = channel.unary_unary(path("Weigh"), **args)
        self.Greet = channel.unary_unary(path("Greet"), **args)
        self.Inside = channel.unary_unary(path("Inside"), **args)
        self.Look = channel.unary_unary(path("Look"), **args)
        self.Try = channel.unary_unary(path("Try"), **args)
        self.Watch = channel.unary_stream(path("Watch"), **args)
        self.Glance = channel.unary_stream(path("Glance"), **args)
        self.Collect = channel.stream_unary(path("Collect"), **args)
        self.Chat = channel.stream_stream(path("Chat"), **args)


class Echo:
    """A servicer whose unary methods a test replaces by ``unary``; it counts what arrives."""

    def __init__(self, unary: Unary | None = None) -> None:
        self.unary = unary
        self.calls = 0

    async def _answer(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        self.calls += 1
        return request if self.unary is None else await self.unary(request, context)

    Say = Make = Put = Weigh = Greet = Hurry = Inside = Hop = Look = Try = _answer

    async def Watch(self, request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        """Counts up to the request's number; what a test gives to ``unary`` runs before each message."""
        self.calls += 1
        for number in range(request.number):
            if self.unary is not None:
                await self.unary(Note(number=number), context)
            yield Note(number=number)

    Glance = Watch

    async def Collect(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> Any:
        """Adds up the numbers."""
        total = 0
        async for request in requests:
            total += request.number
        return Note(number=total)

    async def Chat(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        """Answers each message with itself."""
        async for request in requests:
            if self.unary is not None:
                await self.unary(request, context)
            yield request


def add_echo(servicer: Any, server: grpc.aio.Server) -> None:
    """What generated code does to register EchoService."""
    args = {"request_deserializer": Note.FromString, "response_serializer": Note.SerializeToString}
    kinds = {
        "Watch": grpc.unary_stream_rpc_method_handler,
        "Glance": grpc.unary_stream_rpc_method_handler,
        "Collect": grpc.stream_unary_rpc_method_handler,
        "Chat": grpc.stream_stream_rpc_method_handler,
    }
    names = ("Say", "Make", "Put", "Weigh", "Greet", "Hurry", "Inside", "Look", "Try", "Watch", "Glance", "Collect", "Chat")
    handlers = {name: kinds.get(name, grpc.unary_unary_rpc_method_handler)(getattr(servicer, name), **args) for name in names}
    server.add_registered_method_handlers("tocsin.test.v1.EchoService", handlers)


def add_hop(servicer: Any, server: grpc.aio.Server) -> None:
    """What generated code does to register HopService."""
    handler = grpc.unary_unary_rpc_method_handler(
        servicer.Hop, request_deserializer=Note.FromString, response_serializer=Note.SerializeToString
    )
    server.add_registered_method_handlers("tocsin.test.v1.HopService", {"Hop": handler})


class RigSettings(ServiceSettings):
    """Settings of a service of these tests; it borrows the scheduler's name for its environment."""

    service = "scheduler"


class Rig:
    """One mesh: an authority, services with certificates, one signer of tokens."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.mint = TokenMint(clock=clock)
        self.targets: dict[str, str] = {}
        self._parts: list[Any] = []
        ensure_pki(
            folder=folder / "pki", services=["front", "echo_svc", "gateway", "other"], trust_domain="tocsin.local", clock=SystemClock()
        )

    def settings(self, service: str, **values: Any) -> RigSettings:
        """Settings with the certificate of ``service``; no lame duck unless asked for."""
        pki = self.folder / "pki"
        given: dict[str, Any] = {
            "state_dir": self.folder,
            "grace_seconds": 1.0,
            "carriers": True,
            "tls_ca_file": pki / "ca.pem",
            "tls_cert_file": pki / f"{service}.pem",
            "tls_key_file": pki / f"{service}-key.pem",
            **values,
        }
        settings = RigSettings(**{name: value for name, value in given.items() if name != "drain_seconds"})
        return settings.model_copy(update={"drain_seconds": values.get("drain_seconds", 0.0)})

    def verifier(self) -> TokenVerifier:
        """Verifies the tokens of this rig's signer."""
        keys = JwksCache(source=self.mint.fetch, file=None, clock=self.clock)
        return TokenVerifier(keys=keys, issuer=ISSUER, audience=AUDIENCE, clock=self.clock)

    def token(self, *scopes: str, **claims: Any) -> str:
        """A token of tenant "acme"."""
        return self.mint.mint(tenant="acme", scopes=scopes or ("echo:read",), **claims)

    async def serve(
        self,
        servicer: Any,
        *,
        service: str = "echo_svc",
        add: Any = add_echo,
        checks: Any = None,
        telemetry: Any = None,
        breakers: BreakerRegistry | None = None,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        methods: Mapping[str, MethodPolicy] = METHODS,
        **values: Any,
    ) -> MeshServer:
        """A running server that keeps to ``methods``; ``values`` are settings. The first one of a service becomes its target."""
        settings = self.settings(service, **values)
        server = MeshServer(
            service=service,
            settings=settings,
            clock=self.clock,
            telemetry=telemetry or Telemetry(service=service, settings=settings),
            mesh=None,
            verifier=self.verifier(),
            breakers=breakers or BreakerRegistry(clock=self.clock),
            checks=checks or {},
            handlers=[(add, servicer)],
            methods=methods,
            interceptors=interceptors,
        )
        await server.start()
        self._parts.append(server)
        self.targets.setdefault(service, server.address)
        return server

    def mesh(
        self,
        service: str = "front",
        *,
        telemetry: Any = None,
        breakers: BreakerRegistry | None = None,
        methods: Mapping[str, MethodPolicy] = METHODS,
        **values: Any,
    ) -> Mesh:
        """The client side of ``service``, which keeps to ``methods``."""
        settings = self.settings(service, **values)
        mesh = Mesh(
            service=service,
            settings=settings,
            clock=self.clock,
            telemetry=telemetry or Telemetry(service=service, settings=settings),
            breakers=breakers or BreakerRegistry(clock=self.clock),
            methods=methods,
            targets=self.targets,
        )
        self._parts.append(mesh)
        return mesh

    def stub(self, service: str = "front", **values: Any) -> EchoStub:
        """A stub for the first echo_svc, as ``service``."""
        return EchoStub(self.mesh(service, **values).channel("echo_svc"))

    async def close(self) -> None:
        """Stops every client, then every server."""
        for part in sorted(self._parts, key=lambda part: isinstance(part, MeshServer)):
            await part.stop()
