"""Schedules of rotations, beside a walk over every minute."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer_svc.domain.rotation_schedules import DutyInterval, DutyLabel, ScheduleTooLong, duty_at, duty_intervals
from mailer_svc.domain.rotations import (
    OverrideKind,
    RotationHistory,
    RotationLayer,
    RotationOverride,
    RotationPlan,
    RotationRevision,
    TurnUnit,
)
from mailer_svc.domain.weeks import WeeklyWindow
from tocsin import zones

MINUTE = 60_000_000
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  local times have no zone


def micros(text: str) -> int:
    """An instant."""
    return round(datetime.fromisoformat(text).timestamp() * 1e6)


def wall(text: str) -> int:
    """A local time."""
    return round((datetime.fromisoformat(text) - EPOCH).total_seconds())


def layer(*people: str | tuple[str, ...], **fields: object) -> RotationLayer:
    """A layer whose turns are days from Monday, 4 January 2027, 09:00 on."""
    values: dict[str, object] = {"unit": TurnUnit.DAYS, "count": 1, "hand_over": 540, "start": wall("2027-01-04T09:00")}
    together = tuple((one,) if isinstance(one, str) else one for one in people)
    return RotationLayer(participants=together, **(values | fields))  # pyright: ignore[reportArgumentType]


def history(
    *layers: RotationLayer, zone: str = "Europe/Berlin", overrides: tuple[RotationOverride, ...] = (), since: int = 0
) -> RotationHistory:
    """Of a rotation that never changed."""
    plan = RotationPlan(time_zone=zone, layers=layers)
    return RotationHistory(rotation="r", revisions=(RotationRevision(revision=1, since=since, until=None, plan=plan),), overrides=overrides)


def override(number: int, kind: OverrideKind, start: str, end: str, *people: str, **fields: Any) -> RotationOverride:
    """An override by its number."""
    return RotationOverride(id=f"o{number}", kind=kind, recipients=people, start=micros(start), end=micros(end), **fields)


def shown(intervals: list[DutyInterval]) -> list[tuple[str, str, str]]:
    """Begin in UTC, who, and labels."""
    return [
        (
            datetime.fromtimestamp(each.start / 1e6, UTC).strftime("%m-%d %H:%M"),
            "+".join(each.recipients),
            " ".join(label.name for label in each.labels),
        )
        for each in intervals
    ]


def test_people_take_turns_and_later_layers_override_earlier_ones() -> None:
    """Turns keep their number while a later layer covers them; what is hidden is named."""
    day = layer("ann", "bob")
    night = layer("eve", hours=tuple(WeeklyWindow(weekday, 20 * 60, 6 * 60) for weekday in (1, 2)), display_name="Nights")
    found = duty_intervals(history(day, night), micros("2027-01-04T08:00Z"), micros("2027-01-06T08:00Z"))
    assert shown(found) == [
        ("01-04 08:00", "ann", ""),
        ("01-04 19:00", "eve", ""),
        ("01-05 05:00", "ann", ""),
        ("01-05 08:00", "bob", ""),
        ("01-05 19:00", "eve", ""),
        ("01-06 05:00", "bob", ""),
    ]
    assert [(each.layer, each.layer_name, each.turn, each.hidden) for each in found[:3]] == [
        (1, "", 0, ()),
        (2, "Nights", 0, (1,)),
        (1, "", 0, ()),
    ]


def test_a_turn_of_a_week_keeps_its_local_time_when_clocks_change() -> None:
    """The hand-over of Sunday 02:30 is left out on 28 March and is made at the first instant after the gap, and said."""
    weekly = layer("ann", "bob", unit=TurnUnit.WEEKS, weekday=7, hand_over=150, start=wall("2027-03-14T02:30"))
    found = duty_intervals(history(weekly), micros("2027-03-20T00:00Z"), micros("2027-04-12T00:00Z"))
    assert shown(found) == [
        ("03-20 00:00", "ann", ""),
        ("03-21 01:30", "bob", ""),
        ("03-28 01:00", "ann", "SHIFTED"),
        ("04-04 00:30", "bob", ""),
        ("04-11 00:30", "ann", ""),
    ]
    autumn = duty_intervals(history(weekly), micros("2027-10-30T12:00Z"), micros("2027-10-31T12:00Z"))
    assert [begin for begin, *_ in shown(autumn)] == ["10-30 12:00", "10-31 00:30"]


def test_the_first_turn_may_begin_between_two_hand_overs() -> None:
    """Then it is shorter, and the first participant has it."""
    hours = layer("ann", "bob", unit=TurnUnit.HOURS, count=12, hand_over=8 * 60, start=wall("2027-01-04T21:00"))
    found = duty_intervals(history(hours), micros("2027-01-04T18:00Z"), micros("2027-01-05T20:00Z"))
    assert shown(found) == [
        ("01-04 18:00", "", "GAP"),
        ("01-04 20:00", "ann", ""),
        ("01-05 07:00", "bob", ""),
        ("01-05 19:00", "ann", ""),
    ]


def test_overrides_are_applied_in_the_order_of_their_creation() -> None:
    """Of two that contradict each other the later one wins; where they overlap is labelled; they begin when they were made."""
    held = (
        override(1, OverrideKind.REPLACE, "2027-01-05T00:00Z", "2027-01-05T06:00Z", "carl", created=1),
        override(2, OverrideKind.ADD, "2027-01-05T01:00Z", "2027-01-05T03:00Z", "dora", created=2),
        override(3, OverrideKind.REPLACE, "2027-01-05T02:00Z", "2027-01-05T04:00Z", "fred", created=3),
        override(4, OverrideKind.REMOVE, "2027-01-05T05:00Z", "2027-01-05T07:00Z", "ann", "carl", created=4),
        override(5, OverrideKind.REPLACE, "2027-01-05T08:00Z", "2027-01-05T12:00Z", "late", created=micros("2027-01-05T09:00Z")),
        override(6, OverrideKind.REPLACE, "2027-01-05T13:00Z", "2027-01-05T15:00Z", "back", deleted=micros("2027-01-05T14:00Z")),
        override(7, OverrideKind.REPLACE, "2027-01-05T16:00Z", "2027-01-05T17:00Z", "void", deleted=micros("2027-01-05T15:00Z")),
    )
    found = duty_intervals(history(layer("ann", count=7), overrides=held), micros("2027-01-05T00:00Z"), micros("2027-01-05T18:00Z"))
    assert shown(found) == [
        ("01-05 00:00", "carl", ""),
        ("01-05 01:00", "carl+dora", "DOUBLE_COVER OVERRIDES_OVERLAP"),
        ("01-05 02:00", "fred", "OVERRIDES_OVERLAP"),
        ("01-05 03:00", "fred", "OVERRIDES_OVERLAP"),
        ("01-05 04:00", "carl", ""),
        ("01-05 05:00", "", "GAP OVERRIDES_OVERLAP"),
        ("01-05 06:00", "", "GAP"),
        ("01-05 07:00", "ann", ""),
        ("01-05 09:00", "late", ""),
        ("01-05 12:00", "ann", ""),
        ("01-05 13:00", "back", ""),
        ("01-05 14:00", "ann", ""),
    ]


def test_outside_of_the_hours_of_all_layers_nobody_is_missed() -> None:
    """A gap is within them, also after the layer's end."""
    office = layer("ann", hours=tuple(WeeklyWindow(day, 9 * 60, 17 * 60) for day in range(1, 6)), end=wall("2027-01-08T12:00"))
    found = duty_intervals(history(office, zone="UTC"), micros("2027-01-07T12:00Z"), micros("2027-01-11T12:00Z"))
    assert shown(found) == [
        ("01-07 12:00", "ann", ""),
        ("01-07 17:00", "", ""),
        ("01-08 09:00", "ann", ""),
        ("01-08 12:00", "", "GAP"),
        ("01-08 17:00", "", ""),
        ("01-11 09:00", "", "GAP"),
    ]


