"""What the gateway takes from the runtime."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tocsin.alerts import Alerts
from tocsin.audit_log.journal import AuditJournal
from tocsin.lifecycle import Component
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.tokens import TokenVerifier
from tocsin.node import Node
from tocsin.telemetry import Telemetry
from tocsin.tenants.feed import TenantFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The parts that every service has; ``components`` are started first, ``purger`` makes what ends ``tenants``."""

    telemetry: Telemetry
    mesh: Mesh
    breakers: BreakerRegistry
    verifier: TokenVerifier
    alerts: Alerts
    journal: AuditJournal
    components: Sequence[Component]
    purger: Callable[..., Component] | None = None
    tenants: TenantFeed | None = None

    @classmethod
    def of(cls, node: Node) -> "Runtime":
        """Those of ``node``."""
        return cls(
            telemetry=node.telemetry,
            mesh=node.mesh,
            breakers=node.breakers,
            verifier=node.verifier,
            alerts=node.alerts,
            journal=node.journal,
            components=node.components,
            purger=node.purger,
            tenants=node.tenants,
        )
