"""Recipients, their addresses and groups, through the mesh on each database."""

import re
from typing import Any

import pytest

from tests.integration.mailer.people import Address, People
from tests.integration.mailer.support import Rig
from tocsin.api.mailer.v1 import group_service_pb2 as groups
from tocsin.api.mailer.v1 import recipient_service_pb2 as recipients
from tocsin.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound, PermissionDenied, ResourceExhausted
from tocsin.testing.waiting import eventually


async def test_a_recipient_lives(people: People) -> None:
    """Made with everything, read, changed field by field, removed; another tenant sees nothing of it."""
    made = await people.create(
        "ann@example.com",
        display_name="Ann Émile",
        locale="DE-ch",
        time_zone="Europe/Zurich",
        attributes={"plan": "gold", "seats": 3, "nested": {"a": [1, None, True]}},
        addresses=[
            Address(channel="email", value="Ann@EXAMPLE.com", state=Address.ACTIVE),
            Address(channel="inbox", value="second@example.com"),
        ],
    )
    assert (made.locale, made.addresses[0].value, made.addresses[0].state, made.addresses[1].state) == (
        "de-CH",
        "ann@example.com",
        Address.ACTIVE,
        Address.PENDING,
    )
    assert await people.get(made.name) == made
    changed = await people.update("display_name", "attributes", name=made.name, display_name="Ann", locale="fr")
    assert (changed.display_name, changed.locale, changed.attributes.fields, len(changed.addresses)) == ("Ann", "de-CH", {}, 2)
    assert changed.update_time.ToMicroseconds() >= made.update_time.ToMicroseconds()
    assert (await people.update(name=made.name, locale="fr")).locale == "fr"
    other = People(people.rig, "t2")
    for attempt in (other.get(made.name), other.update("locale", name=made.name), people.get("recipients/bob")):
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(AlreadyExists):
        await people.create("ann@example.com")
    await other.create("ann@example.com", addresses=[Address(channel="email", value="Ann@example.com")])
    await people.call(people.rig.recipients.DeleteRecipient, recipients.DeleteRecipientRequest(name=made.name))
    with pytest.raises(NotFound):
        await people.get(made.name)
    assert len((await other.get(made.name)).addresses) == 1
    assert (await people.create(addresses=[Address(channel="email", value="Ann@example.com")])).name.startswith("recipients/01")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "recipient.timeZone"),
        ({"locale": "de_CH"}, "recipient.locale"),
        ({"display_name": "x" * 201}, "recipient.displayName"),
        ({"display_name": "a\0b"}, "recipient.displayName"),
        ({"attributes": {"x": "y" * 20000}}, "recipient.attributes"),
        ({"name": "recipients/a b"}, "recipient.name"),
        ({"addresses": [Address(channel="pigeon", value="x")]}, "recipient.addresses[0].channel"),
        ({"addresses": [Address(channel="email", value="x")]}, "recipient.addresses[0].value"),
        ({"addresses": [Address(channel="email", value="a@example.com", reason="x")]}, "recipient.addresses[0].reason"),
        ({"addresses": [Address(channel="email", value=f"a@{host}") for host in ("x.org", "X.org")]}, "recipient.addresses[1].value"),
        ({"addresses": [Address(channel="email", value=f"a{n}@example.com") for n in range(51)]}, "recipient.addresses"),
        ({"groups": ["groups/a b"]}, "recipient.groups[0]"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_no_recipient_may_be_is_refused_by_field(tenant: People, fields: dict[str, Any], field: str) -> None:
    """And nothing is stored."""
    values: dict[str, Any] = {"name": "recipients/x", **fields}
    given = recipients.Recipient(**values)
    with pytest.raises(InvalidInput) as refused:
        await tenant.call(tenant.rig.recipients.CreateRecipient, recipients.CreateRecipientRequest(recipient=given))
    assert [violation.field for violation in refused.value.violations] == [field]
    assert await tenant.names() == []


async def test_recipients_are_found_by_what_is_known_of_them(people: People) -> None:
    """By name whatever its case, by address whatever its form, by channel, by group."""
    await people.group("oncall")
    await people.create("a", display_name="Ann Smith", addresses=[Address(channel="email", value="a@x.org")], groups=["groups/oncall"])
    await people.create("b", display_name="ann smithee")
    await people.create("B", display_name="Ánn", addresses=[Address(channel="inbox", value="b@x.org")])
    for condition, expected in {
        "": ["B", "a", "b"],
        'display_name="ANN*"': ["a", "b"],
        'display_name="Ann smith"': ["a"],
        'display_name="ánn"': ["B"],
        'address="a@X.org"': ["a"],
        'address="no address"': [],
        'channel="email"': ["B", "a"],
        'channel="inbox"': ["B", "a"],
        'group="groups/oncall"': ["a"],
        'group="oncall" AND display_name="b*"': [],
    }.items():
        assert await people.names(condition) == expected, condition
    for condition in ('name="x"', 'channel="pigeon"', 'display_name>"a"'):
        with pytest.raises(InvalidInput):
            await people.names(condition)


async def test_an_address_is_one_recipients(people: People) -> None:
    """In its normal form, in the whole tenant; one's own that is retired begins anew under its name."""
    ann, bob = [await people.create(name) for name in ("ann", "bob")]
    first = await people.add_address(ann.name, channel="email", value="a@x.org")
    for parent in (ann.name, bob.name):
        with pytest.raises(AlreadyExists, match="recipients/ann"):
            await people.add_address(parent, channel="email", value="a@X.ORG")
    with pytest.raises(AlreadyExists, match=r"recipient.addresses\[1\].value"):
        await people.create("eve", addresses=[Address(channel="inbox", value="e@x.org"), Address(channel="email", value="a@x.org")])
    assert await people.names() == ["ann", "bob"]
    retired = await people.add_address(ann.name, channel="inbox", value="old@x.org", state=Address.RETIRED, reason="left")
    anew = await people.add_address(ann.name, channel="inbox", value="old@x.org", state=Address.ACTIVE)
    assert (anew.name, anew.state, anew.reason) == (retired.name, Address.ACTIVE, "")
    with pytest.raises(NotFound):
        await people.add_address("recipients/nobody", channel="email", value="n@x.org")
    remove = people.rig.recipients.RemoveAddress
    for name in (first.name.replace("ann", "bob"), f"{ann.name}/addresses/none"):
        with pytest.raises(NotFound):
            await people.call(remove, recipients.RemoveAddressRequest(name=name))
    await people.call(remove, recipients.RemoveAddressRequest(name=first.name))
    assert (await people.add_address(bob.name, channel="email", value="a@x.org")).state == Address.PENDING
    for number in range(49):
        await people.add_address(ann.name, channel="inbox", value=f"n{number}@x.org")
    with pytest.raises(ResourceExhausted):
        await people.add_address(ann.name, channel="inbox", value="more@x.org")


async def code_of(rig: Rig, number: int) -> str:
    """The code of the newest message, once there are so many."""

    async def there() -> bool:
        return len(await rig.messages()) == number

    await eventually(there, what=f"{number} messages")
    found = re.search(r"[0-9]{8}", (await rig.messages())[0].text)
    assert found is not None
    return found[0]


async def test_a_code_makes_an_address_active(people: People) -> None:
    """It goes to the address by its channel; another one is not sent at once; blanks in it do not matter."""
    ann = await people.create("ann", addresses=[Address(channel="inbox", value="a@x.org", state=Address.RETIRED, reason="gone")])
    name = ann.addresses[0].name
    with pytest.raises(FailedPrecondition):
        await people.verify(name, "12345678")
    asked = await people.request(name)
    assert (asked.state, asked.reason) == (Address.PENDING, "")
    code = await code_of(people.rig, 1)
    assert [message.to for message in await people.rig.messages()] == [["a@x.org"]]
    with pytest.raises(ResourceExhausted) as soon:
        await people.request(name)
    assert soon.value.retry_after
    with pytest.raises(InvalidInput) as wrong:
        await people.verify(name, code[:-1])
    assert [violation.field for violation in wrong.value.violations] == ["code"]
    active = await people.verify(name, f" {code[:4]} {code[4:]} ")
    assert active.state == Address.ACTIVE
    assert (await people.get(ann.name)).addresses[0] == active
    for again in (people.request(name), people.verify(name, code)):
        with pytest.raises(FailedPrecondition):
            await again
    for lost in (people.request(f"{ann.name}/addresses/none"), People(people.rig, "t2").verify(name, code)):
        with pytest.raises(NotFound):
            await lost


async def test_groups_hold_recipients_and_groups(people: People) -> None:
    """Added and removed by the batch, all or none; a recipient or a group that goes leaves the groups that it was in."""
    for name in ("a", "b", "c"):
        await people.create(name)
    await people.group("inner", "recipients/a", "recipients/b")
    await people.group("outer", "groups/inner", "recipients/c")
    assert await people.members("outer") == ["recipients/c", "groups/inner"]
    assert (await people.add("inner", "recipients/a", "recipients/c")).member_count == 3
    for lost in ("recipients/nobody", "groups/nothing"):
        with pytest.raises(NotFound, match=lost):
            await people.add("outer", "recipients/a", lost)
    assert await people.members("outer") == ["recipients/c", "groups/inner"]
    assert (await people.get("recipients/c")).groups == ["groups/inner", "groups/outer"]
    request = groups.RemoveGroupMembersRequest(name="groups/inner", members=["recipients/c", "recipients/nobody"])
    assert (await people.call(people.rig.groups.RemoveGroupMembers, request)).member_count == 2
    await people.call(people.rig.recipients.DeleteRecipient, recipients.DeleteRecipientRequest(name="recipients/a"))
    assert await people.members("inner") == ["recipients/b"]
    await people.call(people.rig.groups.DeleteGroup, groups.DeleteGroupRequest(name="groups/inner"))
    assert await people.members("outer") == ["recipients/c"]
    change = groups.UpdateGroupRequest(group=groups.Group(name="groups/outer", display_name="Outer"))
    assert (await people.call(people.rig.groups.UpdateGroup, change)).display_name == "Outer"
    listed = await people.call(people.rig.groups.ListGroups, groups.ListGroupsRequest())
    assert [(item.name, item.display_name, item.member_count) for item in listed.groups] == [("groups/outer", "Outer", 1)]
    with pytest.raises(AlreadyExists):
        await people.group("outer")
    for attempt in (people.members("inner"), people.add("inner", "recipients/b"), People(people.rig, "t2").add("outer", "recipients/b")):
        with pytest.raises(NotFound):
            await attempt


async def test_groups_are_found_and_members_have_names(people: People) -> None:
    """By what is in ids and names, whatever the case, page by page; each member with its name for people."""
    for id, name in (("ops", "Straße Nord"), ("north-sea", "Ships"), ("z", "")):  # noqa: A001 - the word of the contract
        given = groups.Group(name=f"groups/{id}", display_name=name)
        await people.call(people.rig.groups.CreateGroup, groups.CreateGroupRequest(group=given))

    async def found(filter: str, token: str = "", size: int = 0) -> tuple[list[str], str]:  # noqa: A002
        request = groups.ListGroupsRequest(filter=filter, page_token=token, page_size=size)
        page = await people.call(people.rig.groups.ListGroups, request)
        return [item.name for item in page.groups], page.next_page_token

    assert await found('text="NOR"') == (["groups/north-sea", "groups/ops"], "")
    first, token = await found('text="NOR"', size=1)
    assert (first, await found('text="NOR"', token, 1)) == (["groups/north-sea"], (["groups/ops"], ""))
    assert (await found('text="STRASSE"'))[0] == ["groups/ops"]
    assert await found('text="nothing"') == ([], "")
    for wrong in ('text!="a"', 'name="ops"', "text"):
        with pytest.raises(InvalidInput):
            await found(wrong)
    with pytest.raises(InvalidInput):
        await found('text="sea"', token)
    await people.create("a", display_name="Ann Example")
    await people.create("b")
    await people.add("z", "recipients/a", "recipients/b", "groups/ops")
    members = await people.call(people.rig.groups.ListGroupMembers, groups.ListGroupMembersRequest(name="groups/z"))
    shown = [(item.name, item.display_name) for item in members.members]
    assert shown == [("recipients/a", "Ann Example"), ("recipients/b", ""), ("groups/ops", "Straße Nord")]


async def test_groups_go_neither_in_circles_nor_too_deep(people: People) -> None:
    """The way is named, and nothing is stored."""
    for number in range(10):
        await people.group(f"g{number}")
    for number in range(7):
        await people.add(f"g{number}", f"groups/g{number + 1}")
    with pytest.raises(InvalidInput, match=re.escape("groups/g3 > groups/g1 > groups/g2 > groups/g3")):
        await people.add("g3", "groups/g9", "groups/g1")
    with pytest.raises(InvalidInput, match=re.escape("groups/g9 > groups/g9")):
        await people.add("g9", "groups/g9")
    with pytest.raises(InvalidInput, match="more than 8 groups deep"):
        await people.add("g7", "groups/g8")
    with pytest.raises(InvalidInput, match="more than 8 groups deep"):
        await people.add("g9", "groups/g0")
    await people.add("g9", "groups/g1")
    assert await people.members("g3") == ["groups/g4"]


async def test_whoever_may_only_read_changes_nothing(people: People) -> None:
    """The scopes are recipients:read and recipients:write."""
    with people.rig.user(scopes=["recipients:read"]):
        assert not (await people.rig.recipients.ListRecipients(recipients.ListRecipientsRequest())).recipients
        for stub, method, request in (
            (people.rig.recipients, "CreateRecipient", recipients.CreateRecipientRequest(recipient=recipients.Recipient())),
            (people.rig.groups, "CreateGroup", groups.CreateGroupRequest(group=groups.Group())),
        ):
            with pytest.raises(PermissionDenied):
                await getattr(stub, method)(request)
