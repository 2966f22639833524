"""Mail by SMTP: an outcome for every reply and every silence, against a real server."""

import asyncio
from pathlib import Path
from typing import Any

from tests.integration.mailer.support import Rig, State, certificate, message, smtp_settings
from tocsin.api.mailer.v1 import delivery_service_pb2
from tocsin.testing.smtp import ScriptedReply, SmtpFault, SmtpSink, Stage
from tocsin.testing.waiting import eventually


def inline(**fields: Any) -> delivery_service_pb2.InlineContent:
    """A content; ``fields`` replace its own."""
    values: dict[str, Any] = {"subject": "Stand-up", "text": "In five minutes.", **fields}
    return delivery_service_pb2.InlineContent(**values)


async def test_a_mail_arrives_as_it_was_written(mailing: Rig, smtp_sink: SmtpSink) -> None:
    """Envelope, headers and both bodies; the timeline tells each step and the server's words; the Message-ID is the delivery's."""
    content = inline(subject="Grüße aus Köln", text=".\nÄrger?\n..x\n", html="<p>Ärger?</p>")
    (ack,) = await mailing.deliver(message(1, inline=content))
    (received,) = await smtp_sink.received(1)
    delivery = await mailing.settled(ack.delivery, State.SENT)
    mail = received.message
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert (received.sender, received.recipients) == ("tocsin@example.org", ("ann@example.com",))
    assert (mail["From"], mail["To"], mail["Subject"]) == ("Tocsin <tocsin@example.org>", "ann@example.com", "Grüße aus Köln")
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == ".\nÄrger?\n..x\n"
    assert html.get_content().strip() == "<p>Ärger?</p>"
    assert mail["Message-ID"] == delivery.message_id
    assert (delivery.channel, delivery.attempts) == ("email", 1)
    assert [event.state for event in delivery.timeline] == [State.ACCEPTED, State.SENDING, State.SENT]
    assert (delivery.timeline[-1].provider, delivery.timeline[-1].code) == ("smtp", 250)


async def test_a_connection_lost_after_the_final_dot_leaves_the_outcome_unknown(mailing: Rig, smtp_sink: SmtpSink) -> None:
    """The server may have the mail: it is not sent again."""
    smtp_sink.script(Stage.END, SmtpFault.CUT)
    (ack,) = await mailing.deliver(message(1))
    delivery = await mailing.settled(ack.delivery, State.OUTCOME_UNKNOWN)
    assert [event.state for event in delivery.timeline] == [State.ACCEPTED, State.SENDING, State.OUTCOME_UNKNOWN]
    assert not delivery.HasField("next_attempt_time")
    (other,) = await mailing.deliver(message(2))
    await mailing.settled(other.delivery, State.SENT)
    assert smtp_sink.taken == 2


async def test_an_unknown_outcome_is_sent_again_when_the_message_says_so(mailing: Rig, smtp_sink: SmtpSink) -> None:
    """The resend policy of an inline message and of a template; both copies bear the same Message-ID."""
    await mailing.template(resend_if_unknown=True)
    use = delivery_service_pb2.TemplateContent(template="templates/greeting", variables={"name": "Ann"})
    for key, fields in enumerate([{"inline": inline(resend_if_unknown=True)}, {"template": use}]):
        smtp_sink.clear()
        smtp_sink.script(Stage.END, SmtpFault.CUT)
        (ack,) = await mailing.deliver(message(key, **fields))
        await mailing.settled(ack.delivery, State.SENT)
        copies = await smtp_sink.received(2)
        assert len({copy.message["Message-ID"] for copy in copies}) == 1


