"""Every service's schema goes up and down, is what the code says, and is refused when it cannot be upgraded."""

from dataclasses import dataclass
from typing import Final

import pytest
from sqlalchemy import MetaData, text

import auth_svc.store
import gateway.spool.store
import mailer_svc.store
import processor_svc.store
import scheduler_svc.store
from scheduler_svc.domain import SHARDS
from tocsin.clock import SystemClock
from tocsin.database import Database, SchemaTooNew, SchemaTooOld, current, downgrade, migrate, schema_differences

TABLES: Final = {
    "auth_svc": auth_svc.store.metadata,
    "gateway": gateway.spool.store.metadata,
    "mailer_svc": mailer_svc.store.metadata,
    "processor_svc": processor_svc.store.metadata,
    "scheduler_svc": scheduler_svc.store.metadata,
}
# The first revisions. The scheduler's replaces two, and bears the number of the second.
FIRST: Final = {"auth_svc": "0001", "gateway": "0001", "mailer_svc": "0001", "processor_svc": "0001", "scheduler_svc": "0002"}
# A spool is always a SQLite file.
PLACES: Final = [(package, kind) for package in TABLES for kind in ("sqlite", "postgresql") if (package, kind) != ("gateway", "postgresql")]


@dataclass(frozen=True, slots=True)
class Schema:
    """A service's schema in a fresh database."""

    package: str
    url: str

    @property
    def metadata(self) -> MetaData:
        return TABLES[self.package]

    async def migrate(self) -> None:
        await migrate(url=self.url, schema=self.package, package=self.package)

    async def revision(self) -> str | None:
        return await current(url=self.url, schema=self.package)

    async def set_revision(self, revision: str) -> None:
        database = Database(url=self.url, schema=self.package, clock=SystemClock())
        await database.start()
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        await database.stop()


@pytest.fixture(params=PLACES, ids="-".join)
def schema(request: pytest.FixtureRequest) -> Schema:
    """Each service's schema in turn, on each database that it is used on."""
    package, kind = request.param
    return Schema(package, str(request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgres_url")))


async def test_the_migrated_schema_is_the_one_in_the_code(schema: Schema) -> None:
    """Nothing is missing and nothing is left over."""
    await schema.migrate()
    assert await schema_differences(url=schema.url, schema=schema.package, metadata=schema.metadata) == []


async def test_the_schema_goes_down_and_up_again(schema: Schema) -> None:
    """Every revision can be taken back."""
    await schema.migrate()
    await downgrade(url=schema.url, schema=schema.package, package=schema.package, revision="base")
    assert await schema.revision() is None
    await schema.migrate()
    assert await schema.revision() is not None


async def test_a_newer_schema_is_refused(schema: Schema) -> None:
    """A database that a later version migrated is left alone, with its revision named."""
    await schema.migrate()
    await schema.set_revision("9999")
    with pytest.raises(SchemaTooNew, match="9999"):
        await schema.migrate()


async def test_an_installation_at_the_first_revision_starts(schema: Schema) -> None:
    """It is upgraded; one from before that is told what to do."""
    await schema.migrate()
    await downgrade(url=schema.url, schema=schema.package, package=schema.package, revision=FIRST[schema.package])
    await schema.migrate()
    assert await schema_differences(url=schema.url, schema=schema.package, metadata=schema.metadata) == []
    await schema.set_revision("0000")
    with pytest.raises(SchemaTooOld, match=f"revision 0000; this version upgrades from {FIRST[schema.package]} on"):
        await schema.migrate()


async def test_every_shard_is_there_and_free(database_url: str) -> None:
    """A fresh database has one free row for each virtual shard."""
    database = Database(url=database_url, schema="scheduler_svc", clock=SystemClock(), migrations="scheduler_svc")
    await database.start()
    async with database.read() as connection:
        rows = (await connection.exec_driver_sql("SELECT shard, owner FROM shards ORDER BY shard")).fetchall()
    await database.stop()
    assert [tuple(row) for row in rows] == [(shard, "") for shard in range(SHARDS)]
