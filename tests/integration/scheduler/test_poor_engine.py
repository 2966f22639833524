"""The stores on a PostgreSQL that lacks what other engines lack: a sample; `make portable` runs all of their tests so."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from scheduler_svc.domain import FailedAttempt, FiringState, Succeeded
from scheduler_svc.store import SqlShardStore
from scheduler_svc.store.changes import ChangeNumbersSettled
from scheduler_svc.store.sql import begin_change
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm, firing
from tests.other_engines import ALL, refusing
from tocsin.config import DatabaseFeature
from tocsin.recurrence import Every, Trigger
from tocsin.testing.clock import FakeClock

DAY = 86_400 * SECOND


@pytest.fixture
async def poor(poor_url: str, clock: FakeClock) -> AsyncIterator[Stores]:
    """The stores, with every shard taken; whatever is asked for in vain fails the test."""
    with refusing() as refused:
        made = Stores(poor_url, clock, without=ALL)
        await made.start()
        await made.housekeeping.settle()
        yield made
        await made.database.stop()
    assert refused == []


async def test_alarms_fire_and_watchers_see_each_change(poor: Stores) -> None:
    """From the alarm to the result; numbers of changes grow, and none is missed."""
    made = [alarm(trigger=Trigger(spec=Every(60 * SECOND))) for _ in range(120)]
    await poor.add(*made)
    cursor = await poor.ledger.now_at()
    fired = await poor.fire(*((one.id, NOW) for one in made))
    ids = sorted(queued.id for queued in fired.queued_firings)
    assert len(ids) == len(made)
    seen = await poor.ledger.changes("t1", alarm="", after=cursor, most=1000)
    assert sorted(row.id for row in seen) == ids
    failed = FailedAttempt(firing=ids[0], attempts=1, state=FiringState.DEAD, ready=None, reason="BROKEN", error="it broke")
    await poor.ledger.record(done={each: Succeeded() for each in ids[1:]}, failed_attempts=[failed], now=NOW)
    again = await poor.ledger.changes("t1", alarm="", after=(seen[-1].change, seen[-1].id), most=1000)
    assert sorted(row.id for row in again) == ids
    assert {row.state for row in again} == {FiringState.DEAD, FiringState.SUCCEEDED}
    assert min(row.change for row in again) > max(row.change for row in seen)


async def test_numbers_become_visible_in_order(poor: Stores) -> None:
    """Whoever counts holds the counter until the commit: a later number waits, so that no reader can pass over an earlier one."""
    cursor = await poor.ledger.now_at()
    many = [firing() for _ in range(8)]
    async with poor.database.transaction() as connection:
        await begin_change(connection)
        waiting = [asyncio.create_task(poor.ledger.enqueue([one], owner=OWNER, held=poor.held)) for one in many]
        assert await poor.ledger.changes("t1", alarm="", after=cursor, most=99) == []
    await asyncio.gather(*waiting)
    found = await poor.ledger.changes("t1", alarm="", after=cursor, most=99)
    assert sorted(row.id for row in found) == sorted(one.id for one in many)
    assert [row.change for row in found] == list(range(cursor[0] + 1, cursor[0] + 1 + len(many)))


async def test_the_ledger_is_one_table_whose_old_rows_go_in_steps(poor: Stores) -> None:
    """Nothing is made ahead, and what is over is deleted up to the instant, not to the begin of its month."""
    old = NOW - 100 * DAY
    made = alarm(due=old)
    await poor.add(made)
    fired = await poor.fire((made.id, old))
    await poor.ledger.record(done={fired.queued_firings[0].id: Succeeded()}, failed_attempts=(), now=NOW)
    await poor.housekeeping.make_room(now=NOW)
    before = NOW - 90 * DAY
    assert await poor.housekeeping.forget_months(before=before) == before
    assert await poor.housekeeping.forget_firings(before=before, most=10) == 1
    assert await poor.all_firings() == []


async def test_a_lease_alone_tells_who_is_gone(poor: Stores, clock: FakeClock) -> None:
    """A replica that says it holds a lock is not taken for dead though nobody can look; it is when its lease is over."""
    await poor.shards.renew(OWNER, lease=10 * SECOND, lock=4711)
    other = SqlShardStore(poor.database, clock=clock)
    assert [(one.owner, one.live, one.gone) for one in await other.replicas()] == [(OWNER, True, False)]
    assert await other.acquire("you", lease=10 * SECOND, most=256, dead={}, steal=False) == {}
    await clock.advance(11)
    assert len(await other.acquire("you", lease=10 * SECOND, most=256, dead={}, steal=False)) == 256


@pytest.mark.native
@pytest.mark.parametrize(
    ("counted", "words"),
    [(False, "numbered by transaction ids.* remove transaction_ids from"), (True, "numbered by a counter.* add transaction_ids to")],
)
async def test_how_changes_are_numbered_is_settled_by_the_first(postgres_url: str, clock: FakeClock, counted: bool, words: str) -> None:
    """As long as there is none, the setting decides; afterwards who numbers in the other way does not start."""
    await _open(postgres_url, clock, counted=not counted)
    await _open(postgres_url, clock, counted=counted)
    await _open(postgres_url, clock, counted=counted, writes=True)
    await _open(postgres_url, clock, counted=counted)
    with pytest.raises(ChangeNumbersSettled, match=words):
        await _open(postgres_url, clock, counted=not counted)


async def _open(url: str, clock: FakeClock, *, counted: bool, writes: bool = False) -> None:
    """A start on the database, which may write a change."""
    stores = Stores(url, clock, without=[DatabaseFeature.TRANSACTION_IDS] if counted else ())
    try:
        await stores.start()
        await stores.housekeeping.settle()
        if writes:
            held = await stores.shards.renew(OWNER, lease=10 * SECOND)
            await stores.ledger.enqueue([firing()], owner=OWNER, held=held)
    finally:
        await stores.database.stop()
