"""What happens at a due time while the firing before still runs, on each database."""

import asyncio

import pytest
from msgspec import structs

from scheduler_svc.domain import COUNTED, OWN_TRACE, SERIAL, SINGLE, FailedAttempt, FiringState, Origin, Outcome, Succeeded
from scheduler_svc.ports import Pending
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm, firing
from tocsin.recurrence import At, CatchUp, CatchUpMode, Every, Overlapping, Trigger

ALL = CatchUp(mode=CatchUpMode.ALL)


def often(overlap: Overlapping, **fields: object) -> Trigger:
    """Every ten seconds."""
    return Trigger(spec=Every(10 * SECOND), overlap=overlap, **fields)  # pyright: ignore[reportArgumentType]  passed on


@pytest.mark.parametrize("end", ["succeeds", "dies"])
async def test_a_due_time_is_skipped_while_the_firing_before_runs(stores: Stores, end: str) -> None:
    """As long as it is pending or waits for a retry; the due time after its end fires again."""
    made = alarm(trigger=often(Overlapping.SKIP))
    await stores.add(made)
    (first,) = (await stores.fire((made.id, NOW))).queued_firings
    assert first.flags == SINGLE | OWN_TRACE
    again = FailedAttempt(firing=first.id, state=FiringState.RETRYING, attempts=1, ready=NOW + 60 * SECOND, reason="", error="E: e")
    await stores.ledger.record(done={}, failed_attempts=[again], now=NOW)
    skipped = await stores.fire((made.id, NOW + 10 * SECOND), now=NOW + 10 * SECOND)
    assert (skipped.queued_firings, skipped.outcomes) == ([], {Outcome.SKIPPED: 1})
    assert [pending.due for pending in skipped.next] == [NOW + 20 * SECOND]
    dead = FailedAttempt(firing=first.id, state=FiringState.DEAD, attempts=5, ready=None, reason="R", error="R: r")
    await stores.ledger.record(
        done={first.id: Succeeded()} if end == "succeeds" else {}, failed_attempts=[] if end == "succeeds" else [dead], now=NOW
    )
    assert len((await stores.fire((made.id, NOW + 20 * SECOND), now=NOW + 20 * SECOND)).queued_firings) == 1
    rows = await stores.all_firings()
    assert [(row.outcome, row.reason) for row in rows][1:] == [(Outcome.SKIPPED, "OVERLAP"), (Outcome.FIRED, "")]
    assert rows[1].state is FiringState.CLOSED


async def test_of_what_is_caught_up_at_once_the_first_runs_alone(stores: Stores) -> None:
    """Also when the catching up is cut into transactions."""
    made = alarm(trigger=often(Overlapping.SKIP, catch_up=ALL))
    await stores.add(made)
    late = NOW + 35 * SECOND
    todo = [(made.id, NOW)]
    while todo:
        fired = await stores.fire(*todo, now=late, most=2)
        todo = [(pending.id, pending.due) for pending in fired.next if pending.due <= late]
    assert [row.reason for row in await stores.all_firings()] == ["LET_GO_LATE", "OVERLAP", "OVERLAP", "OVERLAP"]


async def test_only_firings_by_the_rule_count_as_running(stores: Stores) -> None:
    """One that somebody asked for beside the rule does not keep the rule from firing; nor does one of another alarm."""
    made, other = alarm(trigger=often(Overlapping.SKIP)), alarm(trigger=often(Overlapping.SKIP))
    await stores.add(made, other)
    beside = firing(alarm=made.id, origin=Origin.MANUAL)
    await stores.ledger.enqueue([beside], owner=OWNER, held=stores.held)
    assert len((await stores.fire((made.id, NOW))).queued_firings) == 1
    assert len((await stores.fire((other.id, NOW), (made.id, NOW + 10 * SECOND), now=NOW + 10 * SECOND)).queued_firings) == 1


@pytest.mark.parametrize(
    ("overlap", "auto_pause_after", "flags"),
    [
        (Overlapping.DEFAULT, 0, 0),
        (Overlapping.ALLOW, 3, COUNTED),
        (Overlapping.QUEUE, 0, SERIAL),
        (Overlapping.QUEUE, 1, SERIAL | COUNTED),
        (Overlapping.SKIP, 1, SINGLE | COUNTED),
    ],
)
async def test_firings_tell_what_their_alarm_asks_for(stores: Stores, overlap: Overlapping, auto_pause_after: int, flags: int) -> None:
    """In the queued firing and in the ledger, however the alarm is planned; a row that does not fire has none."""
    ones = [
        alarm(trigger=often(overlap), auto_pause_after=auto_pause_after),
        alarm(trigger=Trigger(spec=At(NOW), overlap=overlap), auto_pause_after=auto_pause_after),
        alarm(trigger=often(overlap, catch_up=CatchUp(window=0)), due=NOW - SECOND, anchor=NOW - SECOND, auto_pause_after=auto_pause_after),
    ]
    await stores.add(*ones)
    fired = await stores.fire(*((one.id, one.due or 0) for one in ones))
    assert [queued.flags for queued in fired.queued_firings] == [flags | OWN_TRACE, flags]
    assert sorted(row.flags for row in await stores.all_firings()) == sorted([0, flags | OWN_TRACE, flags])


