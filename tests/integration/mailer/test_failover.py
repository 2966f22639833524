"""Several SMTP servers: while one does not work, the next one sends; each mail goes out once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.mailer.support import Rig, State, message, smtp_settings
from tocsin.api.mailer.v1.delivery_service_pb2 import DeliverAck
from tocsin.testing.smtp import ScriptedReply, SmtpFault, SmtpSink, Stage
from tocsin.testing.waiting import eventually


@pytest.fixture
async def second() -> AsyncIterator[SmtpSink]:
    """The server to fall back on."""
    sink = SmtpSink()
    await sink.start()
    yield sink
    await sink.stop()


@pytest.fixture
async def failover(tmp_path: Path, smtp_sink: SmtpSink, second: SmtpSink) -> AsyncIterator[Rig]:
    """A mailer with both."""
    rig = Rig(folder=tmp_path, **smtp_settings(smtp_sink, smtp_fallbacks=f"smtp://127.0.0.1:{second.port}"))
    await rig.start()
    yield rig
    await rig.stop()


async def test_the_first_server_sends_while_it_works(failover: Rig, smtp_sink: SmtpSink, second: SmtpSink) -> None:
    """The other one hears nothing."""
    for ack in await failover.deliver(*(message(key) for key in range(5))):
        assert "instead of" not in (await failover.settled(ack.delivery, State.SENT)).timeline[-1].detail
    assert (smtp_sink.taken, second.taken, second.sessions) == (5, 0, 0)


@pytest.mark.parametrize("trouble", [ScriptedReply(421, "closing"), ScriptedReply(554, "no service"), SmtpFault.CUT])
async def test_the_next_one_sends_at_once_when_the_first_does_not_work(
    failover: Rig, smtp_sink: SmtpSink, second: SmtpSink, trouble: ScriptedReply | SmtpFault
) -> None:
    """No attempt is lost, and the timeline names who sent; the first one's breaker opens, and then it is not even asked."""
    smtp_sink.script(Stage.CONNECT, trouble, times=None)
    for ack in await failover.deliver(*(message(key) for key in range(30))):
        delivery = await failover.settled(ack.delivery, State.SENT)
        assert [event.state for event in delivery.timeline] == [State.ACCEPTED, State.SENDING, State.SENT]
        assert delivery.timeline[-1].provider == "smtp-2"
        assert "; instead of smtp (" in delivery.timeline[-1].detail
    assert (smtp_sink.taken, second.taken) == (0, 30)
    assert 0 < smtp_sink.sessions < 30


async def test_with_all_of_them_away_mails_wait(failover: Rig, smtp_sink: SmtpSink, second: SmtpSink) -> None:
    """Nothing is dead; whoever is back first sends, once."""
    await smtp_sink.stop()
    await second.stop()
    acks = await failover.deliver(*(message(key) for key in range(5)))
    await eventually(lambda: _some(failover, acks, State.RETRYING), what="an attempt that found nobody")
    await second.start()
    for ack in acks:
        await failover.settled(ack.delivery, State.SENT)
    assert second.taken == 5


async def _some(failover: Rig, acks: list[DeliverAck], state: "State.ValueType") -> bool:
    """Whether one of the deliveries is in that state; which ones are tried before the circuit opens is not said."""
    return any([(await failover.get(ack.delivery)).state == state for ack in acks])


async def test_a_mail_that_may_have_gone_out_does_not_go_to_the_next(failover: Rig, smtp_sink: SmtpSink, second: SmtpSink) -> None:
    """After its content was sent to one server, another one is not asked in the same attempt, whatever the first one said."""
    smtp_sink.script(Stage.END, SmtpFault.CUT)
    (ack,) = await failover.deliver(message(1))
    await failover.settled(ack.delivery, State.OUTCOME_UNKNOWN)
    smtp_sink.script(Stage.END, ScriptedReply(421, "closing"))
    (other,) = await failover.deliver(message(2))
    delivery = await failover.settled(other.delivery, State.SENT)
    assert State.RETRYING in [event.state for event in delivery.timeline]
    assert second.taken == 0


async def test_what_a_server_refuses_is_refused(failover: Rig, smtp_sink: SmtpSink, second: SmtpSink) -> None:
    """An unknown recipient is the message's fault: the next server is not asked for another opinion."""
    smtp_sink.script(Stage.RCPT, ScriptedReply(550, "no such user"))
    (ack,) = await failover.deliver(message(1))
    await failover.settled(ack.delivery, State.DEAD)
    assert second.sessions == 0
