"""The two doors, HTTP and gRPC, and what they serve until contracts of other teams change."""

from collections.abc import Sequence

from gateway.certificate import DoorCertificate
from gateway.config import GatewaySettings
from gateway.contracts.mounts import Mounts, contract_files, load_mounts
from gateway.contracts.reload import ContractReload
from gateway.contracts.serving import ContractPlan, EndpointParts, Serving
from gateway.edge import EdgeHandlers
from gateway.edge_connections import EdgeConnectionRule, EdgeConnections
from gateway.edge_server import Edge
from gateway.http.app import CookieSessions, HttpApp
from gateway.http.connections import ConnectionRule, Connections
from gateway.http.cors import Cors
from gateway.http.server import HttpOptions, HttpServer
from gateway.ingress import Ingress
from gateway.metrics import ConnectionMetrics, EdgeConnectionMetrics
from gateway.ports import Backend
from gateway.transcoding.contract import Contract
from tocsin.clock import Clock
from tocsin.lifecycle import Component


class BothDoors:
    """Both doors.

    Attributes:
        edge: the gRPC door.
        http: the HTTP door.
        backend: where the calls go that are Tocsin's own.
        contracts: serves contracts of other teams anew when their files change.
    """

    def __init__(
        self,
        parts: EndpointParts,
        *,
        contract: Contract,
        mounts: Mounts,
        ingress: Ingress,
        sessions: CookieSessions,
        certificate: DoorCertificate | None,
    ) -> None:
        settings, clock = parts.settings, parts.clock
        self._mesh = parts.mesh
        self._serving = serving = Serving(own=contract, parts=parts)
        self._mounts = mounts
        served = serving.serve(serving.plan(mounts))
        self.backend: Backend = served.backend
        self._app = HttpApp(
            routes=served.routes,
            sockets=served.sockets,
            cors=Cors(origins=settings.cors_allow_origins),
            max_body_bytes=settings.max_body_bytes,
            ingress=ingress,
            sessions=sessions,
        )
        self._rpcs = EdgeHandlers(stall_seconds=settings.stream_stall_seconds, ingress=ingress, keys=parts.keys)
        self._rpcs.serve(served.contract.rpcs(), backend=served.backend, passes=served.passes)
        bounds = _edge_bounds(settings)
        self.edge = Edge(
            contract=served.contract, handlers=self._rpcs, settings=settings, clock=clock, certificate=certificate, options=bounds
        )
        self.http = HttpServer(app=self._app, open_streams=parts.open_streams, options=_http_options(settings, ingress, certificate))
        self.contracts = ContractReload(
            files=contract_files(settings),
            load=lambda: serving.plan(load_mounts(settings, own=lambda: serving.own)),
            apply=self._replace,
            clock=clock,
        )
        self._connections = _edge_connections(settings, clock, self.edge, ingress)

    @property
    def parts(self) -> Sequence[Component]:
        """What runs beside the servers."""
        return (self.contracts, self._connections)

    async def _replace(self, plan: ContractPlan) -> None:
        """Serves the contracts of ``plan`` at both doors."""
        methods = plan.mounts.methods
        await self._mesh.replace_foreign(plan.mounts.services, methods=methods, gone=self._mounts.methods.keys() - methods.keys())
        self._mounts = plan.mounts
        served = self._serving.serve(plan)
        self._app.serve(served.routes, served.sockets)
        self._rpcs.serve(served.contract.rpcs(), backend=served.backend, passes=served.passes)
        await self.edge.replace(served.contract)


def door_certificate(settings: GatewaySettings) -> DoorCertificate | None:
    """The one that both doors show; None where they speak in the clear."""
    if settings.public_tls_cert_file is None or settings.public_tls_key_file is None:
        return None
    return DoorCertificate(cert_file=settings.public_tls_cert_file, key_file=settings.public_tls_key_file)


def _http_options(settings: GatewaySettings, ingress: Ingress, certificate: DoorCertificate | None) -> HttpOptions:
    rule = ConnectionRule(
        most=settings.http_connections,
        of_one_address=settings.http_address_connections,
        head_seconds=settings.http_head_seconds,
        exempt=ingress.proxies.is_proxy,
    )
    return HttpOptions(
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


def _edge_connections(settings: GatewaySettings, clock: Clock, edge: Edge, ingress: Ingress) -> EdgeConnections:
    return EdgeConnections(
        port=lambda: edge.port,
        rule=EdgeConnectionRule(of_one_address=settings.grpc_address_connections, exempt=ingress.proxies.is_proxy),
        metrics=EdgeConnectionMetrics(ingress.telemetry.registry),
        clock=clock,
    )


def _edge_bounds(settings: GatewaySettings) -> list[tuple[str, int]]:
    """The bounds of connections that gRPC's core keeps itself."""
    return [
        ("grpc.max_allowed_incoming_connections", settings.grpc_connections),
        ("grpc.max_connection_idle_ms", int(settings.grpc_idle_seconds * 1000)),
        ("grpc.server_handshake_timeout_ms", int(settings.http_head_seconds * 1000)),
    ]
