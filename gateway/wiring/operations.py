"""What operators ask the gateway: how everybody is, and the switches of the mesh."""

from collections.abc import Callable, Mapping, Sequence

from gateway.clients import MeshStatusSource
from gateway.config import GatewaySettings
from gateway.contracts.health import ForeignStatusSource
from gateway.domain import SpoolStatus
from gateway.mesh_admin import MeshAdmin
from gateway.service import HealthService
from gateway.spool import Spool
from gateway.wiring.runtime import Runtime
from tocsin.clock import Clock
from tocsin.mesh.faults import Faults
from tocsin.mesh.health import HealthMonitor
from tocsin.mesh.mesh_service import MeshServicer, Start


def health_of(
    settings: GatewaySettings,
    clock: Clock,
    *,
    runtime: Runtime,
    services: Sequence[str],
    spool: Spool,
    failing: Callable[[], Mapping[str, str]],
) -> HealthService:
    """What `/health` shows.

    Args:
        settings: of the gateway.
        clock: source of time.
        runtime: asks the services.
        services: that are asked.
        spool: whose state is shown.
        failing: what is wrong here, by part.
    """
    return HealthService(
        source=MeshStatusSource(mesh=runtime.mesh, breakers=runtime.breakers, timeout_seconds=settings.health_timeout_seconds),
        services=services,
        clock=clock,
        max_age_seconds=settings.health_cache_seconds,
        spooled=lambda: _spooled(spool),
        failing=failing,
        foreign=ForeignStatusSource(mesh=runtime.mesh, timeout_seconds=settings.health_timeout_seconds).views,
    )


def mesh_admin(settings: GatewaySettings, clock: Clock, *, runtime: Runtime, services: Sequence[str]) -> MeshAdmin:
    """The switches of all services."""
    own = _own_status(settings, clock, runtime)
    return MeshAdmin(mesh=runtime.mesh, own=own, services=services, clock=clock, timeout_seconds=settings.health_timeout_seconds)


def _own_status(settings: GatewaySettings, clock: Clock, runtime: Runtime) -> MeshServicer:
    """What the gateway says about itself: it depends on nothing, and takes no faults."""
    return MeshServicer(
        start=Start.of(settings.service_name, clock),
        health=HealthMonitor(checks={}, clock=clock),
        breakers=runtime.breakers,
        faults=Faults(enabled=False),
        durations=lambda: runtime.mesh.durations,
        clock=clock,
        tap=runtime.mesh.tap,
        expiry=runtime.mesh.certificate_expiry,
        policies=runtime.mesh.policies,
        endpoints=runtime.mesh.called_endpoints,
        foreign=lambda: runtime.mesh.foreign,
    )


def _spooled(spool: Spool) -> SpoolStatus:
    state = spool.state
    return SpoolStatus(waiting=state.waiting.calls, bytes=state.waiting.bytes, age_seconds=state.age, set_aside=state.set_aside.calls)
