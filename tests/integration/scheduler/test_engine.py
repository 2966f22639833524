"""The engine under a clock that the test moves, on each database."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import pytest
from msgspec import structs
from sqlalchemy import update

from scheduler_svc.domain import Alarm, FiringState, Outcome, Priority
from scheduler_svc.engine import EngineOptions
from scheduler_svc.store.tables import alarms
from tests.integration.scheduler.replica import Processor, Replica, pass_time
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm
from tocsin.recurrence import At, CatchUp, CatchUpMode, Every, Trigger
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

Start = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def start(stores: Stores, clock: FakeClock) -> AsyncIterator[Start]:
    """Starts replicas on the stores, and stops them in the end."""
    await stores.shards.release(OWNER)
    replicas: list[Replica] = []

    async def begin(**options: object) -> Replica:
        replica = Replica(stores, clock, **options)  # pyright: ignore[reportArgumentType]  passed on
        replicas.append(replica)
        return await replica.start()

    yield begin
    for replica in replicas:
        await replica.stop()


def at(due: int, **fields: object) -> Alarm:  # noqa: D103  a shorthand
    return alarm(due=due, trigger=Trigger(spec=At(due)), **fields)


def every(seconds: int, first: int = NOW, **fields: object) -> Alarm:  # noqa: D103  likewise
    return alarm(due=first, anchor=first, trigger=Trigger(spec=Every(seconds * SECOND), **fields))  # pyright: ignore[reportArgumentType]


async def _finished(stores: Stores, count: int) -> bool:
    rows = await stores.all_firings()
    return len(rows) >= count and all(row.state in (FiringState.SUCCEEDED, FiringState.CLOSED) for row in rows)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_is_early_and_every_occurrence_has_one_row(stores: Stores, start: Start, clock: FakeClock, seed: int) -> None:
    """Whatever the steps of the clock: fired and handed out at or after the due time, once."""
    draw = random.Random(seed)
    expected: set[tuple[str, int]] = set()
    for _ in range(60):
        due = NOW + draw.randrange(0, 20 * SECOND)
        made = at(due, priority=draw.choice(list(Priority)))
        await stores.add(made)
        expected.add((made.id, due))
    often = every(3, NOW + 1, count=5, catch_up=CatchUp(mode=CatchUpMode.ALL))
    await stores.add(often)
    expected |= {(often.id, NOW + 1 + number * 3 * SECOND) for number in range(5)}
    replica = await start(engine=EngineOptions(horizon=8 * SECOND, batch_size=7))
    processor = Processor(replica)
    while clock.micros() < NOW + 20 * SECOND:
        await clock.advance(draw.choice([0.001, 0.02, 0.3, 1.1]))
    await pass_time(clock, 0, lambda: _finished(stores, len(expected)))
    rows = await stores.all_firings()
    assert sorted((row.alarm, row.due) for row in rows) == sorted(expected)
    assert all(row.fired is not None and row.fired >= row.due for row in rows)
    assert all(arrived >= due for arrived, due in processor.arrived)
    assert len(processor.got) == len(expected)


@pytest.mark.parametrize(
    ("catch_up", "outcomes"),
    [
        (None, [Outcome.COALESCED] * 6 + [Outcome.LATE]),
        (CatchUp(mode=CatchUpMode.ALL), [Outcome.LATE] * 7),
        (CatchUp(mode=CatchUpMode.ALL, limit=2), [Outcome.SKIPPED] * 5 + [Outcome.LATE] * 2),
        (CatchUp(mode=CatchUpMode.NONE), [Outcome.SKIPPED] * 7),
        (CatchUp(window=22 * 60 * SECOND), [Outcome.SKIPPED] * 4 + [Outcome.COALESCED] * 2 + [Outcome.LATE]),
    ],
)
async def test_after_downtime_every_missed_occurrence_is_accounted_for(
    stores: Stores, start: Start, clock: FakeClock, catch_up: CatchUp | None, outcomes: list[Outcome]
) -> None:
    """An hour of downtime, by every policy, from the watermark in the store on."""
    made = every(600, NOW + 60 * SECOND, count=7, catch_up=catch_up)
    await stores.add(made)
    await clock.advance(3600 + 120)
    Processor(await start(engine=EngineOptions(ledger_batch=3)))
    await pass_time(clock, 0, lambda: _finished(stores, 7))
    rows = await stores.all_firings()
    assert [row.due for row in rows] == [NOW + 60 * SECOND + number * 600 * SECOND for number in range(7)]
    assert [row.outcome for row in rows] == outcomes


async def test_an_alarm_whose_hint_was_lost_is_found_in_time(stores: Stores, start: Start, clock: FakeClock) -> None:
    """The loader finds it, also when it lies within what was loaded already."""
    replica = await start(engine=EngineOptions(near=40 * SECOND))
    processor = Processor(replica)
    await pass_time(clock, 3, lambda: True)
    due = clock.micros() + 50 * SECOND
    made = at(due)
    await stores.add(made)
    await pass_time(clock, 0, lambda: len(replica.engine.timeline) == 1)
    assert replica.engine.timeline.due_of(made.id) == due > clock.micros()
    await pass_time(clock, (due - clock.micros()) / SECOND, lambda: len(processor.got) == 1)


async def test_far_alarms_stay_in_the_store(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Memory holds what is within the horizon, and no more than its limit; all fire in time nevertheless."""
    dues = [NOW + number * SECOND for number in range(1, 101)]
    await stores.add(*(at(due) for due in dues))
    replica = await start(engine=EngineOptions(horizon=10 * SECOND, near=SECOND))
    processor = Processor(replica)
    await eventually(lambda: len(replica.engine.timeline) > 0)
    largest = 0
    for number in range(1, 101):
        await clock.advance(1)
        largest = max(largest, len(replica.engine.timeline))
        await pass_time(clock, 0, lambda wanted=number: len(processor.got) >= wanted)
    assert largest < 40  # a horizon of ten, and what the clock runs ahead while a busy machine waits


