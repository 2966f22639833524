"""Shifts from calendars on each database: given as a text, or read from a server again and again; and how long what was is kept."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
import pytest_asyncio
import recurring_ical_events
from sqlalchemy import insert

from mailer_svc.clients import HttpCalendars
from mailer_svc.ports.rotation_calendars import CalendarUnreadable
from mailer_svc.service.rotation_calendars import CalendarWatch, ShiftReader
from mailer_svc.store import SqlRotations
from mailer_svc.store.rotation_calendars import SqlRotationCalendars
from mailer_svc.store.rotation_tables import rotation_calendars
from tests.integration.mailer.people import Address, People
from tests.integration.mailer.stored import Store
from tests.integration.mailer.test_rotations import REPLACE, Roster, layer
from tocsin.api.mailer.v1 import rotation_service_pb2 as pb
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpClient, HttpLimits
from tocsin.errors import InvalidInput, NotFound
from tocsin.redis import EventBus, Redis
from tocsin.testing.clock import FakeClock

Layer = pb.RotationLayer


@dataclass(slots=True)
class Pages:
    """A server of calendars: what it answers to a path, and how often it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
async def pages() -> AsyncGenerator[Pages]:
    """On a free port."""
    found = Pages()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        found.asked.append(path)
        status, headers, body = found.answers.get(path, (404, {}, b"no"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield found


async def _roster(people: People) -> Roster:
    for name, title in (("ann", "Ann Example"), ("bob", "Bob"), ("eve", "Eve")):
        address = Address(channel="inbox", value=f"{name}@x.org", state=Address.ACTIVE)
        await people.create(name, display_name=title, addresses=[address])
    return Roster(people)


@pytest.fixture
async def roster(people: People) -> Roster:
    """Three people, one of them with a name."""
    return await _roster(people)


@pytest_asyncio.fixture(loop_scope="module")
async def shared(tenant: People) -> Roster:
    """The same three, of a tenant of its own of the mailer of this module."""
    return await _roster(tenant)


def calendar(now: datetime, *events: str) -> str:
    """A calendar whose events begin at midnight of tomorrow."""
    day = (now + timedelta(days=1)).strftime("%Y%m%d")
    bodies = "".join(
        f"BEGIN:VEVENT\r\nUID:{number}\r\n{event.replace('DAY', day)}\r\nEND:VEVENT\r\n" for number, event in enumerate(events)
    )
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{bodies}END:VCALENDAR\r\n"


HOURS = "DTSTART:DAYT{}0000Z\r\nDTEND:DAYT{}0000Z\r\nSUMMARY:{}"


def hours(start: int, end: int, title: str, more: str = "") -> str:
    """An event within that day, in UTC."""
    return HOURS.format(f"{start:02}", f"{end:02}", title) + (f"\r\n{more}" if more else "")


async def shown(roster: Roster, days: int = 1) -> list[tuple[int, int, str]]:
    """Who is on call on the day, or days, of the events: from hour to hour."""
    start = (roster.now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    found = await roster.preview(start, start + timedelta(days=days))
    return [
        (
            round((one.start_time.ToDatetime(UTC) - start).total_seconds() / 3600),
            round((one.end_time.ToDatetime(UTC) - start).total_seconds() / 3600),
            "+".join(sorted(name.removeprefix("recipients/") for name in one.recipients)),
        )
        for one in found
        if one.recipients
    ]


@pytest.mark.parametrize(
    ("event", "who"),
    [
        (hours(8, 9, "ann"), "ann"),
        (hours(8, 9, "Ann Example"), "ann"),
        (hours(8, 9, "ANN@X.ORG"), "ann"),
        (hours(8, 9, "[L1] ann\\, bob"), "ann+bob"),
        (hours(8, 9, "On Call - Ann Example - Shop - EU"), "ann"),
        (hours(8, 9, "On call: Ann Example"), "ann"),
        (hours(8, 9, "Primary", "ATTENDEE;CN=Ann:mailto:ann@x.org"), "ann"),
        (hours(8, 9, "On Call - Nobody - Shop", "ATTENDEE:bob@x.org"), "bob"),
        (hours(8, 9, "Primary", "ATTENDEE;PARTSTAT=DECLINED:mailto:ann@x.org\r\nATTENDEE:mailto:bob@x.org"), "bob"),
        (hours(8, 9, "ann, nobody"), ""),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_whose_an_event_is(shared: Roster, event: str, who: str) -> None:
    """By how Grafana OnCall, PagerDuty and people write it; of nobody it is told."""
    await shared.create("r", Layer(ics=calendar(shared.now, event)), zone="UTC")
    assert await shown(shared) == ([(8, 9, who)] if who else [])
    state = (await shared.people.call(shared.stub.GetRotation, pb.GetRotationRequest(name="rotations/r"))).layers[0].calendar_state
    assert bool(state.unmatched) is not bool(who)


@pytest.mark.asyncio(loop_scope="module")
async def test_shifts_that_overlap_are_together_and_levels_win(shared: Roster) -> None:
    """A greater level holds alone; a layer above holds over all of it; an override over that."""
    events = (hours(0, 8, "ann"), hours(6, 12, "bob"), hours(10, 11, "[L2] eve"))
    await shared.create("r", Layer(ics=calendar(shared.now, *events)), zone="UTC")
    together = [(0, 6, "ann"), (6, 8, "ann+bob"), (8, 10, "bob"), (10, 11, "eve"), (11, 12, "bob")]
    assert await shown(shared) == together


@pytest.mark.asyncio(loop_scope="module")
async def test_recurrences_are_those_of_calendar_programs(shared: Roster) -> None:
    """Across a change of the clocks, all-day events, moved occurrences, one that another takes over: as a library reads them."""
    zone = "TZID=Europe/Berlin"
    text = f"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:x
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VEVENT
UID:week
DTSTART;{zone}:20260301T090000
DTEND;{zone}:20260302T090000
RRULE:FREQ=DAILY;INTERVAL=3
EXDATE;{zone}:20260310T090000
SUMMARY:ann
END:VEVENT
BEGIN:VEVENT
UID:week
RECURRENCE-ID;{zone}:20260313T090000
DTSTART;{zone}:20260314T120000
DTEND;{zone}:20260314T180000
SUMMARY:ann
END:VEVENT
BEGIN:VEVENT
UID:week
RECURRENCE-ID;{zone}:20260328T090000
DTSTART;{zone}:20260328T090000
DTEND;{zone}:20260329T090000
SUMMARY:bob
END:VEVENT
BEGIN:VEVENT
UID:days
DTSTART;VALUE=DATE:20260328
DTEND;VALUE=DATE:20260330
SUMMARY:eve
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")
    now = shared.now
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
    text = text.replace("2026", str(start.year + 1))
    await shared.create("r", Layer(ics=text))
    begin, end = (datetime(start.year + 1, month, 1, tzinfo=UTC) for month in (2, 5))
    wanted: dict[str, set[datetime]] = {}
    events: Any = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between(begin, end)
    for event in events:
        _spread(wanted.setdefault(str(event["SUMMARY"]), set()), _instant(event["DTSTART"].dt), _instant(event["DTEND"].dt), begin, end)
    found: dict[str, set[datetime]] = {}
    for one in await shared.preview(begin, end):
        for name in one.recipients:
            _spread(
                found.setdefault(name.removeprefix("recipients/"), set()),
                one.start_time.ToDatetime(UTC),
                one.end_time.ToDatetime(UTC),
                begin,
                end,
            )
    assert found == wanted


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    local = icalendar.vDDDTypes.from_ical(f"{value:%Y%m%d}T000000", timezone="Europe/Berlin")
    return local.astimezone(UTC)


def _spread(hours: set[datetime], start: datetime, end: datetime, low: datetime, high: datetime) -> None:
    at = max(start, low)
    while at < min(end, high):
        hours.add(at)
        at += timedelta(hours=1)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_layer_is_what_show_says(shared: Roster) -> None:
    """Shifts come back as they are stored, and given again they change nothing."""
    made = await shared.create("r", layer("eve"), Layer(ics=calendar(shared.now, hours(8, 9, "ann"), hours(9, 10, "x"))))
    assert [list(one.recipients) for one in made.layers[1].shifts] == [["recipients/ann"]]
    assert (made.layers[1].ics, list(made.layers[1].calendar_state.unmatched)) == ("", ["x"])
    again = await shared.change("layers", name=made.name, layers=made.layers)
    assert again.revision == made.revision


_EVENT = "BEGIN:VEVENT\nDTSTART:20300101T080000Z\nDTEND:20300101T090000Z\nEND:VEVENT"
_REFUSED: list[tuple[Layer, str]] = [
    (Layer(), "rotation.layers[0].start"),
    (Layer(ics="x"), "rotation.layers[0].ics"),
    (Layer(ics=_EVENT.replace("2030", "2000").join(("BEGIN:VCALENDAR\n", "\nEND:VCALENDAR"))), "rotation.layers[0].ics"),
    (Layer(ics=_EVENT, calendar_url="https://x.org/"), "rotation.layers[0].ics"),
    (Layer(calendar_url="https://x.org/", turn_count=1), "rotation.layers[0].turn_count"),
    (layer("ann", calendar_url="https://x.org/"), "rotation.layers[0].shifts"),
    (Layer(shifts=[Layer.Shift(recipients=["recipients/ann"], event="x")]), "rotation.layers[0].shifts[0].event"),
    (
        Layer(shifts=[Layer.Shift(recipients=["recipients/ann"], event=_EVENT.replace("\nDTEND:20300101T090000Z", ""))]),
        "rotation.layers[0].shifts[0].event",
    ),
    (Layer(shifts=[Layer.Shift(recipients=["recipients/none"], event=_EVENT)]), "rotation.layers[0].shifts[0].recipients[0]"),
    (Layer(shifts=[Layer.Shift(recipients=["recipients/ann"], event="FREQ=DAILY")]), "rotation.layers[0].shifts[0].event"),
]


@pytest.mark.parametrize(("given", "where"), _REFUSED, ids=[where for _, where in _REFUSED])
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_no_layer_is_refused(shared: Roster, given: Layer, where: str) -> None:
    """With the field."""
    with pytest.raises(InvalidInput) as refused:
        await shared.create("r", given)
    assert refused.value.violations[0].field == where


@pytest.fixture
async def watch(roster: Roster, store: Store) -> AsyncGenerator[tuple[CalendarWatch, FakeClock]]:
    """What reads calendars, with a clock of its own that is ahead of the mailer's, and may read from this machine."""
    clock = FakeClock(roster.rig.clock.now())
    calendars = SqlRotationCalendars(database=store.database)
    client = HttpClient(allowed=AllowedTargets.parse(["127.0.0.1"]), https_only=True, limits=HttpLimits(total_seconds=5, answer_bytes=4096))
    source = HttpCalendars(client=client)
    reader = ShiftReader(store=calendars, clock=clock)
    rotations = SqlRotations(database=store.database, order=store.order)
    hints = EventBus(redis=Redis(url=None, clock=clock), clock=clock)
    yield CalendarWatch(store=calendars, rotations=rotations, reader=reader, source=source, hints=hints, clock=clock), clock
    await source.stop()


async def test_a_calendar_is_read_again_and_its_last_good_copy_kept(
    roster: Roster, watch: tuple[CalendarWatch, FakeClock], pages: Pages
) -> None:
    """New shifts are a new revision, the same ones none; what a server answers that is no calendar is shown, and changes nothing."""
    reading, clock = watch
    text = calendar(roster.now + timedelta(days=1), hours(8, 9, "ann"), hours(9, 10, "nobody"))
    pages.answers["/a.ics"] = (302, {"location": "/b.ics"}, b"")

    async def read(status: int, body: bytes) -> pb.Rotation:
        pages.answers["/b.ics"] = (status, {}, body)
        await reading.read_due()
        await clock.advance(900)
        return await roster.people.call(roster.stub.GetRotation, pb.GetRotationRequest(name="rotations/r"))

    made = await roster.create("r", Layer(calendar_url=f"{pages.url}/a.ics"), zone="UTC")
    first = await read(200, text.encode())
    (layer_,) = first.layers
    assert ([list(one.recipients) for one in layer_.shifts], list(layer_.calendar_state.unmatched)) == ([["recipients/ann"]], ["nobody"])
    assert (layer_.calendar_state.HasField("read_time"), pages.asked, first.revision) == (True, ["/a.ics", "/b.ics"], made.revision + 1)
    for status, body, words in (
        (500, b"", "answered 500"),
        (200, b"<html>", "VCALENDAR"),
        (200, b"\xff", "UTF-8"),
        (200, b"x" * 5000, "larger"),
        (200, b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "never ended"),
    ):
        bad = await read(status, body)
        assert words in bad.layers[0].calendar_state.error
        assert (len(bad.layers[0].shifts), bad.revision) == (1, first.revision)
    pages.answers["/a.ics"] = (302, {"location": "/a.ics"}, b"")
    assert "more than 3 times" in (await read(200, b"")).layers[0].calendar_state.error
    pages.answers["/a.ics"] = (302, {"location": "http://10.0.0.1/"}, b"")
    assert "may not be read" in (await read(200, b"")).layers[0].calendar_state.error
    for nowhere in ("http://[/", "http://]/"):
        pages.answers["/a.ics"] = (302, {"location": nowhere}, b"")
        assert "no URL" in (await read(200, b"")).layers[0].calendar_state.error
    pages.answers["/a.ics"] = (302, {"location": "/b.ics"}, b"")
    good = await read(200, text.replace("SUMMARY:nobody", "SUMMARY:bob").encode())
    assert (good.layers[0].calendar_state.error, len(good.layers[0].shifts), good.revision) == ("", 2, first.revision + 1)
    asked = len(pages.asked)
    await roster.change("layers", name="rotations/r", layers=[layer("ann")])
    await reading.read_due()
    assert len(pages.asked) == asked, "nobody names it any more"


async def test_each_tenant_has_its_turn(store: Store) -> None:
    """One with many calendars, which it has had read at once again and again, holds up nobody else's; each is claimed once."""
    rows = [("a", f"https://a.example/{number:02}", 0) for number in range(20)] + [("b", f"https://b.example/{n}", 50) for n in range(2)]
    async with store.database.transaction() as connection:
        values = [{"tenant": tenant, "rotation": "r", "url": url, "due": due, "error": ""} for tenant, url, due in rows]
        await connection.execute(insert(rotation_calendars), values)
    calendars, claimed = SqlRotationCalendars(database=store.database), list[str]()
    while batch := await calendars.claim(now=100, again=200, limit=4, share=9):
        claimed += sorted(claim.url for claim in batch)
    assert claimed[:4] == ["https://a.example/00", "https://a.example/01", "https://b.example/0", "https://b.example/1"]
    assert sorted(claimed) == sorted(url for _, url, _ in rows)


async def test_a_calendar_takes_so_long_and_no_longer(pages: Pages) -> None:
    """All of its redirections together."""
    pages.answers["/a.ics"] = (302, {"location": "/a.ics"}, b"")
    client = HttpClient(allowed=AllowedTargets.parse(["127.0.0.1"]), https_only=True)
    source = HttpCalendars(client=client, seconds=0.0)
    with pytest.raises(CalendarUnreadable, match="not in time"):
        await source.fetch(f"{pages.url}/a.ics")
    await source.stop()


async def test_a_layer_that_is_given_its_url_anew_keeps_its_shifts(
    roster: Roster, watch: tuple[CalendarWatch, FakeClock], pages: Pages
) -> None:
    """Until it is read again."""
    pages.answers["/a.ics"] = (200, {}, calendar(roster.now, hours(8, 9, "ann")).encode())
    await roster.create("r", Layer(calendar_url=f"{pages.url}/a.ics"), zone="UTC")
    await watch[0].read_due()
    changed = await roster.change("layers", name="rotations/r", layers=[Layer(calendar_url=f"{pages.url}/a.ics", display_name="Shop")])
    assert (len(changed.layers[0].shifts), changed.layers[0].display_name) == (1, "Shop")


async def test_what_was_is_forgotten_in_the_end(roster: Roster, clock: FakeClock, store: Store) -> None:
    """Revisions that were over and overrides that had ended, not what is in force; of a removed rotation everything, later."""
    await roster.create("r", layer("ann"))
    await clock.advance(10)
    await roster.override(REPLACE, roster.now + timedelta(seconds=1), roster.now + timedelta(seconds=2), "eve")
    await clock.advance(10)
    await roster.change("layers", name="rotations/r", layers=[layer("bob")])
    await clock.advance(10)
    assert await store.housekeeping.clean_rotations(before=clock.micros() - 25_000_000, limit=10) == 0
    assert await store.housekeeping.clean_rotations(before=clock.micros(), limit=10) == 2
    revisions = pb.ListRotationRevisionsRequest(name="rotations/r")
    assert [one.revision for one in (await roster.people.call(roster.stub.ListRotationRevisions, revisions)).revisions] == [2]
    assert await roster.who() == ["bob"]
    await roster.people.call(roster.stub.DeleteRotation, pb.DeleteRotationRequest(name="rotations/r"))
    await clock.advance(10)
    assert await store.housekeeping.clean_rotations(before=clock.micros(), limit=1) == 1
    assert await store.housekeeping.clean_rotations(before=clock.micros(), limit=10) == 1
    with pytest.raises(NotFound):
        await roster.on_call()
