"""The parts of the gateway and how they fit."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.access_log import AccessLog
from gateway.certificate import DoorCertificate
from gateway.clients import MeshBrowserSessions, MeshKeyExchange, MeshSignInProviders, MeshStatusSource, MeshStreamTokenExchange
from gateway.config import GatewaySettings
from gateway.contracts.health import ForeignStatusSource
from gateway.contracts.mounts import Mounts, contract_files, load_mounts
from gateway.contracts.reload import ContractReload
from gateway.contracts.serving import ContractPlan, EndpointParts, Serving
from gateway.credential_watch import CredentialWatch
from gateway.credentials import Authenticator
from gateway.domain import SpoolStatus
from gateway.edge import Edge, EdgeHandlers
from gateway.edge_connections import EdgeConnectionRule, EdgeConnections
from gateway.http.app import HttpApp
from gateway.http.connections import ConnectionRule, Connections
from gateway.http.cors import Cors
from gateway.http.endpoints import BodyRule
from gateway.http.server import HttpOptions, HttpServer
from gateway.idempotency import IdempotentCalls, KeyBounds, SharedKeys
from gateway.ingress import Ingress
from gateway.limits import DoorLimits, LocalLeases, RateLimiter, RedisLeases
from gateway.local_rpcs import LocalBackend
from gateway.mesh_admin import MeshAdmin
from gateway.metrics import ConnectionMetrics, EdgeConnectionMetrics, KeyMetrics, LimitMetrics
from gateway.open_streams import OpenStreams
from gateway.ports import Spooler
from gateway.service import HealthService
from gateway.sessions import BrowserSessions, oidc_buttons, oidc_endpoints, session_endpoints
from gateway.spool import (
    OWNERS,
    CallSpooler,
    Forwarder,
    IdempotencyStore,
    Spool,
    SpoolAdmin,
    SpoolFile,
    SpoolRule,
    SpoolStore,
    SpoolTakeover,
    SpoolUse,
    metadata,
    spoolable_methods,
)
from gateway.stream_tokens import StreamTokenDoor
from gateway.transcoding.contract import Contract
from gateway.trusted_proxies import TrustedProxies
from tocsin.alerts import Alerts
from tocsin.audit_log.journal import AuditJournal
from tocsin.clock import Clock
from tocsin.database import TenantRows
from tocsin.installation_key import InstallationKey
from tocsin.lifecycle import App, Component
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.bulkhead import Bulkheads
from tocsin.mesh.client import Mesh
from tocsin.mesh.faults import Faults
from tocsin.mesh.health import HealthMonitor
from tocsin.mesh.jwks import JwksSource
from tocsin.mesh.mesh_service import MeshServicer, Start
from tocsin.mesh.metrics import export_bulkheads
from tocsin.mesh.policy import PACKAGE
from tocsin.mesh.policy import contract as descriptor_set
from tocsin.mesh.tokens import TokenVerifier
from tocsin.node import Node
from tocsin.redis import Redis
from tocsin.sealing import Sealer
from tocsin.telemetry import Telemetry

_LONGEST_HOST = 60
SERVICES = ("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")


def build(settings: GatewaySettings, clock: Clock, *, jwks: JwksSource | None = None) -> App:
    """Puts the gateway together; nothing starts.

    Args:
        settings: of the gateway.
        clock: source of time.
        jwks: where the keys that verify tokens come from; auth_svc unless given.
    """
    raw = descriptor_set().SerializeToString()
    own = Contract(descriptor_set=raw, package=PACKAGE, codec=settings.json_codec)
    mounts = load_mounts(settings, own=lambda: own)
    node = Node(settings=settings, clock=clock, jwks=jwks, methods=mounts.methods, foreign=mounts.services)
    runtime = Runtime(
        telemetry=node.telemetry,
        mesh=node.mesh,
        breakers=node.breakers,
        verifier=node.verifier,
        alerts=node.alerts,
        journal=node.journal,
        components=node.components,
        purger=node.purger,
    )
    return assemble(settings, clock, contract=own, services=SERVICES, runtime=runtime, mounts=mounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What the gateway takes from the runtime; ``components`` are started first, ``purger`` makes what ends tenants."""

    telemetry: Telemetry
    mesh: Mesh
    breakers: BreakerRegistry
    verifier: TokenVerifier
    alerts: Alerts
    journal: AuditJournal
    components: Sequence[Component]
    purger: Callable[..., Component] | None = None


