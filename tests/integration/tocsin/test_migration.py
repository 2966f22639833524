"""Migrations, on SQLite and on a real PostgreSQL: all or nothing, one at a time, never backwards by accident."""

import asyncio
import itertools
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Column, ForeignKey, MetaData, Table, Text, inspect, text
from sqlalchemy.exc import DBAPIError

from tocsin.clock import SystemClock
from tocsin.database import Database, SchemaTooNew, current, downgrade, migrate, schema_differences
from tocsin.errors import FailedPrecondition

SCHEMA = "demo_svc"
_NUMBERS = itertools.count(1)

_FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

def upgrade():
    op.create_table("parents", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("word", sa.Text(), nullable=False))
    op.create_table(
        "children",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("parent", sa.BigInteger(), sa.ForeignKey("parents.id", ondelete="CASCADE"), nullable=False),
    )
    op.execute("INSERT INTO parents (id, word) VALUES (1, 'one')")
    op.execute("INSERT INTO children (id, parent) VALUES (1, 1)")

def downgrade():
    op.drop_table("children")
    op.drop_table("parents")
"""
_SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

def upgrade():
    with op.batch_alter_table("parents") as table:
        table.alter_column("word", existing_type=sa.Text(), nullable=True)
    {more}

def downgrade():
    with op.batch_alter_table("parents") as table:
        table.alter_column("word", existing_type=sa.Text(), nullable=False)
"""


class Package:
    """A service's package with migrations."""

    def __init__(self, folder: Path) -> None:
        self.name = f"demo_{next(_NUMBERS)}_svc"
        self._versions = folder / self.name / "migrations" / "versions"
        self._versions.mkdir(parents=True)
        (folder / self.name / "__init__.py").touch()
        (self._versions.parent / "env.py").write_text("from tocsin.database import run_migrations\n\nrun_migrations()\n")
        self.add("0001", _FIRST)

    def add(self, revision: str, source: str) -> None:
        (self._versions / f"{revision}.py").write_text(source)

    def break_environment(self) -> None:
        (self._versions.parent / "env.py").write_text('raise RuntimeError("Alembic runs")\n')


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package with one revision."""
    monkeypatch.syspath_prepend(tmp_path)
    return Package(tmp_path)


async def tables(url: str) -> set[str]:
    """The tables of the service's schema."""
    database = Database(url=url, schema=SCHEMA, clock=SystemClock())
    await database.start()
    try:
        async with database.read() as connection:
            return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
    finally:
        await database.stop()


async def test_a_new_database_is_made(database_url: str, package: Package) -> None:
    """The folder or schema and all tables are there afterwards; a second time nothing happens."""
    assert await current(url=database_url, schema=SCHEMA) is None
    for _ in range(2):
        await migrate(url=database_url, schema=SCHEMA, package=package.name)
        assert await current(url=database_url, schema=SCHEMA) == "0001"
    assert await tables(database_url) == {"alembic_version", "parents", "children"}


async def test_a_database_that_is_up_to_date_is_left_alone(database_url: str, package: Package) -> None:
    """Alembic does not run at all: every restart would wait for it."""
    await migrate(url=database_url, schema=SCHEMA, package=package.name)
    package.break_environment()
    await migrate(url=database_url, schema=SCHEMA, package=package.name)
    package.add("0002", _SECOND.format(more="pass"))
    with pytest.raises(RuntimeError, match="Alembic runs"):
        await migrate(url=database_url, schema=SCHEMA, package=package.name)


async def test_start_migrates(database_url: str, package: Package) -> None:
    """A database that is told its package migrates when it starts."""
    database = Database(url=database_url, schema=SCHEMA, clock=SystemClock(), migrations=package.name)
    await database.start()
    await database.stop()
    assert await current(url=database_url, schema=SCHEMA) == "0001"


async def test_up_and_down(database_url: str, package: Package) -> None:
    """A downgrade undoes an upgrade, and rebuilding a table keeps the rows that refer to it."""
    package.add("0002", _SECOND.format(more="pass"))
    await migrate(url=database_url, schema=SCHEMA, package=package.name)
    await downgrade(url=database_url, schema=SCHEMA, package=package.name, revision="0001")
    assert await current(url=database_url, schema=SCHEMA) == "0001"
    await migrate(url=database_url, schema=SCHEMA, package=package.name)
    database = Database(url=database_url, schema=SCHEMA, clock=SystemClock())
    await database.start()
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM children")) == 1
    await database.stop()
    await downgrade(url=database_url, schema=SCHEMA, package=package.name, revision="base")
    assert await tables(database_url) == {"alembic_version"}


