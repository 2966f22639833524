"""An alert that a far end keeps open: opened, taken and closed under one key, whoever sends the messages and however they wait."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.mailer.people import Address, People
from tests.integration.mailer.support import Rig, State, message
from tocsin.api.mailer.v1 import delivery_service_pb2
from tocsin.errors import InvalidInput
from tocsin.testing.http import HttpSink, Reply

KEY = "R" * 32
EVENTS = ("TRIGGER", "ACKNOWLEDGE", "RESOLVE")


@pytest.fixture
async def paged(tmp_path: Path) -> AsyncIterator[tuple[Rig, HttpSink]]:
    """A mailer, and PagerDuty."""
    async with HttpSink() as sink:
        sink.script(Reply.of_json({"status": "success", "dedup_key": "k"}, status=202))
        rig = Rig(folder=tmp_path, pagerduty_url=sink.url, egress_allow=("127.0.0.0/8",))
        await rig.start()
        yield rig, sink
        await rig.stop()


def event(name: str) -> Any:
    """The contract's number of an event."""
    return delivery_service_pb2.MessageEvent.Value(f"MESSAGE_EVENT_{name}")


async def test_notifications_of_one_key_are_about_one_alert(paged: tuple[Rig, HttpSink]) -> None:
    """To an address and to a recipient; what was given is shown; without a key each is an alert of its own."""
    rig, sink = paged
    owned = [Address(channel="pagerduty", value=KEY, state=Address.ACTIVE)]
    await People(rig).create("ops", addresses=owned)
    ways: list[dict[str, Any]] = [{"to": [KEY]}, {"recipients": ["recipients/ops"]}]
    for whom in ways:
        for name in EVENTS:
            sent = await rig.notify(channels=["pagerduty"], dedup_key="incidents/7", event=event(name), **whom)
            assert (sent.dedup_key, sent.event) == ("incidents/7", event(name))
            done = await rig.expanded(sent.name)
            assert (done.dedup_key, done.event) == ("incidents/7", event(name))
            await sent_by(rig, sent.name)
    told = [(seen.json["event_action"], seen.json["dedup_key"]) for seen in sink.requests]
    assert told == [(name.lower(), "incidents/7") for name in EVENTS] * 2
    opened = await rig.notify(channels=["pagerduty"], to=[KEY], dedup_key="k")
    assert (opened.dedup_key, opened.event) == ("k", event("TRIGGER"))
    plain = await rig.notify(channels=["pagerduty"], to=[KEY])
    assert (plain.dedup_key, plain.event) == ("", 0)
    await sent_by(rig, plain.name)
    assert sink.requests[-1].json["event_action"] == "trigger"
    assert sink.requests[-1].json["dedup_key"] not in ("", "incidents/7")


async def sent_by(rig: Rig, notification: str) -> None:
    """Waits until the one delivery of a notification is sent."""
    with rig.user():
        request = delivery_service_pb2.ListDeliveriesRequest(filter=f'notification="{notification}"')
        await rig.expanded(notification)
        (delivery,) = (await rig.deliveries.ListDeliveries(request)).deliveries
    await rig.settled(delivery.name, State.SENT)


async def test_messages_of_alarms_are_too(paged: tuple[Rig, HttpSink]) -> None:
    """By the processor's stream."""
    rig, sink = paged
    for number, name in enumerate(("TRIGGER", "RESOLVE"), 1):
        (ack,) = await rig.deliver(message(number, channel="pagerduty", to=KEY, dedup_key="alarms/a1", event=event(name)))
        await rig.settled(ack.delivery, State.SENT)
    assert [(seen.json["event_action"], seen.json["dedup_key"]) for seen in sink.requests] == [
        ("trigger", "alarms/a1"),
        ("resolve", "alarms/a1"),
    ]


@pytest.mark.parametrize("fields", [{"event": 3}, {"event": 9, "dedup_key": "k"}, {"dedup_key": "k" * 201}, {"dedup_key": "a\0b"}])
async def test_an_event_of_no_alert_is_refused(paged: tuple[Rig, HttpSink], fields: dict[str, Any]) -> None:
    """With its field."""
    rig, _ = paged
    with pytest.raises(InvalidInput) as told:
        await rig.notify(channels=["pagerduty"], to=[KEY], **fields)
    assert told.value.violations
