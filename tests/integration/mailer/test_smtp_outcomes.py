"""What the SMTP provider makes of every reply and every silence of a real server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailer_svc.channels.mime import MailComposer, Sender
from mailer_svc.channels.outgoing import OutgoingMail
from mailer_svc.channels.smtp import SmtpConnector, SmtpProvider, SmtpRule, SmtpServer
from mailer_svc.channels.smtp.connect import AccessTokens
from mailer_svc.channels.smtp.session import Timeouts
from mailer_svc.channels.smtp.urls import TlsMode
from mailer_svc.domain import Content, Priority, SendJob, SendResult
from tests.integration.mailer.support import certificate
from tocsin.errors import Unavailable
from tocsin.mesh.breaker import Breaker, BreakerRule
from tocsin.testing.clock import FakeClock
from tocsin.testing.smtp import ScriptedReply, SmtpFault, SmtpSink, Stage

BARE = ScriptedReply(250, "sink")
"""An EHLO without extensions: nothing is pipelined."""


class Marks:
    """The mark before the content: counts, and answers as told."""

    def __init__(self, answer: bool | Exception = True) -> None:
        self.count = 0
        self.answer = answer

    async def __call__(self) -> bool:
        self.count += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def job(to: str = "ann@example.com", text: str = "In five minutes.", *, attempts: int = 0) -> SendJob:
    """A claimed delivery."""
    return SendJob(
        id="d1",
        epoch=1,
        tenant="t1",
        priority=Priority.NORMAL,
        to=to,
        content=Content("Stand-up", text),
        message_id="<d1@example.org>",
        attempts=attempts,
        deferrals=0,
        created=10**15,
        since=10**15,
        resend=False,
        traceparent="",
    )


def plain_mail(**fields: Any) -> OutgoingMail:
    """Mails of a sender; ``fields`` are added."""
    sender = Sender.parse("Tocsin <tocsin@example.org>")
    values: dict[str, Any] = {"sender": sender, "composer": MailComposer(sender=sender), **fields}
    return OutgoingMail(**values)


def provider_for(
    sink: SmtpSink,
    clock: FakeClock,
    *,
    tls: TlsMode = TlsMode.NONE,
    ca: Path | None = None,
    password: str = "",
    messages: int = 100,
    connect_seconds: float = 60.0,
    silence_seconds: float = 60.0,
    breaker: Breaker | None = None,
    outgoing: OutgoingMail | None = None,
    tokens: AccessTokens | None = None,
    per_second: float = 0.0,
) -> SmtpProvider:
    """A provider that talks to ``sink``."""
    server = SmtpServer(
        host="localhost" if ca else "127.0.0.1",
        port=sink.port,
        tls=tls,
        ca_file=ca,
        username="tocsin" if password or tokens else "",
        password=password,
        helo="mailer.test",
        connect_seconds=connect_seconds,
        timeouts=Timeouts(command=silence_seconds, end=silence_seconds),
    )
    return SmtpProvider(
        connector=SmtpConnector(server=server, tokens=tokens),
        outgoing=outgoing or plain_mail(),
        breaker=breaker or Breaker(id="smtp", target="smtp", rule=BreakerRule(), clock=clock),
        rule=SmtpRule(connections=4, idle_seconds=30.0, messages=messages, per_second=per_second),
        clock=clock,
    )


@pytest.fixture
async def provider(request: pytest.FixtureRequest, smtp_sink: SmtpSink, clock: FakeClock) -> AsyncIterator[SmtpProvider]:
    """A provider that talks to the sink in plain text; where the sink says nothing it waits for a second alone."""
    scripted = getattr(request.node, "callspec", None)
    silent = scripted is not None and scripted.params.get("action") is SmtpFault.HANG
    made = provider_for(smtp_sink, clock, silence_seconds=1.0 if silent else 60.0)
    await made.start()
    yield made
    await made.stop()


DOWN, LOST, DEFERRED, REFUSED, UNKNOWN = (
    SendResult.PROVIDER_DOWN,
    SendResult.LOST,
    SendResult.DEFERRED,
    SendResult.REFUSED,
    SendResult.UNKNOWN,
)
OUTCOMES: list[tuple[Stage, ScriptedReply | SmtpFault, SendResult, int]] = [
    (Stage.CONNECT, ScriptedReply(421, "busy"), DOWN, 421),
    (Stage.CONNECT, ScriptedReply(554, "go away"), DOWN, 554),
    (Stage.CONNECT, SmtpFault.CUT, DOWN, 0),
    (Stage.EHLO, SmtpFault.CUT, DOWN, 0),
    (Stage.MAIL, ScriptedReply(451, "later"), DOWN, 451),
    (Stage.MAIL, ScriptedReply(421, "closing"), DOWN, 421),
    (Stage.MAIL, ScriptedReply(530, "log in"), DOWN, 530),
    (Stage.MAIL, ScriptedReply(553, "no such sender"), DOWN, 553),
    (Stage.MAIL, ScriptedReply(503, "lost the thread"), DOWN, 503),
    (Stage.MAIL, SmtpFault.CUT, LOST, 0),
    (Stage.MAIL, SmtpFault.HANG, LOST, 0),
    (Stage.MAIL, ScriptedReply(555, "no such parameter"), REFUSED, 555),
    (Stage.MAIL, ScriptedReply(550, "5.6.7 not ASCII"), REFUSED, 550),
    (Stage.RCPT, ScriptedReply(450, "greylisted"), DEFERRED, 450),
    (Stage.RCPT, ScriptedReply(454, "4.7.1 Relay access denied"), DEFERRED, 454),
    (Stage.RCPT, ScriptedReply(530, "5.7.1 authentication required"), DEFERRED, 530),
    (Stage.RCPT, ScriptedReply(421, "closing"), LOST, 421),
    (Stage.RCPT, ScriptedReply(421, "4.2.1 this mailbox gets too much"), DEFERRED, 421),
    (Stage.RCPT, ScriptedReply(354, "go on"), LOST, 354),
    (Stage.DATA, ScriptedReply(250, "yes to everything"), LOST, 250),
    (Stage.RCPT, ScriptedReply(451, "later"), DEFERRED, 451),
    (Stage.RCPT, ScriptedReply(452, "full"), DEFERRED, 452),
    (Stage.RCPT, ScriptedReply(550, "no such user"), REFUSED, 550),
    (Stage.RCPT, ScriptedReply(553, "not allowed"), REFUSED, 553),
    (Stage.RCPT, SmtpFault.CUT, LOST, 0),
    (Stage.RCPT, SmtpFault.HANG, LOST, 0),
    (Stage.DATA, ScriptedReply(451, "later"), DEFERRED, 451),
    (Stage.DATA, ScriptedReply(554, "no valid recipients"), REFUSED, 554),
    (Stage.DATA, SmtpFault.CUT, LOST, 0),
    (Stage.DATA, SmtpFault.HANG, LOST, 0),
    (Stage.END, ScriptedReply(452, "full"), DEFERRED, 452),
    (Stage.END, ScriptedReply(421, "closing"), LOST, 421),
    (Stage.END, ScriptedReply(554, "looks like spam"), REFUSED, 554),
    (Stage.END, SmtpFault.CUT, UNKNOWN, 0),
    (Stage.END, SmtpFault.HANG, UNKNOWN, 0),
]


@pytest.mark.parametrize("pipelined", [True, False])
@pytest.mark.parametrize(
    ("stage", "action", "result", "code"),
    OUTCOMES,
    ids=[f"{stage.value} {action.code if isinstance(action, ScriptedReply) else action.name}" for stage, action, _, _ in OUTCOMES],
)
async def test_every_reply_and_every_silence_has_an_outcome(
    provider: SmtpProvider,
    smtp_sink: SmtpSink,
    stage: Stage,
    action: ScriptedReply | SmtpFault,
    result: SendResult,
    code: int,
    pipelined: bool,
) -> None:
    """The outcome bears the server's code; the mark is set only when the content was about to go; the next mail goes through."""
    if stage is Stage.EHLO or not pipelined:
        smtp_sink.script(Stage.EHLO, action if stage is Stage.EHLO else BARE, times=1 if stage is Stage.EHLO else None)
    if stage is not Stage.EHLO:
        # A server that offers reports of failure is asked again without them when it refuses parameters.
        smtp_sink.script(stage, action, times=2 if pipelined and code == 555 else 1)
    marks = Marks()
    outcome = await provider.send(job(), hand_over=marks)
    assert (outcome.result, outcome.code) == (result, code)
    assert outcome.detail
    assert marks.count == (stage is Stage.END)
    taken = smtp_sink.taken
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    assert smtp_sink.taken == taken + 1


