"""Messages of firings to recipients: they become notifications."""

from tests.integration.mailer.support import Rig, message
from tests.integration.mailer.test_notifications import counts


async def test_a_message_to_recipients_becomes_one_notification(rig: Rig) -> None:
    """Handed in again it is the same; each of its recipients is accounted for."""
    whom = {"to": "", "recipients": ["recipients/nobody", "groups/none"]}
    (first,) = await rig.deliver(message(1, **whom))
    (again,) = await rig.deliver(message(1, **whom))
    assert first.notification == again.notification != ""
    assert first.delivery == ""
    done = await rig.expanded(first.notification)
    assert (done.firing, counts(done)) == ("firings/f1", {"SUPPRESSED": 1})


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
