"""Whole events and .ics files: what moves, whose zone it is, and what of it a calendar keeps."""

from datetime import UTC, datetime
from typing import Final

import pytest

from tocsin.clock import SECOND, from_micros, to_micros
from tocsin.errors import InvalidInput
from tocsin.recurrence import (
    BadRule,
    Cron,
    OnCalendar,
    Recurrence,
    TimeWindow,
    TooCostly,
    Trigger,
    calendar_cover,
    checked_due,
    cover_of,
    describe,
    normalized,
    reduced,
    rule_of,
    zone,
)
from tocsin.recurrence.ical import read_recurrence
from tocsin.recurrence.ical.windows_zones import WINDOWS_ZONES

NOW: Final = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
LATER: Final = to_micros(datetime(2027, 1, 1, tzinfo=UTC))
HOUR: Final = 3600 * SECOND


def event(*lines: str) -> str:
    """A VEVENT with a summary that must not be read."""
    return "\n".join(["BEGIN:VEVENT", "UID:u", "SUMMARY:RRULE:FREQ=SECONDLY", *lines, "END:VEVENT"])


def due(text: str, number: int = 4, zone_name: str = "") -> list[str]:
    """The first due times in 2026, in UTC."""
    trigger = normalized(Trigger(spec=Recurrence(text), time_zone=zone_name), time_zone="UTC")
    rule, found, at = rule_of(trigger, anchor=NOW), list[str](), NOW - 1
    while len(found) < number and (occurrence := rule.next_after(at)) is not None:
        at = occurrence.due
        found.append(f"{from_micros(at):%m-%dT%H:%M}")
    return found


WEEKLY: Final = ("DTSTART;TZID=Europe/Berlin:20260105T090000", "DTEND;TZID=Europe/Berlin:20260105T100000", "RRULE:FREQ=WEEKLY;COUNT=4")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (event(*WEEKLY), ["01-05T08:00", "01-12T08:00", "01-19T08:00", "01-26T08:00"]),
        ("\ufeffBEGIN:VCALENDAR\r\n" + event(*WEEKLY).replace("\n", "\r\n") + "\r\nEND:VCALENDAR\r\n", ["01-05T08:00", "01-12T08:00"]),
        (event(*WEEKLY).replace("COUNT=4", "CO\n UNT=4"), ["01-05T08:00", "01-12T08:00"]),
        (event(*WEEKLY).replace("\n", "\r"), ["01-05T08:00", "01-12T08:00"]),
        # One time is moved, also into another zone; one is cancelled; two change places.
        (
            event(*WEEKLY) + "\n" + event("RECURRENCE-ID;TZID=Europe/Berlin:20260112T090000", "DTSTART;TZID=Asia/Tokyo:20260113T070000"),
            ["01-05T08:00", "01-12T22:00", "01-19T08:00", "01-26T08:00"],
        ),
        (
            event(*WEEKLY) + "\n" + event("RECURRENCE-ID:20260112T080000Z", "STATUS:CANCELLED"),
            ["01-05T08:00", "01-19T08:00", "01-26T08:00"],
        ),
        (
            event(*WEEKLY)
            + "\n"
            + event("RECURRENCE-ID;TZID=Europe/Berlin:20260112T090000", "DTSTART;TZID=Europe/Berlin:20260119T090000")
            + "\n"
            + event("RECURRENCE-ID;TZID=Europe/Berlin:20260119T090000", "DTSTART;TZID=Europe/Berlin:20260112T090000"),
            ["01-05T08:00", "01-12T08:00", "01-19T08:00", "01-26T08:00"],
        ),
        # This and following: an hour later and a day earlier, and then not at all any more.
        (
            event(*WEEKLY)
            + "\n"
            + event("RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260112T090000", "DTSTART;TZID=Europe/Berlin:20260111T100000"),
            ["01-05T08:00", "01-11T09:00", "01-18T09:00", "01-25T09:00"],
        ),
        (
            event(*WEEKLY) + "\n" + event("RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260119T090000", "STATUS:CANCELLED"),
            ["01-05T08:00", "01-12T08:00"],
        ),
        # The greater SEQUENCE wins, wherever it stands.
        (event(*WEEKLY, "SEQUENCE:2") + "\n" + event("DTSTART:20260301T000000Z", "SEQUENCE:1"), ["01-05T08:00", "01-12T08:00"]),
        # Several events, of zones of their own; each instant once.
        (
            event("DTSTART:20260105T080000Z").replace("UID:u", "UID:a") + "\n" + event(*WEEKLY),
            ["01-05T08:00", "01-12T08:00", "01-19T08:00", "01-26T08:00"],
        ),
        (event("DTSTART:20260105T090000Z", "RRULE:FREQ=DAILY;COUNT=9", "EXRULE:FREQ=WEEKLY;BYDAY=TU,TH"), ["01-05T09:00", "01-07T09:00"]),
        ("BEGIN:VCALENDAR\nX-WR-TIMEZONE:Asia/Tokyo\n" + event("DTSTART:20260105T090000") + "\nEND:VCALENDAR", ["01-05T00:00"]),
        (event("DTSTART;VALUE=DATE:20260105", "RDATE;VALUE=DATE:20260109"), ["01-05T00:00", "01-09T00:00"]),
    ],
)
def test_events_are_due_when_they_begin(text: str, expected: list[str]) -> None:
    """With what moves them, takes them away, and joins them."""
    assert due(text, len(expected) if len(expected) != 2 else 2) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=MONTHLY;BYMONTHDAY=31;RSCALE=GREGORIAN;SKIP=BACKWARD", ["01-31", "02-28", "03-31", "04-30"]),
        ("RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=31;SKIP=FORWARD", ["01-31", "03-01", "03-31", "05-01"]),
        ("RSCALE=gregorian;FREQ=MONTHLY;BYMONTHDAY=31;SKIP=OMIT", ["01-31", "03-31", "05-31", "07-31"]),
        ("RSCALE=GREGORIAN;FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=30;BYMONTH=2;SKIP=FORWARD", []),
        ("RSCALE=GREGORIAN;FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;SKIP=FORWARD", ["03-01"]),
        ("RSCALE=GREGORIAN;FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;SKIP=BACKWARD", ["02-28"]),
        ("RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=30,31;BYDAY=SU,MO;SKIP=FORWARD", ["03-01", "03-30", "05-31", "08-30"]),
    ],
)
def test_a_day_that_a_month_lacks_is_skipped_as_the_rule_says(rule: str, expected: list[str]) -> None:
    """RFC 7529, section 4.1: left out, the last of the month, or the first of the next."""
    found = due(f"DTSTART:20260101T000000Z\nEXDATE:20260101T000000Z\nRRULE:{rule};UNTIL=20261231T000000Z")
    assert [one[:5] for one in found][: max(1, len(expected))] == expected


