"""PostgreSQL by its own programs: pg_dump and pg_restore, of the server's version, from a snapshot, and all or nothing.

A password goes to them by their environment, never by a command line, which everybody on the machine can read.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.backups.installation import ServiceDatabase
from tocsin.backups.manifest import BackupFailed, BackupUnfit, RestoreRefused
from tocsin.database.engine import ConnectionLimits, checked_schema, connect, parse_url, postgres_engine
from tocsin.database.errors import translated
from tocsin.errors import ConfigError, FailedPrecondition

_LIMITS: Final = ConnectionLimits(pool_size=1, connect_timeout=10.0, command_timeout=None, idle_transaction_timeout=None)
_NAME: Final = "tocsin backup"
"""What the server sees of these connections; services are "tocsin"."""
_READY: Final = b"tocsin: ready"
_SSL: Final = ("ssl", "sslmode")
_LOOK: Final = text(
    "SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema), "
    "EXISTS (SELECT FROM pg_namespace WHERE nspname = :schema), "
    "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tocsin'), "
    "pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
)
_EMPTY_SCHEMA: Final = """
DO $$
DECLARE found record;
BEGIN
  FOR found IN SELECT c.oid::regclass AS name, c.relkind FROM pg_class c
    WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition LOOP
    EXECUTE format('DROP %s IF EXISTS %s CASCADE', CASE found.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
      WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, found.name);
  END LOOP;
  FOR found IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind = 'S' LOOP
    EXECUTE format('DROP SEQUENCE IF EXISTS %s CASCADE', found.name);
  END LOOP;
  FOR found IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.pronamespace = '{schema}'::regnamespace LOOP
    EXECUTE format('DROP ROUTINE IF EXISTS %s CASCADE', found.name);
  END LOOP;
  FOR found IN SELECT t.oid::regtype AS name FROM pg_type t
    WHERE t.typnamespace = '{schema}'::regnamespace AND t.typtype IN ('e', 'd', 'r') LOOP
    EXECUTE format('DROP TYPE IF EXISTS %s CASCADE', found.name);
  END LOOP;
END $$;
"""
"""Drops what is in a schema and leaves the schema: a service's role often owns the one and may not make another."""


class ProgramMissing(FailedPrecondition):
    """A program of PostgreSQL is missing, or of another version than the server."""


class LoadFailed(BackupUnfit):
    """PostgreSQL refused what is in the backup; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A database as of one instant.

    Attributes:
        store: which.
        revision: of its schema; empty when it was never migrated.
        server: major version of the server.
        name: under which other sessions of the same database find it, while it is open.
    """

    store: ServiceDatabase
    revision: str
    server: int
    name: str


@asynccontextmanager
async def snapshots(stores: Sequence[ServiceDatabase]) -> AsyncGenerator[list[Snapshot]]:
    """What each database holds: one instant for those that are in one database of one server, one right after the other for others.

    Raises:
        DatabaseUnavailable: one cannot be reached.
    """
    async with AsyncExitStack() as opened:
        found: list[Snapshot] = []
        names: dict[tuple[Any, ...], str] = {}
        for store in stores:
            place = _place(parse_url(store.url))
            connection = await opened.enter_async_context(_connected(store))
            with translated():
                await connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                if place in names:
                    await connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{names[place]}'")
                else:
                    names[place] = str((await connection.exec_driver_sql("SELECT pg_export_snapshot()")).scalar_one())
                found.append(await _snapshot(connection, store, names[place]))
        yield found


async def _snapshot(connection: AsyncConnection, store: ServiceDatabase, name: str) -> Snapshot:
    revision = ""
    if (await connection.exec_driver_sql(f"SELECT to_regclass('{store.schema}.alembic_version')")).scalar_one() is not None:
        await connection.exec_driver_sql(f"SET LOCAL search_path = {store.schema}")
        told = await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        revision = str(told.scalar_one_or_none() or "")
    return Snapshot(store=store, revision=revision, server=await _major(connection), name=name)


