"""The ledger's months on PostgreSQL, and what they must not change: one row for each firing, whenever it was due."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from scheduler_svc.domain import FiringState, Succeeded
from scheduler_svc.store.partitions import month_of
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm, firing
from tocsin.clock import to_micros
from tocsin.errors import Aborted, TocsinError
from tocsin.recurrence import At, Trigger
from tocsin.testing.clock import FakeClock

DAY = 86_400 * SECOND
MONTHS = "SELECT c.relname FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = 'firings'::regclass ORDER BY 1"


@pytest.fixture
async def postgres(postgres_url: str, clock: FakeClock) -> AsyncIterator[Stores]:
    """The stores on PostgreSQL."""
    made = Stores(postgres_url, clock)
    await made.start()
    yield made
    await made.database.stop()


async def partitions(stores: Stores) -> list[str]:
    """The ledger's partitions."""
    async with stores.database.read() as connection:
        return list((await connection.exec_driver_sql(MONTHS)).scalars())


async def place_of(stores: Stores, identity: str) -> str:
    """The partition in which a firing is."""
    async with stores.database.read() as connection:
        query = f"SELECT tableoid::regclass::text FROM firings WHERE id = '{identity}'"  # noqa: S608  a test's own id
        return str((await connection.exec_driver_sql(query)).scalar_one())


@pytest.mark.parametrize(
    ("instant", "name", "days"),
    [
        (datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC), "firings_2024_02", 29),
        (datetime(2026, 1, 1, tzinfo=UTC), "firings_2026_01", 31),
        (datetime(2026, 12, 31, tzinfo=UTC), "firings_2026_12", 31),
    ],
)
def test_a_month_ends_where_the_next_begins(instant: datetime, name: str, days: int) -> None:
    """In UTC, whatever its length."""
    month = month_of(to_micros(instant))
    assert (month.partition, month.end - month.first) == (name, days * DAY)
    assert month.first <= to_micros(instant) < month.end
    assert month_of(month.end).first == month.end


@pytest.mark.native
async def test_rooms_are_made_ahead_once(postgres: Stores) -> None:
    """This month and the two after it; whoever comes second, at the same time or later, changes nothing."""
    await asyncio.gather(postgres.housekeeping.make_room(now=NOW), postgres.housekeeping.make_room(now=NOW))
    await postgres.housekeeping.make_room(now=NOW)
    expected = ["firings_2026_01", "firings_2026_02", "firings_2026_03", "firings_default"]
    assert await partitions(postgres) == expected
    await postgres.housekeeping.make_room(now=NOW + 31 * DAY)
    assert await partitions(postgres) == sorted([*expected, "firings_2026_04"])


@pytest.mark.native
async def test_every_due_time_has_a_place(postgres: Stores) -> None:
    """Firings of this month are in its partition; those of long ago and of a far future are kept, found, and finished as well."""
    await postgres.housekeeping.make_room(now=NOW)
    dues = {"firings_2026_01": NOW, "firings_2026_02": NOW + 40 * DAY, "firings_default": NOW - 1000 * DAY}
    made = {place: alarm(due=due, trigger=Trigger(spec=At(due))) for place, due in dues.items()}
    await postgres.add(*made.values())
    fired = await postgres.fire(*((one.id, one.due or 0) for one in made.values()), now=NOW + 50 * DAY)
    assert {await place_of(postgres, queued.id) for queued in fired.queued_firings} == set(dues)
    far = firing(due=NOW + 9000 * DAY)
    await postgres.ledger.enqueue([far], owner=OWNER, held=postgres.held)
    ids = [far.id, *(queued.id for queued in fired.queued_firings)]
    await postgres.ledger.record(done={identity: Succeeded() for identity in ids}, failed_attempts=(), now=NOW)
    assert {(await postgres.ledger.get("t1", identity)).state for identity in ids} == {FiringState.SUCCEEDED}


async def test_a_request_that_comes_again_in_another_month_is_the_same_firing(stores: Stores) -> None:
    """The id alone decides, wherever the due time would put the row; also when both come at once."""
    await stores.housekeeping.make_room(now=NOW)
    one = firing()
    twins = [replace(one, due=NOW + 31 * DAY), replace(one, due=NOW - 400 * DAY)]
    answers = await asyncio.gather(
        *(stores.ledger.enqueue([each], owner=OWNER, held=stores.held) for each in (one, *twins)),
    )
    rows = await stores.all_firings()
    assert len(rows) == 1
    assert {answer.due for (answer,) in answers if not isinstance(answer, TocsinError)} == {rows[0].due}


@pytest.mark.native
async def test_a_month_that_is_over_is_dropped_when_all_is_finished(postgres: Stores) -> None:
    """With one unfinished firing it stays; what is beside it in the same month then goes in steps, and the rest with the month."""
    await postgres.housekeeping.make_room(now=NOW)
    ones = [firing(due=NOW + number) for number in range(3)]
    later = firing(due=NOW + 40 * DAY)
    await postgres.ledger.enqueue([*ones, later], owner=OWNER, held=postgres.held)
    await postgres.ledger.record(done={one.id: Succeeded() for one in (*ones[1:], later)}, failed_attempts=(), now=NOW)
    before = NOW + 45 * DAY
    assert await postgres.housekeeping.forget_months(before=before) == month_of(before).first
    assert "firings_2026_01" in await partitions(postgres)
    assert await postgres.housekeeping.forget_firings(before=month_of(before).first, most=100) == 2
    assert [row.id for row in await postgres.all_firings()] == [ones[0].id, later.id]
    await postgres.ledger.record(done={ones[0].id: Succeeded()}, failed_attempts=(), now=NOW)
    await postgres.housekeeping.forget_months(before=before)
    assert "firings_2026_01" not in await partitions(postgres)
    assert [row.id for row in await postgres.all_firings()] == [later.id]
    assert await postgres.housekeeping.forget_firings(before=month_of(before).first, most=100) == 1  # the id that is free now
    (again,) = await postgres.ledger.enqueue([ones[1]], owner=OWNER, held=postgres.held)
    assert again is ones[1]


@pytest.mark.native
async def test_rows_that_were_there_first_keep_their_month_in_the_default_partition(postgres: Stores) -> None:
    """A month that began before anybody made its partition goes on as it is; the next one has its own."""
    await postgres.ledger.enqueue([firing()], owner=OWNER, held=postgres.held)
    await postgres.housekeeping.make_room(now=NOW)
    assert await partitions(postgres) == ["firings_2026_02", "firings_2026_03", "firings_default"]
    assert len(await postgres.all_firings()) == 1


@pytest.mark.native
async def test_housekeeping_gives_way_to_whoever_works_in_the_ledger(postgres: Stores) -> None:
    """It waits a moment for a lock, then leaves the work for another time; the transaction that was there first goes on."""
    await postgres.housekeeping.make_room(now=NOW)
    async with postgres.database.transaction() as connection:
        await connection.exec_driver_sql("SELECT 1 FROM firings LIMIT 1")
        with pytest.raises(Aborted):
            await postgres.housekeeping.forget_months(before=NOW + 35 * DAY)
        with pytest.raises(Aborted):
            await postgres.housekeeping.make_room(now=NOW + 31 * DAY)
        await connection.exec_driver_sql("SELECT 1 FROM firings LIMIT 1")
    await postgres.housekeeping.forget_months(before=NOW + 35 * DAY)
    await postgres.housekeeping.make_room(now=NOW + 31 * DAY)
    assert await partitions(postgres) == ["firings_2026_02", "firings_2026_03", "firings_2026_04", "firings_default"]
