"""Events, readings and pings over the mesh: scheduler_svc as it runs, with its engine and a processor."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from tests.integration.scheduler.support import Rig, State, Worker
from tests.integration.scheduler.triggers import Outside, above, beating, made, on
from tocsin.api.scheduler.v1 import (
    alarm_pb2,
    alarm_service_pb2,
    firing_service_pb2,
    trigger_service_pb2,
)
from tocsin.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    PermissionDenied,
    TocsinError,
    Unauthenticated,
)
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

Signal = alarm_pb2.Signal
Origin = firing_service_pb2.Firing.Origin


@pytest.fixture
def outside(rig: Rig) -> Outside:
    """Callers of a scheduler on the system's clock."""
    return Outside(rig)


@pytest.fixture
async def still(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[Outside]:
    """Callers of a scheduler whose clock the test moves."""
    rig = Rig(folder=tmp_path, clock=clock)
    await rig.start()
    yield Outside(rig)
    await rig.stop()


async def passes(outside: Outside, seconds: float, alarm: str, status: "Signal.Status.ValueType") -> alarm_pb2.Alarm:
    """Moves the clock on in small steps, so that every loop comes to its turn; the alarm, which has that status then."""
    clock = outside.rig.clock
    assert isinstance(clock, FakeClock)
    while seconds > 0:
        await clock.advance(min(0.5, seconds))
        await outside.rig.get(alarm)  # a turn of the database
        seconds -= 0.5

    async def there() -> bool:
        await clock.advance(0.01)
        return (await outside.rig.get(alarm)).signal.status == status

    await eventually(there, what=f"{alarm} with status {status}")
    return await outside.rig.get(alarm)


async def test_an_event_reaches_the_action_with_what_it_says(outside: Outside) -> None:
    """From PublishEvent to a processor's job, at once; the firing says where it comes from and what it is about."""
    worker = Worker(outside.rig, credit=10)
    alarm = await outside.rig.create(trigger=on("orders.*.paid", "data.total>100"))
    assert (alarm.state, alarm.HasField("next_fire_time"), alarm.HasField("signal")) == (alarm_pb2.Alarm.ACTIVE, False, False)
    assert (await outside.publish("orders.eu.paid", total=100)).matched == 0
    answer = await outside.publish("orders.eu.paid", id="e1", total=101)
    job = await worker.job()
    worker.end(job)
    (firing,) = await outside.rig.normalized(alarm.name, State.SUCCEEDED)
    assert (list(answer.firings), answer.id, answer.duplicate) == ([firing.name], "e1", False)
    assert (firing.origin, MessageToDict(firing.context)["event"]["data"]) == (Origin.EVENT, {"total": 101})
    again = await outside.publish("orders.eu.paid", id="e1", total=101)
    assert (again.duplicate, again.matched, list(again.firings)) == (True, 1, [])
    await worker.close()


async def test_a_stream_of_events_is_committed_when_it_is_answered(outside: Outside) -> None:
    """Thousands of events share transactions; each fires once, and known ones do nothing."""
    alarm = await outside.rig.create(trigger=on("a.b", "data.n>=1990"))

    async def events() -> AsyncIterator[trigger_service_pb2.StreamEventsRequest]:
        for number in range(2000):
            yield trigger_service_pb2.StreamEventsRequest(event=made(id=f"e{number}", n=number))
        yield trigger_service_pb2.StreamEventsRequest(event=made(id="e1999", n=1999))

    with outside.user():
        answer = await outside.stub.StreamEvents(events())
    assert (answer.accepted, answer.duplicates, answer.matched) == (2001, 1, 10)
    assert len(await outside.rig.ledger(f'alarm="{alarm.name}"')) == 10


@pytest.mark.parametrize("number", [0, 5])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (made(big="x" * 65_536), "event.data"),
        (made("a..b"), "event.topic"),
        (made(text="a\0b"), "event.data.text"),
        (made("a", id="\0"), "event.id"),
    ],
    ids=["too large", "topic", "value", "id"],
)
async def test_a_bad_event_ends_its_stream(outside: Outside, number: int, bad: trigger_service_pb2.PublishedEvent, words: str) -> None:
    """Those before it are committed; the error says which one it was and why, whichever rule it breaks."""

    async def events() -> AsyncIterator[trigger_service_pb2.StreamEventsRequest]:
        for place in range(10):
            yield trigger_service_pb2.StreamEventsRequest(event=bad if place == number else made(id=f"e{place}"))

    with outside.user(), pytest.raises(InvalidInput, match=f"^item {number + 1}: {words}"):
        await outside.stub.StreamEvents(events())
    assert {entry.id for entry in (await outside.logs()).logs} >= {f"e{place}" for place in range(number)}


