"""Services outside of the mesh, which are called with its deadlines, retries and breakers, but not as one of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from tocsin.mesh.client.options import Option
from tocsin.mesh.foreign import asked_status


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files of a connection by TLS, read each time that it is dialled.

    Attributes:
        ca_file: authorities that are trusted; those of the system unless given.
        cert_file: the certificate that is shown; none unless given.
        key_file: its private key.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC takes."""
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca_file), private_key=_read(self.key_file), certificate_chain=_read(self.cert_file)
        )

    def check(self) -> None:
        """Returns if the files are what they should be.

        Raises:
            OSError: one cannot be read.
            ValueError: one holds no certificate, or a certificate has no key.
        """
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("a certificate and its key belong together")
        if self.ca_file is None and self.cert_file is None:
            return
        from tocsin.mesh import pem  # who speaks no TLS does without cryptography

        for file in (self.ca_file, self.cert_file):
            if file is not None:
                try:
                    pem.require_certificates(file.read_bytes())
                except ValueError:
                    raise ValueError(f"{file} holds no certificate in PEM") from None
        _read(self.key_file)


class Presence(Enum):
    """How an endpoint answers grpc.health.v1."""

    SERVING = auto()
    ANSWERS = auto()
    """It can be reached; whether it can work it does not say."""
    NOT_SERVING = auto()
    AWAY = auto()


async def presence(channel: grpc.aio.Channel, *, timeout: float) -> Presence:
    """Asks an endpoint how it is."""
    try:
        status = await asked_status(channel, service="", seconds=timeout)
    except grpc.aio.AioRpcError as error:
        away = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        return Presence.AWAY if away else Presence.ANSWERS
    if status is None:
        return Presence.ANSWERS
    return Presence.SERVING if status == health_pb2.HealthCheckResponse.SERVING else Presence.NOT_SERVING


def _read(file: Path | None) -> bytes | None:
    return None if file is None else file.read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignService:
    """How a service is called that is none of the mesh.

    Attributes:
        target: gRPC target.
        headers: what a call carries beside the trace, in place of the user's token; asked for each call.
        tls: of the connection; None for plaintext.
        server_name: the name that its certificate must bear; empty for that of the target.
        authority: what calls name as their host, whichever of its addresses they go to; empty for that address.
        health_checked: whether endpoints that do not report SERVING (grpc.health.v1) get no calls.
    """

    target: str
    headers: Callable[[], tuple[tuple[str, str | bytes], ...]]
    tls: TlsFiles | None = None
    server_name: str = ""
    authority: str = ""
    health_checked: bool = False

    def dial(self, address: str, options: list[Option], interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> grpc.aio.Channel:
        """A connection to one of its addresses, or to all of them."""
        if self.authority:
            options = [*options, ("grpc.default_authority", self.authority)]
        if self.tls is None:
            return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)
        return grpc.aio.secure_channel(address, self.tls.credentials(), options=options, interceptors=interceptors)
