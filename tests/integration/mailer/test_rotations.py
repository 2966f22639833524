"""Rotations, overrides and who is on call, through the mesh on each database; time stands unless it is moved, by a second."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.integration.mailer.people import Address, People
from tests.integration.mailer.support import Rig
from tocsin.api.mailer.v1 import recipient_service_pb2 as recipients
from tocsin.api.mailer.v1 import rotation_service_pb2 as pb
from tocsin.errors import AlreadyExists, InvalidInput, NotFound, PermissionDenied, ResourceExhausted
from tocsin.testing.clock import FakeClock

DAYS, HOURS, WEEKS = pb.RotationLayer.DAYS, pb.RotationLayer.HOURS, pb.RotationLayer.WEEKS
ADD, REPLACE = pb.RotationOverride.ADD, pb.RotationOverride.REPLACE


def layer(*people: str, **fields: Any) -> pb.RotationLayer:
    """A layer whose turns are days from 1 January 2020, 09:00 on."""
    values: dict[str, Any] = {"turn_unit": DAYS, "turn_count": 1, "start": "2020-01-01T09:00"}
    together = [pb.RotationLayer.Participant(recipients=[f"recipients/{one}" for one in name.split("+")]) for name in people]
    return pb.RotationLayer(participants=together, **(values | fields))


class Roster:
    """What a user asks for about rotations."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.rig: Rig = people.rig
        self.stub: Any = people.rig.rotations

    async def create(self, id: str = "r", *layers: pb.RotationLayer, zone: str = "Europe/Berlin", **fields: Any) -> pb.Rotation:  # noqa: A002
        """A new rotation."""
        given = pb.Rotation(name=f"rotations/{id}" if id else "", time_zone=zone, layers=layers, **fields)
        return await self.people.call(self.stub.CreateRotation, pb.CreateRotationRequest(rotation=given))

    async def change(self, *paths: str, **fields: Any) -> pb.Rotation:
        """A rotation, changed."""
        request = pb.UpdateRotationRequest(rotation=pb.Rotation(**fields), update_mask=FieldMask(paths=paths))
        return await self.people.call(self.stub.UpdateRotation, request)

    async def on_call(self, name: str = "rotations/r", at: datetime | None = None) -> pb.OnCall:
        """Who is on call."""
        return await self.people.call(self.stub.GetOnCall, pb.GetOnCallRequest(name=name, at=_stamp(at)))

    async def who(self, name: str = "rotations/r", at: datetime | None = None) -> list[str]:
        """Ids of those on call."""
        return [one.removeprefix("recipients/") for one in (await self.on_call(name, at)).interval.recipients]

    async def override(self, kind: Any, start: datetime, end: datetime, *people: str, **fields: Any) -> pb.RotationOverride:
        """A new override."""
        named = [f"recipients/{one}" for one in people]
        given = pb.RotationOverride(kind=kind, recipients=named, start_time=_stamp(start), end_time=_stamp(end), **fields)
        request = pb.CreateRotationOverrideRequest(parent="rotations/r", override=given)
        return await self.people.call(self.stub.CreateRotationOverride, request)

    async def preview(self, start: datetime, end: datetime) -> list[pb.DutyInterval]:
        """The schedule."""
        request = pb.PreviewRotationRequest(name="rotations/r", **{"from": _stamp(start)}, to=_stamp(end))
        return list((await self.people.call(self.stub.PreviewRotation, request)).intervals)

    @property
    def now(self) -> datetime:
        """What time it is."""
        return datetime.fromtimestamp(self.rig.clock.micros() / 1e6, UTC)


def _stamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    found = Timestamp()
    found.FromDatetime(moment)
    return found


@pytest.fixture
async def roster(people: People) -> Roster:
    """Three people who may take turns."""
    for name in ("ann", "bob", "eve"):
        await people.create(name, addresses=[Address(channel="inbox", value=f"{name}@x.org", state=Address.ACTIVE)])
    return Roster(people)