@pytest.mark.parametrize("number", [0, 5])
@pytest.mark.parametrize("metric", ["", "m"], ids=["rule", "future"])
async def test_a_bad_reading_ends_its_stream(outside: Outside, number: int, metric: str) -> None:
    """By a rule of the contract, or by one of the service: as with events."""
    later = Timestamp()
    later.FromMicroseconds(outside.rig.clock.micros() + 600_000_000)

    async def readings() -> AsyncIterator[trigger_service_pb2.StreamReadingsRequest]:
        for place in range(10):
            reading = trigger_service_pb2.Reading(metric="m", value=place)
            if place == number:
                reading = trigger_service_pb2.Reading(metric=metric, value=place, time=later)
            yield trigger_service_pb2.StreamReadingsRequest(reading=reading)

    with outside.user(), pytest.raises(InvalidInput, match=f"^item {number + 1}: reading.{'time' if metric else 'metric'}"):
        await outside.stub.StreamReadings(readings())
    assert (await outside.stats()).readings >= number


async def test_readings_raise_and_resolve_in_time(still: Outside) -> None:
    """A wait ends by the clock, to the microsecond; the signal is shown with the alarm."""
    worker = Worker(still.rig, credit=10)
    alarm = await still.rig.create(trigger=above(10, seconds=3, hysteresis=2))
    assert (alarm.signal.status, alarm.signal.HasField("value")) == (Signal.WAITING, False)
    begun = still.rig.clock.micros()
    answer = await still.record(11)
    assert (list(answer.raised), list(answer.pending), answer.counted) == ([], [alarm.name], True)
    shown = await still.rig.get(alarm.name)
    assert (shown.signal.status, shown.signal.value) == (Signal.PENDING, 11)
    assert shown.next_fire_time.ToMicroseconds() == begun + 3_000_000
    shown = await passes(still, 2.9, alarm.name, Signal.PENDING)
    shown = await passes(still, 0.1, alarm.name, Signal.RAISED)
    assert (shown.state, shown.HasField("next_fire_time")) == (alarm_pb2.Alarm.ACTIVE, False)
    assert list((await still.record(9)).resolved) == []
    assert list((await still.record(8)).resolved) == [alarm.name]
    for number in (1, 2):
        worker.end(await worker.job(number))
    up, down = await still.rig.normalized(alarm.name, State.SUCCEEDED, State.SUCCEEDED)
    assert (up.origin, down.origin) == (Origin.RAISED, Origin.RESOLVED)
    assert up.due_time.ToMicroseconds() == begun + 3_000_000
    assert up.fire_time.ToMicroseconds() >= up.due_time.ToMicroseconds()
    await worker.close()


async def test_a_stream_of_readings_tells_the_stale_ones(outside: Outside) -> None:
    """A reading that is older than another is logged, and decides nothing."""
    await outside.rig.create(trigger=above(10))
    now = outside.rig.clock.micros()

    async def readings() -> AsyncIterator[trigger_service_pb2.StreamReadingsRequest]:
        for age in (30, 20, 25, 10, 15):
            time = Timestamp()
            time.FromMicroseconds(now - age * 1_000_000)
            reading = trigger_service_pb2.Reading(metric="m", value=11, time=time)
            yield trigger_service_pb2.StreamReadingsRequest(reading=reading)

    with outside.user():
        answer = await outside.stub.StreamReadings(readings())
    assert (answer.accepted, answer.stale) == (5, 2)
    stats = await outside.stats()
    assert (stats.readings, stats.raised, stats.resolved) == (5, 1, 0)