async def test_a_message_that_is_put_off_too_often_is_dead(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """The number of attempts is a setting."""
    rig = Rig(folder=tmp_path, **smtp_settings(smtp_sink, retry_attempts=2))
    await rig.start()
    smtp_sink.script(Stage.RCPT, ScriptedReply(450, "greylisted"), times=None)
    (ack,) = await rig.deliver(message(1))
    delivery = await rig.settled(ack.delivery, State.DEAD)
    assert delivery.attempts == 2
    assert "gave up after 2 attempts" in delivery.timeline[-1].detail
    await rig.stop()


async def test_a_server_that_is_away_kills_no_message(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """Refused connections open the breaker; when the server is back, everything is sent once, however few attempts were allowed."""
    settings = smtp_settings(smtp_sink, retry_attempts=1)
    await smtp_sink.stop()
    rig = Rig(folder=tmp_path, **settings)
    await rig.start()
    acks = await rig.deliver(*(message(key) for key in range(20)))

    async def attempted() -> bool:
        return (await rig.get(acks[0].delivery)).state == State.RETRYING

    await eventually(attempted)
    await smtp_sink.start()
    for ack in acks:
        await eventually(lambda name=ack.delivery: _is_sent(rig, name))
    assert smtp_sink.taken == 20
    await rig.stop()


async def _is_sent(rig: Rig, name: str) -> bool:
    return (await rig.get(name)).state == State.SENT


async def test_a_permanent_refusal_is_final(mailing: Rig, smtp_sink: SmtpSink) -> None:
    """5yz is dead, with the server's code and words."""
    smtp_sink.script(Stage.RCPT, ScriptedReply(550, "no such user"))
    (ack,) = await mailing.deliver(message(1))
    delivery = await mailing.settled(ack.delivery, State.DEAD)
    assert (delivery.timeline[-1].code, delivery.attempts) == (550, 1)
    assert "no such user" in delivery.timeline[-1].detail


async def test_what_may_pass_is_tried_again(mailing: Rig, smtp_sink: SmtpSink) -> None:
    """The first attempt is put off, the second one succeeds, and the mail is there once."""
    smtp_sink.script(Stage.RCPT, ScriptedReply(450, "greylisted"))
    (ack,) = await mailing.deliver(message(1))
    delivery = await mailing.settled(ack.delivery, State.SENT)
    assert [(event.state, event.code) for event in delivery.timeline][1:] == [(State.RETRYING, 450), (State.SENDING, 0), (State.SENT, 250)]
    assert delivery.attempts == 2
    assert smtp_sink.taken == 1


async def test_wrong_credentials_are_the_operators_matter(tmp_path: Path) -> None:
    """535 leaves the message waiting, with the code in its timeline; TLS comes first, so no password goes in the clear."""
    context, ca = certificate(tmp_path)
    sink = SmtpSink(user="tocsin", password="right", tls=context)
    await sink.start()
    secure = {"smtp_tls": "starttls", "smtp_ca_file": ca, "smtp_username": "tocsin", "smtp_host": "localhost"}
    rig = Rig(folder=tmp_path, **smtp_settings(sink, smtp_password="wrong", retry_attempts=1, **secure))
    await rig.start()
    (ack,) = await rig.deliver(message(1))
    delivery = await rig.settled(ack.delivery, State.RETRYING)
    assert delivery.timeline[-1].code == 535
    await rig.stop()
    await rig.start(smtp_password="right")
    await rig.settled(ack.delivery, State.SENT)
    await rig.stop()
    await sink.stop()


async def test_the_inbox_stays_available_beside_email(mailing: Rig, smtp_sink: SmtpSink) -> None:
    """A message may ask for it; the default is email."""
    first, second = await mailing.deliver(message(1, channel="inbox"), message(2))
    await mailing.settled(second.delivery, State.SENT)
    assert [mail.delivery for mail in await mailing.messages()] == [first.delivery]
    assert len(await smtp_sink.received(1)) == 1


async def test_bulk_does_not_hold_up_what_is_critical(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """With the server silent on every bulk mail, connections are left, and a critical mail goes out at once."""
    rig = Rig(folder=tmp_path, **smtp_settings(smtp_sink, smtp_connections=4))
    await rig.start()
    smtp_sink.script(Stage.RCPT, SmtpFault.HANG, times=None, when=lambda line: "bulk" in line)
    await rig.deliver(*(message(key, to=f"bulk{key}@example.com", lane=3) for key in range(50)))
    await eventually(lambda: smtp_sink.sessions >= 3)
    (ack,) = await rig.deliver(message(100, lane=1))
    await rig.settled(ack.delivery, State.SENT)
    await asyncio.wait_for(rig.stop(), 60)