@pytest.mark.parametrize("change", ["pause", "delete", "move"])
@pytest.mark.parametrize("seed", range(3))
async def test_a_change_at_the_due_moment_wins_or_loses_as_a_whole(
    stores: Stores, start: Start, clock: FakeClock, change: str, seed: int
) -> None:
    """Twenty alarms are changed while they become due: each is either fired and handed out, or changed and not, never both or neither."""
    draw = random.Random(seed)
    due = NOW + 2 * SECOND
    made = [at(due) for _ in range(20)]
    await stores.add(*made)
    replica = await start(engine=EngineOptions(batch_size=3))
    processor = Processor(replica)
    await eventually(lambda: len(replica.engine.timeline) == 20)

    async def alter(one: Alarm) -> bool:
        if draw.random() < 0.5:
            await asyncio.sleep(draw.random() / 50)
        if change == "pause":
            return await stores.alarms.pause("t1", one.id, now=NOW) is not None
        if change == "delete":
            return await stores.alarms.delete("t1", one.id, version=None, now=NOW)
        later = due + 3600 * SECOND
        moved = structs.replace(one, version=2, due=later, trigger=Trigger(spec=At(later)), ordinal=0)
        return await stores.alarms.update(moved, reschedule=True) is not None

    async def alter_all() -> list[bool]:
        return await asyncio.gather(*(alter(one) for one in made))

    changing = asyncio.create_task(alter_all())
    await clock.advance(2)
    changed = dict(zip((one.id for one in made), await changing, strict=True))
    await pass_time(clock, 1, lambda: _finished(stores, 0))
    rows = [row.alarm for row in await stores.all_firings()]
    assert len(rows) == len(set(rows))
    assert sorted(queued.alarm for queued, _ in processor.got) == sorted(rows)
    for one in made:
        if change == "pause":
            assert changed[one.id] != (one.id in rows)
        elif not changed[one.id]:
            assert one.id in rows


class SignalState(asyncio.Event):
    """Counts who waits for it."""

    waiting = 0

    async def wait(self) -> Literal[True]:
        """As an event does."""
        self.waiting += 1
        return await super().wait()


async def test_a_critical_alarm_waits_for_no_batch_of_others(stores: Stores, start: Start, clock: FakeClock) -> None:
    """While the transactions of bulk alarms stand still, it is fired and reaches the processor."""
    bulk = [at(NOW + SECOND, priority=Priority.BULK) for _ in range(50)]
    urgent = at(NOW + 2 * SECOND, priority=Priority.CRITICAL)
    await stores.add(*bulk, urgent)
    replica = await start(engine=EngineOptions(batch_size=5))
    await eventually(lambda: len(replica.engine.timeline) == 51)
    processor = Processor(replica)
    standing = replica.mortals[0].held_back["fire"] = SignalState()
    await clock.advance(1)
    await eventually(lambda: standing.waiting == 2, what="two batches that stand still")
    del replica.mortals[0].held_back["fire"]
    # What the bulk transactions had committed may come from the ledger meanwhile: nobody has heard of it.
    await pass_time(clock, 1, lambda: urgent.id in {queued.alarm for queued, _ in processor.got})
    assert standing.waiting == 2
    standing.set()
    await eventually(lambda: len(processor.got) == 51)