async def test_a_missing_ping_is_noticed_and_a_late_one_resolves(still: Outside) -> None:
    """A miss fires once and stays raised; the next ping fires the resolution and begins anew."""
    alarm = await still.rig.create(trigger=beating(2, grace=1))
    key = alarm.trigger.heartbeat.key
    assert len(key) >= 32
    await passes(still, 2.5, alarm.name, Signal.WAITING)
    answer = await still.ping(key)
    assert (answer.alarm, answer.resolved) == (alarm.name, False)
    assert answer.deadline.ToMicroseconds() == still.rig.clock.micros() + 3_000_000
    await passes(still, 2.5, alarm.name, Signal.OK)
    await passes(still, 0.5, alarm.name, Signal.RAISED)
    await passes(still, 10, alarm.name, Signal.RAISED)
    assert (await still.ping(key)).resolved
    firings = list(reversed(await still.rig.ledger(f'alarm="{alarm.name}"')))
    assert [firing.origin for firing in firings] == [Origin.RAISED, Origin.RESOLVED]
    assert (await still.rig.get(alarm.name)).signal.status == Signal.OK


async def test_a_pause_stops_the_clock_of_a_heartbeat(still: Outside) -> None:
    """Nothing is missed in a pause, and the deadline begins anew after it."""
    alarm = await still.rig.create(trigger=beating(2))
    with still.user():
        await still.rig.alarms.PauseAlarm(alarm_service_pb2.PauseAlarmRequest(name=alarm.name))
    await passes(still, 5, alarm.name, Signal.WAITING)
    assert not (await still.ping(alarm.trigger.heartbeat.key)).HasField("deadline")
    with still.user():
        resumed = await still.rig.alarms.ResumeAlarm(alarm_service_pb2.ResumeAlarmRequest(name=alarm.name))
    assert resumed.next_fire_time.ToMicroseconds() == still.rig.clock.micros() + 2_000_000
    await passes(still, 1.5, alarm.name, Signal.WAITING)
    await passes(still, 0.5, alarm.name, Signal.RAISED)


async def test_the_time_without_a_scheduler_does_not_count(still: Outside) -> None:
    """A ping that nobody could take is not missed: after the outage the next one is waited for, and then it is."""
    alarm = await still.rig.create(trigger=beating(10, grace=1))
    await passes(still, 5, alarm.name, Signal.WAITING)
    await still.rig.stop()
    clock = still.rig.clock
    assert isinstance(clock, FakeClock)
    await clock.advance(3600)
    await still.rig.start()
    await passes(still, 10.5, alarm.name, Signal.WAITING)
    shown = await passes(still, 0.5, alarm.name, Signal.RAISED)
    assert shown.signal.since.ToMicroseconds() <= clock.micros()


async def test_a_short_restart_is_no_excuse(still: Outside) -> None:
    """A deadline that passed while the scheduler restarted is late by that, and no more."""
    alarm = await still.rig.create(trigger=beating(4))
    await passes(still, 2, alarm.name, Signal.WAITING)
    await still.rig.stop()
    clock = still.rig.clock
    assert isinstance(clock, FakeClock)
    await clock.advance(5)
    await still.rig.start()
    await passes(still, 0, alarm.name, Signal.RAISED)
    (firing,) = await still.rig.ledger(f'alarm="{alarm.name}"')
    assert firing.outcome == firing_service_pb2.Firing.LATE


async def test_who_may_ping(outside: Outside) -> None:
    """A made key is enough; a chosen one needs a token of its tenant with the scope. All else is told alike."""
    alarm = await outside.rig.create(trigger=beating(60))
    chosen = await outside.rig.create(trigger=beating(60, key="backup"))
    assert chosen.trigger.heartbeat.key == "backup"
    assert (await outside.ping(alarm.trigger.heartbeat.key)).alarm == alarm.name
    assert (await outside.ping(alarm.trigger.heartbeat.key, tenant="t2")).alarm == alarm.name
    assert (await outside.ping("backup", tenant="t1")).alarm == chosen.name
    with pytest.raises(PermissionDenied):
        await outside.ping("backup", tenant="t1", scopes=["alarms:read"])
    told = set[str]()
    for key, tenant in (("backup", None), ("backup", "t2"), ("nothing", None), ("nothing", "t1"), ("0" * 40, None)):
        with pytest.raises(NotFound) as caught:
            await outside.ping(key, tenant=tenant)
        told.add(caught.value.message)
    assert len(told) == 1
    with pytest.raises(AlreadyExists):
        await outside.rig.create(trigger=beating(60, key="backup"))
    await outside.rig.create(trigger=beating(60, key="backup"), tenant="t2")


