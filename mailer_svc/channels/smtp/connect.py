"""Opening a connection: TCP, greeting, EHLO, STARTTLS, AUTH.

aiosmtplib does this part, which happens once for many messages and where mistakes are dangerous (STARTTLS injection, SASL). Its own way of
sending has neither pipelining nor a place for the mark before the content (docs/adr/0007), so the session takes the transport over.
"""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import aiosmtplib

from mailer_svc.channels.smtp.replies import SmtpFailure, SmtpPhase, SmtpReply
from mailer_svc.channels.smtp.session import SmtpSession, Timeouts, transport_of
from mailer_svc.channels.smtp.urls import TlsMode


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mail is handed in.

    Attributes:
        host: name or address.
        port: such as 587.
        tls: how it is encrypted.
        ca_file: certificates (PEM) to trust instead of the system's.
        username: empty: no AUTH.
        password: the user's.
        helo: the name that EHLO gives; empty: this host's.
        connect_seconds: for everything until the first MAIL.
        timeouts: for everything after.
    """

    host: str
    port: int
    tls: TlsMode
    ca_file: Path | None
    username: str
    password: str
    helo: str
    connect_seconds: float
    timeouts: Timeouts


class SmtpConnector:
    """Opens sessions with one server."""

    def __init__(self, *, server: SmtpServer) -> None:
        self._server = server
        self._context: ssl.SSLContext | None = None

    async def prepare(self) -> None:
        """Reads the certificates to trust.

        Raises:
            OSError: the file cannot be read.
        """
        if self._server.tls is not TlsMode.NONE and self._context is None:
            self._context = await asyncio.to_thread(ssl.create_default_context, cafile=self._server.ca_file)

    async def connect(self) -> SmtpSession:
        """A session that is ready for the first message.

        Raises:
            SmtpFailure: at `SmtpPhase.CONNECT`.
        """
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username or None,
            password=server.password or None,
            local_hostname=server.helo or None,
            timeout=server.connect_seconds,
            use_tls=server.tls is TlsMode.IMPLICIT,
            start_tls=server.tls is TlsMode.STARTTLS,
            tls_context=self._context,
        )
        try:
            async with asyncio.timeout(server.connect_seconds):
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    await _greet(client)
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            raise SmtpFailure.refused(SmtpPhase.CONNECT, SmtpReply(error.code, error.message)) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise SmtpFailure(SmtpPhase.CONNECT, str(error) or f"not connected within {server.connect_seconds:g} s") from error
        except Exception as error:
            client.close()  # the library stumbled over what the server says
            raise SmtpFailure(SmtpPhase.CONNECT, f"not understood: {type(error).__name__}: {error}") from error
        except BaseException:
            client.close()
            raise
        return self._take_over(client)

    def _take_over(self, client: aiosmtplib.SMTP) -> SmtpSession:
        protocol = client.protocol
        if protocol is None or protocol.transport is None:
            raise SmtpFailure(SmtpPhase.CONNECT, "the server closed the connection")
        return SmtpSession(
            transport=transport_of(protocol.transport),
            pipelining=client.supports_extension("pipelining"),
            utf8=client.supports_extension("smtputf8"),
            timeouts=self._server.timeouts,
        )


async def _greet(client: aiosmtplib.SMTP) -> None:
    """EHLO, or HELO for a server of the last century (RFC 5321, 3.2)."""
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()