async def test_a_critical_alarm_is_found_behind_more_others_than_memory_holds(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Nobody told of it, the index is full of others due at the same instant, and in their order it is the last."""
    due = NOW + 30 * SECOND
    bulk = [at(due, priority=Priority.BULK) for _ in range(60)]
    await stores.add(*bulk)
    replica = await start(engine=EngineOptions(batch_size=5, index_limit=20, near=20 * SECOND))
    await eventually(lambda: len(replica.engine.timeline) >= 20)
    urgent = at(due, id="7" + "Z" * 25, priority=Priority.CRITICAL)
    await stores.add(urgent)
    processor = Processor(replica)
    await pass_time(clock, 15, lambda: urgent.id in replica.engine.timeline)
    await pass_time(clock, 15, lambda: len(processor.got) == 61)


async def test_a_crash_between_the_transaction_and_the_handing_out_loses_nothing(stores: Stores, start: Start, clock: FakeClock) -> None:
    """The row is in the ledger; the next start finds it there and hands it out once."""
    made = at(NOW + SECOND)
    await stores.add(made)
    first = await start(name="first")
    first.mortals[0].dies_after = "fire"
    await pass_time(clock, 1, lambda: first.mortals[0].dead)
    await first.crash()
    second = await start(name="second", alone=True)
    processor = Processor(second)
    await eventually(lambda: _finished(stores, 1))
    assert [queued.alarm for queued, _ in processor.got] == [made.id]
    assert len(await stores.all_firings()) == 1


async def test_a_crash_before_the_result_is_kept_hands_the_firing_out_again(stores: Stores, start: Start, clock: FakeClock) -> None:
    """The token is greater than before, and the row is the same."""
    await stores.add(at(NOW + SECOND))
    first = await start(name="first")
    before = Processor(first, answer=lambda _: None)
    await pass_time(clock, 1, lambda: len(before.got) == 1)
    await first.crash()
    second = await start(name="second", alone=True)
    after = Processor(second)
    await eventually(lambda: _finished(stores, 1))
    (old, token), (new, newer) = before.got[0], after.got[0]
    assert old.id == new.id
    assert newer > token


async def test_the_engine_goes_on_when_the_database_comes_back(stores: Stores, start: Start, clock: FakeClock) -> None:
    """What became due meanwhile fires late; nothing is lost."""
    due = NOW + 2 * SECOND
    await stores.add(*(at(due + number) for number in range(10)))
    replica = await start()
    processor = Processor(replica)
    await eventually(lambda: len(replica.engine.timeline) == 10)
    for mortal in replica.mortals[:2]:
        mortal.dead = True
    await pass_time(clock, 5, lambda: "fire" in replica.engine.failing)
    for mortal in replica.mortals[:2]:
        mortal.dead = False
    await pass_time(clock, 1, lambda: _finished(stores, 10))
    assert len(processor.got) == 10
    assert {row.outcome for row in await stores.all_firings()} == {Outcome.LATE}
    await pass_time(clock, 1, lambda: replica.engine.failing == {})


async def test_an_alarm_that_cannot_be_planned_holds_up_no_other(stores: Stores, start: Start, clock: FakeClock) -> None:
    """A damaged row stays due and is told; the rest of its batch goes."""
    broken, sound = at(NOW + SECOND), at(NOW + SECOND)
    await stores.add(broken, sound)
    async with stores.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE alarms SET trigger_rule = '{{}}' WHERE id = '{broken.id}'")  # noqa: S608  a test's own id
    replica = await start()
    processor = Processor(replica)
    await pass_time(clock, 2, lambda: len(processor.got) == 1)
    assert [row.alarm for row in await stores.all_firings()] == [sound.id]
    assert replica.engine.failing == {}


async def test_a_dead_replicas_shards_are_taken_over_when_its_lease_ends(stores: Stores, start: Start, clock: FakeClock) -> None:
    """The other one waits for the lease, not longer, and accounts for what came due meanwhile."""
    first = await start(name="first")
    second = await start(name="second")
    assert (len(first.ownership.held), len(second.ownership.held)) == (256, 0)
    await stores.add(at(NOW + 4 * SECOND))
    processor = Processor(second)
    await first.crash()
    await pass_time(clock, 9, lambda: True)
    assert processor.got == []
    await pass_time(clock, 5, lambda: len(processor.got) == 1 and len(second.ownership.held) == 256)
    assert [row.outcome for row in await stores.all_firings()] == [Outcome.LATE]


async def test_a_replica_that_stops_gives_its_shards_to_the_next_at_once(stores: Stores, start: Start, clock: FakeClock) -> None:
    """No lease has to end."""
    first = await start(name="first")
    await first.stop()
    assert first.ownership.held == {}
    assert len((await start(name="second")).ownership.held) == 256


async def test_a_replica_that_cannot_renew_stops_before_its_lease_ends(stores: Stores, start: Start, clock: FakeClock) -> None:
    """By its own clock, without asking anybody; it goes on when it can renew and nobody took over."""
    replica = await start()
    processor = Processor(replica)
    replica.mortals[2].dead = True
    await pass_time(clock, 9, lambda: replica.ownership.held == {})
    await stores.add(at(clock.micros()))
    await pass_time(clock, 3, lambda: True)
    assert processor.got == []
    replica.mortals[2].dead = False
    await pass_time(clock, 4, lambda: len(processor.got) == 1)


async def test_a_replica_that_was_frozen_past_its_lease_writes_nothing(stores: Stores, start: Start, clock: FakeClock) -> None:
    """Its own clock stood still, so it believes in its lease; the epoch in the transaction stops it. No occurrence twice, none lost."""
    frozen_clock = FakeClock(clock.now())
    dues = [NOW + number * SECOND for number in range(5, 25)]
    await stores.add(*(at(due) for due in dues))
    frozen = await Replica(stores, frozen_clock, name="frozen").start()
    await eventually(lambda: len(frozen.engine.timeline) == 20)
    old, other = Processor(frozen), await start(name="other")
    new = Processor(other)
    await pass_time(clock, 16, lambda: len(new.got) >= 8)
    assert len(frozen.ownership.held) == 256
    # It wakes up: time has passed, but it has not yet been told that its lease is over.
    jump = Processor(frozen)
    frozen_clock.set(clock.now())
    await asyncio.gather(pass_time(clock, 12, lambda: _finished(stores, 20)), frozen_clock.advance(0.5))
    await frozen.stop()
    rows = await stores.all_firings()
    assert [row.due for row in rows] == dues
    assert sorted(queued.due for queued, _ in [*old.got, *jump.got, *new.got]) == dues


@pytest.mark.parametrize("others", [0, 30])
async def test_an_alarm_that_no_transaction_takes_holds_up_no_other(stores: Stores, start: Start, clock: FakeClock, others: int) -> None:
    """A stored row that spoils its transaction: every other alarm of the batch goes, and it itself stays due and is tried again."""
    good = [at(NOW + SECOND, priority=Priority.CRITICAL if number % 2 else Priority.NORMAL) for number in range(others)]
    bad = every(3600, NOW + SECOND)
    often = every(1, NOW + SECOND, count=10, catch_up=CatchUp(mode=CatchUpMode.ALL))
    await stores.add(*good[:17], bad, *good[17:], often)
    largest = 2**31 - 1 if stores.database.dialect == "postgresql" else 2**63 - 1
    async with stores.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE alarms SET ordinal = {largest} WHERE id = '{bad.id}'")  # noqa: S608  our own
    processor = Processor(await start())
    await pass_time(clock, 12, lambda: _finished(stores, others + 10))
    assert {row.alarm for row in await stores.all_firings()} == {one.id for one in (*good, often)}
    assert len(processor.got) == others + 10
    assert (await stores.alarms.get("t1", bad.id)).due == NOW + SECOND
    async with stores.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE alarms SET ordinal = 0 WHERE id = '{bad.id}'")  # noqa: S608  our own
    await pass_time(clock, 65, lambda: _finished(stores, others + 11))


async def test_a_priority_that_nobody_knows_holds_no_other(stores: Stores, start: Start, clock: FakeClock) -> None:
    """An alarm whose row says one is let go as a normal one, whether the loader or a fire brings it."""
    odd = [-1, 0, 4, 99, 32_767]
    spoiled = [every(2, NOW + SECOND, count=2, catch_up=CatchUp(mode=CatchUpMode.ALL)) for _ in odd]
    await stores.add(*spoiled, at(NOW + SECOND))
    async with stores.database.transaction() as connection:
        for made, priority in zip(spoiled, odd, strict=True):
            await connection.execute(update(alarms).where(alarms.c.id == made.id).values(priority=priority))
    replica = await start()
    processor = Processor(replica)
    await pass_time(clock, 4, lambda: len(processor.got) == 2 * len(odd) + 1)
    await pass_time(clock, 0, lambda: _finished(stores, 2 * len(odd) + 1))
    assert {row.priority for row in await stores.all_firings()} == {Priority.NORMAL}
    assert not replica.engine.failing
