"""Sending again what is dead, or nobody knows of."""

from typing import Any

import pytest

from mailer_svc.service import queries
from tests.integration.mailer.support import Rig, State, message
from tocsin import errors
from tocsin.api.mailer.v1 import delivery_service_pb2 as pb
from tocsin.testing.smtp import ScriptedReply, SmtpFault, SmtpSink, Stage


async def again(rig: Rig, name: str, tenant: str = "t1") -> pb.Delivery:
    """Asks for one delivery again."""
    with rig.user(tenant):
        return await rig.deliveries.RetryDelivery(pb.RetryDeliveryRequest(name=name))


async def all_again(rig: Rig, condition: str = "", tenant: str = "t1", **fields: Any) -> pb.RetryDeliveriesResponse:
    """Asks for those again that meet a filter."""
    with rig.user(tenant):
        return await rig.deliveries.RetryDeliveries(pb.RetryDeliveriesRequest(filter=condition, **fields))


@pytest.mark.parametrize(("action", "state"), [(ScriptedReply(550, "no such user"), State.DEAD), (SmtpFault.CUT, State.OUTCOME_UNKNOWN)])
async def test_one_is_sent_again(mailing: Rig, smtp_sink: SmtpSink, action: ScriptedReply | SmtpFault, state: Any) -> None:
    """It is in the timeline; asking twice is asking once; another tenant has none of it."""
    smtp_sink.script(Stage.RCPT if state == State.DEAD else Stage.END, action)
    (ack,) = await mailing.deliver(message(1))
    await mailing.settled(ack.delivery, state)
    with pytest.raises(errors.NotFound):
        await again(mailing, ack.delivery, "t2")
    assert (await again(mailing, ack.delivery)).state in (State.RETRYING, State.SENDING, State.SENT)
    delivery = await mailing.settled(ack.delivery, State.SENT)
    assert (await again(mailing, ack.delivery)).state == State.SENT
    asked = [event for event in delivery.timeline if event.state == State.RETRYING]
    assert [event.detail for event in asked] == ["somebody asked for another attempt"]
    assert delivery.attempts == 2
    assert smtp_sink.taken == (1 if state == State.DEAD else 2)


async def test_those_that_meet_a_filter_are_sent_again(mailing: Rig, smtp_sink: SmtpSink) -> None:
    """Of this tenant, the oldest first, as many as asked for; without a state the dead ones alone."""
    smtp_sink.script(Stage.RCPT, ScriptedReply(550, "no"), times=4)
    acks = await mailing.deliver(*(message(key, tenant="t2" if key == 4 else "t1") for key in range(1, 5)))
    for ack in acks[:3]:
        await mailing.settled(ack.delivery, State.DEAD)
    assert not (await all_again(mailing, 'to="bob@example.com"')).deliveries
    assert not (await all_again(mailing, 'state="OUTCOME_UNKNOWN"')).deliveries
    with pytest.raises(errors.InvalidInput):
        await all_again(mailing, 'state="SENT"')
    first = await all_again(mailing, limit=2)
    assert (len(first.deliveries), first.more) == (2, True)
    rest = await all_again(mailing, 'to="ann@example.com"')
    assert {*first.deliveries, *rest.deliveries} == {ack.delivery for ack in acks[:3]}
    assert not rest.more
    for ack in acks[:3]:
        await mailing.settled(ack.delivery, State.SENT)
    assert smtp_sink.taken == 3


async def test_what_was_accepted_is_counted(mailing: Rig, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """By state and channel, of this tenant alone; of too many the newest; a week is the most."""
    smtp_sink.script(Stage.RCPT, ScriptedReply(550, "no such user"))
    acks = await mailing.deliver(message(1))
    await mailing.settled(acks[0].delivery, State.DEAD)
    acks += await mailing.deliver(message(2), message(3))
    await mailing.deliver(message(4, tenant="t2"))
    for ack in acks[1:]:
        await mailing.settled(ack.delivery, State.SENT)
    with mailing.user("t1"):
        found = await mailing.deliveries.SummarizeDeliveries(pb.SummarizeDeliveriesRequest())
        assert [(count.state, count.channel, count.deliveries) for count in found.counts] == [
            (State.SENT, "email", 2),
            (State.DEAD, "email", 1),
        ]
        assert (found.partial, found.compute_time.seconds - found.start_time.seconds) == (False, 86_400)
        monkeypatch.setattr(queries, "MOST_COUNTED", 2)
        newest = await mailing.deliveries.SummarizeDeliveries(pb.SummarizeDeliveriesRequest(minutes=5))
        assert (newest.partial, sum(count.deliveries for count in newest.counts)) == (True, 2)
        with pytest.raises(errors.InvalidInput, match="minutes"):
            await mailing.deliveries.SummarizeDeliveries(pb.SummarizeDeliveriesRequest(minutes=10_081))