VTIMEZONE: Final = """BEGIN:VCALENDAR
BEGIN:VTIMEZONE
TZID:{name}
{more}
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:{standard}
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:{standard}
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VEVENT
DTSTART;TZID="{name}":20260701T090000
END:VEVENT
END:VCALENDAR"""


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("W. Europe Standard Time", "", "Europe/Berlin"),
        ("w. europe standard time", "", "Europe/Berlin"),
        ("/freeassociation.sourceforge.net/Europe/Paris", "", "Europe/Paris"),
        ("/mozilla.org/20050126_1/America/Argentina/Ushuaia", "", "America/Argentina/Ushuaia"),
        ("Our zone", "X-LIC-LOCATION:Europe/Rome", "Europe/Rome"),
        ("Customized Time Zone 1", "", "Europe/Berlin"),
    ],
)
def test_a_zone_is_found_by_its_name_or_its_offsets(name: str, more: str, expected: str) -> None:
    """IANA names, Windows names, paths, X-LIC-LOCATION, and at last what the VTIMEZONE says."""
    found = read_recurrence(VTIMEZONE.format(name=name, more=more or "X-NOTHING:1", standard="+0100")).zone
    assert found is not None
    nine = datetime(2026, 7, 1, 9, tzinfo=zone(found))
    assert nine.utcoffset() == datetime(2026, 7, 1, 9, tzinfo=zone(expected)).utcoffset()
    if name != "Customized Time Zone 1":
        assert found == expected


def test_a_zone_that_nothing_fits_is_refused_at_its_place() -> None:
    """With what was tried."""
    with pytest.raises(BadRule, match="no well-known zone has the offsets of its VTIMEZONE") as refused:
        read_recurrence(VTIMEZONE.format(name="Mars", more="X-NOTHING:1", standard="+0107"))
    assert "line 19, position" in refused.value.violations[0].description
    with pytest.raises(BadRule, match="TZID: 'Mars' is not a time zone"):
        read_recurrence(event("DTSTART;TZID=Mars:20260701T090000"))


