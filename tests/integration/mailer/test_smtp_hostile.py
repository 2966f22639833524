"""Servers that no mailer should have to meet: each says nonsense at a stage, is understood or dropped in bounded time and memory."""

import asyncio
import resource
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailer_svc.channels.smtp import SmtpProvider
from mailer_svc.domain import Content, SendResult
from tests.integration.mailer.support import Rig, State, message, smtp_settings
from tests.integration.mailer.test_smtp_outcomes import Marks, job, provider_for
from tocsin.testing.clock import FakeClock
from tocsin.testing.smtp import Raw, ScriptedReply, SmtpFault, SmtpSink, Stage
from tocsin.testing.waiting import eventually

BEFORE_THE_MARK = [Stage.CONNECT, Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.DATA]
STAGES = [*BEFORE_THE_MARK, Stage.BODY, Stage.END]
NONSENSE = [
    pytest.param(Raw(b"250 " + b"x" * 65_536, times=160), id="10 MB without a line end"),
    pytest.param(Raw(b"250-more\r\n", times=None), id="a reply without end"),
    pytest.param(Raw(b"250-\r\n", times=None), id="empty lines without end"),
    pytest.param(Raw(b"250 yes\r\n" * 1000, times=None), id="replies without end"),
    pytest.param(Raw(bytes(range(256)) * 64, times=None), id="every byte"),
    pytest.param(Raw(b"\x00" * 4096, times=4), id="zeros"),
    pytest.param(Raw(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n", close=True), id="a web server"),
    pytest.param(Raw(b"\xff\xfb\x01\xff\xfb\x03login: "), id="a telnet server"),
    pytest.param(Raw(b"999 what\r\n"), id="a code of no class"),
    pytest.param(Raw(b"000 \r\n"), id="a code of zeros"),
    pytest.param(Raw(b"150 wait\r\n"), id="a preliminary reply"),
    pytest.param(Raw(b"25\r\n"), id="half a code"),
    pytest.param(Raw(b"\r\n\r\n\r\n"), id="empty lines"),
    pytest.param(Raw(b"4 5 1 no\r\n"), id="a code with blanks"),
    pytest.param(Raw("٢٥٠ نعم\r\n".encode()), id="digits that are not ASCII"),
    pytest.param(Raw(b"250 yes\r\n" * 40, pause=0.02), id="a byte now and then"),
    pytest.param(Raw(b"", close=True), id="closing"),
]


@pytest.fixture
async def provider(smtp_sink: SmtpSink, clock: FakeClock) -> AsyncIterator[SmtpProvider]:
    """A provider that talks to the sink."""
    made = provider_for(smtp_sink, clock, connect_seconds=0.5, silence_seconds=0.3)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_has_an_outcome(provider: SmtpProvider, smtp_sink: SmtpSink, stage: Stage, nonsense: Raw) -> None:
    """Never an exception, never SENT before the final dot was answered, never more memory than a reply may take; the next mail goes out."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    smtp_sink.script(stage, nonsense)
    marks = Marks()
    async with asyncio.timeout(60):
        outcome = await provider.send(job(), hand_over=marks)
    if stage in BEFORE_THE_MARK:
        # Some of it is a fine reply at that stage; what the server says behind it is not.
        assert outcome.result in (SendResult.PROVIDER_DOWN, SendResult.LOST, SendResult.SENT)
        assert (marks.count == 0) or outcome.result is SendResult.SENT
    else:
        assert outcome.result in (SendResult.UNKNOWN, SendResult.SENT)
        assert marks.count == 1
    assert outcome.detail.isprintable() or outcome.result is SendResult.SENT
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    smtp_sink.clear()

    async def sent() -> bool:  # a connection on which it still speaks is given up first
        return (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT

    await eventually(sent, what="the next mail")
    assert smtp_sink.taken >= 1


@pytest.mark.parametrize("early", [b"354 go on\r\n250 taken\r\n", b"354 go on\r\n250", b"354 go on\r\n421 closing\r\n"])
async def test_a_reply_that_nobody_asked_for_is_no_answer(provider: SmtpProvider, smtp_sink: SmtpSink, early: bytes) -> None:
    """A yes that comes before the content is not taken for the answer to it: the content is not even sent."""
    smtp_sink.script(Stage.DATA, Raw(early))
    marks = Marks()
    outcome = await provider.send(job(), hand_over=marks)
    assert outcome.result in (SendResult.LOST, SendResult.DEFERRED)
    assert marks.count == 0
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT


async def test_an_extension_that_makes_no_sense_is_none(provider: SmtpProvider, smtp_sink: SmtpSink) -> None:
    """SIZE of less than nothing, AUTH without a mechanism, PIPELINING twice, names that are none."""
    lines = ["sink", "SIZE -1", "SIZE 99999999999999999999999", "AUTH", "AUTH=", "PIPELINING", "PIPELINING", "8BITMIME x", "=", "\x01", "é"]
    words = b"".join(f"250-{line}\r\n".encode("latin-1") for line in lines) + b"250 \r\n"
    smtp_sink.script(Stage.EHLO, Raw(words, goes_on=True))
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT


async def test_yes_to_everything_is_not_a_server(provider: SmtpProvider, smtp_sink: SmtpSink) -> None:
    """250 at DATA means that nobody waits for the content; it stays here."""
    smtp_sink.script(Stage.DATA, ScriptedReply(250, "OK"), times=None)
    marks = Marks()
    assert (await provider.send(job(), hand_over=marks)).result is SendResult.LOST
    assert (marks.count, smtp_sink.taken) == (0, 0)


@pytest.mark.parametrize(
    "content", [Content("half \ud800", "x"), Content("x", "half \udfff"), Content("a\nb", "x"), Content("x", "y", "\ud800")]
)
async def test_what_cannot_be_written_as_a_mail_is_refused(provider: SmtpProvider, smtp_sink: SmtpSink, content: Content) -> None:
    """It was checked when it came, and may have been changed in the database: it ends, and costs nobody anything."""
    outcome = await provider.send(replace(job(), content=content), hand_over=Marks())
    assert outcome.result is SendResult.REFUSED
    assert outcome.detail
    assert smtp_sink.sessions == 0


async def test_the_words_of_a_server_can_be_stored(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """Bytes that are no text, U+0000, and a line of 60,000 characters end up in the timeline, cut and made printable."""
    rig = Rig(folder=tmp_path, **smtp_settings(smtp_sink))
    await rig.start()
    smtp_sink.script(Stage.RCPT, Raw(b"550 5.1.1 \xff\xfe\x00\x1b[31m " + b"x" * 60_000 + b"\r\n", goes_on=True))
    (ack,) = await rig.deliver(message(1))
    delivery = await rig.settled(ack.delivery, State.DEAD)
    assert delivery.timeline[-1].code == 550
    assert delivery.timeline[-1].detail.isprintable()
    assert len(delivery.timeline[-1].detail) <= 500
    smtp_sink.script(Stage.END, Raw(b"250 \x00\xff\x1b\r\n", goes_on=True))
    (ack,) = await rig.deliver(message(2))
    assert (await rig.settled(ack.delivery, State.SENT)).timeline[-1].detail.isprintable()
    await rig.stop()


async def test_health_tells_of_the_circuit_and_the_queue(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """Degraded while mails wait for a server that does not work; fine again, by itself, when it does."""
    rig = Rig(folder=tmp_path, **smtp_settings(smtp_sink))
    await rig.start()

    async def told(name: str, health: str, words: str) -> bool:
        found = (await rig.health())[name]
        return found[0] == health and words in found[1]

    await eventually(lambda: told("queue", "HEALTHY", "no mail waits"))
    assert await told("providers", "HEALTHY", "")
    smtp_sink.script(Stage.CONNECT, SmtpFault.CUT, times=None)
    await rig.deliver(*(message(key) for key in range(10)))
    await eventually(lambda: told("providers", "DEGRADED", "the circuit is"))
    await eventually(lambda: told("queue", "HEALTHY", "the first mail of the queue has been due for"))
    smtp_sink.clear()
    await eventually(lambda: told("providers", "HEALTHY", ""), seconds=60)
    await eventually(lambda: told("queue", "HEALTHY", "no mail waits"), seconds=60)
    await rig.stop()
