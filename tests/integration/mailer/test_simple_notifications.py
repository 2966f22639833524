"""The short form of notifications, as an earlier system had it."""

from typing import Any

import pytest

from tests.integration.mailer.support import Rig
from tocsin.api.mailer.v1 import simple_notification_service_pb2 as pb
from tocsin.errors import InvalidInput, NotFound, PermissionDenied
from tocsin.testing.waiting import eventually


async def send(rig: Rig, tenant: str = "", **fields: Any) -> pb.SimpleNotification:
    """Sends one; ``fields`` replace its own."""
    given: dict[str, Any] = {"notification_type": "inbox", "user_id": "ann", "template_code": "greeting", "variables": {"name": "Ann"}}
    with rig.user(tenant):
        return await rig.simple.SendSimpleNotification(pb.SendSimpleNotificationRequest(**given | fields))


async def status(rig: Rig, tenant: str = "", **names: str) -> pb.SimpleNotification:
    """What became of one."""
    with rig.user(tenant):
        return await rig.simple.GetSimpleNotification(pb.GetSimpleNotificationRequest(**names))


@pytest.mark.asyncio(loop_scope="module")
async def test_the_short_form_is_a_notification_like_any_other(shared: Rig) -> None:
    """With the channel, the recipient, the template, the urgency and what the caller wants to find again."""
    await shared.template()
    sent = await send(
        shared,
        variables={"name": "Ann", "link": "https://x/", "count": 3, "meta": {"a": [1]}, "none": None},
        priority=1,
        metadata={"order": 7},
    )
    assert sent.status in ("pending", "failed")  # nobody is called ann here, which may be known by now
    found = await shared.notification(f"notifications/{sent.notification_id}")
    assert (list(found.recipients), found.template, list(found.channels)) == (["recipients/ann"], "templates/greeting", ["inbox"])
    assert dict(found.variables) == {"name": "Ann", "link": "https://x/", "count": "3", "meta": '{"a":[1]}', "none": ""}
    assert (found.priority, dict(found.metadata)) == (1, {"order": 7})


async def test_a_status_is_one_word_by_either_id(rig: Rig) -> None:
    """Whichever form it was sent in: delivered when something went out, failed with its reason when nothing will."""
    await rig.template()
    sent = await send(rig, request_id="order 7/ä")

    async def failed() -> bool:
        return (await status(rig, request_id="order 7/ä")).status == "failed"

    await eventually(failed)
    for names in (
        {"request_id": "order 7/ä"},
        {"notification_id": sent.notification_id},
        {"notification_id": f"notifications/{sent.notification_id}"},
    ):
        found = await status(rig, **names)
        assert (found.notification_id, found.error, found.HasField("timestamp")) == (sent.notification_id, "UNKNOWN_RECIPIENT", True)
    long = await rig.notify(to=["ann@example.com"])

    async def delivered() -> bool:
        return (await status(rig, notification_id=long.name)).status == "delivered"

    await eventually(delivered)
    with pytest.raises(NotFound):
        await status(rig, "t2", notification_id=sent.notification_id)
    with pytest.raises(NotFound):
        await status(rig, request_id="another")


@pytest.mark.asyncio(loop_scope="module")
async def test_the_same_request_is_sent_once(shared: Rig) -> None:
    """A client that got no answer asks again."""
    await shared.template()
    first = await send(shared, request_id="r1")
    assert (await send(shared, request_id="r1", user_id="bob")).notification_id == first.notification_id
    assert (await send(shared, request_id="r2")).notification_id != first.notification_id


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"notification_type": "smoke"}, "notificationType"),
        ({"notification_type": "E-Mail"}, "notificationType"),
        ({"notification_type": ""}, "notificationType"),
        ({"template_code": "none"}, "templateCode"),
        ({"template_code": "a/b"}, "templateCode"),
        ({"variables": {}}, "variables"),
        ({"variables": {"name": "x", "a b": 1}}, "variables"),
        ({"variables": {f"v{number}": 1 for number in range(101)}}, "variables"),
        ({"variables": {"name": "x" * 65537}}, "variables.name"),
        ({"user_id": ""}, "userId"),
        ({"user_id": "../x"}, "userId"),
        ({"priority": -1}, "priority"),
        ({"priority": 101}, "priority"),
        ({"request_id": "x" * 65}, "requestId"),
        ({"metadata": {"a": "x" * 17000}}, "metadata"),
    ],
)
async def test_what_cannot_be_sent_is_named_in_the_short_form(shared: Rig, fields: dict[str, Any], at: str) -> None:
    """The field is the caller's, not the one that it becomes."""
    await shared.template()
    with pytest.raises(InvalidInput) as refused:
        await send(shared, **fields)
    assert [item.field for item in refused.value.violations] == [at]


@pytest.mark.asyncio(loop_scope="module")
async def test_one_of_the_two_ids_is_needed_and_a_scope(shared: Rig) -> None:
    """Neither, both, or a token for something else."""
    for names in ({}, {"notification_id": "x", "request_id": "y"}):
        with pytest.raises(InvalidInput):
            await status(shared, **names)
    with shared.user(scopes=("notifications:read",)), pytest.raises(PermissionDenied):
        await shared.simple.SendSimpleNotification(
            pb.SendSimpleNotificationRequest(notification_type="inbox", user_id="a", template_code="b")
        )
