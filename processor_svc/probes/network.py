"""Whether something at a port works: takes connections, greets as a mail server, says by gRPC that it serves."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final, cast

import aiosmtplib

from processor_svc.domain import ActionProblem, Json
from processor_svc.probes.spec import CheckFailed, CheckForbidden, CheckSpec, check_certificate
from tocsin.clock import Clock
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import failure_words
from tocsin.egress.network import Connector, TargetForbidden
from tocsin.egress.urls import UrlRefused, parse_host_port, why_never_host
from tocsin.mesh.foreign import health_of

_SUBMISSIONS: Final = 465  # RFC 8314: TLS from the first octet


class TcpProbe:
    """A connection, with TLS if that is wanted."""

    target = "tcp"

    def __init__(self, *, connector: Connector, allowed: AllowedTargets, tls: ssl.SSLContext, clock: Clock) -> None:
        """Connects to nothing yet.

        Args:
            connector: opens sockets to what users may reach.
            allowed: what they may reach besides the public internet.
            tls: how certificates are checked.
            clock: says how long a certificate is good.
        """
        self._connector = connector
        self._allowed = allowed
        self._tls = tls
        self._clock = clock

    def problems(self, spec: CheckSpec) -> Sequence[ActionProblem]:
        """No host with its port, or one that may never be reached."""
        try:
            words = why_never_host(parse_host_port(spec.subject)[0], self._allowed)
        except UrlRefused as error:
            words = str(error)
        return [ActionProblem(self.target, words)] if words else []

    async def look(self, tenant: str, spec: CheckSpec) -> Mapping[str, Json]:
        """Looks once."""
        del tenant
        host, port = parse_host_port(spec.subject)
        with _outcomes():
            return await self._look(host, port, spec)

    async def _look(self, host: str, port: int, spec: CheckSpec) -> Mapping[str, Json]:
        facts: dict[str, Json] = {}
        async with self._connected(host, port, tls=spec.tls) as certificate:
            if spec.tls:
                check_certificate(certificate, spec, facts, clock=self._clock)
        return facts

    @contextlib.asynccontextmanager
    async def _connected(self, host: str, port: int, *, tls: bool) -> AsyncGenerator[Mapping[str, Any]]:
        """Holds a connection; yields the far end's certificate."""
        sock = await self._connector.open_socket(host, port)
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, sock=sock, ssl=self._tls if tls else None, server_hostname=host if tls else None
            )
        except BaseException:
            sock.close()
            raise
        try:
            yield transport.get_extra_info("peercert") or {}
        finally:
            transport.abort()


class SmtpProbe(TcpProbe):
    """A mail server that greets, answers to EHLO, and begins TLS if that is wanted (RFC 5321, RFC 3207)."""

    target = "smtp"

    async def _look(self, host: str, port: int, spec: CheckSpec) -> Mapping[str, Json]:
        sock = await self._connector.open_socket(host, port)
        at_once = spec.tls and port == _SUBMISSIONS
        client = aiosmtplib.SMTP(
            hostname=host, sock=sock, use_tls=at_once, start_tls=False, tls_context=self._tls, timeout=spec.timeout_seconds
        )
        facts: dict[str, Json] = {}
        try:
            await client.connect()
            await client.ehlo()
            if spec.tls and not at_once:
                await client.starttls(server_hostname=host)
            if spec.tls:
                check_certificate(client.get_transport_info("peercert") or {}, spec, facts, clock=self._clock)
            with contextlib.suppress(aiosmtplib.SMTPException):
                await client.quit()
        except aiosmtplib.SMTPResponseException as error:
            raise CheckFailed(f"it answered with {error.code}", facts) from error
        except aiosmtplib.SMTPException as error:
            raise CheckFailed(_smtp_words(error), facts) from error
        finally:
            # The socket is the transport's since `connect`: closed under it, its number would soon be that of another connection.
            if client.transport is not None:
                cast("asyncio.WriteTransport", client.transport).abort()
            client.close()
        return facts


class GrpcProbe(TcpProbe):
    """A server that says by grpc.health.v1 that it serves."""

    target = "grpc"

    async def _look(self, host: str, port: int, spec: CheckSpec) -> Mapping[str, Json]:
        facts: dict[str, Json] = {}
        if spec.tls and spec.certificate_days:
            async with self._connected(host, port, tls=True) as certificate:
                check_certificate(certificate, spec, facts, clock=self._clock)
        address = (await self._connector.addresses(host, port))[0]
        said = await health_of(
            address, port, host=host, service=spec.grpc_service, tls=self._tls if spec.tls else None, seconds=spec.timeout_seconds
        )
        facts["serving"] = said
        if said != "SERVING":
            raise CheckFailed(f"it says {said}", facts)
        return facts


@contextlib.contextmanager
def _outcomes() -> Any:
    """What a connection may raise, as ends of a check."""
    try:
        yield
    except TargetForbidden as error:
        raise CheckForbidden(str(error)) from error
    except OSError as error:
        raise CheckFailed(failure_words(error)) from error


def _smtp_words(error: aiosmtplib.SMTPException) -> str:
    cause = error.__cause__
    return failure_words(cause) if isinstance(cause, OSError) else f"it does not speak SMTP as it should: {type(error).__name__}"
