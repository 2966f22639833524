"""A new time-zone database: what is due moves with it, and each move is told."""

from collections.abc import Sequence
from datetime import time
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from scheduler_svc.domain import AlarmState
from scheduler_svc.engine.replanner import Replanner
from scheduler_svc.ports import Move, NewAlarm, Pending, Replan, ReplanCandidate
from scheduler_svc.service.replan import replanned, still_due
from scheduler_svc.store import SqlReplanStore
from scheduler_svc.store.tables import alarms, facts, replicas
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, SPOILED_RULES, Stores, alarm
from tests.integration.scheduler.timetable import Timetable
from tocsin.recurrence import At, AtLocal, Cron, Daily, Every, Trigger
from tocsin.testing.clock import FakeClock

HOUR = 3600 * SECOND
DAY = 24 * HOUR
NINE = Trigger(spec=Daily(time(9)), time_zone="Europe/Paris")
DUE = NOW + 8 * HOUR
"""Nine o'clock in Paris, in winter."""


class Index:
    """Hears what the engine would be told."""

    def __init__(self) -> None:
        self.due: dict[str, int | None] = {}

    def hint(self, pending: Pending) -> None:
        """See `scheduler_svc.engine.replanner.Schedules`."""
        self.due[pending.id] = pending.due

    def cancel(self, alarm: str) -> None:
        """See `scheduler_svc.engine.replanner.Schedules`."""
        self.due[alarm] = None


class World:
    """A replica's replanner, on a store whose alarms an older time-zone database has computed."""

    def __init__(self, stores: Stores, clock: FakeClock) -> None:
        self.stores = stores
        self.clock = clock
        self.store = SqlReplanStore(stores.database)
        self.index = Index()
        self.owner = OWNER

    @property
    def held(self) -> Any:
        """See `scheduler_svc.ports.Shards`."""
        return self.stores.held

    def replanner(self, version: str = "2026b") -> Replanner:
        """A fresh start with a version."""
        return Replanner(store=self.store, shards=self, schedules=self.index, clock=self.clock, version=version)

    async def add(self, trigger: Trigger, *, due: int, **fields: Any) -> str:
        """An alarm that is due when the older database said."""
        made = alarm(trigger=trigger, due=due, rule_since=NOW, **fields)
        await self.stores.alarms.create([NewAlarm(alarm=made)])
        return made.id

    async def due(self, name: str) -> int | None:
        """When an alarm is due."""
        return (await self.stores.alarms.get("t1", name)).due

    async def lives(self, owner: str, *, version: str) -> None:
        """Another replica, with its version."""
        async with self.stores.database.transaction() as connection:
            await connection.execute(insert(replicas).values(owner=owner, address="", started_at=NOW, lease_until=NOW + HOUR))
        await self.store.meet(owner, version=version)

    async def reports(self) -> list[Replan]:
        """What was told, the oldest first."""
        return (await self.store.page("t1", before=None, size=100))[::-1]


@pytest.fixture
async def world(stores: Stores, clock: FakeClock) -> World:
    """An installation that ran with "2026a"."""
    made = World(stores, clock)
    assert await made.replanner("2026a").round() == 0
    return made


async def test_what_is_due_moves_with_its_zone(world: World) -> None:
    """An alarm in a zone is due at its local time again, the engine hears of it, and the move is told with both versions."""
    moved = await world.add(NINE, due=DUE - HOUR)
    right = await world.add(NINE, due=DUE)
    paused = await world.add(NINE, due=DUE + HOUR, state=AlarmState.PAUSED)
    beside = [
        await world.add(Trigger(spec=Every(HOUR)), due=NOW + 17),
        await world.add(Trigger(spec=At(NOW + 5)), due=NOW + 5),
        await world.add(Trigger(spec=Daily(time(9))), due=NOW + 17),
    ]
    assert await world.replanner().round() == 2
    assert [await world.due(name) for name in (moved, right, paused)] == [DUE] * 3
    assert [await world.due(name) for name in beside] == [NOW + 17, NOW + 5, NOW + 17]
    assert world.index.due == {moved: DUE}
    assert {(told.alarm, told.due_before, told.due_after) for told in await world.reports()} == {
        (moved, DUE - HOUR, DUE),
        (paused, DUE + HOUR, DUE),
    }
    assert {(told.tzdata_before, told.tzdata_after, told.time) for told in await world.reports()} == {("2026a", "2026b", NOW)}