async def test_a_change_that_commits_while_a_batch_is_planned_wins(stores: Stores) -> None:
    """The batch read the alarm before; what it planned is dropped, and the alarm comes as it is now. The others of the batch go."""
    if stores.database.dialect == "sqlite":
        return  # one transaction at a time: nothing can come between
    changed, paused, sound = (alarm(trigger=often(Overlapping.DEFAULT)) for _ in range(3))
    await stores.add(changed, paused, sound)
    async with stores.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE alarms SET next_fire_at = {NOW + 7}, version = 2 WHERE id = '{changed.id}'")  # noqa: S608  ids
        await connection.exec_driver_sql(f"UPDATE alarms SET state = 2, version = 2 WHERE id = '{paused.id}'")  # noqa: S608  likewise
        firing_batch = asyncio.create_task(stores.fire((changed.id, NOW), (paused.id, NOW), (sound.id, NOW)))
        await _waits_for_a_lock(stores)
    fired = await firing_batch
    assert [queued.alarm for queued in fired.queued_firings] == [sound.id]
    assert sorted(fired.next) == sorted(
        [Pending(changed.id, NOW + 7, 2, changed.shard, changed.tenant), Pending(sound.id, NOW + 10 * SECOND, 2, sound.shard, sound.tenant)]
    )
    assert [row.alarm for row in await stores.all_firings()] == [sound.id]


async def test_of_an_alarm_that_means_an_old_due_time_again_the_other_rows_go(stores: Stores) -> None:
    """One of its three due times is in the ledger: the two others are fired."""
    made = alarm(trigger=often(Overlapping.DEFAULT, catch_up=ALL))
    await stores.add(made)
    await stores.fire((made.id, NOW))
    again = structs.replace(made, version=2, due=NOW, ordinal=0)
    assert await stores.alarms.update(again, reschedule=True) is not None
    fired = await stores.fire((made.id, NOW), now=NOW + 20 * SECOND)
    assert [queued.due for queued in fired.queued_firings] == [NOW + 10 * SECOND, NOW + 20 * SECOND]
    assert [pending.due for pending in fired.next] == [NOW + 30 * SECOND]
    assert len(await stores.all_firings()) == 3


async def _waits_for_a_lock(stores: Stores) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while True:
        async with stores.database.read() as connection:
            if (await connection.exec_driver_sql(query)).scalar_one():
                return
        await asyncio.sleep(0.01)


async def test_the_firing_before_is_cancelled(stores: Stores) -> None:
    """Pending or waiting for a retry: it is closed, its late result counts for nothing, and the new one runs; others are left alone."""
    made, other = alarm(trigger=often(Overlapping.CANCEL_OTHER)), alarm(trigger=often(Overlapping.CANCEL_OTHER))
    await stores.add(made, other)
    (first,) = (await stores.fire((made.id, NOW))).queued_firings
    (kept,) = (await stores.fire((other.id, NOW))).queued_firings
    beside = firing(alarm=made.id, origin=Origin.MANUAL)
    await stores.ledger.enqueue([beside], owner=OWNER, held=stores.held)
    again = FailedAttempt(firing=first.id, state=FiringState.RETRYING, attempts=1, ready=NOW + 60 * SECOND, reason="", error="E: e")
    await stores.ledger.record(done={}, failed_attempts=[again], now=NOW)
    fired = await stores.fire((made.id, NOW + 10 * SECOND), now=NOW + 10 * SECOND)
    assert (fired.cancelled, [queued.due for queued in fired.queued_firings]) == ([first.id], [NOW + 10 * SECOND])
    await stores.ledger.record(done={first.id: Succeeded()}, failed_attempts=[], now=NOW + 11 * SECOND)
    rows = {row.id: (row.state, row.outcome, row.reason) for row in await stores.all_firings()}
    assert rows[first.id] == (FiringState.CLOSED, Outcome.FAILED, "OVERLAP_CANCELLED")
    assert rows[kept.id][0] is rows[beside.id][0] is rows[fired.queued_firings[0].id][0] is FiringState.PENDING


async def test_of_what_is_caught_up_the_last_runs(stores: Stores) -> None:
    """Each would be cancelled by the next."""
    made = alarm(trigger=often(Overlapping.CANCEL_OTHER, catch_up=ALL))
    await stores.add(made)
    fired = await stores.fire((made.id, NOW), now=NOW + 35 * SECOND)
    assert [queued.due for queued in fired.queued_firings] == [NOW + 30 * SECOND]
    assert [row.reason for row in await stores.all_firings()] == [*["OVERLAP_CANCELLED"] * 3, "LET_GO_LATE"]
