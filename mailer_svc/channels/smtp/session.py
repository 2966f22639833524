"""One SMTP connection after its greeting: message after message, in two round trips each where the server allows it."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, cast

from mailer_svc.channels.smtp.replies import NotHandedOver, SmtpFailure, SmtpPhase, SmtpReply

_NOT_XTEXT: Final = re.compile(r"[^!-~]|[+=]")
_NOT_UNITEXT: Final = re.compile(r"[\x00-\x20\x7f+=\\]")
_LINE: Final = re.compile(rb"(\d{3})([ -]?)([^\r\n]*)\r?\n")
_MAX_REPLY: Final = 64 * 1024
_MAX_UNREAD: Final = 16  # replies that nobody waits for: more than any pipeline of ours asks for
# Up to this size the content and its final dot are one packet to the kernel, and nothing could be learned between the two.
_WHOLE: Final = 64 * 1024
_STEPS: Final = (SmtpPhase.MAIL, SmtpPhase.RCPT, SmtpPhase.DATA)
_DATA_OK: Final = 354
_CLOSING: Final = 421


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends to whom.

    Attributes:
        sender: where reports of failures go, too.
        recipient: the address.
        utf8: whether the addresses or headers are not ASCII (RFC 6531).
        delivery: comes back in reports (RFC 3461, 4.4), from servers that can; empty: none are asked for.
    """

    sender: str
    recipient: str
    utf8: bool
    delivery: str = ""

    def commands(self, *, reports: bool) -> list[str]:
        """MAIL, RCPT and DATA; with ``reports`` it asks for those of RFC 3461: of failure and delay, with the headers alone."""
        mail, rcpt = f"MAIL FROM:<{self.sender}>", f"RCPT TO:<{self.recipient}>"
        if self.utf8:
            mail += " SMTPUTF8 BODY=8BITMIME"
        if reports:
            mail += f" RET=HDRS ENVID={_xtext(self.delivery)}"
            rcpt += f" NOTIFY=FAILURE,DELAY ORCPT={_original(self.recipient)}"
        return [f"{mail}\r\n", f"{rcpt}\r\n", "DATA\r\n"]


def _original(address: str) -> str:
    """An address as ORCPT has it (RFC 3461, 4.2; RFC 6533, 3)."""
    if address.isascii():
        return f"rfc822;{_xtext(address)}"
    return "utf-8;" + _NOT_UNITEXT.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)


