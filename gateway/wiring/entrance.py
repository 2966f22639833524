"""Who comes in, and how often: what both doors ask before they serve a call."""

from gateway.access_log import AccessLog
from gateway.clients import MeshBrowserSessions, MeshKeyExchange, MeshStreamTokenExchange
from gateway.config import GatewaySettings
from gateway.credential_watch import CredentialWatch
from gateway.credentials import Authenticator
from gateway.ingress import Ingress
from gateway.limits import DoorLimits
from gateway.metrics import LimitMetrics
from gateway.stream_tokens import StreamTokenDoor
from gateway.trusted_proxies import TrustedProxies
from gateway.wiring.runtime import Runtime
from tocsin.clock import Clock
from tocsin.mesh.bulkhead import Bulkheads
from tocsin.mesh.limits import RateLimiter
from tocsin.mesh.metrics import export_bulkheads
from tocsin.telemetry import Telemetry


def ingress_of(settings: GatewaySettings, clock: Clock, *, runtime: Runtime, limiter: RateLimiter) -> Ingress:
    """Authentication, limits and records of incoming calls."""
    bulkheads = Bulkheads(settings, tenant_streams=settings.tenant_open_streams, max_streams=settings.open_streams)
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
        limits=_limits(settings, limiter, runtime.telemetry),
        bulkheads=bulkheads,
        stream_tokens=StreamTokenDoor(exchange=MeshStreamTokenExchange(mesh=runtime.mesh)),
        alerts=runtime.alerts,
        proxies=TrustedProxies(networks=settings.trusted_proxies, header=settings.forwarded_header),
        credential_watch=CredentialWatch(authenticator=authenticator, clock=clock),
        journal=runtime.journal,
        tenants=runtime.tenants,
        timeout=runtime.mesh.timeout,
    )


def _limits(settings: GatewaySettings, limiter: RateLimiter, telemetry: Telemetry) -> DoorLimits:
    limits = [*((name, "tenant") for name in settings.tenant_limits), *((name, "address") for name in settings.address_limits)]
    metrics = LimitMetrics(telemetry.registry, alone=lambda: limiter.is_alone, limits=limits)
    return DoorLimits(limiter=limiter, tenants=settings.tenant_limits, addresses=settings.address_limits, metrics=metrics)


def _access_log(settings: GatewaySettings, clock: Clock) -> AccessLog:
    return AccessLog(
        service=settings.service_name,
        clock=clock,
        enabled=settings.access_log and settings.log_level in ("debug", "info"),
        as_json=settings.log_format == "json",
    )