async def test_a_local_time_moves_with_its_zone(world: World) -> None:
    """One that was given for an instant: it stays what was said."""
    name = await world.add(Trigger(spec=AtLocal("2026-01-01T09:00:00"), time_zone="Europe/Paris"), due=DUE - HOUR)
    assert await world.replanner().round() == 1
    assert await world.due(name) == DUE


async def test_an_alarm_that_nobody_can_read_holds_no_other(world: World) -> None:
    """A newer time-zone database comes to all others; it stays as it is, and the round ends."""
    spoiled = [await world.add(NINE, due=DUE - HOUR) for _ in SPOILED_RULES]
    async with world.stores.database.transaction() as connection:
        for name, rule in zip(spoiled, SPOILED_RULES, strict=True):
            await connection.execute(update(alarms).where(alarms.c.id == name).values(trigger_rule=rule))
    moved = await world.add(NINE, due=DUE - HOUR)
    assert await world.replanner().round() == 1
    assert await world.due(moved) == DUE
    assert [await world.due(name) for name in spoiled] == [DUE - HOUR] * len(spoiled)


async def test_it_is_done_once(world: World) -> None:
    """With the same version nothing is looked at again; an older one leaves what a newer one has computed that lives."""
    await world.add(NINE, due=DUE - HOUR)
    assert await world.replanner().round() == 1
    stale = await world.add(NINE, due=DUE - HOUR)
    assert await world.replanner().round() == 0
    await world.lives("newer", version="2026b")
    assert await world.replanner("2026a").round() == 0
    assert await world.due(stale) == DUE - HOUR


async def test_a_database_that_was_rolled_back_is_computed_with(world: World) -> None:
    """When no replica with the newer one lives any more; what had moved moves back, and is told."""
    assert await world.replanner().round() == 0
    name = await world.add(NINE, due=DUE - HOUR)
    assert await world.replanner("2026a").round() == 1
    assert await world.due(name) == DUE
    assert [(report.tzdata_before, report.tzdata_after) for report in await world.reports()] == [("2026b", "2026a")]
    assert await world.replanner("2026a").round() == 0


async def test_killed_half_way_it_begins_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has moved stays and is told once; the next start moves the rest."""
    monkeypatch.setattr("scheduler_svc.engine.replanner._BATCH", 2)
    names = [await world.add(NINE, due=DUE - HOUR) for _ in range(5)]
    move, calls = world.store.move, list[int]()

    async def die_at_the_second(moves: Sequence[Move], **given: Any) -> list[Move]:
        calls.append(len(moves))
        if len(calls) == 2:
            raise ConnectionError
        return await move(moves, **given)

    monkeypatch.setattr(world.store, "move", die_at_the_second)
    with pytest.raises(ConnectionError):
        await world.replanner().round()
    monkeypatch.setattr(world.store, "move", move)
    assert await world.replanner().round() == 3
    assert [await world.due(name) for name in names] == [DUE] * 5
    assert len(await world.reports()) == 5


async def test_a_change_in_between_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An alarm that was fired or changed after it was read, or whose shard is another replica's, is left alone."""
    changed = await world.add(NINE, due=DUE - HOUR)
    lost = await world.add(NINE, due=DUE - HOUR)
    while (await world.stores.alarms.get("t1", lost)).shard == (await world.stores.alarms.get("t1", changed)).shard:
        lost = await world.add(NINE, due=DUE - HOUR)
    read = world.store.candidates

    async def then_change(shards: Any, **given: Any) -> list[ReplanCandidate]:
        found = await read(shards, **given)
        async with world.stores.database.transaction() as connection:
            await connection.execute(update(alarms).where(alarms.c.id == changed).values(next_fire_at=NOW + 5))
        return found

    monkeypatch.setattr(world.store, "candidates", then_change)
    gone = (await world.stores.alarms.get("t1", lost)).shard
    await world.stores.shards.give_back(OWNER, [gone])
    await world.replanner().round()
    assert await world.due(changed) == NOW + 5
    assert await world.due(lost) == DUE - HOUR
    assert gone not in {shard for shard, version in (await world.store.versions(range(256))).items() if version == "2026b"}