def test_the_past_is_what_was_in_force_then() -> None:
    """Each revision holds from its change on; before the first and after a removal there is nothing to say."""
    plans = [RotationPlan(time_zone="UTC", layers=(layer(name, count=30),)) for name in ("ann", "bob")]
    times = [micros(f"2027-01-0{day}T00:00Z") for day in (5, 6, 7)]
    revisions = (
        RotationRevision(revision=1, since=times[0], until=times[1], plan=plans[0]),
        RotationRevision(revision=2, since=times[1], until=times[2], plan=plans[1]),
        RotationRevision(revision=3, since=times[2], until=None, plan=None),
    )
    past = RotationHistory(rotation="r", revisions=revisions, overrides=())
    found = duty_intervals(past, micros("2027-01-01T00:00Z"), micros("2027-02-01T00:00Z"))
    assert [(each.start, each.end, each.recipients, each.revision) for each in found] == [
        (times[0], times[1], ("ann",), 1),
        (times[1], times[2], ("bob",), 2),
    ]
    assert duty_at(past, times[2]) is None
    at = duty_at(past, times[1])
    assert at is not None
    assert (at.start, at.end) == (times[1], times[2])


def test_what_is_too_long_is_refused_and_an_instant_never_is() -> None:
    """However often people take turns."""
    busy = [
        layer("ann", "bob", unit=TurnUnit.HOURS, hours=tuple(WeeklyWindow(1 + n % 7, n * 20, n * 20 + 10) for n in range(50)))
        for _ in range(20)
    ]
    with pytest.raises(ScheduleTooLong):
        duty_intervals(history(*busy), micros("2027-01-01T00:00Z"), micros("2028-01-01T00:00Z"))
    at = duty_at(history(*busy), micros("2027-06-06T22:05Z"))
    assert at is not None
    assert at.recipients


