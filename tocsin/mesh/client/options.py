"""Options of gRPC channels, and the service config of the endpoint layer."""

import json
from dataclasses import dataclass

from tocsin.config import ServiceSettings

# Time for the answer to a keepalive ping.
_KEEPALIVE_TIMEOUT_MS = 10_000
# A service that was killed and restarted must be reachable again at once; gRPC's own backoff goes up to two minutes. An attempt that is
# refused costs next to nothing, and one that hears nothing lasts for the whole connect timeout.
_FIRST_RECONNECT_MS = 100
_LAST_RECONNECT_MS = 250
_RESOLUTION_MS = 1_000
_CONNECT_TIMEOUT_MS = 3_000

Option = tuple[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ejection:
    """When a replica that fails gets no more calls.

    Attributes:
        interval_seconds: between two looks at what the calls to each replica came to.
        seconds: how long it gets none the first time; each further time lasts that much longer (gRFC A50).
        calls: so many within an interval tell something.
    """

    interval_seconds: float = 5.0
    seconds: float = 30.0
    calls: int = 20


def channel_options(settings: ServiceSettings, *, server_name: str, checked: bool, ejection: Ejection) -> list[Option]:
    """Options of a channel to the service ``server_name``.

    Args:
        settings: bounds and keepalive; `tocsin.mesh.server.binding` has the server's half.
        server_name: the name that the server's certificate must bear, whatever address was dialled.
        checked: endpoints that do not report SERVING get no calls.
        ejection: when endpoints that fail get none either.
    """
    return [
        ("grpc.ssl_target_name_override", server_name),
        ("grpc.service_config", json.dumps(service_config(checked=checked, ejection=ejection))),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
        ("grpc.keepalive_time_ms", int(settings.keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_TIMEOUT_MS),
        ("grpc.max_reconnect_backoff_ms", _LAST_RECONNECT_MS),
        ("grpc.dns_min_time_between_resolutions_ms", _RESOLUTION_MS),
        # Channels of one process with different certificates must not share connections.
        ("grpc.use_local_subchannel_pool", 1),
    ]


def service_config(*, checked: bool, ejection: Ejection) -> dict[str, object]:
    """Round robin over healthy endpoints, with ejection of those that fail (gRFC A50); no retries: those are the mesh's own."""
    round_robin = {"round_robin": dict[str, object]()}
    if not checked:
        return {"loadBalancingConfig": [round_robin]}
    outlier_detection: dict[str, object] = {
        "interval": f"{ejection.interval_seconds:.3f}s",
        "baseEjectionTime": f"{ejection.seconds:.3f}s",
        # gRPC compares what is ejected already: with 34 of three a second one would go as well (33.3 < 34).
        "maxEjectionPercent": 33,
        "failurePercentageEjection": {"threshold": 85, "enforcementPercentage": 100, "minimumHosts": 3, "requestVolume": ejection.calls},
        "childPolicy": [round_robin],
    }
    return {"loadBalancingConfig": [{"outlier_detection_experimental": outlier_detection}], "healthCheckConfig": {"serviceName": ""}}
