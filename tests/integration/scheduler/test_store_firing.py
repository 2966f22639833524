"""The firing transaction and the ledger, on each database."""

import asyncio
from functools import partial

import pytest
from msgspec import structs
from msgspec.structs import replace

from scheduler_svc.domain import (
    TENANT_SUSPENDED,
    AlarmState,
    FailedAttempt,
    FiringNotFound,
    FiringState,
    Origin,
    Outcome,
    Priority,
    Succeeded,
    firing_id,
)
from scheduler_svc.domain.planning import Plan
from scheduler_svc.ports import Due, Pending
from tests.integration.scheduler.stores import ACTION, NOW, OWNER, SECOND, Stores, alarm, firing, planner
from tocsin.clock import from_micros
from tocsin.errors import TocsinError, Unavailable
from tocsin.listing import Condition
from tocsin.recurrence import At, CatchUp, CatchUpMode, Every, Trigger


async def test_an_alarm_that_is_due_gets_its_row_and_its_next_time(stores: Stores) -> None:
    """One transaction: the ledger row, the queued, the next due time."""
    made = alarm(trigger=Trigger(spec=Every(10 * SECOND)), traceparent="trace", priority=Priority.CRITICAL)
    await stores.add(made)
    fired = await stores.fire((made.id, NOW), now=NOW + 5)
    (queued,) = fired.queued_firings
    assert (queued.id, queued.action, queued.priority, queued.due, queued.traceparent) == (firing_id(made.id, NOW), ACTION, 1, NOW, "trace")
    assert fired.next == [Pending(made.id, NOW + 10 * SECOND, 1, made.shard, made.tenant)]
    (row,) = await stores.all_firings()
    assert (row.id, row.alarm, row.fired, row.outcome, row.state) == (queued.id, made.id, NOW + 5, Outcome.FIRED, FiringState.PENDING)
    stored = await stores.alarms.get("t1", made.id)
    assert (stored.due, stored.ordinal, stored.version) == (NOW + 10 * SECOND, 1, 1)


async def test_the_last_due_time_completes_an_alarm(stores: Stores) -> None:
    """It fires no more, and a second attempt to let it go does nothing."""
    made = alarm()
    await stores.add(made)
    await stores.fire((made.id, NOW))
    assert (await stores.alarms.get("t1", made.id)).state is AlarmState.COMPLETED
    fired = await stores.fire((made.id, NOW))
    assert (fired.queued_firings, fired.next) == ([], [])
    assert len(await stores.all_firings()) == 1


async def test_what_was_changed_first_wins(stores: Stores) -> None:
    """Paused, deleted and moved alarms are not fired; a moved one comes back with its new time."""
    paused, deleted, moved = alarm(), alarm(), alarm()
    await stores.add(paused, deleted, moved)
    await stores.alarms.pause("t1", paused.id, now=NOW)
    await stores.alarms.delete("t1", deleted.id, version=None, now=NOW)
    later = NOW + SECOND
    await stores.alarms.update(structs.replace(moved, version=2, due=later, trigger=Trigger(spec=At(later))), reschedule=True)
    fired = await stores.fire((paused.id, NOW), (deleted.id, NOW), (moved.id, NOW))
    assert (fired.queued_firings, fired.next) == ([], [Pending(moved.id, later, 2, moved.shard, moved.tenant)])
    assert await stores.all_firings() == []


async def test_an_epoch_that_is_over_lets_nothing_go(stores: Stores) -> None:
    """A replica whose shards were taken over cannot write, even though it does not know yet."""
    made = alarm()
    await stores.add(made)
    taken = await stores.shards.acquire("other", lease=10 * SECOND, most=256, dead={}, steal=True)
    assert len(taken) == 256
    fired = await stores.fire((made.id, NOW))
    assert (fired.queued_firings, fired.lost) == ([], {made.shard})
    assert await stores.all_firings() == []
    fired = await stores.fire((made.id, NOW), owner="other", held=taken)
    assert len(fired.queued_firings) == 1


async def test_two_transactions_let_an_alarm_go_once(stores: Stores) -> None:
    """Whatever their order, one row and one queued an occurrence."""
    made = [alarm() for _ in range(50)]
    await stores.add(*made)
    batch = [(one.id, NOW) for one in made]
    both = await asyncio.gather(stores.fire(*batch), stores.fire(*reversed(batch)))
    assert sorted(queued.alarm for fired in both for queued in fired.queued_firings) == sorted(one.id for one in made)
    assert len(await stores.all_firings()) == 50