def test_every_windows_name_is_a_zone() -> None:
    """Of the zones that we have."""
    assert all(zone(key).key == key for key in WINDOWS_ZONES.values())
    assert len(WINDOWS_ZONES) > 130


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("BEGIN:VCALENDAR\nEND:VCALENDAR", 1, "there is no VEVENT"),
        ("BEGIN:VEVENT\nDTSTART:20260101", 1, "is never ended"),
        ("BEGIN:VEVENT\nEND:VTODO", 2, "ends nothing that is open"),
        (event("SUMMARY:x"), 1, "needs a DTSTART"),
        (event("DTSTART:20260101T000000Z", "STATUS:CANCELLED"), 1, "every event is cancelled"),
        (event("DTSTART:20260105T090000Z", "DTEND:20260105T080000Z"), 5, "DTEND lies before DTSTART"),
        (event("DTSTART:20260105T090000Z", "DTEND;VALUE=DATE:20260106"), 5, "both dates, or both times"),
        (event("DTSTART:20260105T090000Z", "DURATION:-PT1H"), 5, "is not a length"),
        (event("DTSTART:20260105T090000Z", "RECURRENCE-ID;RANGE=THISANDPRIOR:20260105T090000Z"), 5, "knows THISANDFUTURE"),
        (event("DTSTART:20260105T090000Z", "RRULE:FREQ=SOMETIMES"), 5, "FREQ: 'SOMETIMES'"),
        ("BEGIN:VCALENDAR\nCALSCALE:HEBREW\n" + event("DTSTART:20260105T090000Z") + "\nEND:VCALENDAR", 2, "CALSCALE: 'HEBREW'"),
        ("BEGIN:VEVENT\n" * 9 + "END:VEVENT\n" * 9, 9, "more than 8 deep"),
    ],
)
def test_a_bad_event_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    """The error names the line and the reason."""
    with pytest.raises(BadRule) as refused:
        read_recurrence(text)
    assert f"line {line}, " in refused.value.violations[0].description
    assert reason in refused.value.violations[0].description


def test_an_ics_text_becomes_dates_and_windows_without_what_it_is_about() -> None:
    """Single events are dates and ranges; what recurs keeps its times alone; a calendar of both holds them."""
    text = "\n".join(
        [
            "BEGIN:VCALENDAR",
            "X-WR-TIMEZONE:Europe/Berlin",
            event("DTSTART;VALUE=DATE:20261225").replace("UID:u", "UID:1"),
            event("DTSTART;VALUE=DATE:20261228", "DTEND;VALUE=DATE:20261231").replace("UID:u", "UID:2"),
            event("DTSTART:20260105T090000Z", "DURATION:PT90M").replace("UID:u", "UID:3"),
            event("DTSTART:20260106T090000", "DTEND:20260106T100000").replace("UID:u", "UID:4"),
            event("DTSTART;TZID=W. Europe Standard Time:20260107T120000", "DURATION:PT1H", "RRULE:FREQ=DAILY").replace("UID:u", "UID:5"),
            "END:VCALENDAR",
        ]
    )
    says = reduced(text)
    assert says.time_zone == "Europe/Berlin"
    assert says.dates == (
        "2026-12-25",
        "2026-12-28/2026-12-30",
        "2026-01-05T09:00:00Z/2026-01-05T10:30:00Z",
        "2026-01-06T09:00:00/2026-01-06T10:00:00",
    )
    (window,) = says.windows
    assert isinstance(window.spec, Recurrence)
    assert "SUMMARY" not in window.spec.text
    assert 'TZID="Europe/Berlin"' in window.spec.text
    cover = calendar_cover(says, time_zone="UTC")
    start, end = to_micros(datetime(2026, 1, 5, tzinfo=UTC)), to_micros(datetime(2026, 1, 8, tzinfo=UTC))
    assert [(f"{from_micros(a):%dT%H:%M}", f"{from_micros(b):%dT%H:%M}") for a, b in cover.stretches(start, end)] == [
        ("05T09:00", "05T10:30"),
        ("06T08:00", "06T09:00"),
        ("07T11:00", "07T12:00"),
    ]


