"""What providers tell later, and what callers of notifications are told, through a running mailer."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import func, select

from mailer_svc.domain import DeliveryState, ReportKind, SendResult, StatusReport
from mailer_svc.store import SqlStatusReports
from mailer_svc.store.people_tables import provider_events
from tests.integration.mailer.stored import Store, new, settlement
from tests.integration.mailer.support import SCOPES, Rig, State, message
from tocsin.api.mailer.v1 import (
    callback_service_pb2,
    callback_service_pb2_grpc,
    delivery_service_pb2,
    notification_service_pb2,
    notification_service_pb2_grpc,
    suppression_service_pb2,
    suppression_service_pb2_grpc,
)
from tocsin.errors import InvalidInput, NotFound, PermissionDenied
from tocsin.standard_webhooks import WebhookSecret, verify
from tocsin.testing.http import HttpSink, Reply
from tocsin.testing.waiting import eventually

ACCOUNT = "AC" + "0" * 32
PUBLIC = "https://tocsin.example"
ALL = (*SCOPES, "notifications:read", "notifications:write")


class Far:
    """Twilio, as far as callbacks go, and a mailer that sends by it."""

    def __init__(self, rig: Rig, sink: HttpSink) -> None:
        self.rig = rig
        self.sink = sink
        channel: Any = rig.mesh_of("gateway").channel("mailer_svc")
        self.callbacks: Any = callback_service_pb2_grpc.CallbackServiceStub(channel)
        self.notifications: Any = notification_service_pb2_grpc.NotificationServiceStub(channel)

    async def sent(self, key: int, sid: str) -> str:
        """A message that Twilio took under ``sid``."""
        self.sink.script(Reply.of_json({"sid": sid, "status": "queued"}, status=201))
        (ack,) = await self.rig.deliver(message(key, channel="sms", to="+4915112345678"))
        await self.rig.settled(ack.delivery, State.SENT)
        return ack.delivery

    async def tells(
        self, fields: Mapping[str, str], *, token: str = "token", provider: str = "twilio", signature: str | None = None
    ) -> Any:
        """A callback, signed as Twilio does."""
        url = f"{PUBLIC}/v1/callbacks/{provider}"
        text = url + "".join(f"{name}{value}" for name, value in sorted(fields.items()))
        made = base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
        request = callback_service_pb2.ReceiveCallbackRequest(
            provider=provider,
            body=HttpBody(content_type="application/x-www-form-urlencoded", data=urlencode(fields).encode()),
            headers={"x-twilio-signature": made if signature is None else signature},
        )
        return await self.callbacks.ReceiveCallback(request)


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Far]:
    """A mailer with Twilio by settings, on SQLite."""
    async with HttpSink() as sink:
        rig = Rig(
            folder=tmp_path,
            sms_account=ACCOUNT,
            sms_auth_token="token",
            sms_from="+15005550006",
            sms_url=sink.url,
            public_url=PUBLIC,
            egress_allow=("127.0.0.0/8",),
        )
        await rig.start()
        yield Far(rig, sink)
        await rig.stop()


def status(sid: str, words: str, **fields: str) -> dict[str, str]:
    """The form of a callback."""
    return {"MessageSid": sid, "MessageStatus": words, "AccountSid": ACCOUNT, **fields}


async def test_states_move_by_rank_and_every_event_stays(far: Far) -> None:
    """Out of order, and again: what is known changes nothing."""
    delivery = await far.sent(1, "SM1")
    first = await far.tells(status("SM1", "delivered"))
    assert (first.events, first.taken) == (1, 1)
    late = await far.tells(status("SM1", "sent"))
    again = await far.tells(status("SM1", "delivered"))
    assert (late.taken, again.taken) == (1, 0)
    found = await far.rig.get(delivery)
    assert found.state == State.DELIVERED
    assert [State.Name(event.state) for event in found.timeline][-3:] == ["SENT", "DELIVERED", "DELIVERED"]


@pytest.mark.parametrize("signature", ["", "nonsense", "☎", None])
async def test_forged_callbacks_move_nothing(far: Far, signature: str | None) -> None:
    """Without a signature, with another one, and with one by another token."""
    delivery = await far.sent(1, "SM1")
    with pytest.raises(PermissionDenied):
        await far.tells(status("SM1", "undelivered", ErrorCode="30003"), token="other", signature=signature)
    assert (await far.rig.get(delivery)).state == State.SENT


async def test_callbacks_of_nobody(far: Far) -> None:
    """Neither of a provider that is not there, nor of a message that is not ours."""
    with pytest.raises(NotFound):
        await far.tells(status("SM1", "delivered"), provider="pigeon")
    unknown = await far.tells(status("SM404", "delivered"))
    assert (unknown.events, unknown.taken) == (1, 0)


async def test_a_tenants_provider_tells_of_its_tenants_messages_alone(store: Store) -> None:
    """On each database; nor do the ids of its events hide those of another's."""
    await store.journal.accept([new(1)])
    (job,) = await store.claim()
    await store.journal.settle(settlement(job, SendResult.SENT, store.clock))
    reports = SqlStatusReports(database=store.database, order=store.order)
    told = [StatusReport(kind=ReportKind.BOUNCED, delivery="d1", provider="sendgrid", event="e1")]
    assert await reports.record(told, now=store.clock.micros(), suppressing=lambda _: None, tenant="t2") == []
    assert await store.state("d1") is DeliveryState.SENT
    (own,) = await reports.record(told, now=store.clock.micros(), suppressing=lambda _: None, tenant="t1")
    assert (own.moved, own.state) == (True, DeliveryState.BOUNCED)


