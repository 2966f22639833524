"""Intervals, windows and turns: against walks over every minute, and against sets of numbers."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin.clock import HOUR, MINUTE, SECOND, from_micros, to_micros
from tocsin.recurrence import (
    Cron,
    DstPolicy,
    Elapsed,
    Every,
    FixedIntervals,
    Gap,
    Interval,
    Intervals,
    Length,
    Nominal,
    Overlap,
    Trigger,
    Turns,
    UntilTime,
    Windows,
    common,
    merged,
    offsets,
    rule_of,
    spent,
    united,
    without,
    zone,
)

EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  wall times have no zone
DAY: Final = 86_400
_ZONES: Final = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "UTC")
_CHANGES: Final = (
    datetime(2026, 3, 29, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC),
    datetime(2026, 3, 8, tzinfo=UTC),
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 4, 4, tzinfo=UTC),
    datetime(2011, 12, 30, tzinfo=UTC),
    datetime(2026, 2, 15, tzinfo=UTC),
)


def _wall(naive: datetime) -> int:
    return round((naive - EPOCH).total_seconds())


def _utc(instant: int) -> str:
    return f"{from_micros(instant):%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("cron", "length", "at", "expected"),
    [
        ("0 22 * * *", Elapsed(8 * HOUR), "2026-06-02T01:00", ("06-01T20:00", "06-02T04:00")),
        ("0 22 * * *", Elapsed(8 * HOUR), "2026-06-02T04:00", None),
        ("0 22 * * *", Elapsed(8 * HOUR), "2026-06-01T20:00", ("06-01T20:00", "06-02T04:00")),
        # The night in which clocks go forward: eight hours are eight hours, and "until six" is seven hours.
        ("0 22 * * *", Elapsed(8 * HOUR), "2026-03-29T01:00", ("03-28T21:00", "03-29T05:00")),
        ("0 22 * * *", UntilTime(6 * 3600, offsets("Europe/Berlin")), "2026-03-29T01:00", ("03-28T21:00", "03-29T04:00")),
        ("0 22 * * *", UntilTime(6 * 3600, offsets("Europe/Berlin")), "2026-10-25T01:00", ("10-24T20:00", "10-25T05:00")),
        ("0 0 * * *", Nominal(days=1, time=0, offsets=offsets("Europe/Berlin")), "2026-10-25T12:00", ("10-24T22:00", "10-25T23:00")),
        (
            "0 0 28 3 *",
            Nominal(days=1, time=3 * HOUR, offsets=offsets("Europe/Berlin")),
            "2026-03-29T01:30",
            ("03-27T23:00", "03-29T02:00"),
        ),
        # A window whose both ends lie in the gap is empty; one that begins there begins at its end.
        ("15 2 29 3 *", UntilTime(2 * 3600 + 2700, offsets("Europe/Berlin")), "2026-03-29T01:00", None),
        ("15 2 29 3 *", UntilTime(4 * 3600, offsets("Europe/Berlin")), "2026-03-29T01:00", ("03-29T01:00", "03-29T02:00")),
    ],
)
def test_an_interval_holds_its_start_and_not_its_end(cron: str, length: Length, at: str, expected: tuple[str, str] | None) -> None:
    """By elapsed time, by days of the calendar, and to a local time, across changes of the clocks."""
    intervals = Intervals(rule_of(Trigger(spec=Cron(cron), time_zone="Europe/Berlin"), anchor=0), length)
    found = intervals.at(to_micros(datetime.fromisoformat(at).replace(tzinfo=UTC)))
    assert (found if found is None else (_utc(found.start), _utc(found.end))) == expected


@settings(max_examples=60)
@given(
    st.sampled_from(["*/7 * * * *", "0 */5 * * *", "30 1,2,3 * * *", "15 22 * * 1-5", "0 0 1 * *", "59 23 * * 0"]),
    st.sampled_from(_ZONES),
    st.sampled_from(_CHANGES),
    st.integers(-2000, 2000),
    st.one_of(
        st.integers(1, 4000).map(lambda minutes: ("elapsed", minutes)),
        st.integers(0, 1439).map(lambda minutes: ("until", minutes)),
        st.integers(1, 3).map(lambda days: ("days", days)),
    ),
)
@example("30 1,2,3 * * *", "Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC), 0, ("until", 211))
def test_intervals_are_those_that_a_list_of_all_says(cron: str, key: str, near: datetime, offset: int, kind: tuple[str, int]) -> None:
    """At an instant, between two, the next boundary, and the end of what joins."""
    known, instant = offsets(key), to_micros(near) + offset * MINUTE
    lengths: dict[str, Length] = {
        "elapsed": Elapsed(kind[1] * MINUTE),
        "until": UntilTime(kind[1] * 60, known),
        "days": Nominal(days=kind[1], time=0, offsets=known),
    }
    dst = None if kind[0] == "elapsed" else DstPolicy(gap=Gap.SHIFT, overlap=Overlap.FIRST)
    length, rule = lengths[kind[0]], rule_of(Trigger(spec=Cron(cron), time_zone=key, dst=dst), anchor=0)
    every = [Interval(o.due, length.end_of(o)) for o in rule.between(instant - 5 * DAY * SECOND, instant + 5 * DAY * SECOND)]
    assert all(one.end <= other.end for one, other in pairwise(every))
    every = [found for found in every if found.end > found.start]
    intervals = Intervals(rule, length)
    holding = [found for found in every if found.start <= instant < found.end]
    assert intervals.at(instant) == (holding[-1] if holding else None)
    until = instant + 90 * MINUTE
    assert list(intervals.between(instant, until)) == [found for found in every if found.start < until and found.end > instant]
    boundaries = [edge for found in every for edge in found if edge > instant]
    if boundaries:
        assert intervals.next_boundary(instant) == min(boundaries)
    windows = Windows([intervals])
    stretch = next((found for found in merged(every) if found.start <= instant < found.end), None)
    if stretch is None or stretch.end < instant + 4 * DAY * SECOND:
        reached, end = None, windows.end_at(instant)
        while end is not None:
            reached, end = end, windows.end_at(end)
        assert reached == (None if stretch is None else stretch.end)


def _rows() -> st.SearchStrategy[list[Interval]]:
    return st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=8).map(
        lambda pairs: list(merged(sorted(Interval(start, start + length) for start, length in pairs)))
    )


def _set(intervals: list[Interval]) -> set[int]:
    return {number for found in intervals for number in range(found.start, found.end)}


@given(_rows(), _rows())
def test_rows_of_intervals_are_sets(one: list[Interval], other: list[Interval]) -> None:
    """Union, common part and difference; each answer is ordered, and has no empty interval."""
    for found, expected in (
        (list(united(one, other)), _set(one) | _set(other)),
        (list(common(one, other)), _set(one) & _set(other)),
        (list(without(one, other)), _set(one) - _set(other)),
    ):
        assert _set(found) == expected
        assert all(before.end <= after.start for before, after in pairwise(found))
        assert all(interval.start < interval.end for interval in found)


@given(_rows(), st.integers(-2, 80))
def test_fixed_intervals_answer_by_bisection(row: list[Interval], instant: int) -> None:
    """The end of what holds an instant, and the next start."""
    cover, held = FixedIntervals(row), _set(row)
    end = cover.end_at(instant)
    assert (end is not None) == (instant in held)
    assert end is None or (end not in held and set(range(instant, end)) <= held)
    assert cover.next_start(instant) == min((number for number in held if number >= instant), default=None)
    pieces = list(Windows([cover]).stretches(0, 50))
    assert _set(pieces) == {number for number in held if number < 50}


def test_windows_next_boundary_goes_over_all_covers() -> None:
    """Where the whole begins or ends, not where one of its covers does."""
    windows = Windows([FixedIntervals([Interval(10, 20)]), FixedIntervals([Interval(15, 30), Interval(40, 50)])])
    assert [windows.next_boundary(at) for at in (0, 10, 16, 30, 45, 50)] == [10, 30, 30, 40, 50, None]


@settings(max_examples=100)
@given(
    st.sampled_from(_ZONES),
    st.sampled_from(_CHANGES),
    st.sampled_from([3600, 6 * 3600, 12 * 3600, DAY, 7 * DAY, 14 * DAY, 5 * 3600]),
    st.integers(0, 23),
    st.integers(-3000, 3000),
)
def test_turns_hand_over_at_their_wall_time(key: str, near: datetime, length: int, hour: int, offset: int) -> None:
    """Each hand-over is where the zone puts its wall time; turns follow each other without a gap."""
    first = _wall(datetime(2009, 1, 5, hour))  # noqa: DTZ001
    turns, instant = Turns(first=first, length=length, offsets=offsets(key)), to_micros(near) + offset * MINUTE
    turn = turns.at(instant)
    assert turn.start <= instant < turn.end
    naive = EPOCH + timedelta(seconds=first + turn.number * length)
    aware = naive.replace(tzinfo=zone(key))
    there_and_back = aware.astimezone(UTC).astimezone(zone(key)).replace(tzinfo=None)
    if there_and_back == naive:
        assert turn.start == to_micros(aware.astimezone(UTC))
    else:  # a gap: the first instant at which the clock shows more
        before, at = (from_micros(turn.start - late).astimezone(zone(key)).replace(tzinfo=None) for late in (SECOND, 0))
        assert before < naive <= at
    row = list(turns.between(instant, instant + 5 * length * SECOND))
    assert row[0] == turn
    assert all(one.end == other.start and one.number < other.number for one, other in pairwise(row))
    assert turns.next_boundary(instant) == turn.end


def test_a_turn_in_a_gap_is_empty_and_keeps_its_number() -> None:
    """Turns of an hour on the day on which the clocks of Berlin go forward: the one from two to three has nothing."""
    turns = Turns(first=_wall(datetime(2026, 3, 29)), length=3600, offsets=offsets("Europe/Berlin"))  # noqa: DTZ001
    row = list(turns.between(to_micros(datetime(2026, 3, 28, 23, tzinfo=UTC)), to_micros(datetime(2026, 3, 29, 3, tzinfo=UTC))))
    assert [(turn.number, _utc(turn.start)) for turn in row] == [
        (0, "03-28T23:00"),
        (1, "03-29T00:00"),
        (3, "03-29T01:00"),
        (4, "03-29T02:00"),
    ]
    with pytest.raises(ValueError, match="a length"):
        Turns(first=0, length=0, offsets=offsets("UTC"))


def test_long_intervals_of_a_quick_rule_cost_few_steps() -> None:
    """A year of windows, one of which begins every second: nobody walks over thirty million of them."""
    for trigger in (Trigger(spec=Cron("* * * * * *")), Trigger(spec=Every(SECOND))):
        intervals = Intervals(rule_of(trigger, anchor=0), Elapsed(365 * DAY * SECOND))
        instant, before = to_micros(datetime(2026, 5, 5, tzinfo=UTC)), spent()
        assert intervals.at(instant) == Interval(instant, instant + 365 * DAY * SECOND)
        assert Windows([intervals]).end_at(instant) is not None
        assert spent() - before < 12_000
