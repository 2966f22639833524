"""A real SMTP server for tests and benchmarks: takes mail, and misbehaves as scripted.

It is our own because a sink must not be the slowest part of a benchmark: aiosmtpd takes a third of a millisecond of processor time for
a mail, this one a fraction of that. RFC 5321, with PIPELINING (RFC 2920), AUTH PLAIN (RFC 4954) and XOAUTH2, DSN (RFC 3461), SMTPUTF8 and
STARTTLS (RFC 3207).
"""

import asyncio
import base64
import binascii
import email
import email.policy
import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import cast

from tocsin.testing.smtp_script import Action, Raw, ScriptedReply, ScriptRule, SmtpFault, Stage, label
from tocsin.testing.waiting import eventually

_MAX_LINE_BYTES = 4096
_END = b"\r\n.\r\n"
_REFUSAL = base64.b64encode(b'{"status":"400","schemes":"Bearer","scope":"https://mail.example/"}').decode()

__all__ = ["Raw", "Received", "ScriptedReply", "SmtpFault", "SmtpSink", "Stage"]


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was taken, with its envelope, and the parameters that came with MAIL and with the last RCPT."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    parameters: tuple[str, str] = ("", "")

    @property
    def message(self) -> EmailMessage:
        """The content, parsed."""
        return email.message_from_bytes(self.content, policy=email.policy.default)


@dataclass(slots=True)
class _SharedState:
    """What the sessions of one server share."""

    credentials: str
    tls: ssl.SSLContext | None
    implicit: bool
    tokens: set[str] = field(default_factory=set[str])
    rules: list[ScriptRule] = field(default_factory=list[ScriptRule])
    messages: list[Received] = field(default_factory=list[Received])
    taken: int = 0
    keep: bool = True
    sessions: int = 0
    injected: Counter[str] = field(default_factory=Counter[str])
    open: "set[_Session]" = field(default_factory=lambda: set[_Session]())

    def action(self, stage: Stage, line: str = "") -> Action | None:
        """What the script says, once it is asked."""
        for rule in self.rules:
            if rule.stage is stage and rule.when(line):
                rule.times = None if rule.times is None else rule.times - 1
                if rule.times is not None and rule.times <= 0:
                    self.rules.remove(rule)
                self.injected[label(stage, rule.action)] += 1
                return rule.action
        return None

    def take(self, received: Received) -> None:
        self.taken += 1
        if self.keep:
            self.messages.append(received)


class SmtpSink:
    """The server. It takes every message unless a script says otherwise."""

    def __init__(
        self,
        *,
        port: int = 0,
        user: str = "",
        password: str = "",
        tokens: Iterable[str] = (),
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        keep: bool = True,
    ) -> None:
        """Listens on nothing yet.

        Args:
            port: on 127.0.0.1; 0: any free one.
            user: demands AUTH with this user, unless empty.
            password: the user's, for PLAIN.
            tokens: the user's, for XOAUTH2.
            tls: offers STARTTLS with this context.
            implicit_tls: speaks TLS from the first byte instead.
            keep: keeps the messages; a benchmark only counts them.
        """
        self.port = port
        self._state = _SharedState(credentials=f"\0{user}\0{password}" if user else "", tls=tls, implicit=implicit_tls, keep=keep)
        self.accept_tokens(user, *tokens)
        self._server: asyncio.Server | None = None

    @property
    def messages(self) -> list[Received]:
        """What was taken, in order."""
        return self._state.messages

    @property
    def taken(self) -> int:
        """How many messages were taken."""
        return self._state.taken

    @property
    def sessions(self) -> int:
        """How many connections there were."""
        return self._state.sessions

    def accept_tokens(self, user: str, *tokens: str) -> None:
        """Takes these tokens of ``user``, and no others, for XOAUTH2."""
        self._state.tokens = {f"user={user}\x01auth=Bearer {token}\x01\x01" for token in tokens}

    @property
    def injected(self) -> Counter[str]:
        """How often scripts stepped in, by stage and action, such as "RCPT 450" or "END CUT"."""
        return self._state.injected

    @property
    def pending(self) -> int:
        """Scripts that have not stepped in as often as they are to."""
        return len(self._state.rules)

    async def start(self) -> None:
        """Listens; ``port`` is real from now on, and stays the same after a stop."""
        if self._server is None:
            context = self._state.tls if self._state.implicit else None
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Session(self._state), "127.0.0.1", self.port, ssl=context)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and cuts every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await eventually(self._cut_all, what="the end of every session")
            await server.wait_closed()

    def _cut_all(self) -> bool:
        """Whether no connection is left; asked again, because one that was just accepted begins after the listening has ended."""
        for session in tuple(self._state.open):
            session.cut()
        return not self._state.open

    def script(self, stage: Stage, action: Action, *, times: int | None = 1, when: Callable[[str], bool] = lambda _line: True) -> None:
        """Does ``action`` at a stage instead of what it would do; earlier scripts come first.

        Args:
            stage: the point of the session.
            action: a reply, or none.
            times: how often; None: for ever.
            when: looks at the command line (empty at CONNECT, BODY and END) and says whether this script applies.
        """
        self._state.rules.append(ScriptRule(stage, action, times, when))

    def clear(self) -> None:
        """Forgets scripts and messages."""
        for each in (self._state.rules, self._state.messages, self._state.injected):
            each.clear()
        self._state.taken = 0

    async def received(self, count: int, *, seconds: float = 30.0) -> list[Received]:
        """The messages, once there are at least ``count`` of them.

        Raises:
            AssertionError: they did not come within ``seconds``.
        """
        await eventually(lambda: self.taken >= count, seconds=seconds, what=f"the arrival of {count} messages")
        return self.messages


