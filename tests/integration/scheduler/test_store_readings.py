"""Readings and pings on each database."""

import asyncio
from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from msgspec import structs

from scheduler_svc.domain import Alarm, Firing, Origin, Outcome, new_id
from scheduler_svc.ports import Moved, NewAlarm
from scheduler_svc.triggers import HeartbeatKeyTaken, HeartbeatNotFound, Status
from tests.integration.scheduler.outside import Outside, above, beating, event, neighbour, ping, reading
from tests.integration.scheduler.stores import NOW, SECOND, Stores
from tocsin.testing.clock import FakeClock


@pytest.fixture
def outside(stores: Stores) -> Outside:
    """Whoever takes readings and pings."""
    return Outside(stores)


def seconds(instant: int | None) -> float | None:
    """Seconds from the initial_signal."""
    return None if instant is None else (instant - NOW) / SECOND


async def standing(stores: Stores, alarm: Alarm) -> tuple[Status, float | None, float | None]:
    """The alarm's status, since when, and its due time, in seconds from the initial_signal."""
    stored = await stores.alarms.get("t1", alarm.id)
    assert stored.signal is not None
    return stored.signal.status, seconds(stored.signal.since), seconds(stored.due)


async def fired(stores: Stores, alarm: Alarm) -> list[tuple[str, float]]:
    """Origin and due time of the alarm's firings, in the order in which they were made."""
    found = [firing for firing in await stores.all_firings() if firing.alarm == alarm.id]
    return [(firing.origin.name, (firing.due - NOW) / SECOND) for firing in sorted(found, key=_order)]


def _order(firing: Firing) -> tuple[int, Origin, str]:
    return (firing.due, firing.origin, firing.id)


async def test_a_metric_beyond_its_limit_raises_at_once(stores: Stores, outside: Outside) -> None:
    """Without a wait the reading's own transaction fires it, and the one that is back resolves it; the firings say what was read."""
    alarm, quiet = above(10), above(10, notify=False)
    await stores.add(alarm, quiet, above(10, metric="other"), above(99))
    answers = await outside.record(reading(11, at=1))
    answers += await outside.record(reading(12, at=2))
    answers += await outside.record(reading(10, at=3))
    both = {alarm.id, quiet.id}
    assert [(set(answer.raised), set(answer.resolved)) for answer in answers] == [(both, set()), (set(), set()), (set(), both)]
    assert await fired(stores, alarm) == [("RAISED", 1.0), ("RESOLVED", 3.0)]
    assert await fired(stores, quiet) == [("RAISED", 1.0)]
    assert await standing(stores, alarm) == (Status.OK, 3.0, None)
    contexts = [MessageToDict(Struct.FromString(firing.context)) for firing in await stores.all_firings() if firing.alarm == alarm.id]
    assert contexts == [
        {"signal": "RAISED", "reading": {"metric": "m", "value": 11.0, "time": "2026-01-01T00:00:01Z"}},
        {"signal": "RESOLVED", "reading": {"metric": "m", "value": 10.0, "time": "2026-01-01T00:00:03Z"}},
    ]
    assert {firing.id for firing in outside.offered} == {firing.id for firing in await stores.all_firings()}
    counts = await outside.store.counts("t1")
    assert (counts.readings, counts.raised, counts.resolved, counts.listening) == (3, 2, 1, 4)


async def test_a_wait_is_a_due_time_that_a_reading_can_take_back(stores: Stores, outside: Outside) -> None:
    """Beyond the limit the alarm is due when the wait is over; behind it again it is due no more, and nobody hears of it."""
    alarm = above(10, seconds=30)
    await stores.add(alarm)
    (answer,) = await outside.record(reading(11, at=1))
    assert (answer.raised, answer.pending, answer.resolved) == ((), (alarm.id,), ())
    assert await standing(stores, alarm) == (Status.PENDING, 1.0, 31.0)
    await outside.record(reading(12, at=20))
    assert await standing(stores, alarm) == (Status.PENDING, 1.0, 31.0)
    await outside.record(reading(9, at=30))
    assert await standing(stores, alarm) == (Status.OK, 30.0, None)
    assert outside.moved == [Moved(alarm.id, alarm.shard, 2, NOW + 31 * SECOND, "t1"), Moved(alarm.id, alarm.shard, 2, None, "t1")]
    assert await stores.all_firings() == []
    late = await stores.fire((alarm.id, NOW + 31 * SECOND), now=NOW + 31 * SECOND)
    assert (late.queued_firings, late.next) == ([], [])


