"""The Deliver stream, and the inbox behind it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.mailer.support import DeliverStream, Rig, State, message
from tocsin.api.mailer.v1 import delivery_service_pb2, inbox_service_pb2
from tocsin.errors import InvalidInput, NotFound, PermissionDenied, Unauthenticated
from tocsin.testing.waiting import eventually


async def test_without_a_provider_a_message_is_in_the_inbox_when_it_is_acknowledged(rig: Rig) -> None:
    """Accepting and sending are one transaction: the acknowledgement finds the mail already there."""
    (ack,) = await rig.deliver(message(7))
    (mail,) = await rig.messages()
    assert (ack.key, ack.reason) == (7, "")
    assert ack.delivery == mail.delivery
    assert (mail.subject, mail.text, list(mail.to)) == ("Stand-up", "In five minutes.", ["ann@example.com"])
    delivery = await rig.get(ack.delivery)
    assert (delivery.state, delivery.channel, delivery.firing, delivery.alarm) == (State.SENT, "inbox", "firings/f7", "alarms/a1")
    assert [event.state for event in delivery.timeline] == [State.ACCEPTED, State.SENT]
    assert mail.message_id == delivery.message_id


async def test_a_message_that_is_handed_in_again_is_the_same_delivery(rig: Rig) -> None:
    """In the same batch, in another one and in another stream, with another spelling of the address: one name, one mail."""
    first = await rig.deliver(message(1, firing="f"), message(2, firing="f", to="Ann@EXAMPLE.com"))
    second = await rig.deliver(message(3, firing="f"))
    assert len({ack.delivery for ack in (*first, *second)}) == 1
    assert len(await rig.messages()) == 1


async def test_firing_channel_address_and_tenant_make_the_identity(rig: Rig) -> None:
    """A change of any of them makes another delivery."""
    acks = await rig.deliver(
        message(1, firing="f"),
        message(2, firing="g"),
        message(3, firing="f", channel="inbox"),
        message(4, firing="f", to="bob@example.com"),
        message(5, firing="f", tenant="t2"),
    )
    assert len({ack.delivery for ack in acks}) == 5


BAD: list[tuple[dict[str, Any], str]] = [
    ({"to": "ann"}, "ADDRESS_INVALID"),
    ({"to": "ann@example.com\r\nBcc: eve@example.com"}, "ADDRESS_INVALID"),
    ({"to": "ann@example.com\n"}, "ADDRESS_INVALID"),
    ({"to": "a@example.com, b@example.com"}, "ADDRESS_INVALID"),
    ({"to": ""}, "ADDRESS_INVALID"),
    ({"to": f"{'a' * 300}@example.com"}, "ADDRESS_INVALID"),
    ({"inline": delivery_service_pb2.InlineContent()}, "MESSAGE_INVALID"),
    ({"inline": delivery_service_pb2.InlineContent(subject="a", text="x" * 600_000)}, "CONTENT_TOO_LARGE"),
    ({"inline": None}, "MESSAGE_INVALID"),
    ({"lane": 0}, "MESSAGE_INVALID"),
    ({"channel": "email"}, "NO_PROVIDER"),
    ({"tenant": ""}, "MESSAGE_INVALID"),
    ({"firing": "f\0"}, "MESSAGE_INVALID"),
    ({"template": delivery_service_pb2.TemplateContent(template="templates/nothing")}, "TEMPLATE_NOT_FOUND"),
    ({"template": delivery_service_pb2.TemplateContent(template="templates/greeting")}, "VARIABLE_MISSING"),
]


async def test_bad_messages_are_refused_with_their_reason_and_their_batch_goes_on(rig: Rig) -> None:
    """Each acknowledgement says why and that repeating is useless; the messages around are delivered, and the stream lives on."""
    await rig.template()
    stream = DeliverStream(rig)
    await stream.send(message(1000), *(message(key, **fields) for key, (fields, _) in enumerate(BAD)), message(1001))
    acks = {ack.key: ack for ack in await stream.acks(len(BAD) + 2)}
    assert {key: acks[key].reason for key in range(len(BAD))} == {key: reason for key, (_, reason) in enumerate(BAD)}
    assert not any(acks[key].delivery or acks[key].retryable or not acks[key].message for key in range(len(BAD)))
    await stream.send(message(1002))
    assert [ack.reason for ack in await stream.acks(1)] == [""]
    await stream.finish()
    assert {mail.delivery for mail in await rig.messages()} >= {acks[1000].delivery, acks[1001].delivery}
    assert len(await rig.messages()) == 3


async def test_a_template_is_rendered_when_the_message_is_accepted(rig: Rig) -> None:
    """HTML is escaped, the subject and the text are not; what happens to the template afterwards does not matter."""
    await rig.template(html="<p>Hello {{ name }}</p>")
    use = delivery_service_pb2.TemplateContent(template="templates/greeting", variables={"name": "<Ann>"})
    (ack,) = await rig.deliver(message(1, template=use))
    (mail,) = await rig.messages()
    assert ack.delivery == mail.delivery
    assert (mail.subject, mail.text, mail.html) == ("Hi <Ann>", "Hello <Ann>.\n", "<p>Hello &lt;Ann&gt;</p>")


ODD = [
    ("a\r\nBcc: eve@example.com", "a  Bcc: eve@example.com"),
    ("a\u2028b\u2029c\x85d", "a b c d"),
    ("a\0b\x07c\x1bd", "a b c d"),
    ("a\tb", "a b"),
    ("x" * 2000, "x" * 899 + "…"),
    ("", "(no subject)"),
    ("\n \u2028", "(no subject)"),
    ("\u202egpj.exe 🎂", "\u202egpj.exe 🎂"),
]


@pytest.mark.parametrize(("subject", "expected"), ODD)
async def test_an_odd_subject_is_repaired_and_the_message_sent(rig: Rig, subject: str, expected: str) -> None:
    """Whether it is inline or a template's: an alert is not lost to a character in it, and nothing in it begins a header."""
    await rig.template(subject="{{ name }}", text="{{ name|length }}")
    use = delivery_service_pb2.TemplateContent(template="templates/greeting", variables={"name": subject})
    inline = delivery_service_pb2.InlineContent(subject=subject, text="x\0y")
    assert [ack.reason for ack in await rig.deliver(message(1, template=use), message(2, inline=inline))] == ["", ""]
    assert {mail.subject for mail in await rig.messages()} == {expected}
    assert {mail.text for mail in await rig.messages()} == {str(len(subject)), "x\ufffdy"}