async def test_what_was_told_is_forgotten_in_time(store: Store) -> None:
    """The table of known events does not grow for ever."""
    reports = SqlStatusReports(database=store.database, order=store.order)
    told = [StatusReport(kind=ReportKind.NOTED, delivery="d1", provider="x", event=f"e{number}") for number in range(5)]
    await reports.record(told, now=100, suppressing=lambda _: None)

    async def known() -> int:
        async with store.database.read() as connection:
            return int(await connection.scalar(select(func.count()).select_from(provider_events)) or 0)

    assert await store.housekeeping.clean(inbox_before=0, deliveries_before=100, limit=3) == 0
    assert await known() == 5
    assert await store.housekeeping.clean(inbox_before=0, deliveries_before=101, limit=3) == 3
    assert await store.housekeeping.clean(inbox_before=0, deliveries_before=101, limit=3) == 2
    assert await known() == 0


async def test_an_operator_reports_what_became_of_a_message(far: Far) -> None:
    """For far ends that do not sign; another tenant's stays as it is, and a bounce suppresses the address."""
    delivery = await far.sent(1, "SM1")
    request = delivery_service_pb2.ReportStatusRequest
    with far.rig.user("t2"), pytest.raises(NotFound):
        await far.rig.deliveries.ReportStatus(request(delivery=delivery, status="bounced"))
    with far.rig.user("t1"):
        for bad in (request(delivery=delivery, status="lost"), request(status="delivered"), request(delivery="x", status="delivered")):
            with pytest.raises(InvalidInput):
                await far.rig.deliveries.ReportStatus(bad)
        done = await far.rig.deliveries.ReportStatus(request(delivery=delivery, status="bounced", error="no such number", report_id="r1"))
        await far.rig.deliveries.ReportStatus(request(delivery=delivery, status="delivered"))
    assert list(done.deliveries) == [delivery]
    found = await far.rig.get(delivery)
    assert found.state == State.BOUNCED
    assert "no such number" in [event.detail for event in found.timeline]
    (next_one,) = await far.rig.deliver(message(2, channel="sms", to="+4915112345678"))
    assert (await far.rig.get(next_one.delivery)).state == State.SUPPRESSED


async def test_a_caller_is_told_what_becomes_of_a_notification(far: Far) -> None:
    """Each change, signed with the secret of the tenant, in the form of Standard Webhooks."""
    async with HttpSink() as caller:
        with far.rig.user("t1", scopes=ALL):
            secret = (await far.notifications.GetCallbackSecret(notification_service_pb2.GetCallbackSecretRequest())).secret
            given = notification_service_pb2.Notification(
                to=["ann@example.com"], channels=["inbox"], subject="Stand-up", text="In five minutes.", status_url=f"{caller.url}/status"
            )
            made = await far.notifications.SendNotification(notification_service_pb2.SendNotificationRequest(notification=given))
        with far.rig.user("t2", scopes=ALL):
            other = (await far.notifications.GetCallbackSecret(notification_service_pb2.GetCallbackSecretRequest())).secret
        await eventually(lambda: bool(caller.requests), what="a status callback")
    seen = caller.requests[0]
    assert other != secret
    now = int(seen.headers["webhook-timestamp"])
    assert verify(seen.headers, seen.body, secrets=[WebhookSecret.parse(secret)], seconds=now)
    data = json.loads(seen.body)["data"]
    assert (data["notification"], data["state"], data["to"]) == (made.name, "SENT", "ann@example.com")


async def test_a_number_that_said_stop_gets_nothing_until_it_says_start(far: Far) -> None:
    """Twilio's refusal suppresses it, with who says so; the next message asks Twilio no more; its START ends that, STOP begins it again."""
    suppressed: Any = suppression_service_pb2_grpc.SuppressionServiceStub(far.rig.mesh_of("gateway").channel("mailer_svc"))

    async def listed() -> list[Any]:
        with far.rig.user(scopes=["recipients:read"]):
            page = await suppressed.ListSuppressions(suppression_service_pb2.ListSuppressionsRequest())
        return [(each.channel, each.address, each.reason, each.source) for each in page.suppressions]

    far.sink.script(Reply.of_json({"code": 21610, "message": "Attempt to send to unsubscribed recipient"}, status=400))
    (refused,) = await far.rig.deliver(message(1, channel="sms", to="+4915112345678"))
    await far.rig.settled(refused.delivery, State.DEAD)

    async def known() -> bool:
        return bool(await listed())

    await eventually(known)
    assert await listed() == [("sms", "+4915112345678", suppression_service_pb2.Suppression.UNSUBSCRIBE, "twilio")]
    (held,) = await far.rig.deliver(message(2, channel="sms", to="+4915112345678"))
    assert (await far.rig.settled(held.delivery, State.SUPPRESSED)).reason == "SUPPRESSED_ADDRESS"
    inbound = {"MessageSid": "SM7", "From": "+4915112345678", "To": "+15005550006", "AccountSid": ACCOUNT}
    assert (await far.tells({**inbound, "Body": "start"})).taken == 1
    assert await listed() == []
    await far.sent(3, "SM3")
    assert (await far.tells({**inbound, "Body": "start"})).taken == 0
    with pytest.raises(PermissionDenied):
        await far.tells({**inbound, "Body": "STOP"}, signature="forged")
    assert await listed() == []