@pytest.mark.parametrize(
    ("window", "at", "expected"),
    [
        (TimeWindow(spec=Cron("* 22-23,0-6 * * *")), "2026-01-05T02:30:30", True),
        (TimeWindow(spec=Cron("* 22-23,0-6 * * *")), "2026-01-05T07:00:00", False),
        (TimeWindow(spec=Cron("30 0 9 * * *")), "2026-01-05T09:00:30", True),
        (TimeWindow(spec=Cron("30 0 9 * * *")), "2026-01-05T09:00:31", False),
        (TimeWindow(spec=Cron("0 22 * * *"), until=7 * 3600), "2026-01-05T06:59:59", True),
        (TimeWindow(spec=OnCalendar("Mon *-*-* 09:00"), length=HOUR), "2026-01-05T09:59:59", True),
        (TimeWindow(spec=Recurrence("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9"), length=HOUR), "2026-01-05T10:00:00", False),
        (TimeWindow(spec=Recurrence(event("DTSTART;VALUE=DATE:20260104", "RRULE:FREQ=DAILY;INTERVAL=2"))), "2026-01-06T23:59:59", True),
        (TimeWindow(spec=Recurrence("DTSTART:20260105T000000Z\nRDATE;VALUE=PERIOD:20260105T090000Z/PT2H")), "2026-01-05T10:59:59", True),
    ],
)
def test_a_window_holds_what_its_rule_says(window: TimeWindow, at: str, expected: bool) -> None:
    """By its length, to its end, or as long as the rule itself says; and what it holds is no due time."""
    instant = to_micros(datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert (cover_of(window, "UTC").end_at(instant) is not None) == expected
    every_second = Trigger(spec=Cron("* * * * * *"), windows=(window,))
    found = rule_of(every_second, anchor=NOW).next_after(instant - 1)
    assert found is not None
    assert (found.due == instant) != expected


@pytest.mark.parametrize(
    ("windows", "field"),
    [
        ((TimeWindow(spec=Cron("0 25 * * *")),), "trigger.excludeWindows[0].cron"),
        ((TimeWindow(spec=Cron("0 2 * * *")), TimeWindow(spec=OnCalendar("noon"))), "trigger.excludeWindows[1].onCalendar"),
        ((TimeWindow(spec=Recurrence("FREQ=NO")),), "trigger.excludeWindows[0].rrule"),
        ((TimeWindow(spec=Cron("0 2 * * *"), time_zone="Mars/X"),), "trigger.excludeWindows[0].timeZone"),
        ((TimeWindow(spec=Cron("0 9 1 1 *")),), "trigger.excludeWindows"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_its_place(windows: tuple[TimeWindow, ...], field: str) -> None:
    """Also one that leaves nothing."""
    with pytest.raises(InvalidInput) as refused:
        checked_due(Trigger(spec=Cron("0 9 1 1 *"), windows=windows, end=LATER * 2), now=NOW)
    assert refused.value.violations[0].field == field


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(-600, ["2026-03-29T00:50", "2026-03-30T00:50"]), (600, ["2026-03-29T01:10", "2026-03-30T01:10"]), (-86_400, ["2026-03-28T01:00"])],
)
def test_an_offset_is_time_that_passes(offset: int, expected: list[str]) -> None:
    """Ten minutes before the first instant after a gap are before the gap; bounds mean the due time."""
    trigger = Trigger(spec=Cron("0 3 * * *"), time_zone="Europe/Berlin", offset=offset * SECOND)
    after = to_micros(datetime(2026, 3, 28, 0, 50, tzinfo=UTC)) if offset == -86_400 else to_micros(datetime(2026, 3, 28, 12, tzinfo=UTC))
    rule, found = rule_of(trigger, anchor=NOW), list[str]()
    for _ in expected:
        occurrence = rule.next_after(after)
        assert occurrence is not None
        after = occurrence.due
        found.append(f"{from_micros(after):%Y-%m-%dT%H:%M}")
    assert found == expected


def test_an_end_and_a_count_go_together() -> None:
    """What comes first ends it, whoever says it."""
    end = to_micros(datetime(2026, 1, 4, tzinfo=UTC))
    for spec in (Cron("0 9 * * *"), Recurrence("FREQ=DAILY;BYHOUR=9;COUNT=90")):
        trigger = Trigger(spec=spec, end=end, count=5)
        assert (len(list(rule_of(trigger, anchor=NOW).between(NOW, LATER))), trigger.limit) == (3, 5)


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN:VEVENT\n" + "X-A:1\n" * 30_000 + "END:VEVENT",
        "\n".join(event("DTSTART:20260105T090000Z").replace("UID:u", f"UID:{n}") for n in range(2100)),
        event("DTSTART:20260105T090000Z", *["RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"] * 30),
        event("DTSTART:20260105T090000Z", "EXRULE:FREQ=SECONDLY", "RRULE:FREQ=SECONDLY"),
        "\n".join(["* * * * *"] * 60),
    ],
)
def test_hostile_texts_are_refused_soon(text: str) -> None:
    """Too many lines, events, rules or expressions, and exclusions that leave nothing: by counts and steps, not by a clock."""
    spec = Recurrence(text) if text.startswith("BEGIN") else Cron(text)
    with pytest.raises((BadRule, TooCostly)):
        checked_due(Trigger(spec=spec), now=NOW)


