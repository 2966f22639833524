from datetime import UTC, datetime, time, timedelta, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.clock import from_micros, to_micros
from tocsin.recurrence import (
    END_OF_TIME,
    At,
    CatchUp,
    CatchUpMode,
    Daily,
    DstPolicy,
    Every,
    Gap,
    Label,
    Overlap,
    Spec,
    Trigger,
    UnknownZone,
    first_due,
    rule_of,
    zone,
)

SECOND = 1_000_000
DAY = 86_400 * SECOND
ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Kwajalein",
    "Africa/Monrovia",
)
INSTANTS = st.integers(0, to_micros(datetime(2037, 1, 1, tzinfo=UTC)))
TIMES = st.builds(time, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
DST = st.builds(DstPolicy, gap=st.sampled_from(Gap), overlap=st.sampled_from(Overlap))


def _micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text))


def _daily(at: str, zone_name: str, gap: Gap = Gap.SHIFT, overlap: Overlap = Overlap.FIRST) -> Trigger:
    return Trigger(spec=Daily(time.fromisoformat(at)), time_zone=zone_name, dst=DstPolicy(gap=gap, overlap=overlap))


def _walk(trigger: Trigger, start: str, end: str) -> list[str]:
    rule = rule_of(trigger, anchor=0)
    return [from_micros(found.due).strftime("%m-%dT%H:%M") for found in rule.between(_micros(start), _micros(end))]


@pytest.mark.parametrize(
    ("trigger", "start", "end", "expected"),
    [
        # Paris leaves out 02:00 to 03:00 on 2026-03-29, and repeats it on 2026-10-25.
        (_daily("02:30", "Europe/Paris"), "2026-03-28T00:00Z", "2026-03-31T00:00Z", ["03-28T01:30", "03-29T01:00", "03-30T00:30"]),
        (_daily("02:30", "Europe/Paris", gap=Gap.SKIP), "2026-03-28T00:00Z", "2026-03-31T00:00Z", ["03-28T01:30", "03-30T00:30"]),
        (_daily("02:30", "Europe/Paris"), "2026-10-25T00:00Z", "2026-10-26T00:00Z", ["10-25T00:30"]),
        (_daily("02:30", "Europe/Paris", overlap=Overlap.BOTH), "2026-10-25T00:00Z", "2026-10-26T00:00Z", ["10-25T00:30", "10-25T01:30"]),
        # Lord Howe moves by 30 minutes: 02:00 to 02:30 is missing on 2026-10-04, 01:30 to 02:00 comes twice on 2026-04-05.
        (_daily("02:15", "Australia/Lord_Howe"), "2026-10-03T00:00Z", "2026-10-04T00:00Z", ["10-03T15:30"]),
        (_daily("02:15", "Australia/Lord_Howe", gap=Gap.SKIP), "2026-10-03T00:00Z", "2026-10-04T00:00Z", []),
        (
            _daily("01:45", "Australia/Lord_Howe", overlap=Overlap.BOTH),
            "2026-04-04T12:00Z",
            "2026-04-05T00:00Z",
            ["04-04T14:45", "04-04T15:15"],
        ),
        # Apia had no 2011-12-30: the day is one gap of 24 hours.
        (
            _daily("14:30", "Pacific/Apia"),
            "2011-12-29T12:00Z",
            "2012-01-01T12:00Z",
            ["12-30T00:30", "12-30T10:00", "12-31T00:30", "01-01T00:30"],
        ),
        (
            _daily("14:30", "Pacific/Apia", gap=Gap.SKIP),
            "2011-12-29T12:00Z",
            "2012-01-01T12:00Z",
            ["12-30T00:30", "12-31T00:30", "01-01T00:30"],
        ),
        (_daily("00:00", "Pacific/Apia"), "2011-12-29T00:00Z", "2012-01-01T00:00Z", ["12-29T10:00", "12-30T10:00", "12-31T10:00"]),
        # Casablanca leaves daylight time for Ramadan (2026-02-15 to 2026-03-22).
        (
            _daily("02:30", "Africa/Casablanca", overlap=Overlap.BOTH),
            "2026-02-15T00:00Z",
            "2026-02-16T00:00Z",
            ["02-15T01:30", "02-15T02:30"],
        ),
        (_daily("02:30", "Africa/Casablanca"), "2026-03-22T00:00Z", "2026-03-23T00:00Z", ["03-22T02:00"]),
    ],
)
def test_a_local_time_follows_its_policy_when_the_clocks_change(trigger: Trigger, start: str, end: str, expected: list[str]) -> None:
    """Gaps shift to their end or skip, overlaps fire first or both, in zones with every kind of change."""
    assert _walk(trigger, start, end) == expected


def test_shifted_and_repeated_occurrences_are_labelled() -> None:
    """What a change of the clocks did is told with the occurrence."""
    rule = rule_of(_daily("02:30", "Europe/Paris", overlap=Overlap.BOTH), anchor=0)
    shifted = [found.label for found in rule.between(_micros("2026-03-29T00:00Z"), _micros("2026-03-29T12:00Z"))]
    repeated = [found.label for found in rule.between(_micros("2026-10-25T00:00Z"), _micros("2026-10-25T12:00Z"))]
    assert (shifted, repeated) == ([Label.SHIFTED], [Label.PLAIN, Label.REPEATED])


