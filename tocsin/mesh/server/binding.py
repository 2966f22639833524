"""Options and addresses of gRPC servers."""

import grpc

from tocsin.mesh.options import ConnectionOptions

# Time for the answer to a keepalive ping.
KEEPALIVE_TIMEOUT_MS = 10_000


class PortInUse(RuntimeError):
    """The port cannot be bound."""


def server_options(settings: ConnectionOptions) -> list[tuple[str, int]]:
    """Bounds and keepalive of a server; the client's are in `tocsin.mesh.client.options` and must fit."""
    keepalive = int(settings.keepalive_seconds * 1000)
    # Clients are told by GOAWAY, and dial anew before they call again; what is under way ends where it is, however long it takes.
    age = int(settings.connection_age_seconds * 1000)
    return [
        *([("grpc.max_connection_age_ms", age)] if age else []),
        # Two processes on one port would share its connections without a word.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        ("grpc.keepalive_time_ms", keepalive),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        # Half of what clients do, so that a ping that is a little early is no strike; the default is five minutes.
        ("grpc.http2.min_ping_interval_without_data_ms", keepalive // 2),
        ("grpc.http2.max_ping_strikes", 3),
    ]


def bind(
    server: grpc.aio.Server, *, settings: ConnectionOptions, port: int, setting: str, credentials: grpc.ServerCredentials | None
) -> int:
    """Makes ``server`` listen on ``settings.host`` and ``port``; plaintext without ``credentials``.

    Args:
        server: not started yet.
        settings: the service's.
        port: 0 takes any free one.
        setting: field of the settings that gave the port; named when it is taken.
        credentials: TLS.

    Returns:
        The port.

    Raises:
        PortInUse: somebody else has it; the message names the environment variable.
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{port}"
    try:
        return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise PortInUse(f"{settings.setting_name(setting)}: cannot bind {address}: it is in use, or not an address here") from error