async def test_a_template_uses_what_the_firing_is_about(rig: Rig) -> None:
    """By paths and by flat names; a variable that was given goes before; what is not there is empty, and what is not used no error."""
    await rig.template(subject="{{ event.data.alerts[0].labels.x }}", text="{{ name }} {{ event_data_n149 }}[{{ event_data_nope }}]")
    data = {"alerts": [{"labels": {"x": "one"}}], **{f"n{number}": f"v{number}" for number in range(150)}}
    contexts = [json.dumps({"origin": "EVENT", "event": {"data": data}}), json.dumps({"origin": "SCHEDULE"}), "nonsense"]
    for number, expected in ((1, "Ann v149[]"), (2, "Ann []"), (3, "Ann []"), (0, "Ann []"), (9, "Ann []")):
        use = delivery_service_pb2.TemplateContent(
            template="templates/greeting", variables={"name": "Ann", "surplus": "x"}, context_number=number
        )
        (ack,) = await rig.deliver(message(number + 10, template=use), contexts=contexts)
        (mail,) = [mail for mail in await rig.messages() if mail.delivery == ack.delivery]
        assert mail.text == expected
        assert mail.subject == ("one" if number == 1 else "(no subject)")


async def test_an_older_processor_offers_values_by_name(rig: Rig) -> None:
    """A variable that was given no value takes the offered one."""
    await rig.template(text="{{ name }}: {{ reading_value }}.")
    for variables, expected in (({"name": "Ann"}, "Ann: 21.5."), ({"name": "Ann", "reading_value": "own"}, "Ann: own.")):
        offered = {"name": "nobody", "reading_value": "21.5", "origin": "RAISED"}
        use = delivery_service_pb2.TemplateContent(template="templates/greeting", variables=variables, offered=offered)
        await rig.deliver(message(len(variables), template=use))
        assert expected in {mail.text.strip() for mail in await rig.messages()}


async def test_many_batches_in_flight_do_not_deadlock(rig: Rig) -> None:
    """A client that sends everything before it reads anything gets every acknowledgement."""
    stream = DeliverStream(rig)
    for number in range(100):
        await stream.send(*(message(number * 50 + index) for index in range(50)))
    keys = {ack.key for ack in await stream.acks(5000)}
    assert keys == set(range(5000))
    await stream.finish()


async def test_a_draining_mailer_answers_what_it_took_and_says_so(tmp_path: Path) -> None:
    """The last message of the stream says drain; what was not acknowledged was not taken."""
    rig = Rig(folder=tmp_path, drain_seconds=0.5)
    await rig.start()
    stream = DeliverStream(rig)
    await stream.send(message(1))
    await stream.acks(1)
    assert rig.app is not None
    stopping = asyncio.create_task(rig.app.stop())
    await stream.acks(1)
    assert stream.drained
    assert await stream.finish() == []
    await stopping
    await rig.stop()


async def test_what_was_acknowledged_survives_a_restart(rig: Rig) -> None:
    """The mail is still there, and handing it in again is still the same delivery."""
    (ack,) = await rig.deliver(message(1))
    await rig.stop()
    await rig.start()
    assert (await rig.deliver(message(1)))[0].delivery == ack.delivery
    assert [mail.delivery for mail in await rig.messages()] == [ack.delivery]


async def test_only_a_processor_may_deliver(rig: Rig) -> None:
    """The certificate decides."""
    with pytest.raises(PermissionDenied):
        _ = [response async for response in rig.deliveries.Deliver(_nothing())]


async def _nothing() -> Any:
    yield delivery_service_pb2.DeliverRequest()


