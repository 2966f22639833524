"""`MeshServer`: a service's gRPC server, with everything of the mesh around its handlers."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias, cast

import grpc

from tocsin.api.mesh.v1 import mesh_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.bulkhead import Bulkheads
from tocsin.mesh.call_queue import CallQueue
from tocsin.mesh.client import Mesh
from tocsin.mesh.faults import Faults
from tocsin.mesh.gradient import GradientLimit
from tocsin.mesh.health import Check, HealthMonitor, HealthServicer, working
from tocsin.mesh.identity import Identity, Keyring
from tocsin.mesh.limits import LimitRule, LocalLeases, RateLimiter
from tocsin.mesh.live_policy import LivePolicies
from tocsin.mesh.mesh_service import MeshServicer, Start
from tocsin.mesh.metrics import ServerMetrics, export_breakers, export_bulkheads
from tocsin.mesh.options import MeshOptions
from tocsin.mesh.policy import MethodKind, MethodPolicy, policies
from tocsin.mesh.policy_sources import with_channelz
from tocsin.mesh.principal import Verifier
from tocsin.mesh.rates import class_rates
from tocsin.mesh.server.acceptor import AcceptingServer, Gate
from tocsin.mesh.server.binding import bind, server_options
from tocsin.mesh.server.carriers import CarriedService, Carriers
from tocsin.mesh.server.methods import Registrar, RpcHandler, answered, compile_handlers
from tocsin.mesh.server.parts import CallJournal, MethodChain, ServerParts, TenantGate
from tocsin.mesh.server.reflection import add_reflection
from tocsin.mesh.shedding import Shedder
from tocsin.mesh.tap import Tap
from tocsin.mesh.validation import shared_validator
from tocsin.telemetry import Telemetry, get_logger

_log = get_logger(__name__)

Handler: TypeAlias = tuple[Callable[[Any, grpc.aio.Server], None], object]
"""``(add_XServicer_to_server, servicer)``."""

_LEAST_UNDER_WAY = 20
"""Calls that are never too many, when their number follows how long they take; what Netflix's library begins with."""

OnDrain: TypeAlias = Callable[[], Awaitable[None] | None]


