"""What every rule of the calendar takes: exclusions, jitter, spread, bounds; and what is refused."""

from dataclasses import replace
from datetime import UTC, datetime, time
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.clock import from_micros, to_micros
from tocsin.errors import InvalidInput
from tocsin.recurrence import (
    At,
    CatchUp,
    CatchUpMode,
    Comparison,
    Cron,
    Daily,
    Event,
    Every,
    Heartbeat,
    Label,
    Overlapping,
    Recurrence,
    Spec,
    Threshold,
    Trigger,
    anchor_of,
    checked_due,
    compiled,
    describe,
    first_due,
    normalized,
    rule_of,
)
from tocsin.recurrence.specs import DstPolicy, Gap, Overlap

SECOND = 1_000_000
DAY = 86_400 * SECOND
NOW = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
PARIS = "Europe/Paris"


def _due(trigger: Trigger, number: int, after: int = NOW, seed: str = "") -> list[str]:
    rule = rule_of(trigger, anchor=NOW, seed=seed)
    found: list[str] = []
    occurrence = rule.next_after(after)
    while occurrence is not None and len(found) < number:
        found.append(f"{from_micros(occurrence.due):%m-%dT%H:%M}")
        occurrence = rule.next_after(occurrence.due)
    return found


NINE = Cron("0 9 * * *")


@pytest.mark.parametrize(
    ("spec", "exclude", "expected"),
    [
        (NINE, ("2026-01-02",), ["01-01T08:00", "01-03T08:00", "01-04T08:00"]),
        (NINE, ("2026-01-01", "2026-01-02", "2026-01-03"), ["01-04T08:00", "01-05T08:00", "01-06T08:00"]),
        (NINE, ("2026-01-02T09:00:00",), ["01-01T08:00", "01-03T08:00", "01-04T08:00"]),
        (NINE, ("2026-01-02T09:00",), ["01-01T08:00", "01-03T08:00", "01-04T08:00"]),
        (NINE, ("2026-01-02T08:00:00Z", "2026-01-03T17:00:00+09:00"), ["01-01T08:00", "01-04T08:00", "01-05T08:00"]),
        (NINE, ("2026-01-02T09:00:01", "2026-01-02T09:00:00Z"), ["01-01T08:00", "01-02T08:00", "01-03T08:00"]),
        (Daily(time(9)), ("2026-01-02",), ["01-01T08:00", "01-03T08:00", "01-04T08:00"]),
        # An interval has no wall time of its own: a day is one of the trigger's zone.
        (Every(8 * 3600 * SECOND), ("2026-01-02", "2026-01-01T17:00:00"), ["01-01T08:00", "01-03T00:00", "01-03T08:00"]),
        (Recurrence("FREQ=DAILY;BYHOUR=9"), ("2026-01-02",), ["01-01T08:00", "01-03T08:00", "01-04T08:00"]),
    ],
)
def test_what_is_excluded_is_no_due_time(spec: Spec, exclude: tuple[str, ...], expected: list[str]) -> None:
    """A local day, a local time, or an instant."""
    assert _due(Trigger(spec=spec, time_zone=PARIS, exclude=exclude), 3) == expected


