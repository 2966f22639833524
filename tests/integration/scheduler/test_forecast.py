"""The forecast: planned fires by minute, and alarms that spread to where there is room."""

from collections import Counter
from datetime import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from scheduler_svc.domain import AlarmState
from scheduler_svc.ports import Group, NewAlarm
from scheduler_svc.service.forecast import DAY, MINUTE, Forecast, Forecasts, Load, Placing, fires_of
from scheduler_svc.store import SqlForecastStore
from scheduler_svc.store.tables import alarms
from tests.integration.scheduler.stores import NOW, SECOND, SPOILED_RULES, Stores, alarm
from tests.integration.scheduler.support import Rig, at
from tests.integration.scheduler.timetable import T1, Timetable
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, forecast_service_pb2, forecast_service_pb2_grpc
from tocsin.errors import InvalidInput
from tocsin.recurrence import At, Cron, Daily, Event, Every, Spec, Trigger, compiled, first_due
from tocsin.testing.clock import FakeClock

HOUR = 60 * MINUTE
NINE = Trigger(spec=Daily(time(9)))


def exactly(trigger: Trigger, due: int | None, start: int, end: int, *, anchor: int = NOW, ordinal: int = 0) -> Counter[int]:
    """Fires by minute, one by one."""
    made, found = compiled(trigger.encode(), anchor, seed="01J"), Counter[int]()
    while due is not None and due < end and (made.limit is None or ordinal < made.limit):
        if due >= start:
            found[due // MINUTE * MINUTE] += 1
        following = made.rule.next_after(due)
        due, ordinal = (None if following is None else following.due), ordinal + 1
    return found


def by_minute(group: Group, start: int, end: int) -> Counter[int]:
    """Fires by minute, as the forecast has them."""
    found = Counter[int]()
    for instant, fires in fires_of(group, start, end):
        found[instant // MINUTE * MINUTE] += fires
    return found


class Desk:
    """Forecasts on a store."""

    def __init__(self, stores: Stores, clock: FakeClock) -> None:
        self.stores = stores
        self.clock = clock
        self.forecasts = Forecasts(store=SqlForecastStore(stores.database), clock=clock)

    async def add(self, *triggers: Trigger, **fields: Any) -> None:
        """Alarms made now."""
        made = [alarm(trigger=trigger, due=first_due(trigger, now=NOW) if trigger.calendar else None, **fields) for trigger in triggers]
        await self.stores.alarms.create([NewAlarm(alarm=one) for one in made])
        self.forecasts.changed("t1")

    async def ask(self, *, start: int | None = None, minutes: int = 0) -> Forecast:
        """The forecast of the tenant."""
        return await self.forecasts.forecast(T1, start=start, minutes=minutes)


@pytest.fixture
def desk(stores: Stores, clock: FakeClock) -> Desk:
    """Forecasts on each kind of database."""
    return Desk(stores, clock)


async def test_it_counts_every_planned_fire(desk: Desk) -> None:
    """All kinds of rules, minute by minute, as if each due time were looked up; what does not fire by the calendar is left out."""
    triggers = [
        NINE,
        NINE,
        Trigger(spec=Daily(time(9)), time_zone="Europe/Paris"),
        Trigger(spec=Daily(time(23, 59), recurring=False)),
        Trigger(spec=Cron("*/17 6-9 * * *")),
        Trigger(spec=Every(7 * HOUR)),
        Trigger(spec=Every(90 * SECOND), count=5),
        Trigger(spec=Every(10 * SECOND), end=NOW + 10 * MINUTE),
        Trigger(spec=At(NOW + 3 * HOUR)),
        Trigger(spec=At(NOW + 3 * HOUR + 5)),
        Trigger(spec=At(NOW + 30 * HOUR)),
        Trigger(spec=Cron("0 0 1 * *"), start=NOW + 40 * HOUR),
    ]
    await desk.add(*triggers)
    await desk.add(NINE, state=AlarmState.PAUSED)
    await desk.add(NINE, tenant="t2")
    await desk.add(Trigger(spec=Event("orders.*")))
    expected = sum((exactly(one, first_due(one, now=NOW), NOW, NOW + 24 * HOUR) for one in triggers), Counter[int]())
    found = await desk.ask()
    assert dict(found.minutes) == expected
    assert found.total == expected.total()
    assert found.busiest == (NOW + MINUTE, 7)
    assert [minute for minute, _ in found.minutes] == sorted(expected)
    assert found.computed == NOW


async def test_a_part_of_the_day_and_days_ahead(desk: Desk) -> None:
    """Any period of up to a day within the next year can be asked for; not one that is over."""
    await desk.add(NINE, Trigger(spec=Every(HOUR)))
    assert (await desk.ask(start=NOW + 9 * HOUR + 7 * SECOND, minutes=1)).minutes == [(NOW + 9 * HOUR, 2)]
    assert (await desk.ask(start=NOW + 8 * 24 * HOUR)).total == 25
    for wrong in (NOW - 1, NOW + 400 * 24 * HOUR):
        with pytest.raises(InvalidInput, match="startTime"):
            await desk.ask(start=wrong)


async def test_it_follows_what_changes(desk: Desk) -> None:
    """What this replica changes counts at once; what another does within a minute."""
    assert (await desk.ask()).busiest is None
    await desk.add(NINE)
    assert (await desk.ask()).total == 1
    made = alarm(trigger=NINE, due=NOW + 9 * HOUR)
    await desk.stores.alarms.create([NewAlarm(alarm=made)])  # by somebody else
    assert (await desk.ask()).total == 1
    await desk.clock.advance(61)
    assert (await desk.ask()).total == 2


async def test_many_alarms_are_read_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups that lie on two pages are counted whole."""
    monkeypatch.setattr("scheduler_svc.service.forecast._PAGE", 7)
    await desk.add(*[Trigger(spec=Daily(time(9, number % 3))) for number in range(28)])
    assert [fires for _, fires in (await desk.ask()).minutes] == [10, 9, 9]


async def test_a_rule_that_nobody_can_read_is_left_out(desk: Desk) -> None:
    """The forecast says what the others do, and places new alarms among them."""
    await desk.add(*[NINE] * (len(SPOILED_RULES) + 1))
    async with desk.stores.database.transaction() as connection:
        ids = list(await connection.scalars(select(alarms.c.id)))
        for identity, rule in zip(ids, SPOILED_RULES, strict=False):
            await connection.execute(update(alarms).where(alarms.c.id == identity).values(trigger_rule=rule))
    desk.forecasts.changed("t1")
    assert (await desk.ask()).total == 1
    assert (await desk.ask(start=NOW + 48 * HOUR)).total == 1
    assert await desk.forecasts.placing("t1") is not None


RULES = st.one_of(
    st.builds(Every, st.integers(1, 100_000).map(lambda seconds: seconds * SECOND)),
    st.builds(Cron, st.sampled_from(["*/5 * * * *", "0 9-17 * * MON", "*/20 * * * * *", "7,8 */2 * * *"])),
    st.builds(Daily, st.times().map(lambda at: at.replace(microsecond=0))),
)


@settings(max_examples=60)
@given(spec=RULES, count=st.integers(0, 3000), ordinal=st.integers(0, 10), lag=st.integers(-5 * HOUR, 5 * HOUR))
def test_what_fires_up_to_thousands_of_times_is_exact(spec: Spec, count: int, ordinal: int, lag: int) -> None:
    """For any rule, wherever it stands, and however its number is limited."""
    trigger = Trigger(spec=spec, count=count)
    due = first_due(trigger, now=NOW)
    assert due is not None
    group = Group(trigger.encode(), NOW, "01J", due, min(ordinal, max(count - 1, 0)), 1, "01J")
    start = max(due, (NOW + lag) // MINUTE * MINUTE)
    if start > due and count:
        start = due  # what was passed over is not counted, so a number would not be exact
    end = NOW + 12 * HOUR
    assert by_minute(group, start, end) == exactly(trigger, due, start, end, ordinal=group.ordinal)


@pytest.mark.parametrize("expression", ["* * * * * *", "*/2 * 8-20 * * *", "0-29 * * * * *"])
def test_what_fires_all_the_time_costs_little(expression: str) -> None:
    """A rule of every second is walked for a while only; its minutes still count what they will bring."""
    trigger = Trigger(spec=Cron(expression))
    due = first_due(trigger, now=NOW)
    assert due is not None
    group = Group(trigger.encode(), NOW, "01J", due, 0, 1, "01J")
    steps = list(fires_of(group, NOW, NOW + 24 * HOUR))
    assert len(steps) <= 3000 + 60 + DAY
    assert by_minute(group, NOW, NOW + 24 * HOUR) == exactly(trigger, due, NOW, NOW + 24 * HOUR)


def empty() -> Placing:
    """A day without any alarm."""
    return Placing(Load(NOW, [0] * DAY))


def test_a_herd_becomes_flat(clock: FakeClock) -> None:
    """A thousand alarms at nine that may wait for ten minutes: no minute has more than 1.3 times the mean, nor any second a tenth of it."""
    place, minutes, seconds = empty(), Counter[int](), Counter[int]()
    for number in range(1000):
        placed = place(Trigger(spec=Daily(time(9)), spread=10 * MINUTE), now=NOW, seed=f"alarm {number}")
        assert 0 <= placed.spread_offset <= 10 * MINUTE
        due = first_due(placed, now=NOW)
        assert due is not None
        minutes[due // MINUTE] += 1
        seconds[due] += 1
    assert len(minutes) == 10
    assert max(minutes.values()) <= 1.3 * 1000 / len(minutes)
    assert max(seconds.values()) <= 10


@pytest.mark.parametrize(
    "trigger",
    [
        Trigger(spec=Daily(time(9)), spread=7 * SECOND),
        Trigger(spec=Daily(time(9)), spread=90 * SECOND),
        Trigger(spec=Daily(time(9)), spread=DAY * MINUTE),
        Trigger(spec=At(NOW + HOUR), spread=HOUR),
        Trigger(spec=At(NOW + HOUR), spread=HOUR, end=NOW + HOUR + 2 * MINUTE),
        Trigger(spec=Every(MINUTE), spread=HOUR),
        Trigger(spec=Cron("0 0 1 6 *"), spread=HOUR),
        Trigger(spec=Daily(time(9)), spread=1),
    ],
)
def test_an_offset_stays_within_the_spread(trigger: Trigger) -> None:
    """Whatever the rule, whatever its end: the alarm still has a first due time, at most so much later; and asked again it is the same."""
    first = first_due(trigger, now=NOW)
    assert first is not None
    for number in range(40):
        placed = empty()(trigger, now=NOW, seed=str(number))
        due = first_due(placed, now=NOW)
        assert due is not None
        assert first <= due <= first + trigger.spread
        assert empty()(trigger, now=NOW, seed=str(number)) == placed


def test_it_goes_where_there_is_room() -> None:
    """The minutes that others have taken are avoided, on every day that counts."""
    load = Load(NOW, [0] * DAY)
    for minute in (0, 1, 2, 4):
        load.add(NOW + 9 * HOUR + minute * MINUTE, 5)
    placed = Placing(load)(Trigger(spec=Daily(time(9)), spread=5 * MINUTE), now=NOW, seed="x")
    assert placed.spread_offset // MINUTE == 3
    assert load.at(NOW + 9 * HOUR + 3 * MINUTE) == 1


async def test_an_offset_is_stored_and_stays(stores: Stores, clock: FakeClock) -> None:
    """What was chosen is part of the trigger; a change of anything else keeps it, another trigger gets another, a client cannot choose."""
    table = Timetable(stores, clock)
    table.alarms = table.with_places(Forecasts(store=SqlForecastStore(stores.database), clock=clock).placing)
    wanted = Trigger(spec=Daily(time(9)), spread=600 * SECOND, spread_offset=MINUTE // 7)
    one = await table.make(wanted)
    assert one.trigger.spread_offset != MINUTE // 7
    assert one.due == NOW + 9 * HOUR + one.trigger.spread_offset
    same = await table.change(one.id, Trigger(spec=Daily(time(9)), spread=600 * SECOND))
    assert (same.trigger, same.rule_since) == (one.trigger, one.rule_since)
    other = await table.change(one.id, Trigger(spec=Daily(time(9))))
    assert (other.trigger.spread_offset, other.due) == (0, NOW + 9 * HOUR)
    await table.pass_time(3 * 86_400)
    assert (await table.audit())[0] == []


async def test_over_the_wire(rig: Rig) -> None:
    """The forecast of the tenant, its busiest minute, and the offset of an alarm that was spread."""
    nine = alarm_pb2.Trigger(daily=alarm_pb2.Daily(time="09:00"))
    nine.spread.FromSeconds(600)
    made = [await rig.create(trigger=nine) for _ in range(20)]
    once = await rig.create(trigger=at(rig.soon(3600)))
    assert len({one.trigger.spread_offset.seconds // 60 for one in made}) == 10
    channel: Any = rig.mesh("gateway").channel("scheduler_svc")
    stub: Any = forecast_service_pb2_grpc.ForecastServiceStub(channel)
    with rig.user():
        found = await stub.GetForecast(forecast_service_pb2.GetForecastRequest())
        assert found.total == sum(minute.fires for minute in found.minutes) == 21
        assert 2 <= found.busiest.fires <= 3
        await rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=once.name))
        assert (await stub.GetForecast(forecast_service_pb2.GetForecastRequest())).total == 20
        start = forecast_service_pb2.GetForecastRequest(minutes=3)
        start.start_time.FromDatetime(rig.soon(-120))
        with pytest.raises(InvalidInput, match="startTime"):
            await stub.GetForecast(start)
