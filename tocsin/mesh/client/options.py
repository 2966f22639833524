"""Options of gRPC channels, and the service config of the endpoint layer."""

import json

from tocsin.mesh.options import ConnectionOptions

# Time for the answer to a keepalive ping.
_KEEPALIVE_TIMEOUT_MS = 10_000
# A service that was killed and restarted must be reachable again at once; gRPC's own backoff goes up to two minutes. An attempt that is
# refused costs next to nothing, and one that hears nothing lasts for the whole connect timeout.
_FIRST_RECONNECT_MS = 100
_LAST_RECONNECT_MS = 250
_RESOLUTION_MS = 1_000
_CONNECT_TIMEOUT_MS = 3_000

Option = tuple[str, int | str]


def channel_options(settings: ConnectionOptions, *, server_name: str, checked: bool) -> list[Option]:
    """Options of a channel to the service ``server_name``.

    Args:
        settings: bounds and keepalive; `tocsin.mesh.server.binding` has the server's half.
        server_name: the name that the server's certificate must bear, whatever address was dialled; empty for that of the target.
        checked: endpoints that do not report SERVING get no calls.
    """
    named: list[Option] = [("grpc.ssl_target_name_override", server_name)] if server_name else []
    return [
        *named,
        ("grpc.service_config", json.dumps(service_config(checked=checked))),
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


def service_config(*, checked: bool) -> dict[str, object]:
    """Round robin over healthy endpoints; no retries and no ejection: those are the mesh's own."""
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": dict[str, object]()}]}
    return {**config, "healthCheckConfig": {"serviceName": ""}} if checked else config