async def test_a_wait_that_is_over_raises_in_the_engine(stores: Stores, outside: Outside) -> None:
    """The firing transaction fires it once, by the last reading, and it stays active; a reading that is back resolves it."""
    alarm = above(10, seconds=30, hysteresis=5)
    await stores.add(alarm)
    await outside.record(reading(11, at=1))
    await outside.record(reading(13, at=20))
    raised = await stores.fire((alarm.id, NOW + 31 * SECOND), now=NOW + 31 * SECOND)
    assert [(queued.due, queued.origin) for queued in raised.queued_firings] == [(NOW + 31 * SECOND, Origin.RAISED)]
    assert MessageToDict(Struct.FromString(raised.queued_firings[0].context))["reading"]["value"] == 13.0
    assert raised.outcomes == {Outcome.FIRED: 1}
    assert await standing(stores, alarm) == (Status.RAISED, 31.0, None)
    assert (await stores.fire((alarm.id, NOW + 31 * SECOND), now=NOW + 32 * SECOND)).queued_firings == []
    await outside.record(reading(6, at=40))
    await outside.record(reading(5, at=50))
    assert await fired(stores, alarm) == [("RAISED", 31.0), ("RESOLVED", 50.0)]
    assert (await outside.store.counts("t1")).raised == 1


async def test_readings_that_come_late_count_by_their_own_times(stores: Stores, outside: Outside) -> None:
    """A sensor that was cut off tells all it measured at once: every change is found, and none twice."""
    alarm = above(10, seconds=5)
    await stores.add(alarm)
    values = [(1, 11), (4, 9), (5, 11), (12, 12), (13, 9), (20, 11)]
    await outside.record(*(reading(value, at=at) for at, value in values), now=60)
    assert await fired(stores, alarm) == [("RAISED", 10.0), ("RESOLVED", 13.0), ("RAISED", 25.0)]
    assert {firing.outcome for firing in await stores.all_firings()} == {Outcome.LATE}
    assert await standing(stores, alarm) == (Status.RAISED, 25.0, None)


async def test_an_older_reading_decides_nothing(stores: Stores, outside: Outside) -> None:
    """It is logged; one of the same instant counts, for it may be the correction."""
    alarm = above(10)
    await stores.add(alarm)
    answers = await outside.record(reading(9, at=5), reading(11, at=4), reading(12, at=5), reading(9, at=3))
    answers += await outside.record(reading(9, at=4), now=6)
    assert [answer.counted for answer in answers] == [True, False, True, False, False]
    assert await fired(stores, alarm) == [("RAISED", 5.0)]
    assert len(await outside.store.page("t1", conditions=(), before=None, size=9)) == 5
    stored = await stores.alarms.get("t1", alarm.id)
    assert stored.signal is not None
    assert (stored.signal.value, seconds(stored.signal.seen)) == (12.0, 5.0)