async def test_a_made_key_outlives_changes(outside: Outside) -> None:
    """An update that does not name another key leaves the secret as it is, so no cron job breaks."""
    alarm = await outside.rig.create(trigger=beating(60))
    with outside.user():
        changed = await outside.rig.alarms.UpdateAlarm(
            alarm_service_pb2.UpdateAlarmRequest(alarm=alarm_pb2.Alarm(name=alarm.name, trigger=beating(90)))
        )
    assert changed.trigger.heartbeat.key == alarm.trigger.heartbeat.key
    assert (await outside.ping(alarm.trigger.heartbeat.key)).alarm == alarm.name


async def test_the_log_is_listed_in_pages_and_filtered(outside: Outside) -> None:
    """The newest first, of the caller's tenant alone, by kind and topic."""
    await outside.publish("a.b", id="e1", n=1)
    await outside.publish("c")
    await outside.record(21.5)
    await outside.publish(tenant="t2")
    first = await outside.logs(page_size=2)
    rest = await outside.logs(page_size=2, page_token=first.next_page_token)
    entries = [*first.logs, *rest.logs]
    assert [entry.topic for entry in entries] == ["m", "c", "a.b"]
    assert (MessageToDict(entries[0].data), rest.next_page_token) == ({"value": 21.5}, "")
    assert (entries[2].id, entries[2].data["n"]) == ("e1", 1)
    assert [entry.topic for entry in (await outside.logs(filter="kind=EVENT")).logs] == ["c", "a.b"]
    assert [entry.topic for entry in (await outside.logs(filter='topic="a.b"')).logs] == ["a.b"]
    with pytest.raises(InvalidInput, match="kind is one of"):
        await outside.logs(filter="kind=OTHER")
    with pytest.raises(InvalidInput):
        await outside.logs(page_token=first.next_page_token, filter="kind=EVENT")


async def test_counts_tell_what_came_and_what_it_caused(outside: Outside) -> None:
    """Per tenant, with the topics that have the most events."""
    await outside.rig.create(trigger=on("a.*"))
    await outside.rig.create(trigger=above(1))
    heartbeat = await outside.rig.create(trigger=beating(60))
    for topic in ("a.b", "a.b", "a.c", "d"):
        await outside.publish(topic)
    for value in (2, 1, 2):
        await outside.record(value)
    await outside.ping(heartbeat.trigger.heartbeat.key)
    stats = await outside.stats()
    assert MessageToDict(stats) == {
        "events": "4", "eventFirings": "3", "readings": "3", "pings": "1", "raised": "2", "resolved": "1", "listening": "3",
        "topics": {"a.b": "2", "a.c": "1", "d": "1"},
    }  # fmt: skip
    assert MessageToDict(await outside.stats("t2")) == {}


async def test_an_alarm_from_outside_can_be_fired_by_hand(outside: Outside) -> None:
    """FireAlarm works whatever the alarm waits for, and says nothing of an event."""
    for trigger in (on("a.b"), above(1), beating(60)):
        alarm = await outside.rig.create(trigger=trigger)
        with outside.user():
            firing = await outside.rig.alarms.FireAlarm(alarm_service_pb2.FireAlarmRequest(name=alarm.name))
        assert (firing.origin, firing.HasField("context")) == (Origin.MANUAL, False)


async def test_a_clock_that_is_a_little_ahead_is_forgiven(outside: Outside) -> None:
    """Its reading counts as measured now, and a right clock's next reading counts as well."""
    time = Timestamp()
    time.FromMicroseconds(outside.rig.clock.micros() + 60_000_000)
    assert (await outside.record(1, time=time)).counted
    assert (await outside.record(2)).counted


async def test_only_pings_need_no_token(outside: Outside) -> None:
    """Everything else wants a token with its scope."""
    event = trigger_service_pb2.PublishEventRequest(event=made())
    with pytest.raises(Unauthenticated):
        await outside.stub.PublishEvent(event)
    with outside.rig.user(scopes=["alarms:write"]), pytest.raises(TocsinError):
        await outside.stub.PublishEvent(event)
