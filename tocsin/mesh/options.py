"""What the mesh can be set to: the form that settings must have, and values of it for processes that have no settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class IdentityOptions(Protocol):
    """Which files say who a process is."""

    @property
    def trust_domain(self) -> str:
        """SPIFFE trust domain of the certificates."""
        ...

    @property
    def tls_ca_file(self) -> Path:
        """Certificates (PEM) of the authorities that are trusted."""
        ...

    @property
    def tls_cert_file(self) -> Path:
        """The certificate chain (PEM)."""
        ...

    @property
    def tls_key_file(self) -> Path:
        """Its private key (PEM)."""
        ...


class BulkheadOptions(Protocol):
    """How much of a process one tenant may take up."""

    @property
    def max_streams(self) -> int:
        """Streams of all tenants."""
        ...

    @property
    def tenant_streams(self) -> int:
        """Watches and uploads of one tenant."""
        ...

    @property
    def tenant_bulk_streams(self) -> int:
        """Imports, exports and audits of one tenant."""
        ...

    @property
    def tenant_compute_calls(self) -> int:
        """Previews and the like of one tenant."""
        ...

    @property
    def tenant_list_calls(self) -> int:
        """Lists of one tenant."""
        ...


class ConnectionOptions(Protocol):
    """Bounds of connections, the same for servers and clients."""

    @property
    def host(self) -> str:
        """Address to listen on."""
        ...

    @property
    def max_message_bytes(self) -> int:
        """Largest message sent or accepted."""
        ...

    @property
    def max_metadata_bytes(self) -> int:
        """Largest metadata of a call."""
        ...

    @property
    def max_concurrent_streams(self) -> int:
        """Calls that one connection may have open at a time."""
        ...

    @property
    def connection_age_seconds(self) -> float:
        """Age at which a connection is renewed, so that calls reach new replicas; 0: never."""
        ...

    @property
    def keepalive_seconds(self) -> float:
        """Interval of keepalive pings on idle connections."""
        ...

    @property
    def drain_seconds(self) -> float:
        """Time between reporting NOT_SERVING and refusing new calls, when stopping."""
        ...

    @property
    def grace_seconds(self) -> float:
        """Time that running calls get to end, after ``drain_seconds``."""
        ...

    @property
    def port(self) -> int:
        """Port to listen on; 0 takes any free one."""
        ...

    def setting_name(self, field: str) -> str:
        """How whoever sets it calls ``field``; errors name it."""
        ...


class MeshOptions(IdentityOptions, BulkheadOptions, ConnectionOptions, Protocol):
    """What the mesh asks of whoever starts it: the settings of a service of Tocsin, or `ProcessOptions`."""

    @property
    def stream_stall_seconds(self) -> float:
        """A stream whose reader takes nothing for so long is ended."""
        ...

    @property
    def shed_lag_seconds(self) -> float:
        """While the event loop lags by more than this, calls beyond what the process can do are refused."""
        ...

    @property
    def adaptive_concurrency(self) -> bool:
        """Whether calls under way are limited by how long calls take, beside the lag of the event loop."""
        ...

    @property
    def carriers(self) -> bool:
        """Whether calls ride on one stream between two processes, where their policies say that they may."""
        ...

    @property
    def channelz(self) -> bool:
        """Whether servers tell what gRPC's core knows of the process; needs the extra of that name."""
        ...

    @property
    def faults_enabled(self) -> bool:
        """Whether operators may inject faults."""
        ...

    @property
    def mesh_policy_file(self) -> Path | None:
        """Rules that change policies at run time; watched. None: there are none."""
        ...

    @property
    def zone(self) -> str:
        """Where this process runs: calls prefer endpoints there; empty: they prefer none."""
        ...

    @property
    def service_targets(self) -> Mapping[str, str]:
        """gRPC targets of the services that are called, by name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions:
    """`MeshOptions` and `tocsin.telemetry.TelemetryOptions` of a process without settings, with the defaults of Tocsin's own services.

    Attributes are explained where they are asked for.
    """

    host: str = "127.0.0.1"
    port: int = 0
    metrics_port: int = 0
    otlp_endpoint: str | None = None
    trace_sample_ratio: float = 1.0
    loop_lag_warning_seconds: float = 0.1
    trust_domain: str = ""
    tls_ca_file: Path = Path()
    tls_cert_file: Path = Path()
    tls_key_file: Path = Path()
    max_streams: int = 800
    tenant_streams: int = 50
    tenant_bulk_streams: int = 4
    tenant_compute_calls: int = 2
    tenant_list_calls: int = 4
    max_message_bytes: int = 4 * 1024 * 1024
    max_metadata_bytes: int = 16 * 1024
    max_concurrent_streams: int = 1000
    connection_age_seconds: float = 0.0
    keepalive_seconds: float = 30.0
    drain_seconds: float = 3.0
    grace_seconds: float = 10.0
    stream_stall_seconds: float = 60.0
    shed_lag_seconds: float = 0.5
    adaptive_concurrency: bool = False
    carriers: bool = True
    channelz: bool = False
    faults_enabled: bool = False
    mesh_policy_file: Path | None = None
    zone: str = ""
    service_targets: Mapping[str, str] = field(default_factory=dict[str, str])

    def setting_name(self, field: str) -> str:
        """The name of the argument."""
        return field
