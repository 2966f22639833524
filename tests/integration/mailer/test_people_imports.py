"""Recipients and suppressions by the file, on each database: what is exported is what can be imported."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from google.api.httpbody_pb2 import HttpBody

from tests.integration.mailer.people import Address, People
from tocsin.api.mailer.v1 import category_service_pb2, group_service_pb2, import_pb2, recipient_service_pb2, suppression_service_pb2
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import contract
from tocsin.protojson.codec import Codecs

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECIPIENTS, SUPPRESSIONS = recipient_service_pb2, suppression_service_pb2


class Done(NamedTuple):
    """How an import ended: made, changed, the same, refused; and the refused lines."""

    counts: tuple[int, int, int, int]
    refusals: list[tuple[int, str]]
    lines: int


def _rpc(people: People, kind: str) -> tuple[Any, Any, str]:
    """The module and the stub of a kind, and what many of it are called."""
    rig = people.rig
    return {
        "Recipient": (RECIPIENTS, rig.recipients, "Recipients"),
        "Suppression": (SUPPRESSIONS, rig.suppressions, "Suppressions"),
        "Group": (group_service_pb2, rig.groups, "Groups"),
        "Category": (category_service_pb2, rig.categories, "Categories"),
    }[kind]


async def put(people: People, text: str | bytes, *, kind: str = "Recipient", media: str = "application/x-ndjson", **options: Any) -> Done:
    """Imports a text, cut into pieces."""
    data = text.encode() if isinstance(text, str) else text
    module, stub, many = _rpc(people, kind)
    request = getattr(module, f"Import{many}Request")

    async def sent() -> AsyncIterator[Any]:
        yield request(options=import_pb2.ImportOptions(**options))
        for start in range(0, len(data), 7000):
            yield request(data=HttpBody(content_type=media, data=data[start : start + 7000]))

    refusals: list[tuple[int, str]] = []
    last = import_pb2.ImportProgress()
    with people.rig.user(people.tenant):
        async for answer in getattr(stub, f"Import{many}")(sent()):
            last = answer.progress
            refusals += [(refusal.line, f"{refusal.field}: {refusal.reason}") for refusal in last.refusals]
    assert last.done
    return Done((last.created, last.updated, last.unchanged, last.refused), refusals, last.lines)


async def export(people: People, kind: str = "Recipient", condition: str = "") -> str:
    """An export as lines of JSON."""
    module, stub, many = _rpc(people, kind)
    descriptor = getattr(module, "GroupLine" if kind == "Group" else kind).DESCRIPTOR
    wanted = getattr(module, f"Export{many}Request")(**({"filter": condition} if condition else {}))
    codec = Codecs(descriptor_set=contract().SerializeToString()).of(descriptor)
    lines: list[str] = []
    with people.rig.user(people.tenant):
        async for answer in getattr(stub, f"Export{many}")(wanted):
            lines += [codec.to_json(item.SerializeToString()).decode() for item in getattr(answer, many.lower())]
    return "".join(f"{line}\n" for line in lines)


def line(name: str, **fields: Any) -> str:
    """A recipient as a line."""
    return json.dumps({"name": f"recipients/{name}", **fields}, ensure_ascii=False) + "\n"


def active(value: str) -> dict[str, str]:
    """An address that needs no code."""
    return {"channel": "email", "value": value, "state": "ACTIVE"}


@pytest.fixture
def people(tenant: People) -> People:
    """A tenant of its own of the mailer of this module."""
    return tenant


async def test_what_is_exported_can_be_imported(people: People) -> None:
    """Into the same tenant it changes nothing, into an empty one it makes the same: addresses, their states, groups."""
    text = "".join(
        line(
            f"p{number:03}",
            displayName=f"Jörg {number}",
            attributes={"n": number, "deep": {"x": [None, "é"]}},
            addresses=[
                {"channel": "email", "value": f"p{number}@x.org", "state": "ACTIVE"},
                {"channel": "email", "value": f"q{number}@x.org"},
            ],
            groups=["groups/all", f"groups/g{number % 3}"],
            **({"rules": {"urgent": [{"channel": "email", "address": f"p{number}@x.org", "after": f"{number}s"}]}} if number % 2 else {}),
        )
        for number in range(600)
    )
    assert await put(people, text) == Done((600, 0, 0, 0), [], 600)
    await people.add_address("recipients/p001", channel="email", value="gone@x.org", state=Address.RETIRED, reason="left")
    whole = await export(people)
    assert len(whole.splitlines()) == 600
    assert '"state":"RETIRED","reason":"left"' in whole
    assert (await put(people, whole)).counts == (0, 0, 600, 0)
    assert await export(people) == whole
    assert len((await export(people, condition='group="g1"')).splitlines()) == 200
    for number in range(0, 600, 7):
        name = f"recipients/p{number:03}"
        await people.call(people.rig.recipients.DeleteRecipient, RECIPIENTS.DeleteRecipientRequest(name=name))
    assert (await put(people, whole)).counts == (86, 0, 514, 0)
    assert await export(people) == whole


async def test_a_line_says_all_of_a_recipient(people: People) -> None:
    """Addresses that it does not name go, groups too; a state that it does not say stays; an address may move to a later line's owner."""
    await put(
        people, line("ann", displayName="Ann", groups=["groups/g"], addresses=[{"channel": "email", "value": "a@x.org", "state": "ACTIVE"}])
    )
    kept = line("ann", displayName="Ann B", addresses=[{"channel": "email", "value": "B@x.org"}, {"channel": "email", "value": "a@X.org"}])
    assert (await put(people, kept, validate_only=True)).counts == (0, 1, 0, 0)
    assert (await people.get("recipients/ann")).display_name == "Ann"
    assert (await put(people, kept)).counts == (0, 1, 0, 0)
    found = await people.get("recipients/ann")
    assert (found.display_name, list(found.groups)) == ("Ann B", [])
    assert [(item.value, item.state) for item in found.addresses] == [("a@x.org", Address.ACTIVE), ("b@x.org", Address.PENDING)]
    moved = line("ann") + line("bob", addresses=[{"channel": "email", "value": "a@x.org"}])
    assert (await put(people, moved)).counts == (1, 1, 0, 0)
    back = line("ann", addresses=[{"channel": "email", "value": "a@x.org"}]) + line("bob")
    assert await put(people, back) == Done((0, 1, 0, 1), [(1, "addresses[0].value: is an address of recipients/bob already")], 2)


