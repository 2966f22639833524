"""Preview and validation of triggers, and alarms of every rule of the calendar, through a running scheduler."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from tests.integration.scheduler.support import Rig, every
from tocsin import errors
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.recurrence import zone as zone_of
from tocsin.testing.clock import FakeClock

Trigger = alarm_pb2.Trigger
Label = alarm_service_pb2.Occurrence.Label
PARIS = "Europe/Paris"


@pytest.fixture
async def rig(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Rig]:
    """A scheduler whose clock begins at 2026-01-01T00:00Z."""
    made = Rig(folder=tmp_path, clock=clock)
    await made.start()
    yield made
    stopping = asyncio.create_task(made.stop())
    while not stopping.done():  # draining waits on the clock
        await clock.advance(0.2)
        await asyncio.sleep(0.005)
    await stopping


async def _preview(rig: Rig, trigger: alarm_pb2.Trigger, *, start: str = "", count: int = 0) -> list[tuple[str, str, str]]:
    request = alarm_service_pb2.PreviewAlarmRequest(trigger=trigger, count=count)
    if start:
        getattr(request, "from").FromDatetime(datetime.fromisoformat(start).astimezone(UTC))
    with rig.user(zone="Asia/Tokyo"):
        found = await rig.alarms.PreviewAlarm(request)
    return [
        (f"{item.time.ToDatetime():%m-%dT%H:%M}" if item.HasField("time") else "", item.local_time, Label.Name(item.label))
        for item in found.occurrences
    ]


async def _validate(rig: Rig, trigger: alarm_pb2.Trigger) -> Any:
    with rig.user():
        return await rig.alarms.ValidateAlarm(alarm_service_pb2.ValidateAlarmRequest(trigger=trigger))


async def test_a_preview_tells_what_becomes_of_each_time(rig: Rig) -> None:
    """Shifted, skipped, repeated and excluded times are labelled; those that do not fire are not counted."""
    night = Trigger(cron="30 2 * * *", time_zone=PARIS, exclude_dates=["2026-03-30"])
    assert await _preview(rig, night, start="2026-03-28T00:00Z", count=3) == [
        ("03-28T01:30", "2026-03-28T02:30:00+01:00", "PLAIN"),
        ("03-29T01:00", "2026-03-29T03:00:00+02:00", "SHIFTED"),
        ("03-30T00:30", "2026-03-30T02:30:00+02:00", "EXCLUDED"),
        ("03-31T00:30", "2026-03-31T02:30:00+02:00", "PLAIN"),
    ]
    dst = alarm_pb2.DstPolicy(gap=alarm_pb2.DstPolicy.SKIP, overlap=alarm_pb2.DstPolicy.BOTH)
    careful = Trigger(rrule="DTSTART;TZID=Europe/Paris:20260101T023000\nRRULE:FREQ=DAILY", dst=dst)
    assert await _preview(rig, careful, start="2026-03-29T00:00Z", count=1) == [
        ("", "2026-03-29T02:30:00", "SKIPPED"),
        ("03-30T00:30", "2026-03-30T02:30:00+02:00", "PLAIN"),
    ]
    assert await _preview(rig, careful, start="2026-10-25T00:30Z", count=2) == [
        ("10-25T00:30", "2026-10-25T02:30:00+02:00", "PLAIN"),
        ("10-25T01:30", "2026-10-25T02:30:00+01:00", "REPEATED"),
    ]


@pytest.mark.parametrize(
    ("rule", "gap", "expected"),
    [
        ("*/30 2 * * *", None, [("", "T02:00:00", "SWALLOWED"), ("", "T02:30:00", "SWALLOWED")]),
        ("0,30 2 * * *", None, [("01:00", "T03:00:00+02:00", "SHIFTED"), ("", "T02:30:00", "SWALLOWED")]),
        (
            "0 1,2,3 * * *",
            None,
            [("00:00", "T01:00:00+01:00", "PLAIN"), ("", "T02:00:00", "SWALLOWED"), ("01:00", "T03:00:00+02:00", "PLAIN")],
        ),
        ("30 2 * * *", "OFFSET", [("01:30", "T03:30:00+02:00", "SHIFTED")]),
        ("30 2,3 * * *", "OFFSET", [("", "T02:30:00", "SWALLOWED"), ("01:30", "T03:30:00+02:00", "PLAIN")]),
        ("0,30 2 * * *", "SKIP", [("", "T02:00:00", "SKIPPED"), ("", "T02:30:00", "SKIPPED")]),
    ],
)
async def test_a_preview_is_not_silent_about_what_a_gap_swallows(
    rig: Rig, rule: str, gap: str | None, expected: list[tuple[str, str, str]]
) -> None:
    """On the day when Paris has no 02:00 to 03:00."""
    dst = alarm_pb2.DstPolicy(gap=alarm_pb2.DstPolicy.Gap.Value(gap)) if gap else None
    shown = await _preview(rig, Trigger(cron=rule, time_zone=PARIS, dst=dst), start="2026-03-28T23:00Z", count=4)
    told = [(time.removeprefix("03-29T"), local.removeprefix("2026-03-29"), label) for time, local, label in shown if "03-29T" in local]
    assert told == expected


async def test_a_preview_of_nothing_is_refused_as_create_refuses_it(rig: Rig) -> None:
    """Whether it begins now or another day."""
    for start in ("", "2026-03-28T23:00Z"):
        with pytest.raises(errors.InvalidInput) as refused:
            await _preview(rig, Trigger(cron="0 9 30 2 *"), start=start)
        assert refused.value.violations[0].field == "trigger.cron"
        assert "no due time" in refused.value.violations[0].description


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "UTC"])
async def test_the_ends_of_the_calendar_are_answered_or_refused(rig: Rig, zone: str) -> None:
    """Years 1 and 9999 in a zone ahead of UTC and one behind: no time overflows."""
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    rules: list[dict[str, Any]] = [
        {"cron": "0 9 * * *"},
        {"rrule": "FREQ=HOURLY;COUNT=3"},
        {"rrule": "DTSTART:00010101T000000\nRRULE:FREQ=DAILY"},
        {"rrule": "DTSTART:99991231T235959\nRRULE:FREQ=DAILY"},
        {"rrule": "DTSTART:00010101T000000Z\nRRULE:FREQ=YEARLY;UNTIL=99991231T235959Z"},
        {"rrule": "RDATE:00010101T000000,99991231T235959"},
        {"daily": alarm_pb2.Daily(time="23:59:59")},
        {"every": Duration(seconds=3600)},
        {"at": first},
        {"at": last},
    ]
    for rule in rules:
        bounds: list[dict[str, Any]] = [
            {},
            {"start_time": first},
            {"start_time": last},
            {"end_time": last},
            {"end_time": first},
            {"exclude_dates": ["0001-01-01", "9999-12-31", "9999-12-31T23:59:59", "0001-01-01T00:00:00Z"]},
        ]
        for more in bounds:
            trigger = Trigger(time_zone=zone, **rule, **more)
            await _validate(rig, trigger)
            for start in ("", "0001-01-01T00:00Z", "9999-12-31T23:59:59Z"):
                with suppress(errors.InvalidInput):
                    await _preview(rig, trigger, start=start, count=3)
            with suppress(errors.InvalidInput):
                await rig.create(trigger=trigger)


async def test_a_preview_begins_now_in_the_tenants_zone(rig: Rig) -> None:
    """Ten times unless said otherwise, never more than the rule has; what listens has none; a bad rule is refused."""
    assert (await _preview(rig, Trigger(cron="0 9 * * *")))[0] == ("01-02T00:00", "2026-01-02T09:00:00+09:00", "PLAIN")
    assert len(await _preview(rig, Trigger(cron="0 9 * * *", jitter=Duration(seconds=3600)))) == 10
    assert len(await _preview(rig, every(60, count=3))) == 3
    assert (await _preview(rig, every(60)))[0][0] == "01-01T00:01"
    assert await _preview(rig, Trigger(event=alarm_pb2.Event(topic="orders.**"))) == []
    with pytest.raises(errors.InvalidInput) as refused:
        await _preview(rig, Trigger(cron="0 25 * * *"))
    assert refused.value.violations[0].field == "trigger.cron"


async def test_a_good_trigger_is_told_in_words_with_its_next_times(rig: Rig) -> None:
    """As an alarm would be made of it now."""
    answer = await _validate(rig, Trigger(cron="0 9 * * MON-FRI", time_zone=PARIS))
    assert (answer.valid, answer.description) == (True, "At 09:00, Monday through Friday, Europe/Paris")
    assert [item.local_time for item in answer.occurrences][:2] == ["2026-01-01T09:00:00+01:00", "2026-01-02T09:00:00+01:00"]


@pytest.mark.parametrize(
    ("trigger", "field", "reason", "position"),
    [
        (Trigger(cron="0 25 * * *"), "trigger.cron", "hour: 25 is not within 0-23", 2),
        (Trigger(rrule="DTSTART:20260101T090000\nRRULE:FREQ=DAILY;BYHOUR=25"), "trigger.rrule", "line 2", 48),
        (Trigger(cron="0 0 31 2 *"), "trigger.cron", "no due time", None),
        (Trigger(cron="@daily", exclude_dates=["soon"]), "trigger.excludeDates[0]", "'soon' is not", None),
        (Trigger(cron="@daily", time_zone="Mars/Olympus"), "trigger.timeZone", "is not a time zone", None),
        (Trigger(daily=alarm_pb2.Daily(time="25:00")), "trigger.daily.time", "", None),
        (Trigger(), "trigger", "", None),
        (every(0.5), "trigger.every", "", None),
    ],
)
async def test_a_bad_trigger_is_explained(rig: Rig, trigger: alarm_pb2.Trigger, field: str, reason: str, position: int | None) -> None:
    """Answered, not refused: the field, the reason, and the place in the text if there is one."""
    answer = await _validate(rig, trigger)
    problem = answer.problems[0]
    assert (answer.valid, answer.description, list(answer.occurrences)) == (False, "", [])
    assert problem.field.startswith(field)
    assert reason in problem.reason
    assert (problem.position if problem.HasField("position") else None) == position


async def test_alarms_of_every_rule_are_made_and_read_back(rig: Rig) -> None:
    """What was given comes back, with the zone that the rule names and the next due time."""
    rules = {
        "cron": ("0 9 * * MON-FRI", "UTC", datetime(2026, 1, 1, 9, tzinfo=UTC)),
        "rrule": ("DTSTART;TZID=Europe/Paris:20260201T090000\nRRULE:FREQ=MONTHLY", PARIS, datetime(2026, 2, 1, 8, tzinfo=UTC)),
    }
    for rule, (text, zone, due) in rules.items():
        given: dict[str, Any] = {rule: text, "exclude_dates": ["2026-03-02"], "overlap": Trigger.SKIP}
        made = await rig.create(trigger=Trigger(**given))
        del made.warnings[:]  # there is no processor here that could say whether the action is good
        assert made == await rig.get(made.name)
        assert made.trigger == Trigger(**given, time_zone=zone)
        assert made.next_fire_time.ToDatetime(tzinfo=UTC) == due
    moved = await rig.create(trigger=Trigger(cron="0 9 * * *", jitter=Duration(seconds=3600)))
    assert datetime(2026, 1, 1, 9, tzinfo=UTC) <= moved.next_fire_time.ToDatetime(tzinfo=UTC) < datetime(2026, 1, 1, 10, tzinfo=UTC)
    with pytest.raises(errors.InvalidInput) as refused:
        await rig.create(trigger=Trigger(rrule="FREQ=DAILY;BYHOUR=25"))
    assert refused.value.metadata["position"] == "18"


async def test_a_local_time_stays_one(rig: Rig) -> None:
    """It is read back as it was given, fires once, and is refused when the zone does not have it."""
    made = await rig.create(trigger=Trigger(at_local="2027-01-15T09:00:00", time_zone="Africa/Casablanca"))
    assert made.trigger == Trigger(at_local="2027-01-15T09:00:00", time_zone="Africa/Casablanca")
    expected = datetime(2027, 1, 15, 9, tzinfo=zone_of("Africa/Casablanca"))
    assert made.next_fire_time.ToDatetime(tzinfo=UTC) == expected
    assert [label for _, _, label in await _preview(rig, made.trigger, count=5)] == ["PLAIN"]
    night = Trigger(at_local="2026-03-29T02:30:00", time_zone=PARIS)
    for bad in (night, Trigger(at_local="2026-02-30T09:00:00", time_zone=PARIS), Trigger(at_local="2025-01-01T09:00:00")):
        answer = await _validate(rig, bad)
        assert [problem.field for problem in answer.problems] == ["trigger.atLocal"]
    night.dst.gap = alarm_pb2.DstPolicy.OFFSET
    assert await _preview(rig, night) == [("03-29T01:30", "2026-03-29T03:30:00+02:00", "SHIFTED")]