def _xtext(text: str) -> str:
    """``text`` as xtext (RFC 3461, 4)."""
    return _NOT_XTEXT.sub(lambda found: "".join(f"+{byte:02X}" for byte in found[0].encode()), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to wait for replies (RFC 5321, 4.5.3.2): to a command, and to the end of a message."""

    command: float
    end: float


class SmtpSession(asyncio.Protocol):
    """Takes over a connection that is greeted, encrypted and authenticated.

    ``sent`` counts the messages; ``usable`` tells whether another can be tried on it.
    """

    def __init__(self, *, transport: asyncio.Transport, pipelining: bool, utf8: bool, reports: bool, timeouts: Timeouts) -> None:
        self.utf8 = utf8
        self._reports = reports
        self.sent = 0
        self.idle_since = 0.0
        self._transport = transport
        self._pipelining = pipelining
        self._timeouts = timeouts
        self._buffer = bytearray()
        self._text: list[str] = []
        self._replies: deque[SmtpReply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._broken = ""
        self._in_transaction = False
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether the connection stands and nothing unasked has come, such as a 421 before an idle close."""
        return not (self._broken or self._transport.is_closing() or self._replies or self._buffer)

    async def send(self, envelope: Envelope, content: bytes, *, hand_over: Callable[[], Awaitable[bool]]) -> SmtpReply:
        """Sends one message; returns the server's positive reply.

        Args:
            envelope: who and whom.
            content: the mail with CRLF line ends.
            hand_over: awaited after the server's 354 and before the content; False: the message must not be sent.

        Raises:
            SmtpFailure: it was not sent, or nobody can know; the phase says which.
            NotHandedOver: ``hand_over`` said no; the connection is closed, which takes the message back.
        """
        self.sent += 1
        self._expect_silence(SmtpPhase.MAIL)
        await self._open(envelope)
        self._expect_silence(SmtpPhase.DATA)
        try:
            allowed = await hand_over()
        except BaseException:
            self.abort()
            raise
        if not allowed:
            self.abort()
            raise NotHandedOver
        self._expect_silence(SmtpPhase.CONTENT)
        return await self._content(content.replace(b"\r\n.", b"\r\n.."))

    async def quit(self) -> None:
        """Says goodbye without waiting for the answer, and closes."""
        if self.usable:
            self._transport.write(b"QUIT\r\n")
        self._transport.close()

    def abort(self) -> None:
        """Drops the connection: an unfinished message is taken back by that."""
        self._break("closed by us")
        self._transport.abort()

    async def _open(self, envelope: Envelope) -> None:
        """MAIL, RCPT and DATA, until the server waits for the content.

        A server that offers reports and then refuses their parameters is asked for none: the mail is what matters.
        """
        asking = self._reports and bool(envelope.delivery)
        try:
            await self._begin(envelope.commands(reports=asking))
        except SmtpFailure as failure:
            if not (asking and failure.about_parameters and self.usable):
                raise
            self._reports = False
            await self._begin(envelope.commands(reports=False))

    async def _begin(self, commands: list[str]) -> None:
        lines = [command.encode() for command in commands]
        reset, self._in_transaction = self._in_transaction, True
        if self._pipelining:
            failure = await self._open_pipelined(lines, reset=reset)
        else:
            failure = await self._open_stepwise(lines, reset=reset)
        if failure is not None:
            raise failure

    async def _open_stepwise(self, lines: list[bytes], *, reset: bool) -> SmtpFailure | None:
        if reset:
            self._write(b"RSET\r\n", SmtpPhase.MAIL)
            await self._reply(SmtpPhase.MAIL, self._timeouts.command)
        for phase, line in zip(_STEPS, lines, strict=True):
            self._write(line, phase)
            reply = await self._reply(phase, self._timeouts.command)
            if not _accepted(phase, reply):
                return self._refusal(phase, reply)
        return None

    async def _open_pipelined(self, lines: list[bytes], *, reset: bool) -> SmtpFailure | None:
        """All in one packet (RFC 2920); every reply is read, and the first refusal counts."""
        self._write((b"RSET\r\n" if reset else b"") + b"".join(lines), SmtpPhase.MAIL)
        if reset:
            await self._reply(SmtpPhase.MAIL, self._timeouts.command)
        failure: SmtpFailure | None = None
        for phase in _STEPS:
            try:
                reply = await self._reply(phase, self._timeouts.command)
            except SmtpFailure as lost:
                # The first refusal says more than the closing of the connection that follows it.
                return failure or lost
            if failure is None and not _accepted(phase, reply):
                failure = self._refusal(phase, reply)
            elif failure is not None and phase is SmtpPhase.DATA and reply.code == _DATA_OK:
                # Nobody to send to, and the server waits for a message all the same (RFC 2920, 3.1); it gets none.
                self.abort()
        return failure

    def _refusal(self, phase: SmtpPhase, reply: SmtpReply) -> SmtpFailure:
        # RFC 5321, 3.8: with 421 the server is closing, too. A reply that is no refusal means that the two of us are not in step.
        if reply.code == _CLOSING or not 400 <= reply.code < 600:
            self.abort()
        return SmtpFailure.refused(phase, reply)

    def _expect_silence(self, phase: SmtpPhase) -> None:
        """Nothing was asked, so a reply would be taken for the answer to what is said next.

        Raises:
            SmtpFailure: the server speaks unasked, or is gone.
        """
        if self.usable:
            return
        early = self._replies.popleft() if self._replies else None
        self._violate("the server spoke before it was asked")
        if early is not None and 400 <= early.code < 600:
            raise SmtpFailure.refused(phase, early)
        raise SmtpFailure(phase, self._broken)

    async def _content(self, content: bytes) -> SmtpReply:
        if len(content) <= _WHOLE:
            self._write(content + b".\r\n", SmtpPhase.CONTENT)
        else:
            self._write(content, SmtpPhase.CONTENT)
            await self._drained()
            self._expect_silence(SmtpPhase.CONTENT)
            self._write(b".\r\n", SmtpPhase.CONTENT)
        reply = await self._reply(SmtpPhase.END, self._timeouts.end)
        self._in_transaction = False
        if not reply.positive:
            raise self._refusal(SmtpPhase.END, reply)
        return reply

    def _write(self, data: bytes, phase: SmtpPhase) -> None:
        if self._broken or self._transport.is_closing():
            raise SmtpFailure(phase, self._broken or "the connection is closed")
        self._transport.write(data)

    async def _drained(self) -> None:
        """Waits until the kernel has taken most of the content."""
        if self._writable is None:
            return
        try:
            async with asyncio.timeout(self._timeouts.end):
                await self._writable
        except TimeoutError:
            self.abort()
            raise SmtpFailure(SmtpPhase.CONTENT, "the server stopped reading") from None
        if self._broken:
            raise SmtpFailure(SmtpPhase.CONTENT, self._broken)

    async def _reply(self, phase: SmtpPhase, seconds: float) -> SmtpReply:
        if not self._replies and not self._broken:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._waiter
            except TimeoutError:
                self.abort()
                raise SmtpFailure(phase, f"no answer within {seconds:g} s") from None
            except asyncio.CancelledError:
                self.abort()
                raise
            finally:
                self._waiter = None
        if self._replies:
            return self._replies.popleft()
        raise SmtpFailure(phase, self._broken)

    def data_received(self, data: bytes) -> None:
        """Parses complete lines into replies."""
        if self._broken:
            return
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = _LINE.fullmatch(self._buffer[: end + 1])
            if line is None:
                self._violate("the server does not speak SMTP")
                return
            self._text.append(line[3].decode(errors="replace"))
            if line[2] != b"-":
                self._replies.append(SmtpReply(int(line[1]), " ".join(self._text)))
                self._text.clear()
                if len(self._replies) > _MAX_UNREAD:
                    self._violate("the server speaks unasked")
                    return
            del self._buffer[: end + 1]
        if len(self._buffer) + sum(len(line) + 1 for line in self._text) > _MAX_REPLY:
            self._violate("the server's reply is too long")
        elif self._replies:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notes that the connection is gone."""
        self._break(f"the connection was lost: {exc}" if exc else "the server closed the connection")

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._writable = self._writable or asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The kernel takes more again."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def _violate(self, reason: str) -> None:
        self._buffer.clear()
        self._text.clear()
        self._break(reason)
        self._transport.abort()

    def _break(self, reason: str) -> None:
        self._broken = self._broken or reason
        self.resume_writing()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _accepted(phase: SmtpPhase, reply: SmtpReply) -> bool:
    return reply.code == _DATA_OK if phase is SmtpPhase.DATA else reply.positive


def transport_of(value: object) -> asyncio.Transport:
    """The transport of a connection, whose type event loops do not promise."""
    return cast("asyncio.Transport", value)
