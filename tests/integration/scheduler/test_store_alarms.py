"""Alarms on each database."""

import asyncio

import pytest
from msgspec import structs
from sqlalchemy import select

from scheduler_svc.domain import (
    Alarm,
    AlarmNotFound,
    AlarmState,
    Priority,
    RequestedAlarmDeleted,
    RequestIdReused,
    RetryPolicy,
)
from scheduler_svc.ports import NewAlarm
from scheduler_svc.store.tables import alarm_labels
from tests.integration.scheduler.stores import NOW, SECOND, Stores, alarm
from tocsin.listing import Condition
from tocsin.recurrence import CatchUp, CatchUpMode, Every, Trigger


async def test_an_alarm_is_read_back_as_it_was_stored(stores: Stores) -> None:
    """Every field survives, whatever its text."""
    made = alarm(
        display_name="naïve ☎ 'quoted'",
        labels={"team": "core", "ünï": "cødé"},
        priority=Priority.BULK,
        trigger=Trigger(spec=Every(SECOND), time_zone="Europe/Paris", catch_up=CatchUp(mode=CatchUpMode.ALL, limit=3, window=5)),
        retry=RetryPolicy(max_attempts=3, initial_backoff=0),
        traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
        skip_before=NOW + 7,
    )
    await stores.add(made)
    assert await stores.alarms.get("t1", made.id) == made


async def test_labels_are_found_by_what_the_alarm_has_now(stores: Stores) -> None:
    """The index of labels follows each change, but none that did not come about, and is empty when the alarm is gone."""
    made = alarm(labels={"team": "core", "ünï": 'c"ø\\dé'})
    await stores.add(made, alarm(labels={"team": "core"}))
    kept = await _labels(stores)
    for stale in (structs.replace(made, labels={}, version=7), structs.replace(made, labels={}, tenant="t2", version=2)):
        assert await stores.alarms.update(stale, reschedule=False) is None
    assert await _labels(stores) == kept
    assert await stores.alarms.update(structs.replace(made, labels={"team": "edge"}, version=2), reschedule=False) is not None
    assert [value for _, value in await _labels(stores)] == ["core", "edge"]
    assert await stores.alarms.delete("t1", made.id, version=None, now=NOW)
    assert [value for _, value in await _labels(stores)] == ["core"]


async def _labels(stores: Stores) -> list[tuple[str, str]]:
    async with stores.database.read() as connection:
        found = await connection.execute(select(alarm_labels.c.name, alarm_labels.c.value).order_by(alarm_labels.c.value))
        return [(row.name, row.value) for row in found]


async def test_tenants_do_not_see_each_other(stores: Stores) -> None:
    """Another tenant's alarm can be neither read, listed, changed nor removed."""
    made = alarm()
    await stores.add(made)
    with pytest.raises(AlarmNotFound):
        await stores.alarms.get("t2", made.id)
    assert await stores.alarms.page("t2", conditions=(), before=None, size=10) == ([], None)
    assert await stores.alarms.update(structs.replace(made, tenant="t2", version=2), reschedule=True) is None
    assert await stores.alarms.pause("t2", made.id, now=NOW) is None
    assert not await stores.alarms.delete("t2", made.id, version=None, now=NOW)
    assert await stores.alarms.get("t1", made.id) == made


@pytest.mark.parametrize(
    ("field", "value", "key", "expected"),
    [
        ("state", "PAUSED", "", {1}),
        ("priority", "CRITICAL", "", {0}),
        ("priority", "NORMAL", "", {1, 2}),
        ("display_name", "two", "", {2}),
        ("labels", "core", "team", {0, 2}),
        ("labels", "core", "other", set[int]()),
    ],
)
async def test_a_list_meets_its_filter(stores: Stores, field: str, value: str, key: str, expected: set[int]) -> None:
    """Each allowed field selects what it says."""
    made = [
        alarm(labels={"team": "core"}, priority=Priority.CRITICAL),
        alarm(state=AlarmState.PAUSED, labels={"team": "ops"}),
        alarm(display_name="two", labels={"team": "core", "x": "core"}),
    ]
    await stores.add(*made)
    found = await stores.alarms.page("t1", conditions=[Condition(field=field, operator="=", value=value, key=key)], before=None, size=10)
    assert {one.id for one in found.alarms} == {made[number].id for number in expected}


async def test_pages_go_from_the_newest_on(stores: Stores) -> None:
    """Walking by the last id finds each alarm once."""
    made = [alarm() for _ in range(7)]
    await stores.add(*made)
    found: list[Alarm] = []
    page = await stores.alarms.page("t1", conditions=(), before=None, size=3)
    while True:
        found += page.alarms
        if page.next is None:
            break
        page = await stores.alarms.page("t1", conditions=(), before=page.next, size=3)
    assert [one.id for one in found] == sorted((one.id for one in made), reverse=True)


