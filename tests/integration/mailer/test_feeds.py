"""Calendar feeds on each database: read back by the libraries of calendar programs, and compared with the preview."""

from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
import recurring_ical_events

from mailer_svc.domain.feeds import CalendarFeed, FeedShift
from mailer_svc.handlers.feeds import calendar_text
from tests.integration.mailer.people import People
from tests.integration.mailer.test_rotations import ADD, HOURS, REPLACE, Roster, layer, roster
from tocsin.api.mailer.v1 import feed_service_pb2 as pb
from tocsin.api.mailer.v1 import recipient_service_pb2 as recipients
from tocsin.api.mailer.v1 import rotation_service_pb2 as rotation_pb
from tocsin.errors import NotFound
from tocsin.testing.clock import FakeClock

__all__ = ["roster"]

Shift = tuple[datetime, datetime, str]


async def create(roster: Roster, subject: str = "rotations/r") -> str:
    """The token of a new feed."""
    made = await roster.people.call(roster.rig.feeds.CreateFeed, pb.CreateFeedRequest(subject=subject))
    assert made.url.endswith(".ics")
    return made.url.rpartition("/")[2]


async def read(roster: Roster, token: str) -> pb.FeedCalendar:
    """What whoever has the token sees: no user is needed."""
    return await roster.rig.feeds.ReadFeed(pb.ReadFeedRequest(token=token))


def shown(answer: pb.FeedCalendar, start: datetime, end: datetime) -> list[Shift]:
    """The shifts between two instants as a calendar program shows them, cut to these."""
    calendar: Any = icalendar.Calendar.from_ical(answer.calendar.data)
    found: Any = recurring_ical_events.of(calendar).between(start, end)
    return sorted((max(one["DTSTART"].dt, start), min(one["DTEND"].dt, end), str(one["SUMMARY"])) for one in found)


def of_preview(intervals: list[rotation_pb.DutyInterval]) -> list[Shift]:
    """What the preview says of each person."""
    return sorted(
        (one.start_time.ToDatetime(UTC), one.end_time.ToDatetime(UTC), name.removeprefix("recipients/"))
        for one in intervals
        for name in one.recipients
    )


def minutes(shifts: list[Shift]) -> dict[str, set[datetime]]:
    """When each is on call, by the quarter of an hour."""
    found: dict[str, set[datetime]] = {}
    for start, end, who in shifts:
        while start < end:
            found.setdefault(who, set()).add(start)
            start += timedelta(minutes=15)
    return found


async def test_a_feed_shows_what_the_preview_shows(roster: Roster, clock: FakeClock) -> None:
    """Turns in a zone across a change of the clocks, hours, overrides of each kind, gaps left out."""
    week = [rotation_pb.WeeklyWindow(weekday=day, start="08:00", end="20:00") for day in range(1, 6)]
    nights = layer("eve", "ann", turn_unit=HOURS, turn_count=12, hours=week, display_name="Nights")
    await roster.create("r", layer("ann+bob", "eve", hours=week), nights)
    await clock.advance(1)
    start = roster.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    await roster.override(REPLACE, start + timedelta(days=1), start + timedelta(days=1, hours=7), "bob", comment="swap; with, Eve")
    await roster.override(ADD, start + timedelta(days=2), start + timedelta(days=3), "bob")
    token = await create(roster)
    end = start + timedelta(days=170)
    answer = await read(roster, token)
    assert answer.calendar.content_type.startswith("text/calendar")
    assert minutes(shown(answer, start, end)) == minutes(of_preview(await roster.preview(start, end)))
    events: Any = icalendar.Calendar.from_ical(answer.calendar.data).walk("VEVENT")
    assert len({str(one["UID"]) for one in events}) == len(events)
    assert "swap; with, Eve" in {str(one.get("DESCRIPTION")) for one in events}


async def test_a_turn_is_one_event_and_keeps_its_id(roster: Roster, clock: FakeClock) -> None:
    """Also when another is added for a part of it; the feed is the same bytes for a day, and as long as nothing changes."""
    await roster.create("r", layer("ann", "bob"))
    token = await create(roster)
    before = await read(roster, token)
    await clock.advance(60)
    assert (await read(roster, token)).headers["etag"] == before.headers["etag"]
    start = roster.now + timedelta(days=2)
    await roster.override(ADD, start, start + timedelta(hours=1), "eve")
    after = await read(roster, token)
    assert after.headers["etag"] != before.headers["etag"]
    old, new = ({str(one["UID"]) for one in icalendar.Calendar.from_ical(one.calendar.data).walk("VEVENT")} for one in (before, after))
    assert (old <= new, len(new - old)) == (True, 1)