async def test_a_rotation_lives(roster: Roster) -> None:
    """Made with everything, read, listed, changed field by field, removed; another tenant sees nothing of it."""
    hours = [pb.WeeklyWindow(weekday=1, start="22:00", end="06:00")]
    nights = layer("eve", turn_unit=WEEKS, turn_count=2, hours=hours, display_name="Nights", end="2030-01-01T00:00:00")
    made = await roster.create("r", layer("ann+bob", "eve"), nights, display_name="Shop", owner="recipients/ann")
    assert (made.name, made.revision, made.layers[0].hand_over_time, made.layers[1].hand_over_weekday) == ("rotations/r", 1, "09:00", 3)
    assert [each.recipients for each in made.layers[0].participants] == [["recipients/ann", "recipients/bob"], ["recipients/eve"]]
    get = roster.stub.GetRotation
    assert await roster.people.call(get, pb.GetRotationRequest(name=made.name)) == made
    changed = await roster.change("display_name", name=made.name, display_name="Store", time_zone="UTC")
    assert (changed.display_name, changed.time_zone, changed.revision, len(changed.layers)) == ("Store", "Europe/Berlin", 2, 2)
    assert (await roster.change("display_name", name=made.name, display_name="Store")).revision == 2
    with pytest.raises(AlreadyExists):
        await roster.create("r", layer("ann"))
    other = Roster(People(roster.rig, "t2"))
    with pytest.raises(NotFound):
        await other.people.call(get, pb.GetRotationRequest(name=made.name))
    for attempt in (other.on_call(), other.change("owner", name=made.name), other.preview(other.now, other.now + timedelta(days=1))):
        with pytest.raises(NotFound):
            await attempt
    listed = await roster.people.call(roster.stub.ListRotations, pb.ListRotationsRequest())
    assert [item.name for item in listed.rotations] == ["rotations/r"]
    with roster.rig.user(scopes=["recipients:read"]), pytest.raises(PermissionDenied):
        await roster.stub.DeleteRotation(pb.DeleteRotationRequest(name=made.name))
    await roster.people.call(roster.stub.DeleteRotation, pb.DeleteRotationRequest(name=made.name))
    with pytest.raises(NotFound):
        await roster.people.call(get, pb.GetRotationRequest(name=made.name))
    revisions = await roster.people.call(roster.stub.ListRotationRevisions, pb.ListRotationRevisionsRequest(name=made.name))
    assert [(item.revision, item.display_name) for item in revisions.revisions] == [(3, ""), (2, "Store"), (1, "Shop")]


_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"zone": ""}, "rotation.timeZone"),
    ({"zone": "Mars/Olympus"}, "rotation.timeZone"),
    ({"layers": []}, "rotation.layers"),
    ({"layers": [layer("ann")] * 21}, "rotation.layers"),
    ({"layers": [layer("ann")] * 10_000}, "rotation.layers"),
    ({"layers": [layer()]}, "rotation.layers[0].participants"),
    ({"layers": [layer("ann"), layer("ann", "")]}, "rotation.layers[1].participants[1].recipients[0]"),
    (
        {
            "layers": [
                pb.RotationLayer(participants=[pb.RotationLayer.Participant()], turn_unit=DAYS, turn_count=1, start="2020-01-01T09:00")
            ]
        },
        "rotation.layers[0].participants[0].recipients",
    ),
    ({"layers": [layer("ann", "ann+bob+ann")]}, "rotation.layers[0].participants[1].recipients[2]"),
    ({"layers": [layer("ann", "nobody+ann")]}, "rotation.layers[0].participants[1].recipients[0]"),
    ({"layers": [layer("retired")]}, "rotation.layers[0].participants[0].recipients[0]"),
    ({"layers": [layer("ann", turn_unit=0)]}, "rotation.layers[0].turnUnit"),
    ({"layers": [layer("ann", turn_count=0)]}, "rotation.layers[0].turnCount"),
    ({"layers": [layer("ann", turn_count=-1)]}, "rotation.layers[0].turnCount"),
    ({"layers": [layer("ann", turn_count=367)]}, "rotation.layers[0].turnCount"),
    ({"layers": [layer("ann", turn_count=2**31 - 1)]}, "rotation.layers[0].turnCount"),
    ({"layers": [layer("ann", hand_over_weekday=1)]}, "rotation.layers[0].handOverWeekday"),
    ({"layers": [layer("ann", hand_over_time="24:00")]}, "rotation.layers[0].handOverTime"),
    ({"layers": [layer("ann", start="")]}, "rotation.layers[0].start"),
    ({"layers": [layer("ann", start="2027-02-30T09:00")]}, "rotation.layers[0].start"),
    ({"layers": [layer("ann", start="0001-01-01T09:00")]}, "rotation.layers[0].start"),
    ({"layers": [layer("ann", end="2019-01-01T09:00")]}, "rotation.layers[0].end"),
    ({"layers": [layer("ann", hours=[pb.WeeklyWindow(weekday=8, start="01:00", end="02:00")])]}, "rotation.layers[0].hours[0].weekday"),
    ({"owner": "rotations/r"}, "rotation.owner"),
    ({"owner": "groups/none"}, "rotation.owner"),
    ({"display_name": "a\nb"}, "rotation.displayName"),
]


