"""Shared calendars: what they take away from triggers, what their change does, and who may not remove them; on both databases."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import update

from scheduler_svc.domain import Alarm, AlarmState, CalendarChanged, CalendarExists, CalendarInUse, CalendarNotFound, SharedCalendar
from scheduler_svc.store.tables import calendars
from tests.integration.scheduler.stores import NOW, SECOND, Stores
from tests.integration.scheduler.support import Rig
from tests.integration.scheduler.timetable import T1, Timetable
from tocsin import errors
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, calendar_service_pb2
from tocsin.clock import from_micros
from tocsin.errors import InvalidInput, TocsinError
from tocsin.recurrence import CalendarText, CalendarUse, CatchUp, CatchUpMode, Cron, Daily, Every, TimeWindow, Trigger
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

HOUR: Final = 3600 * SECOND
HOLIDAYS: Final = CalendarUse(id="holidays")
OPEN: Final = CalendarUse(id="open", only=True)
NOON: Final = Trigger(spec=Cron("0 12 * * *"), calendars=(HOLIDAYS,))
OFFICE: Final = CalendarText(windows=(TimeWindow(spec=Cron("0 8 * * MON-FRI"), until=17 * 3600),))


@pytest.fixture
def timetable(stores: Stores, clock: FakeClock) -> Timetable:
    """Alarms on each kind of database."""
    return Timetable(stores, clock)


async def put(timetable: Timetable, says: CalendarText, name: str = "holidays") -> SharedCalendar:
    """A calendar, made or changed."""
    try:
        return await timetable.calendars.create(SharedCalendar(tenant="t1", id=name, says=says))
    except CalendarExists:
        return await timetable.calendars.update("t1", name, etag="", change=lambda stored: replace(stored, says=says))


async def stored(timetable: Timetable, alarm: Alarm) -> Alarm:
    """The alarm as it is now."""
    return await timetable.alarms.get(T1, alarm.id)


def day(alarm: Alarm) -> str:
    """The day of its next due time."""
    return "" if alarm.due is None else f"{from_micros(alarm.due):%m-%d}"


def dates(*texts: str) -> CalendarText:
    """A calendar of dates."""
    return CalendarText(dates=texts)


async def test_a_change_replans_who_uses_it(timetable: Timetable) -> None:
    """Later, earlier, and not at all; what goes on counts on, and alarms without the calendar are left alone."""
    await put(timetable, dates("2026-01-02"))
    one = await timetable.make(replace(NOON, count=4))
    other = await timetable.make(replace(NOON, calendars=()))
    await timetable.pass_time(13 * 3600)
    assert day(await stored(timetable, one)) == "01-03"
    await put(timetable, dates("2026-01-03/2026-01-05"))
    assert await timetable.refresher.round() == 1
    moved = await stored(timetable, one)
    assert (day(moved), moved.trigger.limit, moved.trigger.count, moved.ordinal) == ("01-02", 3, 4, 0)
    assert (await stored(timetable, other)).version == other.version
    assert await timetable.refresher.round() == 0
    for _ in range(12):
        await timetable.pass_time(24 * 3600)
    assert (await stored(timetable, one)).state is AlarmState.COMPLETED
    findings, summary = await timetable.audit(alarm=one.id)
    assert (findings, summary.expected, summary.found) == ([], 4, 4)


async def test_an_alarm_that_is_about_to_fire_fires_first(timetable: Timetable, clock: FakeClock) -> None:
    """What is due goes by the calendar that was there; the next round gives it the new one."""
    await put(timetable, dates("2026-01-02"))
    one = await timetable.make(NOON)
    await clock.advance(12 * 3600)
    await put(timetable, dates("2026-01-01", "2026-01-03"))
    assert await timetable.refresher.round() == 0
    await timetable.fire()
    assert await timetable.refresher.round() == 1
    assert day(await stored(timetable, one)) == "01-02"
    assert (await timetable.audit())[0] == []


async def test_only_within_a_calendar(timetable: Timetable) -> None:
    """Business hours: what lies outside is left out; a trigger that leaves nothing is refused with its field."""
    await put(timetable, OFFICE, "open")
    hourly = await timetable.make(Trigger(spec=Cron("0 6,9,18 * * *"), calendars=(OPEN,), time_zone="Europe/Paris"))
    assert hourly.due == round(datetime(2026, 1, 1, 8, tzinfo=UTC).timestamp()) * SECOND
    with pytest.raises(InvalidInput) as refused:
        await timetable.make(Trigger(spec=Cron("0 3 * * *"), calendars=(OPEN,)))
    assert refused.value.violations[0].field in ("trigger.includeCalendars", "trigger.cron")
    with pytest.raises(InvalidInput, match="there is no calendar calendars/nowhere"):
        await timetable.make(replace(NOON, calendars=(CalendarUse(id="nowhere"),)))


async def test_a_calendar_in_use_stays(timetable: Timetable) -> None:
    """The refusal names who uses it; without users it goes."""
    made = await put(timetable, dates("2026-01-02"))
    one = await timetable.make(NOON)
    with pytest.raises(CalendarInUse, match=f"alarms/{one.id}"):
        await timetable.calendars.delete("t1", "holidays", etag="")
    await timetable.alarms.delete(T1, one.id, etag="")
    with pytest.raises(CalendarChanged):
        await timetable.calendars.delete("t1", "holidays", etag="77")
    await timetable.calendars.delete("t1", "holidays", etag=str(made.version))
    with pytest.raises(CalendarNotFound):
        await timetable.calendars.delete("t1", "holidays", etag="")
    with pytest.raises(CalendarNotFound):
        await timetable.calendars.get("t1", "holidays")


async def test_tenants_have_calendars_of_their_own(timetable: Timetable) -> None:
    """Nobody sees, uses or changes the one of another."""
    await put(timetable, dates("2026-01-02"))
    assert await timetable.calendars.page("t2", after="", size=10) == []
    with pytest.raises(CalendarNotFound):
        await timetable.calendars.update("t2", "holidays", etag="", change=lambda found: found)
    with pytest.raises(InvalidInput, match="there is no calendar"):
        await timetable.calendars.with_copies("t2", NOON)


async def test_a_calendar_that_nobody_can_read_costs_itself_only(timetable: Timetable, stores: Stores) -> None:
    """Spoiled, it says nothing; the list goes on, and the alarms that hold a copy keep it until somebody mends it."""
    await put(timetable, dates("2026-01-02"))
    async with stores.database.transaction() as connection:
        await connection.execute(update(calendars).values(says="{"))
    (found,) = await timetable.calendars.page("t1", after="", size=10)
    assert found.says == CalendarText()
    await put(timetable, dates("2026-01-03"))
    assert (await timetable.calendars.get("t1", "holidays")).says.dates == ("2026-01-03",)


@pytest.mark.parametrize(
    ("says", "field", "reason"),
    [
        (CalendarText(), "calendar", "says nothing"),
        (dates("2026-02-30"), "dates[0]", "is not a date"),
        (dates("2026-01-01", "soon"), "dates[1]", "is not a date"),
        (dates("2026-01-05/2026-01-01"), "dates[0]", "the end lies before the start"),
        (CalendarText(dates=("2026-01-01",), time_zone="Mars/Olympus"), "calendar.timeZone", "is not a time zone"),
        (CalendarText(windows=(TimeWindow(spec=Cron("0 25 * * *")),)), "windows[0].cron", "hour: 25"),
        (
            dates(*(f"{2000 + n // 336}-{n // 28 % 12 + 1:02}-{n % 28 + 1:02}T10:00:00/{3000 + n}-01-01T00:00:00" for n in range(1999))),
            "calendar",
            "says too much",
        ),
    ],
)
async def test_a_calendar_that_cannot_be_is_refused(timetable: Timetable, says: CalendarText, field: str, reason: str) -> None:
    """With the place and the reason; nothing is stored."""
    with pytest.raises(InvalidInput) as refused:
        await put(timetable, says)
    assert refused.value.violations[0].field == field
    assert reason in refused.value.violations[0].description
    assert await timetable.calendars.page("t1", after="", size=10) == []


def some_trigger(draw: random.Random) -> Trigger:
    """Any rule that uses calendars."""
    spec = draw.choice([Every(draw.choice([901, 7200]) * SECOND), Cron("0 */3 * * *"), Daily(datetime(2026, 1, 1, 9).time())])  # noqa: DTZ001
    uses = draw.choice([(HOLIDAYS,), (OPEN,), (HOLIDAYS, OPEN)])
    mode = CatchUp(mode=draw.choice([CatchUpMode.LATEST, CatchUpMode.ALL]))
    return Trigger(
        spec=spec,
        time_zone=draw.choice(["UTC", "Europe/Paris"]),
        catch_up=mode,
        calendars=uses,
        jitter=draw.choice([0, 90 * SECOND]),
        offset=draw.choice([0, -600 * SECOND, HOUR]),
        count=draw.choice([0, 0, 25]),
    )


@pytest.mark.parametrize("seed", range(3))
async def test_a_history_with_calendars_has_no_findings(timetable: Timetable, seed: int) -> None:
    """Alarms are made, paused and fired while their calendars change: every due time that was meant has its row, and no other."""
    draw, made = random.Random(seed), list[Alarm]()
    some: list[Any] = [dates("2026-01-02"), dates("2026-01-01T10:00:00/2026-01-02T10:00:00"), dates("2026-01-03/2026-01-04", "2026-01-06")]
    await put(timetable, dates("2025-12-31"))
    await put(timetable, OFFICE, "open")
    for _ in range(120):
        try:
            match draw.choice(["make", "calendar", "calendar", "pause", "resume", "wait", "wait", "wait"]):
                case "make":
                    made.append(await timetable.make(some_trigger(draw)))
                case "calendar":
                    await put(timetable, draw.choice(some))
                    await timetable.refresher.round()
                case "wait":
                    await timetable.pass_time(draw.choice([300, 4000, 30_000]))
                case deed if made:
                    turn = timetable.alarms.pause if deed == "pause" else timetable.alarms.resume
                    await turn(T1, draw.choice(made).id)
                case _:
                    pass
        except TocsinError:
            continue
    findings, summary = await timetable.audit(start=NOW - HOUR)
    assert findings == []
    assert summary.expected == summary.found > 20


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A running scheduler."""
    made = Rig(folder=tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_calendars_over_the_wire(rig: Rig) -> None:
    """Made from an .ics text, read, listed, used, changed and removed; the alarm follows by itself."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    ics = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Off\nDTSTART;VALUE=DATE:{tomorrow:%Y%m%d}\nEND:VEVENT\nEND:VCALENDAR"
    pb = calendar_service_pb2
    with rig.user():
        made = await rig.calendars.CreateCalendar(pb.CreateCalendarRequest(calendar=pb.Calendar(name="calendars/off", ics=ics)))
        assert (list(made.dates), made.ics) == ([f"{tomorrow}"], "")
        with pytest.raises(errors.AlreadyExists):
            await rig.calendars.CreateCalendar(pb.CreateCalendarRequest(calendar=pb.Calendar(name="calendars/off", ics=ics)))
        with pytest.raises(InvalidInput) as refused:
            await rig.calendars.CreateCalendar(pb.CreateCalendarRequest(calendar=pb.Calendar(name="calendars/x", ics="BEGIN:VEVENT")))
        assert refused.value.violations[0].field == "calendar.ics"
        trigger = alarm_pb2.Trigger(cron="0 0 * * *", time_zone="UTC", exclude_calendars=["calendars/off"])
        action = alarm_pb2.Action(task=alarm_pb2.Task(handler="noop"))
        alarm = await rig.alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm_pb2.Alarm(trigger=trigger, action=action)))
        assert alarm.next_fire_time.ToDatetime().date() == tomorrow + timedelta(days=1)
        assert list(alarm.trigger.exclude_calendars) == ["calendars/off"]
        with pytest.raises(errors.FailedPrecondition, match=alarm.name):
            await rig.calendars.DeleteCalendar(pb.DeleteCalendarRequest(name="calendars/off"))
        changed = pb.Calendar(name="calendars/off", dates=["2020-01-01"], etag=made.etag)
        assert list((await rig.calendars.UpdateCalendar(pb.UpdateCalendarRequest(calendar=changed))).dates) == ["2020-01-01"]
        with pytest.raises(errors.Aborted):
            await rig.calendars.UpdateCalendar(pb.UpdateCalendarRequest(calendar=changed))

        async def replanned() -> bool:
            found = await rig.alarms.GetAlarm(alarm_service_pb2.GetAlarmRequest(name=alarm.name))
            return found.next_fire_time.ToDatetime().date() == tomorrow

        await eventually(replanned)
        assert [one.name for one in (await rig.calendars.ListCalendars(pb.ListCalendarsRequest())).calendars] == ["calendars/off"]
        await rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=alarm.name))
        await rig.calendars.DeleteCalendar(pb.DeleteCalendarRequest(name="calendars/off"))
        with pytest.raises(errors.NotFound):
            await rig.calendars.GetCalendar(pb.GetCalendarRequest(name="calendars/off"))
