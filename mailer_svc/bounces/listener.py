"""An SMTP and LMTP server for mails that come back, or are for us. It stands on hostile ground: everything about it is bounded.

It takes mail for addresses that we made, and nothing else; who guesses is refused, and counted. A mail is acknowledged once what it says
is stored (RFC 5321, 6.1).
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from mailer_svc.bounces.reading import MAX_BYTES
from mailer_svc.bounces.takers import MailTaker, MailVerdict
from mailer_svc.metrics import BounceMetrics
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_CONNECTIONS: Final = 50
_SESSION_SECONDS: Final = 120.0
_SILENCE_SECONDS: Final = 30.0
_MOST_COMMANDS: Final = 50


class BounceDoor:
    """Decides what is taken, and by whom; the hooks are those of aiosmtpd."""

    def __init__(self, *, takers: Sequence[MailTaker], metrics: BounceMetrics) -> None:
        """Takes who takes mails, the first of them that knows an address, and what counts."""
        self._takers = takers
        self._metrics = metrics

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Takes one recipient, whom we made."""
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        if self._taker(address) is None:
            self._metrics.counted("unknown_address")
            return "550 5.1.1 no such address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        """Takes the mail once what follows from it is stored."""
        data = bytes(envelope.content or b"") if not isinstance(envelope.content, str) else envelope.content.encode()
        (address,) = envelope.rcpt_tos
        taker = self._taker(address)
        try:
            verdict = await taker.take(address, data) if taker is not None else MailVerdict("unknown_address", "550 5.1.1 no such address")
        except TocsinError as error:
            _log.warning("mail not taken", error=error.message)
            return "451 4.3.0 try again later"
        self._metrics.counted(verdict.kind)
        return verdict.reply

    async def handle_exception(self, error: Exception) -> str:
        """What else goes wrong ends one conversation."""
        _log.warning("conversation ended", error=f"{type(error).__name__}: {error}"[:200])
        return "421 4.3.0 try again later"

    def _taker(self, address: str) -> MailTaker | None:
        return next((taker for taker in self._takers if taker.takes(address)), None)


class BounceProtocol(SMTP):
    """One conversation, in SMTP or in LMTP (RFC 2033), which differ in the first word for one recipient."""

    def __init__(self, door: BounceDoor, open_now: set["BounceProtocol"]) -> None:
        super().__init__(
            door,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            ident="Tocsin",
            hostname="bounces",
            timeout=_SILENCE_SECONDS,
            command_call_limit=_MOST_COMMANDS,
            loop=asyncio.get_running_loop(),
        )
        self._open_now = open_now
        self._end: asyncio.TimerHandle | None = None
        self._socket: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        """Takes the connection, if there are not too many."""
        if len(self._open_now) >= _CONNECTIONS:
            transport.write(b"421 4.3.2 too many connections\r\n")
            transport.close()
            return
        self._open_now.add(self)
        self._socket = transport
        self._end = asyncio.get_running_loop().call_later(_SESSION_SECONDS, transport.abort)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Gives its place to another."""
        if self._end is not None:
            self._end.cancel()
            self._open_now.discard(self)
            super().connection_lost(error)

    def cut(self) -> None:
        """Ends it without a word."""
        if self._socket is not None:
            self._socket.abort()

    async def smtp_LHLO(self, arg: str) -> None:  # noqa: N802 - the library's name
        """The greeting of LMTP."""
        await self.smtp_EHLO(arg)


class BounceListener:
    """Listens; a component."""

    def __init__(self, *, host: str, port: int, door: BounceDoor) -> None:
        """Listens on nothing yet; ``port`` 0 takes any free one."""
        self.port = port
        self._host = host
        self._door = door
        self._open: set[BounceProtocol] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Takes connections; ``port`` is real from now on."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: BounceProtocol(self._door, self._open), self._host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]
            _log.info("returned mail is taken", port=self.port)

    async def stop(self) -> None:
        """Ends every conversation; what was not acknowledged comes again."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for conversation in tuple(self._open):
                conversation.cut()
            await server.wait_closed()
