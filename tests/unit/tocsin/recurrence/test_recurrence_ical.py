"""Recurrences of iCalendar: their forms, their errors, and what the standard leaves open."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise, product

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tocsin.clock import from_micros, to_micros
from tocsin.errors import InvalidInput
from tocsin.recurrence import END_OF_TIME, BadRule, Label, Recurrence, Trigger, UnknownZone, local_text, rule_of
from tocsin.recurrence.ical import read_recurrence
from tocsin.recurrence.ical.parts import WEEKDAYS
from tocsin.recurrence.ical.rule_patterns import rule_pattern
from tocsin.recurrence.patterns import Within
from tocsin.recurrence.specs import DstPolicy, Gap, Overlap

PARIS = "Europe/Paris"
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wall times have no zone


def _micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text))


def _due(text: str, *, zone: str = PARIS, after: str = "2025-12-31T00:00Z", most: int = 4, dst: DstPolicy | None = None) -> list[str]:
    """Instants in UTC, those that are not plain with their label."""
    rule = rule_of(Trigger(spec=Recurrence(text), time_zone=zone, dst=dst), anchor=_micros(after))
    found: list[str] = []
    occurrence = rule.next_after(_micros(after))
    while occurrence is not None and len(found) < most:
        label = "" if occurrence.label is Label.PLAIN else f" {occurrence.label}"
        found.append(f"{from_micros(occurrence.due):%m-%dT%H:%M:%S}".removesuffix(":00") + label)
        occurrence = rule.next_after(occurrence.due)
    return found


START = "DTSTART;TZID=Europe/Paris:20260105T090000\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FREQ=DAILY;BYHOUR=9", ["12-31T08:00", "01-01T08:00", "01-02T08:00", "01-03T08:00"]),
        ("RRULE:FREQ=DAILY;BYHOUR=9;", ["12-31T08:00", "01-01T08:00", "01-02T08:00", "01-03T08:00"]),
        ("rrule:freq=weekly;byday=mo;byhour=9;byminute=5;wkst=su", ["01-05T08:05", "01-12T08:05", "01-19T08:05", "01-26T08:05"]),
        (START + "RRULE:FREQ=WEEKLY;COUNT=3", ["01-05T08:00", "01-12T08:00", "01-19T08:00"]),
        (START.replace("\n", "\r\n") + "RRULE:FREQ=WE\r\n EKLY;COU\r\n\tNT=2\r\n\r\n", ["01-05T08:00", "01-12T08:00"]),
        ("DTSTART:20260105T090000\nRRULE:FREQ=WEEKLY;COUNT=2", ["01-05T08:00", "01-12T08:00"]),
        ("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY;COUNT=2;BYHOUR=7", ["01-04T23:00", "01-11T23:00"]),
        (START, ["01-05T08:00"]),
        (START + "RDATE;TZID=Europe/Paris:20260106T100000,20260107T100000", ["01-05T08:00", "01-06T09:00", "01-07T09:00"]),
        (START + "RDATE:20260106T100000Z", ["01-05T08:00", "01-06T10:00"]),
        (START + "RDATE;TZID=Asia/Tokyo:20260106T100000", ["01-05T08:00", "01-06T01:00"]),
        (START + "RDATE;VALUE=DATE:20260106", ["01-05T08:00", "01-06T08:00"]),
        (START + "RDATE;VALUE=PERIOD:20260106T100000/PT1H,20260107T100000/20260107T110000", ["01-05T08:00", "01-06T09:00", "01-07T09:00"]),
        ("RDATE:20260106T100000,20260105T100000", ["01-05T09:00", "01-06T09:00"]),
        # COUNT counts before EXDATE takes away.
        (START + "RRULE:FREQ=DAILY;COUNT=4\nEXDATE;TZID=Europe/Paris:20260106T090000", ["01-05T08:00", "01-07T08:00", "01-08T08:00"]),
        (START + "RRULE:FREQ=DAILY;COUNT=4\nEXDATE:20260106T080000Z", ["01-05T08:00", "01-07T08:00", "01-08T08:00"]),
        (START + "RRULE:FREQ=DAILY;COUNT=4\nEXDATE;VALUE=DATE:20260106,20260107", ["01-05T08:00", "01-08T08:00"]),
        (START + "RRULE:FREQ=DAILY;COUNT=3\nRDATE:20260105T120000\nEXDATE:20260105T120000", ["01-05T08:00", "01-06T08:00", "01-07T08:00"]),
        # DTSTART counts, also when the rule does not mean it: January 5 is a Monday.
        (START + "RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=3", ["01-05T08:00", "01-07T08:00", "01-14T08:00"]),
        (START + "RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=1", ["01-05T08:00"]),
        # The end: inclusive, in UTC, in local time, or the whole of a day.
        (START + "RRULE:FREQ=DAILY;UNTIL=20260107T080000Z", ["01-05T08:00", "01-06T08:00", "01-07T08:00"]),
        (START + "RRULE:FREQ=DAILY;UNTIL=20260107T085959", ["01-05T08:00", "01-06T08:00"]),
        (START + "RRULE:FREQ=DAILY;UNTIL=20260107", ["01-05T08:00", "01-06T08:00", "01-07T08:00"]),
        # Several rules are joined.
        (START + "RRULE:FREQ=DAILY;COUNT=2\nRRULE:FREQ=WEEKLY;COUNT=2", ["01-05T08:00", "01-06T08:00", "01-12T08:00"]),
        # A leap second is the second before it.
        (START + "RRULE:FREQ=DAILY;BYSECOND=60;COUNT=2", ["01-05T08:00", "01-05T08:00:59"]),
        # What the standard does not say of weeks, DTSTART does: its weekday.
        (START + "RRULE:FREQ=YEARLY;BYWEEKNO=20;COUNT=2", ["01-05T08:00", "05-11T07:00"]),
        (START + "RRULE:FREQ=YEARLY;BYMONTHDAY=1;COUNT=3", ["01-05T08:00", "01-01T08:00", "01-01T08:00"]),
        (START + "RRULE:FREQ=YEARLY;BYMONTHDAY=6,7;COUNT=4", ["01-05T08:00", "01-06T08:00", "01-07T08:00", "01-06T08:00"]),
        ('DTSTART;X="a:b;c";TZID="Europe/Paris":20260105T090000', ["01-05T08:00"]),
    ],
)
def test_a_recurrence_means_these_times(text: str, expected: list[str]) -> None:
    """Every form of the text, and what is decided where the standard is open."""
    assert _due(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "position", "reason"),
    [
        ("", 1, 0, "neither RRULE, RDATE nor DTSTART"),
        ("hello", 1, 0, "a line is NAME:value"),
        ("SUMMARY:x", 1, 0, "SUMMARY is not a part"),
        ("BEGIN:VALARM", 1, 0, "BEGIN is not a part"),
        ("BEGIN:VEVENT", 1, 0, "'BEGIN:VEVENT' is never ended"),
        ("EXRULE:FREQ=DAILY", 1, 0, "neither RRULE, RDATE nor DTSTART"),
        ("FREQ=DAILY;SKIP=FORWARD", 1, 16, "SKIP goes with RSCALE only"),
        ("RSCALE=HEBREW;FREQ=YEARLY", 1, 7, "RSCALE: 'HEBREW'"),
        ("RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=ASIDE", 1, 34, "SKIP: 'ASIDE'"),
        ("RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=30;SKIP=FORWARD;BYSETPOS=1", 1, 66, "BYSETPOS does not go with SKIP=FORWARD"),
        ("RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=30;SKIP=FORWARD;BYDAY=1MO", 1, 63, "does not go with SKIP=FORWARD"),
        ("RRULE:INTERVAL=2", 1, 6, "FREQ is missing"),
        ("FREQ=FORTNIGHTLY", 1, 5, "FREQ: 'FORTNIGHTLY'"),
        ("FREQ=DAILY;INTERVAL=0", 1, 20, "INTERVAL: '0'"),
        ("FREQ=DAILY;COUNT=0", 1, 17, "COUNT: '0'"),
        ("FREQ=DAILY;COUNT=-1", 1, 17, "COUNT: '-1'"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260101", 1, 25, "cannot stand together"),
        ("FREQ=DAILY;FREQ=WEEKLY", 1, 11, "FREQ stands there twice"),
        ("FREQ=DAILY;BYEASTER=1", 1, 11, "'BYEASTER' is not a part"),
        ("FREQ=DAILY;BYHOUR=", 1, 11, "BYHOUR has no value"),
        ("FREQ=DAILY;BYHOUR=9,24", 1, 20, "BYHOUR: '24' is not within 0 to 23"),
        ("FREQ=DAILY;BYHOUR=-1", 1, 18, "BYHOUR: '-1'"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", 1, 24, "BYMONTHDAY: '0'"),
        ("FREQ=MONTHLY;BYDAY=60MO", 1, 19, "60MO"),
        ("FREQ=MONTHLY;BYDAY=6MO", 1, 19, "no month has a weekday 6 times"),
        ("FREQ=MONTHLY;BYDAY=MO,XX", 1, 22, "'XX' is not one of"),
        ("FREQ=WEEKLY;BYDAY=1MO", 1, 18, "goes with MONTHLY and YEARLY"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", 1, 29, "does not go with BYWEEKNO"),
        ("FREQ=MONTHLY;BYWEEKNO=1", 1, 22, "BYWEEKNO goes with FREQ=YEARLY only"),
        ("FREQ=DAILY;BYYEARDAY=1", 1, 21, "BYYEARDAY does not go with"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", 1, 23, "BYMONTHDAY does not go with"),
        ("FREQ=DAILY;BYSETPOS=1", 1, 20, "needs another BY part"),
        ("FREQ=DAILY;UNTIL=tomorrow", 1, 17, "is neither a date"),
        ("FREQ=DAILY;UNTIL=20260231", 1, 17, "20260231 does not exist"),
        (START + "RRULE:FREQ=DAILY;BYHOUR=25", 2, 66, "BYHOUR: '25'"),
        (START + "RRULE:FREQ=DAILY;\r\n BYHOUR\r\n =2\r\n 5", 2, 72, "BYHOUR: '25'"),
        (START + START + "RRULE:FREQ=DAILY", 2, 42, "DTSTART stands there twice"),
        (START + "RRULE:FREQ=DAILY;UNTIL=20250101", 2, 65, "UNTIL lies before DTSTART"),
        ("DTSTART;TZID=Mars/Olympus:20260105T090000", 1, 13, "'Mars/Olympus' is not a time zone"),
        ('DTSTART;TZID="(UTC+01:00) Paris; Rome":20260105T090000', 1, 13, "'(UTC+01:00) Paris; Rome' is not a time zone"),
        ('DTSTART;TZID="Europe/Paris:20260105T090000', 1, 0, "a line is NAME:value"),
        ("DTSTART;TZID=Europe/Paris:20260105T090000Z", 1, 13, "a time with a Z has no other zone"),
        ("DTSTART:20260105T250000", 1, 8, "does not exist"),
        ("DTSTART:20260105T090000,20260106T090000", 1, 8, "DTSTART has one value"),
        ("DTSTART;VALUE=DATE:20260105T090000", 1, 19, "is not of the kind DATE"),
        ("DTSTART;VALUE=PERIOD:20260105T090000/PT1H", 1, 14, "DTSTART has values of"),
        ("RDATE:20260105T090000/PT1H", 1, 6, "a period needs VALUE=PERIOD"),
        ("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=HOURLY", 2, 34, "needs a DTSTART with a time"),
        (START + "\n".join(["RRULE:FREQ=DAILY"] * 21), 22, 388, "more than 20 rules"),
        (START + "RRULE:FREQ=SECONDLY;INTERVAL=7;BYHOUR=3;COUNT=2000000000", 2, 48, "beyond counting"),
    ],
)
def test_a_bad_recurrence_is_refused_with_its_place(text: str, line: int, position: int, reason: str) -> None:
    """The error names the line, and the place in the text as it was given, folded or not."""
    with pytest.raises(BadRule) as refused:
        rule_of(Trigger(spec=Recurrence(text), time_zone=PARIS), anchor=0)
    (violation,) = refused.value.violations
    assert violation.field == "trigger.rrule"
    assert violation.description.startswith(f"line {line}, position {position}, ")
    assert reason in violation.description
    assert refused.value.metadata["position"] == str(position)


def test_the_zone_of_dtstart_and_that_of_the_trigger_must_be_one() -> None:
    """Otherwise nobody could say which one is meant."""
    for text in (START, "DTSTART:20260105T090000Z"):
        with pytest.raises(InvalidInput) as refused:
            rule_of(Trigger(spec=Recurrence(text), time_zone="Asia/Tokyo"), anchor=0)
        assert refused.value.violations[0].field == "trigger.timeZone"
    with pytest.raises(UnknownZone):
        rule_of(Trigger(spec=Recurrence("FREQ=DAILY"), time_zone="Mars/Olympus"), anchor=0)


BOTH, FIRST = DstPolicy(overlap=Overlap.BOTH), DstPolicy(overlap=Overlap.FIRST)
NIGHT = "DTSTART;TZID=Europe/Paris:20260101T023000\nRRULE:"


@pytest.mark.parametrize(
    ("text", "after", "dst", "expected"),
    [
        (NIGHT + "FREQ=DAILY", "2026-03-28T12:00Z", None, ["03-29T01:00 SHIFTED", "03-30T00:30"]),
        (NIGHT + "FREQ=DAILY", "2026-03-28T12:00Z", DstPolicy(gap=Gap.SKIP), ["03-30T00:30", "03-31T00:30"]),
        (NIGHT + "FREQ=DAILY", "2026-10-24T12:00Z", None, ["10-25T00:30", "10-26T01:30"]),
        (NIGHT + "FREQ=DAILY", "2026-10-24T12:00Z", BOTH, ["10-25T00:30", "10-25T01:30 REPEATED"]),
        (NIGHT + "FREQ=HOURLY", "2026-10-25T00:00Z", None, ["10-25T00:30", "10-25T01:30 REPEATED"]),
        (NIGHT + "FREQ=DAILY", "2026-03-28T12:00Z", DstPolicy(gap=Gap.OFFSET), ["03-29T01:30 SHIFTED", "03-30T00:30"]),
        (NIGHT + "FREQ=HOURLY", "2026-10-25T00:00Z", FIRST, ["10-25T00:30", "10-25T02:30"]),
        (NIGHT + "FREQ=HOURLY", "2026-03-29T00:00Z", None, ["03-29T00:30", "03-29T01:30"]),
        # An end within the hour that comes twice.
        (NIGHT + "FREQ=DAILY;UNTIL=20261025T002959Z", "2026-10-23T12:00Z", None, ["10-24T00:30"]),
        (NIGHT + "FREQ=DAILY;UNTIL=20261025T010000Z", "2026-10-24T12:00Z", None, ["10-25T00:30"]),
    ],
)
def test_our_policy_decides_when_the_clocks_change(text: str, after: str, dst: DstPolicy | None, expected: list[str]) -> None:
    """A day's time shifts and comes once; what is hourly or more frequent goes on with the clock."""
    assert _due(text, after=after, dst=dst, most=2) == expected


