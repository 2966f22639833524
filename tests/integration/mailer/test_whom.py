"""Who a message is for, however it is written: an address in another case, a name that any resource may have, a group that is not there."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.integration.mailer.people import Address, People
from tests.integration.mailer.support import State, message
from tocsin.api.mailer.v1 import category_service_pb2 as categories
from tocsin.api.mailer.v1 import delivery_service_pb2 as deliveries
from tocsin.api.mailer.v1 import preference_service_pb2 as preferences
from tocsin.api.mailer.v1 import recipient_service_pb2 as recipients
from tocsin.api.mailer.v1 import suppression_service_pb2 as suppressions
from tocsin.errors import AlreadyExists, InvalidInput


async def told(people: People, **fields: Any) -> dict[str, tuple[str, str]]:
    """State and reason of each delivery of a notification, by whom it is for."""
    sent = await people.rig.expanded((await people.rig.notify(**fields)).name)
    request = deliveries.ListDeliveriesRequest(filter=f'notification="{sent.name}"')
    page = await people.call(people.rig.deliveries.ListDeliveries, request)
    return {item.recipient or item.to: (State.Name(item.state), item.reason) for item in page.deliveries}


@pytest.mark.parametrize("written", ["gone@example.com", "GONE@Example.COM", "Gone@example.com"])
async def test_an_address_of_mail_is_one_in_every_case(people: People, written: str) -> None:
    """What is suppressed, whose it is and what its owner does not want holds however the sender writes it; nobody else can have it."""
    suppression = suppressions.Suppression(channel="email", address="gOne@example.com")
    made = await people.call(people.rig.suppressions.CreateSuppression, suppressions.CreateSuppressionRequest(suppression=suppression))
    again = suppressions.CreateSuppressionRequest(suppression=suppressions.Suppression(channel="inbox", address=written))
    assert (await people.call(people.rig.suppressions.CreateSuppression, again)).name == made.name
    assert await told(people, to=[written]) == {written.partition("@")[0] + "@example.com": ("SUPPRESSED", "SUPPRESSED_ADDRESS")}

    mine, other = f"x{written}", f"x{written}".swapcase()
    await people.create("george", addresses=[Address(channel="email", value=mine, state=Address.ACTIVE)])
    with pytest.raises(AlreadyExists):
        await people.create("twin", addresses=[Address(channel="email", value=other)])
    assert await people.names(f'address="{other}"') == ["george"]
    off = preferences.Preferences(name="recipients/george/preferences", choices=[preferences.Preferences.Choice(enabled=False)])
    await people.call(people.rig.preferences.ReplacePreferences, preferences.ReplacePreferencesRequest(preferences=off))
    assert await told(people, to=[other]) == {"recipients/george": ("SUPPRESSED", "OPTED_OUT")}


async def test_whoever_can_be_made_can_be_told(people: People) -> None:
    """Every character that the name of a recipient, a group and a category may have is taken where one is named."""
    odd = "a_.@+=~-Z9"
    address = Address(channel="email", value="odd@example.com", state=Address.ACTIVE)
    await people.create(odd, addresses=[address])
    await people.group(odd, f"recipients/{odd}")
    category = categories.Category(name="categories/a_.-9", kind=categories.Category.TRANSACTIONAL)
    await people.call(people.rig.categories.CreateCategory, categories.CreateCategoryRequest(category=category))
    fields: dict[str, Any] = {"recipients": [f"recipients/{odd}", f"groups/{odd}"], "category": category.name}
    assert await told(people, **fields) == {f"recipients/{odd}": ("SENT", "")}


async def test_a_group_that_is_not_there_is_accounted_for(people: People) -> None:
    """Like a recipient who is not there: with a delivery that says so; one that is empty means nobody."""
    address = Address(channel="email", value="ann@example.com", state=Address.ACTIVE)
    await people.create("ann", addresses=[address])
    await people.group("empty")
    names = ["groups/gone", "recipients/ann", "groups/empty", "recipients/nobody"]
    (ack,) = await people.rig.deliver(message(1, to="", recipients=names))
    await people.rig.expanded(ack.notification)
    request = deliveries.ListDeliveriesRequest(filter=f'notification="{ack.notification}"')
    page = await people.call(people.rig.deliveries.ListDeliveries, request)
    assert {item.recipient or item.to: (State.Name(item.state), item.reason) for item in page.deliveries} == {
        "groups/gone": ("SUPPRESSED", "UNKNOWN_RECIPIENT"),
        "recipients/ann": ("SENT", ""),
        "recipients/nobody": ("SUPPRESSED", "UNKNOWN_RECIPIENT"),
    }
    request = deliveries.ListDeliveriesRequest(filter='recipient="groups/gone"')
    (found,) = (await people.call(people.rig.deliveries.ListDeliveries, request)).deliveries
    assert (await people.rig.get(found.name)).timeline[0].detail == "UNKNOWN_RECIPIENT: there is no groups/gone"


async def test_an_update_does_not_seem_to_change_what_it_leaves(people: People) -> None:
    """Other addresses and groups are refused; those that there are may come back as they were read."""
    await people.group("ops")
    address = Address(channel="email", value="ann@example.com")
    ann = await people.create("ann", addresses=[address], groups=["groups/ops"])
    assert (await people.call(people.rig.recipients.UpdateRecipient, recipients.UpdateRecipientRequest(recipient=ann))).name == ann.name
    others: dict[str, Any] = {"addresses": [Address(channel="email", value="new@example.com")], "groups": ["groups/x"]}
    for field, value in others.items():
        changes: dict[str, Any] = {field: value}
        with pytest.raises(InvalidInput, match=f"recipient.{field}: are not changed by an update"):
            await people.update(name=ann.name, **changes)
        changed = recipients.Recipient(name=ann.name, locale="de", **changes)
        request = recipients.UpdateRecipientRequest(recipient=changed, update_mask=FieldMask(paths=["locale"]))
        assert (await people.call(people.rig.recipients.UpdateRecipient, request)).locale == "de"


async def test_a_code_is_of_no_firing(people: People) -> None:
    """Its delivery names nothing that is not there."""
    ann = await people.create("ann", addresses=[Address(channel="email", value="ann@example.com")])
    await people.request(ann.addresses[0].name)
    page = await people.call(people.rig.deliveries.ListDeliveries, deliveries.ListDeliveriesRequest())
    assert [(item.firing, item.notification, State.Name(item.state)) for item in page.deliveries] == [("", "", "SENT")]


@pytest.mark.parametrize(
    ("channel", "value", "words"),
    [
        ("sms", "0791234567", "must be a phone number with its country, such as +41791234567"),
        ("pagerduty", "x", "must be a routing key of 32 letters and digits"),
        ("webhook", "example.com", "must be a URL, such as https://example.com/hook"),
        ("email", "ann", "An email address must have an @-sign."),
    ],
)
async def test_an_address_that_a_channel_does_not_take_is_refused_in_words(people: People, channel: str, value: str, words: str) -> None:
    """Of a person who may not read regular expressions."""
    with pytest.raises(InvalidInput) as refused:
        await people.create("ann", addresses=[Address(channel=channel, value=value)])
    assert [(each.field, each.description) for each in refused.value.violations] == [("recipient.addresses[0].value", words)]