class MeshServer:
    """A gRPC server that demands client certificates and enforces the contract's policy.

    ``health`` is what it says about itself, ``tap`` where its calls can be looked at. Handlers are compiled when it is made: an incomplete
    policy stops the process early.
    """

    def __init__(
        self,
        *,
        service: str,
        settings: MeshOptions,
        clock: Clock,
        telemetry: Telemetry,
        mesh: Mesh | None,
        verifier: Verifier,
        breakers: BreakerRegistry,
        checks: Mapping[str, Check],
        handlers: Sequence[Handler],
        contract: Mapping[str, MethodPolicy] | None = None,
        methods: Mapping[str, MethodPolicy] | None = None,
        tenants: TenantGate | None = None,
        journal: CallJournal | None = None,
        stored: Callable[[], Mapping[str, int]] = dict,
        plaintext: bool = False,
        mutual: bool = True,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        limits: Mapping[str, LimitRule] | None = None,
        incomplete: bool = False,
    ) -> None:
        """Compiles the handlers; nothing listens before `start`.

        Args:
            service: the service's name, as on its certificate.
            settings: where to listen, bounds, certificates.
            clock: source of time for health.
            telemetry: spans and metrics.
            mesh: the process's client side, if it has one; it uses the same breakers.
            verifier: verifies users' tokens.
            breakers: shown and reset by MeshService.
            checks: what the service needs, by name.
            handlers: the services; MeshService, health and reflection come by themselves.
            contract: the policies of the mesh's contract; that of Tocsin unless given.
            methods: policies beyond those of the contract.
            tenants: says which tenants may work; all unless given.
            journal: is told of the calls that the audit log is to know.
            stored: bytes of tenants with a quota of them, that this service keeps.
            plaintext: no TLS, so that methods with callers refuse everyone.
            mutual: with TLS, clients must show a certificate; without, methods with callers refuse everyone.
            interceptors: of grpc.aio, around the handlers; see `tocsin.mesh.server.interceptors`.
            limits: of calls by rate class, for a service without a door before it; none unless given.
            incomplete: methods that a servicer does not implement are answered UNIMPLEMENTED, instead of stopping the start.

        Raises:
            PolicyError: a method has no complete policy or no handler.
        """
        self._settings, self._mesh = settings, mesh
        identity = Identity.of(settings, service=service)
        self._keyring = None if plaintext else Keyring(identity, mutual=mutual)
        own = {} if self._keyring is None else {"certificate": self._keyring.check}
        known = with_channelz(settings, {**(policies() if contract is None else contract), **(methods or {})})
        self._policies = mesh.policies if mesh is not None else LivePolicies(caller=service, known=lambda: known, file=None, clock=clock)
        self._policies.rates.build(class_rates(limits or {}))
        if self._policies.file is not None:
            own["policy"] = self._policies.check
        self.health = HealthMonitor(checks={**checks, **own, "background": working(telemetry.backgrounds)}, clock=clock)
        export_breakers(telemetry.registry, breakers)
        self.tap = Tap(clock)
        parts = _parts(settings, clock=clock, identity=identity, verifier=verifier, telemetry=telemetry, tenants=tenants, tap=self.tap)
        parts.journal, parts.interceptors = journal, interceptors
        parts.scopes = frozenset(policy.scope for policy in known.values() if policy.scope)
        servicer = MeshServicer(
            start=Start.of(service, clock),
            health=self.health,
            breakers=breakers,
            faults=parts.faults,
            durations=lambda: chain(parts.metrics.all, mesh.durations if mesh else ()),
            stored=stored,
            clock=clock,
            tap=parts.tap,
            expiry=None if self._keyring is None else self._keyring.expiry,
            policies=self._policies,
            endpoints=mesh.called_endpoints if mesh else tuple,
        )
        own_handlers = [(mesh_service_pb2_grpc.add_MeshServiceServicer_to_server, servicer), *_channelz(settings)]
        served = _registered([*handlers, *own_handlers], incomplete=incomplete)
        self._handlers = compile_handlers(served, methods=known, parts=parts)
        self._chains, self._carriers = parts.chains, self._make_carriers(known, parts.chains)
        self._policies.on_change(self._adopt)
        self._adopt()
        self._grace = min(settings.grace_seconds, _longest_call(known[path] for path in self._handlers))
        self._on_drain: list[OnDrain] = []
        self._server: AcceptingServer | None = None
        self._unknown = self._port = 0
        parts.metrics.count_unknown(lambda: self._unknown + (self._server.unknown if self._server else 0))
        self._health_servicer: HealthServicer | None = None

    def _make_carriers(self, known: Mapping[str, MethodPolicy], chains: Iterable[MethodChain]) -> Carriers:
        gates = _gates(chains)
        rides = {path: handler for path, handler in self._handlers.items() if known[path].carried and self._settings.carriers}
        return Carriers(
            {path: CarriedService(gates.get(path), handler.unary_unary) for path, handler in rides.items() if handler.unary_unary},
            stall_seconds=self._settings.stream_stall_seconds,
            age_seconds=self._settings.connection_age_seconds,
        )

    def _adopt(self) -> None:
        for each in self._chains:
            each.adopt(self._policies)

    @property
    def port(self) -> int:
        """The port; real once started."""
        return self._port

    @property
    def address(self) -> str:
        """``host:port``; real once started."""
        return f"{self._settings.host}:{self._port}"

    @property
    def services(self) -> list[str]:
        """Full names of the services that are served."""
        return sorted({path.split("/")[1] for path in self._handlers})

    def on_drain(self, callback: OnDrain) -> None:
        """Calls ``callback`` when the server begins to drain, so that long streams can tell their clients to move on."""
        self._on_drain.append(callback)

    async def start(self) -> None:
        """Listens, and reports SERVING if the checks allow it.

        Raises:
            PortInUse: the port is taken.
            OSError, ConfigError: a certificate or key cannot be read.
        """
        if self._server is not None:
            return
        credentials = self._keyring.server_credentials() if self._keyring else None
        server = AcceptingServer(options=server_options(self._settings), gates=_gates(self._chains))
        health = HealthServicer()
        server.add_handlers(self._handlers)
        self._carriers.add_to(server)
        health.add_to(server)
        add_reflection(server, self.services)
        self._port = bind(server, settings=self._settings, port=self._settings.port, setting="port", credentials=credentials)
        await self.health.start(health, self.services)
        await server.start()
        self._server, self._health_servicer = server, health

    async def wait(self) -> None:
        """Returns when the server that runs now takes no more calls.

        Raises:
            Exception: what ended it, when nobody stopped it; then the process is of no more use.
        """
        if self._server is not None:
            await self._server.wait_for_termination()

    async def stop(self) -> None:
        """Drains: reports NOT_SERVING, lets callers move on, then ends.

        Calls are served during the lame duck and get a grace period after it, the longest timeout of a unary method at most.
        """
        server, self._server = self._server, None
        health, self._health_servicer = self._health_servicer, None
        if server is None or health is None:
            return
        self._unknown += server.unknown
        self.health.drain(health)
        self._carriers.drain()
        for callback in self._on_drain:
            await _call(callback)
        # The time on the wire is real time: clients need it whatever clock the service lives by.
        await asyncio.sleep(self._settings.drain_seconds)
        await self.health.stop()
        self._carriers.stop()
        stopping = asyncio.ensure_future(server.stop(self._grace))
        await asyncio.sleep(0)
        health.close()
        await stopping