def assemble(
    settings: GatewaySettings,
    clock: Clock,
    *,
    contract: Contract,
    services: Sequence[str],
    runtime: Runtime,
    mounts: Mounts | None = None,
) -> App:
    """The gateway of ``contract`` in front of ``services``, and of what ``mounts`` holds beside it until their files change."""
    telemetry, mesh, breakers = runtime.telemetry, runtime.mesh, runtime.breakers
    certificate = _certificate(settings)
    file = SpoolFile(path=settings.spool_file, clock=clock)
    spool = Spool(store=SpoolStore(file), rule=_spool_rule(settings), clock=clock)
    operations = _mesh_admin(settings, clock, mesh=mesh, breakers=breakers, services=services)
    local = LocalBackend(operations=operations, admin=SpoolAdmin(spool=spool, file=file), mesh=mesh, journal=runtime.journal, clock=clock)
    health = HealthService(
        source=MeshStatusSource(mesh=mesh, breakers=breakers, timeout_seconds=settings.health_timeout_seconds),
        services=services,
        clock=clock,
        max_age_seconds=settings.health_cache_seconds,
        spooled=lambda: _spooled(spool),
        failing=lambda: {
            **telemetry.backgrounds.failing,
            **runtime.journal.failing,
            **(certificate.problems() if certificate else {}),
            **contracts.problems(),
        },
        foreign=ForeignStatusSource(mesh=mesh, timeout_seconds=settings.health_timeout_seconds).views,
    )
    redis = Redis.of(settings, clock=clock)
    limiter = RateLimiter(shared=RedisLeases(redis=redis, clock=clock), local=LocalLeases(clock=clock), clock=clock)
    ingress = _ingress(settings, clock, runtime=runtime, limits=_limits(settings, limiter, telemetry))
    keys = _keys(settings, clock, store=IdempotencyStore(file), redis=redis, telemetry=telemetry)
    keeper, others = MeshBrowserSessions(mesh=mesh), MeshSignInProviders(mesh=mesh)
    sessions = BrowserSessions(keeper=keeper, authenticator=ingress.authenticator, proxies=ingress.proxies, clock=clock)
    open_streams = OpenStreams()
    spoolers: dict[str, Spooler] = {
        path: CallSpooler(path=path, method=method, spool=spool, clock=clock) for path, method in spoolable_methods(clock).items()
    }
    rule = BodyRule(timeout_seconds=settings.body_timeout_seconds)
    own = session_endpoints(sessions=sessions, keeper=keeper, rule=rule, buttons=oidc_buttons(others))
    own = (*own, *oidc_endpoints(sessions=sessions, providers=others))
    parts = EndpointParts(
        settings=settings,
        clock=clock,
        local=local,
        mesh=mesh,
        spoolers=spoolers,
        keys=keys,
        open_streams=open_streams,
        health=health,
        own=own,
    )
    serving = Serving(own=contract, parts=parts)
    served = serving.serve(serving.plan(mounts or Mounts()))
    cors = Cors(origins=settings.cors_allow_origins)
    app = HttpApp(
        routes=served.routes, sockets=served.sockets, cors=cors, max_body_bytes=settings.max_body_bytes, ingress=ingress, sessions=sessions
    )
    rpcs = EdgeHandlers(stall_seconds=settings.stream_stall_seconds, ingress=ingress, keys=keys)
    rpcs.serve(served.contract.rpcs(), backend=served.backend, passes=served.passes)
    edge = Edge(
        contract=served.contract, handlers=rpcs, settings=settings, clock=clock, certificate=certificate, options=_edge_bounds(settings)
    )
    contracts = _reload(settings, clock, serving=serving, mesh=mesh, app=app, rpcs=rpcs, edge=edge, mounts=mounts or Mounts())
    connections = EdgeConnections(
        port=lambda: edge.port,
        rule=EdgeConnectionRule(of_one_address=settings.grpc_address_connections, exempt=ingress.proxies.is_proxy),
        metrics=EdgeConnectionMetrics(telemetry.registry),
        clock=clock,
    )
    takeover = SpoolTakeover(file=file, spool=spool, keys=keys, clock=clock)
    ends = _ends(runtime, file, spool, keys)
    forwarder = Forwarder(spool=spool, unary=served.backend.unary, clock=clock, registry=telemetry.registry)
    return App(
        name=settings.service_name,
        components=(
            *runtime.components,
            redis,
            limiter,
            *ingress.components,
            file,
            keys,
            spool,
            forwarder,
            takeover,
            contracts,
            connections,
            *ends,
        ),
        server=edge,
        http=_http_server(settings, app, open_streams, ingress, certificate),
    )


