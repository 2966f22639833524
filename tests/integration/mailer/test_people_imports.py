"""Recipients and suppressions by the file, on each database: what is exported is what can be imported."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from google.api.httpbody_pb2 import HttpBody

from tests.integration.mailer.people import Address, People
from tocsin.api.mailer.v1 import import_pb2, recipient_service_pb2, suppression_service_pb2
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import contract
from tocsin.protojson.codec import Codecs

RECIPIENTS, SUPPRESSIONS = recipient_service_pb2, suppression_service_pb2


class Done(NamedTuple):
    """How an import ended: made, changed, the same, refused; and the refused lines."""

    counts: tuple[int, int, int, int]
    refusals: list[tuple[int, str]]
    lines: int


async def put(people: People, text: str | bytes, *, kind: str = "Recipient", media: str = "application/x-ndjson", **options: Any) -> Done:
    """Imports a text, cut into pieces."""
    data = text.encode() if isinstance(text, str) else text
    request = {"Recipient": RECIPIENTS.ImportRecipientsRequest, "Suppression": SUPPRESSIONS.ImportSuppressionsRequest}[kind]
    stub = {"Recipient": people.rig.recipients, "Suppression": people.rig.suppressions}[kind]

    async def sent() -> AsyncIterator[Any]:
        yield request(options=import_pb2.ImportOptions(**options))
        for start in range(0, len(data), 7000):
            yield request(data=HttpBody(content_type=media, data=data[start : start + 7000]))

    refusals: list[tuple[int, str]] = []
    last = import_pb2.ImportProgress()
    with people.rig.user():
        async for answer in getattr(stub, f"Import{kind}s")(sent()):
            last = answer.progress
            refusals += [(refusal.line, f"{refusal.field}: {refusal.reason}") for refusal in last.refusals]
    assert last.done
    return Done((last.created, last.updated, last.unchanged, last.refused), refusals, last.lines)


async def export(people: People, kind: str = "Recipient", condition: str = "") -> str:
    """An export as lines of JSON."""
    module, stub = {"Recipient": (RECIPIENTS, people.rig.recipients), "Suppression": (SUPPRESSIONS, people.rig.suppressions)}[kind]
    descriptor = getattr(module, kind).DESCRIPTOR
    codec = Codecs(descriptor_set=contract().SerializeToString()).of(descriptor)
    lines: list[str] = []
    with people.rig.user():
        async for answer in getattr(stub, f"Export{kind}s")(getattr(module, f"Export{kind}sRequest")(filter=condition)):
            items = answer.recipients if kind == "Recipient" else answer.suppressions
            lines += [codec.to_json(item.SerializeToString()).decode() for item in items]
    return "".join(f"{line}\n" for line in lines)


def line(name: str, **fields: Any) -> str:
    """A recipient as a line."""
    return json.dumps({"name": f"recipients/{name}", **fields}, ensure_ascii=False) + "\n"


def active(value: str) -> dict[str, str]:
    """An address that needs no code."""
    return {"channel": "email", "value": value, "state": "ACTIVE"}


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


async def test_a_bad_line_costs_itself(people: People) -> None:
    """It is told with its number, field and reason; an import goes on behind the lines that were committed."""
    bad = [
        '{"displayName": "nameless"}\n',
        line("x", timeZone="Mars/Olympus"),
        line("x", attributes={"big": "y" * 20000}),
        line("x", addresses=[{"channel": "pigeon", "value": "x"}]),
        line("x", unknown=1),
        "{broken\n",
        "[1]\n",
        line("x", displayName="a\0b"),
        '{"name": "recipients/x", "displayName": "\\ud800"}\n',
        line("good"),
        line("x", addresses=[{"channel": "email", "value": "g@x.org"}]),
    ]
    text = line("good", addresses=[{"channel": "email", "value": "g@x.org"}]) + "".join(bad)
    done = await put(people, text.encode() + b'{"name": "recipients/y", "displayName": "\xff"}\n')
    assert (done.counts, [number for number, _ in done.refusals]) == ((1, 0, 0, 12), list(range(2, 14)))
    fields = [reason.partition(":")[0] for _, reason in done.refusals]
    assert fields[:4] == ["name", "timeZone", "attributes", "addresses[0].channel"]
    assert (fields[9], fields[10]) == ("name", "addresses[0].value")
    assert await people.names() == ["good"]
    assert (await put(people, text, skip_lines=11)).counts == (0, 0, 0, 1)
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
