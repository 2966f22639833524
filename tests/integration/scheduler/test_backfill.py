"""Backfill: what a rule would have meant, fired once, whatever is asked how often."""

from datetime import time

import pytest

from scheduler_svc.domain import COUNTED, SERIAL, AlarmNotFound, FiringState, Origin, Outcome, firing_id
from scheduler_svc.ports import NewAlarm
from scheduler_svc.service.backfill import NothingToBackfill
from tests.integration.scheduler.stores import NOW, SECOND, Stores, alarm
from tests.integration.scheduler.timetable import T1, Timetable
from tocsin.errors import InvalidInput
from tocsin.recurrence import At, Daily, Event, Every, Overlapping, Trigger
from tocsin.testing.clock import FakeClock

HOUR = 3600 * SECOND
DAY = 24 * HOUR
EVERY_HOUR = Trigger(spec=Every(HOUR))
DAILY = Trigger(spec=Daily(time(9)), time_zone="Europe/Paris")


@pytest.fixture
def timetable(stores: Stores, clock: FakeClock) -> Timetable:
    """Alarms on each kind of database."""
    return Timetable(stores, clock)


async def test_it_fires_what_was_due_before_the_alarm_was_made(timetable: Timetable, stores: Stores) -> None:
    """Each due time of the period becomes the occurrence's own row, late, and the audit finds nothing wrong with it."""
    one = await timetable.make(DAILY)
    done = await timetable.backfills.backfill(T1, one.id, start=NOW - 5 * DAY, end=None, limit=0)
    assert (done.fired, done.known, done.next) == (5, 0, None)
    rows = await stores.all_firings()
    assert [row.due for row in rows] == [NOW - day * DAY + 8 * HOUR for day in (5, 4, 3, 2, 1)]
    assert {(row.origin, row.outcome, row.reason, row.state) for row in rows} == {
        (Origin.BACKFILL, Outcome.LATE, "BACKFILL", FiringState.PENDING)
    }
    assert [row.id for row in rows] == [firing_id(one.id, row.due) for row in rows]
    findings, summary = await timetable.audit(start=NOW - 9 * DAY)
    assert (findings, summary.expected, summary.found) == ([], 5, 5)


async def test_asked_again_it_fires_nothing(timetable: Timetable) -> None:
    """What the ledger has is counted as known: rows of the schedule, and those of a backfill."""
    one = await timetable.make(EVERY_HOUR)
    await timetable.pass_time(3.5 * 3600)
    first = await timetable.backfills.backfill(T1, one.id, start=NOW - DAY, end=None, limit=0)
    assert (first.fired, first.known) == (0, 3)
    other = await timetable.make(DAILY)
    for expected in ((2, 0), (0, 2)):
        done = await timetable.backfills.backfill(T1, other.id, start=NOW - 2 * DAY, end=NOW, limit=0)
        assert (done.fired, done.known) == expected


async def test_it_goes_on_where_it_stopped(timetable: Timetable, stores: Stores) -> None:
    """At the limit it tells the first due time that was left, from which the next call goes on."""
    one = await timetable.make(DAILY)
    start, calls = NOW - 10 * DAY, list[int]()
    while True:
        done = await timetable.backfills.backfill(T1, one.id, start=start, end=None, limit=4)
        calls.append(done.fired)
        if done.next is None:
            break
        start = done.next
    assert calls == [4, 4, 2]
    assert len(await stores.all_firings()) == 10


async def test_a_pause_can_be_made_up_for(timetable: Timetable, stores: Stores) -> None:
    """Due times of a pause that has not ended are fired, and resuming writes no second row."""
    one = await timetable.make(EVERY_HOUR)
    await timetable.alarms.pause(T1, one.id)
    await timetable.pass_time(3.5 * 3600)
    assert (await timetable.backfills.backfill(T1, one.id, start=NOW, end=None, limit=0)).fired == 3
    await timetable.alarms.resume(T1, one.id)
    await timetable.pass_time(3600)
    assert [row.due for row in await stores.all_firings()] == [NOW + hour * HOUR for hour in (1, 2, 3, 4)]
    assert (await timetable.audit())[0] == []


