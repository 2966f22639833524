"""Opening a connection: TCP, greeting, EHLO, STARTTLS, AUTH.

aiosmtplib does this part, which happens once for many messages and where mistakes are dangerous (STARTTLS injection, SASL). Its own way of
sending has neither pipelining nor a place for the mark before the content (docs/adr/0007), so the session takes the transport over.
"""

import asyncio
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiosmtplib

from mailer_svc.channels.smtp.replies import SmtpFailure, SmtpPhase, SmtpReply
from mailer_svc.channels.smtp.session import SmtpSession, Timeouts, transport_of
from mailer_svc.channels.smtp.urls import TlsMode
from tocsin.egress.network import Connector, TargetForbidden

_REFUSED = 535


class AccessTokens(Protocol):
    """Gives tokens of OAuth 2.0."""

    async def token(self) -> str:
        """The one to use now.

        Raises:
            SmtpFailure: at `SmtpPhase.AUTH`: there is none.
        """
        ...

    def invalidate(self, token: str) -> None:
        """Forgets one that was refused."""
        ...

    async def close(self) -> None:
        """Has no more."""
        ...


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

    def __init__(self, *, server: SmtpServer, tokens: AccessTokens | None = None, guard: Connector | None = None) -> None:
        """Opens none yet.

        Args:
            server: where.
            tokens: what the user signs in with, by XOAUTH2, instead of a password.
            guard: connects where a tenant's server may be; None: the server is the operator's.
        """
        self._server = server
        self._guard = guard
        self._tokens = tokens
        self._context: ssl.SSLContext | None = None

    async def close(self) -> None:
        """Has no more tokens."""
        if self._tokens is not None:
            await self._tokens.close()

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
            SmtpFailure: at `SmtpPhase.CONNECT` or `SmtpPhase.AUTH`.
        """
        if self._tokens is None:
            return await self._open("")
        token = await self._tokens.token()
        try:
            return await self._open(token)
        except SmtpFailure as failure:
            if failure.phase is not SmtpPhase.AUTH or failure.reply is None or failure.reply.code != _REFUSED:
                raise
        # It may have been withdrawn before its end; another one is asked for, once.
        self._tokens.invalidate(token)
        return await self._open(await self._tokens.token())

    async def _open(self, token: str) -> SmtpSession:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=None if self._guard else server.port,
            local_hostname=server.helo or None,
            timeout=server.connect_seconds,
            use_tls=server.tls is TlsMode.IMPLICIT,
            start_tls=server.tls is TlsMode.STARTTLS,
            tls_context=self._context,
        )
        try:
            async with asyncio.timeout(server.connect_seconds):
                with self._failing_at(SmtpPhase.CONNECT):
                    await client.connect(sock=await self._guard.open_socket(server.host, server.port) if self._guard else None)
                    if client.is_ehlo_or_helo_needed:
                        await _greet(client)
                with self._failing_at(SmtpPhase.AUTH):
                    await self._sign_in(client, token)
        except TimeoutError as error:
            client.close()
            raise SmtpFailure(SmtpPhase.CONNECT, f"not connected within {server.connect_seconds:g} s") from error
        except BaseException:
            client.close()
            raise
        return self._take_over(client)

    async def _sign_in(self, client: aiosmtplib.SMTP, token: str) -> None:
        server = self._server
        if token:
            if "xoauth2" not in client.server_auth_methods:
                raise aiosmtplib.SMTPException("the server does not offer XOAUTH2")
            # A refusal comes as 334 with JSON in it; the empty line that answers it brings the reply (Google's and Microsoft's XOAUTH2).
            await client.auth_xoauth2(server.username, token)
        elif server.username:
            await client.login(server.username, server.password)

    @contextmanager
    def _failing_at(self, phase: SmtpPhase) -> Generator[None]:
        """Tells what goes wrong in ``phase``; a timeout of the whole passes."""
        try:
            yield
        except aiosmtplib.SMTPResponseException as error:
            raise SmtpFailure.refused(phase, SmtpReply(error.code, error.message)) from error
        except (aiosmtplib.SMTPException, TargetForbidden, OSError, ValueError) as error:
            words = str(error) or f"not connected within {self._server.connect_seconds:g} s"
            raise SmtpFailure(phase, words) from error
        except Exception as error:  # the library stumbled over what the server says
            raise SmtpFailure(phase, f"not understood: {type(error).__name__}: {error}") from error

    def _take_over(self, client: aiosmtplib.SMTP) -> SmtpSession:
        protocol = client.protocol
        if protocol is None or protocol.transport is None:
            raise SmtpFailure(SmtpPhase.CONNECT, "the server closed the connection")
        return SmtpSession(
            transport=transport_of(protocol.transport),
            pipelining=client.supports_extension("pipelining"),
            utf8=client.supports_extension("smtputf8"),
            reports=client.supports_extension("dsn"),
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
