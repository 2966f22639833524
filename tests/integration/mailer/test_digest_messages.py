"""A digest as its reader sees it, through a running mailer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from tests.integration.mailer.people import Address, People
from tests.integration.mailer.support import Rig
from tocsin.api.mailer.v1 import category_service_pb2, delivery_service_pb2, inbox_service_pb2, notification_service_pb2
from tocsin.clock import SystemClock
from tocsin.testing.clock import SkewedClock
from tocsin.testing.waiting import eventually

SCOPES = ("recipients:read", "recipients:write", "notifications:read", "notifications:write", "inbox:read", "deliveries:read")


async def inbox(rig: Rig) -> list[Any]:
    """What has arrived, the newest first."""
    with rig.user("t1", scopes=SCOPES):
        return list((await rig.inbox.ListMessages(inbox_service_pb2.ListMessagesRequest())).messages)


@pytest.fixture
async def later(tmp_path: Path) -> AsyncIterator[tuple[Rig, SkewedClock]]:
    """A mailer, and its wall clock, which a test sets ahead."""
    clock = SkewedClock(SystemClock())
    made = Rig(folder=tmp_path, clock=clock)
    await made.start()
    yield made, clock
    await made.stop()


async def test_a_digest_is_one_message_in_its_readers_language(later: tuple[Rig, SkewedClock]) -> None:
    """Two messages of a category with a window become one, by the template that ships; each of them says where it went."""
    rig, clock = later
    await People(rig).create("ann", locale="de-CH", addresses=[Address(channel="email", value="ann@example.com", state=Address.ACTIVE)])
    category = category_service_pb2.Category(
        name="categories/news", kind=category_service_pb2.Category.MARKETING, digest_window=Duration(seconds=60), channels=["inbox"]
    )
    made: list[str] = []
    with rig.user("t1", scopes=SCOPES):
        await rig.categories.CreateCategory(category_service_pb2.CreateCategoryRequest(category=category))
        for subject in ("Erste", "Zweite <b>"):
            given = notification_service_pb2.Notification(
                recipients=["recipients/ann"], category="categories/news", subject=subject, text=f"Text zu {subject}."
            )
            answer = await rig.notifications.SendNotification(notification_service_pb2.SendNotificationRequest(notification=given))
            made.append(answer.name)

    async def held() -> bool:
        with rig.user("t1", scopes=SCOPES):
            page = await rig.deliveries.ListDeliveries(_deliveries('state="HELD"'))
        return len(page.deliveries) == 2

    await eventually(held, what="two messages that wait")
    assert await inbox(rig) == []
    clock.seconds = 61
    await eventually(lambda: _arrived(rig), what="the digest")
    (digest,) = await inbox(rig)
    assert digest.subject == "2 Nachrichten"
    assert "Text zu Erste." in digest.text
    assert "Zweite &lt;b&gt;" in digest.html
    with rig.user("t1", scopes=SCOPES):
        page = await rig.deliveries.ListDeliveries(_deliveries('state="DIGESTED"'))
    assert {delivery.digest for delivery in page.deliveries} == {digest.delivery}


async def _arrived(rig: Rig) -> bool:
    return bool(await inbox(rig))


def _deliveries(condition: str) -> Any:
    return delivery_service_pb2.ListDeliveriesRequest(filter=condition)