def _ends(runtime: Runtime, file: SpoolFile, spool: Spool, keys: IdempotentCalls) -> Sequence[Component]:
    """What removes everything of tenants that are deleted: each gateway has a file of its own."""
    if runtime.purger is None:
        return ()
    rows = TenantRows(metadata=metadata, owners=OWNERS, database=lambda: file.database)
    host = platform.node()[:_LONGEST_HOST]
    return (runtime.purger(rows, place=lambda: f"{host}/{file.place}", elsewhere=(keys.forget_tenant, spool.forget_tenant)),)


def _reload(
    settings: GatewaySettings,
    clock: Clock,
    *,
    serving: Serving,
    mesh: Mesh,
    app: HttpApp,
    rpcs: EdgeHandlers,
    edge: Edge,
    mounts: Mounts,
) -> ContractReload:
    """What serves contracts of other teams anew when their files change."""
    before = mounts

    async def apply(plan: ContractPlan) -> None:
        nonlocal before
        methods = plan.mounts.methods
        await mesh.replace_foreign(plan.mounts.services, methods=methods, gone=before.methods.keys() - methods.keys())
        before = plan.mounts
        served = serving.serve(plan)
        app.serve(served.routes, served.sockets)
        rpcs.serve(served.contract.rpcs(), backend=served.backend, passes=served.passes)
        await edge.replace(served.contract)

    files = contract_files(settings)
    return ContractReload(files=files, load=lambda: serving.plan(load_mounts(settings, own=lambda: serving.own)), apply=apply, clock=clock)


def _mesh_admin(settings: GatewaySettings, clock: Clock, *, mesh: Mesh, breakers: BreakerRegistry, services: Sequence[str]) -> MeshAdmin:
    own = _own_status(settings, clock, mesh=mesh, breakers=breakers)
    return MeshAdmin(mesh=mesh, own=own, services=services, clock=clock, timeout_seconds=settings.health_timeout_seconds)


def _ingress(settings: GatewaySettings, clock: Clock, *, runtime: Runtime, limits: DoorLimits) -> Ingress:
    bulkheads = Bulkheads(settings)
    export_bulkheads(runtime.telemetry.registry, bulkheads)
    authenticator = Authenticator(
        verifier=runtime.verifier,
        keys=MeshKeyExchange(mesh=runtime.mesh),
        sessions=MeshBrowserSessions(mesh=runtime.mesh),
        clock=clock,
        rule=settings.key_cache_rule(settings.api_key_cache_seconds),
        session_rule=settings.key_cache_rule(settings.session_cache_seconds),
    )
    return Ingress(
        authenticator=authenticator,
        telemetry=runtime.telemetry,
        clock=clock,
        access_log=_access_log(settings, clock),
        limits=limits,
        bulkheads=bulkheads,
        stream_tokens=StreamTokenDoor(exchange=MeshStreamTokenExchange(mesh=runtime.mesh)),
        alerts=runtime.alerts,
        proxies=TrustedProxies(networks=settings.trusted_proxies, header=settings.forwarded_header),
        credential_watch=CredentialWatch(authenticator=authenticator, clock=clock),
        journal=runtime.journal,
    )