async def test_an_occurrence_that_is_in_the_ledger_is_not_let_go_again(stores: Stores) -> None:
    """A rule that is changed and changed back means the same due time: it stays fired once."""
    made, fresh = alarm(trigger=Trigger(spec=At(NOW), catch_up=CatchUp(mode=CatchUpMode.LATEST))), alarm()
    await stores.add(made, fresh)
    await stores.fire((made.id, NOW))
    again = structs.replace(made, version=2, state=AlarmState.ACTIVE, due=NOW, ordinal=0)
    assert await stores.alarms.update(again, reschedule=True) is not None
    fired = await stores.fire((made.id, NOW), (fresh.id, NOW))
    assert [queued.alarm for queued in fired.queued_firings] == [fresh.id]
    assert fired.outcomes == {Outcome.FIRED: 1}
    assert (await stores.alarms.get("t1", made.id)).state is AlarmState.COMPLETED


async def test_catching_up_is_cut_into_transactions(stores: Stores) -> None:
    """No transaction writes more than its rows; what has no room comes again, and every due time ends in the ledger."""
    made = [alarm(trigger=Trigger(spec=Every(SECOND))) for _ in range(3)]
    await stores.add(*made)
    todo = [(one.id, NOW) for one in made]
    late = NOW + 9 * SECOND
    sizes: list[int] = []
    while todo:
        fired = await stores.fire(*todo, now=late, most=7)
        sizes.append(sum(fired.outcomes.values()))
        todo = [(pending.id, pending.due) for pending in fired.next if pending.due <= late]
    assert all(size <= 7 for size in sizes)
    rows = await stores.all_firings()
    assert len(rows) == 30
    for one in made:
        mine = sorted((row for row in rows if row.alarm == one.id), key=lambda row: row.due)
        assert [row.due for row in mine] == [NOW + number * SECOND for number in range(10)]
        assert [row.outcome for row in mine] == [Outcome.COALESCED] * 9 + [Outcome.FIRED]
        assert [row.action.body for row in mine[:-1]] == [b""] * 9


async def test_as_many_rows_as_alarms_are_not_a_row_of_each(stores: Stores) -> None:
    """An alarm without a row beside one that catches up with two: each row is its own alarm's, whatever the order."""
    held, late = (alarm(tenant=tenant, trigger=Trigger(spec=Every(10 * SECOND), count=2)) for tenant in ("t1", "t2"))
    await stores.add(held, late)
    now = NOW + 15 * SECOND

    def plan(due: Due, room: int) -> Plan:
        return Plan((), due.due, due.ordinal, pause=TENANT_SUSPENDED) if due.id == held.id else planner(now)(due, room)

    fired = await stores.due.fire([(held.id, NOW), (late.id, NOW)], owner=OWNER, now=now, most=100, planner=plan, held=stores.held)
    assert await stores.all_firings("t1") == []
    assert (await stores.alarms.get("t1", held.id)).state is AlarmState.PAUSED
    rows = await stores.all_firings("t2")
    assert [(row.alarm, row.due, row.outcome) for row in rows] == [
        (late.id, NOW, Outcome.COALESCED),
        (late.id, NOW + 10 * SECOND, Outcome.LATE),
    ]
    assert [queued.alarm for queued in fired.queued_firings] == [late.id]


async def test_what_is_due_is_read_in_pages(stores: Stores) -> None:
    """In order of due time and id, active alarms of the wanted shards alone."""
    made = [alarm(due=NOW + number % 3, trigger=Trigger(spec=At(NOW + number % 3))) for number in range(10)]
    off = alarm(state=AlarmState.PAUSED)
    far = alarm(due=NOW + 100)
    await stores.add(*made, off, far)
    found: list[Pending] = []
    after = (-1, "")
    while page := await stores.due.due(range(256), after=after, until=NOW + 50, most=4):
        found += page
        after = (page[-1].due, page[-1].id)
    assert [(pending.due, pending.id) for pending in found] == sorted((one.due or 0, one.id) for one in made)
    shard = made[0].shard
    mine = await stores.due.due([shard], after=(-1, ""), until=NOW + 50, most=100)
    assert {pending.id for pending in mine} == {one.id for one in made if one.shard == shard}
    assert await stores.due.oldest_overdue(range(256), now=NOW + 1) == NOW