async def test_replicas_that_start_together(database_url: str, package: Package) -> None:
    """One of them migrates, the others wait for it."""
    package.add("0002", _SECOND.format(more="pass"))
    await asyncio.gather(*(migrate(url=database_url, schema=SCHEMA, package=package.name) for _ in range(5)))
    assert await current(url=database_url, schema=SCHEMA) == "0002"


@pytest.mark.parametrize("age", ["new", "old"])
async def test_a_writer_of_a_file_without_a_log_is_waited_for(tmp_path: Path, package: Package, age: str) -> None:
    """Who opens a file for the first time while another writes waits for it: SQLite itself would not, whatever its timeout."""
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        if age == "old":
            writer.execute("CREATE TABLE earlier (id INTEGER)")
        writer.execute("BEGIN IMMEDIATE")
        migrating = asyncio.ensure_future(migrate(url=f"sqlite:///{path}", schema=None, package=package.name))
        await asyncio.wait([migrating], timeout=0.3)
        writer.execute("COMMIT")
        await migrating
    assert await current(url=f"sqlite:///{path}", schema=None) == "0001"


async def test_a_failed_migration_leaves_nothing(database_url: str, package: Package) -> None:
    """When a late revision fails, the earlier ones of the same run are undone, too."""
    package.add("0002", _SECOND.format(more='op.execute("INSERT INTO nowhere VALUES (1)")'))
    with pytest.raises(DBAPIError):
        await migrate(url=database_url, schema=SCHEMA, package=package.name)
    assert await current(url=database_url, schema=SCHEMA) is None
    assert await tables(database_url) == set()


async def test_a_newer_database_is_refused(database_url: str, package: Package) -> None:
    """A revision that the code does not know stops it before it touches anything, and is named."""
    await migrate(url=database_url, schema=SCHEMA, package=package.name)
    database = Database(url=database_url, schema=SCHEMA, clock=SystemClock(), migrations=package.name)
    await database.start()
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0042'"))
    await database.stop()
    with pytest.raises(SchemaTooNew, match="revision 0042") as caught:
        await database.start()
    assert caught.value.error_reason == "SCHEMA_TOO_NEW"
    assert caught.value.metadata == {"database_revision": "0042", "newest_known_revision": "0001"}
    with pytest.raises(SchemaTooNew):
        await downgrade(url=database_url, schema=SCHEMA, package=package.name, revision="base")


async def test_differences(database_url: str, package: Package) -> None:
    """Tables in the code that the migrations did not make, and columns that differ, are found."""
    await migrate(url=database_url, schema=SCHEMA, package=package.name)
    same = MetaData()
    Table("parents", same, Column("id", BigInteger, primary_key=True), Column("word", Text, nullable=False))
    parent = Column("parent", ForeignKey("parents.id", ondelete="CASCADE"), nullable=False)
    Table("children", same, Column("id", BigInteger, primary_key=True), parent)
    assert await schema_differences(url=database_url, schema=SCHEMA, metadata=same) == []
    other = MetaData()
    Table("parents", other, Column("id", BigInteger, primary_key=True), Column("word", BigInteger, nullable=True))
    differences = await schema_differences(url=database_url, schema=SCHEMA, metadata=other)
    found = "".join(differences)
    assert all(word in found for word in ("remove_table", "modify_type", "modify_nullable"))


async def test_a_broken_reference_is_refused(sqlite_url: str, package: Package) -> None:
    """SQLite checks no foreign keys while it rebuilds tables, so they are checked before the commit."""
    package.add("0002", _SECOND.format(more='op.execute("DELETE FROM parents")'))
    with pytest.raises(FailedPrecondition, match="the first in table children"):
        await migrate(url=sqlite_url, schema=None, package=package.name)
    assert await current(url=sqlite_url, schema=None) is None


async def test_logging_is_left_alone(sqlite_url: str, package: Package) -> None:
    """Alembic configures no logging."""
    before = (logging.root.level, list(logging.root.handlers), logging.getLogger("alembic").level)
    await migrate(url=sqlite_url, schema=None, package=package.name)
    assert (logging.root.level, list(logging.root.handlers), logging.getLogger("alembic").level) == before


async def test_services_share_a_postgres_database(postgres_url: str, package: Package) -> None:
    """Each schema has its own tables and its own revision."""
    await migrate(url=postgres_url, schema="one", package=package.name)
    assert await current(url=postgres_url, schema="two") is None
    await migrate(url=postgres_url, schema="two", package=package.name)
    await downgrade(url=postgres_url, schema="one", package=package.name, revision="base")
    assert await current(url=postgres_url, schema="two") == "0001"


async def test_no_such_package(sqlite_url: str) -> None:
    """A package that is not installed is named."""
    with pytest.raises(LookupError, match="nonexistent_svc"):
        await migrate(url=sqlite_url, schema=None, package="nonexistent_svc")