def _limits(settings: GatewaySettings, limiter: RateLimiter, telemetry: Telemetry) -> DoorLimits:
    metrics = LimitMetrics(telemetry.registry, alone=lambda: limiter.is_alone)
    return DoorLimits(limiter=limiter, tenants=settings.tenant_limits, addresses=settings.address_limits, metrics=metrics)


def _keys(settings: GatewaySettings, clock: Clock, *, store: IdempotencyStore, redis: Redis, telemetry: Telemetry) -> IdempotentCalls:
    return IdempotentCalls(
        store=store,
        shared=SharedKeys(redis, clock=clock),
        sealer=Sealer(lambda: InstallationKey.of(settings).derive("answers to requests with an idempotency key")),
        bounds=KeyBounds(
            keys=settings.idempotency_limit, tenant_keys=settings.idempotency_tenant_limit, size=settings.idempotency_max_bytes
        ),
        clock=clock,
        metrics=KeyMetrics(telemetry.registry),
    )


def _spool_rule(settings: GatewaySettings) -> SpoolRule:
    return SpoolRule(
        all=SpoolUse(settings.spool_limit, settings.spool_max_bytes),
        tenant=SpoolUse(settings.spool_tenant_limit, settings.spool_tenant_max_bytes),
        anonymous=settings.spool_stranger_limit,
        address=settings.spool_address_limit,
    )


def _spooled(spool: Spool) -> SpoolStatus:
    state = spool.state
    return SpoolStatus(waiting=state.waiting.calls, bytes=state.waiting.bytes, age_seconds=state.age, set_aside=state.set_aside.calls)


def _own_status(settings: GatewaySettings, clock: Clock, *, mesh: Mesh, breakers: BreakerRegistry) -> MeshServicer:
    """What the gateway says about itself: it depends on nothing, and takes no faults."""
    return MeshServicer(
        start=Start.of(settings.service_name, clock),
        health=HealthMonitor(checks={}, clock=clock),
        breakers=breakers,
        faults=Faults(enabled=False),
        durations=lambda: mesh.durations,
    )


def _certificate(settings: GatewaySettings) -> DoorCertificate | None:
    if settings.public_tls_cert_file is None or settings.public_tls_key_file is None:
        return None
    return DoorCertificate(cert_file=settings.public_tls_cert_file, key_file=settings.public_tls_key_file)


def _http_server(
    settings: GatewaySettings, app: HttpApp, open_streams: OpenStreams, ingress: Ingress, certificate: DoorCertificate | None
) -> HttpServer:
    rule = ConnectionRule(
        most=settings.http_connections,
        of_one_address=settings.http_address_connections,
        head_seconds=settings.http_head_seconds,
        exempt=ingress.proxies.is_proxy,
    )
    options = HttpOptions(
        host=settings.host,
        port=settings.http_port,
        keep_alive_seconds=settings.http_keep_alive_seconds,
        drain_seconds=settings.drain_seconds,
        grace_seconds=settings.grace_seconds,
        backlog=settings.http_backlog,
        stall_seconds=settings.stream_stall_seconds,
        connections=Connections(rule=rule, metrics=ConnectionMetrics(ingress.telemetry.registry)),
        tls=certificate.server_context() if certificate else None,
        heartbeat_seconds=settings.stream_heartbeat_seconds,
        max_message_bytes=settings.max_body_bytes,
    )
    return HttpServer(app=app, open_streams=open_streams, options=options)


def _edge_bounds(settings: GatewaySettings) -> list[tuple[str, int]]:
    """The bounds of connections that gRPC's core keeps itself."""
    return [
        ("grpc.max_allowed_incoming_connections", settings.grpc_connections),
        ("grpc.max_connection_idle_ms", int(settings.grpc_idle_seconds * 1000)),
        ("grpc.server_handshake_timeout_ms", int(settings.http_head_seconds * 1000)),
    ]


def _access_log(settings: GatewaySettings, clock: Clock) -> AccessLog:
    return AccessLog(
        service=settings.service_name,
        clock=clock,
        enabled=settings.access_log and settings.log_level in ("debug", "info"),
        as_json=settings.log_format == "json",
    )
