"""Where a schema stands, the way to a revision, up and down, and what a migration may take, on SQLite and on a real PostgreSQL."""

import asyncio
import json
import os
from pathlib import Path
from unittest import mock

import asyncpg
import pytest

from tests.databases import prepare_file
from tests.integration.tocsin.test_migration import SCHEMA, Package
from tocsin.cli.__main__ import main
from tocsin.database import MigrationLimits, SchemaStanding, current, migrate, standing
from tocsin.database.errors import MigrationBlocked, RevisionUnknown, SchemaTooNew
from tocsin.errors import Unavailable

_WORDS = """
\"\"\"{doc}\"\"\"
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before}

def upgrade():
    op.add_column("parents", sa.Column("c{revision}", sa.Text()))

def downgrade():
    op.drop_column("parents", "c{revision}")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package with three revisions."""
    monkeypatch.syspath_prepend(tmp_path)
    found = Package(tmp_path)
    for before, revision in (("0001", "0002"), ("0002", "0003")):
        found.add(revision, _WORDS.format(doc=f"What {revision} does.", revision=revision, before=repr(before)))
    return found


async def test_a_schema_goes_to_any_revision(database_url: str, package: Package) -> None:
    """Up and down, each on its way shown before; to where it stands is nothing, to what is not there is refused."""

    async def stands(revision: str | None = None) -> SchemaStanding:
        return await standing(url=database_url, schema=SCHEMA, package=package.name, revision=revision)

    assert [step for step, _ in (await stands()).steps] == ["0001", "0002", "0003"]
    assert await current(url=database_url, schema=SCHEMA) is None, "to look makes nothing"
    for revision, steps, down in (
        ("0002", ["0001", "0002"], False),
        ("0003", ["0003"], False),
        ("0003", [], False),
        ("0001", ["0003", "0002"], True),
        ("base", ["0001"], True),
        ("0003", ["0001", "0002", "0003"], False),
    ):
        seen = await stands(revision)
        assert ([step for step, _ in seen.steps], seen.down, seen.newest) == (steps, down, "0003")
        await migrate(url=database_url, schema=SCHEMA, package=package.name, revision=revision)
        assert await current(url=database_url, schema=SCHEMA) == (None if revision == "base" else revision)
    for unknown in ("0004", "head", "-1", ""):
        with pytest.raises(RevisionUnknown, match="must be base, or one of 0001 to 0003"):
            await migrate(url=database_url, schema=SCHEMA, package=package.name, revision=unknown)
    assert ("0002", "What 0002 does.") in (await stands("0001")).steps


async def test_what_is_newer_is_not_taken_back(database_url: str, package: Package, tmp_path: Path) -> None:
    """The version that made a revision has to take it back: this one does not know how."""
    await migrate(url=database_url, schema=SCHEMA, package=package.name)
    next(tmp_path.glob("demo_*/migrations/versions/0003.py")).unlink()
    with pytest.raises(SchemaTooNew):
        await migrate(url=database_url, schema=SCHEMA, package=package.name, revision="0001")
    with pytest.raises(SchemaTooNew):
        await standing(url=database_url, schema=SCHEMA, package=package.name)


async def test_looking_makes_no_file(tmp_path: Path, package: Package) -> None:
    """Nor a folder."""
    await standing(url=f"sqlite:///{tmp_path}/none/store.db", schema=None, package=package.name)
    assert not (tmp_path / "none").exists()


async def test_a_migration_does_not_wait_for_ever(postgres_url: str, package: Package) -> None:
    """Who holds a table keeps a migration waiting, and with it everybody behind it: it gives up, and changes nothing."""
    await migrate(url=postgres_url, schema=SCHEMA, package=package.name, revision="0001")
    reader = await asyncpg.connect(postgres_url)
    try:
        async with reader.transaction():
            await reader.execute(f"LOCK TABLE {SCHEMA}.parents IN ACCESS SHARE MODE")
            limits = MigrationLimits(lock_timeout=0.05)
            with pytest.raises(MigrationBlocked, match=r"nothing was changed.*lock timeout") as caught:
                await migrate(url=postgres_url, schema=SCHEMA, package=package.name, limits=limits)
            assert isinstance(caught.value, Unavailable), "a service waits, and tries again"
            assert await current(url=postgres_url, schema=SCHEMA) == "0001"
    finally:
        await reader.close()
    await migrate(url=postgres_url, schema=SCHEMA, package=package.name)


def tocsin(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Runs `tocsin migrate` in this process."""
    with mock.patch.dict(os.environ, {"PATH": os.environ["PATH"], "COLUMNS": "200"}, clear=True), pytest.raises(SystemExit) as end:
        main(("migrate", *words))
    out, complaints = capsys.readouterr()
    return int(end.value.code or 0), out, complaints


def test_the_command_checks_plans_and_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` ends with 1 while something is to do, `--plan` shows it, `--to` does it."""
    for service in ("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"):
        asyncio.run(prepare_file(tmp_path / f"{service}.db", service))
    options = ("--state", str(tmp_path))
    assert tocsin(capsys, "--check", *options)[0] == 0
    code, out, _ = tocsin(capsys, "mailer", "--to", "0010", "--plan", *options)
    assert (code, "take back 0011" in out) == (0, True)
    assert tocsin(capsys, "--check", *options)[0] == 0, "to plan changes nothing"
    code, out, _ = tocsin(capsys, "mailer", "--to", "0010", "--json", *options)
    assert (code, json.loads(out[out.index('{"services') :])) == (0, {"services": {"mailer_svc": "0010"}})
    code, out, _ = tocsin(capsys, "--check", *options)
    assert (code, "apply 0011" in out) == (1, True)
    for words, said in (
        (("--to", "0010"), "--to needs a SERVICE"),
        (("mailer", "--check", "--plan"), "not both"),
        (("mailer", "--to", "9999"), "must be base, or one of 0001"),
    ):
        code, _, complaints = tocsin(capsys, *words, *options)
        assert (code > 0, said in complaints) == (True, True), complaints