class Walk:
    """Every minute of a stretch of time by the definitions, with the calendar of the standard library and nothing of ours."""

    def __init__(self, past: RotationHistory, begin: datetime, minutes: int) -> None:
        (revision,) = past.revisions
        assert revision.plan is not None
        self.plan, self.overrides = revision.plan, past.overrides
        zone = zones.zone(self.plan.time_zone)
        latest = EPOCH
        self.found: list[tuple[str, ...]] = []
        # Clocks that go back show again what they have shown: only what is new makes a difference.
        for minute in range(-1440, minutes):
            now = begin + timedelta(minutes=minute)
            latest = max(latest, now.astimezone(zone).replace(tzinfo=None))
            if minute >= 0:
                self.found.append(tuple(sorted(self.people(latest, round(now.timestamp() * 1e6)))))

    def people(self, local: datetime, instant: int) -> set[str]:
        on: set[str] = set()
        for each in self.plan.layers:
            turn = self.turn(each, local)
            on = set(turn) if turn is not None else on
        for each in sorted(self.overrides, key=lambda item: item.created):
            if each.start <= instant < each.end:
                named = set(each.recipients)
                on = {OverrideKind.ADD: on | named, OverrideKind.REMOVE: on - named, OverrideKind.REPLACE: named}[each.kind]
        return on

    def turn(self, each: RotationLayer, local: datetime) -> tuple[str, ...] | None:
        start = EPOCH + timedelta(seconds=each.start)
        if local < start or (each.end is not None and local >= EPOCH + timedelta(seconds=each.end)):
            return None
        if each.hours and not any(self.within(window, local) for window in each.hours):
            return None
        change = start.replace(hour=each.hand_over // 60, minute=each.hand_over % 60)
        while change > start or (each.unit is TurnUnit.WEEKS and change.isoweekday() != each.weekday):
            change -= timedelta(days=1)
        length = timedelta(hours=each.count * {TurnUnit.HOURS: 1, TurnUnit.DAYS: 24, TurnUnit.WEEKS: 168}[each.unit])
        while change + length <= start:
            change += length
        return each.participants[(local - change) // length % len(each.participants)]

    @staticmethod
    def within(window: WeeklyWindow, local: datetime) -> bool:
        for back in (0, 1):
            day = local.replace(hour=0, minute=0, second=0) - timedelta(days=back)
            if day.isoweekday() == window.weekday:
                end = window.end + 1440 * (window.end <= window.start)
                if day + timedelta(minutes=window.start) <= local < day + timedelta(minutes=end):
                    return True
        return False


_BEGIN = {  # a day before clocks change
    "Europe/Berlin": ("2027-03-27", "2027-10-30"),
    "America/New_York": ("2027-03-13", "2027-11-06"),
    "Australia/Lord_Howe": ("2027-04-03", "2027-10-02"),
    "Africa/Casablanca": ("2027-02-06", "2027-03-13"),
    "Pacific/Apia": ("2011-12-29", "2011-12-28"),
    "Asia/Kathmandu": ("2027-01-04", "2027-06-01"),
    "America/Havana": ("2027-03-13", "2027-11-06"),
}
_minutes = st.one_of(st.sampled_from((0, 60, 90, 120, 150, 180, 540, 1439)), st.integers(0, 1439))
_windows = st.lists(st.builds(WeeklyWindow, st.integers(1, 7), _minutes, _minutes), max_size=5).map(tuple)


@st.composite
def _histories(draw: st.DrawFn) -> tuple[RotationHistory, datetime]:
    zone = draw(st.sampled_from(sorted(_BEGIN)))
    begin = datetime.fromisoformat(draw(st.sampled_from(_BEGIN[zone])) + "T00:00+00:00")
    base = round(begin.timestamp())

    def one() -> RotationLayer:
        unit = draw(st.sampled_from(TurnUnit))
        start = (base + draw(st.integers(-20 * 1440, 2 * 1440)) * 60) // 60 * 60
        people = draw(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=2, unique=True).map(tuple), min_size=1, max_size=3))
        return RotationLayer(
            participants=tuple(people),
            unit=unit,
            count=draw(st.integers(1, {TurnUnit.HOURS: 30, TurnUnit.DAYS: 3, TurnUnit.WEEKS: 2}[unit])),
            hand_over=draw(_minutes),
            weekday=draw(st.integers(1, 7)) if unit is TurnUnit.WEEKS else 0,
            start=start,
            end=draw(st.none() | st.integers(1, 3 * 1440).map(lambda minutes: max(base, start) + minutes * 60)),
            hours=draw(_windows),
        )

    held: list[RotationOverride] = []
    for number in range(draw(st.integers(0, 3))):
        start = (base + draw(st.integers(-100, 3 * 1440)) * 60) * 1_000_000
        end = start + draw(st.integers(1, 2000)) * MINUTE
        who = tuple(draw(st.lists(st.sampled_from("abxy"), min_size=1, max_size=2, unique=True)))
        held.append(
            RotationOverride(
                id=f"o{number}", kind=draw(st.sampled_from(OverrideKind)), recipients=who, start=start, end=end, created=number
            )
        )
    layers = tuple(one() for _ in range(draw(st.integers(1, 3))))
    return history(*layers, zone=zone, overrides=tuple(held), since=-(10**18)), begin