async def test_other_tenants_see_nothing(rig: Rig) -> None:
    """Another tenant's delivery and mail do not exist; lists are empty."""
    (ack,) = await rig.deliver(message(1))
    mail = (await rig.messages())[0].name
    with rig.user("t2"):
        with pytest.raises(NotFound):
            await rig.deliveries.GetDelivery(delivery_service_pb2.GetDeliveryRequest(name=ack.delivery))
        with pytest.raises(NotFound):
            await rig.inbox.GetMessage(inbox_service_pb2.GetMessageRequest(name=mail))
        assert not (await rig.deliveries.ListDeliveries(delivery_service_pb2.ListDeliveriesRequest())).deliveries
    assert await rig.messages("t2") == []


async def test_reading_needs_a_token_and_its_scope(rig: Rig) -> None:
    """No token is UNAUTHENTICATED, the wrong scope PERMISSION_DENIED."""
    with pytest.raises(Unauthenticated):
        await rig.inbox.ListMessages(inbox_service_pb2.ListMessagesRequest())
    with rig.user(scopes=["alarms:read"]), pytest.raises(PermissionDenied):
        await rig.inbox.ListMessages(inbox_service_pb2.ListMessagesRequest())


async def test_deliveries_are_listed_by_pages_and_filters(rig: Rig) -> None:
    """The newest first, each once; filters by each field; a token belongs to its filter."""
    for number in range(5):
        await rig.deliver(message(number, to=f"u{number}@example.com"))
    with rig.user():
        first = await rig.deliveries.ListDeliveries(delivery_service_pb2.ListDeliveriesRequest(page_size=3))
        rest = await rig.deliveries.ListDeliveries(
            delivery_service_pb2.ListDeliveriesRequest(page_size=3, page_token=first.next_page_token)
        )
        assert [item.firing for item in (*first.deliveries, *rest.deliveries)] == [f"firings/f{number}" for number in (4, 3, 2, 1, 0)]
        assert rest.next_page_token == ""
        for text, expected in [
            ('firing="firings/f2"', 1), ('to="U3@example.com"', 1), ('state="SENT"', 5), ('state!="SENT"', 0),
            ('channel="inbox" AND alarm="alarms/a1"', 5), ('channel="email"', 0),
        ]:  # fmt: skip
            page = await rig.deliveries.ListDeliveries(delivery_service_pb2.ListDeliveriesRequest(filter=text))
            assert len(page.deliveries) == expected, text
        for bad in [
            delivery_service_pb2.ListDeliveriesRequest(page_token="nonsense"),
            delivery_service_pb2.ListDeliveriesRequest(page_token=first.next_page_token, filter='state="SENT"'),
            delivery_service_pb2.ListDeliveriesRequest(filter='colour="red"'),
        ]:
            with pytest.raises(InvalidInput):
                await rig.deliveries.ListDeliveries(bad)


async def test_the_inbox_is_listed_by_pages(rig: Rig) -> None:
    """The newest first, each once."""
    for number in range(5):
        await rig.deliver(message(number))
    seen: list[str] = []
    token = ""
    with rig.user():
        while True:
            page = await rig.inbox.ListMessages(inbox_service_pb2.ListMessagesRequest(page_size=2, page_token=token))
            seen += [mail.delivery for mail in page.messages]
            token = page.next_page_token
            if not token:
                break
        mail = await rig.inbox.GetMessage(inbox_service_pb2.GetMessageRequest(name=page.messages[0].name))
    assert len(seen) == len(set(seen)) == 5
    assert mail.delivery == seen[-1]


async def test_a_watcher_sees_changes_from_now_on_and_resumes_where_it_left(rig: Rig) -> None:
    """What happened before is not shown; with a token nothing is shown twice or missed."""
    await rig.deliver(message(0))
    with rig.user():
        watch = rig.deliveries.WatchDeliveries(delivery_service_pb2.WatchDeliveriesRequest())
        changes = aiter(watch)
        first = asyncio.ensure_future(anext(changes))
        numbers = iter(range(1, 1000))

        async def seen() -> bool:  # the stream is open once it shows something; until then nobody knows
            await rig.deliver(message(next(numbers)))
            return first.done()

        await eventually(seen)
        change = await first
        watch.cancel()
        await rig.deliver(message(5000), message(5001, firing="other"))
        resumed = aiter(
            rig.deliveries.WatchDeliveries(
                delivery_service_pb2.WatchDeliveriesRequest(resume_token=change.resume_token, firing="firings/f5000")
            )
        )
        again = await anext(resumed)
        assert change.delivery.firing != "firings/f0"
        assert (again.delivery.firing, again.delivery.state) == ("firings/f5000", State.SENT)


async def test_a_broken_resume_token_is_refused(rig: Rig) -> None:
    """The error names the field."""
    with rig.user():
        with pytest.raises(InvalidInput) as caught:
            await anext(aiter(rig.deliveries.WatchDeliveries(delivery_service_pb2.WatchDeliveriesRequest(resume_token="x"))))
        assert caught.value.violations[0].field == "resumeToken"
