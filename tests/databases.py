"""Databases for tests: each test has one of its own; the tables of a service are made once a process, then copied or emptied."""

import itertools
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import asyncpg

from tocsin.config import DatabaseFeature
from tocsin.database import migrate
from tocsin.testing.postgres import PostgresServer

_NUMBERS = itertools.count(1)
_FILES: Final[dict[str, bytes]] = {}
"""What a migrated SQLite file of each service holds."""

_TEMPLATE: Final = """
CREATE SCHEMA IF NOT EXISTS tests;
CREATE TABLE tests.changes (tag text);
CREATE FUNCTION tests.note() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO tests.changes VALUES (tg_tag); END $$;
GRANT USAGE ON SCHEMA tests TO PUBLIC;
GRANT INSERT ON tests.changes TO PUBLIC;

CREATE TABLE tests.counters AS SELECT schemaname, sequencename, start_value, last_value FROM pg_sequences;
CREATE TABLE tests.kept (original regclass, copy regclass);
DO $$
DECLARE original regclass; number integer := 0; filled boolean;
BEGIN
  FOR original IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = '{schema}'::regnamespace LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', original) INTO filled;
    IF filled THEN
      number := number + 1;
      EXECUTE format('CREATE TABLE tests.kept_%s AS TABLE %s', number, original);
      INSERT INTO tests.kept VALUES (original, format('tests.kept_%s', number)::regclass);
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION tests.clean() RETURNS boolean LANGUAGE plpgsql SET session_replication_role = replica AS $$
DECLARE used text; name regclass; stored regclass;
BEGIN
  IF EXISTS (SELECT FROM tests.changes) THEN RETURN false; END IF;
  SELECT string_agg(oid::regclass::text, ', ') INTO used
    FROM pg_class WHERE relkind = 'r' AND relnamespace = '{schema}'::regnamespace AND pg_relation_size(oid) > 0;
  IF used IS NOT NULL THEN EXECUTE 'TRUNCATE ' || used || ' CASCADE'; END IF;
  FOR name, stored IN SELECT original, copy FROM tests.kept LOOP
    EXECUTE format('INSERT INTO %s OVERRIDING SYSTEM VALUE TABLE %s', name, stored);
  END LOOP;
  PERFORM setval(
      format('%I.%I', now.schemaname, now.sequencename)::regclass, coalesce(old.last_value, old.start_value), old.last_value IS NOT NULL
    ) FROM pg_sequences AS now JOIN tests.counters AS old USING (schemaname, sequencename)
    WHERE now.last_value IS DISTINCT FROM old.last_value;
  RETURN true;
END $$;

CREATE EVENT TRIGGER tests_note ON ddl_command_end EXECUTE FUNCTION tests.note();
"""
"""What lets a used database be as new: what the migrations put into it is kept, and whoever changes its tables is noted."""


async def prepare_file(path: Path, service: str) -> None:
    """Puts the tables of ``service`` into the SQLite file ``path``, unless there is one already."""
    if path.exists():
        return
    if service not in _FILES:
        with TemporaryDirectory() as folder:
            template = Path(folder) / "store.db"
            await migrate(url=f"sqlite:///{template}", schema=service, package=service)
            _FILES[service] = template.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_FILES[service])


class PostgresDatabases:
    """Lends databases of one server.

    To make and drop one takes PostgreSQL ten times as long as to empty the few tables that a test used, so what comes back is lent again,
    unless its tables were changed.
    """

    def __init__(self, server: PostgresServer, *, without: Collection[DatabaseFeature] = ()) -> None:
        self._server = server
        self._without = without
        self._prefix = "poor" if without else "template"
        self._templates = {"": "template1"}
        self._free: defaultdict[str, list[str]] = defaultdict(list)
        self._lent: dict[str, str] = {}

    async def create(self, service: str) -> str:
        """The name of a database with the untouched tables of ``service``, of an empty one if that is empty."""
        if service not in self._templates:
            self._templates[service] = await self._template(service)
        name = self._free[service].pop() if self._free[service] else await self._new(service)
        self._lent[name] = service
        return name

    def url(self, name: str) -> str:
        """Of a database that is lent."""
        return self._server.url(name)

    async def _made(self, name: str, service: str, *, fresh: bool) -> None:
        """Called with each new database; ``fresh`` if it is no copy of another one that was made."""

    async def _new(self, service: str) -> str:
        name = await self._copy(self._templates[service], f"test_{next(_NUMBERS)}")
        await self._made(name, service, fresh=not service)
        return name

    async def _template(self, service: str) -> str:
        template = await self._copy("template1", f"{self._prefix}_{service}")
        await self._made(template, service, fresh=True)
        await migrate(url=self.url(template), schema=service, package=service, without=self._without)
        await self._execute(_TEMPLATE.replace("{schema}", service), database=template)
        return template

    async def _copy(self, template: str, name: str) -> str:
        """Copies files, which takes half of the time of the usual way through the log: the server of the tests flushes nothing."""
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    async def drop(self, name: str) -> None:
        """Ends its sessions, and forgets what it holds."""
        service = self._lent.pop(name)
        if service and await self._clean(name):
            self._free[service].append(name)
        else:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _clean(self, name: str) -> bool:
        """Whether the database is as new now."""
        connection = await asyncpg.connect(self._server.url(name))
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()", name
            )
            return bool(await connection.fetchval("SELECT tests.clean()"))
        finally:
            await connection.close()

    async def _execute(self, statement: str, *, database: str = "postgres") -> None:
        admin = await asyncpg.connect(self._server.url(database))
        try:
            await admin.execute(statement)
        finally:
            await admin.close()
