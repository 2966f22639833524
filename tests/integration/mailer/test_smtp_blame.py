"""Whose fault a reply is: what a server says of a recipient or of a message never closes the way for the others."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from mailer_svc.channels.smtp.replies import SmtpFailure, SmtpPhase, counts_against_provider, outcome_of
from mailer_svc.channels.smtp.replies import SmtpReply as Answer
from mailer_svc.domain import SendResult
from tests.integration.mailer.support import Rig, State, message, smtp_settings
from tests.integration.mailer.test_smtp_outcomes import Marks, job, provider_for
from tocsin.mesh.breaker import Breaker, BreakerRule, CircuitState
from tocsin.testing.clock import FakeClock
from tocsin.testing.smtp import Raw, ScriptedReply, SmtpFault, SmtpSink, Stage
from tocsin.testing.waiting import eventually

CODES = [*range(400, 460), 471, 499, *range(500, 560), 571, 599]
ENHANCED = ["", *(f"{subject}.{detail} " for subject, detail in itertools.product(range(9), (0, 1, 7)))]


def replies(codes: Sequence[int] = CODES) -> list[Answer]:
    """Each code without an enhanced one, and with many."""
    return [Answer(code, f"{code // 100}.{more}words" if more else "words") for code in codes for more in ENHANCED]


@pytest.mark.parametrize("telling", [True, False])
@pytest.mark.parametrize("phase", [SmtpPhase.RCPT, SmtpPhase.DATA, SmtpPhase.CONTENT, SmtpPhase.END])
def test_no_reply_about_a_recipient_or_a_message_counts(phase: SmtpPhase, telling: bool) -> None:
    """Every 4yz is tried again and every 5yz ends the message, but for 5yz that only an operator mends; 421 closes the connection."""
    for reply in replies([code for code in CODES if code != 421]):
        failure = SmtpFailure.refused(phase, reply)
        assert counts_against_provider(failure, telling=telling) is False, reply
        temporary = reply.code < 500 or reply.code in {503, 530, 534, 535, 538}
        assert outcome_of(failure).result is (SendResult.DEFERRED if temporary else SendResult.REFUSED), reply


@pytest.mark.parametrize("phase", [SmtpPhase.CONNECT, SmtpPhase.AUTH, SmtpPhase.MAIL])
def test_what_is_said_before_a_recipient_is_named_says_nothing_of_the_message(phase: SmtpPhase) -> None:
    """Nobody dies of a server, a password or a sender that is refused, whatever the code; the provider's circuit counts it."""
    for reply in replies():
        failure = SmtpFailure.refused(phase, reply)
        parameters = phase is SmtpPhase.MAIL and reply.code >= 500 and (reply.code == 555 or reply.text.startswith("5.6."))
        credentials = phase is SmtpPhase.AUTH and reply.code >= 500
        away = SendResult.MISCONFIGURED if credentials else SendResult.PROVIDER_DOWN
        assert outcome_of(failure).result is (SendResult.REFUSED if parameters else away), reply
        assert counts_against_provider(failure, telling=False) is not parameters


def test_a_message_that_loses_connections_counts_once() -> None:
    """It may be why: a second loss says nothing of the provider."""
    for phase in (SmtpPhase.MAIL, SmtpPhase.RCPT, SmtpPhase.DATA, SmtpPhase.CONTENT, SmtpPhase.END):
        assert counts_against_provider(SmtpFailure(phase, "lost"), telling=True) is True
        assert counts_against_provider(SmtpFailure(phase, "lost"), telling=False) is None


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.END])
@pytest.mark.parametrize(
    "reply",
    [
        ScriptedReply(454, "4.7.1 Relay access denied"),
        ScriptedReply(450, "4.2.0 greylisted"),
        ScriptedReply(550, "5.1.1 no such user"),
        ScriptedReply(530, "log in"),
    ],
)
async def test_refused_messages_open_no_breaker(smtp_sink: SmtpSink, clock: FakeClock, stage: Stage, reply: ScriptedReply) -> None:
    """A server that says no works."""
    smtp_sink.script(stage, reply, times=None)
    breaker = Breaker(id="smtp", target="smtp", rule=BreakerRule(), clock=clock)
    provider = provider_for(smtp_sink, clock, breaker=breaker)
    await provider.start()
    for _ in range(30):
        await provider.send(job(), hand_over=Marks())
    assert breaker.state is CircuitState.CLOSED
    assert smtp_sink.sessions < 10  # a refusal costs no connection; a slow machine may
    await provider.stop()


BAD = [
    pytest.param(ScriptedReply(454, "4.7.1 Relay access denied"), id="454"),
    pytest.param(ScriptedReply(421, "4.2.1 too much mail for this mailbox"), id="421 of a mailbox"),
    pytest.param(ScriptedReply(535, "5.7.8 log in"), id="535"),
    pytest.param(ScriptedReply(421, "closing"), id="421"),
    pytest.param(SmtpFault.CUT, id="cut"),
    pytest.param(Raw(b"\xff\xfe nonsense \r\n", close=True), id="nonsense"),
]


@pytest.mark.parametrize("bad", BAD)
async def test_bad_recipients_hold_up_no_good_mail(tmp_path: Path, smtp_sink: SmtpSink, bad: ScriptedReply | SmtpFault | Raw) -> None:
    """18 recipients that the server does not take, again and again, and 30 that it does: all of the 30 are sent, and health says so."""
    rig = Rig(folder=tmp_path, **smtp_settings(smtp_sink, smtp_idle_seconds=5.0))
    await rig.start()
    smtp_sink.script(Stage.RCPT, bad, times=None, when=lambda line: "bad" in line)
    refused = await rig.deliver(*(message(key, to=f"bad{key}@example.com") for key in range(18)))
    await eventually(lambda: sum(smtp_sink.injected.values()) >= 10, seconds=60)
    good = await rig.deliver(*(message(key, to=f"good{key}@example.com") for key in range(100, 130)))
    for ack in good:
        await eventually(lambda name=ack.delivery: sent(rig, name), seconds=60)
    for ack in refused:
        assert (await rig.get(ack.delivery)).state in (State.ACCEPTED, State.RETRYING)
    await rig.stop()


async def sent(rig: Rig, name: str) -> bool:
    """Whether a delivery is sent."""
    return (await rig.get(name)).state == State.SENT


async def test_the_probe_is_a_mail_that_never_failed(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """Mails that failed while the server was away wait for those that come after it is back."""
    rig = Rig(folder=tmp_path, **smtp_settings(smtp_sink, retry_initial_seconds=0.01))
    await rig.start()
    smtp_sink.script(Stage.MAIL, ScriptedReply(451, "4.3.0 the disk is full"), times=None)
    old = await rig.deliver(*(message(key, to=f"old{key}@example.com") for key in range(6)))
    for ack in old:
        await rig.settled(ack.delivery, State.RETRYING)
    new = await rig.deliver(*(message(key, to=f"new{key}@example.com") for key in range(100, 103)))
    smtp_sink.clear()
    for ack in (*new, *old):
        await rig.settled(ack.delivery, State.SENT)
    assert {received.recipients[0][:3] for received in smtp_sink.messages[:3]} == {"new"}
    await rig.stop()
