"""The scheduler's schema goes up and down, and is what the code says."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import column, insert, table
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import SHARDS, FiringState
from scheduler_svc.store import metadata
from scheduler_svc.store.changes import read_changes
from tocsin.clock import SystemClock, to_micros
from tocsin.database import Database, current, downgrade, migrate, schema_differences

SCHEMA = "scheduler_svc"
DUES: Final = [
    datetime(2019, 5, 1, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 2, 14, 12, tzinfo=UTC),
]


async def test_the_migrated_schema_is_the_one_in_the_code(database_url: str) -> None:
    """Nothing is missing and nothing is left over."""
    await migrate(url=database_url, schema=SCHEMA, package="scheduler_svc")
    assert await schema_differences(url=database_url, schema=SCHEMA, metadata=metadata) == []


async def test_the_schema_goes_down_and_up_again(database_url: str) -> None:
    """Every revision can be taken back."""
    await migrate(url=database_url, schema=SCHEMA, package="scheduler_svc")
    await downgrade(url=database_url, schema=SCHEMA, package="scheduler_svc", revision="base")
    assert await current(url=database_url, schema=SCHEMA) is None
    await migrate(url=database_url, schema=SCHEMA, package="scheduler_svc")
    assert await current(url=database_url, schema=SCHEMA) is not None


async def test_every_shard_is_there_and_free(database_url: str) -> None:
    """A fresh database has one free row for each virtual shard."""
    database = Database(url=database_url, schema=SCHEMA, clock=SystemClock(), migrations="scheduler_svc")
    await database.start()
    async with database.read() as connection:
        rows = (await connection.exec_driver_sql("SELECT shard, owner FROM shards ORDER BY shard")).fetchall()
    await database.stop()
    assert [tuple(row) for row in rows] == [(shard, "") for shard in range(SHARDS)]


async def test_the_ledger_is_kept_when_it_becomes_one_of_months_and_back(database_url: str) -> None:
    """Every row, old or new, by rule or beside it, with what a watcher goes on from; on PostgreSQL each in the partition of its month."""
    await migrate(url=database_url, schema=SCHEMA, package="scheduler_svc")
    await downgrade(url=database_url, schema=SCHEMA, package="scheduler_svc", revision="0001")
    database = Database(url=database_url, schema=SCHEMA, clock=SystemClock())
    await database.start()
    async with database.transaction() as connection:
        for number, due in enumerate(DUES):
            await _insert(connection, number, to_micros(due))
        await connection.exec_driver_sql("UPDATE counters SET value = 100 WHERE name = 'change'")
        before = await _rows(connection)
    await database.stop()
    await migrate(url=database_url, schema=SCHEMA, package="scheduler_svc")
    await database.start()
    async with database.transaction() as connection:
        assert await _rows(connection) == before
        assert await _all(connection, "SELECT id FROM firing_ids ORDER BY id") == [("f1",), ("f3",)]
        changed = await read_changes(connection, "t1", alarm="", after=(0, ""), most=10)
        assert [(row.change, row.id) for row in changed] == [(10, "f0"), (10, "f1"), (11, "f2"), (11, "f3")]
        assert {row.state for row in changed} == {FiringState.SUCCEEDED}
        if database.dialect == "postgresql":
            places = await _all(connection, "SELECT tableoid::regclass::text FROM firings ORDER BY due_at")
            assert places == [("firings_default",), ("firings_2025_12",), ("firings_2026_01",), ("firings_2026_02",)]
    await database.stop()
    await downgrade(url=database_url, schema=SCHEMA, package="scheduler_svc", revision="0001")
    await database.start()
    async with database.transaction() as connection:
        assert await _rows(connection) == before
    await database.stop()


async def _insert(connection: AsyncConnection, number: int, due: int) -> None:
    beside = number % 2
    row = {
        "id": f"f{number}",
        "tenant": "t1",
        "alarm": "a",
        "slot": f"f{number}" if beside else "",
        "shard": 1,
        "origin": beside,
        "priority": 2,
        "due_at": due,
        "fired_at": due,
        "outcome": 1,
        "reason": "",
        "state": 3,
        "attempts": 1,
        "completed_at": due,
        "kind": "task",
        "action": b"x",
        "retry": "",
        "traceparent": "",
        "change_no": 10 + number // 2,
    }
    await connection.execute(insert(table("firings", *map(column, row))).values(row))


async def _rows(connection: AsyncConnection) -> list[tuple[Any, ...]]:
    return await _all(connection, "SELECT id, alarm, slot, origin, due_at, completed_at, action, error, change_no FROM firings ORDER BY id")


async def _all(connection: AsyncConnection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.exec_driver_sql(query)]