async def test_results_end_firings_once(stores: Stores) -> None:
    """Success, retry and death are kept; what is over stays as it is, but a lost delivery's success still counts after death."""
    ones = [firing() for _ in range(3)]
    await stores.ledger.enqueue(ones, owner=OWNER, held=stores.held)
    good, again, dead = (one.id for one in ones)
    failed_attempts = [
        FailedAttempt(firing=again, state=FiringState.RETRYING, attempts=1, ready=NOW + 9, reason="", error="E: e"),
        FailedAttempt(firing=dead, state=FiringState.DEAD, attempts=5, ready=None, reason="BROKEN", error="BROKEN: b"),
    ]
    await stores.ledger.record(done={good: Succeeded(b"out")}, failed_attempts=failed_attempts, now=NOW + 5)
    rows = {row.id: row for row in await stores.all_firings()}
    assert (rows[good].state, rows[good].attempts, rows[good].result, rows[good].completed) == (FiringState.SUCCEEDED, 1, b"out", NOW + 5)
    assert (rows[again].state, rows[again].attempts, rows[again].ready, rows[again].error) == (FiringState.RETRYING, 1, NOW + 9, "E: e")
    assert (rows[dead].state, rows[dead].outcome, rows[dead].reason) == (FiringState.DEAD, Outcome.FAILED, "BROKEN")
    late = FailedAttempt(firing=good, state=FiringState.DEAD, attempts=5, ready=None, reason="X", error="X")
    await stores.ledger.record(done={dead: Succeeded(), again: Succeeded()}, failed_attempts=[late], now=NOW + 6)
    rows = {row.id: row for row in await stores.all_firings()}
    assert {row.state for row in rows.values()} == {FiringState.SUCCEEDED}
    assert (rows[dead].outcome, rows[dead].reason, rows[dead].error) == (Outcome.FIRED, "", "")


async def test_an_alarms_firing_forgets_its_action_when_it_is_done(stores: Stores) -> None:
    """The action is kept as long as it may be needed: for a replay, or to be looked up with an ad-hoc task."""
    made = alarm()
    await stores.add(made)
    fired = await stores.fire((made.id, NOW))
    adhoc = firing()
    await stores.ledger.enqueue([adhoc], owner=OWNER, held=stores.held)
    await stores.ledger.record(done={fired.queued_firings[0].id: Succeeded(), adhoc.id: Succeeded()}, failed_attempts=(), now=NOW)
    assert {row.alarm: row.action.body for row in await stores.all_firings()} == {made.id: b"", "": ACTION.body}


async def test_what_waits_is_read_in_pages_by_lane(stores: Stores) -> None:
    """Unfinished firings of a priority, in order of readiness."""
    ones = [firing(ready=NOW + number % 4, priority=Priority.BULK if number % 2 else Priority.NORMAL) for number in range(12)]
    await stores.ledger.enqueue(ones, owner=OWNER, held=stores.held)
    await stores.ledger.record(done={ones[0].id: Succeeded()}, failed_attempts=(), now=NOW)
    found: list[tuple[int, str]] = []
    while page := await stores.ledger.waiting(range(256), priority=2, after=found[-1] if found else (-1, ""), until=NOW + 2, most=2):
        found += [(queued.ready, queued.id) for queued in page]
    normal = [one for one in ones[1:] if one.priority is Priority.NORMAL]
    assert found == sorted((one.ready or 0, one.id) for one in normal)


async def test_a_firing_that_exists_is_answered_as_it_is(stores: Stores) -> None:
    """In the same batch and in a later one; one in a shard that is not owned is refused."""
    one = firing()
    twin = replace(one, due=NOW + 1)
    first, second = await stores.ledger.enqueue([one, twin], owner=OWNER, held=stores.held)
    assert first is second is one
    await stores.ledger.record(done={one.id: Succeeded(b"x")}, failed_attempts=(), now=NOW)
    (again,) = await stores.ledger.enqueue([twin], owner=OWNER, held=stores.held)
    assert not isinstance(again, TocsinError)
    assert (again.state, again.result) == (FiringState.SUCCEEDED, b"x")
    (refused,) = await stores.ledger.enqueue([firing()], owner=OWNER, held={})
    assert isinstance(refused, TocsinError)