async def dump(snapshot: Snapshot, file: Path) -> None:
    """Writes the schema of a service into ``file``, in pg_dump's custom format.

    Raises:
        ProgramMissing: there is no pg_dump of the server's version.
        BackupFailed: it failed; its own words are the message.
    """
    program = program_of("pg_dump", snapshot.server)
    line = [program, "--format=custom", "--compress=1", "--no-owner", "--no-privileges", "--no-password"]
    line += [f"--schema={snapshot.store.schema}", f"--snapshot={snapshot.name}", f"--file={file}"]
    process = await asyncio.create_subprocess_exec(
        *line, env=_environment(snapshot.store), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BackupFailed(f"pg_dump of {snapshot.store.service} failed: {_plain(said)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTarget:
    """The place of a restore.

    Attributes:
        server: major version of the server.
        relations: how many tables and the like are in the schema.
        exists: whether there is such a schema.
        sessions: how many sessions of services use the database.
        replica: whether the server takes no writes.
    """

    server: int
    relations: int
    exists: bool
    sessions: int
    replica: bool


async def look_at(store: ServiceDatabase) -> RestoreTarget:
    """What is in the place of a restore.

    Raises:
        DatabaseUnavailable: it cannot be reached.
    """
    checked_schema(store.schema)
    async with _connected(store) as connection:
        with translated():
            row: Any = (await connection.execute(_LOOK, {"schema": store.schema})).one()
            return RestoreTarget(server=await _major(connection), relations=row[0], exists=row[1], sessions=row[2], replica=row[3])


async def execute(store: ServiceDatabase, script: str) -> None:
    """Runs statements in one transaction.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
    """
    lines = (line for line in script.splitlines() if not line.lstrip().startswith("--"))
    async with _connected(store) as connection:
        with translated():
            await connection.exec_driver_sql(f"SET search_path = {store.schema}")
            for statement in " ".join(lines).split(";"):
                if statement.strip():
                    await connection.exec_driver_sql(statement)
            await connection.commit()


class SchemaLoad:
    """A restore of one schema, in a transaction that is open until `commit`."""

    def __init__(self, store: ServiceDatabase, process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
        """See `loading`."""
        self._store = store
        self._process = process
        self._errors = errors

    def commit(self) -> None:
        """Makes it so.

        Raises:
            LoadFailed: PostgreSQL did not.
        """
        self._write("COMMIT;\n")
        _stdin(self._process).close()
        if self._process.wait():
            raise self._failed()

    def run(self, restoring: Sequence[str], script: str) -> None:
        """Runs pg_restore into the transaction, then a script; returns when both have succeeded.

        Raises:
            LoadFailed: one of them did not.
        """
        environment, target = _environment(self._store), _stdin(self._process)
        source = subprocess.run(restoring, stdin=subprocess.DEVNULL, stdout=target, stderr=subprocess.PIPE, check=False, env=environment)
        if source.returncode:
            why = _plain(source.stderr)
            raise self._failed() if "Broken pipe" in why else LoadFailed(f"pg_restore of {self._store.service} failed: {why}")
        self._write(f"SET search_path = {self._store.schema};\n{script}\n\\echo {_READY.decode()}\n")
        assert self._process.stdout is not None  # noqa: S101  it was asked for
        if self._process.stdout.readline().strip() != _READY:
            raise self._failed()

    def begin(self, *, exists: bool) -> None:
        """Begins, and makes room.

        Args:
            exists: whether there is such a schema, which is emptied then.
        """
        room = _EMPTY_SCHEMA.replace("{schema}", self._store.schema) if exists else f"CREATE SCHEMA {self._store.schema};\n"
        settings = "".join(f"SET {name} = 0;\n" for name in ("statement_timeout", "idle_in_transaction_session_timeout"))
        self._write(f"{settings}SET lock_timeout = '30s';\nBEGIN;\n{room}SET lock_timeout = 0;\n")

    def _write(self, words: str) -> None:
        try:
            _stdin(self._process).write(words.encode())
            _stdin(self._process).flush()
        except BrokenPipeError:
            raise self._failed() from None

    def _failed(self) -> LoadFailed:
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        return LoadFailed(f"{self._store.service} cannot be restored, nothing was changed: {_plain(self._errors.read())}")


@contextmanager
def loading(store: ServiceDatabase, *, server: int, errors: IO[bytes]) -> Generator[SchemaLoad]:
    """A restore that is undone by PostgreSQL unless it is committed before the block ends.

    Args:
        store: where.
        server: its major version.
        errors: an empty file for what psql says.

    Raises:
        ProgramMissing: there is no psql of this version.
    """
    line = [
        program_of("psql", server),
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        "--set=ON_ERROR_STOP=1",
        f"--output={os.devnull}",
        "--file=-",
    ]
    process = subprocess.Popen(line, env=_environment(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    try:
        yield SchemaLoad(store, process, errors)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # what was not read any more is of no use


def restoring_line(store: ServiceDatabase, file: Path, *, server: int) -> list[str]:
    """The command that turns a dump into statements.

    Raises:
        ProgramMissing: there is no pg_restore of this version.
    """
    program = program_of("pg_restore", server)
    return [program, "--no-owner", "--no-privileges", f"--schema={store.schema}", "--file=-", str(file)]


def program_of(name: str, server: int) -> str:
    """The path of a program of the server's major version: the first one on PATH.

    An older one refuses the server, and a newer one writes settings that the server does not know.

    Raises:
        ProgramMissing: there is none; the message names the versions that there are.
    """
    others: list[str] = []
    for folder in os.get_exec_path():
        program = shutil.which(name, path=folder)
        if program is None:
            continue
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.split()
        found = next((word.partition(".")[0] for word in told if word[:1].isdigit()), "")
        if found == str(server):
            return program
        others.append(f"{program} is of {found or 'an unknown version'}")
    why = "; ".join(others) or "there is none on PATH"
    raise ProgramMissing(
        f"{name} of PostgreSQL {server}, the server's version, is needed: {why}. "
        f"Install postgresql-client-{server}, or put its folder first on PATH."
    )


def refuse_sessions(store: ServiceDatabase, target: RestoreTarget) -> None:
    """Refuses a place where services are at work, or that takes no writes.

    Raises:
        RestoreRefused: it is one.
    """
    if target.replica:
        raise RestoreRefused(f"the PostgreSQL of {store.service} takes no writes: it is a replica, or set read-only")
    if target.sessions:
        raise RestoreRefused(
            f"{target.sessions} sessions of running services use the database of {store.service}: "
            "stop them first (`tocsin down`, or scale to 0)"
        )


@asynccontextmanager
async def _connected(store: ServiceDatabase) -> AsyncGenerator[AsyncConnection]:
    engine = postgres_engine(parse_url(store.url), schema=None, limits=_LIMITS)
    try:
        async with connect(engine) as connection:
            with translated():
                await connection.exec_driver_sql(f"SET application_name = '{_NAME}'")
                await connection.commit()
            yield connection
    finally:
        await engine.dispose()


async def _major(connection: AsyncConnection) -> int:
    return int((await connection.exec_driver_sql("SELECT current_setting('server_version_num')")).scalar_one()) // 10_000


def _place(url: URL) -> tuple[Any, ...]:
    return url.host, url.port, url.database, url.query.get("host")


def _environment(store: ServiceDatabase) -> Mapping[str, str]:
    """What the programs need to connect; see https://www.postgresql.org/docs/current/libpq-envars.html.

    Raises:
        ConfigError: the URL says something that they cannot be told.
    """
    url = parse_url(store.url)
    host = url.host or url.query.get("host") or ""
    told: dict[str, str | None] = {
        "PGHOST": host if isinstance(host, str) else ",".join(host),
        "PGPORT": str(url.port) if url.port else None,
        "PGUSER": url.username,
        "PGPASSWORD": str(url.password) if url.password is not None else None,
        "PGDATABASE": url.database,
        "PGAPPNAME": _NAME,
    }
    for name, value in url.query.items():
        if name in _SSL:
            told["PGSSLMODE"] = "require" if value == "true" else str(value)
        elif name != "host":
            raise ConfigError([f"the database URL of {store.service} has {name}=, which pg_dump and pg_restore cannot be told"])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "TOCSIN_")) or name in _LIBPQ_FILES}
    return {**kept, **{name: value for name, value in told.items() if value}}


_LIBPQ_FILES: Final = ("PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGPASSFILE", "PGSERVICEFILE")


def _stdin(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdin is not None  # noqa: S101  it was asked for
    return process.stdin


def _plain(said: bytes) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[:4]) or "it said nothing"
