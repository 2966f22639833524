"""Notifications to addresses: taken, checked, expanded once, listed and cancelled."""

from typing import Any

import pytest

from tests.integration.mailer.support import Rig, State
from tocsin.api.mailer.v1 import notification_service_pb2 as pb
from tocsin.errors import FailedPrecondition, InvalidInput, NotFound


def counts(item: pb.Notification) -> dict[str, int]:
    """The deliveries of a notification by state."""
    return {State.Name(each.state): each.count for each in item.deliveries}


async def test_a_notification_reaches_each_address_once(rig: Rig) -> None:
    """An address that is there twice in different case gets one message; the deliveries name the notification."""
    sent = await rig.notify(to=["ann@example.com", "ANN@example.com", "bob@example.com"], metadata={"order": 7})
    assert sent.state == pb.Notification.PENDING
    done = await rig.expanded(sent.name)
    assert counts(done) == {"SENT": 2}
    assert dict(done.metadata) == {"order": 7}
    messages = await rig.messages()
    assert sorted(message.to[0].lower() for message in messages) == ["ann@example.com", "bob@example.com"]
    assert {(await rig.get(message.delivery)).notification for message in messages} == {sent.name}


async def test_a_template_says_it(rig: Rig) -> None:
    """With the variables of the notification."""
    await rig.template()
    sent = await rig.notify(template="templates/greeting", variables={"name": "Ann"}, to=["ann@example.com"])
    await rig.expanded(sent.name)
    (message,) = await rig.messages()
    assert (message.subject, message.text) == ("Hi Ann", "Hello Ann.\n")


async def test_the_same_request_is_the_same_notification(rig: Rig) -> None:
    """Whatever its text: a client that got no answer asks again; another tenant's request of that id is another."""
    first = await rig.notify(to=["ann@example.com"], request_id="order 7/ä")
    again = await rig.notify(to=["bob@example.com"], request_id="order 7/ä")
    other = await rig.notify("t2", to=["ann@example.com"], request_id="order 7/ä")
    assert again.name == first.name != other.name
    await rig.expanded(first.name)
    assert [message.to for message in await rig.messages()] == [["ann@example.com"]]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("fields", "at", "why"),
    [
        ({"template": "templates/none"}, "notification.template", "there is no template templates/none"),
        ({"template": "templates/greeting"}, "notification.variables", "templates/greeting requires name"),
        (
            {"template": "templates/tocsin.alarm", "variables": {"title": "x", "nmae": "y"}},
            "notification.variables",
            "templates/tocsin.alarm declares no variable nmae",
        ),
        ({"channels": ["inbox", "smoke"]}, "notification.channels[1]", "there is no provider for smoke; the mailer has "),
        ({"channels": ["email"]}, "notification.channels[0]", "there is no provider for email; the mailer has "),
        ({"to": ["ann@example.com", "nobody"]}, "notification.to[1]", ""),
        ({"category": "categories/none"}, "notification.category", "there is no category categories/none"),
        ({"recipients": ["recipients/nobody"]}, "notification.recipients[0]", "there is no recipient recipients/nobody"),
        ({"recipients": ["groups/none"], "to": []}, "notification.recipients[0]", "there is no group groups/none"),
        ({"recipients": ["rotations/none"]}, "notification.recipients[0]", "there is no rotation rotations/none"),
        ({"to": []}, "notification", ""),
        ({"subject": ""}, "notification", ""),
        ({"subject": "two\nlines"}, "notification.subject", ""),
        ({"variables": {"a": "b"}}, "notification", ""),
        ({"recipients": ["people/ann"]}, "notification.recipients[0]", ""),
        ({"status_url": "ftp://example.com"}, "notification.statusUrl", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_sent_is_refused_at_once(shared: Rig, fields: dict[str, Any], at: str, why: str) -> None:
    """The field is named."""
    given: dict[str, Any] = {"to": ["ann@example.com"], **fields}
    await shared.template()
    with pytest.raises(InvalidInput) as refused:
        await shared.notify(**given)
    found = {each.field: each.description for each in refused.value.violations}
    assert at in found
    assert why in found[at]


async def test_one_for_later_waits_and_can_be_cancelled(rig: Rig) -> None:
    """Cancelling again changes nothing; what is on its way cannot be cancelled; other tenants see none of it."""
    later: Any = {"seconds": 4_000_000_000}
    waiting = await rig.notify(to=["ann@example.com"], send_time=later)
    gone = await rig.notify(to=["ann@example.com"])
    await rig.expanded(gone.name)
    request = pb.CancelNotificationRequest
    with rig.user():
        assert (await rig.notifications.CancelNotification(request(name=waiting.name))).state == pb.Notification.CANCELLED
        assert (await rig.notifications.CancelNotification(request(name=waiting.name))).state == pb.Notification.CANCELLED
        with pytest.raises(FailedPrecondition) as started:
            await rig.notifications.CancelNotification(request(name=gone.name))
        assert started.value.error_reason == "NOTIFICATION_STARTED"
        page = await rig.notifications.ListNotifications(pb.ListNotificationsRequest(filter='state="CANCELLED"'))
        assert [item.name for item in page.notifications] == [waiting.name]
        both = await rig.notifications.ListNotifications(pb.ListNotificationsRequest(page_size=1))
        assert [item.name for item in both.notifications] == [gone.name]
        rest = await rig.notifications.ListNotifications(pb.ListNotificationsRequest(page_size=1, page_token=both.next_page_token))
        assert [item.name for item in rest.notifications] == [waiting.name]
    with rig.user("t2"):
        for call in (rig.notifications.CancelNotification, rig.notifications.GetNotification):
            with pytest.raises(NotFound):
                await call(
                    request(name=waiting.name)
                    if call is rig.notifications.CancelNotification
                    else pb.GetNotificationRequest(name=gone.name)
                )


async def test_what_a_dead_process_had_claimed_is_taken_up(rig: Rig) -> None:
    """At once on a database of its own; nothing is made twice."""
    names = [(await rig.notify(to=[f"p{number}@example.com" for number in range(700)])).name for _ in range(2)]
    await rig.stop()
    await rig.start()
    for name in names:
        assert counts(await rig.expanded(name)) == {"SENT": 700}