async def test_rules_stay_unless_a_line_has_some(people: People) -> None:
    """And empty ones are an end of them; the address that a step names is of the line, too."""
    address = {"channel": "email", "value": "a@x.org"}

    def ann(**fields: Any) -> str:
        return line("ann", addresses=[address], **fields)

    def step(value: str) -> dict[str, Any]:
        return {"urgent": [{"channel": "email", "address": value}]}

    assert (await put(people, ann(rules=step("A@x.org")))).counts == (1, 0, 0, 0)
    assert (await put(people, ann())).counts == (0, 0, 1, 0), "a line without rules leaves them"
    assert (await people.get("recipients/ann")).rules.urgent[0].address == "a@x.org"
    assert (await put(people, ann(rules={}))).counts == (0, 1, 0, 0)
    assert not (await people.get("recipients/ann")).HasField("rules")
    assert (await put(people, ann(rules=step("b@x.org")))).refusals == [
        (1, "rules.urgent[0].address: is no address of the recipient for email")
    ]


async def test_a_bad_line_costs_itself(people: People) -> None:
    """It is told with its number, field and reason; an import goes on behind the lines that were committed."""
    bad = [
        '{"displayName": "nameless"}\n',
        line("x", timeZone="Mars/Olympus"),
        line("x", attributes={"big": "y" * 20000}),
        line("x", addresses=[{"channel": "pigeon", "value": "x"}]),
        line("x", unknown=1) + line("x", **{"\0verified": True, "addresses": ["a"]}),
        "{broken\n",
        "[1]\n",
        line("x", displayName="a\0b"),
        '{"name": "recipients/x", "displayName": "\\ud800"}\n',
        line("good"),
        line("x", addresses=[{"channel": "email", "value": "g@x.org"}]),
    ]
    text = line("good", addresses=[{"channel": "email", "value": "g@x.org"}]) + "".join(bad)
    done = await put(people, text.encode() + b'{"name": "recipients/y", "displayName": "\xff"}\n')
    assert (done.counts, [number for number, _ in done.refusals]) == ((1, 0, 0, 13), list(range(2, 15)))
    fields = [reason.partition(":")[0] for _, reason in done.refusals]
    assert fields[:4] == ["name", "timeZone", "attributes", "addresses[0].channel"]
    assert (fields[10], fields[11]) == ("name", "addresses[0].value")
    assert await people.names() == ["good"]
    assert (await put(people, text, skip_lines=12)).counts == (0, 0, 0, 1)
    with pytest.raises(InvalidInput, match="contentType"):
        await put(people, "x", media="image/png")