def test_triggers_come_back_as_they_were_and_have_words() -> None:
    """Stored and read again: events, windows, offsets; told in a sentence."""
    trigger = Trigger(
        spec=Recurrence(event(*WEEKLY)),
        time_zone="Europe/Berlin",
        windows=(TimeWindow(spec=OnCalendar("hourly"), until=60, time_zone="UTC"), TimeWindow(spec=Cron("0 9 * * *"), length=5)),
        offset=-5,
        spent=3,
        count=7,
    )
    assert Trigger.decode(trigger.encode()) == trigger
    assert (trigger.limit, describe(trigger)) == (4, "Every week, 4 times in all; from 2026-01-05T09:00:00, Europe/Berlin")
    cron = Trigger(spec=Cron("CRON_TZ=Asia/Tokyo 0 9 * * *\n@every 90m"))
    assert describe(cron) == "At 09:00, Asia/Tokyo; and Every 1:30:00"
    assert describe(Trigger(spec=OnCalendar("Mon 09:00"))) == "On Mon 09:00, UTC"


def test_cron_lines_are_a_union_with_zones_and_intervals_of_their_own() -> None:
    """Each instant once, in order; an interval counts from the anchor."""
    text = "CRON_TZ=Asia/Tokyo\n0 9 * * *  # in Tokyo\nTZ=Europe/Berlin 0 1 * * *\n@every 8h\n"
    rule = rule_of(Trigger(spec=Cron(text)), anchor=NOW)
    found = [f"{from_micros(one.due):%dT%H}" for one in rule.between(NOW, NOW + 25 * HOUR)]
    assert found == ["01T00", "01T08", "01T16", "02T00"]


def test_a_hash_is_stable_spread_and_the_alarms_own() -> None:
    """The same for the same alarm, within its range, and every value for some alarm."""
    trigger = Trigger(spec=Cron("H(10-39)/15 H(2-4) * * *"))

    def first(seed: str) -> tuple[int, ...]:
        return tuple((one.due // SECOND // 60) % 1440 for one in rule_of(trigger, anchor=0, seed=seed).between(NOW, NOW + 24 * HOUR))

    assert first("a") == first("a") != first("b")
    minutes = {minute % 60 for number in range(300) for minute in first(str(number))}
    hours = {minute // 60 for number in range(50) for minute in first(str(number))}
    assert (minutes, hours) == (set(range(10, 40)), {2, 3, 4})
    assert all(len(first(str(number))) == 2 for number in range(20))


def test_intervals_of_an_event_last_as_long_as_it() -> None:
    """A DTEND is exact, a DURATION of days is nominal (RFC 5545, section 3.8.5.3): on the day when clocks go forward they differ."""
    start = "DTSTART;TZID=Europe/Berlin:20260327T000000"
    exact = event(start, "DTEND;TZID=Europe/Berlin:20260328T000000", "RRULE:FREQ=DAILY;INTERVAL=2")
    nominal = event(start, "DURATION:P1D", "RRULE:FREQ=DAILY;INTERVAL=2")
    begin = to_micros(datetime(2026, 3, 28, 23, tzinfo=UTC))
    for text, hours in ((exact, 24), (nominal, 23)):
        assert cover_of(TimeWindow(spec=Recurrence(text)), "UTC").end_at(begin) == begin + hours * HOUR