async def test_what_no_rotation_may_be_is_refused_by_field(roster: Roster) -> None:
    """With a reason, and nothing is stored."""
    await roster.people.create("retired", addresses=[Address(channel="inbox", value="old@x.org", state=Address.RETIRED)])
    for fields, field in _REFUSED:
        values: dict[str, Any] = {"layers": [layer("ann")], **fields}
        with pytest.raises(InvalidInput) as refused:
            await roster.create("r", *values.pop("layers"), **values)
        assert [violation.field for violation in refused.value.violations] == [field]
        assert refused.value.violations[0].description
    assert not (await roster.people.call(roster.stub.ListRotations, pb.ListRotationsRequest())).rotations


async def test_the_past_stays_as_it_was(roster: Roster, clock: FakeClock) -> None:
    """Who was on call is answered by what was in force then, whatever changed since, even if the rotation is gone."""
    await roster.create("r", layer("ann"))
    first = roster.now
    assert await roster.who() == ["ann"]
    await clock.advance(1)
    await roster.change("layers", name="rotations/r", layers=[layer("bob")])
    second = roster.now
    assert (await roster.who(), await roster.who(at=first), (await roster.on_call(at=first)).revision) == (["bob"], ["ann"], 1)
    await clock.advance(1)
    late = await roster.override(REPLACE, first, roster.now + timedelta(hours=2), "eve", comment="ill")
    assert late.author.startswith("users/")
    assert (await roster.who(), await roster.who(at=second)) == (["eve"], ["bob"])
    third = roster.now
    await clock.advance(1)
    await roster.people.call(roster.stub.DeleteRotationOverride, pb.DeleteRotationOverrideRequest(name=late.name))
    assert (await roster.who(), await roster.who(at=third)) == (["bob"], ["eve"])
    with pytest.raises(NotFound):
        await roster.people.call(roster.stub.DeleteRotationOverride, pb.DeleteRotationOverrideRequest(name=late.name))
    removed = roster.now
    await clock.advance(1)
    await roster.people.call(roster.stub.DeleteRotation, pb.DeleteRotationRequest(name="rotations/r"))
    assert (await roster.who(), await roster.who(at=removed), await roster.who(at=third)) == ([], ["bob"], ["eve"])
    found = await roster.preview(first - timedelta(days=1), roster.now + timedelta(days=1))
    runs = [(each.recipients[0].removeprefix("recipients/"), each.start_time.ToDatetime(UTC)) for each in found]
    assert [run for place, run in enumerate(runs) if not place or runs[place - 1][0] != run[0]] == [
        ("ann", first),
        ("bob", second),
        ("eve", third),
        ("bob", removed),
    ]
    assert found[-1].end_time.ToDatetime(UTC) == roster.now