async def test_a_dead_firing_is_replayed_with_fresh_attempts(stores: Stores) -> None:
    """Only a dead one, and only by its tenant."""
    one = firing()
    await stores.ledger.enqueue([one], owner=OWNER, held=stores.held)
    replay = partial(stores.ledger.replay, shard=3, owner=OWNER, held=stores.held)
    assert await replay("t1", one.id, now=NOW) is None
    back = FailedAttempt(firing=one.id, state=FiringState.DEAD, attempts=5, ready=None, reason="R", error="R: r")
    await stores.ledger.record(done={}, failed_attempts=[back], now=NOW)
    assert await replay("t2", one.id, now=NOW) is None
    replayed = await replay("t1", one.id, now=NOW + 2)
    assert replayed is not None
    assert (replayed.state, replayed.attempts, replayed.ready, replayed.shard) == (FiringState.PENDING, 0, NOW + 2, 3)
    assert (replayed.outcome, replayed.reason, replayed.error, replayed.completed) == (Outcome.FIRED, "", "", None)


async def test_a_dead_firing_is_not_replayed_into_a_shard_of_another_replica(stores: Stores) -> None:
    """It would wait there for whoever owns the shard to look; so it stays dead, and the caller asks again."""
    one = firing()
    await stores.ledger.enqueue([one], owner=OWNER, held=stores.held)
    back = FailedAttempt(firing=one.id, state=FiringState.DEAD, attempts=5, ready=None, reason="R", error="R: r")
    await stores.ledger.record(done={}, failed_attempts=[back], now=NOW)
    for owner, held in (("other", stores.held), (OWNER, {**stores.held, 3: stores.held[3] - 1}), (OWNER, {})):
        with pytest.raises(Unavailable):
            await stores.ledger.replay("t1", one.id, now=NOW, shard=3, owner=owner, held=held)
    assert (await stores.ledger.get("t1", one.id)).state is FiringState.DEAD


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition(field="state", operator="=", value="DEAD"), {2}),
        (Condition(field="state", operator="!=", value="DEAD"), {0, 1, 3}),
        (Condition(field="state", operator="=", value="PENDING"), {0, 1, 3}),
        (Condition(field="outcome", operator="=", value="LATE"), {1}),
        (Condition(field="outcome", operator="=", value="FIRED"), {0, 3}),
        (Condition(field="due_time", operator=">=", value=from_micros(NOW + 2)), {2, 3}),
        (Condition(field="due_time", operator="<", value=from_micros(NOW + 2)), {0, 1}),
        (Condition(field="alarm", operator="=", value="a1"), {3}),
    ],
)
async def test_the_ledger_is_listed_by_filter(stores: Stores, condition: Condition, expected: set[int]) -> None:
    """Each allowed field selects what it says."""
    ones = [
        firing(),
        firing(due=NOW + 1, outcome=Outcome.LATE),
        firing(due=NOW + 2),
        firing(due=NOW + 3, alarm="a1", origin=Origin.MANUAL),
    ]
    await stores.ledger.enqueue(ones, owner=OWNER, held=stores.held)
    back = FailedAttempt(firing=ones[2].id, state=FiringState.DEAD, attempts=5, ready=None, reason="R", error="R: r")
    await stores.ledger.record(done={}, failed_attempts=[back], now=NOW)
    found = await stores.ledger.page("t1", conditions=[condition], before=None, size=10)
    assert [row.id for row in found] == [ones[number].id for number in sorted(expected, reverse=True)]
    assert await stores.ledger.page("t2", conditions=[condition], before=None, size=10) == []


async def test_pages_of_the_ledger_find_each_firing_once(stores: Stores) -> None:
    """The latest due first, also among equals; ad-hoc ones alone when asked for."""
    ones = [
        firing(due=NOW + number % 2, alarm="" if number % 3 else "a", origin=Origin.ADHOC if number % 3 else Origin.MANUAL)
        for number in range(9)
    ]
    await stores.ledger.enqueue(ones, owner=OWNER, held=stores.held)
    for adhoc in (False, True):
        found: list[tuple[int, str]] = []
        while page := await stores.ledger.page("t1", conditions=(), before=found[-1] if found else None, size=2, adhoc=adhoc):
            found += [(row.due, row.id) for row in page]
        wanted = [one for one in ones if not adhoc or not one.alarm]
        assert found == sorted(((one.due, one.id) for one in wanted), reverse=True)


async def test_a_firing_of_another_tenant_is_not_found(stores: Stores) -> None:
    """As if there were none."""
    one = firing()
    await stores.ledger.enqueue([one], owner=OWNER, held=stores.held)
    assert (await stores.ledger.get("t1", one.id)).id == one.id
    with pytest.raises(FiringNotFound):
        await stores.ledger.get("t2", one.id)