def test_a_shifted_time_is_excluded_by_the_time_that_the_rule_means() -> None:
    """Who leaves out 02:30 means that due time, also when it would fire at three."""
    night = Trigger(spec=Cron("30 2 * * *"), time_zone=PARIS)
    after = to_micros(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert _due(night, 1, after) == ["03-29T01:00"]
    for entry in ("2026-03-29T02:30:00", "2026-03-29", "2026-03-29T01:00:00Z"):
        assert _due(replace(night, exclude=(entry,)), 1, after) == ["03-30T00:30"]


@pytest.mark.parametrize(
    "entry", ["tomorrow", "2026-02-30", "2026-1-1", "2026-01-01T25:00", "2026-01-01T09:00:00.5", "20260101", "2026-01-01 09:00", ""]
)
def test_a_bad_exclusion_is_refused_with_its_index(entry: str) -> None:
    """The entry is named."""
    with pytest.raises(InvalidInput) as refused:
        rule_of(Trigger(spec=NINE, exclude=("2026-01-01", entry)), anchor=0)
    assert refused.value.violations[0].field == "trigger.excludeDates[1]"


SPECS: st.SearchStrategy[Spec] = st.sampled_from(
    [
        Cron("*/5 * * * *"),
        Cron("0 9 * * MON-FRI"),
        Cron("*/40 * * * * *"),
        Daily(time(2, 30)),
        Every(7 * SECOND),
        Every(3600 * SECOND),
        Recurrence("FREQ=HOURLY;INTERVAL=5"),
        Recurrence("FREQ=SECONDLY;INTERVAL=13"),
        Recurrence("FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=0,30"),
        Recurrence("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1;BYHOUR=1,3"),
    ]
)
TRIGGERS = st.builds(
    Trigger,
    spec=SPECS,
    time_zone=st.sampled_from([PARIS, "Australia/Lord_Howe", "UTC"]),
    jitter=st.sampled_from([0, 1, 999, 30 * SECOND, 3600 * SECOND, DAY]),
    spread=st.just(DAY),
    spread_offset=st.sampled_from([0, 17 * SECOND, 5 * 3600 * SECOND]),
    exclude=st.sampled_from([(), ("2026-03-29",), ("2026-10-25T02:30:00", "2026-10-24")]),
    dst=st.none() | st.builds(DstPolicy, gap=st.none() | st.sampled_from(Gap), overlap=st.none() | st.sampled_from(Overlap)),
)
INSTANTS = st.one_of(
    st.integers(NOW, NOW + 700 * DAY),
    st.integers(-3 * 3600, 3 * 3600).map(lambda s: to_micros(datetime(2026, 3, 29, 1, tzinfo=UTC)) + s * SECOND),
    st.integers(-3 * 3600, 3 * 3600).map(lambda s: to_micros(datetime(2026, 10, 25, 1, tzinfo=UTC)) + s * SECOND),
)


@given(TRIGGERS, INSTANTS, st.sampled_from(["a", "b"]))
def test_due_times_are_in_order_however_one_asks(trigger: Trigger, instant: int, seed: str) -> None:
    """Each is later than the one before; between, shown and a walk agree; asking between two of them finds the second."""
    rule = rule_of(trigger, anchor=NOW - 11, seed=seed)
    walked, due = list[int](), instant
    for _ in range(8):
        found = rule.next_after(due)
        assert found is not None
        assert found.due > due
        assert rule.next_after((due + found.due) // 2) == found
        walked.append(found.due)
        due = found.due
    assert [found.due for found in rule.between(instant + 1, due + 1)] == walked
    shown = list(islice(rule.shown_after(instant), 400))
    assert [found.due for found in shown] == sorted(found.due for found in shown)
    fires = [found.due for found in shown if found.label.fires]
    assert fires[: len(walked)] == walked[: len(fires)]


@given(TRIGGERS, INSTANTS, st.sampled_from(["a", "b"]))
def test_jitter_moves_each_due_time_by_less_than_lies_before_the_next(trigger: Trigger, instant: int, seed: str) -> None:
    """The plain rule's times are there one for one, each moved by a part of the jitter that is always the same."""
    plain = rule_of(replace(trigger, jitter=0), anchor=NOW, seed=seed)
    moved = rule_of(trigger, anchor=NOW, seed=seed)
    times = [found.due for found in islice(plain.between(instant, instant + 900 * DAY), 7)]
    for time_, following in pairwise(times):
        found = moved.next_after(time_ - 1)
        assert found is not None
        assert time_ <= found.due < min(following, time_ + max(trigger.jitter, 1))


def test_jitter_belongs_to_the_alarm_and_the_due_time() -> None:
    """Whoever knows the alarm's id can recompute it; alarms that share a trigger part."""
    trigger = Trigger(spec=Every(3600 * SECOND), jitter=1800 * SECOND).encode()
    found = {seed: list(compiled(trigger, NOW, seed=seed).rule.between(NOW, NOW + 50 * 3600 * SECOND)) for seed in ("a", "b", "a ")}
    offsets = {seed: [o.due - NOW - index * 3600 * SECOND for index, o in enumerate(times)] for seed, times in found.items()}
    assert offsets["a"] != offsets["b"]
    assert all(0 <= offset < 1800 * SECOND and offset % 1000 == 0 for values in offsets.values() for offset in values)
    assert len(set(offsets["a"])) > 40
    assert offsets["a"][:3] == [847084000, 760135000, 692600000]


def test_no_due_time_reaches_the_end() -> None:
    """Neither by jitter nor by the spread."""
    end = NOW + 10 * 60 * SECOND
    trigger = Trigger(spec=Every(60 * SECOND), end=end, jitter=3600 * SECOND, spread=DAY, spread_offset=90 * SECOND)
    due = [found.due for found in rule_of(trigger, anchor=NOW, seed="a").between(NOW, NOW + DAY)]
    assert len(due) == 9
    assert max(due) < end
    assert min(due) >= NOW + 90 * SECOND


def test_an_alarm_does_not_begin_with_what_lay_before_it() -> None:
    """With a jitter the anchor itself could come after the alarm was made; it is not a due time."""
    trigger = Trigger(spec=Every(3600 * SECOND), jitter=1800 * SECOND)
    due = first_due(trigger, now=NOW, seed="a")
    assert due is not None
    assert NOW + 3600 * SECOND <= due < NOW + 5400 * SECOND


LISTENING = [
    Event("orders.*", 'data.country="FR"'),
    Threshold(metric="cellar", comparison=Comparison.LESS_OR_EQUAL, value=-1.5, for_duration=SECOND, hysteresis=0.5, notify_resolved=False),
    Heartbeat(every=60 * SECOND, grace=0, key="backup", notify_resolved=False),
    Heartbeat(every=60 * SECOND),
]


@given(
    st.builds(
        Trigger,
        spec=SPECS | st.sampled_from(LISTENING),
        time_zone=st.sampled_from(["", PARIS]),
        start=st.none() | st.integers(-5, 5),
        end=st.none() | st.integers(-5, 5),
        count=st.integers(0, 3),
        exclude=st.lists(st.sampled_from(["2026-01-01", "2026-01-01T09:00:00"])).map(tuple),
        jitter=st.integers(0, 3),
        overlap=st.sampled_from(Overlapping),
        spread=st.integers(0, 3),
        spread_offset=st.integers(0, 3),
        catch_up=st.none() | st.just(CatchUp(mode=CatchUpMode.ALL, limit=3, window=5)),
        dst=st.none() | st.just(DstPolicy(gap=Gap.SKIP)),
    )
)
def test_a_stored_trigger_comes_back_as_it_was(trigger: Trigger) -> None:
    """Encoding and decoding is the identity, for what listens, too; only that has no due time of its own."""
    assert Trigger.decode(trigger.encode()) == trigger
    assert trigger.calendar is (trigger.spec not in LISTENING)
    if not trigger.calendar:
        assert rule_of(trigger, anchor=0).next_after(0) is None


LOCAL = "DTSTART;TZID=Europe/Paris:20260329T023000"


@pytest.mark.parametrize(
    ("trigger", "field", "reason"),
    [
        (Trigger(spec=NINE, time_zone="Mars/Olympus"), "trigger.timeZone", "is not a time zone"),
        (Trigger(spec=NINE, start=NOW + DAY, end=NOW + DAY), "trigger.endTime", "must be after"),
        (Trigger(spec=NINE, start=NOW, end=NOW + 3600 * SECOND), "trigger.cron", "between startTime and endTime"),
        (Trigger(spec=NINE, end=NOW), "trigger.cron", "between startTime and endTime"),
        (Trigger(spec=Every(999_999)), "trigger.every", "at least one second"),
        (Trigger(spec=At(NOW)), "trigger.at", "is in the past"),
        (Trigger(spec=At(NOW + 1), exclude=("2026-01-01",)), "trigger.excludeDates", "leaves no due time"),
        (Trigger(spec=Cron("0 0 30 2 *")), "trigger.cron", "means no time that exists"),
        (Trigger(spec=Recurrence("FREQ=DAILY;UNTIL=20251201"), end=NOW + DAY), "trigger.rrule", "no due time to come"),
        (Trigger(spec=Recurrence("DTSTART:20260105T090000\nEXDATE:20260105T090000")), "trigger.rrule", "all are excluded"),
        (Trigger(spec=Recurrence(LOCAL), time_zone=PARIS), "trigger.rrule", "2026-03-29T02:30:00 does not exist in Europe/Paris"),
        (Trigger(spec=Recurrence(LOCAL), time_zone=PARIS, dst=DstPolicy(gap=Gap.SKIP)), "trigger.rrule", "means no time that exists"),
        (Trigger(spec=Recurrence(LOCAL), time_zone="UTC"), "trigger.timeZone", "is not the zone of DTSTART"),
        (Trigger(spec=NINE, spread=1, spread_offset=2), "trigger.spreadOffset", "more than spread"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused(trigger: Trigger, field: str, reason: str) -> None:
    """With the field and the reason."""
    with pytest.raises(InvalidInput) as refused:
        checked_due(trigger, now=NOW)
    assert refused.value.violations[0].field == field
    assert reason in refused.value.violations[0].description


def test_a_local_time_in_a_zone_is_a_dtstart_alone() -> None:
    """The zone comes from the text; a time in a gap needs a policy."""
    trigger = normalized(Trigger(spec=Recurrence("DTSTART;TZID=Asia/Tokyo:20260601T090000"), time_zone=""), time_zone=PARIS)
    assert trigger.time_zone == "Asia/Tokyo"
    assert checked_due(trigger, now=NOW) == to_micros(datetime(2026, 6, 1, tzinfo=UTC))
    shifted = Trigger(spec=Recurrence(LOCAL), time_zone=PARIS, dst=DstPolicy(gap=Gap.SHIFT))
    assert checked_due(shifted, now=NOW) == to_micros(datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert normalized(Trigger(spec=NINE, time_zone="", spread_offset=5), time_zone=PARIS) == Trigger(spec=NINE, time_zone=PARIS)


def test_what_does_not_fire_is_shown() -> None:
    """Skipped and excluded times are told between those that fire, in order."""
    trigger = Trigger(spec=Cron("30 2 * * *"), time_zone=PARIS, dst=DstPolicy(gap=Gap.SKIP, overlap=Overlap.BOTH), exclude=("2026-03-30",))
    shown = islice(rule_of(trigger, anchor=0).shown_after(to_micros(datetime(2026, 3, 28, tzinfo=UTC))), 4)
    assert [found.label for found in shown] == [Label.PLAIN, Label.SKIPPED, Label.EXCLUDED, Label.PLAIN]
    autumn = islice(rule_of(trigger, anchor=0).shown_after(to_micros(datetime(2026, 10, 25, tzinfo=UTC))), 2)
    assert [found.label for found in autumn] == [Label.PLAIN, Label.REPEATED]


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (Trigger(spec=Cron("0 9 * * MON-FRI"), time_zone=PARIS), "At 09:00, Monday through Friday, Europe/Paris"),
        (Trigger(spec=Cron(" @Daily ")), "At 00:00, UTC"),
        *((Trigger(spec=Cron(text)), "") for text in ("0 0 L-3W * *", "0 0 1,L * *", "0 0 * * MON#2,FRI", "0 0 */15 * FRI")),
        (Trigger(spec=Every(300 * SECOND)), "Every 300 s"),
        (Trigger(spec=Daily(time(9), recurring=False)), "Once, at 09:00:00, UTC"),
        (Trigger(spec=At(NOW)), "Once, at 2026-01-01T00:00:00Z"),
        (Trigger(spec=Recurrence("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=1")), "Every 2 weeks, on Monday, Friday, 1 time in all, UTC"),
        (
            Trigger(spec=Recurrence("DTSTART:20260105T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1MO\nEXDATE:20260105T090000")),
            "Every month, on -1MO; from 2026-01-05T09:00:00; without 1 time, UTC",
        ),
        (Trigger(spec=LISTENING[0]), 'On every event of orders.* that meets data.country="FR"'),
        (Trigger(spec=LISTENING[1]), "When cellar is <= -1.5 for 1 s"),
        (Trigger(spec=LISTENING[3]), "When no ping comes for 120 s"),
    ],
)
def test_a_trigger_is_told_in_words(trigger: Trigger, words: str) -> None:
    """As far as there are words for it."""
    assert describe(trigger) == words


def test_alarms_that_share_a_trigger_share_its_rule() -> None:
    """Unless the rule needs an anchor or a seed, which every alarm has of its own."""
    encoded = Trigger(spec=NINE).encode()
    assert compiled(encoded, 1, seed="a").rule is compiled(encoded, 2, seed="b").rule
    interval = Trigger(spec=Every(SECOND)).encode()
    assert compiled(interval, 1, seed="a").rule is not compiled(interval, 2, seed="a").rule
    assert anchor_of(Trigger(spec=NINE, start=5), now=9) == 5
