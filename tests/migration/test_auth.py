"""The schema of auth_svc goes up and down, and is what the code says."""

import pytest
from sqlalchemy import text

from auth_svc.store import metadata
from tocsin.clock import SystemClock
from tocsin.database import Database, SchemaTooNew, current, downgrade, migrate, schema_differences

SCHEMA = "auth_svc"


async def test_the_migrated_schema_is_the_one_in_the_code(database_url: str) -> None:
    """Nothing is missing and nothing is left over."""
    await migrate(url=database_url, schema=SCHEMA, package="auth_svc")
    assert await schema_differences(url=database_url, schema=SCHEMA, metadata=metadata) == []


async def test_the_schema_goes_down_and_up_again(database_url: str) -> None:
    """Every revision can be taken back."""
    await migrate(url=database_url, schema=SCHEMA, package="auth_svc")
    await downgrade(url=database_url, schema=SCHEMA, package="auth_svc", revision="base")
    assert await current(url=database_url, schema=SCHEMA) is None
    await migrate(url=database_url, schema=SCHEMA, package="auth_svc")
    assert await current(url=database_url, schema=SCHEMA) is not None


async def test_a_newer_schema_is_refused(database_url: str) -> None:
    """A database that a later version migrated is left alone, with both revisions named."""
    await migrate(url=database_url, schema=SCHEMA, package="auth_svc")
    database = Database(url=database_url, schema=SCHEMA, clock=SystemClock())
    await database.start()
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.stop()
    with pytest.raises(SchemaTooNew, match="9999"):
        await migrate(url=database_url, schema=SCHEMA, package="auth_svc")
