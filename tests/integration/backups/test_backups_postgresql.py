"""`tocsin backup` and `tocsin restore` on a real PostgreSQL, by the programs of its version."""

import asyncio
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.databases import PostgresDatabases, prepare_file
from tests.integration.backups.places import GAP, SERVICES, at
from tocsin.backups import postgres
from tocsin.backups.installation import BackedUpInstallation
from tocsin.backups.making import make_backup
from tocsin.backups.manifest import BackupUnfit, RestoreRefused
from tocsin.backups.postgres import LoadFailed, ProgramMissing
from tocsin.backups.restoring import restore_backup
from tocsin.database import current, downgrade, migrate
from tocsin.testing.clock import FakeClock
from tocsin.testing.postgres import PostgresServer

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def programs(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the server's version come first."""
    monkeypatch.setenv("PATH", f"{postgres_server.programs}:{os.environ['PATH']}")


@pytest.fixture(scope="module")
def full(postgres_server: PostgresServer, postgres_databases: PostgresDatabases) -> Generator[str]:
    """A database with the tables of all services."""

    async def make() -> str:
        name = await postgres_databases.create("")
        for service in SERVICES:
            await migrate(url=postgres_server.url(name), schema=service, package=service)
        return name

    name = asyncio.run(make())
    yield postgres_server.url(name)
    asyncio.run(postgres_databases.drop(name))


@pytest.fixture
async def place(tmp_path: Path, full: str) -> BackedUpInstallation:
    """An installation with all its tables in that database."""
    await prepare_file(tmp_path / "state" / "gateway-spool.db", "gateway")
    (tmp_path / "state" / "secret-key").write_text("0123456789abcdefghijklmnopqrstuvwxyz")
    return at(tmp_path / "state", TOCSIN_DATABASE_URL=full)


async def execute(url: str, *statements: str) -> Any:
    """What the last statement gives."""
    connection = await asyncpg.connect(url, server_settings={"application_name": "a test"})
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


CHANGE = "SELECT value FROM scheduler_svc.counters WHERE name = 'change'"


async def test_a_backup_of_postgresql_is_restored(
    place: BackedUpInstallation, full: str, postgres_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    """Into an empty database, with the tables as they were and numbers that go on; a second time only by force, and then as well."""
    before = await execute(full, CHANGE)
    made = await make_backup(place, tmp_path / "a.tar", clock=clock)
    assert made.manifest.databases["scheduler_svc"].revision == await current(url=full, schema="scheduler_svc")
    other = at(tmp_path / "other", TOCSIN_DATABASE_URL=postgres_url)
    await restore_backup(other, made.path, clock=clock)
    assert await execute(postgres_url, CHANGE) == before + GAP
    tables = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE '%\\_svc'"
    assert await execute(postgres_url, tables) == await execute(full, tables)
    await execute(postgres_url, "UPDATE scheduler_svc.counters SET value = 1 WHERE name = 'change'", "SELECT 1")
    with pytest.raises(RestoreRefused, match="schema mailer_svc of mailer_svc with"):
        await restore_backup(other, made.path, clock=clock)
    assert await execute(postgres_url, CHANGE) == 1
    done = await restore_backup(other, made.path, clock=clock, force=True)
    assert (done.migrated, await execute(postgres_url, CHANGE)) == ({}, before + GAP)
    assert await execute(postgres_url, tables) == await execute(full, tables)


async def test_all_schemas_are_restored_or_none(
    place: BackedUpInstallation, postgres_url: str, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one fails: what the others had loaded is gone with their transactions, and so are the files."""
    made = await make_backup(place, tmp_path / "a.tar", clock=clock)
    restoring = postgres.restoring_line

    def broken(store: postgres.ServiceDatabase, file: Path, *, server: int) -> list[str]:
        if store.service == list(made.manifest.databases)[-1]:
            return ["sh", "-c", "echo 'CREATE TABLE nowhere.x (y integer);'"]
        return restoring(store, file, server=server)

    monkeypatch.setattr(postgres, "restoring_line", broken)
    with pytest.raises(LoadFailed, match=r'nothing was changed.*schema "nowhere" does not exist'):
        await restore_backup(at(tmp_path / "other", TOCSIN_DATABASE_URL=postgres_url), made.path, clock=clock)
    assert await execute(postgres_url, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%\\_svc'") == 0
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["stack.lock"]


async def test_an_older_schema_is_migrated(
    place: BackedUpInstallation, full: str, postgres_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    """After it was restored; what is done after each restore is done to the tables of today."""
    newest = await current(url=full, schema="processor_svc")
    await downgrade(url=full, schema="processor_svc", package="processor_svc", revision="-1")
    try:
        made = await make_backup(place, tmp_path / "a.tar", clock=clock)
    finally:
        await migrate(url=full, schema="processor_svc", package="processor_svc")
    done = await restore_backup(at(tmp_path / "other", TOCSIN_DATABASE_URL=postgres_url), made.path, clock=clock)
    assert done.migrated == {"processor_svc": f"{made.manifest.databases['processor_svc'].revision} to {newest}"}
    assert await current(url=postgres_url, schema="processor_svc") == newest
    assert await execute(postgres_url, "SELECT version > 1000000 FROM processor_svc.pii_version")


async def test_nothing_is_restored_under_services_or_where_it_does_not_fit(
    place: BackedUpInstallation, full: str, postgres_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    """Sessions of services, a server that takes no writes, another name of a schema: refused by name, not even with force."""
    made = await make_backup(place, tmp_path / "a.tar", clock=clock)
    other = at(tmp_path / "other", TOCSIN_DATABASE_URL=postgres_url)
    service = await asyncpg.connect(postgres_url, server_settings={"application_name": "tocsin"})
    try:
        with pytest.raises(RestoreRefused, match="1 sessions of running services"):
            await restore_backup(other, made.path, clock=clock, force=True)
    finally:
        await service.close()
    schema = at(tmp_path / "other", TOCSIN_DATABASE_URL=postgres_url, TOCSIN_MAILER_DATABASE_SCHEMA="mails")
    with pytest.raises(BackupUnfit, match="from schema mailer_svc, and its settings name mails"):
        await restore_backup(schema, made.path, clock=clock)
    await execute(full, "SELECT 1")
    database = postgres_url.rpartition("/")[2]
    await execute(postgres_url, f"ALTER DATABASE {database} SET default_transaction_read_only = on", "SELECT 1")
    try:
        with pytest.raises(RestoreRefused, match="takes no writes"):
            await restore_backup(other, made.path, clock=clock)
    finally:
        reset = f"ALTER DATABASE {database} RESET default_transaction_read_only"
        await execute(postgres_url, "SET default_transaction_read_only = off", reset, "SELECT 1")


def program(folder: Path, name: str, version: str) -> None:
    """A program that says its version."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
    path.chmod(0o755)


async def test_programs_are_of_the_servers_version(
    place: BackedUpInstallation, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None at all, an older one, or a newer one: the message says which there are, and what to install; one that fits is looked for."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ProgramMissing, match=r"none on PATH\. Install postgresql-client-"):
        await make_backup(place, tmp_path / "a.tar", clock=clock)
    program(tmp_path / "old", "pg_dump", "9.6.24")
    program(tmp_path / "new", "pg_dump", "99.1 (Debian 99.1-1)")
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}:{tmp_path / 'new'}")
    with pytest.raises(ProgramMissing, match=r"old/pg_dump is of 9; .*new/pg_dump is of 99"):
        await make_backup(place, tmp_path / "a.tar", clock=clock)
    assert postgres.program_of("pg_dump", 99) == str(tmp_path / "new" / "pg_dump")
    assert not (tmp_path / "a.tar").exists()
