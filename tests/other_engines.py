"""A PostgreSQL as poor as the engines that speak its protocol: what they lack raises here (docs/portability.md).

Functions are taken away from everybody but the administrator, so that no spelling of a call gets through; statements that no privilege
can forbid are refused as they leave the process.
"""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import asyncpg
from sqlalchemy import Engine, event

from tests.databases import PostgresDatabases
from tocsin.config import DatabaseFeature
from tocsin.testing.postgres import PostgresServer

POOR: Final = "TOCSIN_POOR_ENGINE" in os.environ
"""Whether every database of this run is one of these: with ``make portable``."""

ALL: Final = frozenset(DatabaseFeature)
ROLE: Final = "poor"

_ROLE: Final = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN CREATE ROLE {ROLE} LOGIN; END IF;
END $$;
"""
_OF_DATABASE: Final = """
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE {database} TO {role};
ALTER ROLE {role} IN DATABASE {database} SET search_path = {schema};
ALTER ROLE {role} IN DATABASE {database} SET idle_in_transaction_session_timeout = '10s';
"""
_TAKE_AWAY: Final = """
CREATE SCHEMA IF NOT EXISTS tests;
GRANT USAGE ON SCHEMA tests TO PUBLIC;
DO $$
DECLARE each regprocedure;
BEGIN
  FOR each IN SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND (
      proname LIKE '%advisory%' OR proname LIKE 'txid\\_%' OR proname LIKE 'pg\\_snapshot\\_%' OR proname LIKE 'pg\\_current\\_%xact%'
      OR proname IN ('pg_current_snapshot', 'pg_export_snapshot', 'pg_notify', 'pg_listening_channels')) LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each);
  END LOOP;
END $$;
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
CREATE FUNCTION tests.refuse_partitions() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_class WHERE relispartition OR relkind = 'p') THEN
    RAISE EXCEPTION 'partitions are not supported' USING ERRCODE = '0A000';
  END IF;
END $$;
CREATE EVENT TRIGGER tests_no_partitions ON ddl_command_end EXECUTE FUNCTION tests.refuse_partitions();
"""
_REFUSED: Final = re.compile(
    r"^\s*(?:LISTEN|UNLISTEN|NOTIFY|DO|DISCARD|LOCK)\b|^\s*SET\s+(?!LOCAL|TRANSACTION)|\bctid\b|\bTEMP(?:ORARY)?\s+TABLE|\bPARTITION OF\b"
    r"|\b(?:pg_\w*advisory|pg_current_xact|pg_snapshot|pg_export_snapshot|txid_)\w*\(",
    re.IGNORECASE,
)


class PoorDatabases(PostgresDatabases):
    """Lends databases in which what other engines lack raises, to a role that may no more than it must."""

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(server, without=ALL)

    def url(self, name: str) -> str:
        """Of the role, which is no administrator."""
        return self._server.url(name, user=ROLE)

    async def _made(self, name: str, service: str, *, fresh: bool) -> None:
        if fresh:
            await self._execute(_ROLE + _TAKE_AWAY, database=name)
        await self._execute(_OF_DATABASE.format(database=name, role=ROLE, schema=service or "public"))


@contextmanager
def refusing() -> Generator[list[str]]:
    """Refuses statements that no privilege forbids, and settings at the start of a session; gives those that were refused."""
    refused: list[str] = []

    def look(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        if context is not None and context.dialect.name == "postgresql" and _REFUSED.search(statement):
            refused.append(statement)
            msg = f"not supported: {statement}"
            raise asyncpg.FeatureNotSupportedError(msg)

    def connecting(dialect: Any, _record: Any, _arguments: Any, given: dict[str, Any]) -> None:
        named = given.get("server_settings", {}).keys() - {"application_name"}
        if dialect.name == "postgresql" and named:
            refused.append(f"settings {sorted(named)}")
            msg = f"unsupported startup parameter: {sorted(named)}"
            raise asyncpg.ProtocolViolationError(msg)

    event.listen(Engine, "before_cursor_execute", look)
    event.listen(Engine, "do_connect", connecting)
    try:
        yield refused
    finally:
        event.remove(Engine, "before_cursor_execute", look)
        event.remove(Engine, "do_connect", connecting)