def _parts(
    settings: MeshOptions,
    *,
    clock: Clock,
    identity: Identity,
    verifier: Verifier,
    telemetry: Telemetry,
    tenants: TenantGate | None,
    tap: Tap,
) -> ServerParts:
    parts = ServerParts(
        identity=identity,
        verifier=verifier,
        validator=shared_validator(),
        telemetry=telemetry,
        metrics=ServerMetrics(telemetry.registry),
        shedder=Shedder(lag=lambda: telemetry.lag.seconds, threshold=settings.shed_lag_seconds, now=time.monotonic),
        queue=CallQueue(patience=2 * settings.shed_lag_seconds, now=time.monotonic, limit=_limit(settings)),
        faults=Faults(enabled=settings.faults_enabled),
        bulkheads=Bulkheads(settings),
        limiter=RateLimiter(shared=None, local=LocalLeases(clock=clock), clock=clock),
        max_message_bytes=settings.max_message_bytes,
        stall_seconds=settings.stream_stall_seconds,
        tap=tap,
        tenants=tenants,
    )
    parts.metrics.watch(parts.shedder, parts.queue, parts.faults)
    export_bulkheads(telemetry.registry, parts.bulkheads)
    return parts


def _gates(chains: Iterable[MethodChain]) -> Mapping[str, Gate]:
    return {each.path: gate for each in chains if (gate := each.gate) is not None}


def _limit(settings: MeshOptions) -> GradientLimit | None:
    return GradientLimit(least=_LEAST_UNDER_WAY) if settings.adaptive_concurrency else None


def _channelz(settings: MeshOptions) -> Sequence[Handler]:
    if not settings.channelz:
        return ()
    from tocsin.mesh.channelz import Channelz, add_channelz  # comes with an extra

    return ((add_channelz, Channelz()),)


def _registered(handlers: Sequence[Handler], *, incomplete: bool) -> dict[str, RpcHandler]:
    registrar = Registrar()
    for add, servicer in handlers:
        add(servicer, cast("grpc.aio.Server", registrar))
    served = registrar.handlers
    return {path: answered(path, handler) for path, handler in served.items()} if incomplete else served


def _longest_call(methods: Iterable[MethodPolicy]) -> float:
    """Seconds that a unary call may take at most."""
    return max(method.timeout for method in methods if method.kind is MethodKind.UNARY_UNARY)


async def _call(callback: OnDrain) -> None:
    try:
        result = callback()
        if inspect.isawaitable(result):
            await result
    except Exception as error:  # noqa: BLE001 - one stream that cannot be told must not keep the server from stopping
        _log.error("drain callback failed", exc_info=error)
