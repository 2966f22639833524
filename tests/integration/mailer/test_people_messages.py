"""Messages of firings to recipients: they become notifications."""

import pytest

from tests.integration.mailer.support import Rig, message
from tests.integration.mailer.test_notifications import counts
from tocsin.api.mailer.v1 import delivery_service_pb2
from tocsin.errors import FailedPrecondition, InvalidInput


async def test_a_message_to_recipients_becomes_one_notification(rig: Rig) -> None:
    """Handed in again it is the same; each of its recipients is accounted for."""
    whom = {"to": "", "recipients": ["recipients/nobody", "groups/none"]}
    (first,) = await rig.deliver(message(1, **whom))
    (again,) = await rig.deliver(message(1, **whom))
    assert first.notification == again.notification != ""
    assert first.delivery == ""
    done = await rig.expanded(first.notification)
    assert (done.firing, counts(done)) == ("firings/f1", {"SUPPRESSED": 2})


async def test_it_is_refused_by_itself(rig: Rig) -> None:
    """With the reasons of a message to an address; one that was taken before keeps its notification, though its template is gone."""
    whom = {"to": "", "recipients": ["recipients/nobody"]}
    (before,) = await rig.deliver(message(1, **whom))
    use = {"template": "templates/gone"}
    acks = await rig.deliver(
        message(1, template=use, **whom),
        message(2, template=use, **whom),
        message(3, channels=["smoke"], **whom),
        message(4, channels=["email"], **whom),
        message(5, **whom),
        message(6),
    )
    assert acks[0].notification == before.notification
    assert [ack.reason for ack in acks] == ["", "TEMPLATE_NOT_FOUND", "UNSUPPORTED_CHANNEL", "NO_PROVIDER", "", ""]
    assert [ack.retryable for ack in acks[1:4]] == [False, True, False]
    assert acks[4].notification
    assert acks[5].delivery


async def test_why_was_i_not_told_has_an_answer(rig: Rig) -> None:
    """Deliveries are found by recipient, notification and reason; one that was suppressed is not sent again."""
    (ack,) = await rig.deliver(message(1, to="", recipients=["recipients/ann", "recipients/bob"]))
    await rig.expanded(ack.notification)
    asked = delivery_service_pb2.ListDeliveriesRequest
    with rig.user():
        for condition, count in (
            ('recipient="recipients/ann"', 1),
            (f'notification="{ack.notification}"', 2),
            ('reason="UNKNOWN_RECIPIENT" AND recipient!="recipients/ann"', 1),
            ('reason="CAPPED"', 0),
            ('category="categories/news"', 0),
        ):
            page = await rig.deliveries.ListDeliveries(asked(filter=condition))
            assert len(page.deliveries) == count, condition
        with pytest.raises(InvalidInput, match="reason"):
            await rig.deliveries.ListDeliveries(asked(filter='reason="BORED"'))
        (found,) = (await rig.deliveries.ListDeliveries(asked(filter='recipient="ann"'))).deliveries
        assert (await rig.get(found.name)).timeline[0].detail == "UNKNOWN_RECIPIENT: there is no recipients/ann"
        with pytest.raises(FailedPrecondition) as refused:
            await rig.deliveries.RetryDelivery(delivery_service_pb2.RetryDeliveryRequest(name=found.name))
    assert refused.value.error_reason == "DELIVERY_SUPPRESSED"