# -- against another library --------------------------------------------------------------------------------------------------


def _list(low: int, high: int, *, signed: bool = False, most: int = 3) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    signs = value.map(lambda number: -number) | value if signed else value
    return st.lists(signs, min_size=1, max_size=most, unique=True).map(lambda values: ",".join(map(str, sorted(values))))


def _weekdays(ordinals: int) -> st.SearchStrategy[str]:
    plain = st.sampled_from(WEEKDAYS)
    if not ordinals:
        return st.lists(plain, min_size=1, max_size=3, unique=True).map(",".join)
    number = st.integers(1, ordinals) | st.integers(-ordinals, -1)
    return st.lists(st.tuples(number, plain).map(lambda pair: f"{pair[0]}{pair[1]}"), min_size=1, max_size=3, unique=True).map(",".join)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules of every kind, without what the other library does otherwise than we do."""
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]))
    sub_daily = frequency in ("HOURLY", "MINUTELY", "SECONDLY")
    parts: dict[str, str] = {}
    optional: dict[str, st.SearchStrategy[str]] = {"BYMONTH": _list(1, 12), "BYHOUR": _list(0, 23), "BYMINUTE": _list(0, 59)}
    if frequency == "YEARLY":
        optional["BYYEARDAY"] = _list(1, 366, signed=True)
    if sub_daily:
        del optional["BYMONTH"]
    else:
        optional |= {"BYDAY": _weekdays(0)} | ({"BYMONTHDAY": _list(1, 31, signed=True)} if frequency != "WEEKLY" else {})
    # dateutil walks through every hour, minute and second until something matches, and picks from what is left of the first week.
    most = 0 if frequency in ("MINUTELY", "SECONDLY") else 3
    for name in draw(st.lists(st.sampled_from(sorted(optional)), max_size=most, unique=True)):
        parts[name] = draw(optional[name])
    if frequency in ("YEARLY", "MONTHLY") and draw(st.booleans()):
        parts["BYDAY"] = draw(_weekdays(5 if frequency == "MONTHLY" or "BYMONTH" in parts else 53))
    elif frequency == "YEARLY" and draw(st.booleans()):
        parts["BYWEEKNO"], parts["BYDAY"] = draw(_list(1, 53, signed=True)), draw(_weekdays(0))
    if parts and frequency in ("YEARLY", "MONTHLY", "DAILY") and draw(st.booleans()):
        parts["BYSETPOS"] = draw(_list(1, 5, signed=True))
    interval = draw(st.integers(1, 30))
    parts |= {"INTERVAL": str(interval)} | ({"WKST": draw(st.sampled_from(WEEKDAYS))} if draw(st.booleans()) else {})
    return ";".join([f"FREQ={frequency}", *(f"{name}={value}" for name, value in parts.items())])


def _theirs(text: str, start: datetime) -> list[datetime] | None:
    """The first times of dateutil within some years; None when it finds fewer than four, for it would search to the year 9999."""
    end = start + timedelta(days=730 if text.startswith("FREQ=HOURLY") else 11_000)
    try:
        if text.startswith("FREQ=YEARLY") and "BYMONTHDAY" in text and not re.search("BYDAY|BYYEARDAY|BYWEEKNO|BYMONTH=", text):
            text += f";BYMONTH={start.month}"  # as libical and lib-recur; dateutil means every month
        found = rrulestr(f"{text};UNTIL={end:%Y%m%dT%H%M%S}", dtstart=start)
    except (ValueError, IndexError):
        return None
    times = list(islice(found, 4))
    return times if len(times) == 4 else None


@settings(max_examples=80)
@given(rules(), st.datetimes(datetime(1996, 1, 1), datetime(2030, 1, 1)).map(lambda start: start.replace(microsecond=0)))  # noqa: DTZ001
def test_wall_times_agree_with_another_library(text: str, start: datetime) -> None:
    """Python-dateutil walks from the initial_signal what we find by years of bits."""
    theirs = _theirs(text, start)
    assume(theirs is not None)
    assert theirs is not None
    first = round((start - EPOCH).total_seconds())
    pattern = rule_pattern(read_recurrence(text).rules[0], first=first, implied=False)
    assert pattern is not None
    bounded = Within(pattern, first=first, last=None)
    wall, ours = first - 1, list[str]()
    for _ in theirs:
        found = bounded.next_at(wall + 1)
        assert found is not None
        wall = found
        ours.append(local_text(wall))
    assert ours == [found.isoformat() for found in theirs]
    assert pattern.nth_from(first, 4) == wall


@settings(max_examples=40)
@given(
    st.integers(1, 400),
    st.lists(st.integers(0, 23), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from(range(7)), min_size=1, max_size=3, unique=True),
    st.integers(0, 10**9),
)
def test_a_scan_of_every_minute_finds_the_same(interval: int, hours: list[int], weekdays: list[int], start: int) -> None:
    """Minutes of an interval that counts from the initial_signal, on some days, at some hours."""
    text = f"FREQ=MINUTELY;INTERVAL={interval};BYHOUR={','.join(map(str, hours))};BYDAY={','.join(WEEKDAYS[day] for day in weekdays)}"
    pattern = rule_pattern(read_recurrence(text).rules[0], first=start, implied=False)
    assert pattern is not None
    minutes = range(start, start + 14 * 86_400, interval * 60)
    scanned = [wall for wall in minutes if wall // 3600 % 24 in hours and (wall // 86_400 + 3) % 7 in weekdays]
    wall, found = pattern.next_at(start), list[int]()
    while wall is not None and wall < minutes.stop:
        found.append(wall)
        wall = pattern.next_at(wall + 1)
    assert found == scanned


@pytest.mark.parametrize("week_start", range(7))
def test_weeks_have_the_numbers_of_the_iso_calendar(week_start: int) -> None:
    """Python numbers weeks that begin on Monday; other beginnings are the same calendar, moved."""
    for number in (1, 2, 26, 52, 53, -1, -52):
        text = f"FREQ=YEARLY;BYWEEKNO={number};BYDAY=MO,TU,WE,TH,FR,SA,SU;WKST={WEEKDAYS[week_start]}"
        pattern = rule_pattern(read_recurrence(text).rules[0], first=0, implied=False)
        assert pattern is not None
        for year in range(1995, 2030):
            for day in (*range(-5, 12), *range(170, 190), *range(350, 370)):
                when = date(year, 1, 1) + timedelta(days=day)
                wall = (when - date(1970, 1, 1)).days * 86_400
                assert (pattern.next_at(wall) == wall) == (number in _week_numbers(when, week_start)), (text, when)


def _week_numbers(when: date, week_start: int) -> tuple[int, int]:
    """The number of the week, from the initial_signal and from the end: that of the year that has the week's fourth day."""
    fourth = when - timedelta(days=(when.weekday() - week_start) % 7 - 3)
    number = (fourth.timetuple().tm_yday - 1) // 7 + 1
    weeks = number + ((date(fourth.year, 12, 31) - fourth).days // 7)
    return number, number - weeks - 1


def test_a_day_of_an_overlap_is_found_from_any_instant() -> None:
    """Asking again from each due time, or from between, finds the same ones."""
    rule = rule_of(Trigger(spec=Recurrence("DTSTART:20261020T000000\nRRULE:FREQ=MINUTELY;INTERVAL=7"), time_zone=PARIS), anchor=0)
    start, end = _micros("2026-10-24T22:00Z"), _micros("2026-10-25T04:00Z")
    walked = list(rule.between(start, end))
    assert [found.due for found in walked] == sorted({found.due for found in walked})
    for earlier, later in pairwise(walked):
        assert rule.next_after(earlier.due) == rule.next_after((earlier.due + later.due) // 2) == later
    assert datetime(2026, 10, 25, 0, 30, tzinfo=UTC) > from_micros(walked[0].due)


ZONES = ["Europe/Paris", "Australia/Lord_Howe", "America/New_York"]


@pytest.mark.parametrize("rule", ["HOURLY", "MINUTELY;INTERVAL=30", "MINUTELY;INTERVAL=7", "DAILY;BYHOUR=1,2,3;BYMINUTE=0,30", "DAILY"])
@pytest.mark.parametrize("dst", [None, BOTH, FIRST, *(DstPolicy(gap=gap) for gap in Gap)])
def test_a_count_counts_due_times(rule: str, dst: DstPolicy | None) -> None:
    """Across the changes of the clocks as anywhere else: as many as without an end, and not one more."""
    begin = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
    for zone_name, day, hour in product(ZONES, ("20260307", "20260328", "20260329", "20261024", "20261025", "20261101"), (1, 2, 3, 22)):
        text = f"DTSTART:{day}T{hour:02}0000\nRRULE:FREQ={rule}"
        endless = rule_of(Trigger(spec=Recurrence(text), time_zone=zone_name, dst=dst), anchor=begin)
        expected = [found.due for found in islice(endless.between(begin, END_OF_TIME), 40)]
        for count in (1, 2, 5, 40):
            counted = rule_of(Trigger(spec=Recurrence(f"{text};COUNT={count}"), time_zone=zone_name, dst=dst), anchor=begin)
            assert [found.due for found in counted.between(begin, END_OF_TIME)] == expected[:count], (zone_name, day, hour, count)
