"""What leads where: the routers of the HTTP server and of its WebSockets."""

from collections.abc import Mapping, Sequence

from gateway.config import GatewaySettings
from gateway.contracts.endpoints import MountedEndpoint
from gateway.contracts.mounts import Mounts
from gateway.handlers import pages
from gateway.http.endpoints import BodyRule, Endpoint, SpooledEndpoint, StreamEndpoint, UnaryEndpoint
from gateway.http.rpc_endpoint import WebRpcEndpoint
from gateway.http.streams import StreamRule
from gateway.http.uploads import UploadEndpoint
from gateway.http.websocket import WebSocketEndpoint
from gateway.idempotency import IdempotentCalls
from gateway.open_streams import OpenStreams
from gateway.openapi.document import build_document
from gateway.ports import Backend, Spooler
from gateway.service import HealthService
from gateway.transcoding.contract import Contract
from gateway.transcoding.router import Router
from gateway.transcoding.routes import Route
from gateway.transcoding.template import parse
from tocsin.clock import Clock


def build_endpoints(
    *,
    contract: Contract,
    table: list[Route],
    backend: Backend,
    spoolers: Mapping[str, Spooler],
    keys: IdempotentCalls,
    health: HealthService,
    settings: GatewaySettings,
    clock: Clock,
    open_streams: OpenStreams,
    mounts: Mounts,
    own: Sequence[tuple[str, Endpoint]],
) -> Router[Endpoint]:
    """The router of everything that the HTTP server answers: the routes of the contract and the gateway's own pages."""
    body = BodyRule(timeout_seconds=settings.body_timeout_seconds)
    streams = StreamRule(hold_seconds=settings.stream_hold_seconds, heartbeat_seconds=settings.stream_heartbeat_seconds)
    shown = pages(health=health, document=build_document(contract=contract, routes=table))

    def endpoint(route: Route) -> Endpoint:
        if route.uploads:
            return UploadEndpoint(
                route=route,
                backend=backend,
                rule=body,
                clock=clock,
                streams=streams,
                open_streams=open_streams,
                max_line_bytes=settings.max_body_bytes,
            )
        if route.streams:
            return StreamEndpoint(route=route, backend=backend, rule=body, clock=clock, streams=streams, open_streams=open_streams)
        if (spooler := spoolers.get(route.rpc.path)) is not None:
            return SpooledEndpoint(route=route, backend=backend, rule=body, keys=keys, spooler=spooler)
        return UnaryEndpoint(route=route, backend=backend, rule=body, keys=keys)

    rpcs = [
        WebRpcEndpoint(
            rpc=rpc, contract=contract, backend=backend, rule=body, keys=keys, open_streams=open_streams, most=settings.max_body_bytes
        )
        for rpc in contract.rpcs()
    ]
    return Router(
        [
            *((method, parse(rpc.template), _mounted(rpc.template, rpc, mounts)) for rpc in rpcs for method in rpc.methods),
            *((route.http_method, route.template, _mounted(route.rpc.path, endpoint(route), mounts)) for route in table),
            *((method, parse(made.template), made) for method, made in (*shown, *own)),
        ]
    )


def _mounted(path: str, made: Endpoint, mounts: Mounts) -> Endpoint:
    mount = mounts.by_path.get(path)
    return made if mount is None else MountedEndpoint(made, mount)


def build_sockets(
    table: list[Route], *, backend: Backend, settings: GatewaySettings, open_streams: OpenStreams, mounts: Mounts
) -> Router[Endpoint]:
    """The router of the WebSockets: of every RPC that streams, at the paths that it has over REST; the first of several that share one."""
    body = BodyRule(timeout_seconds=settings.body_timeout_seconds)
    found: dict[tuple[object, ...], Route] = {}
    for route in table:
        if route.streams or route.uploads:
            found.setdefault(route.template.shape, route)
    return Router(
        (
            "GET",
            route.template,
            _mounted(route.rpc.path, WebSocketEndpoint(route=route, backend=backend, rule=body, open_streams=open_streams), mounts),
        )
        for route in found.values()
    )
