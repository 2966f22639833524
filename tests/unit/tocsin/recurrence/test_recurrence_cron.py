"""Cron expressions: what they say, where they are wrong, and which times they mean."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import islice

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.clock import from_micros, to_micros
from tocsin.recurrence import BadRule, Cron, Gap, Label, Overlap, Trigger, local_text, rule_of, zone
from tocsin.recurrence.cron import cron_pattern, parse_cron, read_cron
from tocsin.recurrence.offsets import offsets
from tocsin.recurrence.specs import DstPolicy

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wall times have no zone


def _wall(text: str) -> int:
    return round((datetime.fromisoformat(text) - EPOCH).total_seconds())


def _wall_times(expression: str, start: str, number: int) -> list[str]:
    pattern, _ = cron_pattern(read_cron(expression)[0], "")
    found: list[str] = []
    wall = pattern.next_at(_wall(start))
    while wall is not None and len(found) < number:
        found.append(local_text(wall))
        wall = pattern.next_at(wall + 1)
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 9 * * MON-FRI", ["2026-01-01T09:00:00", "2026-01-02T09:00:00", "2026-01-05T09:00:00"]),
        ("30 15 9 * * *", ["2026-01-01T09:15:30", "2026-01-02T09:15:30", "2026-01-03T09:15:30"]),
        ("*/7 * * * *", ["2026-01-01T00:00:00", "2026-01-01T00:07:00", "2026-01-01T00:14:00"]),
        ("10-50/20 0 * * *", ["2026-01-01T00:10:00", "2026-01-01T00:30:00", "2026-01-01T00:50:00"]),
        ("5/15 0 * * *", ["2026-01-01T00:05:00", "2026-01-01T00:20:00", "2026-01-01T00:35:00"]),
        ("*/40 * * * * *", ["2026-01-01T00:00:00", "2026-01-01T00:00:40", "2026-01-01T00:01:00"]),
        ("0 0 L * *", ["2026-01-31T00:00:00", "2026-02-28T00:00:00", "2026-03-31T00:00:00"]),
        ("0 0 L-3 * *", ["2026-01-28T00:00:00", "2026-02-25T00:00:00", "2026-03-28T00:00:00"]),
        ("0 0 15W * *", ["2026-01-15T00:00:00", "2026-02-16T00:00:00", "2026-03-16T00:00:00"]),
        ("0 0 1W 2,3,8 ?", ["2026-02-02T00:00:00", "2026-03-02T00:00:00", "2026-08-03T00:00:00"]),
        ("0 0 31W * *", ["2026-01-30T00:00:00", "2026-03-31T00:00:00", "2026-05-29T00:00:00"]),
        ("0 0 LW * *", ["2026-01-30T00:00:00", "2026-02-27T00:00:00", "2026-03-31T00:00:00"]),
        ("0 0 ? * FRIL", ["2026-01-30T00:00:00", "2026-02-27T00:00:00", "2026-03-27T00:00:00"]),
        ("0 0 * * 5l", ["2026-01-30T00:00:00", "2026-02-27T00:00:00", "2026-03-27T00:00:00"]),
        ("0 0 * * MON#2", ["2026-01-12T00:00:00", "2026-02-09T00:00:00", "2026-03-09T00:00:00"]),
        ("0 0 * * 5#5", ["2026-01-30T00:00:00", "2026-05-29T00:00:00", "2026-07-31T00:00:00"]),
        ("0 0 * * FRI-MON", ["2026-01-02T00:00:00", "2026-01-03T00:00:00", "2026-01-04T00:00:00"]),
        ("0 22-1 * * *", ["2026-01-01T00:00:00", "2026-01-01T01:00:00", "2026-01-01T22:00:00"]),
        ("0 0 1 nov-Feb *", ["2026-01-01T00:00:00", "2026-02-01T00:00:00", "2026-11-01T00:00:00"]),
        ("0 0 * * 0", ["2026-01-04T00:00:00", "2026-01-11T00:00:00", "2026-01-18T00:00:00"]),
        ("0 0 * * 7", ["2026-01-04T00:00:00", "2026-01-11T00:00:00", "2026-01-18T00:00:00"]),
        ("0 0 * * SAT-7", ["2026-01-03T00:00:00", "2026-01-04T00:00:00", "2026-01-10T00:00:00"]),
        # Both restricted: one is enough. One of them a star, also with a step: both must hold.
        ("0 0 13 * FRI", ["2026-01-02T00:00:00", "2026-01-09T00:00:00", "2026-01-13T00:00:00"]),
        ("0 0 */15 * FRI", ["2026-01-16T00:00:00", "2026-05-01T00:00:00", "2026-07-31T00:00:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00", "2032-02-29T00:00:00", "2036-02-29T00:00:00"]),
        ("0 0 29 FEB ?", ["2028-02-29T00:00:00", "2032-02-29T00:00:00", "2036-02-29T00:00:00"]),
        ("0 0 */29 2 MON", ["2027-02-01T00:00:00", "2038-02-01T00:00:00", "2044-02-01T00:00:00"]),
        ("59 59 23 31 12 *", ["2026-12-31T23:59:59", "2027-12-31T23:59:59", "2028-12-31T23:59:59"]),
        ("@yearly", ["2026-01-01T00:00:00", "2027-01-01T00:00:00", "2028-01-01T00:00:00"]),
        ("@Annually", ["2026-01-01T00:00:00", "2027-01-01T00:00:00", "2028-01-01T00:00:00"]),
        ("@monthly", ["2026-01-01T00:00:00", "2026-02-01T00:00:00", "2026-03-01T00:00:00"]),
        ("@weekly", ["2026-01-04T00:00:00", "2026-01-11T00:00:00", "2026-01-18T00:00:00"]),
        ("@daily", ["2026-01-01T00:00:00", "2026-01-02T00:00:00", "2026-01-03T00:00:00"]),
        (" @midnight ", ["2026-01-01T00:00:00", "2026-01-02T00:00:00", "2026-01-03T00:00:00"]),
        ("@hourly", ["2026-01-01T00:00:00", "2026-01-01T01:00:00", "2026-01-01T02:00:00"]),
        # A year: the last of six fields if it has four digits, or the last of seven.
        ("0 9 1 1 * 2027", ["2027-01-01T09:00:00"]),
        ("0 0 9 1 1 ? 2027-2031/2", ["2027-01-01T09:00:00", "2029-01-01T09:00:00", "2031-01-01T09:00:00"]),
        ("0 0 9 ? FEB MON#1 2027,2030", ["2027-02-01T09:00:00", "2030-02-04T09:00:00"]),
        ("0 0 9 L 2 ? *", ["2026-02-28T09:00:00", "2027-02-28T09:00:00", "2028-02-29T09:00:00"]),
        ("0 0 9 1 1 ? 2020", []),
        # A step that is longer than its range: the first value.
        ("*/100 9 * * *", ["2026-01-01T09:00:00", "2026-01-02T09:00:00", "2026-01-03T09:00:00"]),
        ("5/1000 9 * * *", ["2026-01-01T09:05:00", "2026-01-02T09:05:00", "2026-01-03T09:05:00"]),
        ("0 0 * * FRI#L", ["2026-01-30T00:00:00", "2026-02-27T00:00:00", "2026-03-27T00:00:00"]),
        ("0 0 * January friday#2", ["2026-01-09T00:00:00", "2027-01-08T00:00:00", "2028-01-14T00:00:00"]),
        ("0 9 * * Monday-wednesday", ["2026-01-05T09:00:00", "2026-01-06T09:00:00", "2026-01-07T09:00:00"]),
        ("  0 9 * * * # nine  ", ["2026-01-01T09:00:00", "2026-01-02T09:00:00", "2026-01-03T09:00:00"]),
        ("# above\nSHELL=/bin/sh\n0 9 * * * /usr/bin/env x", ["2026-01-01T09:00:00", "2026-01-02T09:00:00", "2026-01-03T09:00:00"]),
        ("0 9 * * * root /usr/bin/env x", ["2026-01-01T09:00:00", "2026-01-02T09:00:00", "2026-01-03T09:00:00"]),
        ("0 0 31 2 *", []),
        ("0 0 31 4,6,9,11 ?", []),
        ("0 0 30W 2 *", []),
    ],
)
def test_an_expression_means_these_times(expression: str, expected: list[str]) -> None:
    """Every form of the language, from 2026-01-01 on, a Thursday."""
    assert _wall_times(expression, "2026-01-01T00:00:00", 3) == expected


@pytest.mark.parametrize(
    ("expression", "position", "reason"),
    [
        ("", 0, "0 fields"),
        ("* * * *", 7, "4 fields"),
        ("* * * * * * 2026 *", 17, "8 fields"),
        ("* * * * * * 1969", 12, "year: 1969 is not within 1970-2099"),
        ("0 9 * * 1 20267", 10, "is not within 0-7"),
        ("0 9 1 1 * 2030-2027", 15, "year: 2027 lies before 2030"),
        ("0 25 * * *", 2, "hour: 25 is not within 0-23"),
        ("60 * * * *", 0, "minute: 60 is not within 0-59"),
        ("0 0 60 * * * ", 4, "hour: 60 is not within 0-23"),
        ("0 9 * * MON-FRY", 12, "day of week: 'FRY'"),
        ("0 9 * JANUAR *", 6, "month: 'JANUAR'"),
        ("0 9 * 13 *", 6, "month: 13 is not within 1-12"),
        ("0 9 0 * *", 4, "day of month: 0 is not within 1-31"),
        ("0 9 * * 8", 8, "day of week: 8 is not within 0-7"),
        ("0 9 1,,2 * *", 6, "there is nothing at the comma"),
        ("*/0 * * * *", 2, "a step of 0"),
        ("H(30-20) * * * *", 0, "a range that ascends"),
        ("H(0-60) * * * *", 4, "60 is not within 0-59"),
        ("H/0 * * * *", 2, "a step of 0"),
        ("@every", 0, "needs a length"),
        ("@every 5", 7, "needs a length"),
        ("@every 500ms", 7, "from 1s to ten years"),
        ("@every 99999d", 7, "from 1s to ten years"),
        ("CRON_TZ=Mars/Olympus 0 9 * * *", 8, "is not a time zone"),
        ("# only words", 0, "there is no expression"),
        ("0 9 * * *\n0 99 * * *", 12, "line 2, position 12, hour: 99"),
        ("0 9-x * * *", 4, "'x' is not a number"),
        ("0 9 * * 1#6", 10, "a first to fifth"),
        ("0 9 * * 9#1", 8, "9 is not within 0-7"),
        ("0 9 * * L", 8, "L needs a weekday"),
        ("0 9 L-31 * *", 4, "within 0-30"),
        ("0 9 32W * *", 4, "within 1-31"),
        ("0 9 W * *", 4, "'W' is not a number"),
        ("0 ? * * *", 2, "? only for days"),
        ("0 9 ?/2 * *", 4, "? only for days"),
        ("0 9 *-5 * *", 4, "stands for every value"),
        ("@reboot", 0, "no machine that starts"),
        ("@fortnightly", 0, "is not known"),
        ("@daily 5", 7, "stands alone"),
        ("0 9 * * MON;rm", 8, "is neither a number"),
        ("0 ٩ * * *", 2, "is neither a number"),
        ("99999999999999999999 * * * *", 0, "is not within 0-59"),
    ],
)
def test_a_bad_expression_is_refused_with_its_position(expression: str, position: int, reason: str) -> None:
    """The error names the field, the place in the text, and the reason."""
    with pytest.raises(BadRule) as refused:
        parse_cron(expression)
    (violation,) = refused.value.violations
    assert violation.field == "trigger.cron"
    assert refused.value.metadata["position"] == str(position)
    assert f"position {position}, " in violation.description
    assert reason in violation.description


def _numbers(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high).map(str)
    ordered = st.tuples(st.integers(low, high), st.integers(low, high)).filter(lambda pair: pair[0] < pair[1])
    spans = ordered.map(lambda pair: f"{pair[0]}-{pair[1]}")
    stepped = st.tuples(spans | st.just("*"), st.integers(1, 7)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    listed = st.lists(value | spans | stepped.filter(lambda text: text[0] != "*"), min_size=1, max_size=3).map(",".join)
    return st.just("*") | stepped | listed


EXPRESSIONS = st.tuples(
    _numbers(0, 59),
    _numbers(0, 59),
    _numbers(0, 23),
    _numbers(1, 31) | st.sampled_from(["L", "LW", "1,L", "15,LW"]),
    _numbers(1, 12),
    _numbers(0, 6) | st.sampled_from(["MON-FRI", "5L", "MON#2", "5#3,0", "7"]),
).map(" ".join)
STARTS = st.datetimes(datetime(1999, 1, 1), datetime(2037, 1, 1)).map(lambda start: start.replace(microsecond=0))  # noqa: DTZ001  wall times


@given(EXPRESSIONS, STARTS)
def test_wall_times_agree_with_another_library(expression: str, start: datetime) -> None:
    """CronSim (of Healthchecks) walks second by second what we find by bits; it knows less of the language."""
    ours = _wall_times(expression, (start + timedelta(seconds=1)).isoformat(), 4)
    try:
        theirs = [found.isoformat() for found in islice(CronSim(expression, start), 4)]
    except CronSimError:  # it refuses a day that no month has
        theirs = []
    assert ours == theirs


def _in(expression: str, zone: str, start: str, end: str, dst: DstPolicy | None = None) -> list[str]:
    rule = rule_of(Trigger(spec=Cron(expression), time_zone=zone, dst=dst), anchor=0)
    begin, until = (to_micros(datetime.fromisoformat(text)) for text in (start, end))
    found = rule.between(begin, until)
    return [f"{from_micros(o.due):%H:%M}" + ("" if o.label is Label.PLAIN else f" {o.label}") for o in found]


@pytest.mark.parametrize(
    ("expression", "zone", "start", "end", "dst", "expected"),
    [
        # Paris, 2026-03-29: 02:00 to 03:00 is missing, from 01:00Z on it is UTC+2.
        ("30 2 * * *", "Europe/Paris", "2026-03-29T00:00Z", "2026-03-29T12:00Z", None, ["01:00 SHIFTED"]),
        ("10,20,30 2 * * *", "Europe/Paris", "2026-03-29T00:00Z", "2026-03-29T12:00Z", None, ["01:00 SHIFTED"]),
        ("0,30 2-3 * * *", "Europe/Paris", "2026-03-29T00:00Z", "2026-03-29T02:00Z", None, ["01:00", "01:30"]),
        ("30 2 * * *", "Europe/Paris", "2026-03-29T00:00Z", "2026-03-29T12:00Z", DstPolicy(gap=Gap.SKIP), []),
        ("30 * * * *", "Europe/Paris", "2026-03-29T00:00Z", "2026-03-29T03:00Z", None, ["00:30", "01:30", "02:30"]),
        ("*/20 2 * * *", "Europe/Paris", "2026-03-29T00:00Z", "2026-03-29T12:00Z", None, []),
        ("*/20 2 * * *", "Europe/Paris", "2026-03-29T00:00Z", "2026-03-29T12:00Z", DstPolicy(gap=Gap.SHIFT), ["01:00 SHIFTED"]),
        # Paris, 2026-10-25: 02:00 to 03:00 comes twice, from 00:00Z and from 01:00Z on.
        ("30 2 * * *", "Europe/Paris", "2026-10-25T00:00Z", "2026-10-25T12:00Z", None, ["00:30"]),
        (
            "15,45 2 * * *",
            "Europe/Paris",
            "2026-10-25T00:00Z",
            "2026-10-25T12:00Z",
            DstPolicy(overlap=Overlap.BOTH),
            ["00:15", "00:45", "01:15 REPEATED", "01:45 REPEATED"],
        ),
        ("30 * * * *", "Europe/Paris", "2026-10-25T00:00Z", "2026-10-25T03:00Z", None, ["00:30", "01:30 REPEATED", "02:30"]),
        (
            "*/30 2 * * *",
            "Europe/Paris",
            "2026-10-25T00:00Z",
            "2026-10-25T12:00Z",
            None,
            ["00:00", "00:30", "01:00 REPEATED", "01:30 REPEATED"],
        ),
        (
            "*/30 * * * *",
            "Europe/Paris",
            "2026-10-25T00:00Z",
            "2026-10-25T02:30Z",
            DstPolicy(overlap=Overlap.FIRST),
            ["00:00", "00:30", "02:00"],
        ),
        # New York, 2026-03-08 at 07:00Z and 2026-11-01 at 06:00Z.
        ("15 2 * * *", "America/New_York", "2026-03-08T00:00Z", "2026-03-09T00:00Z", None, ["07:00 SHIFTED"]),
        ("15 1 * * *", "America/New_York", "2026-11-01T00:00Z", "2026-11-01T12:00Z", None, ["05:15"]),
        # Lord Howe moves by half an hour, 2026-10-03 at 15:30Z and 2026-04-04 at 15:00Z.
        ("*/15 * * * *", "Australia/Lord_Howe", "2026-10-03T15:00Z", "2026-10-03T16:00Z", None, ["15:00", "15:15", "15:30", "15:45"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00Z", "2026-04-05T00:00Z", None, ["14:45"]),
        # Sao Paulo went forward at midnight: 2018-11-04 began at 01:00, which was 03:00Z.
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00Z", "2018-11-05T12:00Z", None, ["03:00 SHIFTED", "02:00"]),
        ("0 0 * * *", "America/Sao_Paulo", "2026-11-01T12:00Z", "2026-11-02T12:00Z", None, ["03:00"]),
        # Apia left out 2011-12-30: all of its times mean the first instant of the 31st.
        ("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00Z", "2011-12-31T12:00Z", None, ["19:00", "10:00 SHIFTED", "19:00"]),
        ("0 9 30 * *", "Pacific/Apia", "2011-12-01T00:00Z", "2012-01-01T00:00Z", None, ["10:00 SHIFTED"]),
        # Gaza, 2026-03-28 at 00:00Z: 02:00 to 03:00 is missing; Casablanca leaves summer time for Ramadan, 2026-02-15 at 02:00Z.
        ("30 2 * * *", "Asia/Gaza", "2026-03-27T12:00Z", "2026-03-28T12:00Z", None, ["00:00 SHIFTED"]),
        ("30 2 * * *", "Africa/Casablanca", "2026-02-15T00:00Z", "2026-02-15T12:00Z", None, ["01:30"]),
    ],
)
def test_our_policy_decides_when_the_clocks_change(
    expression: str, zone: str, start: str, end: str, dst: DstPolicy | None, expected: list[str]
) -> None:
    """A time of day shifts and comes once; a period goes on with the clock, and has nothing in a gap."""
    assert _in(expression, zone, start, end, dst) == expected


ZONES = st.sampled_from(
    ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "Asia/Gaza"]
)


@settings(max_examples=60)
@given(
    st.sampled_from(["*/7 * * * *", "13 * * * *", "0,30 1-3 * * *", "17 2 * * *", "*/20 0-2 * * SUN", "5 0 1,29-31 * *"]),
    ZONES,
    st.datetimes(datetime(1975, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001  made aware below
    st.builds(DstPolicy, gap=st.none() | st.sampled_from(Gap), overlap=st.none() | st.sampled_from(Overlap)),
)
def test_a_scan_of_every_minute_finds_the_same(expression: str, zone_name: str, day: datetime, dst: DstPolicy) -> None:
    """Around the changes of the clocks, too: a scan asks of every minute what its local time is, and whether that was there before."""
    start = _near_change(zone_name, day.replace(tzinfo=UTC))
    trigger = Trigger(spec=Cron(expression), time_zone=zone_name, dst=dst)
    found = [(o.due, o.label) for o in rule_of(trigger, anchor=0).between(to_micros(start), to_micros(start + timedelta(days=2)))]
    assert found == _scanned(trigger, expression, start, minutes=2 * 24 * 60)


def _near_change(zone_name: str, start: datetime) -> datetime:
    """A day before the next change of the zone's offset, or ``start`` when there is none within a year."""
    key = zone(zone_name)
    start = start.replace(minute=0, second=0, microsecond=0)
    for day in range(366):
        at = start + timedelta(days=day)
        if at.astimezone(key).utcoffset() != (at + timedelta(days=1)).astimezone(key).utcoffset():
            return at - timedelta(hours=12)
    return start