async def test_a_person_has_a_feed_of_their_shifts(roster: Roster, clock: FakeClock) -> None:
    """In all rotations, by layers and by overrides; each is called by its rotation; nobody else's are in it."""
    await roster.create("r", layer("ann", "bob"), display_name="Shop")
    await roster.create("s", layer("eve"), display_name="Store")
    await roster.create("t", layer("bob"))
    request = recipients.UpdateRecipientRequest(recipient=recipients.Recipient(name="recipients/ann", display_name="Ann Example"))
    await roster.people.call(roster.rig.recipients.UpdateRecipient, request)
    await clock.advance(1)
    given = rotation_pb.RotationOverride(kind=REPLACE, recipients=["recipients/ann"])
    given.start_time.FromDatetime(roster.now + timedelta(days=1))
    given.end_time.FromDatetime(roster.now + timedelta(days=2))
    await roster.people.call(
        roster.stub.CreateRotationOverride, rotation_pb.CreateRotationOverrideRequest(parent="rotations/s", override=given)
    )
    answer = await read(roster, await create(roster, "recipients/ann"))
    calendar: Any = icalendar.Calendar.from_ical(answer.calendar.data)
    assert str(calendar["X-WR-CALNAME"]) == "On call: Ann Example"
    titles = [str(one["SUMMARY"]) for one in calendar.walk("VEVENT")]
    assert (set(titles), titles.count("Store")) == ({"Shop", "Store"}, 1)


async def test_a_feed_has_one_url_until_it_is_revoked(roster: Roster) -> None:
    """A new one ends the one before; an end of the rotation or the person ends it as well; nobody is told why."""
    await roster.create("r", layer("ann"))
    call = roster.people.call
    get = pb.GetFeedRequest(subject="rotations/r")
    with pytest.raises(NotFound):
        await call(roster.rig.feeds.GetFeed, get)
    first = await create(roster)
    second = await create(roster)
    assert (await call(roster.rig.feeds.GetFeed, get)).url == "", "it is shown once"
    assert [(await read(roster, token)).status for token in (first, second, "x" * 32, "ä.ics")] == [404, 200, 404, 404]
    await call(roster.rig.feeds.RevokeFeed, pb.RevokeFeedRequest(subject="rotations/r"))
    await call(roster.rig.feeds.RevokeFeed, pb.RevokeFeedRequest(subject="rotations/r"))
    assert (await read(roster, second)).status == 404
    third, personal = await create(roster), await create(roster, "recipients/eve")
    await call(roster.stub.DeleteRotation, rotation_pb.DeleteRotationRequest(name="rotations/r"))
    await call(roster.rig.recipients.DeleteRecipient, recipients.DeleteRecipientRequest(name="recipients/eve"))
    assert [(await read(roster, token)).status for token in (third, personal)] == [404, 404]
    for subject in ("rotations/none", "recipients/none"):
        with pytest.raises(NotFound):
            await create(roster, subject)


async def test_a_feed_is_of_its_tenant(roster: Roster) -> None:
    """Another tenant neither sees nor ends it."""
    await roster.create("r", layer("ann"))
    token = await create(roster)
    other = People(roster.rig, "t2")
    with pytest.raises(NotFound):
        await other.call(roster.rig.feeds.GetFeed, pb.GetFeedRequest(subject="rotations/r"))
    await other.call(roster.rig.feeds.RevokeFeed, pb.RevokeFeedRequest(subject="rotations/r"))
    assert (await read(roster, token)).status == 200


async def test_a_schedule_of_many_turns_is_shown_as_far_as_it_goes(roster: Roster) -> None:
    """A turn each hour in many layers: some weeks of it, not nothing."""
    await roster.create("r", *[layer("ann", "bob", turn_unit=HOURS) for _ in range(5)])
    events: Any = icalendar.Calendar.from_ical((await read(roster, await create(roster))).calendar.data).walk("VEVENT")
    assert 7 * 24 < len(events) <= 4000


def test_names_cannot_add_lines() -> None:
    """Whatever people are called."""
    shift = FeedShift(uid="1@tocsin", rotation="r", recipient="ann", start=10**15, end=2 * 10**15, changed=1, why="a\r\nEND:VCALENDAR")
    evil = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\nSUMMARY:y" + "ü" * 200
    text = calendar_text(CalendarFeed(name=evil, personal=False, shifts=[shift], people={"ann": evil}, rotations={"r": evil}))
    calendar: Any = icalendar.Calendar.from_ical(text)
    (event,) = calendar.walk("VEVENT")
    assert str(event["SUMMARY"]).replace("\r\n", "\n") == evil.replace("\r\n", "\n")
    assert all(len(line) <= 75 for line in text.split(b"\r\n"))
