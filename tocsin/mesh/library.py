"""The mesh for services of one's own: deadlines, retries, breakers, shedding, health and metrics, read from the options of their contract.

A contract says what it wants by the options of ``tocsin/api/mesh/v1/policy.proto``, and may say nothing. No setting, token, database or
other service of Tocsin is needed. ``examples/greeter/`` has two services.
"""

import asyncio
import signal
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import grpc
from google.protobuf.descriptor import FileDescriptor

from tocsin.clock import SystemClock
from tocsin.errors import ConfigError, Unauthenticated
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.client.channel import MeshChannel
from tocsin.mesh.client.foreign import TlsFiles
from tocsin.mesh.health import Check
from tocsin.mesh.limits import parse_limits
from tocsin.mesh.options import ProcessOptions
from tocsin.mesh.policy import MethodPolicy, PolicyError, checked, read, with_imports
from tocsin.mesh.policy_sources import own_policies
from tocsin.mesh.principal import Verifier
from tocsin.mesh.server import MeshServer
from tocsin.mesh.server.mesh_server import Handler
from tocsin.otlp import endpoint_problem
from tocsin.telemetry import Telemetry

_TIMEOUT: Final = 15.0
_RATE_CLASS: Final = "default"
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class MutualTls:
    """Who a service is, and whom it trusts. Its certificate bears the URI ``spiffe://<trust_domain>/<service>``.

    Attributes:
        ca_file: authorities that are trusted (PEM).
        cert_file: the certificate (PEM); a renewed one is used without a restart.
        key_file: its private key (PEM).
        trust_domain: the SPIFFE trust domain.
    """

    ca_file: Path
    cert_file: Path
    key_file: Path
    trust_domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """TLS where servers alone show a certificate, for the host names that they are called by. Nobody can tell who calls.

    Attributes:
        ca_file: authorities whose servers are trusted (PEM); those of the system unless given.
        cert_file: the certificate of what is served (PEM); a renewed one is used without a restart. A process that only calls has none.
        key_file: its private key (PEM).
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def trusted(self) -> TlsFiles:
        """What a client needs of it."""
        return TlsFiles(ca_file=self.ca_file)


class NoTokens:
    """Verifies no token: for services that nobody calls with one."""

    def known(self, token: str) -> None:
        """None: there is none."""
        del token

    async def verify(self, token: str) -> NoReturn:
        """Refuses.

        Raises:
            Unauthenticated: always.
        """
        del token
        raise Unauthenticated("This service takes no tokens.")


def contract_policies(
    files: Iterable[FileDescriptor], *, tokens: bool = False, services: Collection[str] = ()
) -> Mapping[str, MethodPolicy]:
    """The policy of every method that ``files`` declare, by path.

    A method without a timeout gets 15 s, one that names neither callers nor a scope is public.

    Args:
        files: descriptors of the contract, as generated modules have them in ``DESCRIPTOR``.
        tokens: whether tokens can be verified, so that methods may ask for a scope.
        services: names of all services of the mesh; a caller that is none of them is a mistake. Not known when empty.

    Raises:
        PolicyError: an option makes no sense; every problem names its method.
    """
    wanted = list(files)
    declared = {service.full_name for file in wanted for service in file.services_by_name.values()}
    found = {
        path: replace(
            policy,
            timeout=policy.timeout or _TIMEOUT,
            public=policy.public or not (policy.scope or policy.callers),
            rate_class=policy.rate_class or _RATE_CLASS,
        )
        for path, policy in read(with_imports(wanted), package="").items()
        if policy.service in declared
    }
    if not tokens and (asking := [path for path, policy in found.items() if policy.scope]):
        raise PolicyError([f"{path}: policy.scope needs a verifier of tokens" for path in asking])
    return checked(found, services=services)


def _files_of(tls: MutualTls | ServerTls | None) -> dict[str, Any]:
    """The settings that name the files of a certificate."""
    if isinstance(tls, MutualTls):
        files = {"tls_ca_file": tls.ca_file, "tls_cert_file": tls.cert_file, "tls_key_file": tls.key_file}
        return {**files, "trust_domain": tls.trust_domain}
    if tls is None or tls.cert_file is None or tls.key_file is None:
        return {}
    # No client is asked for a certificate, so that it does not matter which authorities would be trusted.
    return {"tls_ca_file": tls.cert_file, "tls_cert_file": tls.cert_file, "tls_key_file": tls.key_file}


def _own(operators: Collection[str]) -> Mapping[str, MethodPolicy]:
    """The policies of MeshService, for ``operators`` alone if there are any."""
    if not operators:
        return own_policies()
    named = frozenset(operators)
    return checked({path: replace(policy, callers=named, scope="") for path, policy in own_policies().items() if policy.callers})


def _problems(otlp_endpoint: str | None, trace_sample_ratio: float) -> Iterator[str]:
    """A line for each argument that makes no sense."""
    if otlp_endpoint is not None and (problem := endpoint_problem(otlp_endpoint)):
        yield f"otlp_endpoint: {problem}"
    if not 0 <= trace_sample_ratio <= 1:
        yield f"trace_sample_ratio: must be from 0 to 1, not {trace_sample_ratio}"


def _no_interceptors(given: Mapping[str, Sequence[object]]) -> Iterator[str]:
    """A line for each interceptor that grpc.aio would not call: those of grpc's synchronous calls, mostly."""
    for argument, interceptors in given.items():
        kind = grpc.aio.ClientInterceptor if argument.startswith("client") else grpc.aio.ServerInterceptor
        for each in interceptors:
            if not isinstance(each, kind):
                yield f"{argument}: {type(each).__name__} is no grpc.aio.{kind.__name__}"


