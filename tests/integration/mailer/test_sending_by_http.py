"""Messages by HTTP through a whole mailer: what a far end says of addresses, credentials and time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.mailer.far_ends import SECRET
from tests.integration.mailer.support import Rig, State, message
from tocsin.standard_webhooks import ID
from tocsin.testing.http import HttpSink, Reply, SeenRequest
from tocsin.testing.waiting import eventually

BOT = "123456:ABC-def_ghijklmnopqrstuvwxyz"


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """The far end of every channel."""
    async with HttpSink() as server:
        yield server


@pytest.fixture
async def posting(tmp_path: Path, sink: HttpSink) -> AsyncIterator[Rig]:
    """A mailer with webhooks and a bot."""
    made = Rig(
        folder=tmp_path,
        webhook_secrets=SECRET,
        telegram_token=BOT,
        telegram_url=sink.url,
        egress_allow=("127.0.0.1",),
        retry_initial_seconds=0.05,
    )
    await made.start()
    yield made
    await made.stop()


async def test_a_webhook_that_was_put_off_is_the_same_one(posting: Rig, sink: HttpSink) -> None:
    """At every attempt, so that its receiver can tell; the timeline names who sent."""
    sink.script(Reply(status=500), Reply(status=204))
    (ack,) = await posting.deliver(message(1, channel="webhook", to=f"{sink.url}/hook"))
    delivery = await posting.settled(ack.delivery, State.SENT)
    assert [request.headers[ID] for request in sink.requests] == [ack.delivery.removeprefix("deliveries/")] * 2
    assert (delivery.to, delivery.timeline[-1].provider, delivery.timeline[-1].code) == (f"{sink.url}/hook", "webhook", 204)


async def test_a_webhook_whose_outcome_is_unknown_goes_out_again(posting: Rig, sink: HttpSink) -> None:
    """A mailer that dies in the middle leaves it where another one may send it: its receiver knows it."""

    async def silence(_request: SeenRequest, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    sink.script(silence, Reply(status=204))
    (ack,) = await posting.deliver(message(1, channel="webhook", to=f"{sink.url}/hook"))
    await eventually(lambda: _requests(sink, 1), what="the first attempt")
    await posting.stop()
    await posting.start()
    await posting.settled(ack.delivery, State.SENT)
    assert [request.headers[ID] for request in sink.requests] == [ack.delivery.removeprefix("deliveries/")] * 2


async def _requests(sink: HttpSink, count: int) -> bool:
    return len(sink.requests) >= count


async def test_a_chat_that_moved_gets_its_message(posting: Rig, sink: HttpSink) -> None:
    """At its new id, at once, in the same delivery."""
    moved = {"ok": False, "error_code": 400, "description": "upgraded", "parameters": {"migrate_to_chat_id": -100777}}
    sink.script(Reply.of_json(moved, status=400), Reply.of_json({"ok": True, "result": {"message_id": 5}}))
    (ack,) = await posting.deliver(message(1, channel="telegram", to="-42"))
    delivery = await posting.settled(ack.delivery, State.SENT)
    assert ([request.json["chat_id"] for request in sink.requests], delivery.to) == ([-42, -100777], "-100777")


async def test_a_chat_that_is_gone_ends_its_message(posting: Rig, sink: HttpSink) -> None:
    """And tells why."""
    sink.script(Reply.of_json({"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked by the user"}, status=403))
    (ack,) = await posting.deliver(message(1, channel="telegram", to="42"))
    assert "blocked by the user" in (await posting.settled(ack.delivery, State.DEAD)).timeline[-1].detail


async def test_refused_credentials_are_told_and_nothing_is_dead(posting: Rig, sink: HttpSink) -> None:
    """Health names the provider, and neither the token nor the address; other channels send."""
    sink.script(Reply.of_json({"ok": False, "error_code": 401, "description": f"Unauthorized {BOT}"}, status=401))
    (ack,) = await posting.deliver(message(1, channel="telegram", to="424242"))
    await posting.settled(ack.delivery, State.RETRYING)

    async def told() -> bool:
        return "telegram: it refuses our credentials (401)" in (await posting.health())["providers"][1]

    await eventually(told, what="a fault")
    words = str(await posting.health())
    assert BOT not in words
    assert "424242" not in words
    sink.script(Reply())
    (other,) = await posting.deliver(message(2, channel="webhook", to=f"{sink.url}/hook"))
    await posting.settled(other.delivery, State.SENT)


@pytest.mark.parametrize("to", ["http://10.0.0.1/x", "http://127.0.0.1:1/", "https://[::1]/", "http://localhost/x"])
async def test_a_webhook_does_not_lead_inside(posting: Rig, sink: HttpSink, to: str) -> None:
    """It ends with the reason, unless the operator opened the way, and then it waits."""
    (ack,) = await posting.deliver(message(1, channel="webhook", to=to))
    state = State.RETRYING if "127.0.0.1" in to else State.DEAD
    assert (await posting.settled(ack.delivery, state)).timeline[-1].detail
    assert sink.connections == 0


@pytest.mark.parametrize(
    "to", ["http://2130706433/", "http://user:secret@example.com/", "http://127.1/", "ftp://x.example/", "ann@example.com"]
)
async def test_an_odd_url_is_refused_at_once(posting: Rig, to: str) -> None:
    """Its words do not show it."""
    (ack,) = await posting.deliver(message(1, channel="webhook", to=to))
    assert (ack.delivery, ack.reason, ack.retryable) == ("", "ADDRESS_INVALID", False)
    assert "secret" not in ack.message