@given(INSTANTS, TIMES, st.sampled_from(ZONES), DST)
def test_the_next_daily_time_is_later_and_none_lies_between(instant: int, at: time, zone_name: str, dst: DstPolicy) -> None:
    """The next due time is strictly later, shows the wall time unless it was shifted, and asking just before it finds it again."""
    rule = rule_of(Trigger(spec=Daily(at), time_zone=zone_name, dst=dst), anchor=0)
    found = rule.next_after(instant)
    assert found is not None
    assert instant < found.due <= instant + 3 * DAY
    local = from_micros(found.due).astimezone(zone(zone_name))
    assert found.label is Label.SHIFTED or local.time() == at
    assert found.label is not Label.SHIFTED or dst.gap is Gap.SHIFT
    assert rule.next_after(found.due - 1) == found
    assert rule.next_after((instant + found.due) // 2) == found


@given(INSTANTS, TIMES, st.sampled_from(ZONES))
def test_every_day_that_has_the_local_time_has_one_occurrence(instant: int, at: time, zone_name: str) -> None:
    """With the default policy, ten days in a row give one occurrence for each date whose local time exists, plus one a gap."""
    key = zone(zone_name)
    rule = rule_of(Trigger(spec=Daily(at), time_zone=zone_name), anchor=0)
    days = [from_micros(instant).date() + timedelta(days=number) for number in range(2, 12)]
    wall_times = [datetime.combine(day, at) for day in days]
    expected = [to_micros(wall.replace(tzinfo=key)) for wall in wall_times if _exists(wall, key)]
    found = list(rule.between(instant, instant + 16 * DAY))
    assert set(expected) <= {occurrence.due for occurrence in found}
    inside = [o for o in found if expected[0] <= o.due <= expected[-1]]
    assert len([o for o in inside if o.label is Label.PLAIN]) == len(expected)


def _exists(wall: datetime, key: tzinfo) -> bool:
    return wall.replace(tzinfo=key).astimezone(UTC).astimezone(key).replace(tzinfo=None) == wall


@given(INSTANTS, st.integers(SECOND, 10**15), INSTANTS)
def test_an_interval_counts_from_its_anchor(anchor: int, interval: int, instant: int) -> None:
    """Due times are the anchor plus whole intervals, whenever one asks."""
    found = rule_of(Trigger(spec=Every(interval)), anchor=anchor).next_after(instant)
    assert found is not None
    assert found.due > instant
    assert (found.due - anchor) % interval == 0
    assert found.due == anchor or found.due - interval <= instant


def test_no_rule_goes_beyond_the_calendar() -> None:
    """The year 9999 ends every rule, without an error."""
    for spec in (Every(10**15), Daily(time(12))):
        assert rule_of(Trigger(spec=spec, time_zone="Europe/Paris"), anchor=0).next_after(END_OF_TIME - 1) is None


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (Trigger(spec=At(5)), 5),
        (Trigger(spec=At(5), start=6), None),
        (Trigger(spec=At(5), end=5), None),
        (Trigger(spec=Every(10 * SECOND)), 110 * SECOND),
        (Trigger(spec=Every(10 * SECOND), start=200 * SECOND), 200 * SECOND),
        (Trigger(spec=Every(10 * SECOND), start=5 * SECOND), 105 * SECOND),
        (Trigger(spec=Every(10 * SECOND), start=200 * SECOND, end=200 * SECOND), None),
        (Trigger(spec=Daily(time(0, 0, 30))), (24 * 3600 + 30) * SECOND),
        (Trigger(spec=Daily(time(0, 2, 0))), 120 * SECOND),
        (Trigger(spec=Daily(time(0, 1, 40))), (24 * 3600 + 100) * SECOND),
    ],
)
def test_an_alarm_begins_with_its_first_due_time(trigger: Trigger, expected: int | None) -> None:
    """Start is inclusive, end exclusive, now exclusive; only `at` may lie in the past."""
    assert first_due(trigger, now=100 * SECOND) == expected


@pytest.mark.parametrize(
    ("spec", "count", "limit"), [(At(1), 0, 1), (Daily(time(1), recurring=False), 0, 1), (Daily(time(1)), 0, None), (Every(1), 7, 7)]
)
def test_a_trigger_knows_how_often_it_is_due(spec: Spec, count: int, limit: int | None) -> None:
    """`at` and a daily time once have one due time, others as many as counted."""
    assert Trigger(spec=spec, count=count).limit == limit


CATCH_UPS = st.none() | st.builds(
    CatchUp, mode=st.sampled_from(CatchUpMode), limit=st.integers(0, 9), window=st.none() | st.integers(0, 99)
)
SPECS = st.builds(At, INSTANTS) | st.builds(Every, st.integers(1, 99)) | st.builds(Daily, TIMES, st.booleans())


@given(
    st.builds(
        Trigger,
        spec=SPECS,
        time_zone=st.sampled_from(ZONES),
        start=st.none() | INSTANTS,
        end=st.none() | INSTANTS,
        count=st.integers(0, 5),
        dst=st.none() | DST,
        catch_up=CATCH_UPS,
    )
)
def test_a_stored_trigger_comes_back_as_it_was(trigger: Trigger) -> None:
    """Encoding and decoding is the identity."""
    assert Trigger.decode(trigger.encode()) == trigger


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "europe/paris", "../../etc/passwd", "Europe", "localtime", "UTC "])
def test_an_unknown_zone_is_refused_with_its_field(name: str) -> None:
    """Only names of the IANA database are zones, spelt as there."""
    with pytest.raises(UnknownZone) as refused:
        zone(name)
    assert refused.value.violations[0].field == "trigger.timeZone"