async def test_a_table_names_addresses_by_channel(people: People) -> None:
    """Columns of fields, of channels, and one that vouches; a header that is none ends the import."""
    commas = (
        "name,displayName,email,verified,groups\n"
        "recipients/ann,Ann,a@x.org;b@x.org,,groups/g\n"
        "recipients/bob,Bob,c@x.org,yes,\n"
        "recipients/eve,Eve,no,,\n"
    )
    done = await put(people, commas, media="text/csv")
    assert (done.counts, done.refusals[0][0], done.refusals[0][1].partition(":")[0]) == ((2, 0, 0, 1), 4, "addresses[0].value")
    ann, bob = [await people.get(f"recipients/{name}") for name in ("ann", "bob")]
    assert [(item.value, item.state) for item in ann.addresses] == [("a@x.org", Address.PENDING), ("b@x.org", Address.PENDING)]
    assert (list(ann.groups), bob.addresses[0].state) == (["groups/g"], Address.ACTIVE)
    assert (await put(people, commas, media="text/csv")).counts == (0, 0, 2, 1)
    with pytest.raises(InvalidInput, match="is not a field of a recipient"):
        await put(people, commas.replace("email", "pigeon"), media="text/csv")


async def test_suppressions_go_and_come(people: People) -> None:
    """Known again by channel, address and category."""
    lines = [{"channel": "email", "address": f"s{number}@X.org", "reason": "BOUNCE", "detail": "550"} for number in range(300)]
    lines += [{"channel": "email", "address": "s0@x.org", "category": "categories/news", "endTime": "2027-01-01T00:00:00Z"}]
    text = "".join(json.dumps(item) + "\n" for item in lines)
    assert (await put(people, text + "{}\n", kind="Suppression", validate_only=True)).counts == (301, 0, 0, 1)
    done = await put(people, text + '{"channel": "email", "address": "x"}\n', kind="Suppression")
    assert (done.counts, done.refusals[0][0]) == ((301, 0, 0, 1), 302)
    whole = await export(people, "Suppression")
    assert len(whole.splitlines()) == 301
    assert (await put(people, whole, kind="Suppression")).counts == (0, 0, 301, 0)
    assert (await put(people, whole.replace("550", "551", 1), kind="Suppression")).counts == (0, 1, 300, 0)
    table = "channel,address,reason\nemail,s1@x.org,MANUAL\nemail,new@x.org,\n"
    assert (await put(people, table, kind="Suppression", media="text/csv")).counts == (1, 1, 0, 0)


def group(name: str, *members: str, **fields: Any) -> str:
    """A group as a line."""
    return json.dumps({"name": f"groups/{name}", "members": list(members), **fields}, ensure_ascii=False) + "\n"


async def members(people: People, name: str) -> list[str]:
    """What is in a group itself."""
    request = group_service_pb2.ListGroupMembersRequest(name=f"groups/{name}", page_size=1000)
    return [member.name for member in (await people.call(people.rig.groups.ListGroupMembers, request)).members]


async def test_groups_go_and_come_with_their_members(people: People) -> None:
    """Groups that are in others are made before their own line; into an empty tenant the same is made; a line says all of a group."""
    await put(people, "".join(line(f"p{number}") for number in range(30)))
    text = (
        group("all", "groups/ops", "groups/dev", displayName="Everybody é")
        + group("dev", *(f"recipients/p{number}" for number in range(20)))
        + group("ops", "recipients/p1", "groups/night", displayName="Ops")
        + group("empty", displayName="Nobody")
    )
    assert (await put(people, text, kind="Group", validate_only=True)).counts == (4, 0, 0, 0)
    assert await export(people, "Group") == ""
    assert (await put(people, text, kind="Group")).counts == (4, 0, 0, 0)
    whole = await export(people, "Group")
    assert [json.loads(each)["name"] for each in whole.splitlines()] == [
        f"groups/{name}" for name in ("all", "dev", "empty", "night", "ops")
    ]
    assert (await put(people, whole, kind="Group")).counts == (0, 0, 5, 0)
    for name in ("all", "dev", "ops", "night", "empty"):
        await people.call(people.rig.groups.DeleteGroup, group_service_pb2.DeleteGroupRequest(name=f"groups/{name}"))
    assert (await put(people, whole, kind="Group")).counts == (5, 0, 0, 0)
    assert await export(people, "Group") == whole
    fewer = group("dev", "recipients/p3", "recipients/p29", displayName="Dev")
    assert (await put(people, fewer, kind="Group")).counts == (0, 1, 0, 0)
    assert await members(people, "dev") == ["recipients/p29", "recipients/p3"]
    more = group("dev", "recipients/p4", displayName="Dev", partial=True)
    assert (await put(people, more + more, kind="Group")).counts == (0, 1, 1, 0)
    assert await members(people, "dev") == ["recipients/p29", "recipients/p3", "recipients/p4"]
    table = "name,displayName,members\ngroups/dev,Dev,recipients/p3;groups/ops\n"
    assert (await put(people, table, kind="Group", media="text/csv")).counts == (0, 1, 0, 0)
    assert await members(people, "dev") == ["recipients/p3", "groups/ops"]


