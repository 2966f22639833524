"""The scheduler's schema goes up and down, and is what the code says."""

from scheduler_svc.domain import SHARDS
from scheduler_svc.store import metadata
from tocsin.clock import SystemClock
from tocsin.database import Database, current, downgrade, migrate, schema_differences

SCHEMA = "scheduler_svc"


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
