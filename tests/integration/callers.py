"""Callers of a service under test: the client side of the mesh, with the certificate of one of its services."""

from pathlib import Path
from typing import Any

from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.telemetry import Telemetry


def mesh_of(name: str, *, folder: Path, **targets: Any) -> Mesh:
    """The client side of service ``name``, on the real clock.

    Args:
        name: the service, as on its certificate.
        folder: the state folder, in which `ensure_pki` made ``pki``.
        targets: addresses by their settings, such as ``mailer_target``.
    """
    pki = folder / "pki"
    settings = ServiceSettings(
        state_dir=folder,
        tls_ca_file=pki / "ca.pem",
        tls_cert_file=pki / f"{name}.pem",
        tls_key_file=pki / f"{name}-key.pem",
        **targets,
    )
    clock = SystemClock()
    telemetry = Telemetry(service=name, settings=settings)
    return Mesh(service=name, settings=settings, clock=clock, telemetry=telemetry, breakers=BreakerRegistry(clock=clock))