async def test_what_an_older_replica_left_is_looked_at_again(world: World) -> None:
    """As long as a replica of an older version lives it may make alarms; when it is gone, everything is computed once more."""
    world.owner = "old"
    await world.stores.shards.renew("old", lease=HOUR)
    await world.store.meet("old", version="2026a")
    world.owner = OWNER
    await world.stores.shards.renew(OWNER, lease=HOUR)
    assert await world.replanner().round() == 0
    left = await world.add(NINE, due=DUE - HOUR)
    assert await world.replanner().round() == 0
    await world.stores.shards.release("old")
    assert await world.replanner().round() == 1
    assert await world.due(left) == DUE


async def test_the_first_start_computes_nothing_anew(stores: Stores, clock: FakeClock) -> None:
    """A new installation has no version before, and is not told to have changed."""
    await World(stores, clock).replanner().round()
    async with stores.database.read() as connection:
        names = {row.name for row in await connection.execute(select(facts))}
    assert "tzdata/changed" not in names
    assert "tzdata/255" in names


async def test_the_audit_understands_a_move(world: World, clock: FakeClock) -> None:
    """An occurrence that was fired at the instant of the older database, and is not repeated at the new one, is accounted for."""
    name = await world.add(NINE, due=DUE - HOUR)
    table = Timetable(world.stores, clock)
    await clock.advance((8 * HOUR - HOUR / 2) / SECOND)
    await table.fire()  # as the older database said: an hour too early
    async with world.stores.database.transaction() as connection:
        await connection.execute(update(alarms).where(alarms.c.id == name).values(next_fire_at=DUE - HOUR + DAY))
    await world.replanner().round()
    assert await world.due(name) == DUE + DAY
    await table.pass_time(2 * 86_400)
    findings, summary = await table.audit()
    assert (findings, summary.found) == ([], 2)


def candidate(trigger: Trigger, due: int, *, ordinal: int = 1, since: int = NOW) -> ReplanCandidate:
    """An alarm that was computed with an older database."""
    return ReplanCandidate("01J", "t1", 0, 2, True, trigger.encode(), NOW, since, due, ordinal)


@pytest.mark.parametrize(
    ("trigger", "due", "last", "expected"),
    [
        (NINE, DUE + HOUR, DUE - DAY, DUE),
        (NINE, DUE - HOUR, DUE - DAY - HOUR, DUE),
        (NINE, DUE + DAY - HOUR, DUE - HOUR, DUE + DAY),
        (NINE, DUE + DAY + HOUR, DUE + HOUR, DUE + DAY),
        (Trigger(spec=Cron("0 */3 * * *"), time_zone="Europe/Paris"), NOW + HOUR, NOW - 2 * HOUR, NOW + 2 * HOUR),
        (Trigger(spec=Cron("0 */3 * * *"), time_zone="Europe/Paris"), NOW + 3 * HOUR, NOW, NOW + 2 * HOUR),
        (Trigger(spec=Daily(time(9)), time_zone="Europe/Paris", end=NOW + 7 * HOUR), NOW + 6 * HOUR, NOW - DAY, None),
    ],
)
def test_the_same_local_time_at_its_new_instant(trigger: Trigger, due: int, last: int, expected: int | None) -> None:
    """It is neither repeated on the day of the change nor left out; a rule that is over by the new zones ends."""
    alarm = candidate(trigger, due)
    assert not still_due(alarm)
    assert replanned(alarm, last) == expected


def test_what_was_never_let_go_begins_as_if_made_now() -> None:
    """Before the first occurrence there is nothing to repeat: it is the first due time after the alarm got its trigger."""
    since = DUE - HOUR // 2  # by the older database nine o'clock was over then
    assert replanned(candidate(NINE, DUE + DAY - HOUR, ordinal=0, since=since), None) == DUE
    assert still_due(candidate(NINE, DUE, ordinal=0))