@settings(max_examples=40)
@example((history(layer("a", "b", unit=TurnUnit.HOURS, start=wall("2027-03-27T01:00"), hand_over=60)), datetime(2027, 3, 27, tzinfo=UTC)))
@given(_histories())
def test_the_schedule_is_what_a_walk_over_every_minute_finds(case: tuple[RotationHistory, datetime]) -> None:
    """In zones whose clocks change by an hour, by half of one, or by a day; and its intervals leave no hole."""
    past, begin = case
    minutes = 3 * 1440
    first = round(begin.timestamp()) * 1_000_000
    found = duty_intervals(past, first, first + minutes * MINUTE)
    assert (found[0].start, found[-1].end) == (first, first + minutes * MINUTE)
    assert all(one.end == other.start for one, other in pairwise(found))
    expected = Walk(past, begin, minutes).found
    place = 0
    for minute, people in enumerate(expected):
        while found[place].end <= first + minute * MINUTE:
            place += 1
        assert tuple(sorted(found[place].recipients)) == people, (begin + timedelta(minutes=minute), found[place])
        assert (DutyLabel.DOUBLE_COVER in found[place].labels) == (len(people) > 1)
    middle = first + minutes // 2 * MINUTE
    at = duty_at(past, middle)
    assert at is not None
    assert tuple(sorted(at.recipients)) == expected[minutes // 2]