def _scanned(trigger: Trigger, expression: str, start: datetime, *, minutes: int) -> list[tuple[int, Label]]:

    key, (pattern, periodic) = zone(trigger.time_zone), cron_pattern(read_cron(expression)[0], "")
    dst = trigger.dst or DstPolicy()
    both = dst.overlap is Overlap.BOTH or (dst.overlap is None and periodic)
    shift = dst.gap is Gap.SHIFT or (dst.gap is None and not periodic)
    found: list[tuple[int, Label]] = []
    for minute in range(minutes):
        at = start + timedelta(minutes=minute)
        local = at.astimezone(key)
        wall = _wall(local.replace(tzinfo=None).isoformat())
        if pattern.next_at(wall) == wall:
            if not local.fold:
                found.append((to_micros(at), Label.PLAIN))
            elif both:
                found.append((to_micros(at), Label.REPEATED))
        else:
            before = _wall((at - timedelta(minutes=1)).astimezone(key).replace(tzinfo=None).isoformat()) + 60
            missed = pattern.next_at(before)
            if wall > before and missed is not None and missed < wall and shift:
                found.append((to_micros(at), Label.SHIFTED))
            elif dst.gap is Gap.OFFSET:
                old = (at - timedelta(days=1)).astimezone(key).utcoffset() or timedelta()
                naive = (at + old).replace(tzinfo=None)
                exists = naive.replace(tzinfo=key).astimezone(UTC).astimezone(key).replace(tzinfo=None) == naive
                if not exists and pattern.next_at(_wall(naive.isoformat())) == _wall(naive.isoformat()):
                    found.append((to_micros(at), Label.SHIFTED))
    return found


def test_every_zone_has_the_offsets_that_python_knows() -> None:
    """Over the history, where the closing rule takes over, and in the far future, where it repeats."""
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    known, far = (1890, 1945, 1976, 1993, 2005, 2008, 2011, 2026, 2037), (2038, 2087, 2400, 2406, 2439, 5000, 9990)
    assert len(names) > 400
    for years, some in ((known, names), (far, ["Antarctica/Troll", "Australia/Lord_Howe", "Asia/Gaza", *names[::50]])):
        instants = [datetime(year, month, 9, 5, tzinfo=UTC) for year in years for month in range(1, 13)]
        wrong = [(name, at) for name in some for at in instants if offsets(name).at(to_micros(at) // 10**6).offset != _offset(name, at)]
        assert wrong == []


def _offset(name: str, at: datetime) -> float:
    offset = at.astimezone(zone(name)).utcoffset()
    assert offset is not None
    return offset.total_seconds()