async def test_overrides_are_listed_and_bounded(roster: Roster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of their creation; those that overlap are labelled, and the later one wins; one that can never hold is refused."""
    await roster.create("r", layer("ann"))
    now = roster.now
    one = await roster.override(REPLACE, now, now + timedelta(hours=2), "bob")
    two = await roster.override(REPLACE, now + timedelta(hours=1), now + timedelta(hours=3), "eve")
    found = await roster.preview(now, now + timedelta(hours=3))
    assert [(each.recipients, each.overrides) for each in found if pb.DutyInterval.OVERRIDES_OVERLAP in each.labels] == [
        (["recipients/eve"], [one.name, two.name])
    ]
    listed = await roster.people.call(roster.stub.ListRotationOverrides, pb.ListRotationOverridesRequest(parent="rotations/r", page_size=1))
    assert [item.name for item in listed.overrides] == [one.name]
    again = pb.ListRotationOverridesRequest(parent="rotations/r", page_size=1, page_token=listed.next_page_token)
    assert [item.name for item in (await roster.people.call(roster.stub.ListRotationOverrides, again)).overrides] == [two.name]
    hour = timedelta(hours=1)
    refusals: list[tuple[tuple[Any, ...], str]] = [
        ((0, now, now + hour, "bob"), "override.kind"),
        ((ADD, now, now + hour), "override.recipients"),
        ((ADD, now, now + hour, "nobody"), "override.recipients[0]"),
        ((ADD, now, now + hour, "bob", "bob"), "override.recipients[1]"),
        ((ADD, now + hour, now, "bob"), "override.endTime"),
        ((ADD, now, now, "bob"), "override.endTime"),
        ((ADD, now - hour, now, "bob"), "override.endTime"),
        ((ADD, now, now + timedelta(days=367), "bob"), "override.endTime"),
        ((ADD, None, now, "bob"), "override.startTime"),
    ]
    for arguments, field in refusals:
        with pytest.raises(InvalidInput) as refused:
            await roster.override(*arguments)
        assert [violation.field for violation in refused.value.violations] == [field]
    monkeypatch.setattr("mailer_svc.service.rotations.MOST_OVERRIDES", 3)
    await roster.override(ADD, now, now + hour, "eve")
    with pytest.raises(ResourceExhausted):
        await roster.override(ADD, now, now + hour, "eve")
    await clock.advance(1)
    assert await roster.who() == ["bob", "eve"]


async def test_previews_are_bounded(roster: Roster) -> None:
    """In their range, and in how many intervals they come to."""
    now = roster.now
    await roster.create("r", *(layer("ann", "bob", turn_unit=HOURS) for _ in range(3)))
    for start, end in ((now, now), (now, now - timedelta(days=1)), (now, now + timedelta(days=367)), (now, now + timedelta(days=366))):
        with pytest.raises(InvalidInput) as refused:
            await roster.preview(start, end)
        assert [violation.field for violation in refused.value.violations] == ["to"]
    count = len(await roster.preview(now, now + timedelta(days=100)))
    assert count == 100 * 24


async def test_all_schedules_are_shown_at_once(roster: Roster) -> None:
    """Each rotation's as its own preview shows it, page by page; one that is too long says why and costs no other; a range is bounded."""
    await roster.create("r", layer("ann", "bob"), display_name="Shop")
    await roster.create("hours", *(layer("eve", "ann", turn_unit=HOURS) for _ in range(3)))
    start, end = roster.now, roster.now + timedelta(days=14)
    stub, call = roster.stub.PreviewOnCall, roster.people.call

    async def page(end: datetime, **fields: Any) -> pb.PreviewOnCallResponse:
        return await call(stub, pb.PreviewOnCallRequest(**{"from": _stamp(start)}, to=_stamp(end), **fields))

    first = await page(end, page_size=1)
    second = await page(end, page_size=1, page_token=first.next_page_token)
    assert [[each.rotation for each in found.schedules] for found in (first, second)] == [["rotations/hours"], ["rotations/r"]]
    (shop,) = second.schedules
    assert (shop.display_name, shop.time_zone, list(shop.intervals)) == ("Shop", "Europe/Berlin", await roster.preview(start, end))
    assert second.next_page_token == ""
    long = await page(roster.now + timedelta(days=366))
    assert [(each.rotation, bool(each.intervals), "less time" in each.error) for each in long.schedules] == [
        ("rotations/hours", False, True),
        ("rotations/r", True, False),
    ]
    for refused in (start, start + timedelta(days=367)):
        with pytest.raises(InvalidInput):
            await page(refused)
    assert (await Roster(People(roster.rig, "t2")).people.call(stub, pb.PreviewOnCallRequest())).schedules == []


async def test_everybody_on_call_is_found(roster: Roster) -> None:
    """In all rotations, or in those in which a recipient is; one who is gone is labelled."""
    for name, who in (("a", "ann"), ("b", "bob"), ("c", "ann+eve"), ("d", "eve")):
        await roster.create(name, layer(who))
    await roster.people.call(roster.rig.recipients.DeleteRecipient, recipients.DeleteRecipientRequest(name="recipients/eve"))
    everything = await roster.people.call(roster.stub.ListOnCall, pb.ListOnCallRequest())
    assert [(item.rotation, list(item.interval.recipients), list(item.interval.labels)) for item in everything.on_call] == [
        ("rotations/a", ["recipients/ann"], []),
        ("rotations/b", ["recipients/bob"], []),
        ("rotations/c", ["recipients/ann", "recipients/eve"], [pb.DutyInterval.DOUBLE_COVER, pb.DutyInterval.UNKNOWN_RECIPIENT]),
        ("rotations/d", ["recipients/eve"], [pb.DutyInterval.UNKNOWN_RECIPIENT]),
    ]
    token, found = "", list[str]()
    while True:
        request = pb.ListOnCallRequest(recipient="recipients/ann", page_size=1, page_token=token)
        page = await roster.people.call(roster.stub.ListOnCall, request)
        found += [item.rotation for item in page.on_call]
        token = page.next_page_token
        if not token:
            break
    assert found == ["rotations/a", "rotations/c"]


async def test_rotations_are_members_of_groups(roster: Roster) -> None:
    """They must exist, and leave when they go."""
    await roster.people.group("team", "recipients/ann")
    with pytest.raises(NotFound, match="rotations/r"):
        await roster.people.add("team", "rotations/r")
    await roster.create("r", layer("bob"))
    await roster.people.add("team", "rotations/r")
    assert await roster.people.members("team") == ["recipients/ann", "rotations/r"]
    await roster.people.call(roster.stub.DeleteRotation, pb.DeleteRotationRequest(name="rotations/r"))
    assert await roster.people.members("team") == ["recipients/ann"]


async def test_a_rotation_that_is_not_stored_has_a_schedule(roster: Roster) -> None:
    """As it would be from then on; with the overrides of the one that it would change; nothing is stored, and what is refused is named."""
    stub, call, start = roster.stub.PreviewRotationDraft, roster.people.call, roster.now
    span = {"from": _stamp(start), "to": _stamp(start + timedelta(days=3))}

    async def people(**fields: Any) -> list[list[str]]:
        given = pb.Rotation(time_zone="UTC", **fields)
        found = await call(stub, pb.PreviewRotationDraftRequest(rotation=given, **span))
        assert (found.intervals[0].start_time, found.intervals[-1].end_time) == (span["from"], span["to"])
        turns = [[one.removeprefix("recipients/") for one in each.recipients] for each in found.intervals]
        return [one for one, _ in groupby(turns)]

    alone = layer("eve", start="2020-01-01T00:00")
    assert await people(layers=[alone]) == [["eve"]]
    listed = await call(roster.stub.ListRotations, pb.ListRotationsRequest())
    assert list(listed.rotations) == []
    await roster.create("r", layer("ann"))
    await roster.override(ADD, start + timedelta(days=1), start + timedelta(days=2), "bob")
    assert await people(name="rotations/r", layers=[alone]) == [["eve"], ["eve", "bob"], ["eve"]]
    assert await roster.who() == ["ann"]
    with pytest.raises(NotFound):
        await people(name="rotations/none", layers=[alone])
    with pytest.raises(InvalidInput) as refused:
        await people(layers=[layer("nobody")])
    assert refused.value.violations[0].field == "rotation.layers[0].participants[0].recipients[0]"
    backwards = {"from": span["to"], "to": span["from"]}
    with pytest.raises(InvalidInput) as refused:
        await call(stub, pb.PreviewRotationDraftRequest(rotation=pb.Rotation(time_zone="UTC", layers=[alone]), **backwards))
    assert refused.value.violations[0].field == "to"