async def test_what_is_being_let_go_is_not_fired_twice(timetable: Timetable, stores: Stores, clock: FakeClock) -> None:
    """A due time that waits for the engine may be taken by either, and has one row."""
    one = await timetable.make(EVERY_HOUR)
    await clock.advance(3700)
    assert (await timetable.backfills.backfill(T1, one.id, start=NOW, end=None, limit=0)).fired == 1
    await timetable.fire()
    assert [(row.due, row.origin) for row in await stores.all_firings()] == [(NOW + HOUR, Origin.BACKFILL)]
    assert (await stores.alarms.get("t1", one.id)).due == NOW + 2 * HOUR


@pytest.mark.parametrize(
    ("trigger", "fired"),
    [
        (Trigger(spec=Every(HOUR)), 0),
        (Trigger(spec=Every(HOUR), start=NOW - 4 * HOUR), 4),
        (Trigger(spec=Every(HOUR), start=NOW - 4 * HOUR, count=2), 4),
        (Trigger(spec=Daily(time(9), recurring=False)), 0),
        (Trigger(spec=At(NOW + HOUR)), 0),
        (Trigger(spec=Daily(time(9)), start=NOW - 2 * DAY), 2),
        (Trigger(spec=Daily(time(9)), exclude=("2025-12-31",)), 3),
    ],
)
async def test_only_what_the_rule_means(timetable: Timetable, trigger: Trigger, fired: int) -> None:
    """Start and exclusions hold; an interval without a start, and what is due once, mean nothing before the alarm was made."""
    one = await timetable.make(trigger)
    assert (
        await timetable.backfills.backfill(T1, one.id, start=NOW - 4 * DAY if fired < 4 else NOW - DAY, end=NOW, limit=0)
    ).fired == fired


async def test_a_count_that_is_used_up_ends_it(timetable: Timetable) -> None:
    """After its last due time a rule with a count means nothing more."""
    one = await timetable.make(Trigger(spec=Every(HOUR), count=3))
    await timetable.pass_time(10 * 3600)
    done = await timetable.backfills.backfill(T1, one.id, start=NOW, end=None, limit=0)
    assert (done.fired, done.known) == (0, 3)


async def test_one_after_the_other_stays_so(timetable: Timetable, stores: Stores) -> None:
    """Where the firing before must have ended, those of a backfill wait for one another; failures count as always."""
    one = alarm(trigger=Trigger(spec=Daily(time(9)), overlap=Overlapping.SKIP), auto_pause_after=3, due=NOW + 9 * HOUR, rule_since=NOW)
    await stores.alarms.create([NewAlarm(alarm=one)])
    await timetable.backfills.backfill(T1, one.id, start=NOW - 2 * DAY, end=None, limit=0)
    assert {row.flags for row in await stores.all_firings()} == {SERIAL | COUNTED}


async def test_what_cannot_be_backfilled_is_refused(timetable: Timetable, stores: Stores, clock: FakeClock) -> None:
    """An empty period, one that the ledger would forget at once, an alarm without due times, and one that is not there."""
    one = await timetable.make(EVERY_HOUR)
    outage = alarm(trigger=Trigger(spec=Event("orders.*")), due=None)
    await stores.alarms.create([NewAlarm(alarm=outage)])
    kept = Timetable(stores, clock, ledger_days=1)
    with pytest.raises(InvalidInput, match="before endTime"):
        await timetable.backfills.backfill(T1, one.id, start=NOW, end=NOW + HOUR, limit=0)
    with pytest.raises(InvalidInput, match="retention of"):
        await kept.backfills.backfill(T1, one.id, start=NOW - 2 * DAY, end=None, limit=0)
    with pytest.raises(NothingToBackfill):
        await timetable.backfills.backfill(T1, outage.id, start=NOW - DAY, end=None, limit=0)
    with pytest.raises(AlarmNotFound):
        await timetable.backfills.backfill(T1, "nobody", start=NOW - DAY, end=None, limit=0)