async def test_changes_come_in_an_order_that_never_grows_behind_a_reader(stores: Stores) -> None:
    """While many transactions commit in any order, a reader that goes on from its cursor sees every firing in its last state."""
    cursor = await stores.ledger.now_at()
    ones = [firing() for _ in range(60)]
    seen: dict[str, FiringState] = {}

    async def write(part: int) -> None:
        mine = ones[part::6]
        for one in mine:
            await stores.ledger.enqueue([one], owner=OWNER, held=stores.held)
        for one in mine:
            await stores.ledger.record(done={one.id: Succeeded()}, failed_attempts=(), now=NOW)

    async def read() -> bool:
        nonlocal cursor
        page = await stores.ledger.changes("t1", alarm="", after=cursor, most=7)
        for row in page:
            assert (row.change, row.id) > cursor
            cursor = (row.change, row.id)
            seen[row.id] = row.state
        return bool(page)

    writers = asyncio.gather(*(write(part) for part in range(6)))
    while not writers.done():
        await read()
    await writers
    while await read():
        pass
    assert seen == {one.id: FiringState.SUCCEEDED for one in ones}
    assert await stores.ledger.changes("t2", alarm="", after=(-1, ""), most=7) == []


@pytest.mark.native
async def test_a_change_that_is_not_committed_holds_later_ones_back(stores: Stores) -> None:
    """On PostgreSQL a transaction may commit behind a younger one: its changes are not overtaken."""
    if stores.database.dialect == "sqlite":
        return  # one writer: there is no such order
    cursor = await stores.ledger.now_at()
    second = firing()
    async with stores.database.transaction() as connection:
        await connection.exec_driver_sql("SELECT pg_current_xact_id()")
        await stores.ledger.enqueue([second], owner=OWNER, held=stores.held)
        assert await stores.ledger.changes("t1", alarm="", after=cursor, most=9) == []
    found = await stores.ledger.changes("t1", alarm="", after=cursor, most=9)
    assert [row.id for row in found] == [second.id]


async def test_old_firings_are_forgotten_in_steps(stores: Stores) -> None:
    """Finished ones due before the instant, scheduled or not; what is unfinished stays however old."""
    old, recent = NOW - 10**12, NOW
    made = [alarm(due=old, trigger=Trigger(spec=At(old))), alarm(due=recent), alarm(due=old, trigger=Trigger(spec=At(old)))]
    await stores.add(*made)
    fired = await stores.fire(*((one.id, one.due or 0) for one in made))
    beside = [firing(due=old, id="0" + "Z" * 25), firing(due=old, id="7" + "Z" * 25), firing(due=recent)]
    await stores.ledger.enqueue(beside, owner=OWNER, held=stores.held)
    open_one = next(queued.id for queued in fired.queued_firings if queued.due == old)
    done = {queued.id: Succeeded() for queued in fired.queued_firings if queued.id != open_one} | {one.id: Succeeded() for one in beside}
    await stores.ledger.record(done=done, failed_attempts=(), now=NOW)
    assert await stores.housekeeping.forget_firings(before=NOW - 1, most=1) == 2
    while await stores.housekeeping.forget_firings(before=NOW - 1, most=1):
        pass
    left = {row.id for row in await stores.all_firings()}
    assert left == {open_one, beside[2].id, *(queued.id for queued in fired.queued_firings if queued.due == recent)}


@pytest.mark.native
async def test_a_restore_into_a_younger_cluster_keeps_the_order_of_changes(stores: Stores) -> None:
    """Transaction numbers that begin again come behind all numbers before."""
    if stores.database.dialect == "sqlite":
        return  # its counter is restored with the data
    await stores.housekeeping.settle()
    before = await stores.ledger.now_at()
    async with stores.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE counters SET value = value + 1000000000 WHERE name = 'transactions'")
    await stores.housekeeping.settle()
    assert (await stores.ledger.now_at())[0] > before[0] + 1_000_000_000


async def test_a_firing_is_complete_when_its_work_was_over(stores: Stores) -> None:
    """Not when that was kept; of work whose end is not known it is all that is."""
    known, other = firing(), firing()
    await stores.ledger.enqueue([known, other], owner=OWNER, held=stores.held)
    done = {known.id: Succeeded(), other.id: Succeeded()}
    await stores.ledger.record(done=done, failed_attempts=(), now=NOW + 9, ended={known.id: NOW + 2})
    assert {row.id: row.completed for row in await stores.all_firings()} == {known.id: NOW + 2, other.id: NOW + 9}