async def test_a_refused_connection_is_the_providers_fault(smtp_sink: SmtpSink, clock: FakeClock) -> None:
    """Nobody listens: the message is not to blame, and after five times the breaker pauses everything."""
    await smtp_sink.stop()
    provider = provider_for(smtp_sink, clock)
    await provider.start()
    assert (provider.probing(), provider.fault()) == (False, "")
    for _ in range(5):
        assert provider.pause() == 0
        assert (await provider.send(job(), hand_over=Marks())).result is SendResult.PROVIDER_DOWN
    assert provider.pause() > 0
    assert provider.probing()
    assert "the circuit is open since" in provider.fault()
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.NOT_TRIED
    await clock.advance(60)
    await smtp_sink.start()
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    await provider.stop()


@pytest.mark.parametrize("answer", [False, Unavailable("the database is away")], ids=["lost claim", "no database"])
async def test_without_the_mark_nothing_is_sent(provider: SmtpProvider, smtp_sink: SmtpSink, answer: bool | Exception) -> None:
    """The server waits for the content and gets none; that is neither an attempt nor the server's fault."""
    outcome = await provider.send(job(), hand_over=Marks(answer))
    assert outcome.result is SendResult.NOT_TRIED
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    assert smtp_sink.taken == 1


async def test_a_connection_cut_within_the_content_is_safe_to_repeat(provider: SmtpProvider, smtp_sink: SmtpSink) -> None:
    """More than the kernel takes at once: the loss is seen before the final dot is sent, so the server cannot have the message."""
    smtp_sink.script(Stage.BODY, SmtpFault.CUT)
    outcome = await provider.send(job(text="x" * 70 + "\n" + ("y" * 75 + "\n") * 400_000), hand_over=Marks())
    assert outcome.result is SendResult.LOST
    assert smtp_sink.taken == 0


