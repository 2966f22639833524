"""The audit: nothing to find in any history, however busy, and everything that is planted."""

import random
from datetime import time
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from scheduler_svc.domain import Alarm, AlarmNotFound, Origin, firing_id
from scheduler_svc.ports import LedgerRow
from scheduler_svc.service.audit import OVERDUE, FindingKind
from scheduler_svc.store import SqlAuditStore
from scheduler_svc.store.mapping import INSERT_FIRINGS, firing_row
from scheduler_svc.store.sql import begin_change
from scheduler_svc.store.tables import alarm_rules, alarms, facts, firings
from tests.integration.scheduler.stores import NOW, SECOND, Stores, firing
from tests.integration.scheduler.timetable import T1, Timetable
from tocsin.errors import InvalidInput, TocsinError
from tocsin.recurrence import At, CatchUp, CatchUpMode, Cron, Daily, Every, Trigger
from tocsin.testing.clock import FakeClock

HOUR = 3600 * SECOND
EVERY_HOUR = Trigger(spec=Every(HOUR))
MISSING, UNEXPECTED = FindingKind.MISSING, FindingKind.UNEXPECTED


@pytest.fixture
def timetable(stores: Stores, clock: FakeClock) -> Timetable:
    """Alarms on each kind of database."""
    return Timetable(stores, clock)


async def plant(stores: Stores, alarm: str, due: int, *, origin: Origin = Origin.SCHEDULE) -> str:
    """A row that nobody fired."""
    made = firing(id=firing_id(alarm, due), alarm=alarm, due=due, origin=Origin.SCHEDULE)
    async with stores.database.transaction() as connection:
        await begin_change(connection)
        await INSERT_FIRINGS.many(connection, [firing_row(made)])
        await connection.execute(update(firings).where(firings.c.id == made.id).values(origin=int(origin)))
    return made.id


async def lose(stores: Stores, alarm: str, due: int) -> None:
    """Removes a row."""
    async with stores.database.transaction() as connection:
        gone = await connection.execute(delete(firings).where(firings.c.alarm == alarm, firings.c.due_at == due))
        assert gone.rowcount == 1