def _missing(*, tls: bool, otlp: bool, channelz: bool) -> Iterator[str]:
    """A line for each argument that needs packages which not everybody has."""
    if tls and find_spec("cryptography") is None:
        yield "tls: certificates are read by the package cryptography: pip install 'tocsin-mesh[tls]'"
    if otlp and (find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter") is None):
        yield "otlp_endpoint: spans are exported by the SDK of OpenTelemetry: pip install 'tocsin-mesh[otlp]'"
    if channelz and find_spec("grpc_channelz") is None:
        yield "channelz: gRPC's core is read by the package grpcio-channelz: pip install 'tocsin-mesh[channelz]'"


def _channelz(operators: Collection[str]) -> Mapping[str, MethodPolicy]:
    """The policies of channelz, for ``operators`` alone if there are any."""
    from tocsin.mesh.channelz import channelz_policies  # comes with an extra

    return channelz_policies(operators)


class ServiceProcess:
    """One process of a service: what it serves, and the ways to the services that it calls.

    Its methods are called inside of ``async with``; leaving it drains the servers and closes the channels.
    """

    def __init__(
        self,
        service: str,
        *,
        contract: Sequence[FileDescriptor],
        targets: Mapping[str, str] | None = None,
        tls: MutualTls | ServerTls | None = None,
        verifier: Verifier | None = None,
        host: str = "127.0.0.1",
        metrics_port: int = 0,
        otlp_endpoint: str | None = None,
        trace_sample_ratio: float = 1.0,
        drain_seconds: float = 3.0,
        services: Collection[str] = (),
        operators: Collection[str] = (),
        client_interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
        server_interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        policy_file: Path | None = None,
        zone: str = "",
        adaptive_concurrency: bool = False,
        channelz: bool = False,
    ) -> None:
        """Prepares everything; nothing listens and nothing connects.

        Args:
            service: its name: on its certificate, in traces and in metrics.
            contract: descriptors of what it serves and of what it calls.
            targets: gRPC targets of the services that it calls, such as ``dns:///names:50052``, by name; or lists of them, each with the
                zone of its endpoints: ``dns:///names.a:50052;zone=a,dns:///names.b:50052;zone=b``.
            tls: of every connection; without it they are not secured. Methods with ``callers`` refuse everybody unless it is mutual.
            verifier: verifies tokens of users; without one no method may ask for a scope.
            host: address to listen on.
            metrics_port: of Prometheus' ``/metrics``; 0 takes any free one.
            otlp_endpoint: where spans are exported to by OTLP, such as ``http://collector:4317``; nowhere unless given.
            trace_sample_ratio: share of the traces that begin here which is recorded, 0 to 1; whoever calls decides for the others.
            drain_seconds: how long calls are still taken after the end is announced.
            services: names of all services of the mesh, so that a misspelt caller in the contract stops the start.
            operators: names of services, by their certificates, that may look at this process, tap its calls and change its policies by
                MeshService, without a token; unless given it is one called "gateway" with the token of an operator.
            client_interceptors: of grpc.aio; they see each attempt, as it goes on the wire.
            server_interceptors: of grpc.aio; they see each call that the mesh has let pass, directly before its handler.
            policy_file: rules that change policies, access and rates while the process runs (docs/mesh.md); looked at each second.
            zone: where this process runs; calls prefer endpoints there, as long as they are enough.
            adaptive_concurrency: calls under way are limited by how long calls take, for handlers that wait for what others do as well.
            channelz: what is served tells ``operators``, or tokens with ``mesh:read``, what gRPC's core knows of servers, channels and
                sockets, by the service of that name.

        Raises:
            PolicyError: the contract asks for what makes no sense.
            ConfigError: an argument makes no sense, or needs a package that is not installed; the message tells how to.
        """
        missing = _missing(tls=tls is not None, otlp=otlp_endpoint is not None, channelz=channelz)
        unfit = _no_interceptors({"client_interceptors": client_interceptors, "server_interceptors": server_interceptors})
        if problems := [*_problems(otlp_endpoint, trace_sample_ratio), *missing, *unfit]:
            raise ConfigError(problems)
        given: dict[str, Any] = {"host": host, "metrics_port": metrics_port, "otlp_endpoint": otlp_endpoint, "drain_seconds": drain_seconds}
        given |= _files_of(tls) | {"mesh_policy_file": policy_file, "trace_sample_ratio": trace_sample_ratio, "zone": zone}
        given |= {"adaptive_concurrency": adaptive_concurrency, "channelz": channelz}
        self._tls = tls
        self._settings = ProcessOptions(**given)
        self.service = service
        self._clock = SystemClock()
        self._plaintext = tls is None
        self._verifier = verifier or NoTokens()
        self._own = {**_own(operators), **(_channelz(operators) if channelz else {})}
        self._methods = contract_policies(contract, tokens=verifier is not None, services=services)
        self._telemetry = Telemetry(service=service, settings=self._settings)
        self.breakers = BreakerRegistry(clock=self._clock)
        self._mesh = Mesh(
            service=service,
            settings=self._settings,
            clock=self._clock,
            telemetry=self._telemetry,
            breakers=self.breakers,
            contract=self._own,
            methods=self._methods,
            targets=targets or {},
            plaintext=self._plaintext,
            server_tls=tls.trusted if isinstance(tls, ServerTls) else None,
            interceptors=client_interceptors,
        )
        self._server_interceptors = tuple(server_interceptors)
        self._servers: list[MeshServer] = []
        self._ends: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> Self:
        """Listens for scrapes, and checks that the targets can be dialled.

        Raises:
            OSError, ConfigError: a port is taken, a certificate cannot be read, or a target is none.
        """
        await self._telemetry.start()
        try:
            await self._mesh.start()
        except BaseException:
            await self._telemetry.stop()
            raise
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Drains what is served, then closes the channels."""
        del raised
        self._telemetry.set_ready(False)
        await asyncio.gather(*(server.stop() for server in self._servers))
        await self._mesh.stop()
        await self._telemetry.stop()

    def channel(self, service: str) -> MeshChannel:
        """The channel to ``service``; works with generated stubs.

        Raises:
            LookupError: there is no target for the service.
        """
        return self._mesh.channel(service)

    async def serve(self, *handlers: Handler, port: int = 0, checks: Mapping[str, Check] | None = None, limits: str = "") -> MeshServer:
        """Serves ``(add_XServicer_to_server, servicer)`` with health, reflection and the policies of the contract.

        Args:
            handlers: what is served; a method that a servicer leaves as generated code made it is answered UNIMPLEMENTED.
            port: where; 0 takes any free one.
            checks: what the service needs, by name; while one fails it reports NOT_SERVING.
            limits: calls of whoever it is in a time, by the rate class of their methods, such as "read=200/s,write=20/m"; methods whose
                contract names none are of the class "default". Rules of the policy file and of operators change them: "class-read".

        Raises:
            PolicyError: a method is not in the contract, or its handler is neither a coroutine function nor an asynchronous generator.
            PortInUse: the port is taken.
            ValueError: `ServerTls` names no certificate to show, or ``limits`` make no sense.
        """
        if isinstance(self._tls, ServerTls) and None in (self._tls.cert_file, self._tls.key_file):
            raise ValueError("tls: cert_file and key_file are needed to serve with TLS")
        server = MeshServer(
            service=self.service,
            settings=replace(self._settings, port=port),
            clock=self._clock,
            telemetry=self._telemetry,
            mesh=self._mesh,
            verifier=self._verifier,
            breakers=self.breakers,
            checks=checks or {},
            handlers=handlers,
            contract=self._own,
            methods=self._methods,
            plaintext=self._plaintext,
            mutual=isinstance(self._tls, MutualTls),
            interceptors=self._server_interceptors,
            limits=parse_limits(limits, known={method.rate_class for method in self._methods.values()}),
            incomplete=True,
        )
        await server.start()
        self._servers.append(server)
        self._ends.append(asyncio.ensure_future(server.wait()))  # not cancelled: gRPC would take it for the end of the server
        self._telemetry.set_ready(True)
        return server

    @property
    def metrics_url(self) -> str:
        """Where Prometheus finds this process."""
        return self._telemetry.metrics_url

    async def wait(self) -> None:
        """Returns at SIGTERM or SIGINT, or when a server has ended by itself.

        Raises:
            Exception: what ended it.
        """
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        for number in _SIGNALS:
            loop.add_signal_handler(number, asked.set)
        waiting = asyncio.ensure_future(asked.wait())
        try:
            done, _ = await asyncio.wait((waiting, *self._ends), return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            waiting.cancel()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