async def test_a_repeated_request_gets_the_first_alarm(stores: Stores) -> None:
    """In one batch, in a later one, and from two replicas at once: one alarm; other content under the same id is refused."""
    first = [NewAlarm(alarm=alarm(), request_id="r1", digest="d1") for _ in range(2)]
    other = NewAlarm(alarm=alarm(), request_id="r1", digest="d2")
    stranger = NewAlarm(alarm=alarm(tenant="t2"), request_id="r1", digest="d2")
    results = await stores.alarms.create([*first, other, stranger])
    assert results[0] == results[1] == first[0].alarm
    assert isinstance(results[2], RequestIdReused)
    assert results[3] == stranger.alarm
    again = NewAlarm(alarm=alarm(), request_id="r1", digest="d1")
    assert await stores.alarms.create([again]) == [first[0].alarm]
    racing = [[NewAlarm(alarm=alarm(), request_id=f"r{number}", digest="d") for number in range(20, 0, -1)] for _ in range(4)]
    batches = await asyncio.gather(*(stores.alarms.create(batch) for batch in racing))
    assert all(batch[:-1] == batches[0][:-1] for batch in batches)
    assert len((await stores.alarms.page("t1", conditions=(), before=None, size=100)).alarms) == 1 + 19
    assert all(isinstance(batch[-1], RequestIdReused) for batch in batches)


async def test_a_repeated_request_whose_alarm_is_gone_says_so(stores: Stores) -> None:
    """It does not make another one."""
    new = NewAlarm(alarm=alarm(), request_id="r", digest="d")
    await stores.alarms.create([new])
    assert await stores.alarms.delete("t1", new.alarm.id, version=None, now=NOW)
    (result,) = await stores.alarms.create([NewAlarm(alarm=alarm(), request_id="r", digest="d")])
    assert isinstance(result, RequestedAlarmDeleted)


async def test_a_change_needs_the_version_before(stores: Stores) -> None:
    """Of two changes of one version, one wins; the labels' index follows."""
    made = alarm(labels={"a": "1"})
    await stores.add(made)
    changed = await stores.alarms.update(structs.replace(made, version=2, labels={"b": "2"}, display_name="x"), reschedule=False)
    assert changed is not None
    assert (changed.labels, changed.display_name, changed.version) == ({"b": "2"}, "x", 2)
    assert await stores.alarms.update(structs.replace(made, version=2, display_name="y"), reschedule=False) is None
    for key, value, count in (("a", "1", 0), ("b", "2", 1)):
        where = [Condition(field="labels", operator="=", value=value, key=key)]
        assert len((await stores.alarms.page("t1", conditions=where, before=None, size=5)).alarms) == count


async def test_a_change_without_reschedule_leaves_the_schedule_alone(stores: Stores) -> None:
    """What the engine wrote since the alarm was read stays."""
    made = alarm(trigger=Trigger(spec=Every(SECOND)))
    await stores.add(made)
    await stores.fire((made.id, NOW))
    changed = await stores.alarms.update(structs.replace(made, version=2, display_name="x"), reschedule=False)
    assert changed is not None
    assert (changed.due, changed.ordinal) == (NOW + SECOND, 1)


async def test_pause_and_resume_change_an_alarm_once(stores: Stores) -> None:
    """A second pause, or a resume of an active alarm, changes nothing; the pause is remembered as a gap."""
    made = alarm()
    await stores.add(made)
    assert await stores.alarms.resume("t1", made.id, now=NOW) is None
    paused = await stores.alarms.pause("t1", made.id, now=NOW + 1)
    assert paused is not None
    assert (paused.state, paused.version, paused.updated, paused.due) == (AlarmState.PAUSED, 2, NOW + 1, NOW)
    assert await stores.alarms.pause("t1", made.id, now=NOW + 2) is None
    resumed = await stores.alarms.resume("t1", made.id, now=NOW + 3)
    assert resumed is not None
    assert (resumed.state, resumed.version, resumed.skip_before) == (AlarmState.ACTIVE, 3, NOW + 3)


async def test_old_requests_are_forgotten_in_steps(stores: Stores) -> None:
    """Only those made before the instant, a few at a time."""
    await stores.alarms.create([NewAlarm(alarm=alarm(created=NOW + number), request_id=str(number), digest="d") for number in range(5)])
    assert await stores.housekeeping.forget_requests(before=NOW + 3, most=2) == 2
    assert await stores.housekeeping.forget_requests(before=NOW + 3, most=2) == 1
    assert await stores.housekeeping.forget_requests(before=NOW + 3, most=2) == 0
    assert (await stores.housekeeping.count_alarms())["ACTIVE"] == 5
