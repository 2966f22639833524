"""The parts of the gateway and how they fit."""

from collections.abc import Mapping, Sequence
from functools import cache

from gateway.clients import MeshBrowserSessions, MeshEndedCredentials, MeshSignInProviders
from gateway.config import GatewaySettings
from gateway.contracts.mounts import Mounts, load_mounts
from gateway.contracts.serving import EndpointParts
from gateway.ended_credentials import EndedCredentialFeed
from gateway.http.endpoints import BodyRule, Endpoint
from gateway.ingress import Ingress
from gateway.limits import RedisLeases
from gateway.local_rpcs import LocalBackend
from gateway.open_streams import OpenStreams
from gateway.sessions import BrowserSessions, oidc_buttons, oidc_endpoints, session_endpoints
from gateway.spool import Forwarder
from gateway.transcoding.contract import Contract
from gateway.wiring.doors import BothDoors, door_certificate
from gateway.wiring.entrance import ingress_of
from gateway.wiring.kept import KeptCalls
from gateway.wiring.operations import health_of, mesh_admin
from gateway.wiring.runtime import Runtime
from tocsin.clock import Clock
from tocsin.lifecycle import App
from tocsin.mesh.client import Mesh
from tocsin.mesh.jwks import JwksSource
from tocsin.mesh.limits import LocalLeases, RateLimiter
from tocsin.mesh.policy import contract as descriptor_set
from tocsin.mesh.policy import policies
from tocsin.node import Node
from tocsin.protojson.converters import JsonCodec
from tocsin.redis import Redis

__all__ = ["SERVICES", "Runtime", "assemble", "build"]

SERVICES = ("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")


def build(settings: GatewaySettings, clock: Clock, *, jwks: JwksSource | None = None) -> App:
    """Puts the gateway together; nothing starts.

    Args:
        settings: of the gateway.
        clock: source of time.
        jwks: where the keys that verify tokens come from; auth_svc unless given.
    """
    own = _own_contract(settings.json_codec)
    mounts = load_mounts(settings, own=lambda: own)
    node = Node(settings=settings, clock=clock, jwks=jwks, methods=mounts.methods, foreign=mounts.services)
    return assemble(settings, clock, contract=own, services=SERVICES, runtime=Runtime.of(node), mounts=mounts)


@cache
def _own_contract(codec: JsonCodec) -> Contract:
    """Tocsin's own; it takes a third of a second to make, and nothing changes it."""
    return Contract(descriptor_set=descriptor_set().SerializeToString(), policies=policies(), codec=codec)


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
    mesh, telemetry = runtime.mesh, runtime.telemetry
    certificate = door_certificate(settings)
    redis = Redis.of(settings, clock=clock, registry=telemetry.registry)
    limiter = RateLimiter(shared=RedisLeases(redis=redis, clock=clock), local=LocalLeases(clock=clock), clock=clock)
    ingress = ingress_of(settings, clock, runtime=runtime, limiter=limiter)
    kept = KeptCalls(settings, clock, runtime=runtime, redis=redis)
    operations = mesh_admin(settings, clock, runtime=runtime, services=services)
    local = LocalBackend(operations=operations, admin=kept.admin, mesh=mesh, contract=contract, journal=runtime.journal, clock=clock)

    def failing() -> Mapping[str, str]:
        problems = certificate.problems() if certificate else {}
        return {**telemetry.backgrounds.failing, **runtime.journal.failing, **problems, **doors.contracts.problems()}

    sessions, pages = _browsers(settings, clock, mesh, ingress)
    parts = EndpointParts(
        settings=settings,
        clock=clock,
        local=local,
        mesh=mesh,
        spoolers=kept.spoolers,
        keys=kept.keys,
        open_streams=OpenStreams(),
        health=health_of(settings, clock, runtime=runtime, services=services, spool=kept.spool, failing=failing),
        own=pages,
    )
    doors = BothDoors(parts, contract=contract, mounts=mounts or Mounts(), ingress=ingress, sessions=sessions, certificate=certificate)
    forwarder = Forwarder(spool=kept.spool, unary=doors.backend.unary, clock=clock, registry=telemetry.registry)
    ended = _ended_feed(clock, runtime, ingress)
    components = (*runtime.components, redis, limiter, *ingress.components, ended, *kept.parts, forwarder, *kept.followers, *doors.parts)
    return App(name=settings.service_name, components=components, server=doors.edge, http=doors.http)


def _ended_feed(clock: Clock, runtime: Runtime, ingress: Ingress) -> EndedCredentialFeed:
    def tenants_seen(version: int) -> None:
        if runtime.tenants is not None:
            runtime.tenants.seen(version)

    watch = MeshEndedCredentials(mesh=runtime.mesh).watch
    return EndedCredentialFeed(watch=watch, end=ingress.end, change=ingress.change, tenants_seen=tenants_seen, clock=clock)


def _browsers(
    settings: GatewaySettings, clock: Clock, mesh: Mesh, ingress: Ingress
) -> tuple[BrowserSessions, Sequence[tuple[str, Endpoint]]]:
    """The sessions of browsers, and the pages that begin and end them."""
    keeper, others = MeshBrowserSessions(mesh=mesh), MeshSignInProviders(mesh=mesh)
    sessions = BrowserSessions(keeper=keeper, authenticator=ingress.authenticator, proxies=ingress.proxies, clock=clock)
    rule = BodyRule(timeout_seconds=settings.body_timeout_seconds)
    own = session_endpoints(sessions=sessions, keeper=keeper, rule=rule, buttons=oidc_buttons(others))
    return sessions, (*own, *oidc_endpoints(sessions=sessions, providers=others, rule=rule, ended=ingress.end_sessions))
