"""Asking servers for reports of failure (RFC 3461), and return paths that tell deliveries apart."""

import pytest

from mailer_svc.channels.smtp.session import Envelope
from mailer_svc.domain import ReturnPaths, SendResult
from tests.integration.mailer.test_smtp_outcomes import BARE, Marks, job, plain_mail, provider_for
from tocsin.testing.clock import FakeClock
from tocsin.testing.smtp import ScriptedReply, SmtpSink, Stage

PATHS = ReturnPaths(address="bounces@example.org", key=b"k" * 32)
DELIVERY = "0123456789abcdef0123456789abcdef"


async def test_reports_are_asked_for_where_they_are_offered(smtp_sink: SmtpSink, clock: FakeClock) -> None:
    """Headers alone come back, with the delivery's id, for a failure or a delay."""
    provider = provider_for(smtp_sink, clock)
    await provider.start()
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    assert smtp_sink.messages[0].parameters == ("RET=HDRS ENVID=d1", "NOTIFY=FAILURE,DELAY ORCPT=rfc822;ann@example.com")
    await provider.stop()
    smtp_sink.script(Stage.EHLO, BARE)
    await provider.start()
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    assert smtp_sink.messages[1].parameters == ("", "")
    await provider.stop()


@pytest.mark.parametrize("pipelined", [True, False])
@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        (Stage.MAIL, ScriptedReply(555, "no ENVID")),
        (Stage.RCPT, ScriptedReply(501, "5.5.4 NOTIFY?")),
        (Stage.RCPT, ScriptedReply(504, "no")),
    ],
)
async def test_a_server_that_refuses_what_it_offers_still_gets_the_mail(
    smtp_sink: SmtpSink, clock: FakeClock, stage: Stage, reply: ScriptedReply, pipelined: bool
) -> None:
    """Without asking for reports, and it is not asked on this connection again."""
    smtp_sink.script(stage, reply, times=None, when=lambda line: "=" in line)
    if not pipelined:
        smtp_sink.script(Stage.EHLO, ScriptedReply(250, "DSN"), times=None)
    provider = provider_for(smtp_sink, clock)
    await provider.start()
    for _ in range(2):
        assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    assert [received.parameters for received in smtp_sink.messages] == [("", ""), ("", "")]
    assert smtp_sink.injected.total() <= 3
    await provider.stop()


async def test_a_refusal_that_remains_is_the_messages(smtp_sink: SmtpSink, clock: FakeClock) -> None:
    """A recipient that is refused with or without parameters is dead, after one more try."""
    smtp_sink.script(Stage.RCPT, ScriptedReply(501, "5.1.3 bad address"), times=None)
    provider = provider_for(smtp_sink, clock)
    await provider.start()
    outcome = await provider.send(job(), hand_over=Marks())
    assert (outcome.result, outcome.code) == (SendResult.REFUSED, 501)
    await provider.stop()


async def test_each_mail_has_a_return_path_of_its_own(smtp_sink: SmtpSink, clock: FakeClock) -> None:
    """The header still names the sender."""
    provider = provider_for(smtp_sink, clock, outgoing=plain_mail(return_paths=PATHS))
    await provider.start()
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    assert smtp_sink.messages[0].sender == PATHS.of("d1")
    assert smtp_sink.messages[0].message["From"] == "Tocsin <tocsin@example.org>"
    await provider.stop()


@pytest.mark.parametrize(
    ("address", "original"),
    [
        ("a+b=c@example.com", "rfc822;a+2Bb+3Dc@example.com"),
        ("jürgen@example.com", "utf-8;jürgen@example.com"),
        ("jürgen+x@example.com", "utf-8;jürgen\\x{2B}x@example.com"),
    ],
)
def test_addresses_are_encoded_in_parameters(address: str, original: str) -> None:
    """RFC 3461, 4 and RFC 6533, 3."""
    _, rcpt, _ = Envelope("a@b.c", address, not address.isascii(), "d 1").commands(reports=True)
    assert rcpt == f"RCPT TO:<{address}> NOTIFY=FAILURE,DELAY ORCPT={original}\r\n"