async def test_a_group_that_cannot_be_costs_its_line(people: People) -> None:
    """Circles, also those that two lines make together, depths, members that are not there, and names that come twice."""
    await put(people, line("ann"))
    chain = "".join(group(f"d{number}", f"groups/d{number + 1}") for number in range(1, 8))
    bad = [
        group("self", "groups/self"),
        group("d8", "groups/d1"),
        group("d8", "groups/d9", partial=True),
        group("x", "recipients/ann", "recipients/nobody"),
        group("d1"),
        group("x", "people/ann"),
        group("x", displayName="a\0b"),
        group("", "recipients/ann"),
        group("x", *(f"recipients/r{number}" for number in range(10_001))),
    ]
    done = await put(people, chain + "".join(bad), kind="Group")
    assert (done.counts, [number for number, _ in done.refusals]) == ((7, 0, 0, 9), list(range(8, 17)))
    fields = [reason.partition(":")[0] for _, reason in done.refusals]
    assert fields == ["members[0]", "members[0]", "members[0]", "members[1]", "name", "members[0]", "displayName", "name", "members"]
    assert "into itself" in done.refusals[0][1]
    assert "into itself" in done.refusals[1][1]
    assert "8 groups deep" in done.refusals[2][1]
    assert (await put(people, chain, kind="Group")).counts == (0, 0, 7, 0)
    turned = group("d2") + group("d3", "groups/d2")
    assert (await put(people, turned, kind="Group")).counts == (0, 2, 0, 0), "what a line takes out is out for the next"


async def test_a_group_of_many_is_several_lines(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is partial, so that an import of them takes nobody out while it is under way."""
    monkeypatch.setattr("mailer_svc.service.people.MEMBERS_A_LINE", 100)
    await put(people, "".join(line(f"p{number:03}") for number in range(250)))
    assert (await put(people, group("all", *(f"recipients/p{number:03}" for number in range(250))), kind="Group")).counts == (1, 0, 0, 0)
    await put(people, group("hundred", *(f"recipients/p{number:03}" for number in range(100))), kind="Group")
    whole = await export(people, "Group")
    found = [json.loads(each) for each in whole.splitlines()]
    assert [(each["name"], len(each["members"]), each.get("partial", False)) for each in found] == [
        ("groups/all", 100, True),
        ("groups/all", 100, True),
        ("groups/all", 50, True),
        ("groups/hundred", 100, True),
    ]
    assert (await put(people, whole, kind="Group")).counts == (0, 0, 4, 0)


async def test_categories_go_and_come(people: People) -> None:
    """Known again by their names."""
    lines = [
        {"name": "categories/alerts", "displayName": "Alerts é", "kind": "MANDATORY"},
        {"name": "categories/news", "kind": "MARKETING", "channels": ["inbox"], "digestWindow": "600s"},
        {"name": "categories/plain"},
    ]
    text = "".join(json.dumps(item) + "\n" for item in lines)
    assert (await put(people, text, kind="Category", validate_only=True)).counts == (3, 0, 0, 0)
    assert (await put(people, text, kind="Category")).counts == (3, 0, 0, 0)
    whole = await export(people, "Category")
    assert (await put(people, whole, kind="Category")).counts == (0, 0, 3, 0)
    assert [json.loads(each) for each in whole.splitlines()] == [lines[0], lines[1], {**lines[2], "kind": "TRANSACTIONAL"}]
    assert (await put(people, whole.replace("600s", "60s"), kind="Category")).counts == (0, 1, 2, 0)
    bad = [
        '{"name": "categories/BIG"}\n',
        '{"name": "categories/x", "channels": ["pigeon"]}\n',
        '{"name": "categories/x", "digestWindow": "86401s"}\n',
        '{"name": "categories/x", "digestWindow": "-1s"}\n',
        '{"name": "categories/alerts"}\n' * 2,
        "{}\n",
    ]
    done = await put(people, "".join(bad), kind="Category")
    assert (done.counts, [number for number, _ in done.refusals]) == ((0, 1, 0, 6), [1, 2, 3, 4, 6, 7])
    fields = [reason.partition(":")[0] for _, reason in done.refusals]
    assert fields == ["name", "channels[0]", "digestWindow", "digestWindow", "name", "name"]
    table = "name,kind,channels\ncategories/news,MARKETING,inbox;email\ncategories/new,,\n"
    assert (await put(people, table, kind="Category", media="text/csv")).counts == (1, 1, 0, 0)