async def test_one_connection_carries_mail_after_mail(provider: SmtpProvider, smtp_sink: SmtpSink) -> None:
    """Ten mails, one connection."""
    for _ in range(10):
        assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    assert (smtp_sink.sessions, smtp_sink.taken, provider.connections) == (1, 10, 1)


async def test_an_idle_connection_that_the_server_closed_is_nobodys_failure(provider: SmtpProvider, smtp_sink: SmtpSink) -> None:
    """The mail goes over a new connection within the same attempt, whether the server says 421 or nothing."""
    for action in (SmtpFault.CUT, ScriptedReply(421, "idle for too long")):
        assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
        smtp_sink.script(Stage.MAIL, action)
        assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    assert smtp_sink.taken == 4


async def test_connections_are_closed_when_they_are_old_or_idle(smtp_sink: SmtpSink, clock: FakeClock) -> None:
    """After as many messages as allowed, and after as much idle time as allowed."""
    provider = provider_for(smtp_sink, clock, messages=2)
    await provider.start()
    for _ in range(3):
        await provider.send(job(), hand_over=Marks())
    assert (smtp_sink.sessions, provider.connections) == (2, 1)
    await clock.advance(50)
    assert provider.connections == 0
    await provider.stop()


async def test_no_more_mails_a_second_than_the_rate_allows(smtp_sink: SmtpSink, clock: FakeClock) -> None:
    """What is too many for now was not tried, and is told when to come again."""
    provider = provider_for(smtp_sink, clock, per_second=0.1)
    await provider.start()
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    outcome = await provider.send(job(), hand_over=Marks())
    assert (outcome.result, outcome.retry_after) == (SendResult.NOT_TRIED, 10.0)
    await clock.advance(10)
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    await provider.stop()


@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_mail_travels_encrypted_and_authenticated(tmp_path: Path, clock: FakeClock, mode: TlsMode) -> None:
    """By STARTTLS and from the first byte; a wrong password is the provider's matter, not the message's."""
    context, ca = certificate(tmp_path)
    sink = SmtpSink(user="tocsin", password="right", tls=context, implicit_tls=mode is TlsMode.IMPLICIT)
    await sink.start()
    for password, result in (("right", SendResult.SENT), ("wrong", SendResult.MISCONFIGURED)):
        provider = provider_for(sink, clock, tls=mode, ca=ca, password=password)
        await provider.start()
        outcome = await provider.send(job(), hand_over=Marks())
        assert (outcome.result, outcome.code) == (result, 250 if result is SendResult.SENT else 535)
        await provider.stop()
    await sink.stop()


@pytest.mark.parametrize("offered", [True, False])
async def test_nothing_is_sent_without_the_encryption_asked_for(tmp_path: Path, clock: FakeClock, offered: bool) -> None:
    """A server without STARTTLS gets nothing, nor does one with a certificate of nobody we know."""
    context, ca = certificate(tmp_path)
    sink = SmtpSink(tls=context if offered else None)
    await sink.start()
    provider = provider_for(sink, clock, tls=TlsMode.STARTTLS, ca=None if offered else ca)
    await provider.start()
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.PROVIDER_DOWN
    assert sink.taken == 0
    await provider.stop()
    await sink.stop()


async def test_an_address_that_is_not_ascii_needs_smtputf8(provider: SmtpProvider, smtp_sink: SmtpSink) -> None:
    """It is used where it is offered; a server without it refuses for good, and was not bothered."""
    assert (await provider.send(job("jürgen@example.com"), hand_over=Marks())).result is SendResult.SENT
    assert smtp_sink.messages[0].recipients == ("jürgen@example.com",)
    assert smtp_sink.messages[0].message["To"] == "jürgen@example.com"
    await provider.stop()
    smtp_sink.script(Stage.EHLO, BARE)
    await provider.start()
    assert (await provider.send(job("jürgen@example.com"), hand_over=Marks())).result is SendResult.REFUSED


async def test_dots_at_the_beginning_of_lines_survive(provider: SmtpProvider, smtp_sink: SmtpSink) -> None:
    """RFC 5321, 4.5.2; a line with a single dot does not end the message."""
    await provider.send(job(text=".\n..\n.x\n"), hand_over=Marks())
    assert smtp_sink.messages[0].message.get_content().replace("\r\n", "\n") == ".\n..\n.x\n"
