"""What both doors serve: made once for Tocsin's own contract, and anew for those of other teams when they change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.config import GatewaySettings
from gateway.contracts.backend import MountedBackend
from gateway.contracts.endpoints import MountedEndpoint
from gateway.contracts.mounts import Mounts
from gateway.handlers import pages
from gateway.http.endpoints import BodyRule, Endpoint, PageEndpoint, SpooledEndpoint, StreamEndpoint, UnaryEndpoint
from gateway.http.rpc_endpoint import WebRpcEndpoint
from gateway.http.streams import StreamRule
from gateway.http.uploads import UploadEndpoint
from gateway.http.websocket import WebSocketEndpoint
from gateway.idempotency import IdempotentCalls
from gateway.local_rpcs import LocalBackend
from gateway.open_streams import OpenStreams
from gateway.openapi.document import build_document
from gateway.ports import Backend, Spooler
from gateway.service import HealthService
from gateway.transcoding.contract import Contract, Rpc
from gateway.transcoding.router import Router
from gateway.transcoding.routes import Route, build_routes
from gateway.transcoding.template import PathTemplate, parse
from tocsin.clock import Clock
from tocsin.mesh.client import Mesh

_Entry = tuple[str, PathTemplate, Endpoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractPlan:
    """What is known of the contracts before anything is made that calls: everything that takes long.

    Attributes:
        mounts: of other teams.
        contract: Tocsin's, with theirs beside it.
        table: the routes of all.
        pages: the gateway's own, of which the document shows all.
    """

    mounts: Mounts
    contract: Contract
    table: Sequence[Route]
    pages: Sequence[tuple[str, PageEndpoint]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorRoutes:
    """What both doors serve at one time.

    Attributes:
        contract: of all.
        backend: where the edge's calls go.
        routes: of the HTTP server.
        sockets: of WebSockets.
        passes: metadata that is passed on to services outside of the mesh, by path.
    """

    contract: Contract
    backend: MountedBackend
    routes: Router[Endpoint]
    sockets: Router[Endpoint]
    passes: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointParts:
    """What endpoints are made of; ``own`` are those of the gateway that no contract names, beside its pages."""

    settings: GatewaySettings
    clock: Clock
    local: LocalBackend
    mesh: Mesh
    spoolers: Mapping[str, Spooler]
    keys: IdempotentCalls
    open_streams: OpenStreams
    health: HealthService
    own: Sequence[tuple[str, Endpoint]]


class Serving:
    """Makes what is served."""

    def __init__(self, *, own: Contract, parts: EndpointParts) -> None:
        """Takes Tocsin's contract, and what endpoints are made of."""
        self.own = own.beside(())
        self._parts = parts
        self._body = BodyRule(timeout_seconds=parts.settings.body_timeout_seconds)
        self._table = build_routes(self.own)
        backend = MountedBackend(own=parts.local, mesh=parts.mesh, mounts={})
        self._entries = self._endpoints(self.own, self._table, backend, Mounts())
        self._sockets = self._streaming(self._table, backend, Mounts())

    def plan(self, mounts: Mounts) -> ContractPlan:
        """Everything that takes long; may run in a thread of its own.

        Raises:
            TemplateError: a route of theirs cannot be.
        """
        contract = self.own.beside(mounts.contracts)
        table = [*self._table, *(route for each in mounts.contracts for route in build_routes(each))]
        document = build_document(contract=contract, routes=table)
        return ContractPlan(mounts=mounts, contract=contract, table=table, pages=pages(health=self._parts.health, document=document))

    def serve(self, plan: ContractPlan) -> DoorRoutes:
        """The endpoints of a plan, whose services the mesh knows."""
        backend = MountedBackend(own=self._parts.local, mesh=self._parts.mesh, mounts=plan.mounts.by_path)
        theirs = plan.table[len(self._table) :]
        entries = [entry for mount in plan.mounts.all for entry in self._endpoints(mount.contract, (), backend, plan.mounts)]
        entries += self._routed(theirs, backend, plan.mounts)
        own_pages = [(method, parse(page.template), page) for method, page in (*plan.pages, *self._parts.own)]
        return DoorRoutes(
            contract=plan.contract,
            backend=backend,
            routes=Router([*self._entries, *entries, *own_pages]),
            sockets=Router([*self._sockets, *self._streaming(theirs, backend, plan.mounts)]),
            passes={path: mount.request_headers for path, mount in plan.mounts.by_path.items()},
        )

    def _endpoints(self, contract: Contract, table: Sequence[Route], backend: Backend, mounts: Mounts) -> list[_Entry]:
        """Those of a contract's RPCs by Connect and gRPC-Web, and those of ``table``."""
        rpcs = [self._rpc(contract, rpc, backend) for rpc in contract.rpcs()]
        return [
            *((method, parse(rpc.template), _mounted(rpc.template, rpc, mounts)) for rpc in rpcs for method in rpc.methods),
            *self._routed(table, backend, mounts),
        ]

    def _rpc(self, contract: Contract, rpc: Rpc, backend: Backend) -> WebRpcEndpoint:
        parts = self._parts
        return WebRpcEndpoint(
            rpc=rpc,
            contract=contract,
            backend=backend,
            rule=self._body,
            keys=parts.keys,
            open_streams=parts.open_streams,
            most=parts.settings.max_body_bytes,
        )

    def _routed(self, table: Sequence[Route], backend: Backend, mounts: Mounts) -> list[_Entry]:
        return [(route.http_method, route.template, _mounted(route.rpc.path, self._route(route, backend), mounts)) for route in table]

    def _route(self, route: Route, backend: Backend) -> Endpoint:
        parts = self._parts
        settings = parts.settings
        streams = StreamRule(hold_seconds=settings.stream_hold_seconds, heartbeat_seconds=settings.stream_heartbeat_seconds)
        if route.uploads:
            return UploadEndpoint(
                route=route,
                backend=backend,
                rule=self._body,
                clock=parts.clock,
                streams=streams,
                open_streams=parts.open_streams,
                max_line_bytes=settings.max_body_bytes,
            )
        if route.streams:
            return StreamEndpoint(
                route=route, backend=backend, rule=self._body, clock=parts.clock, streams=streams, open_streams=parts.open_streams
            )
        if (spooler := parts.spoolers.get(route.rpc.path)) is not None:
            return SpooledEndpoint(route=route, backend=backend, rule=self._body, keys=parts.keys, spooler=spooler)
        return UnaryEndpoint(route=route, backend=backend, rule=self._body, keys=parts.keys)

    def _streaming(self, table: Sequence[Route], backend: Backend, mounts: Mounts) -> list[_Entry]:
        """The WebSockets of every RPC that streams, at the paths that it has over REST; the first of several that share one."""
        found: dict[tuple[object, ...], Route] = {}
        for route in table:
            if route.streams or route.uploads:
                found.setdefault(route.template.shape, route)
        return [("GET", route.template, _mounted(route.rpc.path, self._socket(route, backend), mounts)) for route in found.values()]

    def _socket(self, route: Route, backend: Backend) -> Endpoint:
        return WebSocketEndpoint(route=route, backend=backend, rule=self._body, open_streams=self._parts.open_streams)


def _mounted(path: str, made: Endpoint, mounts: Mounts) -> Endpoint:
    mount = mounts.by_path.get(path)
    return made if mount is None else MountedEndpoint(made, mount)
