"""An SMTP and LMTP server for mails that come back. It stands on hostile ground: everything about it is bounded.

It takes mail for return paths that we made, and nothing else; who guesses is refused, and counted. A mail is acknowledged once what it says
is stored (RFC 5321, 6.1).
"""

import asyncio
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from mailer_svc.bounces.reader import BounceReader
from mailer_svc.bounces.reading import MAX_BYTES, BounceFinding
from mailer_svc.domain import ReportKind, ReturnPaths, StatusReport, UnsubscribeTokenInvalid
from mailer_svc.metrics import BounceMetrics
from mailer_svc.ports.reporting import StatusReports
from mailer_svc.service import Unsubscribing
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
PROVIDER: Final = "bounces"
_CONNECTIONS: Final = 50
_SESSION_SECONDS: Final = 120.0
_SILENCE_SECONDS: Final = 30.0
_MOST_COMMANDS: Final = 50
_MOST_TOKEN: Final = 1000
_HEAD: Final = 64 * 1024


class BounceDoor:
    """Decides what is taken, and what follows from it; the hooks are those of aiosmtpd."""

    def __init__(
        self, *, paths: ReturnPaths, leave_address: str, reports: StatusReports, unsubscribing: Unsubscribing, metrics: BounceMetrics
    ) -> None:
        """Makes it.

        Args:
            paths: reads return paths.
            leave_address: the address that List-Unsubscribe names; empty: none.
            reports: takes what mails say.
            unsubscribing: takes tokens that come as the subjects of mails.
            metrics: counts.
        """
        self._paths = paths
        self._leave_address = leave_address.lower()
        self._reports = reports
        self._unsubscribing = unsubscribing
        self._metrics = metrics
        self._reader = BounceReader()

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Takes one recipient, whom we made."""
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        if not self._leaves(address) and not self._paths.delivery(address):
            self._metrics.counted("unknown_address")
            return "550 5.1.1 no such address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        """Takes the mail once what follows from it is stored."""
        data = bytes(envelope.content or b"") if not isinstance(envelope.content, str) else envelope.content.encode()
        (address,) = envelope.rcpt_tos
        try:
            kind = await self._left(data) if self._leaves(address) else await self._returned(self._paths.delivery(address), data)
        except TocsinError as error:
            _log.warning("returned mail not stored", error=error.message)
            return "451 4.3.0 try again later"
        self._metrics.counted(kind)
        return "250 2.0.0 taken"

    async def handle_exception(self, error: Exception) -> str:
        """What else goes wrong ends one conversation."""
        _log.warning("conversation ended", error=f"{type(error).__name__}: {error}"[:200])
        return "421 4.3.0 try again later"

    def _leaves(self, address: str) -> bool:
        return bool(self._leave_address) and address.lower() == self._leave_address

    async def _returned(self, delivery: str, data: bytes) -> str:
        finding = await self._reader.read(data)
        await self._reports.report([_report(delivery, finding)])
        return finding.kind.value

    async def _left(self, data: bytes) -> str:
        """A mail that leaves: its subject is the token, and nothing else of it is looked at."""
        head = data[:_HEAD].partition(b"\r\n\r\n")[0]
        lines = [line for line in head.split(b"\r\n") if line[:8].lower() == b"subject:"]
        token = lines[0][8:].strip()[:_MOST_TOKEN].decode("ascii", "replace") if lines else ""
        try:
            await self._unsubscribing.leave(token)
        except UnsubscribeTokenInvalid:
            return "unknown_token"
        return ReportKind.UNSUBSCRIBED.value


def _report(delivery: str, finding: BounceFinding) -> StatusReport:
    return StatusReport(kind=finding.kind, delivery=delivery, provider=PROVIDER, detail=finding.detail, soft=finding.soft)


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
