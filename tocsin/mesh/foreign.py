"""Calls to gRPC servers that are none of the mesh: without identity, policy, retries and breakers."""

import asyncio
import ssl
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

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
        return _words(await asked_status(channel, service=service, seconds=seconds))
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    except asyncio.CancelledError:
        raise
    finally:
        await channel.close()


async def asked_status(channel: grpc.aio.Channel, *, service: str, seconds: float) -> int | None:
    """What a server says of a service by grpc.health.v1, as a number of ServingStatus; None: nothing that can be read.

    It is read here: of an answer that is none gRPC makes None, and an error in the log.

    Raises:
        grpc.aio.AioRpcError: it answers with an error, or not in time.
    """
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=bytes,
    )
    answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=seconds)
    try:
        return health_pb2.HealthCheckResponse.FromString(answer).status
    except DecodeError:
        return None


def _words(status: int | None) -> str:
    """A status as grpc.health.v1 calls it; the number of one that it does not know."""
    if status is None:
        return "nothing that can be read"
    names = health_pb2.HealthCheckResponse.ServingStatus
    return str(names.Name(status)) if status in names.values() else str(status)