async def test_a_flapping_metric_fires_each_time_and_no_more(stores: Stores, outside: Outside) -> None:
    """Up and down a hundred times within one batch, and at one instant: each raise has its own row, and each resolve."""
    alarm = above(10)
    await stores.add(alarm)
    await outside.record(*(reading(11 if n % 2 else 9, at=n // 10) for n in range(200)), now=30)
    origins = [firing.origin for firing in await stores.all_firings()]
    assert (origins.count(Origin.RAISED), origins.count(Origin.RESOLVED)) == (100, 99)


async def test_two_replicas_judge_a_metric_as_one(stores: Stores, clock: FakeClock, database_url: str) -> None:
    """Readings that come to both at once raise and resolve in turn: never twice the same."""
    alarm = above(10)
    await stores.add(alarm)
    async with neighbour(stores, clock, database_url) as other:
        sides = (Outside(stores), other)
        await asyncio.gather(*(sides[n % 2].record(reading(11 if n % 3 else 9, at=n), now=99) for n in range(40)))
        answers = await asyncio.gather(*(side.record(reading(9, at=50), now=99) for side in sides))
    assert sum(len(answer.resolved) for (answer,) in answers) <= 1
    origins = [firing.origin for firing in await stores.all_firings()]
    assert 0 <= origins.count(Origin.RAISED) - origins.count(Origin.RESOLVED) <= 0


async def test_a_paused_threshold_hears_nothing(stores: Stores, outside: Outside) -> None:
    """A wait begins anew after the pause; what was raised before is resolved by the first reading that is back."""
    waiting, up = above(10, seconds=30), above(10)
    await stores.add(waiting, up)
    await outside.record(reading(11, at=1))
    for alarm in (waiting, up):
        await stores.alarms.pause("t1", alarm.id, now=NOW + 2 * SECOND)
    await outside.record(reading(9, at=3))
    assert (await stores.fire((waiting.id, NOW + 31 * SECOND), now=NOW + 31 * SECOND)).queued_firings == []
    for alarm in (waiting, up):
        assert await stores.alarms.resume("t1", alarm.id, now=NOW + 40 * SECOND)
    assert await standing(stores, waiting) == (Status.WAITING, 40.0, None)
    assert await standing(stores, up) == (Status.RAISED, 1.0, None)
    await outside.record(reading(9, at=41))
    assert await fired(stores, up) == [("RAISED", 1.0), ("RESOLVED", 41.0)]
    assert await fired(stores, waiting) == []


async def test_a_threshold_listens_between_its_start_and_end(stores: Stores, outside: Outside) -> None:
    """Readings before and after decide nothing, and a wait that would be over at the end or later is never due."""
    alarm = above(10, seconds=10, start=NOW + 5 * SECOND, end=NOW + 20 * SECOND)
    await stores.add(alarm)
    await outside.record(reading(11, at=4))
    assert await standing(stores, alarm) == (Status.WAITING, 0.0, None)
    await outside.record(reading(11, at=5))
    assert await standing(stores, alarm) == (Status.PENDING, 5.0, 15.0)
    await outside.record(reading(9, at=9), reading(11, at=10))
    assert await standing(stores, alarm) == (Status.PENDING, 10.0, None)


async def test_pings_keep_a_heartbeat_quiet(stores: Stores, outside: Outside) -> None:
    """Each moves the deadline; the one that comes after a miss resolves it."""
    alarm = beating()
    assert alarm.signal is not None
    key = alarm.signal.secret
    await stores.add(alarm)
    assert await standing(stores, alarm) == (Status.WAITING, 0.0, 60.0)
    (first, second) = await outside.ping(ping(key, at=10), ping(key, at=20))
    assert (first.alarm, first.resolved, seconds(second.deadline)) == (alarm.id, False, 80.0)
    assert (await stores.fire((alarm.id, NOW + 60 * SECOND), now=NOW + 60 * SECOND)).queued_firings == []
    missed = await stores.fire((alarm.id, NOW + 80 * SECOND), now=NOW + 80 * SECOND)
    assert [queued.origin for queued in missed.queued_firings] == [Origin.RAISED]
    assert MessageToDict(Struct.FromString(missed.queued_firings[0].context)) == {
        "signal": "RAISED",
        "heartbeat": {"raisedTime": "2026-01-01T00:01:20Z", "pingTime": "2026-01-01T00:00:20Z", "reason": "LATE"},
    }
    assert await standing(stores, alarm) == (Status.RAISED, 80.0, None)
    (answer,) = await outside.ping(ping(key, at=100))
    assert (answer.resolved, seconds(answer.deadline)) == (True, 160.0)
    assert await fired(stores, alarm) == [("RAISED", 80.0), ("RESOLVED", 100.0)]
    assert await standing(stores, alarm) == (Status.OK, 100.0, 160.0)
    counts = await outside.store.counts("t1")
    assert (counts.pings, counts.raised, counts.resolved) == (3, 1, 1)


async def test_a_secret_key_is_enough_and_a_chosen_one_is_not(stores: Stores, outside: Outside) -> None:
    """A key that a client chose is found within its tenant alone; the log shows no secret."""
    made, chosen, foreign = beating(), beating("backup"), beating("backup", tenant="t2")
    assert made.signal is not None
    await stores.add(made, chosen, foreign)
    answers = await outside.ping(
        ping(made.signal.secret),
        ping("backup"),
        ping("backup", tenant="t1"),
        ping("backup", tenant="t2"),
        ping("backup", tenant="t3"),
        ping("nothing", tenant="t1"),
        ping("", tenant="t1"),
    )
    found = [None if isinstance(answer, HeartbeatNotFound) else answer.alarm for answer in answers]
    assert found == [made.id, None, chosen.id, foreign.id, None, None, None]
    assert [entry.topic for entry in await outside.store.page("t1", conditions=(), before=None, size=9)] == ["backup", ""]


async def test_a_key_belongs_to_one_heartbeat_of_a_tenant(stores: Stores) -> None:
    """Another alarm with it is refused alone, and its request may be made again; so is a change to it."""
    first, second, other = beating("backup"), beating("backup"), beating("else")
    requests = [NewAlarm(alarm=alarm, request_id=f"r{n}", digest="d") for n, alarm in enumerate((first, second, other))]
    made = await stores.alarms.create(requests)
    assert [type(result) for result in made] == [Alarm, HeartbeatKeyTaken, Alarm]
    assert isinstance((await stores.alarms.create(requests[1:2]))[0], HeartbeatKeyTaken)
    with pytest.raises(HeartbeatKeyTaken):
        await stores.alarms.update(structs.replace(other, version=2, trigger=first.trigger, rule_since=NOW + 1), reschedule=True)
    assert (await stores.alarms.get("t1", other.id)).trigger == other.trigger
    await stores.alarms.delete("t1", first.id, version=None, now=NOW)
    assert isinstance((await stores.alarms.create(requests[1:2]))[0], Alarm)


async def test_a_paused_heartbeat_is_not_missed(stores: Stores, outside: Outside) -> None:
    """Pings of a pause are seen and move nothing; the deadline begins anew when it ends."""
    alarm = beating("backup")
    await stores.add(alarm)
    await stores.alarms.pause("t1", alarm.id, now=NOW + SECOND)
    (answer,) = await outside.ping(ping("backup", at=30, tenant="t1"))
    assert (answer.resolved, answer.deadline) == (False, None)
    assert (await stores.fire((alarm.id, NOW + 60 * SECOND), now=NOW + 60 * SECOND)).queued_firings == []
    resumed = await stores.alarms.resume("t1", alarm.id, now=NOW + 100 * SECOND)
    assert resumed is not None
    assert (seconds(resumed.due), resumed.signal and seconds(resumed.signal.seen)) == (160.0, 30.0)


async def test_two_replicas_resolve_a_heartbeat_once(stores: Stores, clock: FakeClock, database_url: str) -> None:
    """Pings that come to both at once resolve it one time."""
    alarm = beating("backup", seconds=1)
    await stores.add(alarm)
    await stores.fire((alarm.id, NOW + SECOND), now=NOW + SECOND)
    async with neighbour(stores, clock, database_url) as other:
        sides = (Outside(stores), other)
        answers = await asyncio.gather(*(sides[n % 2].ping(ping("backup", at=2, tenant="t1")) for n in range(20)))
    assert sum(answer.resolved for (answer,) in answers) == 1
    assert await fired(stores, alarm) == [("RAISED", 1.0), ("RESOLVED", 2.0)]


async def test_a_known_reading_does_nothing(stores: Stores, outside: Outside) -> None:
    """Recorded again, in the same batch or later, it is not counted; an event of that id, and another tenant's reading, are others."""
    alarm = above(10)
    await stores.add(alarm)
    answers = await outside.record(reading(11, at=1, id="r1"), reading(11, at=1, id="r1"), reading(9, at=2))
    answers += await outside.record(reading(11, at=3, id="r1"))
    assert [(answer.counted, answer.duplicate) for answer in answers] == [(True, False), (False, True), (True, False), (False, True)]
    assert await fired(stores, alarm) == [("RAISED", 1.0), ("RESOLVED", 2.0)]
    assert not (await outside.publish(event(id="r1")))[0].duplicate
    (other,) = await outside.record(reading(11, at=3, id="r1", tenant="t2"))
    assert (other.counted, other.duplicate) == (True, False)
    assert (await outside.store.counts("t1")).readings == 2


async def test_two_replicas_record_a_reading_once(stores: Stores, clock: FakeClock, database_url: str) -> None:
    """The same readings come to two replicas at the same time, over and over: each is counted once."""
    async with neighbour(stores, clock, database_url) as other:
        mine = Outside(stores)
        batch = [reading(number, at=number, id=f"r{number}") for number in range(20)]
        answers = await asyncio.gather(
            *(side.record(*(replace(one, log=new_id(NOW)) for one in batch), now=100) for _ in range(4) for side in (mine, other))
        )
    assert sum(not answer.duplicate for some in answers for answer in some) == 20
    assert (await mine.store.counts("t1")).readings == 20
    page = await mine.store.page("t1", conditions=(), before=None, size=1000)
    assert sorted(entry.id for entry in page) == sorted(f"r{number}" for number in range(20))


async def test_the_latest_reading_is_the_one_that_was_measured_last(outside: Outside) -> None:
    """Not the one that came last; each tenant has its own."""
    assert await outside.store.latest("t1", "m") is None
    await outside.record(reading(11, at=5))
    await outside.record(reading(12, at=1))
    assert await outside.store.latest("t1", "m") == (11.0, NOW + 5 * SECOND)
    assert await outside.store.latest("t2", "m") is None
    assert await outside.store.latest("t1", "n") is None