def some_trigger(draw: random.Random, now: int) -> Trigger:
    """Any rule with anything beside it."""
    spec = draw.choice(
        [
            Every(draw.choice([7, 60, 901, 7200]) * SECOND),
            Daily(time(draw.randrange(24), draw.randrange(60))),
            Daily(time(draw.randrange(24), draw.randrange(60)), recurring=False),
            Cron(draw.choice(["*/7 * * * *", "0 */3 * * *", "30 9 * * MON-FRI", "15,45 8-17 * * *"])),
            At(now + draw.randrange(-2, 12) * HOUR),
        ]
    )
    mode = CatchUp(mode=draw.choice([CatchUpMode.LATEST, CatchUpMode.ALL, CatchUpMode.NONE]), limit=draw.choice([0, 3]))
    bounds: dict[str, Any] = draw.choice([{}, {}, {"count": draw.randrange(1, 40)}, {"end": now + draw.randrange(1, 90) * HOUR}])
    start: dict[str, Any] = draw.choice([{}, {}, {"start": now - 5 * HOUR}, {"start": now + draw.randrange(9) * HOUR // 2}])
    if isinstance(spec, At):
        return Trigger(spec=spec, catch_up=mode)
    return Trigger(
        spec=spec,
        time_zone=draw.choice(["UTC", "Europe/Paris", "America/New_York"]),
        catch_up=mode,
        jitter=draw.choice([0, 0, 90 * SECOND]),
        spread=HOUR,
        spread_offset=draw.choice([0, 0, 5 * 60 * SECOND]),
        exclude=draw.choice([(), (), ("2026-01-02",)]),
        **bounds,
        **start,
    )


async def live(timetable: Timetable, draw: random.Random, *, steps: int) -> None:
    """Makes, changes, pauses, resumes and removes alarms, and lets time pass, sometimes much of it."""
    made: list[Alarm] = []
    for _ in range(steps):
        now, deed = timetable.clock.micros(), draw.choice(["make", "make", "change", "change", "pause", "resume", "remove", "wait", "wait"])
        try:
            if deed == "make":
                made.append(await timetable.make(some_trigger(draw, now)))
            elif deed == "wait" or not made:
                await timetable.pass_time(draw.choice([0.5, 20, 300, 4000, 30_000]))
            else:
                one = draw.choice(made)
                match deed:
                    case "change":
                        await timetable.change(one.id, some_trigger(draw, now))
                    case "pause":
                        await timetable.alarms.pause(T1, one.id)
                    case "resume":
                        await timetable.alarms.resume(T1, one.id)
                    case _:
                        made.remove(one)
                        await timetable.alarms.delete(T1, one.id, etag="")
        except TocsinError:
            continue  # a rule that means nothing more, an alarm that is over


@pytest.mark.parametrize("seed", range(6))
async def test_a_busy_history_has_no_findings(timetable: Timetable, seed: int) -> None:
    """Whatever was made, changed, paused, resumed, removed, and however late it was fired: every due time has its row, and no other."""
    draw = random.Random(seed)
    await live(timetable, draw, steps=120)
    findings, summary = await timetable.audit(start=NOW - 3 * HOUR)
    assert findings == []
    assert summary.expected == summary.found == sum(summary.outcomes.values()) > 50
    later = NOW + draw.randrange(20) * HOUR
    findings, part = await timetable.audit(start=later, end=later + 9 * HOUR)
    assert (findings, part.expected) == ([], part.found)


async def test_it_sees_what_is_planted(timetable: Timetable, stores: Stores) -> None:
    """A lost row and a row that nobody meant are found, of an alarm that is there, of a rule that was changed, of an alarm that is gone."""
    kept, changed, removed = [await timetable.make(EVERY_HOUR) for _ in range(3)]
    await timetable.pass_time(5 * 3600)
    await timetable.change(changed.id, Trigger(spec=Every(2 * HOUR)))
    await timetable.alarms.delete(T1, removed.id, etag="")
    await timetable.pass_time(5 * 3600)
    assert (await timetable.audit())[0] == []
    planted = {await plant(stores, one.id, NOW + 2 * HOUR + 1) for one in (kept, changed, removed)}
    planted.add(await plant(stores, changed.id, NOW + 6 * HOUR))  # the rule before would have meant it, but was not in force any more
    planted.add(await plant(stores, "01JNOBODY", NOW + HOUR))
    for one in (kept, changed, removed):
        await lose(stores, one.id, NOW + 3 * HOUR)
    findings, summary = await timetable.audit()
    assert {finding.firing for finding in findings if finding.kind is UNEXPECTED} == planted
    lost = {(finding.alarm, finding.due) for finding in findings if finding.kind is MISSING}
    assert lost == {(one.id, NOW + 3 * HOUR) for one in (kept, changed, removed)}
    assert (summary.missing, summary.unexpected, summary.alarms) == (3, 5, 3)
    assert summary.found == summary.expected - summary.missing + summary.unexpected


async def test_it_looks_at_one_alarm_alone(timetable: Timetable, stores: Stores) -> None:
    """With a name only its rules and rows count; a name that nobody knows is refused."""
    one, other = await timetable.make(EVERY_HOUR), await timetable.make(EVERY_HOUR)
    await timetable.pass_time(4 * 3600 + 1)
    await lose(stores, other.id, NOW + HOUR)
    assert (await timetable.audit(alarm=one.id))[1].expected == 4
    assert len((await timetable.audit(alarm=other.id))[0]) == 1
    with pytest.raises(AlarmNotFound):
        await timetable.audit(alarm="nobody")


async def test_what_is_on_its_way_is_not_missing(timetable: Timetable, clock: FakeClock) -> None:
    """A due time that waits to be fired is missing only when it has waited for too long; in a pause it may wait for ever."""
    late, paused = await timetable.make(EVERY_HOUR), await timetable.make(EVERY_HOUR)
    await timetable.alarms.pause(T1, paused.id)
    await clock.advance((HOUR + OVERDUE) / SECOND)
    assert (await timetable.audit())[0] == []
    await clock.advance(1)
    findings, _ = await timetable.audit()
    assert [(finding.kind, finding.alarm, finding.due) for finding in findings] == [(MISSING, late.id, NOW + HOUR)]
    await timetable.fire()
    assert (await timetable.audit())[0] == []


async def test_a_row_is_no_excuse_for_the_next(timetable: Timetable, stores: Stores) -> None:
    """An alarm that was moved past its due times is found out: the audit does not believe what the engine says is next."""
    one = await timetable.make(EVERY_HOUR)
    await timetable.pass_time(3600)
    async with stores.database.transaction() as connection:
        await connection.execute(update(alarms).where(alarms.c.id == one.id).values(next_fire_at=NOW + 4 * HOUR))
    await timetable.pass_time(5 * 3600)
    assert [finding.due for finding in (await timetable.audit())[0]] == [NOW + 2 * HOUR, NOW + 3 * HOUR]


async def test_a_count_ends(timetable: Timetable, stores: Stores) -> None:
    """The due times of a rule with a count are numbered from its initial_signal, wherever the period begins."""
    one = await timetable.make(Trigger(spec=Every(HOUR), count=10))
    await timetable.pass_time(20 * 3600)
    assert (await timetable.audit(start=NOW + 8 * HOUR))[1].expected == 3
    beyond = await plant(stores, one.id, NOW + 11 * HOUR)
    findings, _ = await timetable.audit(start=NOW + 8 * HOUR)
    assert [finding.firing for finding in findings] == [beyond]


async def test_it_goes_page_by_page(timetable: Timetable, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the pages, nothing is seen twice or passed over."""
    for name in ("_ROWS", "_ALARMS", "_DIFFERENCES"):
        monkeypatch.setattr(f"scheduler_svc.service.audit.run.{name}", 3)
    made = [await timetable.make(EVERY_HOUR) for _ in range(10)]
    await timetable.pass_time(7 * 3600 + 1)
    strays = [await plant(stores, f"01JNOBODY{number}", NOW + number) for number in range(8)]
    for one in made[::2]:
        for hour in (1, 2, 3, 4, 7):
            await lose(stores, one.id, NOW + hour * HOUR)
    findings, summary = await timetable.audit(start=NOW)
    assert (summary.alarms, summary.missing, summary.unexpected, summary.expected) == (10, 25, 8, 70)
    assert {finding.firing for finding in findings if finding.firing} == set(strays)


async def test_what_may_be_cleaned_up_is_not_looked_at(stores: Stores, clock: FakeClock) -> None:
    """The period begins where the ledger is still whole; the summary says where that is."""
    timetable = Timetable(stores, clock, ledger_days=1)
    await timetable.make(EVERY_HOUR)
    await timetable.pass_time(48 * 3600)
    async with stores.database.transaction() as connection:
        await connection.execute(delete(firings).where(firings.c.due_at < NOW + 24 * HOUR))
    findings, summary = await timetable.audit()
    assert (findings, summary.start, summary.expected) == ([], NOW + 25 * HOUR, 23)


@pytest.mark.parametrize(("start", "end"), [(NOW, NOW), (NOW + HOUR, NOW), (NOW + 9 * HOUR, None)])
async def test_an_empty_period_is_refused(timetable: Timetable, start: int, end: int | None) -> None:
    """A period that ends before it begins, or lies ahead, is a mistake of who asks."""
    with pytest.raises(InvalidInput, match="startTime"):
        await timetable.audit(start=start, end=end)


async def test_an_alarm_that_changes_meanwhile_is_looked_at_again(
    timetable: Timetable, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that came after the rules were read explains its rows."""
    one = await timetable.make(EVERY_HOUR)
    await timetable.pass_time(3 * 3600 + 1)
    read = SqlAuditStore.rows

    async def change_first(self: SqlAuditStore, *given: object, **named: object) -> list[LedgerRow]:
        monkeypatch.undo()
        past = Trigger(spec=At(NOW + 90 * 60 * SECOND), catch_up=CatchUp(mode=CatchUpMode.LATEST))
        await timetable.change(one.id, past)
        await timetable.fire()
        return await read(self, *given, **named)  # pyright: ignore[reportArgumentType]  whatever it was given

    monkeypatch.setattr(SqlAuditStore, "rows", change_first)
    findings, summary = await timetable.audit()
    assert (findings, summary.found) == ([], 4)


async def test_a_move_by_tzdata_is_no_finding(timetable: Timetable, stores: Stores) -> None:
    """What an older time-zone database had at another instant is one due time; a row without one nearby is still unexpected."""
    one = await timetable.make(Trigger(spec=Daily(time(9)), time_zone="Europe/Paris"))
    await timetable.pass_time(3 * 86_400)
    nine = NOW + 8 * HOUR
    await lose(stores, one.id, nine)
    await plant(stores, one.id, nine + HOUR)
    assert len((await timetable.audit())[0]) == 2
    async with stores.database.transaction() as connection:
        await connection.execute(insert(facts).values(name="tzdata/changed", value=str(nine + 2 * HOUR)))
    assert (await timetable.audit())[0] == []
    far = await plant(stores, one.id, nine - 5 * HOUR)
    assert [finding.firing for finding in (await timetable.audit())[0]] == [far]


async def test_rules_are_kept_once_and_forgotten_with_the_ledger(timetable: Timetable, stores: Stores) -> None:
    """Only another trigger or the end of an alarm ends a rule; a change of anything else does not."""
    one = await timetable.make(EVERY_HOUR)
    await timetable.change(one.id, EVERY_HOUR)
    await timetable.change(one.id, Trigger(spec=Every(2 * HOUR)))
    await timetable.alarms.delete(T1, one.id, etag="")
    async with stores.database.read() as connection:
        rows = (await connection.execute(select(alarm_rules).order_by(alarm_rules.c.since))).all()
    assert [(row.since, row.until, row.next_fire_at) for row in rows] == [
        (NOW, NOW + 1, NOW + HOUR),
        (NOW + 1, NOW, NOW + 1 + 2 * HOUR),
    ]
    assert await stores.housekeeping.forget_rules(before=NOW + 2, most=1) == 1
    assert await stores.housekeeping.forget_rules(before=NOW + 2, most=9) == 1