class _Session(asyncio.Protocol):
    """One connection. Commands are handled where they arrive, without a task: most of the speed comes from this."""

    def __init__(self, state: _SharedState) -> None:
        self._state = state
        self._buffer = bytearray()
        self._in_body = False
        self._body_seen = False
        self._hung = False
        self._upgrading = False
        self._secure = state.implicit
        self._authenticated = not state.credentials
        self._refused = False
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._parameters = ["", ""]
        self._upgrade: asyncio.Task[None] | None = None
        self._speech: asyncio.Task[None] | None = None
        self._commands: dict[str, Callable[[str], ScriptedReply | bytes]] = {
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "AUTH": self._auth,
            "STARTTLS": self._starttls,
            "RSET": self._rset,
            "NOOP": self._noop,
            "QUIT": self._quit,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._state.open.add(self)
        if self._upgrade is None:
            self._state.sessions += 1
            self._do(self._state.action(Stage.CONNECT) or ScriptedReply(220, "sink ESMTP"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.open.discard(self)
        if self._speech is not None:
            self._speech.cancel()

    def data_received(self, data: bytes) -> None:
        if self._hung:
            return
        self._buffer += data
        if not self._upgrading:
            self._work()

    def _work(self) -> None:
        while self._buffer and not self._hung and not self._transport.is_closing():
            if not (self._body() if self._in_body else self._line()):
                return

    def cut(self) -> None:
        """Closes the connection without a word."""
        self._transport.abort()

    def _do(self, action: Action | bytes) -> None:
        if action is SmtpFault.CUT:
            self._transport.close()
        elif action is SmtpFault.HANG:
            self._hung = True
        elif isinstance(action, Raw):
            self._hung = not action.goes_on
            if not action.say(self._transport):
                self._speech = asyncio.get_running_loop().create_task(action.speak(self._transport))
        else:
            self._transport.write(action if isinstance(action, bytes) else action.encode())
            if isinstance(action, ScriptedReply) and action.code in {221, 421}:
                self._transport.close()

    def _line(self) -> bool:
        """Handles one command; False when it is not complete yet."""
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_LINE_BYTES:
                self._do(ScriptedReply(421, "4.5.0 line too long"))
            return False
        line = self._buffer[:end].decode(errors="replace")
        del self._buffer[: end + 2]
        if self._refused:
            self._refused = False
            self._do(ScriptedReply(535, "5.7.3 Authentication unsuccessful") if not line else ScriptedReply(500, "5.5.2 say nothing"))
            return True
        verb = line.split(" ", 1)[0].upper()
        stage = "EHLO" if verb == "HELO" else verb
        scripted = self._state.action(Stage(stage), line) if stage in Stage.__members__ else None
        command = self._commands.get(verb)
        if scripted is not None:
            self._do(scripted)
        elif command is None:
            self._do(ScriptedReply(500, "5.5.2 unknown command"))
        elif not self._authenticated and verb in {"MAIL", "RCPT", "DATA"}:
            self._do(ScriptedReply(530, "5.7.0 authentication required"))
        else:
            self._do(command(line))
        return True

    def _body(self) -> bool:
        """Takes the content when it is complete; False when it is not."""
        if not self._body_seen:
            self._body_seen = True
            action = self._state.action(Stage.BODY)
            if action is not None:
                self._do(action)
                return False
        end = 0 if self._buffer.startswith(b".\r\n") else self._buffer.find(_END)
        if end < 0:
            return False
        content = bytes(self._buffer[:end]) + (b"\r\n" if end else b"")
        del self._buffer[: end + (len(_END) if end else 3)]
        self._in_body = False
        action = self._state.action(Stage.END) or ScriptedReply(250, "2.0.0 taken")
        if not isinstance(action, ScriptedReply) or action.code < 400:
            content = content.removeprefix(b".") if content.startswith(b"..") else content
            content = content.replace(b"\r\n..", b"\r\n.")
            mail, rcpt = self._parameters
            self._state.take(Received(self._sender or "", tuple(self._recipients), content, (mail, rcpt)))
        self._forget()
        self._do(action)
        return True

    def _forget(self) -> None:
        self._sender = None
        self._recipients = []

    def _ehlo(self, _line: str) -> bytes:
        self._forget()
        words = ["sink", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]
        words += ["STARTTLS"] if self._state.tls is not None and not self._secure else []
        words += ["AUTH PLAIN XOAUTH2"] if self._state.credentials else []
        return b"".join(f"250{' ' if word is words[-1] else '-'}{word}\r\n".encode() for word in words)

    def _helo(self, _line: str) -> ScriptedReply:
        self._forget()
        return ScriptedReply(250, "sink")

    def _auth(self, line: str) -> ScriptedReply:
        try:
            given = base64.b64decode(line.split(" ")[2]).decode()
        except (IndexError, binascii.Error, UnicodeDecodeError):
            return ScriptedReply(501, "5.5.4 AUTH with an initial response is what this server speaks")
        if line.split(" ")[1].upper() == "XOAUTH2":
            self._authenticated = given in self._state.tokens
            self._refused = not self._authenticated
            return ScriptedReply(334, _REFUSAL) if self._refused else ScriptedReply(235, "2.7.0 welcome")
        self._authenticated = given.endswith(self._state.credentials)
        return ScriptedReply(235, "2.7.0 welcome") if self._authenticated else ScriptedReply(535, "5.7.8 wrong user or password")

    def _starttls(self, _line: str) -> ScriptedReply | bytes:
        if self._state.tls is None or self._secure:
            return ScriptedReply(503, "5.5.1 not now")
        self._secure = self._upgrading = True
        self._buffer.clear()
        self._transport.write(ScriptedReply(220, "2.0.0 go ahead").encode())
        self._upgrade = asyncio.get_running_loop().create_task(self._encrypt(self._state.tls))
        return b""

    async def _encrypt(self, context: ssl.SSLContext) -> None:
        try:
            transport = await asyncio.get_running_loop().start_tls(self._transport, self, context, server_side=True)
        except OSError:
            self.cut()  # the client did not like our certificate; its own error says so
        else:
            self._transport = cast("asyncio.Transport", transport)
            self._upgrading = False
            self._work()  # the first command can overtake the news that the handshake is over

    def _mail(self, line: str) -> ScriptedReply:
        self._forget()
        self._sender = _address(line)
        self._parameters[0] = line.partition("> ")[2]
        return ScriptedReply(250, "2.1.0 sender ok")

    def _rcpt(self, line: str) -> ScriptedReply:
        if self._sender is None:
            return ScriptedReply(503, "5.5.1 MAIL first")
        self._recipients.append(_address(line))
        self._parameters[1] = line.partition("> ")[2]
        return ScriptedReply(250, "2.1.5 recipient ok")

    def _data(self, _line: str) -> ScriptedReply:
        if not self._recipients:
            return ScriptedReply(503, "5.5.1 RCPT first")
        self._in_body, self._body_seen = True, False
        return ScriptedReply(354, "end with <CRLF>.<CRLF>")

    def _rset(self, _line: str) -> ScriptedReply:
        self._forget()
        return ScriptedReply(250, "2.0.0 ok")

    def _noop(self, _line: str) -> ScriptedReply:
        return ScriptedReply(250, "2.0.0 ok")

    def _quit(self, _line: str) -> ScriptedReply:
        return ScriptedReply(221, "2.0.0 bye")


def _address(line: str) -> str:
    """What stands between the angle brackets."""
    return line.partition("<")[2].partition(">")[0]
