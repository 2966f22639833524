"""Calls to gRPC servers that are none of the mesh: without identity, policy, retries and breakers."""

import asyncio
import ssl
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", 64 * 1024),
    ("grpc.use_local_subchannel_pool", 1),
)


def door_channel(address: str, *, secure: bool, roots: bytes | None) -> grpc.aio.Channel:
    """A connection as a program outside of the mesh has it: to the door of a gateway, without retries.

    Args:
        address: host:port.
        secure: by TLS.
        roots: PEM of whom to trust; None: those whom gRPC trusts.
    """
    options = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
    if secure:
        return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(roots), options=options)
    return grpc.aio.insecure_channel(address, options=options)


async def health_of(address: str, port: int, *, host: str, service: str, tls: ssl.SSLContext | None, seconds: float) -> str:
    """What a server says of a service by grpc.health.v1: "SERVING", or why it does not.

    Args:
        address: an address, which is connected to as it is.
        port: its port.
        host: the name that the server is called by, and that its certificate must be for.
        service: which one; empty for the server as a whole.
        tls: whose authorities are trusted; None for a connection that is not secured.
        seconds: bound of the whole.
    """
    family = "ipv6" if ":" in address else "ipv4"
    literal = f"[{address}]" if ":" in address else address
    options = [*_OPTIONS, ("grpc.default_authority", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")]
    target = f"{family}:{literal}:{port}"
    if tls is not None:
        roots = "".join(ssl.DER_cert_to_PEM_cert(each) for each in tls.get_ca_certs(binary_form=True)).encode()
        channel = grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(roots or None), options=options)
    else:
        channel = grpc.aio.insecure_channel(target, options=options)
    try:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=seconds)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    except asyncio.CancelledError:
        raise
    finally:
        await channel.close()
